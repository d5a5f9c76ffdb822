"""The command on models: `import-model`. Knows no stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.terminal import console


def import_model(
    file: Annotated[Path, typer.Argument(help="A .safetensors checkpoint.", metavar="FILE")],
    out: Annotated[Path, typer.Argument(help="Folder to make.", metavar="OUT")],
    base: Annotated[Path, typer.Option(help="Folder of the model that it was tuned from.")],
) -> None:
    """Make a model folder of a single-file checkpoint, offline; what it lacks is the base's.

    Example: diffedit import-model juggernaut.safetensors --base sdxl-base juggernaut
    """
    from pipeline.models._single_file import make_folder
    from pipeline.section import variants

    with console.status(f"reading {file} …") as status:
        digest = make_folder(file, base, out, variants("models"), status.update)
    console.print(f"model folder: {out} (weights {digest})", markup=False, soft_wrap=True)
