"""Whole runs: with Ray and without, once more, interrupted, in other orders, into used folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.errors import Held, TooManyDead, UsageError
from pipeline.sinks.lease import writing
from pipeline.sinks.ledger import runs
from pipeline.sinks.output import open_output
from tests.datasets import catalogue, photo, rows, settings, write_tar


def pictures(rows):
    return {
        name: (row.get("edited"), row.get("mask"), row.get("error_kind"), row.get("seed"))
        for name, row in rows.items()
    }


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return catalogue(tmp_path_factory.mktemp("catalogue"))


@pytest.fixture(scope="module")
def reference(source, tiny_model, tmp_path_factory) -> Path:
    """The output of one local run of `source`."""
    from pipeline.engine.run import run

    out = tmp_path_factory.mktemp("reference") / "out"
    run(settings(source, out, tiny_model), local=True, verbose=False, watch=lambda _: None)
    return out


def test_each_planned_edit_ends_once(reference, results) -> None:
    rows = results(reference)
    dead = {name: row["error_kind"] for name, row in rows.items() if row.get("error_kind")}
    # 18 images × 2 colours; rows 8 and 17 have no colour word (one dead letter each instead of
    # two edits), rows 6 and 13 are no pictures (each of their two edits is a dead letter).
    assert len(rows) == 18 * 2 - 2
    assert sorted(dead.values()) == ["no_colour"] * 2 + ["not_an_image"] * 4
    edited = [row for row in rows.values() if row.get("mask_state")]
    assert {row["mask_state"] for row in edited} >= {"partial"}
    assert all(row["weights"] and row["fingerprint"] for row in edited)


def test_ray_and_local_give_the_same_bytes(
    ray_here, source, reference, tiny_model, tmp_path, edit, results
) -> None:
    tally = edit(settings(source, tmp_path / "out", tiny_model), local=False)
    assert (tally.rows, tally.planned, tally.written, tally.dead) == (18, 34, 28, 6)
    assert pictures(results(tmp_path / "out")) == pictures(results(reference))


def test_a_mistake_that_only_the_model_finds_comes_through_ray(
    ray_here, source, tmp_path, edit
) -> None:
    with pytest.raises(UsageError) as said:
        edit(settings(source, tmp_path / "out", "/no/model"), local=False)
    assert str(said.value) == (
        "model.path: /no/model: no such folder, and not a Hugging Face id (owner/name)"
    )


def test_a_second_run_does_nothing(reference, source, tiny_model, edit, results) -> None:
    before = {p: p.stat().st_mtime_ns for p in reference.rglob("*") if p.is_file()}
    assert edit(settings(source, reference, tiny_model)).chunks == 0
    after = {p: p.stat().st_mtime_ns for p in reference.rglob("*") if p.is_file()}
    (more,) = after.keys() - before.keys()
    assert more.parent == reference / "_state" / "runs"  # but for the record that it ran
    assert before == {p: time for p, time in after.items() if p != more}


def test_what_was_killed_before_it_was_published_is_published_by_the_next(
    source, reference, tiny_model, tmp_path, edit
) -> None:
    out = tmp_path / "out"
    shutil.copytree(reference, out)
    (out / "_state" / "unpublished").touch()
    for name in ("README.md", "webdataset/index.json"):
        (out / name).write_text("of an earlier day")
    assert edit(settings(source, out, tiny_model)).chunks == 0
    for name in ("README.md", "webdataset/index.json"):
        assert (out / name).read_bytes() == (reference / name).read_bytes()
    assert not (out / "_state" / "unpublished").exists()


def test_a_run_goes_on_where_another_was_killed(
    source, reference, tiny_model, tmp_path, edit, results
) -> None:
    config = settings(source, tmp_path / "out", tiny_model)
    edit(config)
    records = sorted((tmp_path / "out" / "_state/commits").rglob("*.json"))
    for record in records[1::2]:
        record.unlink()  # a run that was killed after its files, before its record
    part = next((tmp_path / "out" / "edits").glob("*-00000-r0-*.parquet"))
    part.with_name(f"{part.stem[:-12]}0badf00d0bad.parquet").write_bytes(b"half")
    tally = edit(config)
    assert tally.chunks == len(records[1::2])
    assert pictures(results(tmp_path / "out")) == pictures(results(reference))


@pytest.mark.parametrize("bound", [{"chunk_rows": 3}, {"chunk_bytes": 20_000}])
def test_chunks_and_order_change_no_row(
    source, reference, tiny_model, tmp_path, edit, results, bound
) -> None:
    backwards = tmp_path / "in"
    for s in range(2):
        write_tar(backwards / f"shard-{s:02d}.tar", rows(9, s * 9)[::-1])
    other = settings(backwards, tmp_path / "out", tiny_model, run=bound)
    assert edit(other).chunks > 4
    found, expected = results(tmp_path / "out"), results(reference)
    assert found.keys() == expected.keys()
    for name, row in expected.items():
        # The names that the pictures have are the run's own.
        assert (found[name].get("mask") or {}).get("bytes") == (row.get("mask") or {}).get("bytes")
        assert found[name].get("error_kind") == row.get("error_kind")
        assert_close(found[name].get("edited"), row.get("edited"))


def assert_close(one, other) -> None:
    """Pictures equal but for rounding: at most 1 of 255, which a float's last bit can tip."""
    import io

    import numpy as np
    from PIL import Image

    if one is None or other is None:
        assert one is other
        return
    a, b = (np.asarray(Image.open(io.BytesIO(p["bytes"]))).astype(int) for p in (one, other))
    assert np.abs(a - b).max() <= 1


