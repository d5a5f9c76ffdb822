"""Dead letters once more, through the same stages, in this process. Knows no storage format."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import replace

import pyarrow as pa

from pipeline.config import RunConfig, parse
from pipeline.engine.run import Watch, interruptible
from pipeline.engine.tally import Tally
from pipeline.errors import UsageError
from pipeline.rows import PLAN_SCHEMA
from pipeline.sinks.commits import Commit, load_progress
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
    """
    there = existing_output(folder, endpoint_url)
    config = _settings(there, overrides)
    here = replace(there, settings=config.result_settings(), fingerprint=config.fingerprint())
    tally = Tally(max_dead_share=1)
    with interruptible(), writing(here) as output:
        keep_settings(output)
        mark(output)
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
    for before in commits:
        unplanned, planned = load(output, before, kinds)
        rows = pa.concat_tables([plan(unplanned), planned.select(PLAN_SCHEMA.names)])
        if len(rows):
            after = write_part(output, check(edit(rows)), before)
            tally.add(since(before, after))
            watch(tally)


def _settings(there: Output, overrides: Sequence[str]) -> RunConfig:
    place = {"path": there.path, "storage": there.storage.model_dump()}
    raw = deepcopy(dict(there.settings))  # overrides are set into it
    raw["output"] |= place
    config = parse(raw, f"{there.path}/run.json", overrides)
    here = config.result_settings()
    if here["output"] != there.settings["output"] or config.check.scores != _scores(there):
        raise UsageError(
            f"{there.path}: a replay cannot change output.* or check.scores: all rows of an output "
            "have the same columns"
        )
    return config


def _scores(there: Output) -> tuple[str, ...]:
    return tuple(there.settings["check"]["scores"])
