"""Planned edits → edited pictures and masks, for a table of one chunk. Knows no dataset.

Pictures are decoded here, grouped into buckets of one size, edited by `diffusion.diffedit` on the
device that holds the model, put back into the photo's own pixels, and encoded again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from pipeline.config import RunConfig
from pipeline.diffusion.diffedit import Edited, diffedit
from pipeline.diffusion.region import Prior
from pipeline.diffusion.seeds import row_seed
from pipeline.diffusion.settings import Settings, Target
from pipeline.errors import RowError
from pipeline.images.alike import thumbnail
from pipeline.images.bucket import bucket, resized, to_tensor
from pipeline.images.decode import decode, pixels
from pipeline.images.encode import FRESH, encode_edited, encode_mask
from pipeline.images.given import Given, read
from pipeline.images.light import rgb_of
from pipeline.images.original import Original
from pipeline.images.paste import paste_back
from pipeline.images.picture import Picture, Pixels, Plane
from pipeline.images.whole import tidy
from pipeline.metrics._pair import Pair
from pipeline.metrics._shown import Shown
from pipeline.rows import INPUT_MASKS, Spent
from pipeline.section import build
from pipeline.stages.choose import Attempt, attempts, kept
from pipeline.stages.explode import Outcome, Row, exploded, with_alike
from pipeline.stages.guard import as_row_error, guarded
from pipeline.stages.judge import Judges
from pipeline.stages.room import LARGE, Room
from pipeline.stages.score import reached, scored
from pipeline.stages.turn import Turn

Masks = tuple[bytes | None, bytes | None]
"""Of the input: where to edit, and where never to."""

BATCH = 64
"""Images edited together at most: every level of their inversions is held on the device."""
TRAJECTORY_BYTES = 1 << 30
"""Of those levels, where that allows fewer images."""
EDITED_BYTES, EDIT_BYTES = 512 << 20, 16
"""Of their edited pictures and outlines, where that allows fewer; what one takes a pixel."""
PIXELS_A_THREAD = 16 << 20
"""Photos that are being decoded and encoded take 20 to 30 bytes a pixel."""


@dataclass(frozen=True)
class Job:
    """One source image, decoded, with all its planned edits and the tries at them."""

    index: int  # of its row in the table
    edits: Sequence[Row]
    tries: Sequence[Attempt]
    data: bytes  # of the source's file
    masks: Masks
    pixels: int
    kept: Picture | None  # at the photo's own size; None: too large to be held meanwhile
    seen: Pixels  # (h, w, 3) as the model sees it
    prior: Prior
    seed: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) that the model sees."""
        return self.seen.shape[1], self.seen.shape[0]


@dataclass(frozen=True)
class Photo:
    """A job whose edits are being made into files."""

    job: Job
    picture: Picture  # at the photo's own size
    original: Original
    given: Given
    seen: Tensor  # (3, h, w) in [-1, 1]


