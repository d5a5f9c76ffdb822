"""A benchmark from its folder to its tables: records, edits, scores, files. Knows no benchmark.

Who calls passes in how a config is run (`edit`), so nothing here knows Ray.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from pipeline.config import RunConfig
from pipeline.errors import UsageError
from pipeline.evaluation import _edits, _page, _reference, _table
from pipeline.evaluation._edits import Edits
from pipeline.evaluation._protocol import Protocol, protocol
from pipeline.evaluation._record import Place, Record, read_yaml
from pipeline.evaluation._score import Scored, Track, score
from pipeline.metrics._networks.weights import MissingWeights

Edit = Callable[[RunConfig], Any]
ABOUT = {"none": "without paste-back", "exact": "with paste-back (recolor), the colour given"}


@dataclass(frozen=True)
class Job:
    """What a person asked for."""

    protocol: str
    output: Path
    place: Place = field(default_factory=Place)
    settings: Mapping[str, Any] = field(default_factory=dict)  # a config file's content
    config: str = "config"  # that file's name
    overrides: Sequence[str] = ()
    weights: Mapping[str, str] = field(default_factory=dict)  # role → folder, file or id
    rows: int | None = None
    reference_rows: int = 0
    strict: bool = False
    given_masks: bool = False  # the editor gets the benchmark's
    edits: Path | None = None  # edits made elsewhere, scored in place of ours

    @classmethod
    def of(
        cls,
        protocol: str,
        output: Path,
        data: Path | None,
        side: int,
        config: Sequence[str],
        weights: Sequence[str],
        **more: Any,
    ) -> Job:
        """From a command line: `config` is a file, if any, then key.path=value …

        Raises UsageError.
        """
        if re.match(r"[a-z][a-z0-9+.-]+:/", str(output)):
            raise UsageError(
                f"--output: {output}: an evaluation writes to a folder of this machine; give one, "
                "and copy it there when it is done"
            )
        file = config[0] if config and "=" not in config[0] else None
        settings = {} if file is None else read_yaml(Path(file))
        if not isinstance(settings, dict):
            raise UsageError(f"{file}: expected a mapping with model, mask, invert or edit")
        overrides = list(config[1:] if file else config)
        named = dict(_named(weight) for weight in weights)
        place = Place(data, side)
        return cls(protocol, output, place, settings, file or "config", overrides, named, **more)


def evaluate(job: Job, edit: Edit, track: Track = lambda items, total, what: items) -> str:
    """Edits, scores and writes metrics.json, table.md and scores-*.csv; returns the table.

    Raises UsageError, before editing where it can be known by then.
    """
    chosen = protocol(job.protocol).on(job.place)
    places, missing = _find(chosen, job)
    records = _records(chosen, job)
    rows = _rows(job, chosen, records, edit, track)
    networks = _load(chosen, places, missing, job.strict)
    scored = [score(chosen, records[: row.only], row, networks, track) for row in rows]
    _write(job, chosen, scored, missing, records)
    return _table.table(job.protocol, chosen, scored, missing)


def _named(weight: str) -> tuple[str, str]:
    role, equals, place = weight.partition("=")
    if not (equals and role and place):
        raise UsageError(f"--weights {weight}: expected NAME=FOLDER, NAME=FILE or NAME=owner/name")
    return role, place


def _find(chosen: Protocol, job: Job) -> tuple[dict[str, Path], dict[str, str]]:
    """Where the networks' weights are, and a line for each that are nowhere."""
    unknown = sorted(set(job.weights) - set(chosen.networks))
    if unknown:
        known = ", ".join(chosen.networks) or "none"
        raise UsageError(
            f"--weights {unknown[0]}: {job.protocol} has no such network; it has {known}"
        )
    places, missing = {}, {}
    for role, network in chosen.networks.items():
        try:
            places[role] = network.find(job.weights.get(role, network.default), f"--weights {role}")
        except MissingWeights as error:
            missing[role] = str(error)
    _refuse(missing, job.strict)
    return places, missing


def _load(
    chosen: Protocol, places: Mapping[str, Path], missing: dict[str, str], strict: bool
) -> dict[str, Any]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    networks = {}
    for role, place in places.items():
        try:
            networks[role] = chosen.networks[role].load(place, device)
        except MissingWeights as error:
            missing[role] = str(error)
        except Exception as error:  # each library's own kinds, of whatever lies in the folder
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            missing[role] = f"{role}: {place}: cannot load it: {reason}"
    _refuse(missing, strict)
    return networks


