"""`edit_dataset`: a step of somebody's own Ray Data job gives the edits of a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.demo.scenes import Scene
from pipeline.errors import UsageError
from tests.datasets import photo, rows, settings, write_tar

ROOT = Path(__file__).parents[2]


def table(shards: int = 2) -> list[pa.Table]:
    """The rows of `catalogue`, a table a shard, with columns of somebody's own."""
    return [
        pa.table(
            {
                "shard": [f"shard-{s:02d}.tar"] * 9,
                "key": [key for key, _, _ in rows(9, s * 9)],
                "picture": pa.array([image for _, image, _ in rows(9, s * 9)], pa.binary()),
                "caption": [caption for _, _, caption in rows(9, s * 9)],
                "price": [float(number) for number in range(9)],
                "sizes": [[1, 2]] * 9,
            }
        )
        for s in range(shards)
    ]


def test_the_edits_are_those_of_a_run(
    ray_here: None, tiny_model: Path, tmp_path: Path, edit: Any, results: Any
) -> None:
    import ray

    from pipeline import edit_dataset

    for s in range(2):
        write_tar(tmp_path / "in" / f"shard-{s:02d}.tar", rows(9, s * 9))
    config = settings(tmp_path / "in", tmp_path / "out", tiny_model, run={"chunk_rows": 9})
    edit(config)
    before = set(tmp_path.rglob("*"))
    raw = config.model_dump(mode="json", exclude={"input", "output"})
    raw["input"] = {"image": "picture", "key": "key"}
    made = edit_dataset(ray.data.from_arrow(table()), raw, shard="shard").take_all()
    assert set(tmp_path.rglob("*")) == before  # nothing is written
    by_name = {(row["shard"], row["key"], row["edit"]): row for row in made}
    expected = results(tmp_path / "out")
    assert len(made) == len(by_name) and by_name.keys() == expected.keys()
    for name, row in by_name.items():
        wanted = expected[name]
        pictures = [(wanted.get(column) or {}).get("bytes") for column in ("edited", "mask")]
        assert [row["edited"], row["mask"]] == pictures
        for column in ("seed", "mask_area", "score_background_psnr", "weights", "target_prompt"):
            assert row[column] == wanted.get(column), (name, column)
        assert row["error_kind"] == wanted.get("error_kind")
        assert (row["price"], row["sizes"]) == (float(int(row["key"]) % 9), [1, 2])
    assert sum(row["error_kind"] is not None for row in made) == 6


def chunks(batch: pa.Table, shard: str | None = None, **columns: Any) -> list[pa.Table]:
    from pipeline.engine.dataset import _Chunks, _settings
    from pipeline.engine.envelope import unpack

    raw = {"prompts": {"type": "recolor", "colours": ["red"]}, "model": {"path": "demo"}}
    blocks = _Chunks(_settings({**raw, "input": columns}), shard)(batch)
    return [one for block in blocks for one in unpack(block)]


def test_without_a_key_the_picture_is_its_own() -> None:
    images = [photo(1), photo(2), photo(1)]
    some = pa.table({"image": pa.array(images, pa.binary()), "caption": [["a", "b"], ["c"], ["d"]]})
    (chunk,) = chunks(some)
    first, again, second, third = chunk["key"].to_pylist()
    assert (again, third) == (f"{first}#2", first) and first != second


def test_pictures_that_are_arrays() -> None:
    from ray.data.extensions import ArrowTensorArray

    arrays = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
    batch = pa.table({"image": ArrowTensorArray.from_numpy(arrays), "caption": ["a", "b"]})
    (chunk,) = chunks(batch)
    assert all(data.startswith(b"\x89PNG") for data in chunk["image"].to_pylist())


@pytest.mark.parametrize(
    ("columns", "shard", "said"),
    [
        ({"image": [b""]}, None, "no column 'caption'"),
        ({"caption": ["a"]}, None, "no column 'image'"),
        ({"image": ["a.jpg"], "caption": ["a"]}, None, "column 'image' is string"),
        ({"image": [b""], "caption": ["a"], "seed": [1]}, None, "columns seed of the dataset"),
        ({"image": [b""], "caption": ["a"]}, "part", "no column 'part'"),
    ],
)
def test_columns_that_cannot_serve_are_told(columns: Any, shard: str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        chunks(pa.table(columns), shard)


def test_the_example_in_the_readme(ray_here: None, tmp_path: Path, monkeypatch: Any) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (example,) = [block for block in blocks if "edit_dataset" in block]
    scenes = [Scene.draw(seed) for seed in (3, 4)]
    captions = ["a yellow shoe", "a shoe of no colour"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()
    images = pa.array([_jpeg(scene) for scene in scenes], pa.binary())
    pq.write_table(pa.table({"image": images, "caption": captions}), "shop/a.parquet")
    for name in ("shop", "edits"):  # the workers of this Ray are at home elsewhere
        example = example.replace(f'"{name}"', repr(str(tmp_path / name)))
    exec(example, {})
    made = pq.read_table("edits").to_pylist()
    assert sorted(row["edit"] for row in made) == ["blue", "red"]
    assert {row["caption"] for row in made} == {"a yellow shoe"}
    assert all(row["edited"] and row["mask_state"] for row in made)


def _jpeg(scene: Scene) -> bytes:
    import io

    sink = io.BytesIO()
    scene.render(128).save(sink, "JPEG")
    return sink.getvalue()