class Edit:
    """PLAN_SCHEMA → result table: one row a planned edit. Loads the model when made.

    Two threads keep the model busy: while it edits the one's pictures, the other puts those of the
    chunk before back into their photos, encodes them and decodes the next chunk's. The table says
    what that took (`Spent`).
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        # A compiled network is one for this number of threads.
        torch.set_num_threads(config.run.threads)
        self._model = build(config.model)
        self._settings = Settings.of(config.mask, config.edit)
        self._judges = Judges(config, self._model)
        self._turn = Turn()
        self._room = Room(PIXELS_A_THREAD * config.run.threads)

    @property
    def weights(self) -> str:
        """The digest of the model's weights."""
        return str(self._model.weights)

    def __call__(self, table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        outcomes: dict[int, list[Outcome]] = {}
        spent = Spent(bytes_read=_bytes(rows))
        with ThreadPoolExecutor(self._config.run.threads) as pool:
            jobs = list(pool.map(partial(self._job, spent), range(len(rows)), rows))
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

    def _job(self, spent: Spent, index: int, row: Row) -> Job | RowError | None:
        if row["error_kind"] is not None or not row["edits"]:
            return None
        count, masks = pixels(row["image"]), (row["input_mask"], row["input_protect"])
        try:
            with self._room.taken(count, spent):
                picture = decode(row["image"], self._config.input.max_pixels)
                size = bucket(*picture.size, self._model.resolution, self._model.latent_multiple)
                seen = resized(picture.on_white(), size)
                prior = self._given(masks, picture).prior(picture, size)
        except Exception as error:
            return as_row_error(error)
        seed = row_seed(self._config.run.seed, row["shard"], row["key"])
        kept = picture if count <= LARGE else None
        tries = attempts(self._config.edit.variants, row["edits"], seed)
        return Job(index, row["edits"], tries, row["image"], masks, count, kept, seen, prior, seed)

    def _given(self, masks: Masks, picture: Picture) -> Given:
        instead = self._config.mask.given == "replace"
        return read(*masks, picture.size, self._config.input.max_pixels, instead)

    def _edit(
        self, jobs: Sequence[Job], pool: ThreadPoolExecutor, spent: Spent
    ) -> list[list[Outcome]]:
        """The outcomes of each job of one bucket, a list in the order of its planned edits."""
        images = torch.stack([to_tensor(job.seen) for job in jobs])
        sections = self._config.mask, self._config.invert, self._config.edit
        targets = [
            Target.of(i, attempt.planned, *sections, attempt.drawn)
            for i, job in enumerate(jobs)
            for attempt in job.tries
        ]
        seeds = [job.seed for job in jobs]
        priors = [job.prior for job in jobs]
        mask, along_edges = self._config.mask, self._config.edit.paste_back == "recolor"
        mends = [tidy(mask.by_colour, along_edges, mask.fill, mask.island)] * len(targets)
        with self._turn.taken(spent):
            # The number is each thread's own: sums on another number of threads round otherwise,
            # and on one machine a run must give the same bytes with Ray and without.
            torch.set_num_threads(self._config.run.threads)
            result = diffedit(self._model, images, targets, seeds, self._settings, priors, mends)
        spent.evaluations += result.cost.evaluations
        edits: list[list[tuple[Target, Edited]]] = [[] for _ in jobs]
        for target, edited in zip(targets, result.edits, strict=True):
            edits[target.image].append((target, edited))
        finished = pool.map(partial(self._finished, spent), jobs, images, edits)
        del images, edits, edited, result  # a photo's are freed when it is finished
        outcomes = list(finished)
        if self._judges:
            with self._turn.taken(spent):
                judged = (row for rows in outcomes for row in rows if isinstance(row, dict))
                spent.evaluations += self._judges(judged)
        return [self._kept(*one) for one in zip(jobs, outcomes, strict=True)]

    def _kept(self, job: Job, outcomes: list[Outcome]) -> list[Outcome]:
        """Of the tries' outcomes those of the planned edits."""
        variants, keep = self._config.edit.variants, self._config.check.keep
        if variants:
            outcomes = kept(variants, keep, job.edits, job.tries, outcomes)
        return with_alike(outcomes, [planned["name"] for planned in job.edits])

    def _finished(
        self, spent: Spent, job: Job, seen: Tensor, edits: Sequence[tuple[Target, Edited]]
    ) -> list[Outcome]:
        """One photo's outcomes, by one thread: what its edits share is made once and then freed."""
        with self._room.taken(job.pixels, spent):
            outcomes = self._outcomes(job, seen, edits)
            if job.pixels > LARGE:
                self._room.give_back()
        return outcomes

    def _outcomes(
        self, job: Job, seen: Tensor, edits: Sequence[tuple[Target, Edited]]
    ) -> list[Outcome]:
        picture = job.kept or decode(job.data, self._config.input.max_pixels)
        given = self._given(job.masks, picture)
        photo = Photo(job, picture, Original(job.data), given, seen)
        colours = [attempt.planned["colour"] for attempt in job.tries]
        return [
            self._outcome(photo, *edit, colour) for edit, colour in zip(edits, colours, strict=True)
        ]

    def _outcome(self, photo: Photo, target: Target, edited: Edited, colour: str | None) -> Outcome:
        if edited.error:
            return edited.error
        try:
            picture, mask = self._pasted(photo, edited, colour)
            picture, mask = photo.given.limited(
                photo.picture, picture, mask, photo.original, self._config.output.image_format
            )
            state = edited.state if mask.any() else "empty"  # of what can be seen
            if state == "empty" and self._config.mask.on_empty == "dead":
                return RowError(
                    "empty_mask", "nothing to edit was found, and mask.on_empty is dead"
                )
            return {
                "mask_prompt": target.mask_prompt,
                "mask_strength": target.mask_strength,
                "encoding_ratio": target.encoding_ratio if target.denoise else None,
                "guidance_scale": target.guidance_scale if target.denoise else None,
                "seed": photo.job.seed if target.seed is None else target.seed,
                "width": picture.size[0],
                "height": picture.size[1],
                "mask_area": np.count_nonzero(mask > 127) / mask.size,
                "mask_state": state,
                "mask_from": photo.given.origin,
                "model": self._model.name,
                "weights": self._model.weights,
                "thumbnail": thumbnail(picture, mask),
                **self._written(photo, picture, mask, colour),
                **self._shown(photo, picture, target, edited),
            }
        except Exception as error:
            return as_row_error(error)

    def _written(self, photo: Photo, picture: Picture, mask: Plane, colour: str | None) -> Row:
        """The files of an edit, its colour, and its scores."""
        wanted = self._config.output.image_format
        everywhere = self._config.edit.paste_back == "none" and picture is not photo.picture
        exact = photo.given.protected is not None
        file = encode_edited(picture, mask, photo.original, wanted, everywhere, exact)
        fresh = file.encoding.startswith(FRESH)
        shown = decode(file.data, mask.size) if fresh else picture
        pair = Pair(photo.picture, shown, mask, file.mask, not (fresh or everywhere), colour)
        return {
            "edited": file.data,
            "encoding": file.encoding,
            "mask": encode_mask(file.mask),
            "reached": reached(pair) if self._config.edit.paste_back == "recolor" else None,
            **scored(self._config.check.scores, pair),
        }

    def _shown(self, photo: Photo, picture: Picture, target: Target, edited: Edited) -> Row:
        """What the judges look at, if there are any."""
        if not self._judges:
            return {}
        job = photo.job
        after = job.seen if picture is photo.picture else resized(picture.on_white(), job.size)
        texts = target.source_prompt, target.target_prompt
        return {"shown": Shown(job.seen, after, *texts, edited.mask.numpy(), job.seed)}

    def _pasted(self, photo: Photo, edited: Edited, colour: str | None) -> tuple[Picture, Plane]:
        """The edited picture and its mask, (H, W) uint8, of the photo's own size."""
        rgb, alpha = photo.picture.rgb, photo.picture.alpha
        if not edited.found:
            mask = np.full(rgb.shape[:2], 255 if edited.state == "full" else 0, np.uint8)
            return photo.picture, mask if alpha is None else np.where(alpha > 0, mask, np.uint8(0))
        how = self._config.edit
        outline = photo.given.outline(edited.outline)
        wanted = None if colour is None else rgb_of(colour)
        rgb, mask = paste_back(
            rgb, edited.image, outline, how.paste_back, how.feather, alpha, photo.seen, wanted
        )
        return Picture(rgb, alpha), mask


def _bytes(rows: Sequence[Row]) -> int:
    """Of the pictures and masks, as they were read."""
    names = ("image", *INPUT_MASKS)
    return sum(len(row[name]) for row in rows for name in names if row[name])


def _by_size(jobs: Sequence[Job], most: Callable[[tuple[int, int]], int]) -> list[list[Job]]:
    """Jobs of one size together, as many as may be: `most`, and of the tries at them too."""
    groups: defaultdict[tuple[int, int], list[list[Job]]] = defaultdict(list)
    for job in jobs:
        batches, (width, height) = groups[job.size], job.size
        edits = len(job.tries) + sum(len(held.tries) for held in batches[-1]) if batches else 0
        room = batches and edits * EDIT_BYTES * width * height <= EDITED_BYTES
        if room and len(batches[-1]) < most(job.size):
            batches[-1].append(job)
        else:
            batches.append([job])
    return [batch for batches in groups.values() for batch in batches]


def _each(job: Job, outcome: list[Outcome] | RowError) -> list[Outcome]:
    return [outcome] * len(job.edits) if isinstance(outcome, RowError) else outcome
