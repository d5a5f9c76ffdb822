"""Weights of a tiny folder, named as single files name them. Knows no test.

As Stability AI's training code wrote them; the opposite of what diffusers' converters do.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

Tensors = dict[str, Tensor]
_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
_TOP = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}  # fmt: skip


def part(folder: Path, name: str) -> Tensors:
    """The tensors of a folder's part, as the folder names them."""
    return load_file(next((folder / name).glob("*.safetensors")))


def unet(tensors: Tensors, layers: int = 1) -> Tensors:
    return {
        f"model.diffusion_model.{_unet(name, tensors, layers)}": tensors[name] for name in tensors
    }


def _unet(name: str, tensors: Tensors, layers: int) -> str:
    for ours, theirs in _TOP.items():
        name = re.sub(rf"^{re.escape(ours)}\.", f"{theirs}.", name)
    if found := re.match(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.*)", name):
        way, what, rest = found[1], found[3], found[5]
        block, layer = int(found[2]), int(found[4])
        first = block * (layers + 1)
        if what == "downsamplers":
            name = f"input_blocks.{first + layers + 1}.0.{rest.replace('conv', 'op')}"
        elif what == "upsamplers":
            attends = any(n.startswith(f"up_blocks.{block}.attentions") for n in tensors)
            name = f"output_blocks.{first + layers}.{2 if attends else 1}.{rest}"
        else:
            place = f"input_blocks.{first + layer + 1}" if way == "down" else ""
            place = place or f"output_blocks.{first + layer}"
            name = f"{place}.{1 if what == 'attentions' else 0}.{rest}"
    for ours, theirs in _RESNET.items():
        name = re.sub(rf"(put_blocks\.\d+\.0|middle_block\.[02])\.{ours}\.", rf"\1.{theirs}.", name)
    return name


def autoencoder(tensors: Tensors, blocks: int = 4) -> Tensors:
    return {f"first_stage_model.{_vae(name, blocks)}": value for name, value in tensors.items()}


def _vae(name: str, blocks: int) -> str:
    name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    name = re.sub(r"down_blocks\.(\d)", r"down.\1", name)
    name = re.sub(r"up_blocks\.(\d)", lambda m: f"up.{blocks - 1 - int(m[1])}", name)
    name = name.replace("downsamplers.0.", "downsample.").replace("upsamplers.0.", "upsample.")
    return name.replace(".resnets.", ".block.")


def clip(tensors: Tensors, prefix: str) -> Tensors:
    """Of OpenAI's CLIP."""
    return {f"{prefix}.text_model.{_short(name)}": value for name, value in tensors.items()}


def open_clip(tensors: Tensors, prefix: str) -> Tensors:
    """Of OpenCLIP, whose query, key and value are one matrix."""
    found: Tensors = {}
    for name, value in tensors.items():
        name = _short(name)
        if projection := re.match(r"(.*)\.self_attn\.q_proj\.(weight|bias)", name):
            layer, kind = projection[1], projection[2]
            names = [
                n
                for c in "qkv"
                for n in tensors
                if n.endswith(f"{layer}.self_attn.{c}_proj.{kind}")
            ]
            value = torch.cat([tensors[n] for n in names])
            name = f"{layer}.attn.in_proj_{kind}"
        elif re.search(r"self_attn\.[kv]_proj", name):
            continue
        found[f"{prefix}.{_opened(name)}"] = value.T.contiguous() if "projection" in name else value
    return found


def _opened(name: str) -> str:
    name = name.replace("embeddings.position_embedding.weight", "positional_embedding")
    name = name.replace("embeddings.token_embedding.weight", "token_embedding.weight")
    name = name.replace("final_layer_norm", "ln_final").replace("self_attn", "attn")
    name = name.replace("text_projection.weight", "text_projection")
    name = name.replace("layer_norm", "ln_").replace("fc1", "c_fc").replace("fc2", "c_proj")
    return name.replace("encoder.layers.", "transformer.resblocks.")


def _short(name: str) -> str:
    return name.removeprefix("text_model.")
