"""What a person sees of a run."""

from __future__ import annotations

import io

from rich.console import Console

from pipeline.engine.tally import Tally
from pipeline.progress import idle, progress, summary
from tests.sinks.tables import run_config


def test_the_models_idle_share_is_shown() -> None:
    tally = Tally(1, chunks=1, rows=8, planned=8, written=8, model_seconds=95, idle_seconds=5)
    assert idle(tally) == "model idle 5 %"
    assert "model idle 5 %" in summary(run_config("out"), tally).splitlines()
    screen = io.StringIO()
    with progress(Console(file=screen, force_terminal=True, width=200)) as watch:
        watch(tally)
    assert "model idle 5 %" in screen.getvalue()


def test_a_model_that_did_not_work_is_not_spoken_of() -> None:
    assert idle(Tally(1)) == "" and "idle" not in summary(run_config("out"), Tally(1, chunks=1))
