"""Bounds that were decided on after a run's first edit: which are in force. Knows no edit.

`_state/bounds/{n}.json` says what `check.keep` is from then on; of several the last counts. It is
created before the first edit is moved by it, and never written over; `{n}-done.json` is there once
all are, so that whoever comes after a killed one goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from pipeline import config_file, storage
from pipeline.checks import Bound
from pipeline.errors import RunError, UsageError
from pipeline.sinks import layout

if TYPE_CHECKING:
    from pipeline.sinks.output import Output

_KEEP = TypeAdapter(dict[str, Bound])


class Bounds(BaseModel):
    """What `check.keep` is."""

    model_config = ConfigDict(frozen=True)

    keep: dict[str, Bound]
    number: int = 0  # 0: the settings' own
    done: bool = True  # whether every edit is where they say


def in_force(output: Output) -> Bounds:
    """The bounds by which edits are written or rejected now. Raises RunError where damaged."""
    found = Bounds(keep=output.settings["check"].get("keep") or {})
    with storage.explained(output.path, "read its bounds", raising=RunError):
        for number in count(1):
            data = _read(output, number)
            if data is None:
                break
            found = _parsed(output, number, data)
        done = not found.number or _read(output, found.number, "-done") is not None
    return found.model_copy(update={"done": done})


def changed(output: Output, overrides: Sequence[str]) -> dict[str, Bound]:
    """The bounds in force with `check.keep.…=…` over them; null takes one away.

    Raises UsageError for another key, a score that the output has not, and what is no bound.
    """
    raw: dict[str, Any] = {"check": in_force(output).model_dump(mode="json", include={"keep"})}
    for override in overrides:
        key = override.partition("=")[0]
        if not f"{key}.".startswith("check.keep."):
            raise UsageError(f"override {key}: a recheck changes check.keep and nothing else")
        config_file.assign(raw, override)
    keep = raw["check"]["keep"] or {}
    if not isinstance(keep, dict):
        raise UsageError(f"check.keep: expected a mapping from score to bound (found {keep!r})")
    kept = {name: bound for name, bound in keep.items() if bound is not None}
    there = ["mask_area", *output.settings["check"]["scores"]]
    for name in kept.keys() - set(there):
        raise UsageError(
            f"check.keep.{name}: {output.path} has no such score; it has: {', '.join(there)}"
        )
    try:
        return _KEEP.validate_python(kept)
    except ValidationError as error:
        lines = (f"check.keep.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UsageError("\n".join(lines)) from error


def decide(output: Output, keep: Mapping[str, Bound]) -> Bounds:
    """Puts `keep` in force, where it is not. Raises RunError where another did so meanwhile."""
    now = in_force(output)
    if dict(keep) == now.keep:
        return now
    new = Bounds(keep=dict(keep), number=now.number + 1, done=False)
    data = new.model_dump_json(include={"keep"}).encode()
    with storage.explained(output.path, "write down its bounds", raising=RunError):
        if not storage.create(output.fs, _path(output, new.number), data):
            raise RunError(f"{output.path}: another decided on bounds meanwhile; this one stops")
    return new


def ended(output: Output, bounds: Bounds) -> None:
    """Notes that every edit is where `bounds` say."""
    if bounds.number:
        with storage.explained(output.path, "write down its bounds", raising=RunError):
            storage.create(output.fs, _path(output, bounds.number, "-done"), b"{}")


def _read(output: Output, number: int, of: str = "") -> bytes | None:
    try:
        return storage.read(output.fs, _path(output, number, of))
    except FileNotFoundError:
        return None


def _parsed(output: Output, number: int, data: bytes) -> Bounds:
    try:
        return Bounds.model_validate_json(data).model_copy(update={"number": number})
    except ValueError as error:
        path = f"{output.path}/{layout.bounds_path(number)}"
        raise RunError(
            f"{path}: damaged; put it back from a copy, or remove it where it is the last one: "
            "then the bounds before it are in force, and `diffedit recheck` moves edits by them"
        ) from error


def _path(output: Output, number: int, of: str = "") -> str:
    return f"{output.root}/{layout.bounds_path(number, of)}"
