"""Numbers, names, prompts and settings as a person reads them. Knows no HTML."""

from __future__ import annotations

import difflib
import re
from typing import Any

Piece = tuple[str, bool]
"""A part of a prompt, and whether the other prompt lacks it."""

_SPELT = {
    "psnr": "PSNR",
    "ssim": "SSIM",
    "clip": "CLIP",
    "lpips": "LPIPS",
    "dino": "DINO",
    "e": "E",
}


def figure(value: float) -> str:
    """A number to three digits: 12,345 · 0.042 · 31.6."""
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def words(name: str) -> str:
    """A score's name in words: background_psnr → background PSNR, delta_e_colour → delta E colour.

    In letters that every font has.
    """
    return " ".join(_SPELT.get(word, word) for word in name.split("_"))


def word_changes(before: str, after: str) -> tuple[list[Piece], list[Piece]]:
    """Both prompts in pieces."""
    old, new = (re.findall(r"\s+|\S+", text) for text in (before, after))
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    first, second = [], []
    for operation, a, b, c, d in matcher.get_opcodes():
        first.append(("".join(old[a:b]), operation != "equal"))
        second.append(("".join(new[c:d]), operation != "equal"))
    return [piece for piece in first if piece[0]], [piece for piece in second if piece[0]]


def flat(settings: Any, path: str = "") -> list[tuple[str, str]]:
    """Nested settings as (key.path, value) pairs."""
    if isinstance(settings, dict) and settings:
        return [pair for key, value in settings.items() for pair in flat(value, f"{path}.{key}")]
    return [(path.removeprefix("."), "–" if settings is None else str(settings))]
