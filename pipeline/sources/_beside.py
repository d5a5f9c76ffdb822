"""What is said about one folder's pictures: in tables and in the files beside them.

Knows names and tables' bytes, no storage and no meaning of a column.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import RowError
from pipeline.rows import PassedOver
from pipeline.sources import _table, _text
from pipeline.sources._files import Info
from pipeline.sources._listing import relative
from pipeline.sources._names import Names, folded, is_picture, same_form
from pipeline.sources._shard import Member, unnumbered

CAPTIONS = (".txt", ".caption")
"""Endings of captions beside a picture; a .json is read where there is none."""

UNREAD = "no picture of a format that is read"
NO_PICTURE = "a caption, .json or mask without a picture of its name"
SECOND = "a second metadata table in one folder"
NO_PICTURES = "a metadata table without pictures beside it or below"

Row = dict[str, Any]


def table_of(infos: Iterable[dict[str, Any]], tables: Iterable[str]) -> dict[str, Any] | None:
    """The first of `tables` (names in lower case) among the files of one folder."""
    by_name = {posixpath.basename(info["name"]).lower(): info for info in infos}
    return next((by_name[name] for name in tables if name in by_name), None)


@dataclass(frozen=True)
class PlacedLine:
    """One line of a table, and the folder (as `folded` has it) and file that it names."""

    key: str
    row: Row
    below: str = ""
    file: str = ""
    error: RowError | None = None


class Placed:
    """A table's lines by folder: read once, however many folders it speaks of."""

    def __init__(self, name: str, data: bytes, file: str = _table.FILE) -> None:
        self.name = name
        self.broken: RowError | None = None  # the first line that cannot be read
        self.lines = [self._placed(line, file) for line in _table.lines(name, data, file)]
        self.by_folder: defaultdict[str, list[PlacedLine]] = defaultdict(list)
        for line in self.lines:
            if line.error is None:
                self.by_folder[line.below].append(line)

    def _placed(self, line: _table.Line, file: str) -> PlacedLine:
        if line.error:
            self.broken = self.broken or line.error
            return PlacedLine(f"({self.name} line {line.number})", line.row, error=line.error)
        key = str(line.row[file])
        try:
            below, name = _placed(self.name, key)
        except RowError as error:
            return PlacedLine(key, line.row, error=error)
        return PlacedLine(key, line.row, folded(below), name)


def endings(masks: Iterable[str]) -> tuple[str, ...]:
    """Of what names masks, the endings, in lower case; the others are columns."""
    return tuple(name.lower() for name in masks if name.startswith("."))


