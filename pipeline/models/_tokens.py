"""A folder's CLIP tokenizer, checked by what it does. Knows no network.

Raises UsageError, in one line, where texts would not become the tokens that the encoder knows.
"""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import CLIPTokenizer

from pipeline.errors import UsageError
from pipeline.models._folder import first_line, read_json

FILES = (
    "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json",
)  # fmt: skip
"""What a tokenizer is read from."""

LARGEST_VOCABULARY = 64 << 20
BEGIN, END = "<|startoftext|>", "<|endoftext|>"


class Tokens:
    """Texts → token numbers, `length` of them each."""

    def __init__(self, tokenizer: CLIPTokenizer, length: int) -> None:
        self.length = length
        self._tokenizer = tokenizer

    def __call__(self, prompts: Sequence[str]) -> Any:
        """(B, length) int64; what exceeds the length is cut off, and the rest padded."""
        tokens = self._tokenizer(
            list(prompts),
            padding="max_length",
            max_length=self.length,
            truncation=True,
            return_tensors="pt",
        )
        return tokens.input_ids


def read(part: Path, rows: int, positions: int) -> Tokens:
    """The tokenizer in `part` of an encoder with `rows` token embeddings and `positions` places."""
    _check_files(part)
    try:
        tokenizer = CLIPTokenizer.from_pretrained(part, local_files_only=True)
        tokens = Tokens(tokenizer, min(tokenizer.model_max_length, positions))
        fault = _vocabulary_fault(tokenizer, rows) or _fault(tokens, tokenizer)
    except Exception as error:  # of two libraries, about files that may hold anything
        raise UsageError(
            f"model.path: {part}: cannot load it: {first_line(error)}; get it again"
        ) from error
    if fault:
        raise UsageError(f"model.path: {part}: {fault}")
    return tokens


def _check_files(part: Path) -> None:
    there = {name for name in FILES if (part / name).is_file()}
    if "tokenizer.json" not in there and not {"vocab.json", "merges.txt"} <= there:
        raise UsageError(
            f"model.path: {part} has no vocabulary: expected tokenizer.json, or vocab.json and "
            "merges.txt; get the whole model again"
        )
    read = {
        name: read_json(part / name, LARGEST_VOCABULARY) for name in there if name.endswith("json")
    }
    settings = read.get("tokenizer_config.json", {})
    kind = settings.get("tokenizer_class", "CLIPTokenizer")
    if kind not in ("CLIPTokenizer", "CLIPTokenizerFast"):
        raise UsageError(f"model.path: {part} is a {kind}, expected a CLIPTokenizer")
    length = settings.get("model_max_length", 77)
    if isinstance(length, bool) or not isinstance(length, int | float) or length < 4:
        raise UsageError(f"model.path: {part}: model_max_length is {length!r}, expected 77")
    if {"tokenizer.json", "vocab.json"} <= there:
        _compare(part, read["tokenizer.json"], read["vocab.json"])


def _compare(part: Path, whole: dict[str, Any], vocabulary: dict[str, Any]) -> None:
    model = whole.get("model")
    words = dict(model.get("vocab") or {}) if isinstance(model, dict) else {}
    words |= {word["content"]: word["id"] for word in whole.get("added_tokens") or []}
    if any(words.get(word) != number for word, number in vocabulary.items()):
        raise UsageError(
            f"model.path: {part}: tokenizer.json and vocab.json do not agree; get both again"
        )


def _vocabulary_fault(tokenizer: CLIPTokenizer, rows: int) -> str | None:
    """Why a token's number would not be the row of its embedding."""
    words = tokenizer.get_vocab()
    if len(words) != rows:
        return f"its vocabulary has {len(words)} tokens, but the text encoder {rows}"
    if set(words.values()) != set(range(rows)):
        return f"its tokens are not numbered 0 to {rows - 1}; get it again"
    if (tokenizer.bos_token, tokenizer.eos_token) != (BEGIN, END):
        found = f"{tokenizer.bos_token!r} and {tokenizer.eos_token!r}"
        return f"a text is put between {found}, expected {BEGIN!r} and {END!r}"
    return _merges_fault(tokenizer, words)


def _merges_fault(tokenizer: CLIPTokenizer, words: dict[str, int]) -> str | None:
    """Byte-pair encoding numbers what it merges in the order of merging (Sennrich et al. 2016)."""
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    merged = list(dict.fromkeys("".join(pair) for pair in merges))
    apart = {word for word in words if len(word.removesuffix("</w>")) == 1}
    apart |= set(tokenizer.get_added_vocab()) | {BEGIN, END}
    if lost := words.keys() - apart - set(merged):
        return f"no merge leads to {len(lost)} of its tokens, as to {min(lost)!r}; get merges again"
    order = [words[word] for word in merged]
    return None if order == sorted(order) else "its tokens are not numbered as they are merged"


def _fault(tokens: Tokens, tokenizer: CLIPTokenizer) -> str | None:
    """What the tokenizer does to letters, in words, that it should not."""
    begin, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    letters = tokens(list(string.ascii_lowercase)).tolist()
    if any(row[:1] + row[2:] != [begin, end] + [pad] * (tokens.length - 3) for row in letters):
        return "it does not put a text between its two marks and pad it on the right"
    if len({row[1] for row in letters} - {begin, end, tokenizer.unk_token_id}) < len(letters):
        return "it does not know each of the letters a to z; get its vocabulary again"
    if tokens(["A Red  MUG"]).tolist() != tokens(["a red mug"]).tolist():
        return "it tells capital letters from small ones"
    long = tokens([" ".join(string.ascii_lowercase * tokens.length)]).tolist()[0]
    cut = [row[1] for row in letters] * tokens.length
    if long != [begin, *cut[: tokens.length - 2], end]:
        return "it does not cut a long text off at its end"
    return None
