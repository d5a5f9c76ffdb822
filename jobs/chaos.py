"""Strikes runs at random moments and shows that nothing is lost and nothing done twice.

    python -m jobs.chaos --kills 30

Alternates killing the driver, the model's actor, the node and a task with stalls, in which another
run takes over and the first then wakes, and with lying listings; on local disk and, unless --no-s3,
on a real S3 server behind a proxy that makes 10 % of requests fail. Exit 1 if anything is
lost, doubled or different, or if a run ended without one line that says why. --nights grows,
replaces and shrinks a folder between kills of the driver. --submitted strikes nothing: three
nights by `ray job submit` on a head and two workers, over a folder that grows. For the repository
only: it uses the tests' datasets and S3 server.
"""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.chaos.campaign import Campaign, Outcome
from tests.chaos.nights import Nights
from tests.chaos.submitted import nights as submitted_nights
from tests.s3_server import NoServer, serving

console = Console(soft_wrap=True, highlight=False)


def main(
    kills: Annotated[int, typer.Option(help="How many strikes.", min=1)] = 30,
    seed: Annotated[int, typer.Option(help="Of parts, moments and faults.")] = 0,
    s3: Annotated[bool, typer.Option(help="Every other round on an S3 server.")] = True,
    nights: Annotated[bool, typer.Option(help="Of runs over a folder that changes.")] = False,
    submitted: Annotated[bool, typer.Option(help="Three nights as jobs of a cluster.")] = False,
) -> None:
    """Strike runs, resume them, count."""
    if submitted:
        _submitted()
        return
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        try:
            with serving(Path(folder) / "s3") if s3 else nullcontext() as server:
                endpoint = server.endpoint_url if server else None
                outcome = (_nights if nights else _strikes)(Path(folder), seed, endpoint, kills)
        except NoServer as error:
            raise typer.BadParameter(f"{error}; or give --no-s3") from error
    for problem in outcome.problems:
        console.print(f"problem: {problem}")
    console.print(f"strikes: {dict(outcome.kills)}; different pictures: {outcome.different}")
    console.print(outcome.line())
    if not outcome.sound():
        raise typer.Exit(1)


def _submitted() -> None:
    with tempfile.TemporaryDirectory(prefix="nights-") as folder:
        problems = submitted_nights(Path(folder), console.print)
    for problem in problems:
        console.print(f"problem: {problem}")
    if problems:
        raise typer.Exit(1)


def _strikes(folder: Path, seed: int, endpoint: str | None, kills: int) -> Outcome:
    return Campaign(folder, seed, endpoint, console.print).run(kills)


def _nights(folder: Path, seed: int, endpoint: str | None, kills: int) -> Outcome:
    (folder / "nights").mkdir()
    return Nights(folder / "nights", seed, endpoint, console.print).run(kills)


if __name__ == "__main__":
    typer.run(main)
