"""Trains the demo model: autoencoder, then text encoder and UNet on its latents, then the folder.

Every stage goes on from what the working folder already holds, so the same command resumes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPTokenizer

from pipeline.demo.autoencoder import Autoencoder, autoencoder_loss, build_autoencoder, to_model
from pipeline.demo.denoiser import (
    TextToLatent,
    build_scheduler,
    build_unet,
    denoiser_loss,
    encode_photos,
    tokenise,
)
from pipeline.demo.loop import Plan, fit
from pipeline.demo.photos import captions, photos
from pipeline.demo.scenes import COLOURS
from pipeline.demo.words import build_text_encoder, build_tokenizer

Pipeline = Any
"""diffusers' StableDiffusionPipeline, which has no types."""


@dataclass(frozen=True)
class Preset:
    """Sizes and lengths of a whole training. Sides in pixels, `crop` for the autoencoder."""

    scenes: int
    size: int
    crop: int
    autoencoder_channels: tuple[int, ...]
    autoencoder_groups: int
    autoencoder: Plan
    unet_channels: tuple[int, ...]
    text_width: int
    denoiser: Plan
    caption_drop: float = 0.12
    bfloat16: bool = False

    @property
    def grid(self) -> int:
        """Latent pixels a side."""
        return int(self.size // 2 ** (len(self.autoencoder_channels) - 1))


PRESETS = {
    "small": Preset(
        scenes=32_000,
        size=128,
        crop=64,
        autoencoder_channels=(16, 32, 64, 96),
        autoencoder_groups=8,
        autoencoder=Plan(steps=2400, batch=16, learning_rate=1e-3, save_every=200),
        unet_channels=(64, 96, 128),
        text_width=128,
        denoiser=Plan(steps=4500, batch=16, learning_rate=8e-4, average=0.998),
    ),
    "full": Preset(
        scenes=100_000,
        size=128,
        crop=128,
        autoencoder_channels=(32, 64, 96),
        autoencoder_groups=8,
        autoencoder=Plan(steps=20_000, batch=64, learning_rate=5e-4, save_every=1000),
        unet_channels=(64, 96, 128),
        text_width=128,
        denoiser=Plan(steps=60_000, batch=256, learning_rate=8e-4, average=0.9995, save_every=2000),
        bfloat16=True,
    ),
}


def train(
    preset: Preset,
    work: Path,
    output: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    start_from: Path | None = None,
) -> None:
    """Trains to the end of the preset and writes the model folder.

    `work` keeps photos, latents, checkpoints, losses (.jsonl) and sample sheets. `start_from` is a
    model folder whose weights are the starting point instead of random ones; its autoencoder is
    kept as it is, because a UNet knows the latents of one autoencoder alone.
    """
    torch.manual_seed(seed)
    drawn = photos(work, preset.scenes, preset.size)
    tokenizer = build_tokenizer()
    autoencoder, denoiser = _networks(preset, tokenizer, start_from)
    autoencoder = autoencoder.to(device).eval()
    if start_from is None:
        autoencoder = _train_autoencoder(preset, autoencoder, drawn, work, seed)
    latents = _latents(autoencoder, drawn, work)
    autoencoder.register_to_config(scaling_factor=1 / latents["mean"].float().std().item())

    def preview(model: TextToLatent, step: int) -> None:
        _colour_sheet(_pipeline(autoencoder, model, tokenizer), work / f"denoiser-{step:06}.png")

    loss = denoiser_loss(
        latents,
        tokenise(tokenizer, captions(preset.scenes)),
        tokenise(tokenizer, [""])[0],
        batch=preset.denoiser.batch,
        drop=preset.caption_drop,
    )
    checkpoint = work / "denoiser.safetensors"
    denoiser = fit(
        denoiser.to(device),
        loss,
        preset.denoiser,
        checkpoint,
        seed=seed + 1,
        preview=preview,
        bfloat16=preset.bfloat16,
    )
    export(autoencoder, denoiser, tokenizer, output)


def export(
    autoencoder: Autoencoder, model: TextToLatent, tokenizer: CLIPTokenizer, output: Path
) -> None:
    """Writes the diffusers folder, half precision, safetensors."""
    pipeline = _pipeline(autoencoder, model, tokenizer).to(torch.float16)
    pipeline.save_pretrained(output, safe_serialization=True)
    # transformers would load the text encoder in half precision, diffusers the rest in single.
    config = output / "text_encoder" / "config.json"
    settings = json.loads(config.read_text()) | {"dtype": "float32"}
    config.write_text(json.dumps(settings, indent=2) + "\n")


def _networks(
    preset: Preset, tokenizer: CLIPTokenizer, start_from: Path | None
) -> tuple[Autoencoder, TextToLatent]:
    autoencoder = build_autoencoder(preset.autoencoder_channels, preset.autoencoder_groups)
    text_encoder = build_text_encoder(tokenizer, preset.text_width)
    unet = build_unet(preset.grid, preset.unet_channels, preset.text_width)
    if start_from is not None:
        saved: Pipeline = StableDiffusionPipeline.from_pretrained(  # type: ignore[no-untyped-call]
            start_from
        )
        autoencoder.load_state_dict(saved.vae.state_dict())
        text_encoder.load_state_dict(saved.text_encoder.state_dict())
        unet.load_state_dict(saved.unet.state_dict())
    return autoencoder, TextToLatent(text_encoder, unet)


def _train_autoencoder(
    preset: Preset, model: Autoencoder, drawn: NDArray[np.uint8], work: Path, seed: int
) -> Autoencoder:
    held = to_model(drawn[:12]).to(model.device)

    @torch.no_grad()
    def preview(averaged: Autoencoder, step: int) -> None:
        decoded = averaged.decode(averaged.encode(held).latent_dist.mean).sample.clamp(-1, 1)
        both = torch.cat([torch.cat(list(held), 2), torch.cat(list(decoded), 2)], 1)
        pixels = ((both + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
        Image.fromarray(pixels).save(work / f"autoencoder-{step:06}.png")

    plan = preset.autoencoder
    loss = autoencoder_loss(drawn, plan.batch, preset.crop)
    checkpoint = work / "autoencoder.safetensors"
    averaged: Autoencoder = fit(
        model, loss, plan, checkpoint, seed=seed, preview=preview, bfloat16=preset.bfloat16
    )
    return averaged.eval()


def _latents(
    autoencoder: Autoencoder, drawn: NDArray[np.uint8], work: Path
) -> dict[str, torch.Tensor]:
    """Every photo's latent, computed once for this autoencoder."""
    path = work / "latents.safetensors"
    if not path.exists():
        save_file(encode_photos(autoencoder, drawn), path)
    return load_file(path)


def _pipeline(autoencoder: Autoencoder, model: TextToLatent, tokenizer: CLIPTokenizer) -> Pipeline:
    return StableDiffusionPipeline(  # type: ignore[no-untyped-call]
        vae=autoencoder,
        text_encoder=model.text_encoder,
        tokenizer=tokenizer,
        unet=model.unet,
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _colour_sheet(pipeline: Pipeline, path: Path) -> None:
    """One mug and one shirt in each colour, to see at a glance whether words bind."""
    pipeline.set_progress_bar_config(disable=True)
    rows = []
    for object_, place in (("mug", "wood"), ("shirt", "grass")):
        texts = [f"a photo of a {colour} {object_} on {place}" for colour in COLOURS]
        draw = torch.Generator().manual_seed(0)
        images = pipeline(
            texts, num_inference_steps=20, guidance_scale=4.0, generator=draw, output_type="np"
        ).images
        rows.append(np.concatenate(list(images), axis=1))
    Image.fromarray((np.concatenate(rows) * 255).round().astype(np.uint8)).save(path)
