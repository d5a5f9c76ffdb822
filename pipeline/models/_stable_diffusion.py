"""Stable Diffusion 1.x and 2.x as a `Denoiser`: diffusers' networks, our mathematics.

Knows the ε and v parameterisations; knows no file, and nothing of masks or edits.

Shapes: B rows, C H W latent channels and sides, f the autoencoder's factor.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.diffusion.batching import MicroBatch
from pipeline.diffusion.denoiser import Cond
from pipeline.diffusion.tuning import fastest_micro_batch
from pipeline.errors import UsageError
from pipeline.models import _family, _folder
from pipeline.models._noise_levels import NoiseLevels
from pipeline.models._parts import PARTS, Network
from pipeline.models._tokens import Tokens

if TYPE_CHECKING:
    from pipeline.models.stable_diffusion import Config

TEXTS_KEPT = 1024


class StableDiffusion:
    """UNet, CLIP text encoder and autoencoder of one folder, on one device.

    `name` and `weights` (a digest of all that decides its pictures) say who it is; `resolution` is
    the side in pixels of the pictures that it works on.
    """

    def __init__(
        self,
        unet: Network,
        vae: Network,
        text_encoder: Network,
        tokens: Tokens,
        levels: NoiseLevels,
        resolution: int,
    ) -> None:
        for network in (unet, vae, text_encoder):
            network.eval().requires_grad_(False)
        # Convolutions are faster so on GPUs; on CPUs as fast in float32, slower in bfloat16.
        layout = torch.channels_last if unet.device.type == "cuda" else torch.contiguous_format
        self._unet, self._vae = unet.to(memory_format=layout), vae.to(memory_format=layout)
        self._text_encoder = text_encoder
        self._tokens, self._levels = tokens, levels.to(unet.device)
        self._texts: OrderedDict[str, Tensor] = OrderedDict()
        # 32 rows of 16×16 cells fill a CPU's cores; a pass of larger latents gets fewer.
        cells = (resolution // self.factor) ** 2
        self.rows, self.images = MicroBatch(min(64, max(4, 16384 // cells))), MicroBatch(4)
        self._compiled: Network = None
        self.name, self.weights = "unnamed", ""
        self.resolution = resolution

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
        """(steps,) ascending times. Raises UsageError where the model knows fewer."""
        return self._levels.timesteps(steps)

    def alpha(self, t_B: Tensor) -> Tensor:
        """(B,) √ᾱ_t; 1 where t is negative."""
        return self._levels.alpha(t_B)

    def sigma(self, t_B: Tensor) -> Tensor:
        """(B,) √(1 − ᾱ_t); 0 where t is negative."""
        return self._levels.sigma(t_B)

    @torch.inference_mode()
    def eps(self, x_BCHW: Tensor, t_B: Tensor, cond: Cond) -> Tensor:
        """(B, C, H, W) float32 ε; of v = α·ε − σ·x_0 it is α·v + σ·x (Salimans & Ho 2022)."""
        out = self._predicted(x_BCHW.to(self.dtype), t_B, cond["text"]).float()
        if not self._levels.v_prediction:
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
        tokens = self._tokens(prompts)
        states: Tensor = self._text_encoder(tokens.to(self.device)).last_hidden_state
        return states


def load(config: Config) -> StableDiffusion:
    """The model of `config`. Raises UsageError where folder or device cannot be used."""
    device = choose_device(config.device)
    model = _loaded(config, device, choose_dtype(config.dtype, device))
    tune(model, config)
    return model


def check(config: Config) -> None:
    """Raises the UsageError that `load` would of a folder; needs no device but the CPU."""
    _loaded(config, torch.device("cpu"), torch.float32)


def _loaded(config: Config, device: torch.device, dtype: torch.dtype) -> StableDiffusion:
    family = _family.read(_folder.find(config.path, config.revision))
    resolution = family.resolution or config.resolution
    if resolution is None:
        unet = family.folder / "unet" / "config.json"
        raise UsageError(
            f"model.path: {unet} does not say at which sample_size the model was trained; set "
            "model.resolution"
        )
    networks = [part.load(family.folder, family.settings[part.name], dtype) for part in PARTS]
    unet, vae, text_encoder = (network.to(device) for network in networks)
    model = StableDiffusion(unet, vae, text_encoder, family.tokens, family.levels, resolution)
    model.name = config.path if config.revision is None else f"{config.path}@{config.revision}"
    model.weights = _folder.digest(family.folder, family.files())
    model.resolution = config.resolution or resolution
    _try(model, family.folder)
    return model


@torch.inference_mode()
def _try(model: StableDiffusion, folder: Path) -> None:
    """One pass of each network at the smallest size: what a config says may only show there."""
    side, t = model.latent_multiple, model.timesteps(2)[1:]
    try:
        x0 = model.encode(torch.linspace(-1, 1, side, device=model.device).expand(1, 3, side, side))
        eps = model.eps(x0, t, {"text": model._encoded(["a"])})
        shapes = x0.shape == eps.shape == (1, model.channels, *[side // model.factor] * 2)
        image = model.decode(x0)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # of two libraries, about configs that may say anything
        reason = _folder.first_line(error)
        raise UsageError(f"model.path: {folder} cannot be run: {reason}; get it again") from error
    if not shapes or image.shape != (1, 3, side, side):
        raise UsageError(f"model.path: {folder}: its parts do not fit each other")
    if not all(torch.isfinite(x).all() for x in (x0, eps, image)):
        raise UsageError(_not_finite(model, folder))


def _not_finite(model: StableDiffusion, folder: Path) -> str:
    if model.dtype == torch.float16:
        return f"model.dtype: {folder} overflows in float16; set it to bfloat16 or float32"
    return f"model.path: {folder}: what its networks give is not finite; get it again"


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
