"""Best of k: whole chunks through plan, edit and check, with a tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyroaring import BitMap

from pipeline.engine.estimate import estimate
from pipeline.engine.run import run
from pipeline.engine.todo import read
from pipeline.section import build
from pipeline.sinks import dead
from pipeline.sinks.commits import read_commits
from pipeline.sinks.output import existing_output
from pipeline.sinks.part import write_part
from pipeline.sinks.replay import load
from pipeline.sinks.verify import verify
from pipeline.stages import Check, Edit, Plan
from pipeline.stages import edit as stage
from tests.datasets import catalogue, settings

Row = dict[str, Any]
VARIANTS = {
    "tries": 3,
    "by": "edit_change",
    "encoding_ratio": {"min": 0.5, "max": 1},
    "mask_threshold": [0.3, 0.35],
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return catalogue(tmp_path_factory.mktemp("tries") / "in", shards=1, per_shard=6)


def made(source: Path, out: Path, model: Path, variants: Row | None, **more: Any) -> list[Row]:
    """Rows of results; `more` are sections, and `edit` adds to the edit's."""
    edit = {"steps": 4, "variants": variants, **more.pop("edit", {})}
    config = settings(source, out, model, edit=edit, **more)
    edit_, plan, check = Edit(config), Plan(config), Check(config)
    shards = build(config.input).listing().shards
    tables = [check(edit_(plan(t))) for s in shards for t in read(config, s, BitMap())]
    return pa.concat_tables(tables).replace_schema_metadata(None).to_pylist()


def pictures(rows: list[Row]) -> dict[tuple[str, str], tuple[Any, ...]]:
    told = ("edited", "mask", "seed", "variant", "encoding_ratio", "mask_threshold", "rank")
    return {(row["key"], row["edit"]): tuple(row[name] for name in told) for row in rows}


def test_the_best_by_a_score_is_kept_and_says_so(
    source: Path, tmp_path: Path, tiny_model: Path
) -> None:
    best = made(source, tmp_path / "a", tiny_model, VARIANTS)
    everything = made(source, tmp_path / "b", tiny_model, {**VARIANTS, "keep": 3})
    assert [row["edit"] for row in everything[:6]] == [
        "red", "red~2", "red~3", "blue", "blue~2", "blue~3",
    ]  # fmt: skip
    assert len(everything) == 3 * len(best) and {row["planned"] for row in everything} == {6}
    for first in range(0, len(everything), 3):
        tried = everything[first : first + 3]
        assert {row["variant"] for row in tried} == {0, 1, 2}
        assert [row["rank"] for row in tried] == [1, 2, 3]
        scores = [row["score_edit_change"] for row in tried]
        assert scores == sorted(scores, reverse=True) and len(set(scores)) > 1
        assert len({row["encoding_ratio"] for row in tried}) == 3
        assert len({row["seed"] for row in tried}) == 3
        assert {row["tries"] for row in tried} == {3}
    names = {(row["key"], row["edit"]) for row in best}
    assert pictures(best) == {k: v for k, v in pictures(everything).items() if k in names}
    drawn = {(r["key"], r["variant"], r["encoding_ratio"], r["seed"]) for r in everything}
    assert len(drawn) == 3 * 6, "all targets of an image have the same tries"


def test_it_does_not_depend_on_what_shares_the_batch(
    source: Path, tmp_path: Path, tiny_model: Path
) -> None:
    together = made(source, tmp_path / "a", tiny_model, VARIANTS, run={"chunk_rows": 4})
    alone = made(source, tmp_path / "b", tiny_model, VARIANTS, run={"chunk_rows": 1})
    colours = {"type": "recolor", "colours": ["blue", "red"]}
    turned = made(source, tmp_path / "c", tiny_model, VARIANTS, prompts=colours)
    assert pictures(alone) == pictures(together) == pictures(turned)


