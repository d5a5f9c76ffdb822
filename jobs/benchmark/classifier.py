"""A small image classifier and its training. Knows no scene and no edit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

Images = NDArray[np.uint8]
"""(N, H, W, 3)."""
Labels = NDArray[np.int64]
"""(N,)."""
Augment = Callable[[Images, np.random.Generator], Images]

WIDTHS = 16, 32, 64, 64
STEPS = 500
BATCH = 64
RATE = 3e-3


def network(classes: int) -> nn.Module:
    """Four convolutions of stride 2, each normalised, and a linear layer on their mean."""
    layers: list[nn.Module] = []
    for inner, outer in zip((3, *WIDTHS), WIDTHS, strict=False):
        layers += [nn.Conv2d(inner, outer, 3, 2, 1), nn.BatchNorm2d(outer), nn.ReLU()]
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTHS[-1], classes)
    )


def trained(
    images: Images, labels: Labels, classes: int, seed: int, augment: Augment | None = None
) -> nn.Module:
    """A network after `STEPS` steps of Adam with a cosine rate, mirrored pictures among them."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = network(classes)
    adam = torch.optim.AdamW(model.parameters(), RATE, weight_decay=1e-2)
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, STEPS)
    for _ in range(STEPS):
        chosen = rng.integers(len(images), size=BATCH)
        batch = images[chosen]
        mirrored = rng.random(BATCH) < 0.5
        batch[mirrored] = batch[mirrored, :, ::-1]
        shown = batch if augment is None else augment(batch, rng)
        loss = nn.functional.cross_entropy(model(_tensor(shown)), torch.from_numpy(labels[chosen]))
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        rate.step()
    return model.eval()


@torch.inference_mode()
def accuracy(model: nn.Module, images: Images, labels: Labels) -> float:
    """Share of the images that the model names rightly."""
    said = [model(_tensor(images[at : at + 256])).argmax(1) for at in range(0, len(images), 256)]
    return float((torch.cat(said).numpy() == labels).mean())


def jittered(images: Images, rng: np.random.Generator) -> Images:
    """Four in five with another brightness, contrast, saturation and hue, at full strength.

    As SimCLR draws them (Chen et al. 2020, appendix A): factors of 0.2 to 1.8, hues up to a fifth
    of the circle.
    """
    each = (len(images), 1, 1, 1)
    bright, contrast, colour = (rng.uniform(0.2, 1.8, each) for _ in range(3))
    made = images * bright
    made = _between(made.mean((1, 2, 3), keepdims=True), made, contrast)
    made = _between(made.mean(3, keepdims=True), made, colour)
    turned = _turned(made.astype(np.uint8), rng.uniform(-0.2, 0.2, len(images)))
    return np.where(rng.random(each) < 0.8, turned, images)


def any_hue(images: Images, rng: np.random.Generator) -> Images:
    """Each with a hue drawn from all, as one who knows that colour says nothing would have it."""
    return _turned(images, rng.random(len(images)))


def _between(one: Any, other: Any, share: Any) -> Any:
    return np.clip(one + share * (other - one), 0, 255)


def _turned(images: Images, turns: NDArray[np.float64]) -> Images:
    """With hues turned by so much of the circle each."""
    width = images.shape[2]
    hsv = np.asarray(Image.fromarray(images.reshape(-1, width, 3)).convert("HSV"))
    hsv = hsv.reshape(images.shape).copy()
    hsv[..., 0] += np.round(256 * (turns % 1)).astype(np.uint8)[:, None, None]
    whole = Image.fromarray(hsv.reshape(-1, width, 3), "HSV").convert("RGB")
    return np.asarray(whole).reshape(images.shape)


def _tensor(images: Images) -> Tensor:
    return torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1)
