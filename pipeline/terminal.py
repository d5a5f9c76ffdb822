"""What the commands share: where they print, and arguments that many take. Knows no command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from pipeline.errors import RunError

console = Console()
complaints = Console(stderr=True)

Overrides = Annotated[
    list[str] | None, typer.Argument(help="key.path=value …, over the file.", metavar="[KEY=VALUE]")
]
Folder = Annotated[
    str, typer.Argument(help="Output folder, or s3://, gs:// or abfs:// prefix.", metavar="DIR")
]
Endpoint = Annotated[str | None, typer.Option(help="S3 server of an s3:// DIR; unset: AWS.")]

Json = Annotated[
    bool, typer.Option("--json", help="The last line of stdout is the answer as one JSON document.")
]


@contextmanager
def answering(wanted: bool) -> Iterator[dict[str, Any]]:
    """Prints what was put into the document as one line of JSON at the end, where it is wanted.

    Of a command that fails with a RunError the document is `exit_code` and `error`, its message.
    """
    document: dict[str, Any] = {}
    try:
        yield document
    except RunError as error:
        if wanted:
            print_line(json.dumps({"exit_code": error.exit_code, "error": str(error)}))
        raise
    if wanted:
        print_line(json.dumps(document))


def print_line(text: str) -> None:
    """At once, whoever reads it, and as it is."""
    print(text, flush=True)


def tell(problems: list[str]) -> None:
    """A line of complaint for each."""
    for problem in problems:
        complaints.print(f"[red]problem[/] {escape(problem)}", soft_wrap=True)
