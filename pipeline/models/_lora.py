"""LoRAs, fused into the networks they were trained for. Knows no family and no device.

Hu et al. 2022. What is fused costs nothing at a pass. Needs peft, of the extra `big`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.models import _folder
from pipeline.models._parts import Network
from pipeline.models._settings import Lora


def files(loras: Sequence[Lora]) -> list[Path]:
    """The file of each. Raises UsageError where one is not there or no safetensors."""
    found = [Path(lora.path).expanduser() for lora in loras]
    for file in found:
        if file.suffix != ".safetensors" or not file.is_file():
            raise UsageError(f"model.loras: {file}: no such .safetensors file")
        _folder.refuse_pointer(file)
    return found


def digest(loras: Sequence[Lora]) -> list[str]:
    """The weight and the digest of the content of each."""
    found = zip(loras, files(loras), strict=True)
    return [f"{lora.weight:g}×{_folder.digest(file.parent, [file])}" for lora, file in found]


def fuse(networks: Mapping[str, Network], pipeline: str, loras: Sequence[Lora]) -> None:
    """Adds weight · B·A of each to the matrices it is for, as diffusers' `pipeline` reads it.

    Raises UsageError for a LoRA of other networks, and where peft is missing.
    """
    if not loras:
        return
    pipe = _pipe(networks, pipeline)
    names = [f"lora{i}" for i in range(len(loras))]
    for name, file in zip(names, files(loras), strict=True):
        before = _adapted(networks)
        try:
            pipe.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name=name)
        except Exception as error:  # of three libraries, about a file that may hold anything
            raise UsageError(
                f"model.loras: {file} is of other networks or damaged: {_folder.first_line(error)}"
            ) from error
        if _adapted(networks) == before:
            raise UsageError(f"model.loras: {file} has nothing for these networks")
    pipe.set_adapters(names, [lora.weight for lora in loras])
    pipe.fuse_lora()
    pipe.unload_lora_weights()


def _adapted(networks: Mapping[str, Network]) -> int:
    names = (name for network in networks.values() for name, _ in network.named_parameters())
    return sum("lora_A" in name for name in names)


def _pipe(networks: Mapping[str, Network], pipeline: str) -> Any:
    """diffusers' pipeline of the networks, which knows how LoRAs are named."""
    import diffusers

    if find_spec("peft") is None:
        raise UsageError("model.loras: peft is not installed; pip install 'diffedit[big]'")
    kind = getattr(diffusers, pipeline)
    needed = [
        name
        for name, parameter in inspect.signature(kind.__init__).parameters.items()
        if parameter.default is parameter.empty and name != "self"
    ]
    return kind(**{**dict.fromkeys(needed), **networks})
