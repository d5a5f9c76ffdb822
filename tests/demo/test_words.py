"""The tokenizer is CLIP's own class over a small vocabulary."""

from pathlib import Path

from transformers import CLIPTokenizer

from pipeline.demo.scenes import Scene
from pipeline.demo.words import MAX_TOKENS, build_tokenizer, words


def test_every_word_of_a_caption_is_one_token() -> None:
    tokenizer = build_tokenizer()
    for word in words():
        assert len(tokenizer(word).input_ids) == 3, word
    for seed in range(100):
        caption = Scene.draw(seed).caption
        count = len(caption.replace(",", " ,").split()) + 2
        assert len(tokenizer(caption).input_ids) == count <= MAX_TOKENS


def test_unknown_words_fall_apart_into_bytes() -> None:
    tokenizer = build_tokenizer()
    ids = tokenizer("a zebra übér 猫").input_ids
    assert len(ids) > 8
    assert all(0 <= number < len(tokenizer) for number in ids)


def test_a_saved_tokenizer_reads_the_same(tmp_path: Path) -> None:
    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    loaded = CLIPTokenizer.from_pretrained(tmp_path)
    assert loaded("a red mug on wood").input_ids == tokenizer("a red mug on wood").input_ids
    assert loaded.model_max_length == MAX_TOKENS