def _refuse(missing: Mapping[str, str], strict: bool) -> None:
    if strict and missing:
        raise UsageError("\n".join(missing.values()))


def _records(chosen: Protocol, job: Job) -> list[Record]:
    rows = chosen.rows if job.rows is None else job.rows
    number = None if rows is None else rows * chosen.per_row
    records = list(islice(chosen.records(job.place), number))
    if not records:
        raise UsageError(f"{job.place.data}: no records of {job.protocol} there")
    seen: set[str] = set()
    for record in records:
        if record.id in seen:
            raise UsageError(f"{job.place.data}: two records of {job.protocol} are {record.id}")
        seen.add(record.id)
    # A row has one mask, so what is given its own is a row of its own.
    return [replace(r, picture=r.id) for r in records] if job.given_masks else records


def _rows(
    job: Job, chosen: Protocol, records: Sequence[Record], edit: Edit, track: Track
) -> list[Edits]:
    """The rows of the table, edited."""
    if chosen.rated:
        return [Edits("people", "people's ratings", job.output)]
    if job.edits is not None:
        if not job.edits.is_dir():
            raise UsageError(f"--edits: {job.edits}: no such folder")
        return [Edits("given", f"edits in {job.edits}", job.edits, ours=False)]
    base = _config(job, None)
    usual = base.edit.paste_back if base.edit.paste_back != "none" else "feather"
    _edits.write_input(job.output / "input", records, job.given_masks)
    masks = ", masks given" if job.given_masks else ""
    rows = []
    for way in dict.fromkeys(["none", usual, *chosen.paste]):
        edit(_config(job, way))
        about = ABOUT.get(way, f"with paste-back ({way})")
        rows.append(Edits(way, about + masks, job.output / f"edits-{way}"))
    return rows + _reference_rows(job, chosen, base, records, track)


def _reference_rows(
    job: Job, chosen: Protocol, base: RunConfig, records: Sequence[Record], track: Track
) -> list[Edits]:
    """diffusers' edits of the first records, and ours of just those, neither pasted back."""
    first = min(len(records), job.reference_rows * chosen.per_row)
    if not first:
        return []
    folder = job.output / "reference"
    _reference.edit(base, records[:first], folder, track)
    rows = [Edits("reference", f"diffusers' DiffEdit, first {first}", folder, False, first)]
    if first < len(records):
        masks = ", masks given" if job.given_masks else ""
        about = f"without paste-back, first {first}{masks}"
        rows.insert(0, Edits("none-first", about, job.output / "edits-none", only=first))
    return rows


def _config(job: Job, way: str | None) -> RunConfig:
    folder = job.output / f"edits-{way}"
    raw = dict(job.settings)
    return _edits.config(
        raw, job.config, job.overrides, job.output / "input", folder, way, job.given_masks
    )


def _write(
    job: Job,
    chosen: Protocol,
    scored: Sequence[Scored],
    missing: Mapping[str, str],
    records: Sequence[Record],
) -> None:
    job.output.mkdir(parents=True, exist_ok=True)
    about = {
        "protocol": job.protocol,
        "data": None if job.place.data is None else str(job.place.data),
        "code_version": version("diffedit-pipeline"),
        "records": len(records),
        "settings": None if job.edits or chosen.rated else _config(job, None).result_settings(),
        "weights": {r: job.weights.get(r, n.default) for r, n in chosen.networks.items()},
        "masks": "given to the editor"
        if job.given_masks
        else "for scoring only; never given to the editor",
    }
    found = _table.metrics(chosen, scored, missing, about)
    (job.output / "metrics.json").write_text(json.dumps(found, indent=1, allow_nan=False) + "\n")
    (job.output / "table.md").write_text(_table.table(job.protocol, chosen, scored, missing))
    for row in scored:
        values = _table.values_csv(chosen, row)
        (job.output / f"scores-{row.edits.label}.csv").write_text(values)
    page = _page.page(job.protocol, chosen, scored, records, missing)
    (job.output / "page.html").write_text(page, encoding="utf-8")
