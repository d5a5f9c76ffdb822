"""`--json`: the last line of stdout is one JSON document, of the schema that stands here."""

from __future__ import annotations

import io
import json
import signal
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from pipeline import terminal
from pipeline.cli import main
from tests.datasets import catalogue, settings

INTEGER = {"type": "integer", "minimum": 0}
NUMBER = {"type": "number", "minimum": 0}
TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}
COUNTS = dict.fromkeys(
    ("planned", "written", "rejected", "dead", "removed", "passed", "rows", "chunks"), INTEGER
)
SECONDS = {"model_seconds": NUMBER, "idle_seconds": NUMBER}
CODEC = {"codec_seconds": NUMBER, "bytes_read": INTEGER}
BY_KIND = {"type": "object", "patternProperties": {"^(read|plan|edit|check)/": INTEGER}}
MAYBE = {"type": ["string", "null"]}
BY_BOUND = {"type": "object", "additionalProperties": INTEGER}
LIMIT = {"type": ["number", "null"]}
MONEY = {"type": ["number", "null"]}


def schema(**properties: Any) -> dict[str, Any]:
    """Of an object with exactly these keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def maybe(kind: dict[str, Any]) -> dict[str, Any]:
    """Or null."""
    return {"anyOf": [kind, {"type": "null"}]}


RUN = schema(
    output=TEXT,
    **COUNTS,
    **SECONDS,
    **CODEC,
    gone=INTEGER,
    bytes=INTEGER,
    evaluations=INTEGER,
    dead_by_kind=BY_KIND,
    rejected_by=BY_BOUND,
    files_passed_over=INTEGER,
    stopped={"enum": [None, "run.max_hours", "run.max_edits"]},
)
PLAN = schema(
    **dict.fromkeys(("shards", "shards_done", "bytes", "rows", "edits"), INTEGER),
    **dict.fromkeys(("tries", "passed", "dead", "evaluations"), INTEGER),
    exact={"type": "boolean"},
    written=INTEGER,
    model_seconds={"type": ["number", "null"]},
    gpu=maybe(schema(gpu=TEXT, tflop=NUMBER, hours=NUMBER, cpus=INTEGER, money=MONEY)),
    measured=maybe(
        schema(
            device=TEXT,
            **dict.fromkeys(("images", "edits", "evaluations"), INTEGER),
            **dict.fromkeys(("model_seconds", "codec_seconds", "bytes"), NUMBER),
            evaluations_a_second=NUMBER,
        )
    ),
)
VERIFY = schema(**COUNTS, problems=TEXTS, warnings=TEXTS)
ENTRY = schema(
    **dict.fromkeys(("id", "begin", "host", "fingerprint", "code_version", "message"), TEXT),
    **COUNTS,
    **SECONDS,
    end=MAYBE,
    pid=INTEGER,
    outcome={"enum": ["done", "stopped", "failed", "refused", "interrupted", "no end"]},
    exit_code={"type": ["integer", "null"]},
    gone=INTEGER,
    bytes=INTEGER,
    codec_seconds={"type": ["number", "null"]},
    bytes_read={"type": ["integer", "null"]},
    evaluations={"type": ["integer", "null"]},
    foretold=maybe(schema(evaluations=INTEGER, bytes=INTEGER, model_seconds=MONEY)),
)
RUNS = schema(runs={"type": "array", "items": ENTRY})
DEAD = schema(letters=INTEGER, by_kind=BY_KIND, problems=TEXTS)
RECHECK = schema(
    output=TEXT,
    dry_run={"type": "boolean"},
    keep={"type": "object", "additionalProperties": schema(min=LIMIT, max=LIMIT)},
    **dict.fromkeys(("chunks", "to_rejected", "to_written", "written", "rejected"), INTEGER),
    rejected_by=BY_BOUND,
    without_pictures=INTEGER,
)
FAILED = schema(exit_code=INTEGER, error=TEXT)


def said(*arguments: object) -> tuple[int, list[str]]:
    """Exit code and lines of stdout of a command, in this process."""
    out = io.StringIO()
    context = pytest.MonkeyPatch.context()
    with context as patch, redirect_stdout(out), pytest.raises(SystemExit) as end:
        patch.setattr(sys, "argv", ["diffedit", *map(str, arguments)])
        patch.setattr(terminal.console, "_file", out)
        patch.setattr(signal, "signal", lambda *_: None)
        main()
    return int(end.value.code or 0), out.getvalue().splitlines()


def answer(expected: dict[str, Any], code: int, *arguments: object) -> Any:
    """The document, valid."""
    got, lines = said(*arguments, "--json")
    document = json.loads(lines[-1])
    jsonschema.validate(document, expected)
    assert got == code
    return document


@pytest.fixture(scope="module")
def config(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("json")
    made = settings(catalogue(folder / "in", 1), folder / "out", tiny_model)
    file = folder / "run.yaml"
    file.write_text(yaml.safe_dump(made.model_dump(mode="json")))
    return file


def test_each_command_answers_for_machines(config: Path) -> None:
    out = config.parent / "out"
    plan = answer(PLAN, 0, "plan", config)
    assert (plan["rows"], plan["shards"], plan["exact"]) == (9, 1, True)
    run = answer(RUN, 0, "run", config, "--local", "--log")
    assert run["planned"] == run["written"] + run["dead"] == plan["edits"] + plan["dead"]
    assert answer(VERIFY, 0, "verify", out)["written"] == run["written"]
    (entry,) = answer(RUNS, 0, "runs", out)["runs"]
    assert (entry["outcome"], entry["written"]) == ("done", run["written"])
    dead = answer(DEAD, 0, "dead", "list", out)
    assert dead["letters"] == run["dead"] and dead["by_kind"] == run["dead_by_kind"]


def test_a_run_that_a_cap_stops_says_so(config: Path, tmp_path: Path) -> None:
    capped = ("run", config, f"output.path={tmp_path}/out", "run.max_edits=1", "--local")
    assert answer(RUN, 0, *capped)["stopped"] == "run.max_edits"
    code, lines = said(*capped)
    assert code == 0 and "stopped at run.max_edits; the same command goes on" in lines
    (*_, entry) = answer(RUNS, 0, "runs", tmp_path / "out")["runs"]
    assert (entry["outcome"], entry["message"]) == ("stopped", "run.max_edits")


def test_a_run_with_bounds_then_a_recheck_then_the_run_again(config: Path) -> None:
    """The output remembers its bounds: what is done anew after them is by them too."""
    out = config.parent / "bounded"
    run = ("run", config, f"output.path={out}", "check.keep.mask_area.max=0.0001", "--local")
    first = answer(RUN, 0, *run)
    assert first["planned"] == first["written"] + first["rejected"] + first["dead"]
    assert first["rejected"] == first["rejected_by"]["mask_area"] > 0
    dry = answer(RECHECK, 0, "recheck", out, "check.keep.mask_area=null", "--dry-run")
    assert (dry["to_written"], dry["keep"]) == (first["rejected"], {})
    bound = "check.keep.mask_area={min: 0.0001}"
    moved = answer(RECHECK, 0, "recheck", out, bound)
    assert (moved["to_written"], moved["to_rejected"]) == (first["rejected"], first["written"])
    assert moved["keep"] == {"mask_area": {"min": 0.0001, "max": None}}
    again = said(*run)[1]
    assert "in force since `diffedit recheck`: mask_area min 0.0001" in again, again
    assert answer(RECHECK, 0, "recheck", out)["chunks"] == 0
    for part in (out / "_state" / "commits").rglob("00001-r*.json"):
        part.unlink()
    assert answer(RUN, 0, *run)["chunks"] == 1
    found = answer(VERIFY, 0, "verify", out)
    assert not found["problems"] and not found["warnings"]
    for name in ("planned", "written", "dead"):
        assert found[name] == moved.get(name, first[name])
    assert answer(FAILED, 2, "recheck", out, "check.keep.texture_kept.min=1")["exit_code"] == 2


def test_a_command_that_fails_answers_too(config: Path, tmp_path: Path) -> None:
    failed = answer(FAILED, 2, "run", config, f"input.path={tmp_path}/nowhere", "--local")
    assert failed["exit_code"] == 2 and "nowhere" in failed["error"]
    answer(FAILED, 2, "runs", tmp_path)
