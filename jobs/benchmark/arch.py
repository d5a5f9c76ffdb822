"""Known architectures with random weights, so that their speed needs no download.

Stable Diffusion 1.5 has its text encoder. The others have random states in the place of theirs, of
the true shape and the same for the same text: masks, inversion, edit and autoencoder are timed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zlib import crc32

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    UNet2DConditionModel,
    ZImageTransformer2DModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from pipeline.models import _noise_levels
from pipeline.models._flux import Flux
from pipeline.models._load import choose_device, choose_dtype, tune
from pipeline.models._stable_diffusion import StableDiffusion
from pipeline.models._stable_diffusion_3 import StableDiffusion3
from pipeline.models._stable_diffusion_xl import StableDiffusionXL
from pipeline.models._tokens import Tokens
from pipeline.models._z_image import ZImage
from pipeline.models.stable_diffusion import Config

TRUE_WIDTH = 320
"""Any other width is a small network, for a CPU."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
TOKENS = 77


def random_stable_diffusion(config: Config, width: int = 320) -> StableDiffusion:
    """`width` 320 is the true size: 860 M parameters, 512×512 pictures. 32 is for a CPU."""
    device = choose_device(config.device)
    dtype = choose_dtype(config.dtype, device)
    torch.manual_seed(0)
    true_size = width == 320
    text_width = 768 if true_size else 64
    with device:
        networks = _unet(width, text_width), _vae(width), _text_encoder(text_width)
    names = ("unet", "vae", "text_encoder")
    parts = {name: part.to(dtype) for name, part in zip(names, networks, strict=True)}
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    with TemporaryDirectory() as folder:
        scheduler.save_pretrained(Path(folder) / "scheduler")
        levels = _noise_levels.read(Path(folder))
    tokens = {"tokenizer": Tokens(_tokenizer(), TOKENS)}
    side = 8 * parts["unet"].config.sample_size
    model = StableDiffusion(parts, tokens, levels, side)
    model.name = f"random sd15, width {width}"
    tune(model, config)
    return model


@dataclass(frozen=True)
class Arch:
    """What is random of a family, and in which shapes."""

    kind: Any
    network: Callable[[int], Any]
    channels: int  # of a latent
    text: tuple[int, int]  # tokens, width
    pooled: int  # 0: none
    scheduler: Callable[[], Any]


def random_model(name: str, config: Config, width: int = TRUE_WIDTH) -> Any:
    """The model of an architecture of `ARCHS`, made on its device in its type."""
    arch, device = ARCHS[name], choose_device(config.device)
    dtype, before = choose_dtype(config.dtype, device), torch.get_default_dtype()
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    try:
        with device:
            networks = {arch.kind.network: arch.network(width), "vae": _vae(width, arch.channels)}
    finally:
        torch.set_default_dtype(before)
    with TemporaryDirectory() as folder:
        arch.scheduler().save_pretrained(Path(folder) / "scheduler")
        levels = arch.kind.family.levels(Path(folder))
    model = arch.kind(networks, {}, levels, 1024 if width == TRUE_WIDTH else 64)
    model._encoded = lambda prompts: _states(arch, prompts, device, dtype)
    model.name = f"random {name}, width {width}"
    tune(model, config)
    return model


def _states(arch: Arch, prompts: list[str], device: Any, dtype: Any) -> dict[str, Any]:
    rows = []
    for prompt in prompts:
        generator = torch.Generator().manual_seed(crc32(prompt.encode()))
        drawn = torch.randn(arch.text[0] * arch.text[1] + arch.pooled, generator=generator)
        rows.append(drawn.to(device, dtype))
    states, pooled = torch.stack(rows).split([arch.text[0] * arch.text[1], arch.pooled], dim=1)
    cond: dict[str, Any] = {"text": states.view(len(rows), *arch.text)}
    if arch.kind is ZImage:
        cond["length"] = torch.full((len(rows),), arch.text[0])
    return cond | ({"pooled": pooled} if arch.pooled else {})


def _sdxl(width: int) -> UNet2DConditionModel:
    widths = (width, 2 * width, 4 * width)
    return UNet2DConditionModel(
        sample_size=128 if width == TRUE_WIDTH else 8,
        block_out_channels=widths,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=tuple(max(1, channels // 64) for channels in widths),
        transformer_layers_per_block=(1, 2, 10) if width == TRUE_WIDTH else (1, 1, 1),
        cross_attention_dim=2048,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=6 * 256 + 1280,
    )


def _sd35(width: int) -> SD3Transformer2DModel:
    """3.5 medium."""
    layers, heads = (24, 24) if width == TRUE_WIDTH else (2, 1)
    return SD3Transformer2DModel(
        sample_size=128, in_channels=16, out_channels=16, num_layers=layers,
        attention_head_dim=64, num_attention_heads=heads, caption_projection_dim=64 * heads,
        joint_attention_dim=4096, pooled_projection_dim=2048, pos_embed_max_size=384,
        qk_norm="rms_norm", dual_attention_layers=tuple(range(min(13, layers))),
    )  # fmt: skip


def _flux(width: int) -> FluxTransformer2DModel:
    layers, single, heads = (19, 38, 24) if width == TRUE_WIDTH else (1, 1, 1)
    return FluxTransformer2DModel(
        num_layers=layers, num_single_layers=single, num_attention_heads=heads, guidance_embeds=True
    )  # fmt: skip


def _z_image(width: int) -> ZImageTransformer2DModel:
    small = {"dim": 128, "n_heads": 1, "n_kv_heads": 1, "n_layers": 2, "n_refiner_layers": 1}
    return ZImageTransformer2DModel(**({} if width == TRUE_WIDTH else small))


def _flow(**shift: Any) -> Callable[[], Any]:
    return lambda: FlowMatchEulerDiscreteScheduler(shift=3.0, **shift)


def _euler() -> EulerDiscreteScheduler:
    return EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="leading",
        steps_offset=1,
    )


ARCHS = {
    "sdxl": Arch(StableDiffusionXL, _sdxl, 4, (77, 2048), 1280, _euler),
    "sd35": Arch(StableDiffusion3, _sd35, 16, (77 + 256, 4096), 2048, _flow()),
    "flux": Arch(Flux, _flux, 16, (512, 4096), 768, _flow(use_dynamic_shifting=True)),
    "z_image": Arch(ZImage, _z_image, 16, (64, 2560), 0, _flow()),
}


def _unet(width: int, text_width: int) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=64 if width == 320 else 8,
        block_out_channels=(width, 2 * width, 4 * width, 4 * width),
        cross_attention_dim=text_width,
        attention_head_dim=8,
    )


def _vae(width: int, channels: int = 4) -> AutoencoderKL:
    first = max(32, width * 2 // 5)
    return AutoencoderKL(
        block_out_channels=(first, 2 * first, 4 * first, 4 * first),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=channels,
        sample_size=512,
        scaling_factor=0.18215,
    )


def _text_encoder(width: int) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=49408,
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=12 if width == 768 else 2,
            num_attention_heads=width // 64,
            max_position_embeddings=TOKENS,
        )
    )


def _tokenizer() -> CLIPTokenizer:
    """Reads letter by letter: what a text says makes no difference to random weights."""
    words = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: i for i, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=TOKENS)
