"""Every loop of every family on tensors of a device that is not the CPU: none mixes the two.

Under torch's FakeTensorMode a tensor has a shape and a device, here `meta`, and no numbers; an
operation on two devices raises, as on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from pipeline.config import variants
from pipeline.diffusion.batching import Cost, decode, encode
from pipeline.diffusion.edit import Decoding, edit
from pipeline.diffusion.invert import invert
from pipeline.diffusion.mask import Contrast, heat_maps, normalized, soft
from pipeline.diffusion.refine import refined
from pipeline.diffusion.schedule import Schedule
from pipeline.section import build
from tests.models.tiny_families import make

FAMILIES = ("stable_diffusion_xl", "stable_diffusion_3", "flux", "z_image", "flux2_klein")
GPU = torch.device("meta")
MODE = FakeTensorMode(allow_non_fake_inputs=True)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Callable[[str], Path]:
    made = cache(lambda family: make(family, tmp_path_factory.mktemp("fake") / family))
    return lambda family: tiny_model if family == "stable_diffusion" else made(family)


def _fake(tensor: Tensor) -> Tensor:
    return FakeTensor(MODE, tensor.to("meta"), GPU)


def _on_gpu(folder: Path, family: str) -> Any:
    """The model, its texts read on the CPU and then moved as its networks are."""
    model = build(variants("models")[family](path=str(folder), device="cpu", dtype="float32"))
    cond, times = model.text(["a mug"]), model.timesteps(3, (8, 8))
    for network in model._networks.values():
        network._apply(_fake)
    model._levels._device = GPU  # of a flow
    for name in ("_alphas", "_sigmas"):
        if hasattr(model._levels, name):
            setattr(model._levels, name, _fake(getattr(model._levels, name)))

    def text(prompts: list[str]) -> dict[str, Any]:
        rows = {k: _fake(v).repeat(len(prompts), *[1] * (v.dim() - 1)) for k, v in cond.items()}
        if "length" in rows:  # which is needed as numbers, and so stays on the CPU
            rows["length"] = SimpleNamespace(tolist=lambda: lengths * len(prompts))
        return rows

    lengths = cond["length"].tolist() if "length" in cond else []
    model.text = text
    model.timesteps = lambda *_: _fake(times)  # whose check reads numbers
    return model


def _lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """`torch.tensor(list, device="meta")` is no fake tensor: it is made on the CPU and moved."""
    tensor = torch.tensor
    monkeypatch.setattr(
        torch, "tensor", lambda data, device=None, **more: tensor(data, **more).to(device or "cpu")
    )


@pytest.mark.parametrize("family", ["stable_diffusion", *FAMILIES])
def test_no_loop_mixes_devices(
    folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    model = _on_gpu(folder(family), family)
    _lists(monkeypatch)
    with torch.inference_mode(), MODE:
        picture = torch.rand(1, 3, 64, 64)
        x0 = encode(model, picture, Cost())
        schedule = Schedule.of(model, 3, (x0.shape[2], x0.shape[3]))
        assert {x0.device, schedule.alphas.device} == {GPU}
        noise = torch.randn(1, 2, *x0.shape[1:], device=GPU)
        heat = heat_maps(model, schedule, x0, noise, [Contrast(0, 2, "a", "b")], Cost())
        refined(soft(normalized(heat, 3.0), 0.35, 1), picture.to(GPU), [0], 2)
        for solver in ("ddim", "dpm"):
            way = invert(model, schedule, x0, [2], solver, Cost())
            target = [Decoding(0, 2, "b", 4.0, range(2, 3))]
            out = edit(model, schedule, way, heat > 0.5, target, solver, Cost())
            assert out.device == GPU
            assert decode(model, out, Cost()).shape == (1, 3, 64, 64)


def test_a_tensor_of_the_cpu_among_the_devices_is_found(
    folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _on_gpu(folder("stable_diffusion"), "stable_diffusion")
    _lists(monkeypatch)
    with torch.inference_mode(), MODE:
        x, t = torch.ones(2, 4, 8, 8, device=GPU), torch.ones(2, device=GPU).long()
        model.eps(x, t, model.text(["a", "b"]))
        text = model.text
        model.text = lambda prompts: {k: torch.ones(v.shape) for k, v in text(prompts).items()}
        with pytest.raises(RuntimeError, match="device"):
            model.eps(x, t, model.text(["a", "b"]))
