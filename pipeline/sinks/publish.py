"""What makes an output a dataset that others open: its card, schemas, settings and the tars' index.

All of it is made from the settings, the commit records and a few edits, and made again after each
run.
"""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pyarrow.parquet as pq

from pipeline import storage
from pipeline.errors import RunError
from pipeline.sinks import bounds, dead, examples, layout, parquet, rejected
from pipeline.sinks.card import Counts, card
from pipeline.sinks.commits import Commit, PartFile, read_commits
from pipeline.sinks.edits import parts_of
from pipeline.sinks.output import Output

Tar = tuple[str, int, int]
"""Name, samples, bytes."""
CARD = "README.md"
_WRITE = {
    "edits": parquet.write_edits,
    "rejected": rejected.write_rejected,
    "dead": dead.write_dead,
}
MARK = f"{layout.STATE}/unpublished"
"""There while the card and the index may not say what is committed."""


def describe(output: Output) -> None:
    """Makes an output open from its beginning; to be called before a run's first commit."""
    with storage.explained(output.path, "describe the output"):
        if not _there(output, CARD):
            publish(output)
        keep_settings(output)
        mark(output)


def mark(output: Output) -> None:
    """Notes that something is about to be committed: where this ends early, the next run publishes,
    however little it has to do."""
    storage.put(output.fs, f"{output.root}/{MARK}", b"")


def published(output: Output) -> bool:
    """Whether the card and the index say what is committed."""
    with storage.explained(output.path, "look at the output"):
        return not _there(output, MARK)


def _there(output: Output, path: str) -> bool:
    try:
        storage.read(output.fs, f"{output.root}/{path}")
    except FileNotFoundError:
        return False
    return True


def keep_settings(output: Output) -> None:
    """Writes the settings that the fingerprint in this run's rows stands for."""
    _put_json(output, f"settings/{output.fingerprint}.json", output.settings)


def publish(output: Output) -> None:
    """Writes the card, the index of the tars, and a part of no rows, so that globs find one.

    Reads every commit record and the first parts. Raises RunError where one is damaged or nothing
    can be written.
    """
    counts = Counts()
    tars: list[Tar] = []
    first: list[PartFile] = []
    for commit in read_commits(output):
        _count(counts, output, commit)
        first = sorted([*first, *parts_of(output, commit)], key=_path)[: examples.MOST]
        tars += [_tar(file) for file in commit.files_of("webdataset")]
    files = {kind: BytesIO() for kind in _WRITE}
    for kind, write in _WRITE.items():
        write(parquet.no_rows(output), output, files[kind])
    schemas = {kind: pq.read_schema(file) for kind, file in files.items()}
    with storage.explained(output.path, "describe the output", raising=RunError):
        for kind, file in files.items():
            if kind != "edits" or "parquet" in output.formats:
                for split in (output.splits if kind == "edits" else ()) or [""]:
                    path = f"{output.root}/{layout.empty_part(kind, split)}"
                    storage.put(output.fs, path, file.getvalue())
        if "webdataset" in output.formats:
            _index(output, sorted(tars))
        keep = bounds.in_force(output).keep
        chosen = examples.choose(output, first)
        shown = examples.show(output, chosen)
        page = card(output, counts, schemas, keep, [*map(examples.told, chosen)], shown).encode()
        storage.put(output.fs, f"{output.root}/{CARD}", page)
        examples.hide(output, shown)
        storage.remove(output.fs, f"{output.root}/{MARK}")


def _count(counts: Counts, output: Output, commit: Commit) -> None:
    for name in (
        "rows",
        "planned",
        "written",
        "rejected",
        "dead",
        "removed",
        "passed",
        "near_duplicates",
    ):
        setattr(counts, name, getattr(counts, name) + getattr(commit, name))
    counts.bytes += sum(file.bytes for file in commit.files)
    for file in parts_of(output, commit):
        if split := layout.split_of(file.path):
            counts.splits[split] = counts.splits.get(split, 0) + file.rows
    for sums, more in (
        (counts.dead_by_kind, commit.dead_by_kind),
        (counts.rejected_by, commit.rejected_by),
    ):
        for reason, count in more.items():
            sums[reason] = sums.get(reason, 0) + count


def _path(file: PartFile) -> str:
    return file.path


def _tar(file: PartFile) -> Tar:
    return file.path.rpartition("/")[2], file.rows, file.bytes


def _index(output: Output, tars: list[Tar]) -> None:
    shards = [{"url": name, "nsamples": rows, "filesize": size} for name, rows, size in tars]
    _put_json(output, "webdataset/index.json", {"wids_version": 1, "shardlist": shards})
    _put_json(output, "webdataset/sizes.json", {name: rows for name, rows, _ in tars})


def _put_json(output: Output, path: str, content: Any) -> None:
    data = (json.dumps(content, indent=1) + "\n").encode()
    storage.put(output.fs, f"{output.root}/{path}", data)
