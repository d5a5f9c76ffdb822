"""Planned edits → edited pictures and masks, for a table of one chunk. Knows no dataset.

Pictures are decoded here, grouped into buckets of one size, edited by `diffusion.diffedit` on the
device that holds the model, put back into the photo's own pixels, and encoded again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from pipeline.config import RunConfig
from pipeline.diffusion.diffedit import DiffEditResult, Settings, Target, diffedit
from pipeline.diffusion.noise import row_seed
from pipeline.errors import RowError
from pipeline.images.bucket import bucket, to_model, to_rgb
from pipeline.images.decode import decode
from pipeline.images.encode import encode_edited, encode_mask
from pipeline.images.paste import paste_back
from pipeline.rows import conform, result_schema
from pipeline.section import build
from pipeline.stages.guard import as_row_error, guarded
from pipeline.stages.plan import failed

Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One source image, decoded, with all its planned edits."""

    row: Row
    pixels: Any  # (H, W, 3) uint8, the photo's own size
    size: tuple[int, int]  # (width, height) that the model sees
    seed: int


class Edit:
    """PLAN_SCHEMA → result table: one row a planned edit. Loads the model when made."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._model = build(config.model)
        self._settings = Settings.of(config)
        self._threads = ThreadPoolExecutor(2)
        self._schema = result_schema(())
