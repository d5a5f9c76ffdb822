"""A folder of a known family → its `Model`, on the device that was asked for. Knows no family."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, TypeVar

import torch

from pipeline.diffusion.tuning import fastest_micro_batch
from pipeline.errors import UsageError
from pipeline.models import _family, _folder, _lora
from pipeline.models._family import Found
from pipeline.models._model import Model
from pipeline.models._settings import Settings

M = TypeVar("M", bound=Model)


def load(kind: type[M], config: Settings) -> M:
    """The model of `config`. Raises UsageError where folder or device cannot be used."""
    device = choose_device(config.device)
    model = _loaded(kind, config, device, choose_dtype(config.dtype, device))
    tune(model, config)
    return model


def check(kind: type[Model], config: Settings) -> str:
    """The digest of the weights. Raises the UsageError that `load` would; needs but the CPU.

    Weights of more than a few GB are read, but no network is made of them.
    """
    found = _found(kind, config)
    if sum(file.stat().st_size for file in found.files()) <= LARGEST_TRIED:
        return _made(kind, config, found, torch.device("cpu"), torch.float32).weights
    _lora.files(config.loras)
    for part in found.parts:
        part.checked(found.folder, found.settings[part.name])
    return _digest(config, found)


WIDE = (
    "embed",
    "^time_",
    "^conv_(in|out)$",
    "^proj_(in|out)$",
    "norm",
    "modulation",
    "final_layer",
)
"""Modules that float8 leaves as they are: a few per cent of the bytes, most of the error."""

LARGEST_TRIED = 8 << 30
"""Bytes of weights that a check loads, on the machine that starts a run."""


def _loaded(kind: type[M], config: Settings, device: torch.device, dtype: torch.dtype) -> M:
    return _made(kind, config, _found(kind, config), device, dtype)


def _found(kind: type[Model], config: Settings) -> Found:
    found = _family.read(_folder.find(config.path, config.revision), kind.family)
    if found.resolution is None and config.resolution is None:
        network = found.folder / kind.network / "config.json"
        raise UsageError(
            f"model.path: {network} does not say at which sample_size the model was trained; set "
            "model.resolution"
        )
    return found


def _made(
    kind: type[M], config: Settings, found: Found, device: torch.device, dtype: torch.dtype
) -> M:
    networks: dict[str, Any] = {}
    homes: dict[str, torch.device] = {}
    for part in found.parts:
        settings = found.settings[part.name]
        own = torch.float32 if part.name == "vae" and kind.upcast(settings, dtype) else dtype
        offloaded = config.offload_text and part.name.startswith("text_encoder")
        home = torch.device("cpu") if offloaded else device
        networks[part.name] = part.load(found.folder, settings, own)
        homes[part.name] = home
    _lora.fuse(networks, config.pipelines[0] if config.loras else "", config.loras)
    for name, network in networks.items():
        networks[name] = _placed(network, kind, config, homes[name])
    side = found.resolution or config.resolution or 0
    model = kind(networks, found.tokens, found.levels, side)
    if getattr(config, "told", model.told) != model.told:
        network = found.folder / kind.network / "config.json"
        raise UsageError(
            f"model.told: it is {str(model.told).lower()} by guidance_embeds of {network}; leave "
            "it out"
        )
    model.offload_text = config.offload_text
    model.read(found.index)
    model.name = config.path if config.revision is None else f"{config.path}@{config.revision}"
    if config.loras:
        model.name = f"{model.name} + {_added(config)}"
    model.weights = _digest(config, found)
    model.resolution = config.resolution or side
    _try(model, found.folder)
    return model


def _digest(config: Settings, found: Found) -> str:
    """32 hex digits of all that decides the model's pictures."""
    weights = _folder.digest(found.folder, found.files())
    if not config.loras:
        return weights
    return hashlib.sha256(f"{weights} {_added(config)}".encode()).hexdigest()[:32]


def _added(config: Settings) -> str:
    return " + ".join(_lora.digest(config.loras))


def _placed(network: Any, kind: type[Model], config: Settings, home: torch.device) -> Any:
    """On its device, in float8 where it is the network and that was asked for."""
    predicts = type(network).__name__ == _predictor(kind)
    if config.weights == "float8" and predicts:
        network.enable_layerwise_casting(torch.float8_e4m3fn, network.dtype, WIDE)
    return network.to(home)


def _predictor(kind: type[Model]) -> str:
    named = {part.name: part.kind.__name__ for part in kind.family.parts}
    return str(named[kind.network])


@torch.inference_mode()
def _try(model: Model, folder: Path) -> None:
    """One pass of each network at the smallest size: what a config says may only show there."""
    side, cells = model.latent_multiple, model.latent_multiple // model.factor
    t = model.timesteps(2, (cells, cells))[1:]
    try:
        x0 = model.encode(torch.linspace(-1, 1, side, device=model.device).expand(1, 3, side, side))
        cond = model._encoded(["a"])
        if model.told:
            cond["guidance"] = torch.ones(1, device=model.device)
        eps = model.eps(x0, t, cond)
        shapes = x0.shape == eps.shape == (1, model.channels, cells, cells)
        image = model.decode(x0)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # of two libraries, about configs that may say anything
        reason = _folder.first_line(error)
        raise UsageError(f"model.path: {folder} cannot be run: {reason}; get it again") from error
    if not shapes or image.shape != (1, 3, side, side):
        raise UsageError(f"model.path: {folder}: its parts do not fit each other")
    if not all(torch.isfinite(x).all() for x in (x0, eps, image)):
        raise UsageError(_not_finite(model, folder))


def _not_finite(model: Model, folder: Path) -> str:
    if model.dtype == torch.float16:
        return f"model.dtype: {folder} overflows in float16; set it to bfloat16 or float32"
    return f"model.path: {folder}: what its networks give is not finite; get it again"


def tune(model: Model, config: Settings) -> None:
    """Sets the micro-batch, on a GPU to what is measured to be fastest, and compiles if asked to.

    Not measured on CPUs: there the gain is small, and a size that varies from run to run would
    change the last bits of the results.
    """
    if config.micro_batch is not None:
        model.rows.size = config.micro_batch
    elif model.device.type == "cuda":
        side = model.resolution // model.factor
        smallest = 1 if model.large else 4
        model.rows.size = fastest_micro_batch(model, (model.channels, side, side), smallest)
    if config.compile:
        model.compile()


def choose_device(name: str) -> torch.device:
    """The device of `model.device`. Raises UsageError where this machine lacks it."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"model.device: {name}: this machine has {torch.cuda.device_count()} GPUs")
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The type of `model.dtype`; auto: bfloat16 where the device computes with it, else float32 on
    a CPU and float16 elsewhere."""
    if name != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}.get(name, torch.float16)
    if device.type == "cpu":
        # A CPU without such instructions would emulate bfloat16, slowly.
        bf16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return torch.bfloat16 if bf16 else torch.float32
    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if bf16 else torch.float16
