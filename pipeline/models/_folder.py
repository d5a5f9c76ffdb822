"""Finds a model in the diffusers folder format and says who it is. Loads no weights.

Raises UsageError, in one line that says what to do, for whatever cannot be used.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError


def find(path: str, revision: str | None) -> Path:
    """The local folder of `demo`, of a folder, or of a Hugging Face id (downloaded if needed)."""
    if path == "demo":
        folder = Path(__file__).parents[1] / "demo" / "model"
        if not folder.is_dir():
            raise UsageError(f"model.path: the embedded model is not installed ({folder})")
        return folder
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder
    if re.fullmatch(r"[\w.-]+/[\w.-]+", path) and not path.startswith("."):
        return _download(path, revision)
    raise UsageError(f"model.path: {path}: no such folder, and not a Hugging Face id (owner/name)")


def check(folder: Path, parts: Sequence[str]) -> str | None:
    """The weights' variant (`fp16` where there are no others), if each part has safetensors."""
    if not (folder / "model_index.json").is_file():
        raise UsageError(
            f"model.path: {folder} has no model_index.json; expected a diffusers folder "
            f"(model_index.json, {', '.join(parts)}, tokenizer, scheduler)"
        )
    return "fp16" if {_variant(folder, part) for part in parts} == {"fp16"} else None


def read_json(path: Path) -> dict[str, Any]:
    """A config file of the folder."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"model.path: cannot read {path}: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"model.path: {path} is not a JSON object")
    return value


def weights_digest(folder: Path, parts: Sequence[str]) -> str:
    """32 hex digits of the content of the parts' safetensors files; read once a process."""
    files = sorted(file for part in parts for file in (folder / part).glob("*.safetensors"))
    stats = [(file, file.stat()) for file in files]
    return _digest(folder, tuple((file, s.st_size, s.st_mtime_ns) for file, s in stats))


@cache
def _digest(folder: Path, files: tuple[tuple[Path, int, int], ...]) -> str:
    whole = hashlib.blake2b(digest_size=16)
    for file, _, _ in files:
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, hashlib.blake2b).hexdigest()
        whole.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return whole.hexdigest()


def _variant(folder: Path, part: str) -> str | None:
    names = [file.name for file in (folder / part).glob("*.safetensors")]
    if any(".fp16." not in name for name in names):
        return None
    if names:
        return "fp16"
    if any((folder / part).glob("*.bin")):
        raise UsageError(
            f"model.path: {folder / part} has only .bin weights, which can run code when loaded; "
            "save the model with safe_serialization=True"
        )
    raise UsageError(f"model.path: {folder / part} has no safetensors weights")


def _download(model_id: str, revision: str | None) -> Path:
    from diffusers import DiffusionPipeline

    try:
        folder = DiffusionPipeline.download(
            model_id, revision=revision, use_safetensors=True, safety_checker=None
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(f"model.path: {model_id}: cannot get it from the hub: {reason}") from error
    return Path(folder)
