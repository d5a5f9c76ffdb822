"""Stable Diffusion 1.5's architecture with random weights, so that its speed needs no download."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from pipeline.models import _noise_levels
from pipeline.models._load import choose_device, choose_dtype, tune
from pipeline.models._stable_diffusion import StableDiffusion
from pipeline.models._tokens import Tokens
from pipeline.models.stable_diffusion import Config

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


def _unet(width: int, text_width: int) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=64 if width == 320 else 8,
        block_out_channels=(width, 2 * width, 4 * width, 4 * width),
        cross_attention_dim=text_width,
        attention_head_dim=8,
    )


def _vae(width: int) -> AutoencoderKL:
    first = max(32, width * 2 // 5)
    return AutoencoderKL(
        block_out_channels=(first, 2 * first, 4 * first, 4 * first),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
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
