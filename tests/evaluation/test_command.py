"""`diffedit evaluate` as a person types it, and what holds for every protocol."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.evaluation import names
from pipeline.evaluation._protocol import STATUSES, protocol
from tests.evaluation import layouts
from tests.evaluation.conftest import QUICK

ROOT = Path(__file__).parents[2]


@pytest.fixture
def evaluate(monkeypatch, capfd):
    """`evaluate("scenes", …)`: exit code, output, complaints."""

    def call(*arguments: object) -> tuple[int, str, str]:
        from pipeline.cli import main

        monkeypatch.setattr(sys, "argv", ["diffedit", "evaluate", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            for number, handler in zip((signal.SIGTERM, signal.SIGINT), handlers, strict=True):
                signal.signal(number, handler)
        return code, *capfd.readouterr()

    return call


@pytest.mark.parametrize("name", names())
def test_every_protocol_is_whole(name) -> None:
    found = protocol(name)
    assert found.status in STATUSES
    columns = [column.name for column in found.every]
    assert len(set(columns)) == len(columns)
    assert found.ranked_by in columns
    assert {c.needs for c in (*found.columns, *found.of_set) if c.needs} <= set(found.networks)
    for row in found.published:
        assert set(row.values) <= set(columns), row
    for column in found.combined:
        assert set(column.of) <= set(columns)
    assert found.comparable.endswith(".")


def test_the_page_names_every_protocol() -> None:
    page = (ROOT / "docs/evaluation.md").read_text()
    for name in names():
        row = re.search(rf"^\| `{name}` \| ([a-z ]+) \|", page, re.MULTILINE)
        assert row, name
        assert row[1] == protocol(name).status


def test_a_benchmark_in_one_command(evaluate, judges, tiny_model, tmp_path) -> None:
    data = layouts.pie_bench(tmp_path / "pie")
    (tmp_path / "run.yaml").write_text(
        yaml.safe_dump({**QUICK, "model": {"type": "stable_diffusion", "path": str(tiny_model)}})
    )
    weights = [part for role, path in judges.items() for part in ("--weights", f"{role}={path}")]
    arguments = ["pie_bench", tmp_path / "run.yaml", "edit.steps=3", "--data", data, "--rows", 2]
    arguments += ["--output", tmp_path / "out", "--local", "--strict", *weights]
    code, out, err = evaluate(*arguments)
    assert code == 0, err
    assert "without paste-back" in out
    wanted = {"metrics.json", "table.md", "page.html", "scores-none.csv", "scores-feather.csv"}
    assert wanted <= {path.name for path in (tmp_path / "out").iterdir()}
    page = (tmp_path / "out/page.html").read_text()
    assert "data:image/webp" in page
    assert "<script" not in page
    again = evaluate(*arguments)
    assert (again[0], again[1] == out) == (0, True), "what is edited is not edited again"


@pytest.mark.parametrize(
    ("name", "layout"), [("pie_bench", layouts.pie_bench), ("semantic_aware", layouts.plain)]
)
def test_a_benchmark_runs_with_ray_as_without(ray_here, bench, tmp_path, name, layout) -> None:
    data = layout(tmp_path / "data")
    none = dict.fromkeys(protocol(name).networks, "/no/network")  # they judge the same way in both
    here = bench(name, data, rows=1, weights=none, output=tmp_path / "here")
    there = bench(name, data, rows=1, weights=none, output=tmp_path / "there", local=False)
    assert here["rows"]["none"]["edits"] == 1
    assert here["rows"] == there["rows"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["beauty"], "no protocol 'beauty'; there are: dream_edit_bench"),
        (["pie_bench"], "--data: missing"),
        (["pie_bench", "--data", "/nowhere"], "--data: /nowhere: no such folder"),
        (["scenes", "edit.step=3"], "edit.step: unknown key"),
        (["scenes", "/no/file.yaml"], "/no/file.yaml: cannot read it"),
        (["scenes", "--edits", "/nowhere"], "--edits: /nowhere: no such folder"),
        (
            ["scenes", "--output", "s3://bucket/x"],
            "--output: s3:/bucket/x: an evaluation",
        ),
        (["pie_bench", "--weights", "clip"], "--weights clip: expected NAME=FOLDER"),
        (["pie_bench", "--data", "/", "--weights", "x=y"], "--weights x: pie_bench has no such"),
    ],
)
def test_a_mistake_is_one_clear_line(evaluate, tmp_path, arguments, said) -> None:
    output = () if "--output" in arguments else ("--output", tmp_path / "out")
    code, _, err = evaluate(*arguments, "--local", *output)
    assert code == 2, err
    assert said in err
    assert "Traceback" not in err


def test_hostile_prompts_stay_text(bench, tmp_path) -> None:
    case = layouts.cases(1)[0]
    layouts.picture(tmp_path / "a.png", case, 64)
    evil = '<script>alert(1)</script> | a "mug" {{ 7*7 }}'
    layouts.lines(
        tmp_path / "records.jsonl",
        [{"image": "a.png", "source_prompt": "a mug", "target_prompt": evil, "group": "<b>|x"}],
    )
    layouts.mask_file(tmp_path / "m.png", case.true_region(64))
    bench("semantic_aware", tmp_path, output=tmp_path / "out")
    page = (tmp_path / "out/page.html").read_text()
    assert "<script" not in page
    assert "{{" not in page.replace("{{ 7*7 }}", "")
    assert "<b>|x" not in (tmp_path / "out/table.md").read_text()
