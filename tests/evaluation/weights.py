"""Judging networks of small random weights, in the layout of the real ones. Knows no test."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    ViTConfig,
    ViTModel,
)

from pipeline.metrics._networks.lpips import FILES, _backbone
from tests.tiny import LETTERS, _tokenizer

SIDE = 32


def make_clip(folder: Path) -> Path:
    """A CLIP folder with 32×32 pictures and texts read letter by letter."""
    end = 2 * len(LETTERS) + 1
    small = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    text = {
        **small,
        "vocab_size": end + 1,
        "max_position_embeddings": 24,
        "bos_token_id": end - 1,
        "eos_token_id": end,
        "pad_token_id": end,
    }
    with torch.random.fork_rng():
        torch.manual_seed(1)
        vision = {**small, "image_size": SIDE, "patch_size": 8}
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8))
        for parameter in model.parameters():
            parameter.data.mul_(3)
    model.save_pretrained(folder)
    _tokenizer(folder / "spare").save_pretrained(folder)
    sides = {"height": SIDE, "width": SIDE}
    CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=sides).save_pretrained(folder)
    return folder


def make_dino(folder: Path) -> Path:
    """A ViT folder of patches of 16 for pictures of 224."""
    config = ViTConfig(
        hidden_size=24,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=224,
        patch_size=16,
        initializer_range=0.2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(2)
        ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def make_lpips(folder: Path) -> Path:
    """torchvision's files of SqueezeNet's and AlexNet's features."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        for net, name in FILES.items():
            features = _backbone(net).state_dict()
            state = {f"features.{key}": value for key, value in features.items()}
            torch.save({**state, "classifier.1.weight": torch.zeros(2)}, folder / name)
    return folder


def make_all(folder: Path) -> dict[str, str]:
    """Role → place, as `--weights` gives them."""
    return {
        "clip": str(make_clip(folder / "clip")),
        "dino": str(make_dino(folder / "dino")),
        "lpips": str(make_lpips(folder / "lpips")),
    }
