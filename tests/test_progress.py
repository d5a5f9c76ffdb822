"""What a person sees of a run."""

from __future__ import annotations

import io

from rich.console import Console

from pipeline.engine.tally import Tally
from pipeline.progress import Log, idle, progress, progress_line, summary
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


def test_a_line_of_progress_tells_percent_rate_and_time_left() -> None:
    tally = Tally(1, expected_rows=400, rows=100, written=190, dead=10)
    assert progress_line(tally, 50) == (
        "25 %, 100 images, 190 edits, 10 dead letters, 2.00 images/s, about 0:02:30 left"
    )
    assert progress_line(Tally(1), 5) == "0 images, 0 edits, 0 dead letters"


def test_a_log_has_few_lines() -> None:
    lines: list[str] = []
    log = Log(lines.append)
    for rows in range(1000):
        log(Tally(1, rows=rows))
    assert len(lines) == 1
