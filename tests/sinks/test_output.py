from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.sinks.output import begin, existing_output, open_output, refuse_nested
from tests.sinks.tables import made, run_config


def test_a_run_goes_on_in_its_own_folder(tmp_path: Path) -> None:
    config = run_config(str(tmp_path / "new" / "out"))
    first = made(config, {"model_id": "tiny"})
    assert open_output(config, {"model_id": "tiny"}) == begin(first) == first
    read = existing_output(str(tmp_path / "new" / "out"))
    assert (read.fingerprint, read.settings, read.run) == (
        first.fingerprint,
        first.settings,
        first.run,
    )
    assert pickle.loads(pickle.dumps(first)) == first


def test_the_output_of_another_config_is_refused_with_the_difference(tmp_path: Path) -> None:
    path = str(tmp_path / "out")
    made(run_config(path), {"weights_hash": "aa"})
    other = run_config(path, mask={"threshold": 0.4}, run={"chunk_rows": 4, "limit": 5})
    with pytest.raises(UsageError) as refused:
        open_output(other, {"weights_hash": "bb"})
    lines = str(refused.value).splitlines()
    assert path in lines[0] and "nothing is done there: remove it and go on" in lines[0]
    assert lines[1:] == [
        '  mask.threshold: "auto" → 0.4',
        '  model weights_hash: "aa" → "bb"',
        "  run.limit: null → 5",
    ]


def test_of_two_runs_that_begin_at_once_one_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "out")
    first, second = (open_output(run_config(path, run={"seed": seed})) for seed in (1, 2))
    begin(first)
    with pytest.raises(UsageError, match=r"run.seed: 1 → 2"):
        begin(second)
    assert existing_output(path).settings["run"]["seed"] == 1


def test_one_input_is_one_run_wherever_the_command_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    here = open_output(run_config("out", input={"path": "in"}))
    assert here.run == open_output(run_config("elsewhere", input={"path": "in"})).run
    monkeypatch.chdir(tmp_path / "b")
    assert here.run != open_output(run_config("out", input={"path": "in"})).run


def test_what_does_not_change_results_may_change(tmp_path: Path) -> None:
    path = str(tmp_path / "out")
    made(run_config(path))
    made(run_config(path, run={"chunk_rows": 4, "actors": 3}))


def test_looking_makes_nothing(tmp_path: Path) -> None:
    open_output(run_config(str(tmp_path / "out")))
    assert not list(tmp_path.iterdir())


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(UsageError, match=r"not empty \(it has holiday.jpg\)"):
        open_output(run_config(str(tmp_path)))
    with pytest.raises(UsageError, match=r"no _state/run.json there"):
        existing_output(str(tmp_path))


@pytest.mark.parametrize("name", ["run.json", "_state/run.json"])
@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"format": 1})])
def test_a_damaged_or_older_run_json_is_told(tmp_path: Path, content: str, name: str) -> None:
    (tmp_path / "_state").mkdir()
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=r"run.json: not "):
        existing_output(str(tmp_path))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (
            "/sys/diffedit-out",
            "write the output: permission denied; check the folder's owner and mode",
        ),
        ("/dev/null/out", "look at the output: Not a directory"),
    ],
)
def test_no_way_to_write_is_one_clear_line(path: str, reason: str) -> None:
    with pytest.raises(UsageError) as refused:
        made(run_config(path))
    assert str(refused.value) == f"{path}: cannot {reason}"


@pytest.mark.parametrize(
    ("source", "out", "refused"),
    [
        ("in", "in", True),
        ("in", "in/out", True),
        ("in", "in/../in/deep/out", True),
        ("in", "link/out", True),
        ("link", "in/out", True),
        ("link", "in", True),
        ("in/deep", "in", True),
        ("in/deep/a.tar", "in", True),
        ("in/*/*.tar", "in/out", True),
        ("in/**", "in/out", True),
        ("in/*.tar", "in", True),
        ("in/*.tar", "in/out", False),
        ("in/a.tar", "in/out", False),
        ("in", "in-edited", False),
        ("in", "in/../out", False),
        ("s3://b/in", "s3://b/in/out", True),
        ("s3://b/in/", "s3://b/in", True),
        ("s3://b/in/x", "s3://b", True),
        ("s3://b/in", "s3://b/in-edited", False),
        ("s3://b/in", "in/out", False),
    ],
)
def test_an_output_in_the_input_or_around_it_is_refused(
    tmp_path: Path, source: str, out: str, refused: bool
) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "in")
    source, out = (p if p.startswith("s3:") else f"{tmp_path}/{p}" for p in (source, out))
    config = run_config(out, input={"path": source})
    if not refused:
        refuse_nested(config)
        return
    with pytest.raises(UsageError) as said:
        refuse_nested(config)
    assert source in str(said.value) and out in str(said.value)


def test_buckets_of_one_name_on_two_servers_are_two(tmp_path: Path) -> None:
    there = {"path": "s3://b/in", "storage": {"endpoint_url": "http://other"}}
    refuse_nested(run_config("s3://b/in/out", input=there))