def test_what_a_bound_refuses_comes_last_and_a_lower_score_may_be_the_better(
    source: Path, tmp_path: Path, tiny_model: Path
) -> None:
    free = made(source, tmp_path / "a", tiny_model, {**VARIANTS, "keep": 3})
    most = sorted(row["score_edit_change"] for row in free)[len(free) // 2]
    keep = {"keep": {"edit_change": {"max": most}}}
    rows = made(source, tmp_path / "b", tiny_model, VARIANTS, check=keep)
    for row in rows:
        tried = [
            other["score_edit_change"]
            for other in free
            if (other["key"], other["edit"].partition("~")[0]) == (row["key"], row["edit"])
        ]
        within = [score for score in tried if score <= most]
        assert row["score_edit_change"] == max(within or tried)
        assert (row["error_kind"] == "rejected") == (not within)


def test_plan_counts_what_the_edits_cost(
    source: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent, states, original = list[int](), set[str](), stage.diffedit

    def counted(*arguments: Any) -> Any:
        result = original(*arguments)
        spent.append(result.cost.evaluations)
        states.update(edited.state for edited in result.edits)
        return result

    monkeypatch.setattr(stage, "diffedit", counted)
    variants = {**VARIANTS, "mask_threshold": [0.35, 0.4], "keep": 2}
    edit = {"steps": 4, "variants": variants}
    told = estimate(settings(source, tmp_path / "out", tiny_model, edit=edit))
    made(source, tmp_path / "out", tiny_model, variants)
    assert states == {"partial"}, "where nothing is found nothing is denoised"
    assert (told.evaluations, told.exact) == (sum(spent), True)
    assert (told.rows, told.edits, told.tries) == (6, 24, 36)
    assert ("tries", "36 (3 an edit, kept 2 by edit_change)") in told.facts()


@pytest.mark.parametrize("exact", [False, True])
def test_recolouring_with_tries(
    source: Path, tmp_path: Path, tiny_model: Path, exact: bool
) -> None:
    """An exact colour needs of the model its mask alone, so tries differ in that."""
    navy = {"name": "navy", "hex": "#1f2a44"}
    prompts = {"type": "recolor", "colours": [navy] if exact else ["navy"]}
    edit = {"paste_back": "recolor"}
    rows = made(source, tmp_path / "a", tiny_model, VARIANTS, prompts=prompts, edit=edit)
    for row in rows:
        assert row["error_kind"] is None and row["tries"] == 3 and row["mask_threshold"]
        assert (row["encoding_ratio"] is None) == exact and (row["colour"] is None) != exact
    assert len({row["variant"] for row in rows}) > 1


def test_every_planned_edit_ends_once_and_dead_letters_run_again(
    tmp_path: Path, tiny_model: Path
) -> None:
    """A try is no planned edit: what is planned is what is to be kept."""
    folder = catalogue(
        tmp_path / "in", shards=1, per_shard=9
    )  # one is no picture, one has no colour
    variants = {**VARIANTS, "keep": 2}
    config = settings(
        folder,
        tmp_path / "out",
        tiny_model,
        edit={"steps": 2, "variants": variants},
        check={"keep": {"edit_change": {"min": 26}}},
    )
    tally = run(config, local=True, verbose=False, watch=lambda _: None)
    assert tally.planned == 7 * 2 * 2 + 4 + 1 == tally.written + tally.rejected + tally.dead
    output = existing_output(str(tmp_path / "out"))
    assert not verify(output).problems
    letters = [row for part in dead.read(output) for row in part.to_pylist()]
    assert sorted(str(row["edit"]) for row in letters) == ["None", "blue", "blue~2", "red", "red~2"]
    before = next(c for c in read_commits(output) if "edit/not_an_image" in c.dead_by_kind)
    _, planned = load(output, before, ("not_an_image",))
    assert [edit["rank"] for edit in planned.to_pylist()[0]["edits"]] == [1, 2, 1, 2]
    after = write_part(output, Check(config)(Edit(config)(planned)), before)
    assert after.dead == before.dead and not verify(output).problems
