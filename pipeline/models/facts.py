"""What a model is, needs and obliges to, for a person who plans a run: from its configs alone.

Loads no weights: networks are made on `meta`, so importing torch is what takes time.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.models import _folder
from pipeline.models._settings import Settings

GIB = 2**30
LEVELS_GIB = 1.0
"""Of the levels of inversions, at most (stages.edit), and as much of text states."""


FEW_STEPS = (
    "this model was distilled to few steps: it inverts badly and contrasts levels of noise that it "
    "was not trained on; set edit.guidance_scale: 1 and its own number of steps, or take its base"
)
_NAMES = re.compile(r"turbo|lightning|schnell|hyper-?sd|dmd2?\b|\blcm\b|few-?step", re.IGNORECASE)


def is_few_step(config: Settings) -> bool:
    """Whether the model is known, by its folder or by its name or a LoRA's, to be distilled so."""
    names = [config.path, *(Path(lora.path).name for lora in config.loras)]
    if any(_NAMES.search(name.replace("_", "-")) for name in names):
        return True
    folder = here(config)
    try:
        index = _folder.read_json(folder / "model_index.json") if folder else {}
    except UsageError:
        return False
    return index.get("is_distilled") is True or getattr(config, "told", True) is False


def facts(config: Settings) -> list[tuple[str, str]]:
    """Name and value of each; of a model that is not on this machine, without its memory."""
    kind = config.model_dump()["type"]
    told = [("model", f"{config.path} ({kind})")]
    if config.terms():
        told.append(("licence of its outputs", config.terms()))
    folder = here(config)
    if is_few_step(config):
        told.append(("few steps", FEW_STEPS))
    need = _memory(folder, config, kind) if folder else "unknown: the model is not here"
    return [*told, ("device memory", need)]


def here(config: Settings) -> Path | None:
    """The model's folder, where it is on this machine."""
    try:
        folder = Path(config.path).expanduser()
        return _folder.find(config.path, None) if config.path == "demo" or folder.is_dir() else None
    except (OSError, UsageError):
        return None


def _memory(folder: Path, config: Settings, kind: str) -> str:
    module = import_module(f"pipeline.models._{kind}")
    parts = _numbers(folder, module.FAMILY)
    size = 4 if config.dtype == "float32" else 2
    network, texts = parts.pop("network"), sum(parts.values())
    shrunk = 1 if config.weights == "float8" else size
    working = LEVELS_GIB + _decoding(folder, module.FAMILY, config.resolution, size) / GIB
    texts_gib = 0.0 if config.offload_text else size * texts / GIB
    total = shrunk * network / GIB + texts_gib + working
    return (
        f"about {total:.1f} GiB: {shrunk * network / GIB:.1f} of the network "
        f"({network / 1e9:.2f} G parameters), {texts_gib:.1f} of text encoders and autoencoder, "
        f"{working:.1f} of latents and a picture's decoding; text states come to at most 1 more, "
        "and micro-batches fill what is left"
    )


def _numbers(folder: Path, family: Any) -> dict[str, int]:
    """Parameters of `network` and of each other part."""
    found = {}
    for part in family.parts:
        if (folder / part.name / "config.json").is_file():
            settings = part.settings(folder, family.says)
            name = "network" if part.name in ("unet", "transformer") else part.name
            found[name] = sum(p.numel() for p in part.empty(settings).parameters())
    return found


def _decoding(folder: Path, family: Any, asked: int | None, size: int) -> float:
    """Bytes: the three widest maps of a ResNet block at the picture's own size."""
    names = [part for part in family.parts if (folder / part.name / "config.json").is_file()]
    settings = {part.name: part.settings(folder, family.says) for part in names}
    side = asked or family.resolution(settings) or 512
    widths = settings["vae"]["block_out_channels"]
    return float(size * side**2 * (widths[min(1, len(widths) - 1)] + 2 * widths[0]))
