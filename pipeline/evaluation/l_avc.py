"""L-AVC, affective editing (EPEM, 2602.18016): neither data nor code was found, so our reading.

Layout: `_lines`, with source_emotion, target_emotion and, where there is one, `target`, a picture
of the wanted emotion; without it FID compares with the sources.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pipeline.evaluation import _lines
from pipeline.evaluation import _measures as measures
from pipeline.evaluation._protocol import Column, Item, Protocol, Published, SetColumn
from pipeline.evaluation._record import Pixels
from pipeline.metrics._networks import fid
from pipeline.metrics._networks.network import clip_network, dino_network, inception_network


def _fid(items: Iterable[Item], network: Any) -> float:
    return fid.distance(
        network,
        (
            (_bytes(item.source if item.wanted is None else item.wanted), _bytes(item.edited))
            for item in items
        ),
    )


def _bytes(picture: Pixels) -> Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)


PROTOCOL = Protocol(
    status="own reading",
    about="L-AVC: pictures edited to another emotion; the edits' distribution against the wanted "
    "pictures', else the sources'.",
    records=partial(_lines.records, kind="target_emotion"),
    columns=(
        measures.CLIP_WHOLE,
        Column(
            "structure",
            measures.structure("0..1"),
            "DINO ViT-B/8 structure distance to the source, unscaled",
            "lower",
            1.0,
            "dino",
        ),
    ),
    of_set=(
        SetColumn("fid", _fid, "FID, Inception's 2048 features", "lower", "inception"),
        SetColumn(
            "fid_64",
            _fid,
            "FID, Inception's first 64 features: of the published number's order, no more",
            "lower",
            "inception_64",
        ),
    ),
    comparable="the data and FID's features become public: 0.118 is far below any FID of 2048 "
    "features of real edits.",
    ranked_by="clip_whole",
    networks={
        "clip": clip_network("openai/clip-vit-large-patch14"),
        "dino": dino_network("facebook/dino-vitb8"),
        "inception": inception_network(2048),
        "inception_64": inception_network(64),
    },
    published=(Published("DiffEdit as ranked", {"fid_64": 0.118}, "own reading: not comparable"),),
)
