"""What photos cost beside the model: CPUs, so that a GPU need not wait, and bytes. Knows no model.

The figures are those of `python -m jobs.benchmark photo-runs`, docs/performance.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean

from pipeline.config import RunConfig
from pipeline.images import jpeg
from pipeline.images.decode import pixels

GPU_SECONDS = 0.2
"""An edit on a GPU, about: Stable Diffusion 1.5 at 512 × 512, several targets an image."""
AN_EDIT = 0.1
"""CPU seconds of an edit whatever its size."""
A_MEGAPIXEL, LOSSLESS = 0.05, 0.15
"""And for each megapixel: of a JPEG, of a picture that is written without loss."""


def seconds(images: Sequence[bytes], config: RunConfig) -> float:
    """CPU an edit of pictures like these (the mean), outside of the model."""
    return AN_EDIT + fmean(pixels(data) / 1e6 * _rate(data, config) for data in images)


def _rate(data: bytes, config: RunConfig) -> float:
    return A_MEGAPIXEL if _is_jpeg(data, config) else LOSSLESS


def _is_jpeg(data: bytes, config: RunConfig) -> bool:
    """Whether its edits are written as JPEGs."""
    wanted = config.output.image_format
    return wanted == "jpeg" or (wanted == "source" and data.startswith(jpeg.SIGNATURE))


GROWTH = {(True, True): 0.9, (True, False): 7.0, (False, True): 0.15, (False, False): 1.1}
"""Bytes of an edit and its mask over its source's: (a JPEG is read, one is written)."""


def written(pictures: Iterable[tuple[bytes, int]], config: RunConfig) -> float:
    """Bytes of the edits of pictures like these, each with so many edits."""
    jpegs = [(data.startswith(jpeg.SIGNATURE), data, edits) for data, edits in pictures]
    return sum(
        stored(config, len(data), [GROWTH[own, _is_jpeg(data, config)] * len(data)] * edits)
        for own, data, edits in jpegs
    )


def stored(config: RunConfig, source: int, edits: Sequence[float]) -> float:
    """Bytes that an output takes for a picture of so many, and for its edits with their masks.

    A Parquet file has the source once, a tar beside each edit.
    """
    output = config.output
    sources = sum(len(edits) if kind == "webdataset" else 1 for kind in output.formats)
    return len(output.formats) * sum(edits) + (source * sources if output.source else 0)


def told(images: Sequence[bytes], config: RunConfig) -> str:
    """What they need, for a person, and a warning where the config gives an actor less."""
    spent = seconds(images, config)
    needed, there = math.ceil(spent / GPU_SECONDS), config.run.threads
    said = (
        f"about {spent:.2f} s an edit; a GPU that makes an edit in {GPU_SECONDS:g} s needs {needed}"
    )
    if needed <= there:
        return f"{said} (an actor has {there})"
    return f"{said}, but an actor has {there}: it would wait; set run.cpus_per_actor={needed}"
