"""The same stages in a for-loop, one process, without Ray: for previews, tests and small sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from pipeline.config import RunConfig
from pipeline.engine.careful import Careful, read_carefully, write_carefully
from pipeline.engine.tally import Tally
from pipeline.engine.todo import Todo, read
from pipeline.rows import Chunk
from pipeline.sinks.output import Output
from pipeline.sinks.pins import refuse_other_weights
from pipeline.stages import Check, Edit, Plan

STAGES = ("plan", "edit", "check")


def flow(
    config: RunConfig, todo: Todo, output: Output, tally: Tally, watch: Callable[[Tally], None]
) -> None:
    """Runs and commits every chunk of `todo` that is not committed. Raises Stopped at a cap."""
    edit = Edit(config)
    refuse_other_weights(output, edit.weights)
    work = Careful(config, output, STAGES, _work(config, edit))
    for shard, done in todo:
        for table in read_carefully(config, shard, done, output):
            tally.lets(Chunk.of(table))
            tally.add(write_carefully(config, output, work(table))).check()
            watch(tally)


def results(config: RunConfig, todo: Todo) -> Iterator[pa.Table]:
    """The result table of each chunk, in order; nothing is written."""
    work = _work(config, Edit(config))
    for shard, done in todo:
        yield from map(work, read(config, shard, done))


def _work(config: RunConfig, edit: Edit) -> Callable[[pa.Table], pa.Table]:
    plan, check = Plan(config), Check(config)
    return lambda table: check(edit(plan(table)))
