"""A folder that grows, changes and shrinks: only what is new is done, on disk and on S3."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config_file import parse
from pipeline.engine.estimate import estimate
from pipeline.engine.outlook import outlook
from pipeline.engine.run import run
from pipeline.engine.tally import Tally
from pipeline.errors import RunError, UsageError
from pipeline.report import write_report
from pipeline.section import build
from pipeline.sinks.commits import read_commits
from pipeline.sinks.ledger import runs
from pipeline.sinks.lists import freeze
from pipeline.sinks.output import existing_output, open_output
from pipeline.sinks.remove import remove
from pipeline.sinks.verify import verify
from pipeline.storage import Storage, connect
from tests.datasets import photo, settings, write_tar

NEW = ("as_of", "members", "passed_ordinals")
"""Keys of a record that came with lists."""


@dataclass
class Shop:
    """A catalogue folder and what was edited of it."""

    place: str
    storage: Storage
    model: Path

    def put(self, name: str, seed: int, caption: str = "a green mug") -> None:
        stem = name.rpartition(".")[0]
        self.write(name, photo(seed))
        self.write(f"{stem}.txt", caption.encode())

    def write(self, name: str, data: bytes) -> None:
        fs, root = connect(f"{self.place}/in", self.storage)
        fs.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
        fs.pipe_file(f"{root}/{name}", data)

    def drop(self, *names: str) -> None:
        fs, root = connect(f"{self.place}/in", self.storage)
        for name in names:
            fs.rm_file(f"{root}/{name}")

    def config(self, **run: Any) -> Any:
        return settings(
            f"{self.place}/in",
            f"{self.place}/out",
            self.model,
            input={"type": "folder", "storage": self.storage.model_dump()},
            output={"storage": self.storage.model_dump()},
            run={"chunk_rows": 3, "max_dead_share": 1, **run},
        )

    def night(self, **more: Any) -> Tally:
        return run(self.config(**more), local=True, verbose=False, watch=lambda _: None)

    def rows(self) -> dict[str, int]:
        """Key → edits, of what any reader of the records or of the folder finds."""
        output = existing_output(f"{self.place}/out", self.storage.endpoint_url)
        found = verify(output)
        assert found.problems == [] and found.warnings == []
        counts: Counter[str] = Counter()
        names: list[str] = []
        for commit in read_commits(output):
            for file in [*commit.files_of("edits"), *commit.files_of("dead")]:
                with output.fs.open(f"{output.root}/{file.path}") as part:
                    table = pq.read_table(part, columns=["id", "shard", "key"])
                counts.update(table["key"].to_pylist())
                names += table["id"].to_pylist()
        assert len(set(names)) == len(names)
        return dict(counts)

    def pictures(self) -> dict[tuple[str, str], bytes]:
        output = existing_output(f"{self.place}/out", self.storage.endpoint_url)
        found = {}
        for commit in read_commits(output):
            for file in commit.files_of("edits"):
                with output.fs.open(f"{output.root}/{file.path}") as part:
                    for row in pq.read_table(part).to_pylist():
                        found[row["key"], row["edit"]] = row["edited"]["bytes"]
        return found


@pytest.fixture(params=["local", "s3"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, tiny_model: Path) -> Shop:
    if request.param == "local":
        return Shop(str(tmp_path), Storage(), tiny_model)
    moto = request.getfixturevalue("moto")
    return Shop(f"s3://input/{tmp_path.name}", moto, tiny_model)


@pytest.fixture
def here(tmp_path: Path, tiny_model: Path) -> Shop:
    return Shop(str(tmp_path), Storage(), tiny_model)


def counts(tally: Tally) -> tuple[int, int, int, int]:
    return tally.rows, tally.planned, tally.written, tally.gone


def four(shop: Shop) -> None:
    for number in range(4):
        shop.put(f"{number}.png", number)


def test_one_picture_more_is_edited_alone(shop: Shop) -> None:
    four(shop)
    assert counts(shop.night()) == (4, 8, 8, 0)
    before = shop.pictures()
    shop.put("0a.png", 9)  # it sorts among the others
    assert estimate(shop.config()).rows == 1
    assert counts(shop.night()) == (1, 2, 2, 0)
    assert shop.rows() == dict.fromkeys(("0.png", "0a.png", "1.png", "2.png", "3.png"), 2)
    assert {k: v for k, v in shop.pictures().items() if k[0] != "0a.png"} == before
    assert shop.night().chunks == 0


def test_a_replaced_picture_is_refused_and_nothing_is_changed(shop: Shop) -> None:
    four(shop)
    shop.night()
    before = shop.pictures()
    shop.put("1.png", 17)
    shop.put("4.png", 4)
    with pytest.raises(UsageError, match=r"1 pictures changed .*1\.png.*run\.changed=again"):
        shop.night()
    assert shop.pictures() == before


def test_a_replaced_picture_takes_the_place_of_its_old_edits(shop: Shop) -> None:
    four(shop)
    shop.night()
    before = shop.pictures()
    shop.put("1.png", 17)
    assert counts(shop.night(changed="again")) == (1, 2, 2, 0)
    after = shop.pictures()
    assert {k for k in before if before[k] != after[k]} == {("1.png", "red"), ("1.png", "blue")}
    assert shop.rows() == dict.fromkeys(("0.png", "1.png", "2.png", "3.png"), 2)
    assert shop.night(changed="again").chunks == 0
    shop.put("1.png", 1)
    shop.night(changed="again")
    assert shop.pictures() == before


def test_another_caption_is_another_version(shop: Shop) -> None:
    four(shop)
    shop.night()
    shop.write("2.txt", b"a mug of no colour")
    tally = shop.night(changed="again")
    assert (tally.rows, tally.planned, tally.written, tally.dead) == (1, 1, 0, 1)
    assert shop.rows() == {"0.png": 2, "1.png": 2, "2.png": 1, "3.png": 2}


def test_a_touch_changes_nothing(shop: Shop) -> None:
    four(shop)
    shop.night()
    before = shop.pictures()
    time.sleep(0.01)
    four(shop)
    assert shop.night().chunks == 0
    assert shop.pictures() == before
    assert shop.night().chunks == 0


@pytest.mark.parametrize(("gone", "left"), [("keep", 2), ("drop", 0)])
def test_a_picture_that_went(shop: Shop, gone: str, left: int) -> None:
    four(shop)
    shop.night()
    shop.drop("3.png", "3.txt", "0.png", "0.txt")
    tally = shop.night(gone=gone)
    assert (tally.chunks, tally.gone) == (0, 2)
    assert shop.rows() == {
        k: n for k, n in {"0.png": left, "1.png": 2, "2.png": 2, "3.png": left}.items() if n
    }
    assert shop.night(gone=gone).gone == 2
    four(shop)
    assert shop.night(gone=gone).gone == 0
    assert shop.rows() == dict.fromkeys(("0.png", "1.png", "2.png", "3.png"), 2)


def test_a_renamed_picture_is_gone_and_new(shop: Shop) -> None:
    four(shop)
    shop.night()
    shop.drop("3.png", "3.txt")
    shop.put("new.png", 3)
    assert counts(shop.night()) == (1, 2, 2, 1)
    assert shop.rows() == dict.fromkeys(("0.png", "1.png", "2.png", "3.png", "new.png"), 2)


def test_each_run_is_in_the_ledger(here: Shop) -> None:
    four(here)
    here.night()
    here.put("1.png", 17)
    with pytest.raises(UsageError):
        here.night()
    here.night(changed="again")
    here.night()
    output = existing_output(f"{here.place}/out")
    told = [(run.outcome, run.exit_code, run.rows, run.written) for run in runs(output)]
    assert told == [("done", 0, 4, 8), ("failed", 2, 0, 0), ("done", 0, 1, 2), ("done", 0, 0, 0)]
    first, refused, *_ = runs(output)
    assert first.model_seconds > 0 and first.bytes > 10_000 and first.end
    assert first.end >= first.begin and "1.png" in refused.message
    here.night(keep_runs=2)
    assert len(list(runs(output))) == 2
    assert "Runs</h2>" in Path(write_report(output, [], 4).removeprefix("file://")).read_text()


def test_a_folder_more_and_a_folder_gone(here: Shop) -> None:
    four(here)
    here.put("cups/a.png", 5)
    assert here.night().written == 10
    here.drop("cups/a.png", "cups/a.txt")
    here.put("lamps/b.png", 6)
    assert counts(here.night(gone="drop")) == (1, 2, 2, 1)
    assert here.rows() == dict.fromkeys(("0.png", "1.png", "2.png", "3.png", "b.png"), 2)


def test_a_table_that_grows(here: Shop) -> None:
    line = '{{"file_name": "{0}.png", "caption": "{1}"}}\n'.format
    for number in range(3):
        here.write(f"{number}.png", photo(number))
    table = "".join(line(n, ["a red mug", "a green cup"][n % 2]) for n in range(3))
    here.write("metadata.jsonl", (table + line("late", "a green mug")).encode())
    first = here.night()
    assert (first.rows, first.dead) == (4, 1)  # the table names a picture that is not there
    here.write("late.png", photo(7))
    here.write("3.png", photo(3))
    here.write(
        "metadata.jsonl", (line(3, "a blue cup") + table + line("late", "a green mug")).encode()
    )
    tally = here.night()
    assert (tally.rows, tally.planned, tally.dead) == (2, 3, 0)
    assert here.rows() == {"0.png": 1, "1.png": 2, "2.png": 1, "late.png": 2, "3.png": 1}


def test_many_captions_of_one_picture(here: Shop) -> None:
    four(here)
    here.write("0.json", b'{"caption": ["a green mug", "a yellow mug"]}')
    here.drop("0.txt")
    assert here.night().rows == 5
    here.write("0.json", b'{"caption": ["a green mug"]}')
    here.write("1.json", b'{"caption": ["a green mug", "a yellow mug", "a black mug"]}')
    here.drop("1.txt")
    assert here.night(changed="again").rows == 4
    assert here.rows() == {
        "0.png": 2,
        "1.png": 2,
        "1.png#2": 2,
        "1.png#3": 2,
        "2.png": 2,
        "3.png": 2,
    }


def test_what_was_removed_for_good_stays_removed(here: Shop) -> None:
    four(here)
    here.night()
    output = existing_output(f"{here.place}/out")
    ids = [p.name for p in Path(output.root, "edits").glob("*.parquet")]
    assert ids
    names = [
        row["id"]
        for commit in read_commits(output)
        for file in commit.files_of("edits")
        for row in pq.read_table(f"{output.root}/{file.path}").to_pylist()
        if row["key"] == "1.png" and row["edit"] == "red"
    ]
    remove(output, names)
    here.put("1.png", 17)
    here.night(changed="again")
    assert here.rows() == {"0.png": 2, "1.png": 1, "2.png": 2, "3.png": 2}
    assert verify(output).removed == 1


def test_a_run_that_was_killed_and_an_input_that_changed_meanwhile(
    here: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.engine import local

    for number in range(8):
        here.put(f"{number}.png", number)
    real: Callable[..., Any] = local.write_carefully
    done: list[int] = []

    def dies(*args: Any) -> Any:
        if done:
            raise KeyboardInterrupt
        done.append(1)
        return real(*args)

    monkeypatch.setattr(local, "write_carefully", dies)
    with pytest.raises(BaseException, match="interrupted"):
        here.night()
    monkeypatch.undo()
    here.drop("5.png", "5.txt", "6.png", "6.txt")
    here.put("4.png", 44)  # nothing is committed of it
    here.put("55.png", 5)
    os.utime(Path(here.place, "in", "0.png"))
    tally = here.night()
    assert (tally.rows, tally.gone) == (4, 2)
    assert here.rows() == {f"{n}.png": 2 for n in (0, 1, 2, 3, 4, 7, 55)}
    here.put("5.png", 5)
    assert counts(here.night()) == (1, 2, 2, 1)


def test_an_output_from_before_there_were_lists(here: Shop) -> None:
    four(here)
    here.night()
    state = Path(here.place, "out", "_state")
    shutil.rmtree(state / "lists")
    for record in state.glob("commits/*/*.json"):
        told = json.loads(record.read_text())
        record.write_text(json.dumps({k: v for k, v in told.items() if k not in NEW}))
    before = here.pictures()
    assert here.night().chunks == 0  # as it was: what is there is written down
    here.put("4.png", 4)
    assert counts(here.night()) == (1, 2, 2, 0)
    here.put("1.png", 17)
    with pytest.raises(UsageError, match="1 pictures changed"):
        here.night()
    here.night(changed="again")
    assert here.rows() == {f"{n}.png": 2 for n in range(5)}
    assert {k[0] for k, v in here.pictures().items() if before.get(k) != v} == {"1.png", "4.png"}


def test_one_from_before_that_has_grown_already(here: Shop) -> None:
    four(here)
    here.night()
    shutil.rmtree(Path(here.place, "out", "_state", "lists"))
    here.put("4.png", 4)
    with pytest.raises(UsageError, match=r"shard \. changed since its edits were begun"):
        here.night()


def test_two_runs_that_look_at_once_freeze_one_list(here: Shop) -> None:
    four(here)
    config = here.config()
    source = build(config.input)
    output = open_output(config)
    one, other = (outlook(config, source, source.listing(), output) for _ in range(2))
    freeze(output, *one.new[0])
    freeze(output, *other.new[0])  # the same: it is ours
    here.put("4.png", 4)
    late = outlook(config, source, source.listing(), output)
    here.put("5.png", 5)
    later = outlook(config, source, source.listing(), output)
    freeze(output, *later.new[0])
    with pytest.raises(RunError, match="another run found what is new"):
        freeze(output, *late.new[0])


def test_a_damaged_list_is_told(here: Shop) -> None:
    four(here)
    here.night()
    Path(here.place, "out", "_state", "lists", "00001.arrow").write_bytes(b"torn")
    with pytest.raises(RunError, match=r"lists/00001\.arrow: damaged"):
        here.night()


def test_on_ray_too(ray_here: None, here: Shop) -> None:
    four(here)

    def night() -> Tally:
        config = here.config(changed="again", gone="drop")
        return run(config, local=False, verbose=False, watch=lambda _: None)

    assert night().written == 8
    here.put("1.png", 17)
    here.put("4.png", 4)
    here.drop("3.png", "3.txt")
    assert counts(night()) == (2, 4, 4, 1)
    assert here.rows() == {f"{n}.png": 2 for n in (0, 1, 2, 4)}


def tar(shop: Shop, seeds: dict[str, int]) -> None:
    write_tar(
        Path(shop.place, "in", "a.tar"),
        [(key, photo(seed), "a green mug") for key, seed in seeds.items()],
    )


@pytest.mark.parametrize("kind", ["webdataset", "parquet"])
def test_a_file_that_was_replaced(here: Shop, kind: str) -> None:
    def put(seeds: dict[str, int]) -> None:
        if kind == "webdataset":
            tar(here, seeds)
            return
        pictures = [photo(seed) for seed in seeds.values()]
        columns = {"name": list(seeds), "image": pictures, "caption": ["a green mug"] * len(seeds)}
        Path(here.place, "in").mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), Path(here.place, "in", "a.parquet"))

    def night(**more: Any) -> Tally:
        config = here.config(**{"changed": "again", **more})
        name = {"key": "name"} if kind == "parquet" else {}
        raw = config.model_dump(mode="json")
        raw["input"] = {"type": kind, "path": f"{here.place}/in", **name}
        return run(parse(raw), local=True, verbose=False, watch=lambda _: None)

    put({f"k{n}": n for n in range(7)})
    assert night().written == 14
    before = here.pictures()
    time.sleep(1.1)  # a tar's version has whole seconds
    put({f"k{n}": n for n in range(7)})
    assert night().chunks == 0
    assert here.pictures() == before
    # In another order: one more, one changed, one gone.
    put({"new": 9} | {f"k{n}": n for n in (6, 3, 0, 4, 5)} | {"k1": 11})
    with pytest.raises(UsageError, match=r"1 pictures changed .*k1"):
        night(changed="refuse")
    assert counts(night()) == (2, 4, 4, 1)
    assert here.rows() == dict.fromkeys([f"k{n}" for n in range(7)] + ["new"], 2)
    after = here.pictures()
    assert {k[0] for k, v in after.items() if before.get(k) != v} == {"k1", "new"}
    assert counts(night(gone="drop")) == (0, 0, 0, 1)
    assert here.rows() == dict.fromkeys([f"k{n}" for n in (0, 1, 3, 4, 5, 6)] + ["new"], 2)
    put({f"k{n}": n for n in range(7)})
    assert counts(night()) == (2, 4, 4, 1)
    assert {k: v for k, v in here.pictures().items() if k[0] != "new"} == before
    assert night().chunks == 0
