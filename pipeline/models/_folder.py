"""Finds a model in the diffusers folder format, reads its configs, says who it is. Knows no family.

Raises UsageError, in one line that says what to do, for whatever cannot be used.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError

LARGEST_CONFIG = 1 << 20
"""Bytes; a real one has some thousand."""

_ID = r"\w[\w.-]*/[\w.-]+"
_UNBOUNDED = "lambda_min_clipped"  # as diffusers writes it with DPMSolverMultistepScheduler
_POINTER = b"version https://git-lfs"
_CHECKPOINTS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf")


def find(path: str, revision: str | None) -> Path:
    """The local folder of `demo`, of a folder, or of a Hugging Face id (downloaded if needed)."""
    if path == "demo":
        folder = Path(__file__).parents[1] / "demo" / "model"
        if not folder.is_dir():
            raise UsageError(f"model.path: the embedded model is not installed ({folder})")
        return folder
    local = _local(path)
    if local is None and re.fullmatch(_ID, path):
        return _download(path, revision)
    if local is None:
        raise UsageError(
            f"model.path: {path}: no such folder, and not a Hugging Face id (owner/name)"
        )
    if revision is not None:
        raise UsageError(f"model.revision: {path} is a folder here, which has no revisions")
    return local


def find_config(path: str, revision: str | None, file: str, reach: bool) -> Path:
    """One small file of the folder that `find` finds, without what else a hub has of it.

    `reach`: ask the hub where its cache here has no such file.
    """
    if path != "demo" and _local(path) is None and re.fullmatch(_ID, path):
        return _download_config(path, revision, file, reach)
    return find(path, revision) / file


def read_json(path: Path, largest: int = LARGEST_CONFIG) -> dict[str, Any]:
    """A JSON object of the folder: no key twice, and every number finite."""
    try:
        content = path.read_bytes()
        refuse_pointer(path)
        if len(content) > largest:
            raise ValueError(f"{len(content)} bytes are too many for such a file")
        value = json.loads(
            content.decode("utf-8"), object_pairs_hook=_without_repeats, parse_constant=_no_constant
        )
    except FileNotFoundError as error:
        raise UsageError(f"model.path: there is no {path}; get the whole model again") from error
    except (OSError, ValueError, RecursionError) as error:
        reason = first_line(error)
        raise UsageError(f"model.path: cannot read {path}: {reason}; get it again") from error
    if not isinstance(value, dict):
        raise UsageError(f"model.path: {path} is not a JSON object; get it again")
    return value


def refuse_pointer(path: Path) -> None:
    """Raises UsageError where `path` is empty or a Git LFS pointer instead of what it points to."""
    with path.open("rb") as stream:
        start = stream.read(len(_POINTER))
    if not start:
        raise UsageError(f"model.path: {path} is empty; get it again")
    if start == _POINTER:
        raise UsageError(f"model.path: {path} is a Git LFS pointer, not the file; run git lfs pull")


def digest(folder: Path, files: Iterable[Path]) -> str:
    """32 hex digits of the content and names of `files`; read once a process.

    Raises UsageError where the hub's cache holds something else than the hub gave.
    """
    stats = [(file, file.stat()) for file in sorted(files)]
    return _digest(folder, tuple((file, s.st_size, s.st_mtime_ns) for file, s in stats))


def first_line(error: BaseException) -> str:
    """What an error of a library says, without the lines that follow."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]


@cache
def _digest(folder: Path, files: tuple[tuple[Path, int, int], ...]) -> str:
    whole = hashlib.sha256()
    for file, _, _ in files:
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        # The hub's cache names a large file by its SHA-256.
        blob = file.resolve().name
        if re.fullmatch(r"[0-9a-f]{64}", blob) and blob != content:
            raise UsageError(
                f"model.path: {file} is not what the hub gave; delete {file.resolve()}"
            )
        whole.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return whole.hexdigest()[:32]


def _local(path: str) -> Path | None:
    """The folder that is here; None where nothing is."""
    try:
        folder = Path(path).expanduser()
        if folder.is_dir():
            next(folder.iterdir(), None)  # may it be read?
            return folder
        there = folder.exists()
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"model.path: cannot read {path}: {first_line(error)}") from error
    if there or folder.suffix in _CHECKPOINTS:
        raise UsageError(_single_file(path) if there else f"model.path: {path}: no such file")
    return None


def _single_file(path: str) -> str:
    if Path(path).suffix not in _CHECKPOINTS:
        return f"model.path: {path} is a file; expected a diffusers folder"
    return (
        f"model.path: {path} is a single-file checkpoint; expected a diffusers folder: make one "
        f"with diffedit import-model {path} --base FOLDER OUT"
    )


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {max(keys, key=keys.count)!r} is there twice")
    for key, found in pairs:
        if -inf in (found if isinstance(found, list) else [found]) and key != _UNBOUNDED:
            raise ValueError("-Infinity is not a number")
    return value


def _no_constant(name: str) -> float:
    if name == "-Infinity":
        return -inf
    raise ValueError(f"{name} is not a number")


def _download(model_id: str, revision: str | None) -> Path:
    """Full weights, or those of half precision where the hub has no others."""
    failed: Exception = OSError()
    for variant in (None, "fp16", "bf16"):
        try:
            return _snapshot(model_id, revision, variant)
        except Exception as error:  # of the hub's client and of the network below
            failed = error if variant is None else failed
            if "safetensors" not in str(failed):
                break
    raise UsageError(
        f"model.path: {model_id}: no such folder here, and cannot get it from the hub: "
        f"{first_line(failed)}; without a network, give a folder that is here or fill the hub's "
        "cache (HF_HOME) before"
    ) from failed


def _download_config(model_id: str, revision: str | None, file: str, reach: bool) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        there = hf_hub_download(model_id, file, revision=revision, local_files_only=not reach)
        return Path(there)
    except Exception as error:  # of the hub's client and of the network below
        raise UsageError(f"model.path: {model_id}: no {file}: {first_line(error)}") from error


def _snapshot(model_id: str, revision: str | None, variant: str | None) -> Path:
    from diffusers import DiffusionPipeline

    folder = DiffusionPipeline.download(
        model_id, revision=revision, variant=variant, use_safetensors=True, safety_checker=None
    )
    return Path(folder)
