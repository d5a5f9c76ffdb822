"""What the UNet folders of Stable Diffusion have in common, and how each may be odd. Knows no file.

Shapes: none; of configs alone.
"""

from __future__ import annotations

import re

from pipeline.models._family import All
from pipeline.models._parts import Settings


def unet_fault(unet: Settings, vae: Settings, texts: str | None = None) -> str | None:
    """Why the UNet is no plain one; `texts` is the addition_embed_type that it must have."""
    for key in ("addition_embed_type", "class_embed_type", "encoder_hid_dim_type"):
        expected = texts if key == "addition_embed_type" else None
        if (unet.get(key) or None) != expected:
            return f"it has a UNet2DConditionModel with {unet.get(key)} conditioning ({key})"
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


def vae_fault(vae: Settings, allowed: tuple[str, ...] = ()) -> str | None:
    """Why the autoencoder is no plain one."""
    for key in ("shift_factor", "latents_mean", "latents_std"):
        if vae.get(key) is not None and key not in allowed:
            return f"its autoencoder has a {key}"
    if (vae["in_channels"], vae["out_channels"]) != (3, 3):
        return f"its autoencoder is of {vae['in_channels']} colour channels"
    scale = vae.get("scaling_factor", 0.18215)
    return None if 1e-3 <= scale <= 1e3 else f"its autoencoder's scaling_factor is {scale}"


def width_fault(unet: Settings, given: int) -> str | None:
    """Why texts of width `given` do not fit."""
    widths = unet["cross_attention_dim"]
    for width in widths if isinstance(widths, list) else [widths]:
        if width != given:
            return f"its UNet reads texts of width {width}, its text encoder gives {given}"
    return None


def factor(vae: Settings) -> int:
    """Pixels a latent cell, per side."""
    return int(2 ** (len(vae["block_out_channels"]) - 1))


def resolution(settings: All) -> int | None:
    """Side in pixels, where the UNet says one."""
    unet, size = settings["unet"], settings["unet"].get("sample_size")
    sides = set(size) if isinstance(size, list) else {size}
    if len(sides) != 1 or not (side := sides.pop()):
        return None
    # Configs of the first versions say 32 for models of 64, as diffusers knows too.
    if re.match(r"0\.[0-8]\.", str(unet.get("_diffusers_version"))):
        side = max(side, 64)
    return int(side * factor(settings["vae"]))
