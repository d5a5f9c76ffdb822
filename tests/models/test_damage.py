"""A model folder with one random damage is refused in one line, or gives the very same pictures.

A damage that makes another whole model (another number in a config, a bit of a weight) cannot be
told from one; it changes the digest that each row carries.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from pipeline.diffusion.diffedit import diffedit
from pipeline.diffusion.settings import Settings, Target
from pipeline.errors import UsageError
from pipeline.models.stable_diffusion import Config, build
from tests.datasets import settings as run_settings

EXAMPLES = int(os.environ.get("DAMAGES", "60"))

Damage = Callable[[Path, Any], str]
"""Spoils a folder by what it draws, and says how."""


def pictures(folder: Path) -> tuple[torch.Tensor, str]:
    """The mask and edit of one picture by two steps, and the digest. Raises UsageError."""
    model = build(Config(path=str(folder), device="cpu", dtype="float32"))
    config = run_settings(folder, folder, folder)
    few = config.edit.model_copy(update={"steps": 3})
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    target = Target(0, "a yellow mug", "a red mug, bright", 0.5, 1.0, 3.0)
    edited = diffedit(model, picture, [target], [7], Settings.of(config.mask, few)).edits[0]
    assert edited.error is None and edited.image is not None
    return torch.cat([edited.image.flatten(), edited.outline.flatten()]), model.weights


def drawn_file(folder: Path, data: Any, *endings: str) -> Path:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name.endswith(endings))
    return data.draw(st.sampled_from(files))


def remove(folder: Path, data: Any) -> str:
    path = drawn_file(folder, data, "")
    path.unlink()
    return f"removed {path.name}"


def remove_folder(folder: Path, data: Any) -> str:
    path = data.draw(st.sampled_from(sorted(p for p in folder.iterdir() if p.is_dir())))
    shutil.rmtree(path)
    return f"removed {path.name}/"


def truncate(folder: Path, data: Any) -> str:
    path = drawn_file(folder, data, "")
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    return f"cut {path.name}"


def swap(folder: Path, data: Any) -> str:
    one, other = (drawn_file(folder, data, "") for _ in range(2))
    shutil.copy(other, folder / "aside")
    (folder / "aside").replace(one)
    return f"{other.relative_to(folder)} in the place of {one.relative_to(folder)}"


def pointer(folder: Path, data: Any) -> str:
    path = drawn_file(folder, data, "")
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n")
    return f"pointer for {path.name}"


def flip(folder: Path, data: Any) -> str:
    """A byte of a text file, or of the header of a file of weights."""
    path = drawn_file(folder, data, "")
    content = bytearray(path.read_bytes())
    end = len(content)
    if path.suffix == ".safetensors":
        end = 8 + int.from_bytes(content[:8], "little")
    at = data.draw(st.integers(0, end - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    return f"byte {at} of {path.name}"


def zeros(folder: Path, data: Any) -> str:
    """What a broken copy leaves unwritten, from some byte to the end."""
    path = drawn_file(folder, data, "")
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) // 2))
    path.write_bytes(content[:at] + bytes(len(content) - at))
    return f"zeros from {at} of {path.name}"


def config_value(folder: Path, data: Any) -> str:
    """A value of another type, or out of all proportion; a key gone, or misspelt."""
    path = drawn_file(folder, data, "config.json", "model_index.json")
    whole = json.loads(path.read_text())
    key = data.draw(st.sampled_from(sorted(whole)))
    kind = data.draw(st.sampled_from(["value", "gone", "misspelt"]))
    value = whole.pop(key)
    if kind == "value":
        others = [None, "x", "", True, -1, 1.5, 1e30, [], {}, ["x"], 10**12, "1", [[]]]
        whole[key] = data.draw(st.sampled_from([o for o in others if type(o) is not type(value)]))
    elif kind == "misspelt":
        whole[f"{key}s"] = value
    path.write_text(json.dumps(whole))
    return f"{path.parent.name}/{path.name} {key}: {value} {kind} {whole.get(key)}"


def class_name(folder: Path, data: Any) -> str:
    """Another class's name in a config or in the index."""
    path = drawn_file(folder, data, "config.json", "model_index.json")
    whole = json.loads(path.read_text())
    names = [
        k for k, v in whole.items() if k in ("_class_name", "architectures") or "diff" in f"{v}"
    ]
    if path.parent != folder:
        names = [k for k in names if k in ("_class_name", "architectures")]
    if not names:
        return remove(folder, data)
    key = data.draw(st.sampled_from(sorted(names)))
    other = data.draw(
        st.sampled_from(["AutoencoderTiny", "FlowMatchEulerDiscreteScheduler", "T5EncoderModel"])
    )
    listed = isinstance(whole[key], list)
    whole[key] = [*whole[key][:-1], other] if listed else other
    path.write_text(json.dumps(whole))
    return f"{path.name} {key}: {other}"