def test_another_config_is_refused_with_the_difference(reference, source, tiny_model, edit) -> None:
    other = settings(source, reference, tiny_model, mask={"noise_maps": 3})
    with pytest.raises(UsageError, match=r"mask\.noise_maps: 2 → 3"):
        edit(other)


def test_only_what_is_new_is_done(tiny_model, tmp_path, edit, results) -> None:
    folder = catalogue(tmp_path / "in", shards=1)
    config = settings(folder, tmp_path / "out", tiny_model)
    assert edit(config).rows == 9
    write_tar(folder / "shard-07.tar", rows(3, 100))
    assert edit(config).rows == 3
    write_tar(folder / "shard-00.tar", rows(5, 50))  # replaced: other keys are other images
    tally = edit(config)
    assert (tally.rows, tally.gone) == (5, 9)
    write_tar(folder / "shard-00.tar", rows(5, 48))
    assert edit(config).rows == 2


def test_too_many_dead_letters_stop_the_run(source, tiny_model, tmp_path, edit) -> None:
    config = settings(source, tmp_path / "out", tiny_model, run={"max_dead_share": 0.1})
    with pytest.raises(TooManyDead, match=r"not_an_image \(4\)"):
        edit(config)


def test_a_small_night_is_judged_with_those_before_it(tiny_model, tmp_path, edit) -> None:
    bad, good = (("a", b"not a picture", "a green mug"), ("b", photo(1), "a green mug"))
    folder = tmp_path / "in"

    def night(number: int, *members) -> int:
        write_tar(folder / f"{number}.tar", members)
        config = settings(folder, tmp_path / "out", tiny_model, run={"max_dead_share": 0.3})
        return edit(config).dead

    write_tar(folder / "first.tar", [good])
    assert night(1, good, ("c", photo(2), "a green mug")) == 0
    assert night(2, bad) == 2  # of 8
    with pytest.raises(TooManyDead, match="6 of 12 planned edits of this run and the 2 before it"):
        night(3, bad, ("d", b"nor this", "a green mug"))
    assert night(4, good) == 0


def test_a_run_beside_another_is_told_as_refused(source, tiny_model, tmp_path, edit) -> None:
    config = settings(source, tmp_path / "out", tiny_model)
    with writing(open_output(config)), pytest.raises(Held, match="another run is writing"):
        edit(config)
    assert edit(config).chunks
    told = [run.outcome for run in runs(open_output(config))]
    assert told == ["refused", "done"]


