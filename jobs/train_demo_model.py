"""Trains the demo model. Run it again to resume; see pipeline/demo/train.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from pipeline.demo.train import PRESETS, train


def main(
    preset: Annotated[str, typer.Option(help="small (CPU) or full (GPU).")] = "small",
    work: Annotated[Path, typer.Option(help="Photos, checkpoints, losses and sheets.")] = Path(
        "out/demo-training"
    ),
    output: Annotated[Path, typer.Option(help="The model folder to write.")] = Path(
        "pipeline/demo/model"
    ),
    steps: Annotated[int | None, typer.Option(help="UNet steps instead of the preset's.")] = None,
    seed: int = 0,
    device: Annotated[str | None, typer.Option(help="Unset: cuda where there is one.")] = None,
    resume_from: Annotated[
        Path | None, typer.Option(help="Train the UNet and text encoder of this model folder on.")
    ] = None,
) -> None:
    """Draws scenes, trains the autoencoder, then text encoder and UNet, and writes the folder."""
    if preset not in PRESETS:
        raise typer.BadParameter(f"--preset {preset}: use one of {', '.join(PRESETS)}")
    chosen = PRESETS[preset]
    if steps is not None:
        chosen = replace(chosen, denoiser=replace(chosen.denoiser, steps=steps))
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    train(chosen, work, output, seed=seed, device=where, start_from=resume_from)


if __name__ == "__main__":
    typer.run(main)
