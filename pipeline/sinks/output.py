"""Opens an output folder: a new one, one to go on with, or one to read. Knows no part's format."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fsspec import AbstractFileSystem
from fsspec.core import has_magic

from pipeline import storage as storages
from pipeline.errors import UsageError
from pipeline.sinks import layout
from pipeline.storage import Storage

if TYPE_CHECKING:
    from pipeline.config import RunConfig

FORMAT = 1
"""Of the folder's layout; readers refuse another."""


@dataclass(frozen=True)
class Output:
    """An opened output folder; small, and goes to the write tasks as it is."""

    path: str  # as the user gave it
    storage: Storage
    settings: Mapping[str, Any]  # RunConfig.result_settings()
    fingerprint: str  # of the settings
    model: Mapping[str, str]  # what the model says of itself: name, weights hash
    replay: int = 0  # number of the replay that this is; 0: the run itself
    lease: int | None = None  # number of the lease that the run holds, see `lease.py`

    @property
    def fs(self) -> AbstractFileSystem:
        """The filesystem that holds the folder."""
        return storages.connect(self.path, self.storage)[0]

    @property
    def root(self) -> str:
        """The folder's path in `fs`."""
        return storages.connect(self.path, self.storage)[1]

    @property
    def webdataset(self) -> bool:
        """Whether WebDataset shards are written beside the Parquet."""
        return bool(self.settings["output"]["webdataset"])

    @property
    def provenance(self) -> dict[str, str]:
        """The columns that are the same in every row that this run writes."""
        ways = {key: self.settings[key] for key in ("mask", "invert", "edit")}
        return {
            "settings": json.dumps(ways, sort_keys=True),
            "run_seed": str(self.settings["run"]["seed"]),
            "fingerprint": self.fingerprint,
            "code_version": version("diffedit-pipeline"),
        }


def refuse_nested(config: RunConfig) -> None:
    """Raises UsageError where the output lies in the input or the input in the output.

    A run would read what it wrote, or sweep among what it reads. Links and `..` are followed.
    """
    source, out = config.input, config.output
    server = source.storage.endpoint_url
    if _is_s3(source.path) != _is_s3(out.path):
        return
    if _is_s3(out.path) and server != out.storage.endpoint_url:
        return
    folder, below = _folder(source.path)
    inner, outer = _real(folder), _real(out.path)
    nested = inner.startswith(outer) or (below and outer.startswith(inner)) or inner == outer
    if nested:
        raise UsageError(
            f"output.path {out.path} and input.path {source.path} lie one in the other; "
            "choose an output.path beside the input"
        )


def _folder(path: str) -> tuple[str, bool]:
    """The folder that a path or glob reads, and whether it is read with what is below it."""
    if not has_magic(path):
        return path, True
    fixed = path[: next(i for i, letter in enumerate(path) if letter in "*?[")]
    folder, slash, _ = fixed.rpartition("/")
    pattern = path[len(folder + slash) :]
    return folder or slash or ".", "/" in pattern or "**" in pattern


def _real(path: str) -> str:
    """With a slash at its end, so that one folder's name may begin another's."""
    if _is_s3(path):
        return path.rstrip("/") + "/"
    return os.path.join(os.path.realpath(path.removeprefix("file://")), "")  # noqa: PTH118


def _is_s3(path: str) -> bool:
    return path.startswith("s3://")


def open_output(
    config: RunConfig, model: Mapping[str, str] | None = None, create: bool = True
) -> Output:
    """The config's output folder, made if missing; only looked at where `create` is false.

    `model` goes into run.json and must be the same when a run is resumed.
    Raises UsageError where the folder holds another config's results (with the differences), is
    not an output at all, or cannot be written.
    """
    path = config.output.path.rstrip("/")
    output = Output(
        path,
        config.output.storage,
        config.result_settings(),
        config.fingerprint(),
        dict(model or {}),
    )
    with storages.explained(path, "write the output" if create else "look at the output"):
        there = _run_json(output)
        if there is None and create:
            _refuse_strangers(output)
            storages.put(output.fs, f"{output.root}/{layout.RUN}", _to_json(output))
    if there is not None:
        _refuse_another(output, there, compare_model=model is not None)
    return output


def existing_output(path: str, endpoint_url: str | None = None) -> Output:
    """An output folder to read. Raises UsageError where there is none."""
    place = Storage(endpoint_url=endpoint_url)
    output = Output(path.rstrip("/"), place, {}, "", {})
    with storages.explained(path, "read the output"):
        there = _run_json(output)
    if there is None:
        raise UsageError(f"{path}: no {layout.RUN} there, so not the output of a run")
    return Output(output.path, place, there["settings"], there["fingerprint"], there["model"])


def _run_json(output: Output) -> dict[str, Any] | None:
    try:
        there = json.loads(storages.read(output.fs, f"{output.root}/{layout.RUN}"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UsageError(f"{output.path}/{layout.RUN}: not valid JSON ({error})") from error
    if not isinstance(there, dict) or there.get("format") != FORMAT:
        raise UsageError(f"{output.path}/{layout.RUN}: not of this version's format ({FORMAT})")
    return there


def _to_json(output: Output) -> bytes:
    content = {
        "format": FORMAT,
        "fingerprint": output.fingerprint,
        "code_version": output.provenance["code_version"],
        "model": output.model,
        "settings": output.settings,
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def _refuse_strangers(output: Output) -> None:
    stranger = next(iter(storages.names(output.fs, output.root)), None)
    if stranger is not None:
        raise UsageError(
            f"{output.path}: not empty (it has {stranger}) and not the output of a run; "
            "choose an empty or new output.path"
        )


def _refuse_another(output: Output, there: Mapping[str, Any], compare_model: bool) -> None:
    old = dict(_flat(there["settings"]))
    new = dict(_flat(output.settings))
    if compare_model:
        old |= _flat(there["model"], "model ")
        new |= _flat(output.model, "model ")
    changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    if changed:
        lines = [f"  {key}: {_show(old, key)} → {_show(new, key)}" for key in changed]
        raise UsageError(
            "\n".join(
                [
                    f"{output.path}: holds results of other settings (there → here); "
                    "choose another output.path, or take these back:",
                    *lines,
                ]
            )
        )


def _flat(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping) and tree:
        for key, value in tree.items():
            separator = "." if path and not path.endswith(" ") else ""
            yield from _flat(value, f"{path}{separator}{key}")
    else:
        yield path, tree


def _show(flat: Mapping[str, Any], key: str) -> str:
    return json.dumps(flat[key], ensure_ascii=False) if key in flat else "(not set)"
