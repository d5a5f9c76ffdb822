"""The commands as a person types them: help, mistakes that get one clear line, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.datasets import catalogue, photo, settings

COMMANDS = ["run", "plan", "preview", "verify", "report", "config", "evaluate", "dead", "demo"]
COMMANDS += ["remove", "init", "review", "export", "import-model", "runs"]


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def diffedit(monkeypatch, capfd) -> Callable[..., Said]:
    """`diffedit("run", file, …)` in this process."""

    def call(*arguments: object) -> Said:
        from pipeline.cli import main

        monkeypatch.setattr(sys, "argv", ["diffedit", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        handler = signal.getsignal(signal.SIGTERM)
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            signal.signal(signal.SIGTERM, handler)
        return Said(code, *capfd.readouterr())

    return call


@pytest.fixture
def config_file(tmp_path, tiny_model) -> Path:
    """A config on a small catalogue; its output is tmp_path/out."""
    source = catalogue(tmp_path / "in")
    config = settings(source, tmp_path / "out", tiny_model)
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    return file


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(diffedit, command) -> None:
    said = diffedit(command, "--help")
    assert said.code == 0
    assert len(said.out.splitlines()) > 5


def test_help_tells_the_exit_codes(diffedit) -> None:
    out = diffedit("--help").out
    assert all(command in out for command in COMMANDS)
    assert "130" in out


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["mask.treshold=0.4"], "mask.treshold: unknown key; allowed: noise_maps"),
        (["input.path=s3://no-such-bucket-here/x", "S3"], "s3://no-such-bucket-here/x: cannot"),
        (["input.path=/nowhere/at/all"], "/nowhere/at/all: cannot read the input: no such file"),
        (["input.path=EMPTY"], "EMPTY"),
        (["prompts={type: column, target: wish}"], "wish"),
        (["output.path=/proc/nothing/here"], "/proc/nothing/here: cannot write the output"),
        (["model.path=/no/model"], "model.path: /no/model: no such folder"),
        (["input.type=parquet"], "parquet"),
    ],
    ids=["key", "bucket", "folder", "empty", "column", "permission", "model", "format"],
)
def test_a_mistake_is_one_clear_line(
    diffedit, config_file, overrides, said, tmp_path, moto
) -> None:
    (tmp_path / "EMPTY").mkdir()
    overrides = [o.replace("EMPTY", str(tmp_path / "EMPTY")) for o in overrides]
    if "S3" in overrides:
        overrides = [*overrides[:-1], f"input.storage={{endpoint_url: '{moto.endpoint_url}'}}"]
    got = diffedit("run", config_file, "--local", *overrides)
    assert got.code == 2, got
    lines = [line for line in got.err.splitlines() if line.startswith("error")]
    assert len(lines) == 1, got.err
    assert said in lines[0]
    assert "Traceback" not in got.err


def test_plan_run_verify_report_preview(diffedit, config_file, tmp_path) -> None:
    plan = diffedit("plan", config_file)
    assert plan.code == 0
    assert "a yellow mug" in plan.out
    assert not (tmp_path / "out").exists(), "plan writes nothing"
    run = diffedit("run", config_file, "--local")
    assert (run.code, "planned 34 = written 28 + dead 6" in run.out) == (0, True), run
    again = diffedit("run", config_file, "--local")
    assert (again.code, "nothing to do" in again.out) == (0, True)
    assert diffedit("verify", tmp_path / "out").code == 0
    assert diffedit("report", tmp_path / "out").code == 0
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
    sheet = tmp_path / "sheet.png"
    assert diffedit("preview", config_file, "-n", 3, "--out", sheet).code == 0
    assert sheet.read_bytes().startswith(b"\x89PNG")
    victim = next((tmp_path / "out" / "edits").glob("*-r0-*.parquet"))
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    broken = diffedit("verify", tmp_path / "out")
    assert broken.code == 1
    assert victim.name in broken.err


def test_dead_letters_are_listed_shown_and_replayed(diffedit, config_file, tmp_path) -> None:
    assert diffedit("run", config_file, "--local", "input.max_pixels=5000").code == 0
    out = tmp_path / "out"
    listed = diffedit("dead", "list", out).out
    assert "too_large" in listed
    assert "not_an_image" in listed
    shown = json.loads(diffedit("dead", "show", out, "00008").out)
    assert shown["error_kind"] == "no_colour"
    assert diffedit("dead", "show", out, "nobody").code == 2
    again = diffedit("dead", "replay", out, "input.max_pixels=9000", "--kind", "too_large")
    assert again.code == 0, again
    assert "too_large" not in diffedit("dead", "list", out).out
    verified = diffedit("verify", out)
    assert (verified.code, "planned 34, written 28, dead 6" in verified.out) == (0, True), verified
    idle = diffedit("dead", "replay", out, "--kind", "too_large")
    assert (idle.code, "no dead letter" in idle.out) == (0, True)


def test_letters_that_no_replay_can_mend_are_told(diffedit, config_file, tmp_path) -> None:
    shard = tmp_path / "in" / "shard-01.tar"
    shard.write_bytes(shard.read_bytes()[:20_000])
    assert diffedit("run", config_file, "--local").code == 0
    said = diffedit("dead", "replay", tmp_path / "out", "--kind", "nothing_like_it")
    assert said.code == 0
    assert "letters of the stage read that stay: 1;" in said.out


def test_a_second_writer_is_refused(diffedit, config_file, tmp_path) -> None:
    from pipeline.config_file import load
    from pipeline.sinks.lease import writing
    from pipeline.sinks.output import open_output

    with writing(open_output(load(config_file))):
        said = diffedit("run", config_file, "--local")
    assert said.code == 2
    assert str(os.getpid()) in said.err


def test_config_prints_defaults_and_schema(diffedit, config_file) -> None:
    said = diffedit("config", config_file, "mask.threshold=0.3")
    assert yaml.safe_load(said.out)["mask"]["threshold"] == 0.3
    assert "RunConfig" in json.loads(diffedit("config", "--schema").out)["title"]
    assert diffedit("config").code == 2


def test_a_caption_column_that_is_not_there_is_told(diffedit, config_file, tmp_path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "pq").mkdir()
    pq.write_table(
        pa.table({"image": [photo(1)], "title": ["a red mug"]}), tmp_path / "pq/a.parquet"
    )
    source = f"input={{type: parquet, path: {tmp_path / 'pq'}}}"
    said = diffedit("run", config_file, "--local", source)
    assert said.code == 2
    assert "caption" in said.err
    assert "title" in said.err


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_resumes(diffedit, config_file, tmp_path, stop) -> None:
    command = "from pipeline.cli import main; main()"
    slow = ["edit.steps=20", "run.chunk_rows=1"]
    arguments = ["run", str(config_file), "--local", *slow]
    process = subprocess.Popen(
        [sys.executable, "-c", command, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts its background jobs with Ctrl-C ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    commits = tmp_path / "out" / "_state/commits"
    while not list(commits.rglob("*.json")) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(stop)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "the same command goes on" in err
    assert "Traceback" not in err
    done = len(list(commits.rglob("*.json")))
    assert 0 < done < 18
    assert diffedit(*arguments).code == 0
    assert diffedit("verify", tmp_path / "out").code == 0
    assert len(list(commits.rglob("*.json"))) == 18


def test_an_edit_is_removed_for_good(diffedit, config_file, tmp_path) -> None:
    import pyarrow.parquet as pq

    assert diffedit("run", config_file, "--local").code == 0
    out = tmp_path / "out"
    name = pq.read_table(out / "edits", columns=["id"])["id"][0].as_py()
    said = diffedit("remove", out, name, "nobody")
    assert (said.code, "removed: 1" in said.out) == (2, True), said
    assert "no edit or dead letter nobody" in said.err
    assert diffedit("remove", out, name).code == 0
    assert "nothing to do" in diffedit("run", config_file, "--local").out
    verified = diffedit("verify", out)
    assert (verified.code, "written 27, dead 6, removed 1" in verified.out) == (0, True), verified


def test_a_replay_keeps_the_columns_of_its_output(diffedit, config_file, tmp_path) -> None:
    assert diffedit("run", config_file, "--local", "input.max_pixels=5000").code == 0
    for override in ("check.scores=[edit_change]", "output.formats=[parquet]"):
        said = diffedit("dead", "replay", tmp_path / "out", override)
        assert (said.code, "it cannot change" in said.err) == (2, True), said
