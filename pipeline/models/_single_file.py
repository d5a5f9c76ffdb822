"""A checkpoint of one file → a folder in the diffusers format. Offline; knows no family.

What the file lacks (mostly text encoders) is the base's, a folder of the model that it was tuned
from. Names are converted by diffusers' own functions; its `from_single_file` is not used, for it
leaves what a file lacks at random, without a word.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from diffusers.loaders import single_file_utils as names
from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline.errors import UsageError
from pipeline.models import _auto, _family, _folder, _weights
from pipeline.models._parts import Part, Settings
from pipeline.section import check

Tensors = dict[str, Tensor]
_AUTOENCODER = ("first_stage_model.", "vae.")
_CLIP = {
    "text_encoder": (
        "cond_stage_model.transformer.",
        "conditioner.embedders.0.transformer.",
        "text_encoders.clip_l.transformer.",
    ),
    "text_encoder_2": ("text_encoders.clip_g.transformer.",),
}
_OPEN_CLIP = {
    "text_encoder": "cond_stage_model.model.",
    "text_encoder_2": "conditioner.embedders.1.model.",
}
# Files as ComfyUI and other trainers write them say so by an empty tensor.
_V, _ZERO_SNR = "v_pred", "ztsnr"


def make_folder(
    file: Path, base: Path, out: Path, kinds: Mapping[str, Any], tell: Callable[[str], None]
) -> str:
    """Writes `out`, whole or not at all, and returns the digest of its weights.

    `kinds` are the families' configs by name; `tell` is told what is being done. Raises UsageError,
    in one line, where the file is no such checkpoint or of another network than the base.
    """
    tensors = _read(file)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already; name a new folder")
    if not base.is_dir():
        raise UsageError(f"--base: there is no folder {base}")
    family = _said(base, kinds)["type"]
    found = _family.read(base, import_module(f"pipeline.models._{family}").FAMILY)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        unfinished.chmod(0o755)
        _fill(unfinished, found, file, tensors, tell)
        tell("checking the folder …")
        digest = _checked(kinds, unfinished, file, base)
        unfinished.replace(out)
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{out}: cannot be written: {_folder.first_line(error)}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return digest


def _read(file: Path) -> Tensors:
    if file.suffix != ".safetensors":
        raise UsageError(
            f"{file}: expected a .safetensors file; pickled ones (.ckpt, .pt) can run code"
        )
    try:
        _folder.refuse_pointer(file)
        return load_file(file)
    except UsageError as error:
        raise UsageError(str(error).removeprefix("model.path: ")) from error
    except (OSError, SafetensorError, ValueError) as error:
        raise UsageError(f"{file}: cannot be read: {_folder.first_line(error)}") from error


def _fill(
    out: Path, found: _family.Found, file: Path, tensors: Tensors, tell: Callable[[str], None]
) -> None:
    _copy_words(out, found, tensors)
    for part in found.parts:
        settings = found.settings[part.name]
        converted = _converted(part, settings, tensors, file)
        (out / part.name).mkdir()
        if converted is None:
            tell(f"{part.name}: of {found.folder} …")
            for source in part.files(found.folder):
                shutil.copy(source, out / part.name)
        else:
            tell(f"{part.name}: of {file} …")
            shutil.copy(found.folder / part.name / "config.json", out / part.name)
            target = out / part.name / f"{part.weights}.safetensors"
            save_file(_fitting(part, settings, converted, file), target, {"format": "pt"})


def _copy_words(out: Path, found: _family.Found, tensors: Tensors) -> None:
    """All that is no network."""
    shutil.copy(found.folder / "model_index.json", out)
    for name in ("scheduler", *found.tokens):
        shutil.copytree(found.folder / name, out / name)
    if _V in tensors:
        path = out / "scheduler" / "scheduler_config.json"
        said = _folder.read_json(path) | {"prediction_type": "v_prediction"}
        if _ZERO_SNR in tensors:
            said |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
        path.write_text(json.dumps(said, indent=2))


def _converted(part: Part, settings: Settings, tensors: Tensors, file: Path) -> Tensors | None:
    """What the file has of a part, named as diffusers names it; None where it has nothing."""
    if part.config:
        return _texts(part, settings, tensors)
    if part.name == "vae" and not any(name.startswith(_AUTOENCODER) for name in tensors):
        return None
    expected = part.empty(settings).state_dict()
    if set(expected) <= set(tensors):
        return tensors
    try:
        known: Any = SINGLE_FILE_LOADABLE_CLASSES
        convert = known[part.kind.__name__]["checkpoint_mapping_fn"]
        converted: Tensors = convert(checkpoint=dict(tensors), config=settings)
    except Exception as error:  # of a library, about a file that may hold anything
        reason = f"{type(error).__name__} {_folder.first_line(error)}"
        raise UsageError(f"{file}: holds no {part.kind.__name__} known here ({reason})") from error
    return converted


def _texts(part: Part, settings: Settings, tensors: Tensors) -> Tensors | None:
    if part.kind.__name__.startswith("T5"):
        return _below("text_encoders.t5xxl.transformer.", tensors)
    for place in _CLIP.get(part.name, ()):
        if found := _below(place, tensors):
            # What reads CLIP-L without a projection has the same as through none.
            return {"text_projection.weight": torch.eye(settings["hidden_size"]), **found}
    place = _OPEN_CLIP.get(part.name, "")
    if not place or not any(name.startswith(place) for name in tensors):
        return None
    convert: Any = names.convert_open_clip_checkpoint
    opened: Tensors = convert(part.empty(settings), tensors, prefix=place)
    return opened


def _below(prefix: str, tensors: Tensors) -> Tensors | None:
    start = len(prefix)
    found = {name[start:]: value for name, value in tensors.items() if name.startswith(prefix)}
    return found or None


def _fitting(part: Part, settings: Settings, converted: Tensors, file: Path) -> Tensors:
    """Each tensor that the base's config asks for, of its shape, and no other."""
    # transformers names CLIP's with "text_model." before or without, by its version.
    given = {name.removeprefix("text_model."): value for name, value in converted.items()}
    fitting: Tensors = {}
    for name, empty in part.empty(settings).state_dict().items():
        value = given.pop(name.removeprefix("text_model."), None)
        if _weights.counted(name) or (value is None and part.spare and name.endswith(part.spare)):
            continue
        if value is None or value.shape != empty.shape:
            has = "nothing" if value is None else f"{tuple(value.shape)}"
            raise UsageError(
                f"{file}: its {part.name} is of another network than --base: of {name} it has "
                f"{has}, expected {tuple(empty.shape)}"
            )
        fitting[name] = value.contiguous()
    more = [name for name in given if not _weights.counted(name)]
    if more and not part.config:
        raise UsageError(f"{file}: its {part.name} has more than the one of --base, as {more[0]}")
    return fitting


def _checked(kinds: Mapping[str, Any], folder: Path, file: Path, base: Path) -> str:
    """The digest. Raises UsageError as a run would, with the names that the user knows."""
    said = _said(folder, kinds)
    try:
        return str(check(kinds[said["type"]].model_validate(said)))
    except UsageError as error:
        reason = str(error).removeprefix("model.path: ").replace(str(folder), "its folder")
        raise UsageError(f"{file} makes no model with {base}: {reason}") from error


def _said(folder: Path, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """The model section of a run with this folder."""
    said: dict[str, Any] = _auto.completed({"model": {"path": str(folder)}}, kinds)["model"]
    return said
