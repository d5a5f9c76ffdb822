"""What each column of a part means, in a line: for the card and docs/output.md. Knows no value."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pyarrow as pa

MEANINGS = {
    "id": "name of the edit in this and any other output, and its key in the tar",
    "shard": "path of the input shard, below `input`",
    "shard_version": "size or digest of the shard when it was read",
    "ordinal": "position of the image in its shard, from 0",
    "key": "the image's key in its shard",
    "caption": "caption of the source",
    "columns": "every other input column, as a JSON object",
    "edit": "name of the edit; an image has one or more",
    "source_prompt": "text that describes the source",
    "target_prompt": "text that describes the edit",
    "mask_prompt": "text whose contrast with the source's made the mask; null: the target's",
    "instruction": "sentence that asks for the edit; null: the rule has none",
    "inverse_instruction": "sentence that asks for the source again",
    "edit_type": "what was changed: colour, material, object …; null where the rule does not say",
    "source_word": "word of the source that was changed, a noun in the singular",
    "target_word": "word that took its place",
    "mask_strength": "noise level of the mask's estimate, 0..1",
    "encoding_ratio": "how far the image was inverted, 0..1 (the paper's r)",
    "guidance_scale": "classifier-free guidance",
    "seed": "of the edit's noise maps; below 2^53",
    "rank": "place among several tries at one edit, 1 the best; null where there were none",
    "variant": "which of the tries it is, from 0; likewise",
    "tries": "how many tries there were; likewise",
    "mask_threshold": "threshold of the mask as drawn for the try; null: the settings'",
    "mask_dilate": "cells the mask was grown by, as drawn for the try; null: the settings'",
    "width": "pixels, of all three pictures",
    "height": "pixels, of all three pictures",
    "mask_area": "share of the picture that is edited, 0..1",
    "mask_state": "partial, empty (nothing to edit was found) or full",
    "mask_from": "who said where to edit: model, input (its own mask), or both (what both have)",
    "colour": "#rrggbb, the exact colour that was asked for; null where none was",
    "reached": "#rrggbb, the representative colour of the edited product, where it was recoloured",
    "near_duplicate": "an earlier edit of the image that it nearly equals; null: none",
    "model": "id or folder of the model",
    "weights": "digest of all in the model's folder that decides its pictures",
    "group_id": "digest of the source's bytes: one a picture, whatever the run and its name",
    "split": "which split the picture is of, with all its edits; null: there are none",
    "input": "where the input was read, as it was configured",
    "run": "8 hex digits of the input's place and the settings; begins each id",
    "run_seed": "seed of the run",
    "settings": "the settings of mask, invert and edit, as a JSON object",
    "fingerprint": "of all settings: `settings/{fingerprint}.json` has them",
    "code_version": "version of diffedit-pipeline",
    "source": "the source picture, its bytes as they were read",
    "edited": "the edited picture",
    "encoding": "lossless, copied (all JPEG blocks but those edited), or fresh: why",
    "mask": "PNG, 255 where the picture may differ, else 0",
    "input_mask": "the input's own mask, its bytes as they were read; null: none",
    "input_protect": "what the input protects, its bytes as they were read; null: nothing",
    "chunk": "number of the chunk in its shard",
    "last": "whether the chunk ends its shard",
    "planned": "edits that were planned for the image",
    "rejected_by": "which bound of `check.keep` the edit lies outside of",
    "reason": "what the score is, and what the bound",
    "error_stage": "where it failed: read, plan, edit or check",
    "error_kind": "a word for counting",
    "error_message": "what was found and what is allowed, for a person",
    "source_format": "format of the source picture, by its content",
    "edited_format": "format of the edited picture, by its content",
}
SCORE = "score, see the function of that name in pipeline/metrics"


def meaning(name: str, more: Mapping[str, str] = MappingProxyType({})) -> str:
    """What the column (or key of a tar's JSON) `name` says; `more` of the input's columns."""
    return SCORE if name.startswith("score_") else more.get(name) or MEANINGS[name]


def type_name(kind: pa.DataType) -> str:
    """The type as the tables of columns call it."""
    names = {"float": "float32", "double": "float64"}
    is_image = pa.types.is_struct(kind) and {field.name for field in kind} == {"bytes", "path"}
    return "image" if is_image else names.get(str(kind), str(kind))