class Beside:
    """The names of one folder; `read_table` fills `rows`, `told` and `broken`.

    `tables` are names of metadata tables, `file` is their column that names pictures, `masks` are
    endings of masks beside pictures (with a dot), or columns that name masks.
    """

    def __init__(
        self,
        names: Iterable[str],
        tables: Collection[str] = _table.NAMES,
        file: str = _table.FILE,
        masks: tuple[str, ...] = (),
    ) -> None:
        names = sorted(names)
        self._masks, self._endings = masks, endings(masks)
        self._tables, self._file = tables, file
        self.pictures = [name for name in names if self._shows(name)]
        self.rows: defaultdict[str, list[Row]] = defaultdict(list)  # of tables, by picture
        self.told: list[Member] = []  # rows that are no picture's
        self.broken: RowError | None = None  # the first line that cannot be read
        self._names = Names(names)
        self._stems: defaultdict[str, list[str]] = defaultdict(list)
        for picture in self.pictures:
            self._stems[folded(posixpath.splitext(picture)[0])].append(picture)
        self._of_pictures = {n for p in self.pictures for n in (p, posixpath.splitext(p)[0])}
        self._folded = {folded(name) for name in self._of_pictures}

    def sidecar(self, picture: str, ending: str) -> str | None:
        """The file of this ending that has the picture's name, with or without its own ending."""
        stems = (posixpath.splitext(picture)[0], picture)
        for stem in stems:
            found = self._names.find(stem + ending)
            if found:
                of = found[: -len(ending)]
                if of in stems or of not in self._of_pictures:  # a.jpg must not get A.jpg's
                    return found
        return None

    def _shows(self, name: str) -> bool:
        return is_picture(name) and not name.lower().endswith(self._endings)

    def mask(self, picture: str, row: Row, option: str) -> str | None:
        """The file that is the picture's mask: by its ending, or named in the row's column.

        Raises RowError `no_mask` where the row names a file that is not in the folder.
        """
        if option.startswith("."):
            return self.sidecar(picture, option)
        named = row.get(option)
        if not isinstance(named, str) or not named.strip():
            return None
        found = self._names.find(posixpath.basename(named.replace("\\", "/")))
        if found is None:
            raise RowError("no_mask", f"{option}: {named!r} is not in the picture's folder")
        return found

    def masks(self, picture: str) -> Iterator[str]:
        """The files that are masks of the picture, in any of its rows, as far as they are there."""
        for row in self.rows.get(picture) or [{}]:
            for option in self._masks:
                try:
                    found = self.mask(picture, row, option)
                except RowError:
                    continue
                if found:
                    yield found

    def leave_out_masks(self) -> None:
        """What the rows name as a mask is no picture of its own. Call it after `read_table`."""
        named = {mask for picture in list(self.rows) for mask in self.masks(picture)}
        self.pictures = [name for name in self.pictures if name not in named]

    def why_unused(self, name: str) -> str | None:
        """Why a file that is no table is passed over; None: it is a picture, or said of one."""
        stem, ending = posixpath.splitext(name)
        if self._shows(name):
            return None
        for ending in self._endings:
            if name.lower().endswith(ending):
                there = folded(name[: -len(ending)]) in self._folded
                return None if there else NO_PICTURE
        if name.lower() in self._tables:
            return SECOND
        if ending.lower() not in (*CAPTIONS, ".json"):
            return UNREAD
        return None if folded(stem) in self._folded else NO_PICTURE

    def read_table(
        self, table: Placed, inside: str, others: Callable[[], Collection[str]] | None
    ) -> None:
        """Takes the rows of a table that name pictures here; `inside` is this folder, seen from it.

        `others` gives all folders with pictures that it may speak of; None: lines that are broken
        or speak of no folder are told elsewhere.
        """
        named: list[tuple[str, str, Row]] = []  # picture, its name in the table, row
        self.broken = self.broken or table.broken
        for line in table.lines if others else table.by_folder.get(inside, ()):
            try:
                if line.error:
                    raise line.error
                if line.below == inside:
                    named.append((self._picture(table.name, line.file), line.key, line.row))
                elif others and line.below not in others():
                    why = "but there are no pictures in that folder"
                    raise _missing(table.name, line.key, why)
            except RowError as error:
                self._tell(line.key, line.row, error)
        self._take(table.name, named)

    def _picture(self, table: str, file: str) -> str:
        found = self._names.find(file) or self._by_stem(file)
        if not found:
            raise _missing(table, file, "which is not in the folder")
        if not is_picture(found):
            raise _missing(table, file, "which is there, but of a format that is not read")
        return found

    def _by_stem(self, stem: str) -> str | None:
        """The picture of a name without its ending, as a feed has it whose pictures are named so.

        Only where the config names the column: datasets have whole names.
        """
        found = self._stems.get(folded(stem), []) if self._file != _table.FILE else []
        if len(found) > 1:
            listed = ", ".join(map(repr, sorted(found)[:3]))
            raise RowError("ambiguous_name", f"{stem!r} may be any of {listed}; rename them")
        return found[0] if found else None

    def _take(self, table: str, named: Sequence[tuple[str, str, Row]]) -> None:
        """Another way to write a name is another file's where the table has the name itself too."""
        exact = {found for found, key, _ in named if _base(key) == found}
        for found, key, row in named:
            if _base(key) == found or found not in exact:
                self.rows[found].append(row)
            else:
                self._tell(key, row, _missing(table, key, f"only {found!r} is in the folder"))

    def _tell(self, key: str, row: Row, error: RowError) -> None:
        self.told.append(unnumbered(_text.key(key), columns=row, error=error))


def _base(name: str) -> str:
    return posixpath.basename(name.replace("\\", "/"))


def _placed(table: str, name: str) -> tuple[str, str]:
    """Folder and file that `name` in a table means. Raises RowError `no_image` for a way out."""
    plain = name.replace("\\", "/")
    if plain.startswith("/") or "://" in plain or plain[1:3] == ":/":
        raise _missing(table, name, "which is no path relative to the table")
    path = posixpath.normpath(same_form(name))
    if path.split("/")[0] == "..":
        raise _missing(table, name, "which is out of the table's folder")
    folder, _, _ = path.rpartition("/")
    return folder, posixpath.basename(posixpath.normpath(plain))


def _missing(table: str, name: str, why: str) -> RowError:
    return RowError("no_image", f"{table} names {name!r}, {why}")


def count_passed(
    folders: Mapping[str, Sequence[Info]],
    tables: Collection[str],
    masks: tuple[str, ...],
    urls: Collection[str],
    base: str,
    passed: PassedOver,
) -> None:
    """Counts what is neither a picture nor says anything of one; `urls` are the shards' folders."""
    for folder, infos in folders.items():
        names = [posixpath.basename(info["name"]) for info in infos]
        beside = Beside(names, tables, masks=masks)
        table = table_of(infos, tables)
        for info in infos:
            name = posixpath.basename(info["name"])
            why = beside.why_unused(name)
            if info is table:
                below = f"{folder.rstrip('/')}/"
                used = any(url == folder or url.startswith(below) for url in urls)
                why = None if used else NO_PICTURES
            if why:
                passed.add(_text.printable(relative(info["name"], base)), why)
