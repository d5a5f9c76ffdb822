"""One part of a model folder: its config against its class, its weights against both.

Knows no other part and no family. Raises UsageError, in one line, for whatever cannot be used.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any, get_args

import diffusers
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Qwen3Config,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
)
from transformers.utils import logging as transformers_logging

from pipeline.errors import UsageError
from pipeline.models import _weights
from pipeline.models._folder import first_line, read_json

Settings = dict[str, Any]
"""What a config.json says."""

Network = Any
"""A UNet2DConditionModel, AutoencoderKL, CLIPTextModel …: mypy cannot see into these."""

# Of every version of diffusers or transformers.
_BLOCKS = ("act_fn", "block_out_channels", "down_block_types", "up_block_types", "layers_per_block")
_UNET = (
    *_BLOCKS, "attention_head_dim", "center_input_sample", "cross_attention_dim",
    "flip_sin_to_cos", "freq_shift", "in_channels", "out_channels", "norm_eps", "norm_num_groups",
)  # fmt: skip
_TEXT = (
    "hidden_act", "hidden_size", "intermediate_size", "layer_norm_eps", "max_position_embeddings",
    "num_attention_heads", "num_hidden_layers", "vocab_size",
)  # fmt: skip
_DEPTHS = (
    "layers_per_block", "num_hidden_layers", "transformer_layers_per_block", "num_layers",
    "num_single_layers", "n_layers", "n_refiner_layers",
)  # fmt: skip
_OUT_OF_PROPORTION = 1e9


@dataclass(frozen=True)
class Part:
    """A folder's network `name`, the class it must be of, and how its weights are named."""

    name: str
    kind: Any
    weights: str
    keys: tuple[str, ...]  # that its config cannot lack
    config: Any = None  # the class of its config, where it is of transformers
    also: tuple[str, ...] = ()  # other classes whose weights it can be loaded from
    spare: tuple[str, ...] = ()  # weights that such a folder has or not, and that are not needed

    def settings(self, folder: Path, family: str) -> Settings:
        """Its config, of the right class, whole, each value of the right type."""
        path = folder / self.name / "config.json"
        settings = read_json(path)
        found = settings.get("architectures" if self.config else "_class_name")
        names = found if isinstance(found, list) else [found]
        if len(names) != 1 or names[0] not in (self.kind.__name__, *self.also):
            raise UsageError(
                f"model.path: {folder} is not {family}: its {self.name} is a "
                f"{', '.join(map(str, names))}, expected a {self.kind.__name__}"
            )
        if "quantization_config" in settings:
            raise UsageError(f"model.path: {path}: quantised weights cannot be used")
        types = self._types()
        check_keys(path, settings, (*self.keys, *types) if own_writing(settings) else self.keys)
        _check_types(path, settings, types)
        return settings

    def files(self, folder: Path) -> list[Path]:
        """All that it is read from."""
        weights = _weights.find(folder / self.name, self.weights)
        index = [weights.index] if weights.index else []
        return [folder / self.name / "config.json", *index, *weights.files]

    def load(self, folder: Path, settings: Settings, dtype: torch.dtype) -> Network:
        """The network, on the CPU: each of its weights from the folder, and no other there."""
        weights = self.checked(folder, settings)
        try:
            return self._loaded(folder, weights.variant, dtype)
        except UsageError:
            raise
        except Exception as error:  # of two libraries, about files that may hold anything
            raise self._cannot(folder, error) from error

    def checked(self, folder: Path, settings: Settings) -> _weights.Weights:
        """Its weights, each read once, as many as its config asks for; makes no network."""
        weights = _weights.find(folder / self.name, self.weights)
        sizes = weights.check()
        needed = {name: size for name, size in sizes.items() if not self._spared(name)}
        try:
            expected = self._numbers(settings, len(sizes))
        except Exception as error:
            raise self._cannot(folder, error) from error
        if expected != _weights.numbers(needed):
            raise UsageError(
                f"model.path: {folder / self.name}: its weights are of another network than its "
                f"config.json: {_weights.numbers(needed)} numbers, expected {expected}"
            )
        return weights

    def empty(self, settings: Settings) -> Network:
        """The network on `meta`, without memory for its weights."""
        with torch.device("meta"):
            if self.config:
                return self.kind(self.config.from_dict(settings))
            return self.kind.from_config(settings)

    def _spared(self, name: str) -> bool:
        return bool(self.spare) and name.endswith(self.spare)

    def _not_counted(self, name: str) -> bool:
        return self._spared(name) or _weights.counted(name)

    def _cannot(self, folder: Path, error: Exception) -> UsageError:
        reason = first_line(error)
        return UsageError(f"model.path: cannot load {folder / self.name}: {reason}; get it again")

    def _types(self) -> dict[str, Any]:
        return dict(self.config.__annotations__) if self.config else arguments(self.kind)

    def _numbers(self, settings: Settings, tensors: int) -> int:
        """How many the config asks for, found out without memory for them."""
        if any(n > tensors for key in _DEPTHS for n in _scalars(settings.get(key, 0))):
            raise ValueError(f"config.json asks for more layers than there are weights ({tensors})")
        named = self.empty(settings).state_dict().items()
        return sum(value.numel() for name, value in named if not self._not_counted(name))

    def _loaded(self, folder: Path, variant: str | None, dtype: torch.dtype) -> Network:
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        # Loading through meta tensors needs accelerate, which is not a dependency.
        plain = {} if self.config else {"low_cpu_mem_usage": False}
        network, told = self.kind.from_pretrained(
            folder,
            subfolder=self.name,
            **{"dtype" if self.config else "torch_dtype": dtype},
            variant=variant,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **plain,
        )
        _check_names(folder / self.name, told, self.spare)
        if not self.config:  # transformers does, but for what must stay in float32 (T5)
            _cast(network, dtype)
        _check_finite(folder / self.name, network, dtype)
        return network


