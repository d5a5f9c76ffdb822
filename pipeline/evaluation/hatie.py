"""HATIE (CVPR 2025): object and scene edits of Visual Genome pictures, with captions.

Its queries come as a pickle, which is never opened here: `python jobs/convert_hatie.py
queries_wo_remove.pkl OUT.jsonl editable_objs_mask.pkl` makes lines of it once (see `_lines`),
beside `original_images/`, and pictures of the masks. A mask is of the object before its edit;
upstream adds what its detector finds of the object afterwards.
"""

from __future__ import annotations

from functools import partial

from pipeline.evaluation import _lines
from pipeline.evaluation import _measures as measures
from pipeline.evaluation._protocol import Column, Protocol
from pipeline.metrics._networks.network import clip_network, lpips_network

PROTOCOL = Protocol(
    status="own reading",
    about="HATIE: the whole-picture parts of its scores.",
    records=partial(_lines.records, kind="type"),
    columns=(
        Column(
            "clip_t", measures.clip_text, "CLIP ViT-B/32 cosine, edit and caption", needs="clip"
        ),
        Column(
            "clip_dir",
            measures.clip_direction,
            "CLIP ViT-B/32 cosine of the pictures' and the captions' change",
            needs="clip",
        ),
        Column(
            "lpips", measures.whole_lpips("source"), "AlexNet, to the source", "lower", 1.0, "lpips"
        ),
        Column(
            "lpips_outside",
            measures.masked_lpips,
            "AlexNet, both pictures × (1 − mask), of edits that have a mask",
            "lower",
            1.0,
            "lpips",
        ),
        Column(
            "psnr_outside",
            measures.each(measures.masked_psnr),
            "dB, likewise, over the whole frame",
        ),
    ),
    comparable="its five aspects are computed by its own code: they need its detector, its masks "
    "and a question-answering model, which are not here.",
    ranked_by="clip_t",
    networks={
        "clip": clip_network("openai/clip-vit-base-patch32"),
        "lpips": lpips_network("alex"),
    },
)
