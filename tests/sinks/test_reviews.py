"""Decisions beside the commits: later ones win, and nothing hostile gets in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UsageError
from pipeline.sinks import edits, reviews
from pipeline.sinks.output import Output
from pipeline.sinks.verify import verify
from tests.report.outputs import edit, write_output


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return write_output(tmp_path / "out", [[edit(n) for n in range(4)]])


def review(output: Output, decisions: dict[str, str], **more: Any) -> reviews.Review:
    said = {"format": "diffedit-review-1", "run": output.run, "decisions": decisions, **more}
    return reviews.parse("decisions.json", json.dumps(said).encode())


def test_later_ones_win_and_commits_stay(output: Output) -> None:
    known = sorted(edits.ids(output))
    before = {p: p.read_bytes() for p in Path(output.path).rglob("*") if p.is_file()}
    first, second, third, _ = known
    said, unknown = reviews.store(
        output, review(output, {first: "approved", second: "rejected", "gone-1": "approved"}), known
    )
    assert (said["approved"], said["rejected"], unknown) == (1, 1, 1)
    assert reviews.verdicts(output) == {first: "approved", second: "rejected"}
    reviews.store(output, review(output, {first: "rejected", third: "approved"}), known)
    reviews.store(output, review(output, {second: "undecided"}), known)
    assert reviews.verdicts(output) == {first: "rejected", third: "approved"}
    assert {p: p.read_bytes() for p in before} == before
    assert len(list((Path(output.path) / reviews.FOLDER).iterdir())) == 3
    reviews.store(output, review(output, {first: "rejected"}), known)
    assert len(list((Path(output.path) / reviews.FOLDER).iterdir())) == 3
    assert not verify(output).problems


def test_another_runs_decisions_are_refused(output: Output) -> None:
    with pytest.raises(UsageError, match="are of run 00000000"):
        reviews.store(output, review(output, {}, run="00000000"), [])


FORM = '"format": "diffedit-review-1", "run": "0123abcd"'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{",
        "\x00",
        "[" * 100_000,
        '{"decisions": ' * 10_000,
        f'{{{FORM}}}',
        f'{{{FORM}, "decisions": []}}',
        f'{{{FORM}, "decisions": {{"../../x": "approved"}}}}',
        f'{{{FORM}, "decisions": {{"a": "yes"}}}}',
        f'{{{FORM}, "decisions": {{"a": ["approved"]}}}}',
        f'{{{FORM}, "decisions": {{"a": true}}}}',
        f'{{{FORM}, "decisions": {{"{"a" * 101}": "approved"}}}}',
        f'{{{FORM}, "decisions": {{}}, "__proto__": {{}}}}',
        f'{{{FORM}, "decisions": {{"a\\n": "approved"}}}}',
        '{"format": "diffedit-review-2", "run": "0123abcd", "decisions": {}}',
        '{"format": "diffedit-review-1", "run": "../x", "decisions": {}}',
    ],
)  # fmt: skip
def test_hostile_json_is_refused_in_a_line(text: str) -> None:
    with pytest.raises(UsageError, match="no review as the report page saves it") as error:
        reviews.parse("decisions.json", text.encode())
    assert len(str(error.value).splitlines()) == 1 and len(str(error.value)) < 400
    assert str(error.value).isprintable()


def test_bytes_that_are_no_text_and_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no review"):
        reviews.parse("x", b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot read the decisions"):
        reviews.load(tmp_path / "none.json")
    with pytest.raises(UsageError, match="cannot read the decisions"):
        reviews.load(tmp_path)
