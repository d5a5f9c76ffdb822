"""Every family in every type: what its weights are then, and how much that changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline.config import variants
from pipeline.section import build
from tests.models.tiny_families import make

FAMILIES = ("stable_diffusion_xl", "stable_diffusion_3", "flux", "z_image", "flux2_klein")
COARSER = 2**4
"""A step of float8 (3 bits of mantissa) over one of bfloat16 (7)."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    folder = cache(lambda family: make(family, tmp_path_factory.mktemp("types") / family))
    return cache(lambda family, *types: _built(folder(family), family, *types))


def _built(folder: Path, family: str, dtype: str = "float32", weights: str = "as_dtype") -> Any:
    kind = variants("models")[family]
    return build(kind(path=str(folder), device="cpu", dtype=dtype, weights=weights))


def _answer(model: Any) -> Tensor:
    """What its network says, before it is made an ε of."""
    x = torch.randn(2, model.channels, 8, 8, generator=torch.Generator().manual_seed(0))
    t, cond = model.timesteps(4, (8, 8))[[1, 2]], model.text(["a mug", "a lamp"])
    if model.told:
        cond["guidance"] = torch.ones(2)
    with torch.inference_mode():
        return model._predicted(x.to(model.dtype), t, cond).float()


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_weight_is_of_the_type_that_was_asked_for(
    built: Callable[..., Any], family: str, dtype: str
) -> None:
    model, whole = built(family, dtype), built(family)
    kinds = {p.dtype for p in model._network.parameters()}
    assert kinds == {model.dtype} == {getattr(torch, dtype)}
    assert 0 < _apart(_answer(model), _answer(whole)) < 0.05


@pytest.mark.parametrize("family", FAMILIES)
def test_float8_is_as_much_coarser_as_its_numbers_are(
    built: Callable[..., Any], family: str
) -> None:
    """A tiny SDXL of random weights magnifies every rounding, bfloat16's to 3 % alone."""
    whole, half = built(family), built(family, "bfloat16")
    small = built(family, "bfloat16", "float8")
    assert small.dtype == torch.bfloat16
    every = dict(small._network.named_parameters())
    narrow = {name: p for name, p in every.items() if p.dtype != torch.bfloat16}
    assert {name for name in every if "to_q.weight" in name} <= set(narrow)
    for name, parameter in narrow.items():
        exact = half._network.get_parameter(name)
        assert parameter.dtype == torch.float8_e4m3fn
        assert torch.equal(parameter.float(), exact.to(torch.float8_e4m3fn).float())
        assert "norm" not in name and "embed" not in name
    rounding = _apart(_answer(half), _answer(whole))
    assert 0 < _apart(_answer(small), _answer(half)) < COARSER * rounding


def test_padding_of_zeros_is_what_z_image_begins_with(tmp_path: Path) -> None:
    folder = make("z_image", tmp_path / "model")
    file = next((folder / "transformer").glob("*.safetensors"))
    tensors = load_file(file)
    for name in ("x_pad_token", "cap_pad_token"):
        tensors[name] = torch.zeros_like(tensors[name])
    save_file(tensors, file, {"format": "pt"})
    assert _answer(_built(folder, "z_image")).isfinite().all()
