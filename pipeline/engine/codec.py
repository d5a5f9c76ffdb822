"""How many CPUs an actor needs, so that its photos do not keep a GPU waiting. Knows no model.

The figures are those of `python -m jobs.benchmark photo-runs`, docs/performance.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    wanted = config.output.image_format
    copied = wanted == "jpeg" or (wanted == "source" and data.startswith(jpeg.SIGNATURE))
    return A_MEGAPIXEL if copied else LOSSLESS


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
