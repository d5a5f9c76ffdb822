"""The networks of a folder on one device: what every family's `Denoiser` has. Knows no family.

Shapes: B rows, C H W latent channels and sides, f the autoencoder's factor.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.diffusion.batching import MicroBatch
from pipeline.diffusion.denoiser import Cond
from pipeline.errors import UsageError
from pipeline.models._family import Family
from pipeline.models._parts import Network

TEXT_BYTES = 1 << 30
"""Of text states kept on the device."""
LARGE = 1 << 30
"""Parameters of a network whose passes fill a device with a row or a few."""


class Model:
    """One network, an autoencoder and text encoders, in evaluation mode.

    `name` and `weights` (a digest of all that decides its pictures) say who it is; `resolution` is
    the side in pixels of the pictures that it works on.
    """

    family: ClassVar[Family]
    network: ClassVar[str] = "transformer"  # the part that predicts
    texts_at_once: ClassVar[int] = 8  # prompts of one pass of the text encoders
    told = False

    def __init__(
        self, networks: Mapping[str, Network], tokens: Mapping[str, Any], levels: Any, side: int
    ) -> None:
        for network in networks.values():
            network.eval().requires_grad_(False)
        self._networks, self._tokens = dict(networks), tokens
        self._network, self._vae = networks[self.network], networks["vae"]
        self._levels = levels.to(self.device)
        self._texts: OrderedDict[str, Cond] = OrderedDict()
        self._compiled: Network = None
        self.offload_text = False
        self.name, self.weights = "unnamed", ""
        self.resolution = side
        # 32 rows of 16×16 cells fill a CPU's cores; a pass of larger latents gets fewer.
        cells = (side // self.factor) ** 2
        smallest = 1 if self.large else 4
        self.rows, self.images = MicroBatch(min(64, max(smallest, 16384 // cells))), MicroBatch(4)

    @classmethod
    def upcast(cls, vae: Mapping[str, Any], dtype: torch.dtype) -> bool:
        """Whether the autoencoder of this config needs float32 where the rest is `dtype`."""
        return False

    def read(self, index: Mapping[str, Any]) -> None:
        """Takes what model_index.json says, beside the parts."""

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        device: torch.device = self._network.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """Of the networks' activations."""
        dtype: torch.dtype = self._network.dtype
        return dtype

    @property
    def large(self) -> bool:
        """Whether a pass of one row fills a device."""
        return bool(sum(p.numel() for p in self._network.parameters()) > LARGE)

    @property
    def channels(self) -> int:
        """C."""
        return int(self._vae.config.latent_channels)

    @property
    def factor(self) -> int:
        """f: pixels a latent cell, per side."""
        return int(2 ** (len(self._vae.config.block_out_channels) - 1))

    @property
    def latent_multiple(self) -> int:
        """Pixels that a picture's sides must be multiples of: of a patch of 2×2 cells."""
        return 2 * self.factor

    def timesteps(self, steps: int, size: tuple[int, int]) -> Tensor:
        """(steps,) ascending times. Raises UsageError where the model knows fewer."""
        times: Tensor = self._levels.timesteps(steps, size)
        return times

    def alpha(self, t_B: Tensor) -> Tensor:
        """(B,) α_t; 1 where t is negative."""
        alpha: Tensor = self._levels.alpha(t_B)
        return alpha

    def sigma(self, t_B: Tensor) -> Tensor:
        """(B,) σ_t; 0 where t is negative."""
        sigma: Tensor = self._levels.sigma(t_B)
        return sigma

    @torch.inference_mode()
    def eps(self, x_BCHW: Tensor, t_B: Tensor, cond: Cond) -> Tensor:
        """(B, C, H, W) float32 ε of what the network predicts."""
        out = wide(self._predicted(x_BCHW.to(self.dtype), t_B, cond))
        eps: Tensor = self._levels.eps(x_BCHW, t_B, out)
        return eps

    @torch.inference_mode()
    def text(self, prompts: Sequence[str]) -> Cond:
        """Each prompt's states, kept while `TEXT_BYTES` last; shorter ones padded with zeros."""
        distinct = list(dict.fromkeys(prompts))
        self._remember([prompt for prompt in distinct if prompt not in self._texts])
        rows = [self._texts[prompt] for prompt in prompts]
        for prompt in distinct:
            self._texts.move_to_end(prompt)
        held = sum(map(_bytes, self._texts.values()))
        while held > TEXT_BYTES and len(self._texts) > 1:
            held -= _bytes(self._texts.popitem(last=False)[1])
        return {key: _joined([row[key] for row in rows]) for key in rows[0]}

    @torch.inference_mode()
    def encode(self, image_B3HW: Tensor) -> Tensor:
        """(B, C, H/f, W/f) float32 scaled mode of the posterior of RGB in [-1, 1]."""
        mode = wide(self._vae.encode(image_B3HW.to(self._vae.dtype)).latent_dist.mode())
        config = self._vae.config
        latent: Tensor = (mode - (config.shift_factor or 0.0)) * config.scaling_factor
        return latent

    @torch.inference_mode()
    def decode(self, x_BCHW: Tensor) -> Tensor:
        """(B, 3, f·H, f·W) float32 RGB, clipped to [-1, 1]."""
        config = self._vae.config
        latent = x_BCHW / config.scaling_factor + (config.shift_factor or 0.0)
        return wide(self._vae.decode(latent.to(self._vae.dtype)).sample).clamp(-1, 1)

    @torch.inference_mode()
    def compile(self) -> None:
        """Compiles the network for the model's resolution, whatever the number of rows.

        Raises UsageError where there is no compiler.
        """
        side = self.resolution // self.factor
        try:
            # diffusers' upsampling asks whether there are 64 rows or more, so each is compiled.
            with warnings.catch_warnings(action="ignore"):
                self._compile()
                for rows in (2, self.rows.size):
                    x_BCHW = torch.zeros(rows, self.channels, side, side, device=self.device)
                    t_B = self.timesteps(2, (side, side))[:1].repeat(rows)
                    cond = self.text([""] * rows)
                    if self.told:
                        cond["guidance"] = torch.ones(rows, device=self.device)
                    self.eps(x_BCHW, t_B, cond)
        except RuntimeError as error:
            reason = " ".join(str(error).splitlines()[:2]).strip()
            raise UsageError(f"model.compile: {reason}; set it to false to do without") from error

    def _compile(self) -> None:
        """One block for all that are alike, which takes a fraction of the whole network's time."""
        self._network.compile_repeated_blocks(dynamic=True)
        self._compiled = self._network

    def _remember(self, prompts: Sequence[str]) -> None:
        encoders = [net for name, net in self._networks.items() if name.startswith("text_encoder")]
        if self.offload_text and prompts:
            for encoder in encoders:
                encoder.to(self.device)
        for start in range(0, len(prompts), self.texts_at_once):
            some = list(prompts[start : start + self.texts_at_once])
            states = self._encoded(some)
            for i, prompt in enumerate(some):
                self._texts[prompt] = {key: value[i].clone() for key, value in states.items()}
        if self.offload_text and prompts:
            for encoder in encoders:
                encoder.to("cpu")

    def _encoded(self, prompts: list[str]) -> Cond:
        raise NotImplementedError

    def _predicted(self, x_BCHW: Tensor, t_B: Tensor, cond: Cond) -> Tensor:
        raise NotImplementedError


def wide(x: Tensor) -> Tensor:
    """`x` in float32, or in its own type where that is wider."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _bytes(row: Cond) -> int:
    return sum(tensor.nbytes for tensor in row.values())


def _joined(rows: Sequence[Tensor]) -> Tensor:
    longest = max(len(row) if row.dim() else 0 for row in rows)
    padded = [
        F.pad(row, (0, 0) * (row.dim() - 1) + (0, longest - len(row))) if row.dim() else row
        for row in rows
    ]
    return torch.stack(padded)
