"""Stable Diffusion 1.x and 2.x as a `Denoiser`: diffusers' networks, our mathematics.

Knows the folder format and the ε and v parameterisations; knows nothing of masks or edits.

Shapes: B rows, C H W latent channels and sides, f the autoencoder's factor.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from pipeline.diffusion.batching import MicroBatch
from pipeline.diffusion.denoiser import Cond
from pipeline.diffusion.tuning import fastest_micro_batch
from pipeline.errors import UsageError
from pipeline.models import _folder

if TYPE_CHECKING:
    from pipeline.models.stable_diffusion import Config

PARTS = ("unet", "vae", "text_encoder")
TEXTS_KEPT = 1024

Network = Any
"""A UNet2DConditionModel, AutoencoderKL or CLIPTextModel: mypy cannot see into these."""

Scheduler = Any
"""A DDIMScheduler, likewise."""


class StableDiffusion:
    """UNet, CLIP text encoder and autoencoder of one folder, on one device.

    `name` and `weights` (a digest of the safetensors files) say who it is; `resolution` is the
    side in pixels of the pictures that it works on.
    """

    def __init__(
        self,
        unet: Network,
        vae: Network,
        text_encoder: Network,
        tokenizer: CLIPTokenizer,
        scheduler: Scheduler,
    ) -> None:
        for network in (unet, vae, text_encoder):
            network.eval().requires_grad_(False)
        # Convolutions are faster so on GPUs; on CPUs as fast in float32, slower in bfloat16.
        layout = torch.channels_last if unet.device.type == "cuda" else torch.contiguous_format
        self._unet, self._vae = unet.to(memory_format=layout), vae.to(memory_format=layout)
        self._text_encoder = text_encoder
        self._tokenizer, self._scheduler = tokenizer, scheduler
        self._v_prediction = scheduler.config.prediction_type == "v_prediction"
        alphas2 = scheduler.alphas_cumprod.to(self.device)
        # A schedule rescaled to zero terminal SNR ends at α = 0, where ε says nothing of x_0.
        alphas2 = alphas2.clamp(min=2.0**-20)
        # The last entry is level 0, which negative times index.
        self._alphas = torch.cat([alphas2, alphas2.new_ones(1)]).sqrt()
        self._sigmas = (1 - torch.cat([alphas2, alphas2.new_ones(1)])).sqrt()
        self._texts: OrderedDict[str, Tensor] = OrderedDict()
        # 32 rows of 16×16 cells fill a CPU's cores; a pass of larger latents gets fewer.
        cells = int(unet.config.sample_size) ** 2
        self.rows, self.images = MicroBatch(min(64, max(4, 16384 // cells))), MicroBatch(4)
        self._compiled: Network = None
        self.name, self.weights = "unnamed", ""
        self.resolution = int(unet.config.sample_size) * self.factor

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        device: torch.device = self._unet.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """Of the networks' activations."""
        dtype: torch.dtype = self._unet.dtype
        return dtype

    @property
    def channels(self) -> int:
        """C."""
        return int(self._unet.config.in_channels)

    @property
    def factor(self) -> int:
        """f: pixels a latent cell, per side."""
        return int(2 ** (len(self._vae.config.block_out_channels) - 1))

    @property
    def latent_multiple(self) -> int:
        """Pixels that a picture's sides must be multiples of: f × what the UNet halves."""
        return int(self.factor * 2 ** (len(self._unet.config.block_out_channels) - 1))

    def timesteps(self, steps: int) -> Tensor:
        """(steps,) ascending times, as diffusers' DDIM spaces them for this folder."""
        if steps > self._scheduler.config.num_train_timesteps:
            most = self._scheduler.config.num_train_timesteps
            raise UsageError(f"edit.steps: {steps} is more than the model's {most} times")
        self._scheduler.set_timesteps(steps)
        times: Tensor = self._scheduler.timesteps
        return times.flip(0).to(self.device)

    def alpha(self, t_B: Tensor) -> Tensor:
        """(B,) √ᾱ_t; 1 where t is negative."""
        return self._alphas[t_B.clamp(min=-1)]

    def sigma(self, t_B: Tensor) -> Tensor:
        """(B,) √(1 − ᾱ_t); 0 where t is negative."""
        return self._sigmas[t_B.clamp(min=-1)]

    @torch.inference_mode()
    def eps(self, x_BCHW: Tensor, t_B: Tensor, cond: Cond) -> Tensor:
        """(B, C, H, W) float32 ε; of v = α·ε − σ·x_0 it is α·v + σ·x (Salimans & Ho 2022)."""
        out = self._predicted(x_BCHW.to(self.dtype), t_B, cond["text"]).float()
        if not self._v_prediction:
            return out
        return _column(self.alpha(t_B)) * out + _column(self.sigma(t_B)) * x_BCHW

    @torch.inference_mode()
    def text(self, prompts: Sequence[str]) -> Cond:
        """{"text": (B, tokens, width)}; what exceeds the tokenizer's length is cut off."""
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._texts]
        if new:
            self._texts.update(zip(new, self._encoded(new), strict=True))
        states = [self._texts[prompt] for prompt in prompts]
        for prompt in dict.fromkeys(prompts):
            self._texts.move_to_end(prompt)
        while len(self._texts) > TEXTS_KEPT:
            self._texts.popitem(last=False)
        return {"text": torch.stack(states)}

    @torch.inference_mode()
    def encode(self, image_B3HW: Tensor) -> Tensor:
        """(B, C, H/f, W/f) float32 scaled mode of the posterior of RGB in [-1, 1]."""
        posterior = self._vae.encode(image_B3HW.to(self.dtype)).latent_dist
        latent: Tensor = posterior.mode().float() * self._vae.config.scaling_factor
        return latent

    @torch.inference_mode()
    def decode(self, x_BCHW: Tensor) -> Tensor:
        """(B, 3, f·H, f·W) float32 RGB, clipped to [-1, 1]."""
        latent = (x_BCHW / self._vae.config.scaling_factor).to(self.dtype)
        image: Tensor = self._vae.decode(latent).sample.float()
        return image.clamp(-1, 1)

    @torch.inference_mode()
    def compile(self) -> None:
        """Compiles the UNet for the model's resolution, whatever the number of rows.

        Raises UsageError where there is no compiler.
        """
        self._compiled = torch.compile(self._unet)
        side = self.resolution // self.factor
        try:
            # diffusers' upsampling asks whether there are 64 rows or more, so each is compiled.
            with warnings.catch_warnings(action="ignore"):
                for rows in (2, self.rows.size):
                    x_BCHW = torch.zeros(rows, self.channels, side, side, device=self.device)
                    self.eps(x_BCHW, self.timesteps(2)[:1].repeat(rows), self.text([""] * rows))
        except RuntimeError as error:
            reason = " ".join(str(error).splitlines()[:2]).strip()
            raise UsageError(f"model.compile: {reason}; set it to false to do without") from error

    def _predicted(self, x_BCHW: Tensor, t_B: Tensor, text_BLD: Tensor) -> Tensor:
        network = self._unet
        # torch.compile takes 1 for a constant.
        if self._compiled is not None and len(x_BCHW) > 1:
            network = self._compiled
            for tensor in (x_BCHW, t_B, text_BLD):
                torch._dynamo.mark_dynamic(tensor, 0)
        out: Tensor = network(x_BCHW, t_B, encoder_hidden_states=text_BLD).sample
        return out

    def _encoded(self, prompts: list[str]) -> Tensor:
        tokens = self._tokenizer(
            prompts,
            padding="max_length",
            max_length=self._tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        states: Tensor = self._text_encoder(tokens.input_ids.to(self.device)).last_hidden_state
        return states


def load(config: Config) -> StableDiffusion:
    """The model of `config`. Raises UsageError where folder or device cannot be used."""
    folder = _folder.find(config.path, config.revision)
    variant = _folder.check(folder, PARTS)
    _check_family(folder)
    device = choose_device(config.device)
    dtype = choose_dtype(config.dtype, device)
    try:
        unet, vae, text_encoder = _networks(folder, dtype, variant, device)
        tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer")
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(f"model.path: {folder}: cannot load it: {reason}") from error
    model = StableDiffusion(unet, vae, text_encoder, tokenizer, _scheduler(folder))
    model.name = config.path if config.revision is None else f"{config.path}@{config.revision}"
    model.weights = _folder.weights_digest(folder, PARTS)
    model.resolution = config.resolution or model.resolution
    tune(model, config)
    return model


def tune(model: StableDiffusion, config: Config) -> None:
    """Sets the micro-batch, on a GPU to what is measured to be fastest, and compiles if asked to.

    Not measured on CPUs: there the gain is small, and a size that varies from run to run would
    change the last bits of the results.
    """
    if config.micro_batch is not None:
        model.rows.size = config.micro_batch
    elif model.device.type == "cuda":
        side = model.resolution // model.factor
        model.rows.size = fastest_micro_batch(model, (model.channels, side, side))
    if config.compile:
        model.compile()


def _networks(
    folder: Path, dtype: torch.dtype, variant: str | None, device: torch.device
) -> list[Network]:
    options = {
        "torch_dtype": dtype,
        "variant": variant,
        "use_safetensors": True,
        "local_files_only": True,
    }
    # Loading through meta tensors needs accelerate, which is not a dependency.
    plain = {**options, "low_cpu_mem_usage": False}
    kinds: list[tuple[Any, str, dict[str, Any]]] = [
        (UNet2DConditionModel, "unet", plain),
        (AutoencoderKL, "vae", plain),
        (CLIPTextModel, "text_encoder", options),
    ]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    return [
        kind.from_pretrained(folder, subfolder=part, **how).to(device) for kind, part, how in kinds
    ]


def _check_family(folder: Path) -> None:
    unet = _folder.read_json(folder / "unet" / "config.json")
    vae = _folder.read_json(folder / "vae" / "config.json")
    other = unet.get("addition_embed_type") or unet.get("class_embed_type")
    if unet.get("_class_name") != "UNet2DConditionModel" or other:
        found = f"a {unet.get('_class_name')}" + (f" with {other} conditioning" if other else "")
        raise UsageError(f"model.path: {folder} is not Stable Diffusion 1.x or 2.x: it has {found}")
    if unet.get("in_channels") != vae.get("latent_channels", 4):
        raise UsageError(
            f"model.path: {folder}: the UNet takes {unet.get('in_channels')} channels, the latent "
            f"has {vae.get('latent_channels', 4)}: inpainting and depth models cannot be used"
        )


def _scheduler(folder: Path) -> Scheduler:
    settings = _folder.read_json(folder / "scheduler" / "scheduler_config.json")
    if settings.get("prediction_type", "epsilon") not in ("epsilon", "v_prediction"):
        raise UsageError(
            f"model.path: {folder}: scheduler prediction_type is {settings['prediction_type']!r}; "
            "expected epsilon or v_prediction"
        )
    # Whatever sampler the folder names, its spacing and its betas are read the way DDIM reads them.
    return DDIMScheduler.from_config(settings)  # type: ignore[no-untyped-call]


def choose_device(name: str) -> torch.device:
    """The device of `model.device`. Raises UsageError where this machine lacks it."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"model.device: {name}: this machine has {torch.cuda.device_count()} GPUs")
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The type of `model.dtype`; auto: bfloat16 where the device computes with it, else float32 on
    a CPU and float16 elsewhere."""
    if name != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}.get(name, torch.float16)
    if device.type == "cpu":
        # A CPU without such instructions would emulate bfloat16, slowly.
        bf16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return torch.bfloat16 if bf16 else torch.float32
    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if bf16 else torch.float16


def _column(coefficients_B: Tensor) -> Tensor:
    return coefficients_B.view(-1, 1, 1, 1)
