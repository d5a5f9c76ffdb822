"""Scores of items, each by one library or one formula. Knows no benchmark and no table.

A measure takes items and a network (or None) and gives a float an item, NaN where it is not
defined: no region given, nothing in it, nothing outside of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.evaluation._protocol import Column, Item, Measure
from pipeline.evaluation._record import Pixels
from pipeline.metrics._networks import clip, dino, lpips

NAN = float("nan")
Floats = NDArray[np.float32]
Against = Literal["source", "wanted"]


def each(score: Callable[[Item], float]) -> Measure:
    """A measure of a score of one item that needs no network."""
    return lambda items, _: [score(item) for item in items]


def masked_mse(item: Item) -> float:
    """Mean over the *whole* frame of the squared error outside of the region, of 0..1.

    PIE-Bench: both pictures are multiplied by 1 − mask, then compared everywhere.
    """
    pair = _outside(item)
    return float(((pair[0] - pair[1]) ** 2).mean()) if pair else NAN


def masked_psnr(item: Item) -> float:
    """−10·log10 of `masked_mse`, dB; infinite where nothing outside changed."""
    error = masked_mse(item)
    return _decibel(error)


def masked_ssim(item: Item) -> float:
    """SSIM (11×11 Gaussian, σ 1.5) of the pictures multiplied by 1 − mask.

    Averaged without the 5 pixels along each side, as torchmetrics did until 1.4.1, so in the
    published numbers of 2023.
    """
    pair = _outside(item)
    return _ssim(*pair) if pair else NAN


def masked_lpips(items: Sequence[Item], network: Any) -> Sequence[float]:
    """LPIPS of the pictures multiplied by 1 − mask and then brought to [-1, 1]."""
    pairs = [_outside(item) for item in items]
    return _where(pairs, lambda some: _lpips(network, some))


def whole_lpips(against: Against) -> Measure:
    """LPIPS of the whole edit against the source or the true edit."""

    def measure(items: Sequence[Item], network: Any) -> Sequence[float]:
        pairs = [_whole(item, against) for item in items]
        return _where(pairs, lambda some: _lpips(network, some))

    return measure


def whole_psnr(against: Against) -> Callable[[Item], float]:
    """PSNR of the whole edit, dB; infinite where equal."""

    def score(item: Item) -> float:
        pair = _whole(item, against)
        return _decibel(float(((pair[0] - pair[1]) ** 2).mean())) if pair else NAN

    return score


def whole_ssim(against: Against) -> Callable[[Item], float]:
    """SSIM of the whole edit, as in `masked_ssim`."""

    def score(item: Item) -> float:
        pair = _whole(item, against)
        return _ssim(*pair) if pair else NAN

    return score


def mean_error(power: Literal[1, 2], against: Against) -> Callable[[Item], float]:
    """Mean absolute (1) or squared (2) difference of the whole edit, of 0..1."""

    def score(item: Item) -> float:
        pair = _whole(item, against)
        return float((np.abs(pair[0] - pair[1]) ** power).mean()) if pair else NAN

    return score


def clip_text(items: Sequence[Item], network: clip.Clip) -> Sequence[float]:
    """Cosine of the edit with the target prompt."""
    return clip.image_text(
        network, [i.edited for i in items], [i.record.target_prompt for i in items]
    )


CLIP_WHOLE = Column(
    "clip_whole",
    clip_text,
    "100 × cosine of the edit and the target prompt, CLIP ViT-L/14",
    "higher",
    1e2,
    "clip",
)
"""Of the whole picture, as several protocols have it."""


def clip_source(items: Sequence[Item], network: clip.Clip) -> Sequence[float]:
    """Cosine of the source with the source prompt; NaN where there is none."""
    told = [item if item.record.source_prompt else None for item in items]
    return _where(
        told,
        lambda some: clip.image_text(
            network, [i.source for i in some], [i.record.source_prompt for i in some]
        ),
    )


def clip_text_inside(items: Sequence[Item], network: clip.Clip) -> Sequence[float]:
    """Cosine of the edit, black outside of the region, with the target prompt."""
    some = [item if item.region is not None and item.region.any() else None for item in items]
    return _where(
        some,
        lambda found: clip.image_text(
            network,
            [i.edited * _mask(i)[..., None].astype(np.uint8) for i in found],
            [i.record.target_prompt for i in found],
        ),
    )


def clip_direction(items: Sequence[Item], network: clip.Clip) -> Sequence[float]:
    """Cosine of the pictures' change with the prompts'; NaN where there is no source prompt."""
    told = [item if item.record.source_prompt else None for item in items]
    return _where(
        told,
        lambda some: clip.directional(
            network,
            ([i.source for i in some], [i.edited for i in some]),
            ([i.record.source_prompt for i in some], [i.record.target_prompt for i in some]),
        ),
    )


def clip_image(against: Against) -> Measure:
    """CLIP cosine of the edit with the source or the true edit."""

    def measure(items: Sequence[Item], network: clip.Clip) -> Sequence[float]:
        others = [_other(item, against) for item in items]
        pairs = [
            (i.edited, o) if o is not None else None for i, o in zip(items, others, strict=True)
        ]
        return _where(
            pairs, lambda p: clip.image_image(network, [a for a, _ in p], [b for _, b in p])
        )

    return measure


def dino_image(against: Against, first_side: int | None = None) -> Measure:
    """DINO CLS cosine of the edit with the source or the true edit."""

    def measure(items: Sequence[Item], network: dino.Dino) -> Sequence[float]:
        others = [_other(item, against) for item in items]
        pairs = [
            (i.edited, o) if o is not None else None for i, o in zip(items, others, strict=True)
        ]
        return _where(pairs, lambda p: _cosines(lambda ps: network.cls(ps, first_side), p))

    return measure


def to_references(embed: Callable[[Any, Sequence[Pixels]], Tensor]) -> Measure:
    """Mean cosine of the edit with *all* pictures of the subject."""

    def measure(items: Sequence[Item], network: Any) -> Sequence[float]:
        return [_mean_cosine(embed, network, item) for item in items]

    return measure


def structure(values: Literal["0..255", "0..1"]) -> Measure:
    """DINO structure distance of the whole edit to the source."""

    def measure(items: Sequence[Item], network: dino.Dino) -> Sequence[float]:
        return dino.structure_distances(
            network, [i.source for i in items], [i.edited for i in items], values
        )

    return measure


def inside_similarity(items: Sequence[Item], network: dino.Dino) -> Sequence[float]:
    """DINO CLS cosine of edit and source, both black outside of the region."""
    some = [item if item.region is not None and item.region.any() else None for item in items]

    def cosines(found: Sequence[Item]) -> list[float]:
        masks = [_mask(item)[..., None].astype(np.uint8) for item in found]
        pairs = [(i.edited * m, i.source * m) for i, m in zip(found, masks, strict=True)]
        return _cosines(network.cls, pairs)

    return _where(some, cosines)


def _mask(item: Item) -> NDArray[np.bool_]:
    assert item.region is not None, "asked for where it is not None"
    return item.region


def _cosines(
    embed: Callable[[Sequence[Pixels]], Tensor], pairs: Sequence[tuple[Pixels, Pixels]]
) -> list[float]:
    ones, others = embed([one for one, _ in pairs]), embed([other for _, other in pairs])
    found: list[float] = torch.nn.functional.cosine_similarity(ones, others, dim=-1).tolist()
    return found


def _mean_cosine(
    embed: Callable[[Any, Sequence[Pixels]], Tensor], network: Any, item: Item
) -> float:
    if not item.references:
        return NAN
    one, several = embed(network, [item.edited]), embed(network, item.references)
    return float(torch.nn.functional.cosine_similarity(one, several, dim=-1).mean())


def _where(items: Sequence[Any], score: Callable[[Any], Sequence[float]]) -> list[float]:
    """`score` of the items that are not None, all at once; NaN for the others."""
    there = [item for item in items if item is not None]
    found = iter(score(there) if there else ())
    return [NAN if item is None else next(found) for item in items]


def _other(item: Item, against: Against) -> Pixels | None:
    return item.source if against == "source" else item.wanted


def _pair(item: Item, against: Against) -> tuple[Pixels, Pixels] | None:
    other = _other(item, against)
    return None if other is None else (item.edited, other)


def _whole(item: Item, against: Against) -> tuple[Floats, Floats] | None:
    pair = _pair(item, against)
    return None if pair is None else (_unit(pair[1]), _unit(pair[0]))


def _outside(item: Item) -> tuple[Floats, Floats] | None:
    """Source and edit in 0..1, 0 in the region; None where nothing is outside of it."""
    if item.region is None or item.region.all():
        return None
    kept = (~item.region)[..., None].astype(np.float32)
    return _unit(item.source) * kept, _unit(item.edited) * kept


def _unit(picture: Pixels) -> Floats:
    return np.asarray(picture, np.float32) / np.float32(255)


def _decibel(error: float) -> float:
    if math.isnan(error):
        return NAN
    return math.inf if error == 0 else -10 * math.log10(error)


def _tensor(picture: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))


def _lpips(network: lpips.Lpips, pairs: Sequence[tuple[Floats, Floats]]) -> list[float]:
    ones, others = ([2 * _tensor(pair[side]) - 1 for pair in pairs] for side in (0, 1))
    return lpips.distances(network, ones, others)


def _ssim(one: Floats, other: Floats) -> float:
    from torchmetrics.functional.image import structural_similarity_index_measure

    pair = (_tensor(other)[None], _tensor(one)[None])
    if min(one.shape[:2]) <= 10:
        return NAN
    _, full = structural_similarity_index_measure(*pair, data_range=1.0, return_full_image=True)
    return float(full[..., 5:-5, 5:-5].mean())
