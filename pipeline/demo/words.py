"""The demo model's tokenizer and text encoder. Knows the captions' words, no images.

Each word of the captions is one token; any other word falls apart into bytes, as in CLIP.
"""

from __future__ import annotations

import re

from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from pipeline.demo.scenes import COLOURS, MATERIALS, OBJECTS, PHRASINGS, PLACES

MAX_TOKENS = 24
WORD_END = "</w>"
START, END = "<|startoftext|>", "<|endoftext|>"


def words() -> list[str]:
    """Every word that a caption can hold, sorted."""
    places = [phrase for pair in PLACES.values() for phrase in pair]
    templates = [re.sub(r"\{\w+\}", "", phrasing) for phrasing in PHRASINGS]
    text = " ".join([*templates, *places, *OBJECTS, *MATERIALS, *COLOURS, "a", "an"])
    return sorted(set(re.findall(r"[a-z]+", text)))


def byte_pairs(vocabulary: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """A CLIP vocabulary and its merges under which each word is one token.

    A word is first cut by the merges there are, then merges for the rest are added at the end:
    being the last in rank they can't disturb a word that is already whole.
    """
    alphabet = sorted(ByteLevel.alphabet())
    tokens = alphabet + [letter + WORD_END for letter in alphabet]
    merges: list[tuple[str, str]] = []
    for word in vocabulary:
        pieces = _cut([*word[:-1], word[-1] + WORD_END], merges)
        while len(pieces) > 1:
            merges.append((pieces[0], pieces[1]))
            tokens.append(pieces[0] + pieces[1])
            pieces = [pieces[0] + pieces[1], *pieces[2:]]
    tokens = [*dict.fromkeys(tokens), START, END]
    return {token: number for number, token in enumerate(tokens)}, merges


def _cut(pieces: list[str], merges: list[tuple[str, str]]) -> list[str]:
    """Applies merges in their order of rank."""
    for left, right in merges:
        place = 0
        while place < len(pieces) - 1:
            if (pieces[place], pieces[place + 1]) == (left, right):
                pieces[place : place + 2] = [left + right]
            place += 1
    return pieces


def build_tokenizer() -> CLIPTokenizer:
    """A stock CLIPTokenizer over the captions' words."""
    vocabulary, merges = byte_pairs(words())
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,  # type: ignore[arg-type]  # pairs, as tokenizers' BPE wants them
        model_max_length=MAX_TOKENS,
    )


def build_text_encoder(tokenizer: CLIPTokenizer, width: int) -> CLIPTextModel:
    """Two layers of the given width, hidden states (B, 24, width)."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)
