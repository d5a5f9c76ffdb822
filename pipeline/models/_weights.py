"""The safetensors files of one part of a folder: which they are and what is in them. Loads none.

Named as diffusers and transformers name them: whole or in shards, of a variant or not. Raises
UsageError, in one line, for whatever cannot be used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from pipeline.errors import UsageError
from pipeline.models._folder import first_line, read_json, refuse_pointer

FLOATS = ("F32", "F16", "BF16", "F64")
LARGEST_INDEX = 64 << 20

Sizes = dict[str, tuple[str, list[int]]]
"""The type and shape of each tensor."""


@dataclass(frozen=True)
class Weights:
    """The files of one part; `variant` as from_pretrained takes it; `index` where in shards."""

    files: tuple[Path, ...]
    variant: str | None
    index: Path | None

    def check(self) -> Sizes:
        """What is in them, each value read once: every one of them finite, no matrix all zeros."""
        sizes: Sizes = {}
        for file in self.files:
            for name, kind, tensor in _tensors(file):
                if name in sizes:
                    raise UsageError(f"model.path: {file}: {name} is in another shard too")
                _check_tensor(file, name, kind, tensor)
                sizes[name] = (kind, list(tensor.shape))
        return sizes


def find(part: Path, base: str) -> Weights:
    """The weights that are named `base`: full ones first, then fp16, bf16, any one variant."""
    if not part.is_dir():
        raise UsageError(f"model.path: there is no folder {part}; get the whole model again")
    names = sorted(file.name for file in part.iterdir())
    whole = _variants(names, rf"{base}(?:\.([^.]+))?\.safetensors")
    sharded = _variants(names, rf"{base}\.safetensors\.index(?:\.([^.]+))?\.json")
    if not whole | sharded:
        raise UsageError(f"model.path: {part} {_lack(names, base)}")
    variant = _chosen(part, whole | sharded)
    if variant in whole and variant in sharded:
        raise UsageError(
            f"model.path: {part} has both {whole[variant]} and {sharded[variant]}; delete one"
        )
    if variant in whole:
        return Weights((part / whole[variant],), variant, None)
    index = part / sharded[variant]
    return Weights(_shards(index), variant, index)


def numbers(sizes: Sizes) -> int:
    """How many the network has; token positions are no weights."""
    return sum(prod(shape) for name, (_, shape) in sizes.items() if not counted(name))


def finite(tensor: torch.Tensor) -> bool:
    """Whether each number is; an order of magnitude faster than torch.isfinite on a CPU."""
    return not tensor.numel() or bool(torch.isfinite(torch.stack(torch.aminmax(tensor))).all())


def counted(name: str) -> bool:
    """Whether it is a count, of places or batches, and no weight."""
    return name.rpartition(".")[2] in ("position_ids", "num_batches_tracked")


def _variants(names: list[str], pattern: str) -> dict[str | None, str]:
    found = ((re.fullmatch(pattern, name), name) for name in names)
    # A shard's number is no variant.
    return {match[1]: name for match, name in found if match and "-of-" not in (match[1] or "")}


def _chosen(part: Path, found: dict[str | None, str]) -> str | None:
    for variant in (None, "fp16", "bf16"):
        if variant in found:
            return variant
    if len(found) > 1:
        names = ", ".join(sorted(found.values()))
        raise UsageError(f"model.path: {part} has weights of several variants: {names}; keep one")
    return next(iter(found))


def _lack(names: list[str], base: str) -> str:
    safe = [name for name in names if name.endswith(".safetensors")]
    if any("-of-" in name for name in safe):
        return f"has shards of weights without their {base}.safetensors.index.json"
    if safe:
        return f"has no {base}.safetensors, but {safe[0]}; name it as diffusers does"
    if any(name.endswith(".bin") for name in names):
        return (
            "has only .bin weights, which can run code when loaded; save the model with "
            "safe_serialization=True"
        )
    return "has no safetensors weights; get the whole model again"


def _shards(index: Path) -> tuple[Path, ...]:
    places = read_json(index, LARGEST_INDEX).get("weight_map")
    plain = isinstance(places, dict) and all(
        isinstance(name, str) and name == Path(name).name for name in places.values()
    )
    if not plain or not places:
        raise UsageError(f"model.path: {index} does not say which shard holds what; get it again")
    files = tuple(index.parent / name for name in sorted(set(places.values())))
    for file in files:
        there = set(_names(file))
        if there != {name for name, shard in places.items() if shard == file.name}:
            raise UsageError(f"model.path: {file} does not hold what {index.name} says")
    return files


def _names(file: Path) -> list[str]:
    with _opened(file) as opened:
        return list(opened.keys())


def _tensors(file: Path) -> Iterator[tuple[str, str, torch.Tensor]]:
    with _opened(file) as opened:
        for name in opened.keys():  # noqa: SIM118 - not a dict
            yield name, opened.get_slice(name).get_dtype(), opened.get_tensor(name)


def _opened(file: Path) -> Any:
    try:
        refuse_pointer(file)
        return safe_open(file, framework="pt")
    except FileNotFoundError as error:
        raise UsageError(f"model.path: there is no {file}; get the whole model again") from error
    except (OSError, SafetensorError, ValueError) as error:
        raise UsageError(
            f"model.path: cannot load {file}: it is damaged or cut off ({first_line(error)}); get "
            "it again"
        ) from error


def _check_tensor(file: Path, name: str, kind: str, tensor: torch.Tensor) -> None:
    if counted(name):
        return
    if kind not in FLOATS:
        raise UsageError(
            f"model.path: {file}: {name} is of type {kind}; quantised weights cannot be used, "
            f"expected one of {', '.join(FLOATS)}"
        )
    if not finite(tensor):
        raise UsageError(f"model.path: {file}: {name} holds numbers that are not finite")
    # What a broken download or copy leaves unwritten reads as zeros. One row is a vector, such as
    # Z-Image's tokens of padding, which begin as zeros.
    if tensor.dim() > 1 and len(tensor) > 1 and not any(map(bool, torch.aminmax(tensor))):
        raise UsageError(f"model.path: {file}: {name} is all zeros; get the file again")
