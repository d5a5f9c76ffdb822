"""LoRAs: what fusing does to the weights, what is written of it, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pipeline.config import variants
from pipeline.errors import UsageError
from pipeline.section import build
from tests.models.tiny_families import make

pytest.importorskip("peft", reason="the extra big is not installed")

# One attention matrix of each, as LoRAs of diffusers name it.
MATRICES = {
    "stable_diffusion_xl": ("unet", "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"),
    "stable_diffusion_3": ("transformer", "transformer_blocks.0.attn.to_q"),
    "flux": ("transformer", "transformer_blocks.0.attn.to_q"),
    "z_image": ("transformer", "layers.0.attention.to_q"),
    "flux2_klein": ("transformer", "transformer_blocks.0.attn.to_q"),
}


def _built(family: str, folder: Path, **settings: Any) -> Any:
    kind = variants("models")[family]
    return build(kind(path=str(folder), device="cpu", dtype="float32", **settings))


@pytest.mark.parametrize("family", MATRICES)
def test_a_lora_is_fused_with_its_weight(tmp_path: Path, family: str) -> None:
    folder = make(family, tmp_path / "model")
    part, name = MATRICES[family]
    plain = _built(family, folder)
    matrix = plain._network.get_submodule(name).weight
    down, up = torch.randn(2, matrix.shape[1]), torch.randn(matrix.shape[0], 2)
    file = tmp_path / "style.safetensors"
    tensors = {"lora_A": down, "lora_B": up}
    save_file({f"{part}.{name}.{key}.weight": value for key, value in tensors.items()}, file)
    model = _built(family, folder, loras=[{"path": str(file), "weight": 0.5}])
    fused = model._network.get_submodule(name).weight
    torch.testing.assert_close(fused, matrix + 0.5 * up @ down, rtol=1e-5, atol=1e-6)
    assert not any("lora" in key for key, _ in model._network.named_parameters())
    assert "0.5×" in model.name and model.weights != plain.weights
    other = _built(family, folder, loras=[{"path": str(file), "weight": 0.6}])
    assert other.weights != model.weights


@pytest.mark.parametrize("content", ["missing", "text", "foreign", "shape"])
def test_a_lora_that_cannot_be_used_is_told(tmp_path: Path, content: str) -> None:
    folder, file = make("flux", tmp_path / "model"), tmp_path / "style.safetensors"
    part, name = MATRICES["flux"]
    if content == "text":
        file.write_text("not a safetensors file")
    if content == "foreign":
        save_file({"something.weight": torch.ones(2, 2)}, file)
    if content == "shape":
        tensors = {"lora_A": torch.ones(2, 5), "lora_B": torch.ones(7, 2)}
        save_file({f"{part}.{name}.{key}.weight": value for key, value in tensors.items()}, file)
    with pytest.raises(UsageError) as caught:
        _built("flux", folder, loras=[{"path": str(file)}])
    said = str(caught.value)
    assert said.startswith("model.loras: ") and str(file) in said and "\n" not in said
