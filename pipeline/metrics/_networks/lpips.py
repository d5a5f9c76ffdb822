"""LPIPS (Zhang et al. 2018), SqueezeNet or AlexNet. Knows no benchmark.

The backbones are written out here: torchvision, where torchmetrics takes them from, wants the
build of torch that it was compiled against, and nothing else here needs it. The weights are
torchvision's files, the linear heads those that torchmetrics ships (Zhang's v0.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

Net = Literal["squeeze", "alex"]
FILES: dict[Net, str] = {
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
    "alex": "alexnet-owt-7be5be79.pth",
}
URL = "https://download.pytorch.org/models/"
ENDS: dict[Net, tuple[int, ...]] = {
    "squeeze": (2, 5, 8, 10, 11, 12, 13),
    "alex": (2, 5, 8, 10, 12),
}
"""After which of the backbone's layers its activations are compared."""
SHIFT = torch.tensor([-0.030, -0.088, -0.188])[:, None, None]
SCALE = torch.tensor([0.458, 0.448, 0.450])[:, None, None]


class Lpips:
    """One backbone with its heads on one device."""

    def __init__(self, net: Net, weights: Path, device: torch.device) -> None:
        self._features = _backbone(net).to(device).eval()
        state = torch.load(weights, map_location=device, weights_only=True)
        prefix = "features."
        kept = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        self._features.load_state_dict(kept)
        self._heads = [head.to(device) for head in _heads(net)]
        self._ends = ENDS[net]
        self._device = device

    @torch.inference_mode()
    def distances(self, ones_N3HW: Tensor, others_N3HW: Tensor) -> list[float]:
        """Distance of each pair of pictures in [-1, 1], 0 where equal."""
        pairs = zip(self._activations(ones_N3HW), self._activations(others_N3HW), strict=True)
        total = torch.zeros(len(ones_N3HW), device=self._device)
        for (one, other), head_C in zip(pairs, self._heads, strict=True):
            total += torch.einsum("nchw,c->nhw", (one - other) ** 2, head_C).mean(dim=(1, 2))
        return [float(value) for value in total]

    def _activations(self, pictures_N3HW: Tensor) -> list[Tensor]:
        """(N, C, h, w) of each compared layer, of unit length along C."""
        x = ((pictures_N3HW - SHIFT) / SCALE).to(self._device)
        found = []
        for number, layer in enumerate(self._features, 1):
            if number > self._ends[-1]:  # a last pooling, too large for small pictures
                break
            x = layer(x)
            if number in self._ends:
                found.append(x / torch.sqrt(1e-8 + (x**2).sum(dim=1, keepdim=True)))
        return found


def distances(lpips: Lpips, ones: Sequence[Tensor], others: Sequence[Tensor]) -> list[float]:
    """Of pairs of (3, H, W) pictures in [-1, 1]: at once if of one size, else one by one."""
    if len({picture.shape for picture in ones}) == 1:
        return lpips.distances(torch.stack(list(ones)), torch.stack(list(others)))
    pairs = zip(ones, others, strict=True)
    return [lpips.distances(one[None], other[None])[0] for one, other in pairs]


def _heads(net: Net) -> list[Tensor]:
    with as_file(files("torchmetrics.functional.image") / "lpips_models" / f"{net}.pth") as path:
        state = torch.load(path, map_location="cpu", weights_only=True)
    return [state[f"lin{number}.model.1.weight"].flatten() for number in range(len(ENDS[net]))]


class _Fire(nn.Module):
    """A squeeze and two expansions, named as in torchvision's files."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 2·expanded, h, w)."""
        x = torch.relu(self.squeeze(x))
        return torch.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1))


def _backbone(net: Net) -> nn.Sequential:
    """torchvision's `features` of squeezenet1_1 or alexnet."""
    if net == "alex":
        return nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, stride=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        _Fire(64, 16, 64),
        _Fire(128, 16, 64),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        _Fire(128, 32, 128),
        _Fire(256, 32, 128),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        _Fire(256, 48, 192),
        _Fire(384, 48, 192),
        _Fire(384, 64, 256),
        _Fire(512, 64, 256),
    )
