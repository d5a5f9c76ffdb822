"""How many operations a model takes, counted from its configs alone. Loads no weights.

Networks and texts are on `meta`, shapes without numbers: a count takes seconds whatever the size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline.errors import UsageError
from pipeline.models import _family
from pipeline.models._model import Model
from pipeline.models._settings import Settings
from pipeline.models.facts import here

TERA = 1e12


@dataclass(frozen=True)
class Work:
    """TFLOP (2 × multiply-adds) of one picture of `side`² pixels."""

    side: int
    network: float  # one evaluation
    encode: float
    decode: float
    counted: bool = True  # from the model's own configs; else those of its family's best known


USUAL = {
    "stable_diffusion": Work(512, 0.803, 1.117, 2.515, counted=False),
    "stable_diffusion_xl": Work(1024, 6.761, 4.879, 10.47, counted=False),
    "stable_diffusion_3": Work(1024, 11.25, 4.883, 10.47, counted=False),
    "flux": Work(1024, 74.38, 4.883, 10.47, counted=False),
    "z_image": Work(1024, 55.61, 4.883, 10.47, counted=False),
    "flux2_klein": Work(1024, 34.82, 4.888, 10.47, counted=False),
}
"""Of models that are not on this machine: SD 1.5, SDXL, SD 3.5 medium, FLUX.1, Z-Image, klein 4B,
counted likewise (`tests/models/test_work.py`)."""


def work(config: Settings) -> Work:
    """Of `config`'s model at its own resolution; `USUAL` where its folder is not here.

    Raises UsageError where the folder is one that cannot be used.
    """
    kind = str(config.model_dump()["type"])
    folder = here(config)
    if folder is None:
        return USUAL[kind]
    try:
        return _counted(import_module(f"pipeline.models._{kind}"), folder, config.resolution)
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"model.path: {folder}: cannot count its operations: {reason}") from error


@torch.inference_mode()
def _counted(module: Any, folder: Any, resolution: int | None) -> Work:
    model = _empty(module, folder, resolution)
    step = model.latent_multiple
    side = max(1, round(model.resolution / step)) * step
    cells = side // model.factor
    latent = torch.empty(1, model.channels, cells, cells, device="meta")
    cond = model._encoded(["a photo of a red mug"])
    if model.told:
        cond["guidance"] = torch.ones(1, device="meta")
    time = torch.full((1,), 0.5, device="meta")
    return Work(
        side,
        _tera(lambda: model._predicted(latent, time, cond)),
        _tera(lambda: model.encode(torch.empty(1, 3, side, side, device="meta"))),
        _tera(lambda: model.decode(latent)),
    )


def _empty(module: Any, folder: Any, resolution: int | None) -> Model:
    found = _family.read(folder, module.FAMILY)
    networks = {part.name: part.empty(found.settings[part.name]) for part in found.parts}
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type)]
    kind = next(k for k in kinds if vars(k).get("family") is module.FAMILY)
    model: Model = kind(networks, found.tokens, found.levels, resolution or found.resolution or 512)
    for name, network in networks.items():
        if name.startswith("text_encoder"):
            network.forward = partial(_blind, network.forward)
    return model


def _blind(
    forward: Any, *args: Any, attention_mask: Any = None, use_cache: Any = None, **more: Any
) -> Any:
    """Without what makes it look at a mask's numbers: there are none."""
    return forward(*args, **more)


def _tera(call: Callable[[], Any]) -> float:
    with FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops()) / TERA
