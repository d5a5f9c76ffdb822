"""Opens an output folder: a new one, one to go on with, or one to read. Knows no part's format."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from fsspec import AbstractFileSystem
from fsspec.core import has_magic

from pipeline import storage as storages
from pipeline.errors import UsageError
from pipeline.sinks import bounds, inputs, layout
from pipeline.storage import Storage, is_remote

if TYPE_CHECKING:
    from pipeline.config import RunConfig

FORMAT = 2
"""Of the folder's layout; readers refuse another."""
OLD_RUN = "run.json"
"""Where format 1 had what is now `layout.RUN`."""


@dataclass(frozen=True)
class Output:
    """An opened output folder; small, and goes to the write tasks as it is."""

    path: str  # as the user gave it
    storage: Storage
    settings: Mapping[str, Any]  # RunConfig.result_settings()
    fingerprint: str  # of the settings
    model: Mapping[str, str]  # what the model says of itself: name, weights hash
    run: str  # 8 hex digits of where the input lies and the settings: part of every name
    how: Mapping[str, Any] = field(default_factory=dict)  # settings that a replay keeps, by section
    lease: int | None = None  # number of the lease that the run holds, see `lease.py`
    writer: str = ""  # and the word in it that is this run's alone
    columns: pa.Schema | None = None  # of the input, see `inputs.py`; None: as JSON alone

    @property
    def fs(self) -> AbstractFileSystem:
        """The filesystem that holds the folder."""
        return storages.connect(self.path, self.storage, write=True)[0]

    @property
    def root(self) -> str:
        """The folder's path in `fs`."""
        return storages.connect(self.path, self.storage, write=True)[1]

    @property
    def formats(self) -> Collection[str]:
        """What edits are written as: parquet, webdataset or both."""
        formats: Collection[str] = self.settings["output"]["formats"]
        return formats

    @property
    def source(self) -> bool:
        """Whether the source picture is written beside each edit."""
        return bool(self.settings["output"]["source"])

    @property
    def splits(self) -> dict[str, float]:
        """Split → its share of the images; empty where there are none."""
        return dict(self.settings.get("split") or {})

    @property
    def license(self) -> str | None:
        """Of the dataset, for its card."""
        said: str | None = self.how.get("output", {}).get("license")
        return said

    @property
    def ending(self) -> str:
        """Of the edited pictures' files; `jpg` where each has the format of its source."""
        wanted = str(self.settings["output"]["image_format"])
        return "jpg" if wanted in ("source", "jpeg") else wanted

    @property
    def provenance(self) -> dict[str, str | int]:
        """The columns that are the same in every row that this run writes."""
        ways = {key: self.settings[key] for key in ("mask", "invert", "edit")}
        return {
            # What a command line says need not be text.
            "input": os.fsencode(self.settings["input"]["path"]).decode(errors="backslashreplace"),
            "run": self.run,
            "run_seed": self.settings["run"]["seed"],
            "settings": json.dumps(ways, sort_keys=True, separators=(",", ":")),
            "fingerprint": self.fingerprint,
            "code_version": version("diffedit-pipeline"),
        }


def refuse_nested(config: RunConfig) -> None:
    """Raises UsageError where the output lies in the input or the input in the output.

    A run would read what it wrote, or sweep among what it reads. Links and `..` are followed.
    """
    source, out = config.input, config.output
    server = source.storage.endpoint_url
    if _scheme(source.path) != _scheme(out.path):
        return
    if is_remote(out.path) and server != out.storage.endpoint_url:
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
    if is_remote(path):
        return path.rstrip("/") + "/"
    return os.path.join(os.path.realpath(path.removeprefix("file://")), "")  # noqa: PTH118


def _scheme(path: str) -> str:
    return path.partition("://")[0] if is_remote(path) else "file"


def open_output(config: RunConfig, model: Mapping[str, str] | None = None) -> Output:
    """The config's output folder, there or not yet; nothing is written (see `begin`).

    Raises UsageError where the folder holds another config's results (with the differences), is
    not an output at all, or cannot be looked at.
    """
    fingerprint = config.fingerprint()
    output = Output(
        config.output.path.rstrip("/"),
        config.output.storage,
        config.result_settings(),
        fingerprint,
        dict(model or {}),
        layout.digest(f"{_place(config)} {fingerprint}")[:8],
        _how(config),
    )
    with storages.explained(output.path, "look at the output"):
        return _same(output) or output


def _how(config: RunConfig) -> dict[str, Any]:
    """What decides the last bits of a result, and the card's, beside `result_settings`."""
    run, model = config.run.model_dump(mode="json"), config.model.model_dump(mode="json")
    licence = {"license": config.output.license} if config.output.license else {}
    return {
        **({"output": licence} if licence else {}),
        "run": {name: run[name] for name in ("actors", "cpus_per_actor")},
        "model": {name: model[name] for name in ("micro_batch", "compile") if name in model},
    }


