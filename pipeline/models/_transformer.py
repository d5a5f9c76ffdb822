"""What the flow transformers' folders have in common, and how each may be odd. Knows no file."""

from __future__ import annotations

from typing import Any

from pipeline.models._family import All
from pipeline.models._parts import OURS, Part, Settings
from pipeline.models._unet import factor, vae_fault


def network(kind: Any, *keys: str) -> Part:
    """The part that predicts, of class `kind`, whose config cannot lack `keys`."""
    return Part("transformer", kind, OURS, keys)


def faults(settings: All, per_cell: int = 1) -> str | None:
    """Why its transformer does not take the autoencoder's latents, or that is no plain one."""
    transformer, vae = settings["transformer"], settings["vae"]
    taken, latent = transformer["in_channels"], vae["latent_channels"] * per_cell
    given = transformer.get("out_channels") or taken
    if taken != latent or given != taken:
        return (
            f"its transformer takes {taken} channels and gives {given}, the latent has {latent}: "
            "inpainting, control and reference models cannot be used"
        )
    return vae_fault(vae, ("shift_factor",))


def width_fault(transformer: Settings, key: str, given: int) -> str | None:
    """Why texts of width `given` do not fit."""
    if transformer[key] == given:
        return None
    return (
        f"its transformer reads texts of {key} {transformer[key]}, its text encoders give {given}"
    )


def resolution(settings: All) -> int:
    """Side in pixels: all of them were trained at about a megapixel, of 128 latent cells a side."""
    return 128 * factor(settings["vae"])
