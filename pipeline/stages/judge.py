"""The scores that need a network, in batches on the model's device. Knows no metric from inside.

Where a chunk's pictures are at hand, the edit stage keeps each as the model sees it (`Shown`); the
networks then see the chunk's all together, each picture and each text once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pipeline.config import RunConfig
from pipeline.errors import RowError, UsageError
from pipeline.images.picture import Pixels
from pipeline.metrics._networks.network import clip_network, dino_network, lpips_network
from pipeline.metrics._networks.weights import MissingWeights
from pipeline.metrics._shown import Shown
from pipeline.stages.guard import guarded
from pipeline.stages.plan import failed
from pipeline.stages.score import finite, module, network_of

if TYPE_CHECKING:
    from pipeline.diffusion.denoiser import Denoiser

Row = dict[str, Any]
Value = float | None

NETWORKS = {
    "clip": clip_network("openai/clip-vit-large-patch14"),
    "dino": dino_network("facebook/dino-vits16"),
    "lpips": lpips_network("alex"),
}
BATCH = 16
"""Edits, pictures or texts of one pass."""


class Judges:
    """The networks that a run's scores need, on the device of its model.

    Raises UsageError, a line for each whose weights are missing.
    """

    def __init__(self, config: RunConfig, model: Denoiser | None) -> None:
        """`model` is the one that edits, which judges too; None: to see what is missing."""
        names = [name for name in config.check.scores if network_of(name)]
        self._roles = {name: str(network_of(name)) for name in names}
        device = torch.device("cpu") if model is None else model.device
        self._networks = load(config.check.places(), device) | {"model": model}

    def __bool__(self) -> bool:
        return bool(self._roles)

    def __call__(self, rows: Iterable[Row]) -> int:
        """Takes `shown` out of the rows that have it, and fills their scores in.

        A row whose score cannot be taken fails; a score that is not defined is null. Returns the
        rows that went through the network that edits.
        """
        told = [(row, row.pop("shown")) for row in rows if "shown" in row]
        living = [(row, shown) for row, shown in told if not row.get("error_kind")]
        networks = {role: Once(network) for role, network in self._networks.items()}
        for name, role in self._roles.items():
            network = self._networks[role] if role in ("model", "lpips") else networks[role]
            values = _values(name, [shown for _, shown in living], network)
            for (row, _), value in zip(living, values, strict=True):
                row |= _column(name, value)
        own = [int(module(name).EVALUATIONS) for name, r in self._roles.items() if r == "model"]
        return sum(own) * sum(bool(shown.cells.any()) for _, shown in living)


def load(places: dict[str, str], device: torch.device) -> dict[str, Any]:
    """Role → network, of weights in a folder, a file or a hub. Raises UsageError."""
    found, missing = {}, []
    for role, place in places.items():
        option = f"check.models.{role}"
        try:
            path = NETWORKS[role].find(place, option)
            found[role] = NETWORKS[role].load(path, device)
        except MissingWeights as error:
            said = str(error)
            missing.append(said if said.startswith(option) else f"{option}: {said}")
        except Exception as error:  # each library's own kinds, of whatever lies in the folder
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            missing.append(f"{option}: {place}: cannot load it: {reason}")
    if missing:
        raise UsageError("\n".join(missing))
    return found


class Once:
    """A network that is asked for each picture and each text of a batch once."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._known: dict[Hashable, Tensor] = {}

    def images(self, pictures: Sequence[Any]) -> Tensor:
        """As `Clip.images`."""
        return self._all(self._network.images, pictures, _bytes)

    def texts(self, texts: Sequence[str]) -> Tensor:
        """As `Clip.texts`."""
        return self._all(self._network.texts, texts, str)

    def cls(self, pictures: Sequence[Any]) -> Tensor:
        """As `Dino.cls`."""
        return self._all(self._network.cls, pictures, _bytes)

    def _all(
        self,
        embed: Callable[[Sequence[Any]], Tensor],
        things: Sequence[Any],
        key: Callable[[Any], Hashable],
    ) -> Tensor:
        new = list({key(thing): thing for thing in things if key(thing) not in self._known}.items())
        for start in range(0, len(new), BATCH):
            part = new[start : start + BATCH]
            vectors = embed([thing for _, thing in part])
            self._known |= {name: vector for (name, _), vector in zip(part, vectors, strict=True)}
        return torch.stack([self._known[key(thing)] for thing in things])


def _bytes(picture: Pixels) -> bytes:
    # An image's edits each have their own copy of its pixels.
    return hashlib.blake2b(picture.tobytes()).digest()


def _values(name: str, edits: Sequence[Shown], network: Any) -> list[Value | RowError]:
    """A score of each; what makes a network fail fails alone."""
    values: list[Value | RowError] = []
    for start in range(0, len(edits), BATCH):
        part = edits[start : start + BATCH]
        values += guarded(part, lambda some: module(name).scores(some, network))
    return values


def _column(name: str, value: Value | RowError) -> Row:
    try:
        if isinstance(value, RowError):
            raise value
        return {f"score_{name}": None if value is None else finite(name, value)}
    except RowError as error:
        return failed("check", error)
