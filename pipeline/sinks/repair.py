"""Mends what damage there is to the records of an output, and loses nothing by it. Knows no stage.

Runs under the lease. What it puts out of the way is kept, in `_state/aside` or beside its place as
`.damaged`. A chunk without a record is done again by the next run; a replay without a record is
rebuilt from its files, or from the letters that it took.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b

import pyarrow as pa
from pydantic import BaseModel

from pipeline import storage
from pipeline.errors import RunError
from pipeline.sinks import bounds, layout, parquet, webdataset
from pipeline.sinks.commits import Commit, PartFile, Progress, commit_names, read_each
from pipeline.sinks.layout import ChunkName
from pipeline.sinks.output import Output
from pipeline.sinks.pins import Pin, Weights
from pipeline.sinks.rejected import by_bound
from pipeline.sinks.runs import runs
from pipeline.sinks.sweep import orphans, parts
from pipeline.sinks.verify import file_problems

ASIDE = f"{layout.STATE}/aside"

Tables = dict[str, pa.Table]
"""Rows by the kind of their file, see `layout.PARTS`."""


def repair(output: Output) -> Iterator[str]:
    """Mends what can be mended; yields a line for each thing done, or that cannot be."""
    names = list(commit_names(output))
    progress = Progress(names)
    with storage.explained(output.path, "repair", raising=RunError):
        stray = list(orphans(output, progress))
        for path in stray:
            _move(output, path, f"{ASIDE}/{path}")
            yield f"{path}: of no committed chunk; moved to {ASIDE}/, which you may delete"
        # From the last generation down, so that a rebuilt one can serve those before it.
        for name, found in read_each(output, sorted(set(names), reverse=True)):
            if isinstance(found, RunError):
                yield f"{layout.commit_path(name)}: damaged; {_mended(output, progress, name)}"
            elif name == progress.latest(name.shard_id, name.chunk):
                yield from _without_its_files(output, found)
        yield from _pins(output, progress)
        yield from _model(output, progress)


def _without_its_files(output: Output, commit: Commit) -> Iterator[str]:
    problem = next(file_problems(output, commit), None)
    if problem is None:
        return
    what = problem.partition(";")[0]
    if commit.removed:
        yield f"{what}; left as it is: done again, the chunk would bring back what was removed"
        return
    # From the last generation down: stopped between two, what is left is still no gap.
    for generation in range(commit.generation, -1, -1):
        _put_aside(output, replace(commit.name, generation=generation))
    again = f"the next run does chunk {commit.chunk} of {commit.shard} again"
    yield f"{what}; its records are put aside as .damaged; {again}"


def _mended(output: Output, progress: Progress, name: ChunkName) -> str:
    if name != progress.latest(name.shard_id, name.chunk):
        after = _read(output, replace(name, generation=name.generation + 1))
        if after is None:
            return "left as it is: the one after it is damaged too"
        _overwrite(output, name, after.model_copy(update={"generation": name.generation}))
        return "only history; made anew from the one after it"
    if name.generation == 0:
        _put_aside(output, name)
        return "put aside as .damaged; the next run does the chunk again"
    before = _read(output, replace(name, generation=name.generation - 1))
    if before and _all_there(output, before) and _was_replay(output, before, name):
        _put_aside(output, name)
        return "put aside as .damaged; the letters it took are letters again, so replay them"
    rebuilt = _rebuilt(output, before, name) if before else None
    if rebuilt is None:
        return (
            "cannot be rebuilt (it was a removal, or files of it are missing), and is left as it "
            "is: the chunk counts for nothing until a copy of the output gives the record back"
        )
    _overwrite(output, name, rebuilt)
    return "rebuilt from its files and the record before it"


def _read(output: Output, name: ChunkName) -> Commit | None:
    ((_, found),) = read_each(output, [name])
    return found if isinstance(found, Commit) else None


def _all_there(output: Output, commit: Commit) -> bool:
    return all(output.fs.exists(f"{output.root}/{file.path}") for file in commit.files)


def _files_of(output: Output, name: ChunkName) -> Iterator[tuple[str, str]]:
    """(token, path) of every file that an attempt at this generation made."""
    for kind in layout.PARTS:
        for part, path in parts(output, kind):
            if ChunkName(part.shard_id, part.chunk, part.generation) == name:
                yield part.token, path


def _was_replay(output: Output, before: Commit, name: ChunkName) -> bool:
    """Whether the generation is known to be a replay's: it made edits that were not there before.

    A removal makes files that hold less of what was there, or none.
    """
    made = [path for _, path in _files_of(output, name) if path.startswith("edits/")]
    there = {i for file in before.files_of("edits") for i in _ids(output, file.path)}
    return bool(made) and all(there.isdisjoint(_ids(output, path)) for path in made)


def _ids(output: Output, path: str) -> list[str]:
    data = storage.read(output.fs, f"{output.root}/{path}")
    if path.endswith(".tar"):
        return [name for name, _ in webdataset.samples(data)]
    ids: list[str] = parquet.read(data, ["id"])["id"].to_pylist()
    return ids


def _attempts(output: Output, name: ChunkName) -> Iterator[tuple[list[PartFile], Tables]]:
    """The files of each attempt at this generation, and their rows by kind."""
    attempts: dict[str, list[str]] = defaultdict(list)
    for token, path in _files_of(output, name):
        attempts[token].append(path)
    return (_read_files(output, paths) for paths in attempts.values())


def _read_files(output: Output, paths: list[str]) -> tuple[list[PartFile], Tables]:
    nothing = pa.table({"id": pa.array([], pa.string()), "ordinal": pa.array([], pa.int64())})
    files, rows = [], dict.fromkeys(layout.PARTS, nothing)
    for path in paths:
        data = storage.read(output.fs, f"{output.root}/{path}")
        digest = blake2b(data, digest_size=16).hexdigest()
        kind = path.partition("/")[0]
        if kind == "webdataset":
            rows[kind] = pa.table({"id": [name for name, _ in webdataset.samples(data)]})
        else:
            rows[kind] = parquet.read(data)
        count = len(rows[kind])
        files.append(PartFile(path=path, rows=count, bytes=len(data), blake2b=digest))
    return files, rows


def _rebuilt(output: Output, before: Commit, name: ChunkName) -> Commit | None:
    """The record, where one attempt's files have each edit of `before`, as a recheck's do, or
    account for each of its letters, as a replay's do."""
    for files, rows in _attempts(output, name):
        moved = _moved(output, before, name, files, rows)
        if moved:
            return moved
    found = [_replayed(before, name, files, rows) for files, rows in _attempts(output, name)]
    whole = [commit for commit in found if commit]
    return whole[0] if len(whole) == 1 else None


