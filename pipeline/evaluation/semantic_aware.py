"""The ranking's "semantic-aware image editing dataset": neither paper nor data was found.

Our reading, on the layout of `_lines`: against the true edit where there is one, else against the
source outside of the mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pipeline.evaluation import _lines
from pipeline.evaluation import _measures as measures
from pipeline.evaluation._protocol import Column, Item, Measure, Protocol, Published
from pipeline.metrics._networks.network import lpips_network

Score = Callable[[Item], float]


def _either(to_truth: Score, outside: Score) -> Measure:
    return measures.each(lambda i: outside(i) if i.wanted is None else to_truth(i))


def _lpips(items: Sequence[Item], network: Any) -> Sequence[float]:
    truth, outside = measures.whole_lpips("wanted"), measures.masked_lpips
    return [float((outside if i.wanted is None else truth)([i], network)[0]) for i in items]


PROTOCOL = Protocol(
    status="own reading",
    about="Semantic-aware editing: near the true edit where it is given, else unchanged outside.",
    records=_lines.records,
    columns=(
        Column("psnr", _either(measures.whole_psnr("wanted"), measures.masked_psnr), "dB"),
        Column("ssim", _either(measures.whole_ssim("wanted"), measures.masked_ssim), "0 to 1"),
        Column("lpips", _lpips, "AlexNet", "lower", 1.0, "lpips"),
    ),
    comparable="its paper and data are found.",
    ranked_by="psnr",
    networks={"lpips": lpips_network("alex")},
    published=(Published("DiffEdit as ranked", {"psnr": 24.13}, "own reading: not comparable"),),
)