def begin(output: Output) -> Output:
    """Makes the folder an output, under the lease; of two runs that begin at once one is refused.

    Raises UsageError as `open_output`.
    """
    with storages.explained(output.path, "write the output"):
        path = f"{output.root}/{layout.RUN}"
        there = _same(output)
        if there or storages.create(output.fs, path, _to_json(output)):
            return there or output
        return _same(output) or output


def _same(output: Output) -> Output | None:
    """`output` as run.json knows it; None where there is none yet."""
    there = _run_json(output)
    if there is None:
        _refuse_strangers(output)
        return None
    if _other_bounds_alone(output, there):
        output = replace(output, settings=there["settings"], fingerprint=there["fingerprint"])
    _refuse_another(output, there)
    return replace(output, run=there["run"], columns=inputs.load(output))


def _other_bounds_alone(output: Output, there: Mapping[str, Any]) -> bool:
    """Whether `check.keep` is not what the output was begun with, but is what is in force now."""
    keep = output.settings["check"]["keep"]
    if keep == there["settings"]["check"].get("keep"):
        return False
    now = bounds.in_force(replace(output, settings=there["settings"]))
    return bool(keep == now.model_dump(mode="json")["keep"])


def _place(config: RunConfig) -> str:
    """Where the input lies, whatever the folder that the command was typed in."""
    path, server = config.input.path, config.input.storage.endpoint_url
    return f"{server} {path}" if is_remote(path) else _real(path)


def existing_output(path: str, endpoint_url: str | None = None) -> Output:
    """An output folder to read. Raises UsageError where there is none."""
    place = Storage(endpoint_url=endpoint_url)
    output = Output(path.rstrip("/"), place, {}, "", {}, "")
    with storages.explained(path, "read the output"):
        there = _run_json(output)
    if there is None:
        raise UsageError(f"{path}: no {layout.RUN} there, so not the output of a run")
    named = {key: there[key] for key in ("settings", "fingerprint", "model", "run")}
    return replace(output, **named, how=there.get("how", {}), columns=inputs.load(output))


def _run_json(output: Output) -> dict[str, Any] | None:
    for name in (layout.RUN, OLD_RUN):
        try:
            data = storages.read(output.fs, f"{output.root}/{name}")
        except FileNotFoundError:
            continue
        return _parsed(f"{output.path}/{name}", data)
    return None


def _parsed(path: str, data: bytes) -> dict[str, Any]:
    try:
        there = json.loads(data)
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(there, dict) or there.get("format") != FORMAT:
        raise UsageError(
            f"{path}: not of this version's format ({FORMAT}); use another output.path, or read "
            "this output with the version that wrote it"
        )
    return there


def _to_json(output: Output) -> bytes:
    content = {
        "format": FORMAT,
        "run": output.run,
        "fingerprint": output.fingerprint,
        "code_version": output.provenance["code_version"],
        "model": output.model,
        "settings": output.settings,
        "how": output.how,
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def _refuse_strangers(output: Output) -> None:
    names = storages.names(output.fs, output.root)
    stranger = next((name for name in names if not name.startswith(f"{layout.STATE}/")), None)
    if stranger is not None:
        raise UsageError(
            f"{output.path}: not empty (it has {stranger}) and not the output of a run; "
            "choose an empty or new output.path"
        )


def _refuse_another(output: Output, there: Mapping[str, Any]) -> None:
    old = dict(_flat(there["settings"]))
    new = dict(_flat(output.settings))
    if output.model:
        old |= _flat(there["model"], "model ")
        new |= _flat(output.model, "model ")
    changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    if changed:
        lines = [f"  {key}: {_show(old, key)} → {_show(new, key)}" for key in changed]
        raise UsageError(
            "\n".join(
                [
                    f"{output.path}: {_standing(output)} (there → here); "
                    "choose another output.path, or take these back:",
                    *lines,
                    *_cure(changed),
                ]
            )
        )


def _cure(changed: Collection[str]) -> list[str]:
    if all(key.startswith("check.keep") for key in changed):
        return [
            "  (`diffedit recheck` moves what is there by other bounds, and edits nothing again)"
        ]
    return []


def _standing(output: Output) -> str:
    """What is there, and whether it may go."""
    commits = storages.names(output.fs, f"{output.root}/{layout.COMMITS}")
    if next(iter(commits), None) is None:
        return "was begun with other settings, and nothing is done there: remove it and go on"
    return "holds results of other settings"


def _flat(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping) and tree:
        for key, value in tree.items():
            separator = "." if path and not path.endswith(" ") else ""
            yield from _flat(value, f"{path}{separator}{key}")
    else:
        yield path, tree


def _show(flat: Mapping[str, Any], key: str) -> str:
    return json.dumps(flat[key], ensure_ascii=False) if key in flat else "(not set)"
