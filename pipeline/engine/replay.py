"""Dead letters once more, through the same stages, in this process. Knows no storage format."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import replace

import pyarrow as pa

from pipeline.config import RunConfig
from pipeline.config_file import parse
from pipeline.engine.careful import KILLED, Careful
from pipeline.engine.recorded import Watch
from pipeline.engine.run import by_bounds_in_force, interruptible
from pipeline.engine.tally import Tally
from pipeline.errors import UsageError
from pipeline.rows import PLAN_SCHEMA
from pipeline.sinks.commits import Commit, load_progress
from pipeline.sinks.layout import RUN
from pipeline.sinks.lease import writing
from pipeline.sinks.output import Output, existing_output
from pipeline.sinks.part import write_part
from pipeline.sinks.publish import keep_settings, mark, publish
from pipeline.sinks.replay import load, replayable, since
from pipeline.sinks.sweep import sweep
from pipeline.stages import Check, Edit, Plan


def replay(
    folder: str,
    endpoint_url: str | None,
    overrides: Sequence[str],
    kinds: Collection[str],
    watch: Watch,
) -> Tally:
    """Runs the dead letters of `kinds` (empty: of any) again and commits what they become.

    `overrides` change the settings of the run (`input.max_pixels=200000000`); the new rows say so
    in their fingerprint. Letters of the stage `read` stay: what could not be read is not in them.
    Raises UsageError for an override that would change what the run is.
    """
    there = existing_output(folder, endpoint_url)
    config = _settings(there, overrides)
    here = replace(there, settings=config.result_settings(), fingerprint=config.fingerprint())
    tally = Tally(max_dead_share=1)
    with interruptible(), writing(here) as output:
        keep_settings(output)
        mark(output)
        config = by_bounds_in_force(config, output)
        commits = list(replayable(output, kinds))
        if commits:
            _run(config, output, commits, kinds, tally, watch)
        publish(there)  # before the sweep, so that the index names no file that is gone
        sweep(output, load_progress(output))
    return tally


def _run(
    config: RunConfig,
    output: Output,
    commits: Sequence[Commit],
    kinds: Collection[str],
    tally: Tally,
    watch: Watch,
) -> None:
    plan, edit, check = Plan(config), Edit(config), Check(config)
    work = Careful(config, output, ["edit", "check"], lambda rows: check(edit(rows)))
    for before in commits:
        unplanned, planned = load(output, before, kinds)
        rows = pa.concat_tables([plan(unplanned), planned.select(PLAN_SCHEMA.names)])
        if len(rows):
            # What ended a process before is let near no process but its own.
            suspect = any(reason.endswith(f"/{KILLED}") for reason in before.dead_by_kind)
            after = write_part(output, work(rows, suspect), before)
            tally.add(since(before, after))
            watch(tally)


def _settings(there: Output, overrides: Sequence[str]) -> RunConfig:
    for key in (override.partition("=")[0] for override in overrides):
        _refuse(key)
    place = {"path": there.path, "storage": there.storage.model_dump()}
    raw = deepcopy(dict(there.settings))  # overrides are set into it
    raw["output"] |= place
    raw["run"].setdefault("chunk_bytes", None)  # no bound is not noted
    for section, how in there.how.items():
        raw[section] = {**raw[section], **how}
    return parse(raw, f"{there.path}/{RUN}", overrides)


_FIXED = (
    "input",
    "output",
    "model",
    "check.scores",
    "labels",
    "split",
    "run.chunk_rows",
    "run.chunk_bytes",
    "run.limit",
)
_FREE = (
    "input.max_pixels",
    "input.max_bytes",
    "model.dtype",
    "model.device",
    "model.micro_batch",
    "model.compile",
)


def _refuse(key: str) -> None:
    """Raises UsageError where `key` decides what the run is: its files, its chunks, its model."""
    if _within(key, ("check.keep", "check.preset")):
        raise UsageError(f"override {key}: the bounds are the output's; see `diffedit recheck`")
    if not _within(key, _FREE) and (_within(key, _FIXED) or key in ("run", "check")):
        raise UsageError(
            f"override {key}: a replay goes into the output of its run, so it cannot change "
            f"{', '.join(_FIXED)}; of these it may change {', '.join(_FREE)}"
        )


def _within(key: str, sections: Sequence[str]) -> bool:
    return any(f"{key}.".startswith(f"{section}.") for section in sections)
