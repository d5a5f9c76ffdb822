"""The same stages in a for-loop, one process, without Ray: for previews, tests and small sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from pipeline.config import RunConfig
from pipeline.engine.tally import Tally
from pipeline.engine.todo import Todo, read
from pipeline.sinks.output import Output
from pipeline.sinks.part import write_part
from pipeline.stages import Check, Edit, Plan


def flow(
    config: RunConfig, todo: Todo, output: Output, tally: Tally, watch: Callable[[Tally], None]
) -> None:
    """Runs and commits every chunk of `todo` that is not committed."""
    for table in results(config, todo):
        tally.add(write_part(output, table)).check()
        watch(tally)


def results(config: RunConfig, todo: Todo) -> Iterator[pa.Table]:
    """The result table of each chunk, in order; nothing is written."""
    plan, edit, check = Plan(config), Edit(config), Check(config)
    for shard, done in todo:
        for table in read(config, shard, done):
            yield check(edit(plan(table)))
