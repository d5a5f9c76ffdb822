"""A Stable Diffusion folder of random weights, small enough to make in a test. Knows no test.

64×64 pictures, 8×8×4 latents, some ten thousand parameters in the UNet. The tokenizer reads any
text letter by letter.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,.-'"
SIDE = 64


def make_folder(folder: Path, prediction_type: str = "epsilon", seed: int = 0) -> Path:
    """Writes the folder as diffusers does and returns it. The same seed gives the same weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        pipe = StableDiffusionPipeline(
            vae=_vae(),
            text_encoder=_text_encoder(),
            tokenizer=_tokenizer(folder),
            unet=_unet(),
            scheduler=DDIMScheduler(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                clip_sample=False,
                set_alpha_to_one=False,
                steps_offset=1,
                prediction_type=prediction_type,
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipe.save_pretrained(folder, safe_serialization=True)
    return folder


def _unet() -> UNet2DConditionModel:
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        norm_num_groups=4,
        cross_attention_dim=16,
        attention_head_dim=2,
    )
    # As drawn, every cell attends to all words alike; a trained network's cells choose. Much more
    # than this makes the network chaotic, so that no two orders of summation agree in the end.
    for name, parameter in unet.named_parameters():
        if "attn2.to_q" in name or "attn2.to_k" in name:
            parameter.data.mul_(2)
        if "attn2.to_v" in name or "attn2.to_out" in name:
            parameter.data.mul_(3)
    return unet


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(4, 4, 4, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=2,
        sample_size=SIDE,
        scaling_factor=16.0,  # latents clearly above the noise, as masks need them
        mid_block_add_attention=False,
    )


def _text_encoder() -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=2 * len(LETTERS) + 2,
            hidden_size=16,
            intermediate_size=32,
            projection_dim=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=24,
            bos_token_id=2 * len(LETTERS),
            eos_token_id=2 * len(LETTERS) + 1,
            pad_token_id=2 * len(LETTERS) + 1,
            initializer_factor=10.0,
        )
    )


def _tokenizer(folder: Path) -> CLIPTokenizer:
    words = [*LETTERS, *(letter + "</w>" for letter in LETTERS)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    files = folder / "tokenizer"
    files.mkdir(parents=True)
    (files / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (files / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(
        vocab=str(files / "vocab.json"), merges=str(files / "merges.txt"), model_max_length=24
    )
