"""Tokenizers of T5 and Qwen, checked by what they do. Knows no network.

Raises UsageError, in one line, where texts would not become the tokens that the encoder knows.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import transformers

from pipeline.errors import UsageError
from pipeline.models._folder import first_line
from pipeline.models._tokens import LARGEST_VOCABULARY


class Texts:
    """Texts → `length` token numbers each and a mask of the real ones."""

    def __init__(self, tokenizer: Any, length: int, chat: dict[str, Any] | None) -> None:
        self._tokenizer, self._length, self._chat = tokenizer, length, chat

    def __call__(self, prompts: Sequence[str]) -> tuple[Any, Any]:
        """(B, length) int64 numbers and (B, length) int64 mask, padded on the right."""
        texts = list(prompts) if self._chat is None else [self._said(text) for text in prompts]
        found = self._tokenizer(
            texts,
            padding="max_length",
            max_length=self._length,
            truncation=True,
            return_tensors="pt",
        )
        return found.input_ids, found.attention_mask

    def _said(self, prompt: str) -> Any:
        said = [{"role": "user", "content": prompt}]
        return self._tokenizer.apply_chat_template(
            said, tokenize=False, add_generation_prompt=True, **(self._chat or {})
        )


def read(
    part: Path, kind: str, rows: int, length: int, chat: dict[str, Any] | None = None
) -> Texts:
    """The tokenizer in `part` of an encoder with `rows` token embeddings.

    `chat`: the arguments of its chat template, where a text is put into one.
    """
    if not (part / "tokenizer.json").is_file() and not (part / "vocab.json").is_file():
        raise UsageError(
            f"model.path: {part} has no vocabulary: expected tokenizer.json; get the whole model "
            "again"
        )
    for file in part.glob("*.json"):
        if file.stat().st_size > LARGEST_VOCABULARY:
            raise UsageError(f"model.path: {file} is too large for such a file; get it again")
    try:
        tokenizer = getattr(transformers, kind).from_pretrained(part, local_files_only=True)
        texts = Texts(tokenizer, length, chat)
        fault = _fault(texts, tokenizer, rows)
    except Exception as error:  # of two libraries, about files that may hold anything
        raise UsageError(
            f"model.path: {part}: cannot load it: {first_line(error)}; get it again"
        ) from error
    if fault:
        raise UsageError(f"model.path: {part}: {fault}")
    return texts


def _fault(texts: Texts, tokenizer: Any, rows: int) -> str | None:
    words = tokenizer.get_vocab()
    if max(words.values()) >= rows or len(words) < 0.9 * rows:
        return f"its vocabulary has {len(words)} tokens, but the text encoder {rows}"
    numbers, mask = texts(list(string.ascii_lowercase))
    told = {tuple(row) for row in numbers.tolist()}
    unknown = tokenizer.unk_token_id if tokenizer.unk_token != tokenizer.pad_token else None
    if len(told) < len(string.ascii_lowercase) or (
        unknown is not None and any(unknown in row for row in told)
    ):
        return "it does not know each of the letters a to z; get its vocabulary again"
    if (mask[:, 0] == 0).any():
        return "it pads on the left, expected on the right"
    return None
