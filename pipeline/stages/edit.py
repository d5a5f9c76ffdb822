"""Planned edits → edited pictures and masks, for a table of one chunk. Knows no dataset.

Pictures are decoded here, grouped into buckets of one size, edited by `diffusion.diffedit` on the
device that holds the model, put back into the photo's own pixels, and encoded again.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from pipeline.config import RunConfig
from pipeline.diffusion.diffedit import Edited, diffedit
from pipeline.diffusion.noise import row_seed
from pipeline.diffusion.settings import Settings, Target
from pipeline.errors import RowError
from pipeline.images.bucket import bucket, to_model
from pipeline.images.decode import decode
from pipeline.images.encode import FRESH, encode_edited, encode_mask
from pipeline.images.given import Given, read
from pipeline.images.original import Original
from pipeline.images.paste import paste_back
from pipeline.images.picture import Picture, Plane
from pipeline.images.whole import tidy
from pipeline.rows import ERROR, Spent, conform, result_schema
from pipeline.section import build
from pipeline.stages.guard import as_row_error, guarded
from pipeline.stages.plan import failed
from pipeline.stages.score import scored
from pipeline.stages.turn import Turn

Row = dict[str, Any]
Outcome = Row | RowError
"""The result columns of one planned edit, or why there are none."""

BATCH = 64
"""Images edited together at most: every level of their inversions is held on the device."""
TRAJECTORY_BYTES = 1 << 30
"""Of those levels, where that allows fewer images."""


@dataclass(frozen=True)
class Job:
    """One source image, decoded, with all its planned edits."""

    index: int  # of its row in the table
    edits: Sequence[Row]
    data: bytes  # of the source's file
    picture: Picture  # at the photo's own size
    size: tuple[int, int]  # (width, height) that the model sees
    seed: int
    given: Given


class Edit:
    """PLAN_SCHEMA → result table: one row a planned edit. Loads the model when made.

    Two threads keep the model busy: while it edits the one's pictures, the other puts those of the
    chunk before back into their photos, encodes them and decodes the next chunk's. The table says
    how long the model worked and waited (`Spent`).
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        # A compiled network is one for this number of threads.
        torch.set_num_threads(threads(config))
        self._model = build(config.model)
        self._settings = Settings.of(config.mask, config.edit)
        self._turn = Turn()

    @property
    def weights(self) -> str:
        """The digest of the model's weights."""
        return str(self._model.weights)

    def __call__(self, table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        outcomes: dict[int, list[Outcome]] = {}
        spent = Spent()
        with ThreadPoolExecutor(threads(self._config)) as pool:
            jobs = list(pool.map(self._job, range(len(rows)), rows))
            for size_jobs in _by_size([job for job in jobs if isinstance(job, Job)], self._most):
                done = guarded(size_jobs, lambda batch: self._edit(batch, pool, spent))
                outcomes |= {
                    job.index: _each(job, o) for job, o in zip(size_jobs, done, strict=True)
                }
        outcomes |= {
            i: [job] * len(rows[i]["edits"])
            for i, job in enumerate(jobs)
            if isinstance(job, RowError)
        }
        return spent.noted(exploded(table, rows, outcomes, self._config.check.scores))

    def _most(self, size: tuple[int, int]) -> int:
        """Images of (width, height) pixels that are edited together at most."""
        width, height = (side // self._model.factor for side in size)
        level = 4 * self._model.channels * width * height
        held = TRAJECTORY_BYTES // (level * (self._settings.steps + 1))
        return max(1, min(BATCH, int(held)))

    def _job(self, index: int, row: Row) -> Job | RowError | None:
        if row["error_kind"] is not None or not row["edits"]:
            return None
        try:
            picture = decode(row["image"], self._config.input.max_pixels)
            size = bucket(*picture.size, self._model.resolution, self._model.latent_multiple)
            given = self._given(row, picture)
        except Exception as error:
            return as_row_error(error)
        seed = row_seed(self._config.run.seed, row["shard"], row["key"])
        return Job(index, row["edits"], row["image"], picture, size, seed, given)

    def _given(self, row: Row, picture: Picture) -> Given:
        masks, instead = (row["input_mask"], row["input_protect"]), self._config.mask.given
        most = self._config.input.max_pixels
        return read(*masks, picture.size, most, instead == "replace")

    def _edit(
        self, jobs: Sequence[Job], pool: ThreadPoolExecutor, spent: Spent
    ) -> list[list[Outcome]]:
        """The outcomes of each job of one bucket, a list in the order of its edits."""
        images = torch.stack(list(pool.map(_seen, jobs)))
        sections = self._config.mask, self._config.invert, self._config.edit
        targets = [
            Target.of(i, edit, *sections) for i, job in enumerate(jobs) for edit in job.edits
        ]
        seeds = [job.seed for job in jobs]
        priors = [job.given.prior(job.picture, job.size) for job in jobs]
        mend = tidy(self._config.mask.fill, self._config.mask.island)
        with self._turn.taken(spent):
            # The number is each thread's own: sums on another number of threads round otherwise,
            # and on one machine a run must give the same bytes with Ray and without.
            torch.set_num_threads(threads(self._config))
            result = diffedit(self._model, images, targets, seeds, self._settings, priors, mend)
        edits: list[list[tuple[Target, Edited]]] = [[] for _ in jobs]
        for target, edited in zip(targets, result.edits, strict=True):
            edits[target.image].append((target, edited))
        return list(pool.map(self._finished, jobs, images, edits))

    def _finished(
        self, job: Job, seen: Tensor, edits: Sequence[tuple[Target, Edited]]
    ) -> list[Outcome]:
        """One photo's outcomes, by one thread: what its edits share is made once and then freed."""
        original = Original(job.data)
        return [self._outcome(job, original, seen, *edit) for edit in edits]

    def _outcome(
        self, job: Job, original: Original, seen: Tensor, target: Target, edited: Edited
    ) -> Outcome:
        if edited.error:
            return edited.error
        try:
            picture, mask = self._pasted(job, edited, seen)
            picture, mask = job.given.limited(
                job.picture, picture, mask, original, self._config.output.image_format
            )
            state = edited.state if mask.any() else "empty"  # of what can be seen
            if state == "empty" and self._config.mask.on_empty == "dead":
                return RowError(
                    "empty_mask", "nothing to edit was found, and mask.on_empty is dead"
                )
            return {
                "mask_strength": target.mask_strength,
                "encoding_ratio": target.encoding_ratio,
                "guidance_scale": target.guidance_scale,
                "seed": job.seed,
                "width": picture.size[0],
                "height": picture.size[1],
                "mask_area": float((mask > 127).mean()),
                "mask_state": state,
                "mask_from": job.given.origin,
                "model": self._model.name,
                "weights": self._model.weights,
                **self._written(job, original, picture, mask),
            }
        except Exception as error:
            return as_row_error(error)

    def _written(self, job: Job, original: Original, picture: Picture, mask: Plane) -> Row:
        """The files of an edit, and its scores."""
        wanted = self._config.output.image_format
        everywhere = self._config.edit.paste_back == "none" and picture is not job.picture
        exact = job.given.protected is not None
        file = encode_edited(picture, mask, original, wanted, everywhere, exact)
        shown = decode(file.data, mask.size) if file.encoding.startswith(FRESH) else picture
        names = self._config.check.scores
        scores = scored(names, job.picture, shown, mask, file.mask)
        files = {"edited": file.data, "encoding": file.encoding, "mask": encode_mask(file.mask)}
        return files | scores

    def _pasted(self, job: Job, edited: Edited, seen: Tensor) -> tuple[Picture, Plane]:
        """The edited picture and its mask, (H, W) uint8, of the photo's own size."""
        rgb, alpha = job.picture.rgb, job.picture.alpha
        if edited.image is None:
            mask = np.full(rgb.shape[:2], 255 if edited.state == "full" else 0, np.uint8)
            return job.picture, mask if alpha is None else np.where(alpha > 0, mask, np.uint8(0))
        how = self._config.edit
        outline = job.given.outline(edited.outline)
        rgb, mask = paste_back(rgb, edited.image, outline, how.paste_back, how.feather, alpha, seen)
        return Picture(rgb, alpha), mask


def _seen(job: Job) -> Tensor:
    return to_model(job.picture.on_white(), job.size)


def threads(config: RunConfig) -> int:
    """CPU threads of one actor: for its model, and as many for reading and writing pictures."""
    return max(1, round(config.run.cpus_per_actor or (os.cpu_count() or 1) / config.run.actors[1]))


def _by_size(jobs: Sequence[Job], most: Callable[[tuple[int, int]], int]) -> list[list[Job]]:
    groups: defaultdict[tuple[int, int], list[Job]] = defaultdict(list)
    for job in jobs:
        groups[job.size].append(job)
    return [
        jobs[i : i + most(size)]
        for size, jobs in groups.items()
        for i in range(0, len(jobs), most(size))
    ]


def _each(job: Job, outcome: list[Outcome] | RowError) -> list[Outcome]:
    return [outcome] * len(job.edits) if isinstance(outcome, RowError) else outcome


def exploded(
    table: pa.Table,
    rows: Sequence[Row],
    outcomes: dict[int, list[Outcome]],
    scores: Sequence[str] = (),
) -> pa.Table:
    """One row a planned edit; an image that failed or passed before keeps its one row."""
    taken: list[int] = []
    filled: list[Row] = []
    for index, row in enumerate(rows):
        results = [
            {**_named(edit), **_columns(outcome)}
            for edit, outcome in zip(row["edits"], outcomes.get(index, ()), strict=True)
        ]
        filled += results or [{name: row[name] for name in ERROR.names}]
        taken += [index] * max(1, len(results))
    kept = table.drop_columns(["edits", *ERROR.names])
    # Slices share the source's bytes, however many edits an image has; `take` would repeat them
    # in one array, and an array of binary values ends at 2 GiB.
    exploded = pa.concat_tables([kept.slice(index, 1) for index in taken])
    schema = result_schema(scores)
    for field in schema:
        if field.name not in exploded.column_names:
            values = [row.get(field.name) for row in filled]
            exploded = exploded.append_column(field, pa.array(values, field.type))
    return conform(exploded, schema)


def _named(edit: Row) -> Row:
    return {("edit" if name == "name" else name): value for name, value in edit.items()}


def _columns(outcome: Outcome) -> Row:
    return failed("edit", outcome) if isinstance(outcome, RowError) else outcome
