"""The peer's job: Ray Data with its own checkpointing. Arguments: INPUT OUTPUT CHECKPOINT EDITS.

Reads Parquet, spends a moment a row in an actor, makes EDITS rows of each, and writes Parquet.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import ray
from ray.data import ActorPoolStrategy
from ray.data.checkpoint import CheckpointConfig


class Edit:
    """As long a row as a tiny model takes."""

    def __init__(self, edits: int) -> None:
        self._edits = edits

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        time.sleep(0.1 * len(batch["id"]))
        ids = [i for i in batch["id"] for _ in range(self._edits)]
        return {"id": ids, "edit": list(range(self._edits)) * len(batch["id"])}


def main(source: str, output: str, checkpoint: str, edits: int) -> None:
    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=False,
        object_store_memory=256 << 20,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.use_datasource_v2 = False  # the newer reader packs these files into one block
    context.checkpoint_config = CheckpointConfig(
        id_column="id", checkpoint_path=checkpoint, delete_checkpoint_on_success=False
    )
    (
        ray.data.read_parquet(source, override_num_blocks=60)
        .map_batches(
            Edit, fn_constructor_args=[edits], batch_size=4, compute=ActorPoolStrategy(size=1)
        )
        .write_parquet(output)
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