def tensor(folder: Path, data: Any) -> str:
    """A tensor gone, renamed, of another shape or type, added, or with a number that is none."""
    path = drawn_file(folder, data, ".safetensors")
    tensors = load_file(path)
    name = data.draw(st.sampled_from(sorted(tensors)))
    value = tensors.pop(name)
    kind = data.draw(st.sampled_from(sorted(_TENSOR)))
    tensors.update(_TENSOR[kind](name, value))
    save_file(tensors, path, {"format": "pt"})
    return f"{path.parent.name} {name} {kind}"


def _spoilt(value: torch.Tensor, number: float) -> torch.Tensor:
    spoilt = value.clone()
    spoilt.view(-1)[len(spoilt.view(-1)) // 2] = number
    return spoilt


_TENSOR: dict[str, Callable[[str, torch.Tensor], dict[str, torch.Tensor]]] = {
    "gone": lambda name, value: {},
    "renamed": lambda name, value: {f"{name}_x": value},
    "prefixed": lambda name, value: {f"module.{name}": value},
    "flat": lambda name, value: {name: value[None].clone()},
    "shorter": lambda name, value: {name: value[: len(value) // 2].clone()},
    "longer": lambda name, value: {name: torch.cat([value, value])},
    "int8": lambda name, value: {name: value.to(torch.int8)},
    "bool": lambda name, value: {name: value > 0},
    "nan": lambda name, value: {name: _spoilt(value, float("nan"))},
    "inf": lambda name, value: {name: _spoilt(value, float("-inf"))},
    "more": lambda name, value: {name: value, f"{name}_ema": value.clone()},
}


def exchanged(folder: Path, data: Any) -> str:
    """Two tensors of different shapes under each other's names."""
    path = drawn_file(folder, data, ".safetensors")
    tensors = load_file(path)
    one = data.draw(st.sampled_from(sorted(tensors)))
    others = sorted(n for n in tensors if tensors[n].shape != tensors[one].shape)
    other = data.draw(st.sampled_from(others))
    tensors[one], tensors[other] = tensors[other], tensors[one]
    save_file(tensors, path, {"format": "pt"})
    return f"{path.parent.name} {one} and {other} exchanged"


def vocabulary(folder: Path, data: Any) -> str:
    """One word of one of the vocabularies gone, renamed or renumbered."""
    name = data.draw(st.sampled_from(["vocab.json", "tokenizer.json"]))
    path = folder / "tokenizer" / name
    whole = json.loads(path.read_text())
    words = whole if name == "vocab.json" else whole["model"]["vocab"]
    word = data.draw(st.sampled_from(sorted(words)))
    number = words.pop(word)
    kind = data.draw(st.sampled_from(["gone", "renamed", "renumbered"]))
    if kind == "renamed":
        words[f"{word}x"] = number
    if kind == "renumbered":
        words[word] = data.draw(st.integers(-1, 99).filter(lambda other: other != number))
    path.write_text(json.dumps(whole))
    return f"{name} {word} {kind}"


DAMAGES: list[Damage] = [
    remove, remove_folder, truncate, swap, pointer, flip, zeros, config_value, class_name, tensor,
    exchanged, vocabulary,
]  # fmt: skip


def another_model(folder: Path, whole: Path) -> bool:
    """Whether `folder` differs in values that a model may have, and in nothing else."""
    return all(_same_but_values(path, whole / path.relative_to(folder)) for path in _json(folder))


def _json(folder: Path) -> Iterator[Path]:
    return folder.rglob("*config.json")


def _same_but_values(path: Path, other: Path) -> bool:
    one, two = json.loads(path.read_text()), json.loads(other.read_text())
    return one.keys() == two.keys() and all(type(one[key]) is type(two[key]) for key in one)


@pytest.fixture(scope="module")
def undamaged(tiny_model: Path) -> tuple[torch.Tensor, str]:
    return pictures(tiny_model)


@settings(
    deadline=None,
    max_examples=EXAMPLES,
    derandomize="DAMAGES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data(), damage=st.sampled_from(DAMAGES))
def test_one_damage_is_told_or_changes_nothing(
    tiny_model: Path,
    undamaged: tuple[torch.Tensor, str],
    tmp_path_factory: pytest.TempPathFactory,
    data: Any,
    damage: Damage,
) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path_factory.mktemp("damaged") / "model"))
    note(damage(folder, data))
    try:
        found, digest = pictures(folder)
    except UsageError as error:
        said = str(error)
        event(f"{damage.__name__}: told")
        assert said.startswith(("model.path: ", "model.dtype: ")) and "\n" not in said
        return
    finally:
        damaged = Path(shutil.move(folder, folder.with_name("damaged")))
    if torch.equal(found, undamaged[0]):
        event(f"{damage.__name__}: the same pictures")
    else:
        event(f"{damage.__name__}: another model")
        assert damage is flip and another_model(damaged, tiny_model) and digest != undamaged[1]
    shutil.rmtree(damaged.parent)