def _moved(
    output: Output, before: Commit, name: ChunkName, files: list[PartFile], rows: Tables
) -> Commit | None:
    """The recheck's record. A removal's files have fewer edits, and a replay's have others."""
    kind = "edits" if "parquet" in output.formats else "webdataset"
    living, outside = rows[kind], rows["rejected"]
    ids = Counter([*living["id"].to_pylist(), *outside["id"].to_pylist()])
    reasons_alone = not len(living) and 0 < before.rejected == len(outside)
    if len(rows["dead"]) or not (reasons_alone or ids.total() == before.written + before.rejected):
        return None
    kept = [f for f in before.files if f.kind == "dead" or (reasons_alone and f.kind != "rejected")]
    replaced = [file for file in before.files if file not in kept]
    if all(output.fs.exists(f"{output.root}/{file.path}") for file in replaced):
        each_once = [file for file in replaced if file.kind in (kind, "rejected")]
        if ids != Counter(i for file in each_once for i in _ids(output, file.path)):
            return None
    bounds_of = outside["rejected_by"].to_pylist() if len(outside) else []
    return before.model_copy(
        update={
            "generation": name.generation,
            "bounds": bounds.in_force(output).number,
            "files": [*kept, *files],
            "written": before.written if reasons_alone else len(living),
            "rejected": len(bounds_of),
            "rejected_by": by_bound(bounds_of),
        }
    )


