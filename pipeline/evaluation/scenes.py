"""The embedded benchmark: held-out product scenes whose mask and true edit are drawn, not guessed.

Three edits a scene: another colour, another object, another background. Needs no download.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from itertools import count

import numpy as np

from pipeline.demo import scores
from pipeline.demo.evaluate import KINDS, Case, cases
from pipeline.demo.photos import HELD_OUT
from pipeline.demo.scenes import Scene
from pipeline.evaluation._measures import each
from pipeline.evaluation._protocol import Column, Item, Protocol
from pipeline.evaluation._record import Pixels, Place, Record
from pipeline.images.body import representative
from pipeline.images.light import hex_of
from pipeline.images.picture import Picture
from pipeline.metrics import texture_kept
from pipeline.metrics._pair import Pair


def records(place: Place) -> Iterator[Record]:
    """Without end."""
    for number in count(HELD_OUT):
        for case in cases(1, number):
            yield _record(case, place.side)


def _record(case: Case, side: int) -> Record:
    return Record(
        id=f"{case.number}-{case.kind}",
        picture=str(case.number),
        source=partial(_png, case.scene, side),
        source_prompt=case.scene.caption,
        target_prompt=case.wanted.caption,
        group=case.kind,
        also=_also(case),
        colour=partial(_colour, case, side),
        mask=partial(case.true_region, side),
        wanted=partial(_drawn, case.wanted, side),
        meta={"wanted": case.wanted},
    )


def _also(case: Case) -> tuple[str, ...]:
    """Groups of colour edits: by material, and white and black as what was and what is wanted."""
    if case.kind != "colour":
        return ()
    ends = (("from", case.scene), ("to", case.wanted))
    plain = [(way, scene.thing.colour) for way, scene in ends]
    extreme = [f"colour {way} {name}" for way, name in plain if name in ("white", "black")]
    return (f"colour {case.scene.thing.material}", *extreme)


def _colour(case: Case, side: int) -> str | None:
    """The representative colour of the true edit; None of an edit of another kind."""
    if case.kind != "colour":
        return None
    before, after = _drawn(case.scene, side), _drawn(case.wanted, side)
    found = representative(before, after, case.true_region(side).astype(np.uint8) * 255)
    return None if found is None else hex_of(found)


def _texture(item: Item) -> float:
    if item.region is None:
        return float("nan")
    inside = item.region.astype(np.uint8) * 255
    return texture_kept.score(Pair(Picture(item.source), Picture(item.edited), inside, inside))


def _png(scene: Scene, side: int) -> bytes:
    sink = io.BytesIO()
    scene.render(side).save(sink, "PNG")
    return sink.getvalue()


def _drawn(scene: Scene, side: int) -> Pixels:
    return np.asarray(scene.render(side))


def _mask(name: str, item: Item) -> float:
    if item.found is None or item.region is None:
        return float("nan")
    return scores.mask_scores(item.found, item.region)[name]


def _region(name: str, item: Item) -> float:
    if item.wanted is None or item.region is None:
        return float("nan")
    return scores.region_scores(item.edited, item.wanted, item.region)[name]


def _background_psnr(item: Item) -> float:
    if item.region is None:
        return float("nan")
    return scores.psnr(item.edited, item.source, ~item.region)


def _right_colour(item: Item) -> float:
    wanted: Scene = item.record.meta["wanted"]
    return float(scores.seen_colour(item.edited, wanted) == wanted.thing.colour)


PROTOCOL = Protocol(
    status="known truth",
    about="Drawn scenes: masks against the true ones, edits against the true counterfactuals.",
    records=records,
    columns=(
        Column("mask_iou", each(partial(_mask, "mask_iou")), "of the editor's mask and the true"),
        Column("mask_precision", each(partial(_mask, "mask_precision")), "NaN of an empty mask"),
        Column("mask_recall", each(partial(_mask, "mask_recall")), "share of the true mask found"),
        Column(
            "region_psnr",
            each(partial(_region, "region_psnr")),
            "dB to the true edit within the true region, at most 100",
        ),
        Column("region_ssim", each(partial(_region, "region_ssim")), "likewise, SSIM"),
        Column(
            "region_delta_e", each(partial(_region, "region_delta_e")), "likewise, ΔE2000", "lower"
        ),
        Column(
            "texture_kept",
            each(_texture),
            "correlation of the fine lightness detail in the true region with the source's",
        ),
        Column(
            "background_psnr",
            each(_background_psnr),
            "dB to the source outside of the true region, over that area alone, at most 100",
        ),
        Column(
            "right_colour",
            each(_right_colour),
            "share whose object is nearest to the asked (else the kept) colour among the ten",
        ),
    ),
    comparable="it comes from this command, with the same number of scenes and side.",
    ranked_by="region_psnr",
    per_row=len(KINDS),
    rows=24,
    paste=("recolor", "exact"),
)
