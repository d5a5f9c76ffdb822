"""The same records edited by diffusers' own DiffEdit pipeline, to stand beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from pipeline.config import RunConfig
from pipeline.demo.reference import Reference
from pipeline.diffusion.seeds import row_seed
from pipeline.errors import RowError, UsageError
from pipeline.evaluation._record import Record, seen
from pipeline.evaluation._score import Track


def edit(config: RunConfig, records: Sequence[Record], folder: Path, track: Track) -> None:
    """Writes ID.png and ID.mask.png of each record whose picture decodes; what is there stays.

    Raises UsageError for a model that the reference cannot be made of.
    """
    if config.model.type != "stable_diffusion":
        raise UsageError(f"--reference-rows: diffusers' DiffEdit knows no {config.model.type}")
    left = [record for record in records if not (folder / f"{record.id}.png").exists()]
    if not left:
        return
    folder.mkdir(parents=True, exist_ok=True)
    reference = Reference(config.model, config.mask, config.invert, config.edit)
    for record in track(left, len(left), "reference"):
        try:
            photo = Image.fromarray(seen(record.source() or b""))
        except RowError:
            continue
        seed = row_seed(config.run.seed, "reference", record.id)
        texts = record.source_prompt, record.target_prompt
        edited, mask = reference.edit(photo, *texts, seed)
        Image.fromarray(mask).save(folder / f"{record.id}.mask.png")
        Image.fromarray(edited).save(folder / f"{record.id}.partial", "PNG")
        (folder / f"{record.id}.partial").replace(folder / f"{record.id}.png")
