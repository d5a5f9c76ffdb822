"""Each reader of WebDataset tars reads all samples, as a user would type it."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.sinks.webdataset import rows as samples
from tests.readers.nasty import Made

FORMATS = {"JPEG": "jpg", "JPEG2000": "jp2"}
MEMBERS = {"source.jpg", "mask.png", "json", "txt", "jpg"}


def tars(made: Made) -> list[str]:
    return sorted(str(path) for path in (made.path / "webdataset").glob("*.tar"))


def check(found: Iterable[Mapping[str, Any]], made: Made) -> None:
    """Every sample is there once, whole, with decoded pictures and the values as written."""
    found = list(found)
    assert sorted(sample["__key__"] for sample in found) == sorted(made.edits)
    for sample in found:
        wanted, said = made.edits[sample["__key__"]], sample["json"]
        assert sample["txt"] == wanted["target_prompt"]
        for name in ("caption", "columns"):
            assert said[name] == (wanted[name] or "")
        for name in ("shard", "key", "edit", "source_prompt", "seed", "encoding_ratio"):
            assert said[name] == wanted[name]
        for name, data in (("source", wanted["image"]), ("edited", wanted["edited"])):
            true = str(Image.open(BytesIO(data)).format)
            assert said[f"{name}_format"] == FORMATS.get(true, true.lower())


@pytest.mark.parametrize("workers", [0, 2])
def test_webdataset(side_by_side: Made, workers: int) -> None:
    import torch
    import webdataset

    dataset = webdataset.WebDataset(tars(side_by_side), shardshuffle=False).decode("pil")
    loader = torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=workers)
    found = list(loader)
    check(found, side_by_side)
    for sample in found:
        assert sample.keys() > MEMBERS
        assert all(sample[n].size == (8, 8) for n in ("source.jpg", "mask.png", "jpg"))


def test_nodes_share_the_samples(side_by_side: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    import webdataset

    found: list[Any] = []
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "2")
        nodes = webdataset.split_by_node
        dataset = webdataset.WebDataset(tars(side_by_side), shardshuffle=False, nodesplitter=nodes)
        part = list(dataset.decode("pil"))
        assert 0 < len(part) < len(side_by_side.edits)
        found += part
    check(found, side_by_side)


def test_trainers_on_picture_and_text_find_both(side_by_side: Made) -> None:
    """The pipeline of open_clip's training."""
    import webdataset

    pipeline = webdataset.DataPipeline(
        webdataset.SimpleShardList(tars(side_by_side)),
        webdataset.tarfile_to_samples(),
        webdataset.select(lambda sample: "txt" in sample and "jpg" in sample),
        webdataset.decode("pilrgb"),
        webdataset.rename(image="jpg;png;jpeg;webp", text="txt"),
        webdataset.to_tuple("image", "text", "__key__"),
    )
    pairs = list(pipeline)
    assert len(pairs) == len(side_by_side.edits)
    for image, text, key in pairs:
        wanted = side_by_side.edits[key]
        assert text == wanted["target_prompt"]
        assert image.tobytes() == Image.open(BytesIO(wanted["edited"])).tobytes()


def test_sizes_are_as_open_clip_reads_them(one: Made) -> None:
    sizes = json.loads((one.path / "webdataset" / "sizes.json").read_text())
    assert sum(int(sizes[Path(tar).name]) for tar in tars(one)) == len(one.edits)


def test_wids(one: Made, tmp_path: Path) -> None:
    import wids

    folder = str(one.path / "webdataset")
    dataset = wids.ShardListDataset(f"{folder}/index.json", base=folder, cache_dir=str(tmp_path))
    assert len(dataset) == len(one.edits)
    found = [{k.removeprefix("."): v for k, v in dataset[i].items()} for i in range(len(dataset))]
    check(found, one)
    assert all(sample.keys() > MEMBERS for sample in found)


def test_hugging_face_datasets(
    side_by_side: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    files = f"{side_by_side.path}/webdataset/*.tar"
    for streaming in (False, True):
        opened = datasets.load_dataset(
            "webdataset",
            data_files=files,
            split="train",
            cache_dir=str(tmp_path),
            streaming=streaming,
        )
        found = list(opened)
        check(found, side_by_side)
        assert all(sample["source.jpg"].size == (8, 8) for sample in found)


def test_ray(side_by_side: Made, ray_here: None) -> None:
    import ray

    ray.data.DataContext.get_current().enable_progress_bars = False
    folder = str(side_by_side.path)
    # Without "PIL" it makes arrays, and those of grey and of coloured sources don't mix.
    read = ray.data.read_webdataset(f"{folder}/webdataset", file_extensions=["tar"], decoder="PIL")
    found = read.take_all()
    check(found, side_by_side)
    assert all(sample[n].size == (8, 8) for sample in found for n in ("jpg", "source.jpg"))
    assert ray.data.read_parquet(f"{folder}/edits").count() == len(side_by_side.edits)


def test_plain_tar(side_by_side: Made, tmp_path: Path) -> None:
    for tar in tars(side_by_side):
        subprocess.run(["tar", "-xf", tar, "-C", tmp_path], check=True)
        with tarfile.open(tar) as opened:
            assert all(member.type == tarfile.REGTYPE for member in opened)
            assert not opened.pax_headers
    there = [path.name for path in tmp_path.iterdir()]
    assert len(there) == len({name.lower() for name in there}) == 5 * len(side_by_side.edits)
    assert all(len(name) <= 100 and not name.startswith(("_", "-", ".")) for name in there)


def test_the_json_of_every_sample_has_the_same_keys_of_the_same_types(side_by_side: Made) -> None:
    shapes = set()
    for tar in tars(side_by_side):
        with tarfile.open(tar) as opened:
            for member in opened:
                if member.name.endswith(".json"):
                    file = opened.extractfile(member)
                    assert file is not None
                    said = json.load(file)
                    shapes.add(tuple((name, type(value).__name__) for name, value in said.items()))
    assert len(shapes) == 1
    assert "NoneType" not in {kind for shape in shapes for _, kind in shape}


def test_a_tar_reads_back_as_the_rows_it_was_made_of(one: Made) -> None:
    for tar in tars(one):
        for row in samples(Path(tar).read_bytes()):
            wanted = one.edits[row["id"]]
            assert row["source"]["bytes"] == wanted["image"]
            assert row["edited"]["bytes"] == wanted["edited"]
            assert row["target_prompt"] == wanted["target_prompt"]
