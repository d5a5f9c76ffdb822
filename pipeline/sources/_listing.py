"""What lies below the input: every file, once, or why it is passed over. Knows no format.

Links are followed, out of the input folder too, for caches of data sets are full of them: who laid
out the folder is trusted with what it links to. A folder is read once however many links lead to
it, under its own name where it has one, so that no loop can form; pipes and devices are not opened.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from fsspec import AbstractFileSystem
from fsspec.core import has_magic
from fsspec.implementations.local import LocalFileSystem

from pipeline.errors import UsageError
from pipeline.rows import PassedOver
from pipeline.sources import _text
from pipeline.sources._files import Files, Info, digest, exact, retried
from pipeline.sources._shard import Listing, Shard
from pipeline.storage import connect, explained

HIDDEN = "hidden (. or __MACOSX)"
HIDDEN_OR_MARK = "hidden (. or _, as Spark's marks and logs)"
DANGLING = "a link that leads nowhere"
TWICE = "a link to a folder that is read under another name"
AROUND = "a link to a folder around the input"
SPECIAL = "a pipe, device or socket"
FOLDER = "a folder that the pattern names; end it with /** for what is below"
LOCKED = "it cannot be looked at"


def list_files(
    files: Files, passed: PassedOver, marks: str = ".", below: str | None = None
) -> tuple[str, list[Info]]:
    """The folder that paths are relative to, and an info of each file, sorted by path.

    `below` (a path inside the filesystem) stands for `files.path` where it is given.

    An info has fsspec's `name`, `size` and `mtime` or `ETag`. Names that begin with one of `marks`
    are hidden, and so is all below them; what is not a file that can be read goes to `passed`.
    Raises UsageError where nothing can be listed.
    """
    fs, root = connect(files.path, files.storage)
    root = below or root
    with explained(files.path, "read the input"):
        if below is None and has_magic(root) and not fs.exists(root):
            fixed = root[: next(i for i, c in enumerate(root) if c in "*?[")]
            base, infos = posixpath.dirname(fixed), _matching(fs, root, passed)
        elif fs.info(root)["type"] == "file":
            return posixpath.dirname(root), list(_looked_at(fs, [root], passed))
        elif isinstance(fs, LocalFileSystem):
            base, infos = root, _Walk(root, passed, marks).files()
        else:
            base, infos = root, (i for i in fs.find(root, detail=True).values() if _is_object(i))
        found = list(infos)
    return base, sorted(_seen(found, base, passed, marks), key=_name)


def list_folder(files: Files, folder: str) -> list[Info]:
    """An info of each file right in `folder` (a path inside the filesystem) that is not hidden.

    Sorted by path. Raises StorageFailed.
    """
    fs, _ = connect(files.path, files.storage)
    nothing = PassedOver()
    if isinstance(fs, LocalFileSystem):
        names = [
            f"{folder.rstrip('/')}/{name}" for name in retried(folder, partial(os.listdir, folder))
        ]
        infos: Iterable[Info] = _looked_at(fs, names, nothing)
    else:
        infos = filter(_is_object, retried(folder, lambda: fs.ls(folder, detail=True)))
    return sorted(_seen(list(infos), folder, nothing, "."), key=_name)


def info_of(files: Files, path: str) -> Info:
    """An info of one file (a path inside the filesystem), links followed. Raises StorageFailed."""
    fs, _ = connect(files.path, files.storage)
    if isinstance(fs, LocalFileSystem):
        return _info(path, retried(path, partial(os.stat, path)))
    found: Info = retried(path, partial(fs.info, path))
    return found


def list_shards(files: Files, endings: tuple[str, ...], what: str, marks: str = ".") -> Listing:
    """One shard a file with one of `endings`. Raises UsageError where there is none."""
    passed = PassedOver()
    base, infos = list_files(files, passed, marks)
    shards = []
    for info in infos:
        path = relative(info["name"], base)
        if path.lower().endswith(endings):
            version = digest([exact(info)])
            shards.append(
                Shard(_text.utf8(path), info["name"], int(info["size"]), version, exact(info))
            )
        else:
            passed.add(_text.printable(path), f"no {what}")
    if not shards:
        raise nothing_found(files, infos, f"{what} files", endings, passed)
    _check_unique(shards)
    return Listing(shards, passed)


def nothing_found(
    files: Files, infos: Iterable[Info], what: str, endings: Sequence[str], passed: PassedOver
) -> UsageError:
    """The error that tells which endings were looked for and which are there."""
    there = Counter(posixpath.splitext(_name(i))[1].lower() or "no ending" for i in infos)
    listed = ", ".join(f"{n} × {_text.printable(end)}" for end, n in there.most_common(5))
    wanted = ", ".join(endings)
    others = "; ".join(
        f"{r}: {passed.examples[r]}" for r in passed.endings if not r.startswith("no ")
    )
    told = f"{listed or 'no files'}{f' ({others})' if others else ''}"
    return UsageError(f"{files.path}: no {what} ({wanted}) there; found: {told}")


def relative(name: str, base: str) -> str:
    """`name` without the folder `base`, '/' separated."""
    return name[len(base) :].lstrip("/")


def _check_unique(shards: Sequence[Shard]) -> None:
    for path, count in Counter(shard.path for shard in shards).items():
        if count > 1:
            raise UsageError(f"{path}: {count} files are told apart by odd bytes only; rename them")


def _name(info: Info) -> str:
    return str(info["name"])


def _is_object(info: Info) -> bool:
    # A key that ends in a slash stands for a folder.
    return info["type"] == "file" and not _name(info).endswith("/")


def _matching(fs: AbstractFileSystem, pattern: str, passed: PassedOver) -> Iterator[Info]:
    found: dict[str, Info] = fs.glob(pattern, detail=True)
    if isinstance(fs, LocalFileSystem):
        yield from _looked_at(fs, found, passed)
        return
    for info in found.values():
        if _is_object(info):
            yield info
        else:
            passed.add(_name(info), FOLDER)


def _looked_at(fs: AbstractFileSystem, names: Iterable[str], passed: PassedOver) -> Iterator[Info]:
    """Infos of local files, links followed, or of one object."""
    for name in names:
        if not isinstance(fs, LocalFileSystem):
            yield fs.info(name)
        elif isinstance(found := _look(name), str):
            passed.add(_text.printable(name), found)
        elif stat.S_ISDIR(found.st_mode):
            passed.add(_text.printable(name), FOLDER)
        else:
            yield _info(name, found)


def _look(path: str) -> os.stat_result | str:
    """What is at `path`, links followed; or why it is neither a folder nor a file to read."""
    try:
        found = os.stat(path)  # noqa: PTH116 - names need not be UTF-8
    except OSError as error:
        if isinstance(error, FileNotFoundError) or error.errno == errno.ELOOP:
            return DANGLING
        return f"{LOCKED}: {error.strerror}"
    if not stat.S_ISDIR(found.st_mode) and not stat.S_ISREG(found.st_mode):
        return SPECIAL
    return found


def _info(name: str, found: os.stat_result) -> Info:
    return {"name": name, "size": found.st_size, "mtime": found.st_mtime, "type": "file"}


def _seen(infos: list[Info], base: str, passed: PassedOver, marks: str) -> Iterator[Info]:
    reason = HIDDEN if marks == "." else HIDDEN_OR_MARK
    for info in infos:
        path = relative(_name(info), base)
        if hidden(path, marks):
            passed.add(_text.printable(path), reason)
        else:
            yield info


def hidden(path: str, marks: str) -> bool:
    """Whether a part of `path` begins with one of `marks` (`_x=1` is a partition, not a mark)."""
    return any(
        part == "__MACOSX" or (part[:1] in marks and not (part[:1] == "_" and "=" in part))
        for part in path.split("/")
        if part
    )


class _Walk:
    """Every file below a local folder: first what is really there, then behind its links."""

    def __init__(self, root: str, passed: PassedOver, marks: str) -> None:
        self._root, self._passed, self._marks = root, passed, marks
        self._read: set[tuple[int, int]] = set()
        self._links: list[str] = []
        self._around = set(_identities_around(root))

    def files(self) -> Iterator[Info]:
        """In no order."""
        yield from self._below(self._root)
        while self._links:
            links, self._links = sorted(self._links), []
            for link in links:
                yield from self._behind(link)

    def _behind(self, link: str) -> Iterator[Info]:
        identity = _identity(link)
        if identity in self._around or identity in self._read:
            self._pass(link, AROUND if identity in self._around else TWICE)
        else:
            yield from self._below(link)

    def _below(self, top: str) -> Iterator[Info]:
        folders = [top]
        while folders:
            for entry in self._entries(folders.pop()):
                found = _look(entry.path)
                if isinstance(found, str):
                    self._pass(entry.path, found)
                elif not stat.S_ISDIR(found.st_mode):
                    yield _info(entry.path, found)
                elif not entry.is_symlink():
                    folders.append(entry.path)
                elif not self._is_hidden(entry.path):
                    self._links.append(entry.path)
                else:
                    yield _info(entry.path, found)  # hidden: counted, not followed

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        """What is in `folder`; nothing where it was read, or cannot be."""
        if not self._is_hidden(folder):
            if _identity(folder) in self._read:
                self._pass(folder, TWICE)
                return []
            self._read.add(_identity(folder))
        try:
            with os.scandir(folder) as entries:
                return list(entries)
        except OSError as error:
            if folder == self._root:
                raise
            self._pass(folder, f"{LOCKED}: {error.strerror}")
            return []

    def _pass(self, path: str, why: str) -> None:
        self._passed.add(_text.printable(relative(path, self._root)), why)

    def _is_hidden(self, path: str) -> bool:
        return hidden(relative(path, self._root), self._marks)


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116
    return found.st_dev, found.st_ino


def _identities_around(root: str) -> Iterator[tuple[int, int]]:
    folder = os.path.realpath(root)
    while folder != posixpath.dirname(folder):
        folder = posixpath.dirname(folder)
        yield _identity(folder)
