"""A resumable training loop with an averaged copy of the weights. Knows no model and no data.

What a step draws comes from (seed, step) alone, so a stopped and resumed training ends in the same
weights as one that ran through. Checkpoints are safetensors, written aside and then renamed.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

Model = TypeVar("Model", bound=nn.Module)
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Plan:
    """How long and how fast: the rate warms up, stays, and falls to zero over the last third."""

    steps: int
    batch: int
    learning_rate: float
    warm_up: int = 100
    average: float = 0.999
    save_every: int = 250


def rate(plan: Plan, step: int) -> float:
    """The learning rate of a step."""
    falling = max(1, plan.steps // 3)
    return plan.learning_rate * min(1.0, (step + 1) / plan.warm_up, (plan.steps - step) / falling)


def fit(
    model: Model,
    loss: Callable[[Model, torch.Generator], Tensor],
    plan: Plan,
    checkpoint: Path,
    *,
    seed: int,
    preview: Callable[[Model, int], None] | None = None,
    bfloat16: bool = False,
) -> Model:
    """Trains the model in place and returns its averaged copy.

    Goes on from the checkpoint if there is one. Appends {"step", "loss", "seconds"} to the
    checkpoint's .jsonl neighbour; `preview` gets the averaged copy at each save.
    """
    averaged = copy.deepcopy(model).requires_grad_(False)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.0, weight_decay=0.01, betas=(0.9, 0.99))
    start = _load(checkpoint, model, averaged, optimiser) if checkpoint.exists() else 0
    device = next(model.parameters()).device
    recent, began = [], time.monotonic()
    for step in range(start, plan.steps):
        optimiser.param_groups[0]["lr"] = rate(plan, step)
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            error = loss(model, torch.Generator().manual_seed(seed * 10_000_019 + step))
        optimiser.zero_grad()
        error.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        _follow(averaged, model, min(plan.average, (1 + step) / (10 + step)))
        recent.append(error.detach())
        if (step + 1) % plan.save_every == 0 or step + 1 == plan.steps:
            mean_loss = torch.stack(recent).mean().item()
            _log(checkpoint.with_suffix(".jsonl"), step + 1, mean_loss, time.monotonic() - began)
            _save(checkpoint, step + 1, model, averaged, optimiser)
            if preview is not None:
                preview(averaged, step + 1)
            recent, began = [], time.monotonic()
    return averaged


@torch.no_grad()
def _follow(averaged: nn.Module, model: nn.Module, keep: float) -> None:
    pairs = zip(averaged.parameters(), model.parameters(), strict=True)
    for mean, now in pairs:
        mean.lerp_(now, 1 - keep)


def _log(path: Path, step: int, loss: float, seconds: float) -> None:
    line = json.dumps({"step": step, "loss": round(loss, 5), "seconds": round(seconds, 1)})
    with path.open("a") as log:
        log.write(line + "\n")
    print(path.stem, line, flush=True)


def _save(
    path: Path, step: int, model: nn.Module, averaged: nn.Module, optimiser: torch.optim.Optimizer
) -> None:
    tensors: dict[str, Tensor] = {
        f"averaged.{name}": value for name, value in averaged.named_parameters()
    }
    for name, parameter in model.named_parameters():
        tensors[f"model.{name}"] = parameter.data
        for moment in MOMENTS:
            tensors[f"{moment}.{name}"] = optimiser.state[parameter][moment]
    unfinished = path.with_suffix(".part")
    contiguous = {name: value.contiguous() for name, value in tensors.items()}
    save_file(contiguous, unfinished, metadata={"step": str(step)})
    unfinished.replace(path)


def _load(
    path: Path, model: nn.Module, averaged: nn.Module, optimiser: torch.optim.Optimizer
) -> int:
    """Restores everything and returns the number of steps done."""
    step = saved_step(path)
    tensors = load_file(path)
    with torch.no_grad():
        for name, value in averaged.named_parameters():
            value.copy_(tensors[f"averaged.{name}"])
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[f"model.{name}"])
            state = {moment: tensors[f"{moment}.{name}"].to(parameter) for moment in MOMENTS}
            optimiser.state[parameter] = {"step": torch.tensor(float(step)), **state}
    return step


def saved_step(path: Path) -> int:
    """The number of steps that a checkpoint has behind it."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return int(header["__metadata__"]["step"])