def _replayed(
    before: Commit, name: ChunkName, files: list[PartFile], rows: Tables
) -> Commit | None:
    edits, outside, dead = (rows[kind] for kind in ("edits", "rejected", "dead"))
    ended = [part for part in (edits, outside, dead) if len(part)]
    ordinals = {ordinal for part in ended for ordinal in part["ordinal"].to_pylist()}
    taken = {n for first, last in before.dead_ordinals for n in range(first, last + 1)}
    total = sum(map(len, ended))
    if ordinals != taken or total < before.dead:
        return None
    bounds_of = outside["rejected_by"].to_pylist() if len(outside) else []
    return before.model_copy(
        update={
            "generation": name.generation,
            "files": [*(file for file in before.files if file.kind != "dead"), *files],
            "written": before.written + len(edits),
            "rejected": before.rejected + len(outside),
            "rejected_by": dict(Counter(before.rejected_by) + Counter(bounds_of)),
            "dead": len(dead),
            "planned": before.written + before.rejected + before.removed + total,
            "dead_by_kind": _reasons(dead),
            "dead_ordinals": _runs(dead),
            "fingerprint": ended[0]["fingerprint"][0].as_py(),
        }
    )


def _reasons(dead: pa.Table) -> dict[str, int]:
    if not len(dead):
        return {}
    pairs = zip(dead["error_stage"].to_pylist(), dead["error_kind"].to_pylist(), strict=True)
    return dict(sorted(Counter(f"{stage}/{kind}" for stage, kind in pairs).items()))


def _runs(dead: pa.Table) -> list[tuple[int, int]]:
    return runs(sorted(set(dead["ordinal"].to_pylist())))


def _overwrite(output: Output, name: ChunkName, commit: Commit) -> None:
    path = f"{output.root}/{layout.commit_path(name)}"
    storage.put(output.fs, f"{path}.damaged", storage.read(output.fs, path))
    storage.put(output.fs, path, commit.model_dump_json().encode())


def _put_aside(output: Output, name: ChunkName) -> None:
    path = layout.commit_path(name)
    _move(output, path, f"{path}.damaged")


def _move(output: Output, path: str, to: str) -> None:
    # The copy first: whoever is stopped between the two has both.
    data = storage.read(output.fs, f"{output.root}/{path}")
    storage.put(output.fs, f"{output.root}/{to}", data)
    storage.remove(output.fs, f"{output.root}/{path}")


def _pins(output: Output, progress: Progress) -> Iterator[str]:
    for name in list(storage.names(output.fs, f"{output.root}/{layout.SHARDS}")):
        path = f"{layout.SHARDS}/{name}"
        if not name.endswith(".json") or _is(Pin, output, path):
            continue
        shard_id = name.removesuffix(".json")
        heads = [head for head in progress.heads() if head.shard_id == shard_id]
        commit = _read(output, heads[0]) if heads else None
        _move(output, path, f"{path}.damaged")
        if commit:
            pin = Pin(shard=commit.shard, version=commit.shard_version)
            storage.create(output.fs, f"{output.root}/{path}", pin.model_dump_json().encode())
        yield f"{path}: damaged; made anew" if commit else f"{path}: damaged; put aside"


def _model(output: Output, progress: Progress) -> Iterator[str]:
    """Ties the output to the weights of its edits again, where what does so is damaged."""
    path = f"{output.root}/{layout.MODEL}"
    if not output.fs.exists(path) or _is(Weights, output, layout.MODEL):
        return
    for _, commit in read_each(output, progress.names()):
        for file in commit.files_of("edits") if isinstance(commit, Commit) else ():
            data = storage.read(output.fs, f"{output.root}/{file.path}")
            (weights, *_) = parquet.read(data, ["weights"])["weights"].to_pylist()
            storage.put(output.fs, path, Weights(weights=weights).model_dump_json().encode())
            yield f"{layout.MODEL}: damaged; made anew from {file.path}"
            return
    yield f"{layout.MODEL}: damaged; left as it is, for no Parquet part tells the weights"


def _is(kind: type[BaseModel], output: Output, path: str) -> bool:
    try:
        kind.model_validate_json(storage.read(output.fs, f"{output.root}/{path}"))
    except ValueError:
        return False
    return True
