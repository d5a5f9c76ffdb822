"""The way of the data on Ray: read → plan → edit → check → write. Knows no stage from inside.

One Ray row is one chunk (see `envelope`); a stage maps a chunk's table to a chunk's table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import ray
import ray.data
from ray.data import ActorPoolStrategy, Datasink, Datasource, ReadTask
from ray.data.block import BlockMetadata

from pipeline.config import RunConfig
from pipeline.engine.caps import Caps
from pipeline.engine.careful import Careful, read_carefully, write_carefully
from pipeline.engine.envelope import pack, per_chunk, stream_one_row_blocks, unpack
from pipeline.engine.losses import explained
from pipeline.engine.meters import areas
from pipeline.engine.tally import Tally
from pipeline.engine.todo import Todo
from pipeline.rows import Chunk
from pipeline.section import check as check_section
from pipeline.sinks.output import Output
from pipeline.sinks.pins import refuse_other_weights
from pipeline.stages import Check, Edit, Plan
from pipeline.stages.judge import Judges

TASK_RETRIES: dict[str, Any] = {"max_retries": 8}
"""Ray's default is to run a task that dies again for ever, without a word."""


def flow(config: RunConfig, todo: Todo, output: Output, tally: Any) -> None:
    """Runs and commits every chunk of `todo` that is not committed; `tally` is a Tally actor.

    Raises Stopped at a cap.
    """
    refuse_other_weights(output, check_model(config))
    stream_one_row_blocks()
    chunkwise: dict[str, Any] = {"batch_size": None, "batch_format": "pyarrow", **TASK_RETRIES}
    plan = Careful(config, output, ["plan"], Plan(config))
    check = Careful(config, output, ["check"], Check(config))
    (
        ray.data.read_datasource(
            Chunks(config, todo, output),
            override_num_blocks=len(todo),
            ray_remote_args=TASK_RETRIES,
        )
        .map_batches(per_chunk(plan), **chunkwise)
        .map_batches(
            EditActor,
            fn_constructor_args=[config, output, tally],
            **actors(config),
        )
        .map_batches(per_chunk(check), **chunkwise)
        .write_datasink(Parts(config, output, tally), ray_remote_args=TASK_RETRIES)
    )


def check_model(config: RunConfig) -> str:
    """The digest of the model's weights, before anything is read.

    Raises the UsageError of a model, or of a judging network, that cannot be used. On the machines
    of a cluster, for this one may not have the folder; else in this process.
    """
    if _alone():
        return _checked(config)
    # Ended after the call, the process gives back its memory.
    once: Any = ray.remote(max_calls=1)(_checked)
    return str(ray.get(once.options(**_place(config)).remote(config)))


def _checked(config: RunConfig) -> str:
    Judges(config, None)
    return str(check_section(config.model))


def _alone() -> bool:
    """Whether all of Ray is on this machine."""
    nodes = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    client = ray.util.client.ray.is_connected()
    return not client and nodes == {ray.get_runtime_context().get_node_id()}


def actors(config: RunConfig) -> dict[str, Any]:
    """Of a `map_batches` whose actors hold the model."""
    run = config.run
    return {
        "compute": ActorPoolStrategy(
            min_size=run.actors[0],
            max_size=run.actors[1],
            # One chunk on the device, one being decoded or encoded, one on its way.
            max_concurrent_calls_per_actor=2,
            enable_true_multi_threading=True,
            max_tasks_in_flight_per_actor=3,
        ),
        **_place(config),
        "ray_remote_args_fn": _bounded_restarts,
        "batch_size": 1,  # of envelopes; with GPUs Ray wants a number
        "batch_format": "pyarrow",
    }


def _place(config: RunConfig) -> dict[str, float]:
    """What an actor that holds the model asks of a machine."""
    run = config.run
    gpus = 1.0 if ray.cluster_resources().get("GPU", 0) else 0.0
    return {
        "num_cpus": 1 if run.cpus_per_actor is None else run.cpus_per_actor,
        "num_gpus": gpus if run.gpus_per_actor is None else run.gpus_per_actor,
    }


def _bounded_restarts() -> dict[str, int]:
    # Ray's default is to restart for ever. A picture that ends its process costs two restarts until
    # it is done apart. Retries are not bounded beside that: a lost machine uses up several before
    # Ray knows that it is lost.
    return {"max_restarts": 8, "max_task_retries": -1}


class Chunks(Datasource):
    """One read task a shard; each streams the chunks of its shard that are not committed."""

    def __init__(self, config: RunConfig, todo: Todo, output: Output) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._config = config
        self._todo = todo
        self._output = output

    def estimate_inmemory_data_size(self) -> int:
        """Bytes, for Ray's planning."""
        return sum(shard.size for shard, _ in self._todo)

    def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
        """A task a shard, whatever `parallelism` Ray asks for."""
        meta = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [
            ReadTask(partial(_packed, self._config, shard, done, self._output), meta)
            for shard, done in self._todo
        ]


def _packed(config: RunConfig, shard: Any, done: Any, output: Output) -> Iterator[pa.Table]:
    return map(pack, read_carefully(config, shard, done, output))


class EditActor:
    """Holds the model on its device; edits one chunk a call, two threads by turns.

    A chunk that a cap keeps out goes no further. Without an output nothing is noted, and without
    a Tally actor there is no cap.
    """

    def __init__(self, config: RunConfig, output: Output | None, tally: Any) -> None:
        self._tally = tally if Caps.of(config.run) else None
        # Of an error in an actor's start Ray keeps the text alone, so the first call raises it.
        self._edit: Any = None
        self._error: Exception | None = None
        try:
            edit = Edit(config)
            self._edit = per_chunk(Careful(config, output, ["edit"], edit) if output else edit)
        except Exception as error:  # a bug too: as a death of the process it would have no cause
            self._error = error

    def __call__(self, block: pa.Table) -> Iterator[pa.Table]:
        if self._error:
            raise self._error
        if all(map(self._lets, unpack(block))):
            yield from self._edit(block)

    def _lets(self, table: pa.Table) -> bool:
        edits = sum(table["planned"].to_pylist())
        return not self._tally or bool(_asked(self._tally.lets.remote(Chunk.of(table), edits)))


class Parts(Datasink[None]):
    """Writes each chunk as one part, commits it and reports it."""

    def __init__(self, config: RunConfig, output: Output, tally: Any) -> None:
        self._config = config
        self._output = output
        self._tally = tally

    def write(self, blocks: Iterable[pa.Table], ctx: Any) -> None:
        """Raises (through Ray) TooManyDead, and Stopped after the last chunk within a cap."""
        for block in blocks:
            for table in unpack(block):
                commit = write_carefully(self._config, self._output, table)
                sums: Tally = _asked(self._tally.add.remote(commit, areas(table)))
                sums.check()
                sums.caps.check()


def _asked(answer: Any) -> Any:
    try:
        return ray.get(answer)
    except ray.exceptions.RayError as error:
        raise explained(error) from None  # such an error does not survive the way to the driver
