"""Stages and readers that know from notes what ended its process before, and go row by row there.

A picture can end the process that decodes it: a fault in a C library, more memory than there is.
The attempt was noted (`sinks/attempts.py`). After `DEATHS` of them at one chunk its rows are done
in a process of their own (`apart.py`), and the one that ends that too becomes a dead letter.
Knows no Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

import pyarrow as pa
from pyroaring import BitMap

from pipeline.config import RunConfig
from pipeline.engine.apart import CannotStart, Child, Died
from pipeline.engine.todo import read
from pipeline.errors import RowError
from pipeline.rows import SPENT, Chunk, Spent
from pipeline.section import build
from pipeline.sinks.attempts import DEATHS, noted
from pipeline.sinks.commits import Commit
from pipeline.sinks.inputs import checked
from pipeline.sinks.output import Output
from pipeline.sinks.part import write_part
from pipeline.sources._shard import Listing, Member, Shard
from pipeline.stages.lost import lost

KILLED = "killed_the_process"
Work = Callable[[pa.Table], pa.Table]


class Careful:
    """`work`, which is the `stages` one after the other, on tables of one chunk each."""

    def __init__(
        self,
        config: RunConfig,
        output: Output,
        stages: Sequence[str],
        work: Work,
    ) -> None:
        self._config, self._output, self._stages, self._work = config, output, stages, work

    def __call__(self, table: pa.Table, suspect: bool = False) -> pa.Table:
        """`suspect`: go row by row whatever the notes say."""
        # Of all stages the edit decodes pictures first, so a run on Ray and one without agree.
        name = "edit" if "edit" in self._stages else self._stages[0]
        with attempt(self._output, table, name) as deaths:
            if deaths < DEATHS and not suspect:
                return self._work(table)
            return one_by_one(self._config, self._output, self._stages, table, self._work)


def attempt(output: Output, table: pa.Table, name: str) -> Any:
    """Notes an attempt at the chunk of `table`; see `noted`."""
    chunk = Chunk.of(table)
    return noted(output, chunk.shard, f"{chunk.index:05d}-{name}")


def write_carefully(config: RunConfig, output: Output, table: pa.Table) -> Commit:
    """`write_part`, of rows that can be written."""
    with attempt(output, table, "write") as deaths:
        if deaths >= DEATHS:
            table = one_by_one(config, output, ["write"], table, lambda rows: rows)
        return write_part(output, table)


def one_by_one(
    config: RunConfig, output: Output, stages: Sequence[str], table: pa.Table, here: Work
) -> pa.Table:
    """What the stages make of each image of `table` alone, in a process of its own.

    Where that cannot be started (there is no room for a second model), `here` does it.
    """
    done = []
    with Child(config) as child:
        for image in _images(table):
            try:
                done.append(_image(child, config, output, stages, image))
            except CannotStart:
                done.append(_image_here(config, output, stages, image, here))
    each = [Spent.of(image) for image in done]
    spent = Spent(**{name: sum(getattr(one, name) for one in each) for name in SPENT})
    spent.idle_seconds = 0.0  # a child waits for each of its rows
    made = pa.concat_tables(done).replace_schema_metadata(table.schema.metadata)
    return spent.noted(made)


def _images(table: pa.Table) -> Iterator[pa.Table]:
    first = 0
    for _, rows in groupby(table["ordinal"].to_pylist()):
        count = len(list(rows))
        yield table.slice(first, count)
        first += count


def _image(
    child: Child, config: RunConfig, output: Output, stages: Sequence[str], table: pa.Table
) -> pa.Table:
    ordinal = table["ordinal"][0].as_py()
    for stage in stages:
        with attempt(output, table, f"{stage}-row-{ordinal}") as deaths:
            table = _tried(child, config, stage, table, deaths)
    return table


def _image_here(
    config: RunConfig, output: Output, stages: Sequence[str], table: pa.Table, here: Work
) -> pa.Table:
    with attempt(output, table, f"{stages[-1]}-here-{table['ordinal'][0].as_py()}") as deaths:
        if deaths < DEATHS:
            return here(table)
        message = f"the process that did the row alone ended {deaths} times"
        for stage in stages:
            table = lost(stage, config, table, RowError(KILLED, message))
        return table


def _tried(child: Child, config: RunConfig, stage: str, table: pa.Table, deaths: int) -> pa.Table:
    how = "with the whole run"
    for _ in range(deaths, DEATHS):
        try:
            return child.stage(stage, table)
        except Died as died:
            how = str(died)
    key = table["key"][0].as_py()
    message = f"the process that did the row {key!r} alone ended {DEATHS} times, at last by {how}"
    return lost(stage, config, table, RowError(KILLED, message))


def read_carefully(
    config: RunConfig, shard: Shard, done: BitMap, output: Output
) -> Iterator[pa.Table]:
    """`todo.read`, from a process of its own where the shard ended its reader's before."""
    with noted(output, shard.path, "read") as deaths:
        source = Apart(config) if deaths >= DEATHS else None
        for table in read(config, shard, done, source):
            yield checked(table, output.columns)


class Apart:
    """A source whose members are read by a child; see `sources._shard.Source`.

    One that ends the child is an error, and the shard's last.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self.grows = getattr(build(config.input), "grows", False)

    def listing(self) -> Listing:
        raise NotImplementedError

    def members(self, shard: Shard) -> Iterator[Member]:
        count, deaths, ordinal = 0, 0, 0
        with Child(self._config) as child:
            while deaths < DEATHS:
                try:
                    for member in child.members(shard, count):
                        yield member
                        count, deaths, ordinal = count + 1, 0, member.ordinal + 1
                    return
                except Died as died:
                    deaths, how = deaths + 1, str(died)
        message = (
            f"reading row {ordinal} of the shard ended the process {DEATHS} times, at last by "
            f"{how}; it and what follows it in the shard cannot be read"
        )
        yield Member(ordinal, f"({ordinal})", None, None, error=RowError(KILLED, message))
