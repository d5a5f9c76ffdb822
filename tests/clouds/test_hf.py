"""Datasets of the Hugging Face Hub, against an imitation of its API (`hub.py`): read as any others
are, never written, and told in one line where they cannot be read."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import storage
from pipeline.engine.estimate import estimate
from pipeline.engine.run import run
from pipeline.errors import UsageError
from pipeline.rows import PassedOver
from pipeline.sinks.output import existing_output, open_output
from pipeline.sinks.verify import verify
from pipeline.sources import folder, webdataset
from pipeline.sources._files import Changed, Files, ShardFile, StorageFailed, exact
from pipeline.sources._listing import info_of, list_files, list_folder
from tests.clouds.hub import SIGNATURE, TOKEN, Hub, serving, taken_for_the_hub
from tests.datasets import photo, rows, settings, write_tar
from tests.sources.make import parquet

MAIN = "tests/mugs/main"
PLACE = "hf://datasets/tests/mugs"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with serving(tmp_path / "hub") as hub:
        yield hub


def table(start: int) -> bytes:
    made = rows(2, start)
    return parquet(image=[image for _, image, _ in made], caption=[said for *_, said in made])


def tar(start: int) -> bytes:
    made = [(f"{i}", image, said) for i, (_, image, said) in enumerate(rows(2, start))]
    with tempfile.TemporaryDirectory() as folder:
        return write_tar(Path(folder, "made.tar"), made).read_bytes()


def pictures(hub: Hub, *numbers: int, place: str = MAIN) -> None:
    for number in numbers:
        hub.put(f"{place}/in/{number}.png", photo(number))
        hub.put(f"{place}/in/{number}.txt", b"a green mug")


def edit(config: Any) -> Any:
    return run(config, local=True, verbose=False, watch=lambda _: None)


@pytest.fixture
def config(tiny_model: Path, tmp_path: Path) -> Any:
    """`config(type, place)`: an output on this disk."""

    def made(kind: str, place: str = f"{PLACE}/in", **more: Any) -> Any:
        source = {"type": kind, "path": place}
        return settings(place, tmp_path / "out", tiny_model, **{"input": source, "run": more})

    return made


def told(call: Any, kind: type[Exception] = UsageError) -> str:
    with pytest.raises(kind) as refused:
        call()
    said = str(refused.value)
    assert "\n" not in said and TOKEN not in said and SIGNATURE not in said
    return said


@pytest.mark.parametrize(
    ("kind", "ending", "made"), [("webdataset", "tar", tar), ("parquet", "parquet", table)]
)
def test_shards_are_planned_edited_and_resumed(
    hub: Hub, config: Any, tmp_path: Path, kind: str, ending: str, made: Callable[[int], bytes]
) -> None:
    hub.put(f"{MAIN}/README.md", b"# Mugs")
    hub.put(f"{MAIN}/in/a.{ending}", made(0))
    assert estimate(config(kind)).rows == 2
    assert edit(config(kind)).written == 4
    assert edit(config(kind)).chunks == 0, "what is committed is not done again"
    hub.put(f"{MAIN}/in/b.{ending}", made(10))
    assert edit(config(kind)).written == 4
    found = verify(existing_output(str(tmp_path / "out")))
    assert (found.problems, found.warnings, found.written) == ([], [], 8)
    hub.put(f"{MAIN}/in/a.{ending}", made(30))
    assert f"a.{ending}" in told(lambda: edit(config(kind)))
    assert edit(config(kind, changed="again")).written == 4


def test_of_a_folder_that_grows_and_changes_only_that_is_done(hub: Hub, config: Any) -> None:
    pictures(hub, 0, 1, 2)
    assert edit(config("folder")).written == 6
    pictures(hub, 1, 3)  # the same content again is no change
    assert edit(config("folder")).written == 2
    hub.put(f"{MAIN}/in/1.png", photo(9))
    said = told(lambda: edit(config("folder")))
    assert "1.png" in said and "run.changed" in said
    assert edit(config("folder", changed="again")).written == 2
    assert edit(config("folder")).chunks == 0


def test_a_picture_costs_one_request_and_none_of_the_api(hub: Hub) -> None:
    for number in range(20):
        hub.put(f"{MAIN}/in/{number}.png", photo(number))
    source = folder.build(folder.Config(path=f"{PLACE}/in"))
    (listed,) = source.listing().shards
    hub.asked.clear()
    assert [len(member.image or b"") > 0 for member in source.members(listed)] == [True] * 20
    assert hub.count("tree", "paths-info", "info") == 1
    assert hub.count("resolve") == 20
    assert all(one.token is None for one in hub.asked if one.kind == "content")


@pytest.mark.parametrize("page", [1000, 3])
def test_a_folder_of_many_is_listed_in_pages(hub: Hub, page: int) -> None:
    hub.page = page
    names = ["a/1.png", "a/2 #?%.png", "a/b/3.png", "ab/4.png", "c [1].png", "é@1/5.png"]
    for name in names:
        hub.put(f"{MAIN}/in/{name}", name.encode())
    files = Files(path=f"{PLACE}/in")
    base, infos = list_files(files, PassedOver())
    assert base == "datasets/tests/mugs/in"
    assert [info["name"][len(base) + 1 :] for info in infos] == sorted(names)
    for info in infos:
        with ShardFile(files, info["name"], exact(info)) as file:
            assert file.read() == info["name"][len(base) + 1 :].encode()
    assert [info["name"] for info in list_folder(files, f"{base}/a")] == [
        f"{base}/a/1.png",
        f"{base}/a/2 #?%.png",
    ]
    _, globbed = list_files(Files(path=f"{PLACE}/in/a/*.png"), PassedOver())
    assert len(globbed) == 2
    _, (one,) = list_files(Files(path=f"{PLACE}/in/ab/4.png"), PassedOver())
    assert one["size"] == len("ab/4.png")
    _, all_ = list_files(Files(path=PLACE), PassedOver())
    assert len(all_) == len(names)


def test_a_revision_stays_what_it_was(hub: Hub) -> None:
    hub.put(f"{MAIN}/in/a.tar", tar(0))
    for name in ("v1", "refs/convert/parquet", "f" * 40):
        hub.tag("tests/mugs", name)
    hub.put(f"{MAIN}/in/a.tar", tar(10))

    def images(place: str) -> list[bytes | None]:
        source = webdataset.build(webdataset.Config(path=f"{place}/in/"))
        (listed,) = source.listing().shards
        assert listed.path == "a.tar"
        return [member.image for member in source.members(listed)]

    for name in ("@v1", "@refs/convert/parquet", "@refs%2Fconvert%2Fparquet", f"@{'f' * 40}"):
        assert images(PLACE + name) == [image for _, image, _ in rows(2)]
    for name in ("", "@main"):
        assert images(PLACE + name) == [image for _, image, _ in rows(2, 10)]


def test_a_listing_is_never_an_old_one(hub: Hub) -> None:
    files = Files(path=f"{PLACE}/in")
    pictures(hub, 0)
    assert len(list_files(files, PassedOver())[1]) == 2
    place = "datasets/tests/mugs/in/0.png"
    before = info_of(files, place)
    pictures(hub, 1)
    hub.put(f"{MAIN}/in/0.png", photo(5))
    assert len(list_files(files, PassedOver())[1]) == 4
    assert len(list_folder(files, "datasets/tests/mugs/in")) == 4
    assert info_of(files, place)["ETag"] != before["ETag"]
    hub.remove(f"{MAIN}/in/0.png")
    with pytest.raises(StorageFailed, match="no such file"):
        info_of(files, place)


@pytest.mark.parametrize("name", ["a.tar", "a.txt"])
def test_a_file_that_changes_while_it_is_read_is_told(hub: Hub, name: str) -> None:
    hub.put(f"{MAIN}/{name}", b"a" * (9 << 20))
    files, url = Files(path=f"{PLACE}/{name}"), f"datasets/tests/mugs/{name}"
    with ShardFile(files, url, exact(info_of(files, url))) as file:
        assert file.read(10) == b"a" * 10
        hub.put(f"{MAIN}/{name}", b"b" * (9 << 20))
        file.seek(8 << 20)
        with pytest.raises(Changed):
            file.read(10)


def test_what_changed_after_it_was_listed_is_not_read(hub: Hub) -> None:
    hub.put(f"{MAIN}/in/a.tar", tar(0))
    source = webdataset.build(webdataset.Config(path=f"{PLACE}/in"))
    (listed,) = source.listing().shards
    hub.put(f"{MAIN}/in/a.tar", tar(10))
    with pytest.raises(OSError, match=r"a\.tar changed while it was read"):
        list(source.members(listed))


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("size", [0, 1, (9 << 20) + 1])
def test_small_and_large_files_are_read_to_their_end(hub: Hub, size: int, ranges: bool) -> None:
    hub.ranges = ranges
    data = bytes(range(251)) * (size // 251 + 1)
    for name in ("x.txt", "x.bin"):
        hub.put(f"{MAIN}/{name}", data[:size])
        files, url = Files(path=f"{PLACE}/{name}"), f"datasets/tests/mugs/{name}"
        with ShardFile(files, url, exact(info_of(files, url))) as file:
            assert file.read() == data[:size]
            assert file.seek(-min(size, 7), 2) == size - min(size, 7)
            assert file.read() == data[max(0, size - 7) : size]


def test_what_fails_for_a_moment_is_asked_again(hub: Hub, quick: list[float]) -> None:
    hub.put(f"{MAIN}/a.tar", b"a" * 100)
    files, url = Files(path=f"{PLACE}/a.tar"), "datasets/tests/mugs/a.tar"
    hub.fail = [429, 503, 500, 504]
    with ShardFile(files, url) as file:
        assert file.read() == b"a" * 100
    assert max(quick) == 8, "as long as the Hub says, and a second"
    hub.fail = [503] * 100
    said = told(lambda: ShardFile(files, url), StorageFailed)
    assert said == "datasets/tests/mugs/a.tar: the Hub answers 503"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, which take no time."""
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    return pauses


