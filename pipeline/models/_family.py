"""Is a folder a Stable Diffusion 1.x or 2.x model? Reads its configs, loads no network.

Raises UsageError, in one line that says what it is instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.models import _noise_levels, _tokens
from pipeline.models._folder import read_json
from pipeline.models._noise_levels import NoiseLevels
from pipeline.models._parts import PARTS, TEXT_ENCODER, UNET, VAE, Settings
from pipeline.models._tokens import Tokens

_CLASSES = {
    **{part.name: (part.kind.__name__,) for part in PARTS},
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
}
# Of these a picture's noise predictions are the same with and without.
_UNUSED = ("safety_checker", "feature_extractor", "image_encoder")
_LIBRARIES = ("diffusers", "transformers")


@dataclass(frozen=True)
class Family:
    """A folder that is one of the family, and all of it but the networks."""

    folder: Path
    settings: dict[str, Settings]  # of each part
    tokens: Tokens
    levels: NoiseLevels
    resolution: int | None  # side in pixels that it was trained at, where it says so

    def files(self) -> list[Path]:
        """All that decides its pictures."""
        scheduler = self.folder / "scheduler" / "scheduler_config.json"
        tokenizer = [self.folder / "tokenizer" / name for name in _tokens.FILES]
        networks = [file for part in PARTS for file in part.files(self.folder)]
        return [scheduler, *networks, *(file for file in tokenizer if file.is_file())]


def read(folder: Path) -> Family:
    """All of a folder but its networks."""
    _check_index(folder)
    settings = {part.name: part.settings(folder) for part in PARTS}
    unet, vae, encoder = (settings[part.name] for part in (UNET, VAE, TEXT_ENCODER))
    fault = _unet_fault(unet, vae) or _vae_fault(vae) or _text_fault(unet, encoder)
    if fault:
        raise UsageError(f"model.path: {folder} is not Stable Diffusion 1.x or 2.x: {fault}")
    levels = _noise_levels.read(folder)
    tokens = _tokens.read(folder, encoder["vocab_size"], encoder["max_position_embeddings"])
    return Family(folder, settings, tokens, levels, _resolution(unet, vae))


def _check_index(folder: Path) -> None:
    if not (folder / "model_index.json").exists():
        raise UsageError(
            f"model.path: {folder} has no model_index.json; expected a diffusers folder "
            f"(model_index.json, {', '.join(part.name for part in PARTS)}, tokenizer, scheduler)"
        )
    index = read_json(folder / "model_index.json")
    parts = {name: _class_of(value) for name, value in index.items() if name[0] != "_"}
    for name, kind in parts.items():
        if kind and name not in (*_CLASSES, "scheduler", *_UNUSED):
            raise UsageError(
                f"model.path: {folder} is not Stable Diffusion 1.x or 2.x: it has a {name} ({kind})"
            )
    for name, expected in _CLASSES.items():
        if parts.get(name) not in expected:
            found = f"its {name} is a {parts[name]}" if parts.get(name) else f"it names no {name}"
            raise UsageError(
                f"model.path: {folder} is not Stable Diffusion 1.x or 2.x: {found} "
                f"(model_index.json), expected a {expected[0]}"
            )


def _class_of(value: Any) -> str | None:
    """The class of a part in model_index.json; None for a setting and for a part left out."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], str):
        return value[1] if value[0] in _LIBRARIES else f"{value[0]}.{value[1]}"
    return None


def _unet_fault(unet: Settings, vae: Settings) -> str | None:
    for key in ("addition_embed_type", "class_embed_type", "encoder_hid_dim_type"):
        if unet.get(key):
            return f"it has a UNet2DConditionModel with {unet[key]} conditioning ({key})"
    for key in ("time_cond_proj_dim", "num_class_embeds", "encoder_hid_dim"):
        if unet.get(key):
            why = ": a latent consistency model" if key == "time_cond_proj_dim" else ""
            return f"its UNet has a {key}{why}"
    if unet.get("attention_type", "default") != "default":
        return f"its UNet has {unet['attention_type']} attention"
    latent, taken, given = vae.get("latent_channels", 4), unet["in_channels"], unet["out_channels"]
    if taken != latent:
        return (
            f"its UNet takes {taken} channels, the latent has {latent}: inpainting and depth "
            "models cannot be used"
        )
    if given != taken:
        return f"its UNet gives {given} channels of {taken}: it learns a variance too"
    return None


def _vae_fault(vae: Settings) -> str | None:
    for key in ("shift_factor", "latents_mean", "latents_std"):
        if vae.get(key) is not None:
            return f"its autoencoder has a {key}"
    if (vae["in_channels"], vae["out_channels"]) != (3, 3):
        return f"its autoencoder is of {vae['in_channels']} colour channels"
    scale = vae.get("scaling_factor", 0.18215)
    return None if 1e-3 <= scale <= 1e3 else f"its autoencoder's scaling_factor is {scale}"


def _text_fault(unet: Settings, encoder: Settings) -> str | None:
    widths = unet["cross_attention_dim"]
    for width in widths if isinstance(widths, list) else [widths]:
        if width != encoder["hidden_size"]:
            given = encoder["hidden_size"]
            return f"its UNet reads texts of width {width}, its text encoder gives {given}"
    return None


def _resolution(unet: Settings, vae: Settings) -> int | None:
    size = unet.get("sample_size")
    sides = set(size) if isinstance(size, list) else {size}
    if len(sides) != 1 or not (side := sides.pop()):
        return None
    # Configs of the first versions say 32 for models of 64, as diffusers knows too.
    if re.match(r"0\.[0-8]\.", str(unet.get("_diffusers_version"))):
        side = max(side, 64)
    return int(side * 2 ** (len(vae["block_out_channels"]) - 1))