@pytest.mark.parametrize("scheme", ["oss"])
def test_a_place_that_was_never_tried_is_refused(
    scheme, source, tiny_model, tmp_path, edit
) -> None:
    there = f"{scheme}://bucket/data"
    for config in (settings(there, tmp_path, tiny_model), settings(source, there, tiny_model)):
        with pytest.raises(UsageError, match=f"only local paths, s3://.*{scheme}:// is not"):
            edit(config)


def test_an_output_in_the_way_is_refused(source, tiny_model, tmp_path, edit) -> None:
    (tmp_path / "thesis.doc").write_text("precious")
    with pytest.raises(UsageError, match=r"thesis\.doc"):
        edit(settings(source, tmp_path, tiny_model))


@pytest.mark.parametrize(
    "damage",
    [
        lambda model: (model / "tokenizer" / "tokenizer.json").unlink(),
        lambda model: (model / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"cut"),
        lambda model: (model / "scheduler" / "scheduler_config.json").write_text("{}"),
    ],
    ids=["vocabulary", "weights", "scheduler"],
)
def test_a_damaged_model_is_one_line_before_anything_is_read(
    ray_here, tiny_model, tmp_path, edit, damage
) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    (model / "tokenizer" / "vocab.json").unlink()
    damage(model)
    folder = catalogue(tmp_path / "in", shards=1)
    config = settings(folder, tmp_path / "out", model)
    for tar in folder.iterdir():  # whoever reads past the first member meets an error
        tar.write_bytes(tar.read_bytes()[:2048] + b"\xff" * 512)
    said = []
    for local in (True, False):
        with pytest.raises(UsageError) as caught:
            edit(config, local=local)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert said[0].startswith("model.path: ") and str(model) in said[0] and "\n" not in said[0]
    assert not list((tmp_path / "out").glob("_state/commits/**/*.json"))


def test_the_machines_of_a_cluster_check_the_model(
    ray_here, tiny_model, tmp_path, monkeypatch
) -> None:
    from pipeline.engine import flow

    monkeypatch.setattr(flow, "_alone", lambda: False)
    flow.check_model(settings(tmp_path, tmp_path, tiny_model))
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    shutil.rmtree(model / "vae")
    with pytest.raises(Exception) as caught:
        flow.check_model(settings(tmp_path, tmp_path, model))
    said = flow.explained(caught.value)
    assert type(said) is UsageError
    assert (
        str(said) == f"model.path: there is no {model}/vae/config.json; get the whole model again"
    )


def test_weights_that_were_replaced_are_refused_before_reading(tmp_path, edit) -> None:
    from tests.tiny import make_folder

    model = make_folder(tmp_path / "model")
    source = catalogue(tmp_path / "in", shards=1)
    config = settings(source, tmp_path / "out", model)
    edit(config)
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    make_folder(tmp_path / "another", seed=1)
    shutil.rmtree(model)
    shutil.move(tmp_path / "another", model)
    write_tar(source / "shard-07.tar", rows(3, 100))
    with pytest.raises(UsageError, match=r"other weights .*\n  model weights: \w{32} → \w{32}$"):
        edit(config)
    after = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert {p: after[p] for p in before if "leases" not in str(p)} == {
        p: data for p, data in before.items() if "leases" not in str(p)
    }


def test_a_leftover_is_swept_by_a_run_that_has_nothing_else_to_do(
    source, tiny_model, tmp_path, edit
) -> None:
    config = settings(source, tmp_path / "out", tiny_model)
    edit(config)
    part = next((tmp_path / "out" / "edits").glob("*-00000-r0-*.parquet"))
    leftover = part.with_name(f"{part.stem[:-12]}0badf00d0bad.parquet")
    leftover.write_bytes(b"half")
    assert edit(config).chunks == 0
    assert part.exists() and not leftover.exists()
