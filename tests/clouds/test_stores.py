"""A dataset in the stores of Azure and Google, against emulators: read, written, resumed, raced
for, refused."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipeline import storage
from pipeline.engine.run import run
from pipeline.errors import Held, UsageError
from pipeline.rows import PassedOver
from pipeline.sinks import lease
from pipeline.sinks.ledger import runs
from pipeline.sinks.output import existing_output, open_output, refuse_nested
from pipeline.sinks.streamed import stream
from pipeline.sinks.verify import verify
from pipeline.sources._files import Changed, Files, ShardFile, exact
from pipeline.sources._listing import info_of, list_files, list_folder
from tests.clouds import azurite, fake_gcs
from tests.datasets import rows, settings, write_tar

SERVERS = {"abfs": azurite, "gs": fake_gcs}


@pytest.fixture(scope="module", params=SERVERS)
def container(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A container on an emulator, which the environment says how to reach."""
    with SERVERS[request.param].serving(tmp_path_factory.mktemp("store")) as path:
        yield path


@pytest.fixture
def place(container: str) -> str:
    return f"{container}/{uuid.uuid4().hex[:8]}"


def put(path: str, data: bytes) -> None:
    storage.put(*storage.connect(path, storage.Storage()), data)


def edit(config: Any) -> Any:
    return run(config, local=True, verbose=False, watch=lambda _: None)


def test_a_dataset_is_edited_resumed_and_verified(
    place: str, tiny_model: Path, tmp_path: Path
) -> None:
    put(f"{place}/in/a.tar", write_tar(tmp_path / "a.tar", rows(2)).read_bytes())
    config = settings(f"{place}/in", f"{place}/out", tiny_model)
    assert edit(config).written == 4
    assert edit(config).chunks == 0, "what is committed is not done again"
    put(f"{place}/in/b.tar", write_tar(tmp_path / "b.tar", rows(2, 10)).read_bytes())
    with lease.writing(open_output(config)), pytest.raises(Held, match="another run is writing"):
        edit(config)
    assert edit(config).written == 4
    output = existing_output(f"{place}/out")
    found = verify(output)
    assert (found.problems, found.warnings, found.written) == ([], [], 8)
    assert [one.outcome for one in runs(output)] == ["done", "done", "refused", "done"]


def test_a_folder_of_pictures_is_listed_as_elsewhere(place: str) -> None:
    names = ["a/1.png", "a/2#?.png", "a/b/3.png", "ab/4.png", "c [1].png"]
    for name in names:
        put(f"{place}/in/{name}", name.encode())
    files = Files(path=f"{place}/in")
    base, infos = list_files(files, PassedOver())
    assert [info["name"][len(base) + 1 :] for info in infos] == sorted(names)
    assert [info["name"] for info in list_folder(files, f"{base}/a")] == [
        f"{base}/a/1.png",
        f"{base}/a/2#?.png",
    ]
    fs, root = storage.connect(f"{place}/in", storage.Storage())
    assert sorted(storage.names(fs, root)) == sorted(names)
    assert list(storage.names(fs, f"{root}/none")) == []
    _, globbed = list_files(Files(path=f"{place}/in/a/*.png"), PassedOver())
    assert len(globbed) == 2


def test_of_racing_writers_one_wins(place: str) -> None:
    fs, root = storage.connect(place, storage.Storage())
    with ThreadPoolExecutor(8) as pool:
        won = list(
            pool.map(lambda n: storage.create(fs, f"{root}/record", str(n).encode()), range(8))
        )
    assert sum(won) == 1
    assert storage.read(fs, f"{root}/record") == str(won.index(True)).encode()
    assert storage.create(fs, f"{root}/record", str(won.index(True)).encode()), "a lost reply"


def test_a_file_is_whole_or_not_there(place: str) -> None:
    fs, root = storage.connect(place, storage.Storage())

    def fails(file: Any) -> None:
        file.write(b"x" * 1000)
        raise ValueError

    with pytest.raises(ValueError):
        stream(fs, f"{root}/part", fails)
    assert not fs.exists(f"{root}/part")
    data = bytes(range(256)) * (150 << 10)  # more than one block
    assert stream(fs, f"{root}/part", lambda file: file.write(data))[0] == len(data)
    assert storage.read(fs, f"{root}/part") == data
    storage.remove(fs, f"{root}/part")
    storage.remove(fs, f"{root}/part")


def test_a_file_that_changes_while_it_is_read_is_told(place: str) -> None:
    put(f"{place}/a.tar", b"a" * (9 << 20))
    files = Files(path=f"{place}/a.tar")
    _, url = storage.connect(files.path, files.storage)
    with ShardFile(files, url, exact(info_of(files, url))) as file:
        assert file.read(10) == b"a" * 10
        put(f"{place}/a.tar", b"b" * (9 << 20))
        file.seek(8 << 20)
        with pytest.raises(Changed):
            file.read(10)


@pytest.fixture
def refusal(place: str) -> Iterator[Any]:
    """What is said, in one line, of an output that cannot be opened."""
    blobs = type(storage.connect(place, storage.Storage())[0])

    def refused(path: str, **more: Any) -> str:
        blobs.clear_instance_cache()
        return told(lambda: open_output(settings("in", path, "model", output={"storage": more})))

    yield refused
    blobs.clear_instance_cache()


def told(call: Any) -> str:
    with pytest.raises(UsageError) as refused:
        call()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_what_cannot_be_reached_is_one_line(place: str, refusal: Any) -> None:
    scheme = place.partition("://")[0]
    assert "no such file" in told(lambda: list_files(Files(path=f"{place}/no"), PassedOver()))
    nowhere = Files(path=f"{scheme}://no-such/x")
    assert "or bucket" in told(lambda: list_files(nowhere, PassedOver()))
    assert "endpoint_url is of s3:// alone" in refusal(place, endpoint_url="http://x")
    with pytest.raises(UsageError, match="lie one in the other"):
        refuse_nested(settings(place, f"{place}/out", "model"))


@pytest.mark.parametrize("container", ["abfs"], indirect=True)
def test_keys_of_azure(place: str, refusal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    known = os.environ["AZURE_STORAGE_CONNECTION_STRING"]
    wrong = known.replace("AccountKey=", "AccountKey=AAAA")
    assert "name the account in" in refusal("abfs://c@account.dfs.core.windows.net/x")
    with monkeypatch.context() as patch:
        patch.setenv("AZURE_STORAGE_CONNECTION_STRING", wrong)
        said = refusal(place)
        assert "permission denied" in said and "check AZURE_STORAGE" in said
        assert "AAAA" not in said
        patch.delenv("AZURE_STORAGE_CONNECTION_STRING")
        assert "no credentials; check AZURE_STORAGE" in refusal(place)
        without(patch, "azure", "adlfs.spec")
        assert "pip install 'diffedit-pipeline[azure]'" in refusal(place)


@pytest.mark.parametrize("container", ["gs"], indirect=True)
def test_keys_of_google(
    place: str, refusal: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.delenv("STORAGE_EMULATOR_HOST")
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
        assert "no credentials; check GOOGLE_APPLICATION" in refusal(place)
        without(patch, "gs", "gcsfs.core")
        assert "pip install 'diffedit-pipeline[gs]'" in refusal(place)


def without(patch: pytest.MonkeyPatch, name: str, client: str) -> None:
    patch.setitem(sys.modules, client, None)
    patch.delitem(sys.modules, f"pipeline.clouds.{name}", raising=False)
