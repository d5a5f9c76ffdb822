"""DiffEdit here against diffusers' own pipeline: same networks, pictures, texts and settings.

diffusers has it for Stable Diffusion 1.x and 2.x alone; other families are measured without it. The
threshold makes no mask empty or full, so that nothing is saved by leaving out what has nothing to
edit. Knows no file and no Ray.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from jobs.benchmark.arch import ARCHS, random_model, random_stable_diffusion
from jobs.benchmark.reference import (
    COLOURS,
    GUIDANCE,
    MAPS,
    RATIO,
    SOURCE,
    STRENGTH,
    reference_edit,
    reference_of,
)
from pipeline.diffusion.batching import Cost
from pipeline.diffusion.diffedit import diffedit
from pipeline.diffusion.settings import Settings, Target
from pipeline.diffusion.tuning import rows_a_second
from pipeline.models._stable_diffusion import StableDiffusion
from pipeline.models.stable_diffusion import Config, build

OWN_MEAN = 1 / 3
"""The threshold that is the map's own mean (at clamp 3): some cells lie above it, some below."""
SECOND_ORDER_STEPS = 20
AIMS = "0.3 par, 0.4 good, 0.5 the aim (docs/performance.md)"


@dataclass(frozen=True)
class Case:
    """One row of the table: a call, how many edits it makes, and what it was told."""

    name: str
    edits: int
    steps: int
    call: Callable[[], Cost]


def load(model: str, arch: str, width: int, device: str, dtype: str, compile: bool) -> Any:
    """The denoiser to measure: a folder's, or random weights in a known architecture."""
    config = Config.model_validate(
        {"path": model, "device": device, "dtype": dtype, "compile": compile}
    )
    if not arch:
        return build(config)
    if arch == "sd15":
        return random_stable_diffusion(config, width)
    if arch not in ARCHS:
        raise SystemExit(f"--arch {arch}: there are sd15, {', '.join(ARCHS)}")
    return random_model(arch, config, width)


def compare(
    model: Any, images: int, steps: int, rounds: int, reference_batches: Sequence[int]
) -> dict[str, Any]:
    """The table and its ratios. Cases take turns, so that a busy machine slows all alike.

    Batches that do not fit the device's memory are left out.
    """
    batches = reference_batches if isinstance(model, StableDiffusion) else ()
    pictures = _pictures(model, max((images, *batches)))
    ours = _our_cases(model, pictures[:images], steps)
    cases = [*_reference_cases(model, pictures, batches, steps), *ours]
    warmed = [(case, cost) for case in cases if (cost := _warmed(case))]
    flops = _flops(model, pictures[:1])
    seconds = _measure([case for case, _ in warmed], rounds)
    rate = matmul_rate(model)
    rows = [_row(*one, flops, taken, rate) for one, taken in zip(warmed, seconds, strict=True)]
    network, _, decoder = flops
    return {
        "rows": rows,
        **_ratios(rows[: -len(ours)], rows[-len(ours) :]),
        "a decode, in evaluations": decoder / network,
        "aims for the share of matrix product": AIMS,
        "device": torch.cuda.get_device_name() if model.device.type == "cuda" else "cpu",
        "dtype": str(model.dtype),
        "threads": torch.get_num_threads(),
        "resolution": model.resolution,
        "micro-batch": model.rows.size,
        "compiled": model._compiled is not None,
        "matrix product TFLOP/s": rate,
        "share of matrix product": rows[-len(ours)]["share of matrix product"],
        "peak memory GiB": _peak_memory(model, ours[0].call) / 2**30,
    }


def _ratios(references: Sequence[Any], ours: Sequence[Any]) -> dict[str, float]:
    if not references:
        return {}
    slowest, best = references[0], min(references, key=lambda row: row["s/edit"])
    alone, fastest = ours[0], ours[3]
    return {
        "ratio": slowest["s/edit"] / alone["s/edit"],
        "ratio to best batch": best["s/edit"] / alone["s/edit"],
        "ratio, 8 targets, second order": slowest["s/edit"] / fastest["s/edit"],
        "ratio, 8 targets, second order, to best batch": best["s/edit"] / fastest["s/edit"],
    }


def _reference_cases(
    model: Any, pictures: Tensor, batches: Sequence[int], steps: int
) -> list[Case]:
    if not batches:
        return []
    reference = reference_of(model)
    return [
        Case(f"reference, batch {n}", n, steps, partial(reference_edit, reference, few, steps))
        for n in batches
        for few in [pictures[:n]]
    ]