def _cast(network: Network, dtype: torch.dtype) -> None:
    """diffusers leaves SD3's weights as the file has them, for its first tensor is a buffer."""
    for parameter in network.parameters():
        parameter.data = parameter.data.to(dtype)


OURS = "diffusion_pytorch_model"
"""What diffusers names weights, as transformers names them "model"."""

UNET = Part("unet", UNet2DConditionModel, OURS, _UNET)
VAE = Part("vae", AutoencoderKL, OURS, (*_BLOCKS, "in_channels", "out_channels", "latent_channels"))
TEXT_ENCODER = Part("text_encoder", CLIPTextModel, "model", _TEXT, CLIPTextConfig)
CLIP_L = Part(
    "text_encoder", CLIPTextModelWithProjection, "model", (*_TEXT, "projection_dim"), CLIPTextConfig
)
CLIP_G = replace(CLIP_L, name="text_encoder_2")
T5 = Part(
    "text_encoder_2",
    T5EncoderModel,
    "model",
    ("d_model", "d_ff", "d_kv", "num_heads", "num_layers", "vocab_size"),
    T5Config,
    spare=("encoder.embed_tokens.weight",),
)
QWEN3 = Part(
    "text_encoder",
    Qwen3Model,
    "model",
    ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"),
    Qwen3Config,
    also=("Qwen3ForCausalLM",),
    spare=("lm_head.weight",),
)


def arguments(kind: Any) -> dict[str, Any]:
    """The type of each argument of a diffusers class."""
    found = inspect.signature(kind.__init__).parameters.values()
    return {p.name: p.annotation for p in found if p.kind is p.POSITIONAL_OR_KEYWORD} | {
        "self": Any
    }


def check_keys(path: Path, settings: Settings, keys: Iterable[str]) -> None:
    """Raises UsageError where one of `keys` is missing."""
    for key in keys:
        if key not in settings and key != "self":
            raise UsageError(f"model.path: {path}: {key} is missing; get it again")


def own_writing(settings: Settings) -> bool:
    """Whether this version of diffusers wrote it, which writes every argument of a class."""
    return bool(settings.get("_diffusers_version") == diffusers.__version__)


def _check_types(path: Path, settings: Settings, types: dict[str, Any]) -> None:
    for key, kind in types.items():
        if key in settings and not _fits(settings[key], kind):
            said = repr(settings[key])[:60]
            raise UsageError(f"model.path: {path}: {key} cannot be {said}; get it again")


def _fits(value: Any, kind: Any) -> bool:
    if kind is inspect.Parameter.empty:
        return True
    kinds = {getattr(one, "__origin__", one) for one in _flat(kind)}
    if value is None or isinstance(value, list | dict):
        right = (
            {type(None)} if value is None else {tuple, list} if isinstance(value, list) else {dict}
        )
        return bool(right & kinds) and all(_fits(scalar, kind) for scalar in _scalars(value))
    if isinstance(value, bool | str):
        return type(value) in kinds
    in_proportion = isfinite(value) and 0 <= value < _OUT_OF_PROPORTION
    return in_proportion and bool(kinds & ({int, float} if isinstance(value, int) else {float}))


def _flat(kind: Any) -> Iterator[Any]:
    yield kind
    for part in get_args(kind):
        yield from _flat(part)


def _scalars(value: Any) -> Iterator[Any]:
    """The numbers and texts in lists; what is in a dict is its class's own affair."""
    if isinstance(value, list):
        for one in value:
            yield from _scalars(one)
    elif value is not None and not isinstance(value, dict):
        yield value


def _check_names(where: Path, told: dict[str, Any], spare: tuple[str, ...]) -> None:
    for kind in ("missing", "mismatched", "unexpected"):
        names = sorted(
            name
            for name in map(str, told.get(f"{kind}_keys") or ())
            # Positions were kept among the weights once, and are counted off now.
            if not name.endswith(("position_ids", *spare) if kind == "unexpected" else spare or " ")
        )
        if names:
            raise UsageError(
                f"model.path: {where}: {len(names)} of its weights are {kind}, as {names[0]}: they "
                "are of another network than its config.json; get it again"
            )


def _check_finite(where: Path, network: Network, dtype: torch.dtype) -> None:
    for name, parameter in network.named_parameters():
        if not _weights.finite(parameter):
            raise UsageError(
                f"model.dtype: {dtype} cannot hold {where}'s {name}; set it to bfloat16 or float32"
            )
