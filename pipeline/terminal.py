"""What the commands share: where they print, and arguments that many take. Knows no command."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

console = Console()
complaints = Console(stderr=True)

Overrides = Annotated[
    list[str] | None, typer.Argument(help="key.path=value …, over the file.", metavar="[KEY=VALUE]")
]
Folder = Annotated[str, typer.Argument(help="Output folder or s3:// prefix.", metavar="DIR")]
Endpoint = Annotated[str | None, typer.Option(help="S3 server of an s3:// DIR; unset: AWS.")]


def tell(problems: list[str]) -> None:
    """A line of complaint for each."""
    for problem in problems:
        complaints.print(f"[red]problem[/] {escape(problem)}", soft_wrap=True)
