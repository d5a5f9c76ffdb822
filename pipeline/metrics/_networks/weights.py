"""Where a judging network's weights are: a folder, a file, or a Hugging Face id. Loads nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

SAFE, OLD = "*.safetensors", "pytorch_model.bin"


class MissingWeights(Exception):
    """Weights are not here and cannot be fetched; the message is one line that says what to do."""


def folder(place: str, option: str) -> Path:
    """The folder of a transformers model: `place` itself, or the hub's copy of that id.

    `option` is how a person says where it is ("--weights clip"). Raises MissingWeights.
    """
    path = Path(place).expanduser()
    if path.is_dir():
        if (path / "config.json").is_file():
            return path
        raise _missing(option, f"{place} has no config.json; expected a transformers folder")
    if re.fullmatch(r"[\w.-]+/[\w.-]+", place) and not place.startswith("."):
        return _from_hub(place, option)
    raise _missing(option, f"{place}: no such folder, and not a Hugging Face id (owner/name)")


def file(place: str, option: str, name: str, url: str) -> Path:
    """The file `name`: `place` itself, in the folder `place`, or ('torch') in torch's hub cache.

    `option` as for `folder`. Raises MissingWeights.
    """
    if place != "torch":
        path = Path(place).expanduser()
        path = path / name if path.is_dir() else path
        if path.is_file():
            return path
        raise _missing(option, f"no file {path}; fetch {url}")
    return _from_torch(option, name, url)


def _from_hub(model: str, option: str) -> Path:
    said = "it has no weights"
    for weights, local in ((SAFE, True), (OLD, True), (SAFE, False), (OLD, False)):
        try:
            found = _snapshot(model, weights, local)
        except Exception as error:  # each version of the client raises other kinds
            said = _first_line(error)
            continue
        if any(found.glob(weights)):
            return found
    raise _missing(
        option,
        f"{model} is not in the cache and cannot be fetched ({said}); where there is a "
        f"network run `hf download {model}` and give the folder: {option}=FOLDER",
    )


def _snapshot(model: str, weights: str, local: bool) -> Path:
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.txt", weights]
    return Path(snapshot_download(model, allow_patterns=patterns, local_files_only=local))


def loaded(kind: Any, folder: Path, **options: Any) -> Any:
    """`kind.from_pretrained(folder)`, every weight of it from the folder.

    Raises MissingWeights where one lacks: transformers would draw it at random.
    """
    model, info = kind.from_pretrained(
        folder, local_files_only=True, output_loading_info=True, **options
    )
    lacking = sorted(map(str, [*info["missing_keys"], *info["mismatched_keys"]]))
    if lacking:
        raise MissingWeights(
            f"{folder} is not a {kind.__name__}: {len(lacking)} of its weights are missing or of "
            f"another shape, {lacking[0]} among them"
        )
    return model


def _from_torch(option: str, name: str, url: str) -> Path:
    import torch

    cached = Path(torch.hub.get_dir()) / "checkpoints" / name
    if cached.is_file():
        return cached
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(cached), _digest(name), progress=False)
    except Exception as error:  # urllib's and the file system's own kinds
        raise _missing(
            option,
            f"{name} is not in {cached.parent} and cannot be fetched "
            f"({_first_line(error)}); download {url} and give the file: {option}=FILE",
        ) from error
    return cached


def _digest(name: str) -> str | None:
    """The start of a file's SHA-256, which torchvision puts at the end of its name."""
    found = re.search(r"-([0-9a-f]{8})\.pth$", name)
    return found[1] if found else None


def _missing(option: str, reason: str) -> MissingWeights:
    return MissingWeights(f"{option.removeprefix('--weights ')}: {reason}")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:120]