def listed(path: str, anonymous: bool = False) -> str:
    return told(
        lambda: list_files(
            Files(path=path, storage=storage.Storage(anonymous=anonymous)), PassedOver()
        )
    )


def test_what_cannot_be_reached_is_one_line(
    hub: Hub, quick: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.put(f"{MAIN}/in/a.png", photo(0))
    assert "no such file" in listed(f"{PLACE}/none")
    for place in ("", "/in"):
        said = listed(f"hf://datasets/tests/none{place}")
        assert said.startswith(f"hf://datasets/tests/none{place}: cannot read the input: no such")
        assert "check HF_TOKEN" in said
        assert "no such revision" in listed(f"{PLACE}@none{place}")
    for place in ("hf://tests/mugs", "hf://datasets/mugs", "hf://buckets/a/b", "hf://datasets"):
        assert "hf://datasets/OWNER/NAME[@REVISION]/FOLDER" in listed(place)
    place = storage.Storage(endpoint_url="http://x")
    said = told(lambda: list_files(Files(path=PLACE, storage=place), PassedOver()))
    assert "endpoint_url is of s3:// alone" in said
    with monkeypatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        quick.clear()
        assert "HF_HUB_OFFLINE is set; unset it" in listed(f"{PLACE}/in")
        assert quick == [], "it would not help to wait"
    taken_for_the_hub(monkeypatch, "http://127.0.0.1:9")
    for place in ("", "/in"):
        assert "http://127.0.0.1:9 does not answer" in listed(f"{PLACE}{place}")


def test_who_may_read_is_told_by_the_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.put(f"{MAIN}/in/a.png", photo(0))
    hub.gated.add("tests/mugs")
    assert len(list_files(Files(path=f"{PLACE}/in"), PassedOver())[1]) == 1
    assert "gated: accept its terms" in listed(f"{PLACE}/in", anonymous=True)
    hub.token = "hf_of_somebody_else"
    said = listed(f"{PLACE}/in")
    assert "gated: accept its terms" in said and "check HF_TOKEN" in said
    hub.gated, hub.private = set(), {"tests/mugs"}
    assert "a private one; check HF_TOKEN" in listed(f"{PLACE}/in")
    monkeypatch.setenv("HF_TOKEN", "hf_mistyped")
    assert "permission denied (the Hub answers 401)" in listed(f"{PLACE}/in")


def test_nothing_is_written_there(hub: Hub, config: Any) -> None:
    pictures(hub, 0)
    place = f"{PLACE}/out"
    made = config("folder").model_copy(deep=True)
    object.__setattr__(made.output, "path", place)
    for call in (lambda: open_output(made), lambda: edit(made), lambda: existing_output(place)):
        said = told(call)
        assert said.startswith(f"{place}: hf:// is an input's alone and never written")
        assert "hf upload OWNER/NAME FOLDER . --repo-type dataset" in said
    assert not (hub.folder / MAIN / "out").exists()


def test_commands_as_they_are_typed(hub: Hub, config: Any, tmp_path: Path) -> None:
    """In a process of its own, whose huggingface_hub reads HF_ENDPOINT and HF_TOKEN itself."""
    pictures(hub, 0, 1)
    hub.private.add("tests/mugs")
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(config("folder").model_dump(mode="json")))
    plan = command("plan", file)
    assert plan.returncode == 0 and "a green mug" in plan.stdout, plan
    done = command("run", file, "--local")
    assert done.returncode == 0 and "planned 4 = written 4" in done.stdout, done
    refused = command("run", file, "--local", f"output.path={PLACE}/out")
    assert refused.returncode == 2
    lines = [line for line in refused.stderr.splitlines() if line.startswith("error")]
    assert len(lines) == 1 and "hf:// is an input's alone and never written" in lines[0]
    report = command("report", tmp_path / "out")
    assert report.returncode == 0, report
    said = [
        text.encode() for one in (plan, done, refused, report) for text in (one.stdout, one.stderr)
    ]
    there = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    for secret in (TOKEN.encode(), SIGNATURE.encode()):
        assert not any(secret in data for data in [*said, *there])


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "from pipeline.cli import main; main()"
    words = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_init_leads_to_an_output_that_can_be_written(hub: Hub) -> None:
    pictures(hub, 0, 1, 2)
    done = command("init", f"{PLACE}/in")
    assert done.returncode == 0, done
    made = yaml.safe_load(done.stdout)
    assert made["input"]["path"] == f"{PLACE}/in"
    assert made["output"]["path"] == "out/recoloured"