def _our_cases(model: Any, pictures: Tensor, steps: int) -> list[Case]:
    base = Settings(steps=steps, noise_maps=MAPS, threshold=OWN_MEAN)
    fast = replace(base, steps=min(steps, SECOND_ORDER_STEPS), solver="dpm")
    few, many = pictures[: max(1, len(pictures) // 4)], len(COLOURS)
    cases = []
    for settings in (base, fast):
        one = partial(our_edit, model, pictures, 1, settings)
        each = partial(our_edit, model, few, many, settings)
        name = f"ours, {settings.solver}"
        cases.append(Case(f"{name}, 1 target", len(pictures), settings.steps, one))
        cases.append(Case(f"{name}, {many} targets", len(few) * many, settings.steps, each))
    return cases + _recolouring(model, pictures, few, base)


def _recolouring(model: Any, pictures: Tensor, few: Tensor, base: Settings) -> list[Case]:
    """As the recolouring configs have it; into given colours, with one mask for all."""
    settings = replace(base, steps=min(base.steps, 12), noise_maps=2, guidance_stop=0.25)
    many, steps = len(COLOURS), settings.steps
    edit = partial(our_edit, model, settings=settings, ratio=0.8)
    given = partial(edit, few, many, denoise=False)
    return [
        Case("ours, recolouring, 1 target", len(pictures), steps, partial(edit, pictures, 1)),
        Case(
            f"ours, recolouring, {many} targets", len(few) * many, steps, partial(edit, few, many)
        ),
        Case(f"ours, {many} given colours", len(few) * many, steps, given),
    ]


def our_edit(
    model: Any,
    pictures: Tensor,
    targets: int,
    settings: Settings,
    ratio: float = RATIO,
    denoise: bool = True,
) -> Cost:
    """The same edit here, of each picture, to `targets` colours; else the mask of all of them."""
    texts = [SOURCE.replace("red", colour) for colour in COLOURS[:targets]]
    shared = None if denoise else texts[0]
    edits = [
        Target(i, SOURCE, text, STRENGTH, ratio, GUIDANCE, denoise=denoise, mask_prompt=shared)
        for i in range(len(pictures))
        for text in texts
    ]
    result = diffedit(model, pictures, edits, range(len(pictures)), settings)
    assert all(edited.image is not None for edited in result.edits) or not denoise
    return result.cost


def matmul_rate(model: Any) -> float:
    """TFLOP/s of a square matrix product in the model's dtype, the best of ten."""
    side = 8192 if model.device.type == "cuda" else 1024
    a = torch.randn(side, side, device=model.device).to(model.dtype)
    seconds = []
    for _ in range(10):
        start = time.perf_counter()
        (a @ a)[0, 0].item()
        seconds.append(time.perf_counter() - start)
    return 2 * side**3 / min(seconds) / 1e12


def passes(model: Any, sizes: Sequence[int]) -> dict[str, Any]:
    """The table: the best of three measurements of each size; the ratio is of last to first."""
    side = model.resolution // model.factor
    rows = []
    for size in sizes:
        rate = max(rows_a_second(model, (model.channels, side, side), size) for _ in range(3))
        rows.append({"rows of a pass": size, "rows/s": rate, "ms a row": 1000 / rate})
    return {
        "rows": rows,
        "ratio": rows[-1]["rows/s"] / rows[0]["rows/s"],
        "dtype": str(model.dtype),
    }


def startup(model: str, device: str, compile: bool) -> dict[str, Any]:
    """Seconds of each part of a new process, up to its first edit at few steps."""
    start = time.perf_counter()
    call = f"first_edit({model!r}, {device!r}, {compile}, {start!r})"
    done = subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-c", f"from jobs.benchmark.engine import first_edit; {call}"],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return {"rows": rows, "total s": rows[-1]["since start s"]}


def first_edit(model: str, device: str, compile: bool, start: float) -> None:
    """Run in the new process: prints what has passed since `start` after each part, as JSON."""
    rows = [{"part": "import", "since start s": time.perf_counter() - start}]
    made = load(model, "", 320, device, "auto", compile)
    rows.append({"part": "load", "since start s": time.perf_counter() - start})
    our_edit(made, _pictures(made, 1), 1, Settings(steps=5, noise_maps=2, threshold=OWN_MEAN))
    rows.append({"part": "first edit", "since start s": time.perf_counter() - start})
    print(json.dumps(rows))


def _pictures(model: Any, number: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(number, 3, 8, 8, generator=generator)
    side = model.resolution
    return torch.nn.functional.interpolate(coarse, size=side, mode="bicubic").clamp(-1, 1)


def _warmed(case: Case) -> Cost | None:
    """What the first call cost; None where memory does not suffice."""
    try:
        return case.call()
    except torch.OutOfMemoryError:
        if not case.name.startswith("reference"):
            raise
    print(f"{case.name}: out of memory")
    torch.cuda.empty_cache()
    return None


def _measure(cases: Sequence[Case], rounds: int) -> list[float]:
    """Median seconds of a call of each."""
    seconds: list[list[float]] = [[] for _ in cases]
    for _ in range(rounds):
        for case, taken in zip(cases, seconds, strict=True):
            start = time.perf_counter()
            case.call()
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in seconds]


def _row(
    case: Case, cost: Cost, flops: tuple[float, float, float], seconds: float, rate: float
) -> Any:
    unet, encode, decode = flops
    autoencoder = cost.encodes * encode + cost.decodes * decode
    work = cost.evaluations * unet + autoencoder
    return {
        "what": case.name,
        "steps": case.steps,
        "s/edit": seconds / case.edits,
        "edits/s": case.edits / seconds,
        "evaluations/s": cost.evaluations / seconds,
        "evaluations/edit": cost.evaluations / case.edits,
        "encodes/edit": cost.encodes / case.edits,
        "autoencoder's share": autoencoder / work,
        "TFLOP/s": work / seconds / 1e12,
        "share of matrix product": work / seconds / 1e12 / rate,
    }


@torch.inference_mode()
def _flops(model: Any, picture: Tensor) -> tuple[float, float, float]:
    """Of one row through the network, one image through the encoder, one through the decoder."""
    x = model.encode(picture.to(model.device))
    cond = model.text([""])
    if model.told:
        cond["guidance"] = torch.ones(1, device=model.device)
    t = model.timesteps(2, tuple(x.shape[2:]))[:1]

    def count(call: Callable[[], Any]) -> float:
        with FlopCounterMode(display=False) as counter:
            call()
        return float(counter.get_total_flops())

    encode = count(lambda: model.encode(picture.to(model.device)))
    return count(lambda: model.eps(x, t, cond)), encode, count(lambda: model.decode(x))


def _peak_memory(model: Any, call: Callable[[], Cost]) -> float:
    """Bytes: on a GPU of one such call, on a CPU of the whole process, reference and all."""
    if model.device.type != "cuda":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    torch.cuda.reset_peak_memory_stats()
    call()
    return torch.cuda.max_memory_allocated()
