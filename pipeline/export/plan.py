"""An output's edits → which files are to be made of them, and which cannot be. Makes none."""

from __future__ import annotations

import json
import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import UsageError
from pipeline.export.names import Name, NoName, Template, text_of
from pipeline.sinks import colours, edits, reviews
from pipeline.sinks.output import Output
from pipeline.sources._names import is_picture

Row = dict[str, Any]


@dataclass(frozen=True)
class Item:
    """One edit to be exported."""

    part: str  # where it is: the part's path below the output folder
    number: int  # and the row there
    name: Name
    values: Row  # its line of the manifest

    @property
    def id(self) -> str:
        """The edit's."""
        return str(self.values["id"])


@dataclass
class Plan:
    """What is to be exported, what cannot be, and what nobody asked for."""

    items: list[Item] = field(default_factory=list)
    left_out: list[tuple[Row, str]] = field(default_factory=list)  # values, why
    verdicts: Counter[str] = field(default_factory=Counter)  # of all edits
    columns: list[str] = field(default_factory=list)  # of the manifest


def plan(output: Output, template: Template, approved: bool) -> Plan:
    """Raises UsageError where the template names no column, or nothing is approved."""
    made, verdicts = Plan(), reviews.verdicts(output)
    named: list[tuple[str, int, Row, Row]] = []
    seen: set[str] = set()
    for part, number, row in _rows(output):
        cells = json.loads(row.pop("columns") or "{}")
        seen.update(cells)
        verdict = verdicts.get(row["id"], "undecided")
        made.verdicts[verdict] += 1
        if not approved or verdict == "approved":
            used = {name: cells.get(name) for name in _wanted(template, seen)}
            named.append((part, number, row, used))
    if made.verdicts:
        template.check(seen)
    if approved and not named:
        raise UsageError(
            f"{output.path}: no edit is approved; decide on the page that `diffedit report` "
            "writes, save the decisions, and give them to `diffedit review`"
        )
    made.columns = _columns(template, seen, output)
    for part, number, row, used in named:
        _name(
            made,
            template,
            part,
            number,
            _values(row, used, output),
            {**used, **row, "key": _stem(row["key"])},
        )
    _part_clashes(made)
    return made


def _stem(key: str) -> str:
    """A folder's key is the picture's name: its ending is not the new file's."""
    stem, ending = posixpath.splitext(key)
    return stem if is_picture(ending) else key


def _rows(output: Output) -> Iterator[tuple[str, int, Row]]:
    def told(name: str) -> bool:
        few = ("id", "key", "edit", "rank", "columns", "colour", "mask_area")
        return name in few or name.startswith("score_")

    for part in edits.parts(output):
        if part.rows:
            for number, row in enumerate(edits.columns(output, part.path, told).to_pylist()):
                yield part.path, number, row


def _wanted(template: Template, columns: set[str]) -> list[str]:
    """Input columns that stand in the manifest: the SKU, and what the template names."""
    sku = sorted(name for name in columns if name.casefold() == "sku")
    fields = [name for name in template.fields if name in columns]
    return list(dict.fromkeys([*sku, *fields]))


def _columns(template: Template, columns: set[str], output: Output) -> list[str]:
    names = [*_wanted(template, columns), "key", "edit", "colour", "hex", "delta_e", "mask_area"]
    scores = [f"score_{name}" for name in output.settings["check"]["scores"]]
    return list(dict.fromkeys(["file", *names, *scores, "id"]))


def _values(row: Row, used: Mapping[str, Any], output: Output) -> Row:
    settings = output.settings
    return {
        **{name: text_of(value) for name, value in used.items()},
        **{name: value for name, value in row.items() if name != "colour"},
        "colour": colours.name(row, settings),
        "hex": colours.exact(row, settings),
        "delta_e": colours.delta_e(row),
    }


def _name(made: Plan, template: Template, part: str, number: int, values: Row, fields: Row) -> None:
    try:
        name = template.name(fields)
    except NoName as error:
        made.left_out.append((values, str(error)))
    else:
        made.items.append(Item(part, number, name, {**values, "file": name.path}))


def _part_clashes(made: Plan) -> None:
    """Leaves out all edits of a name that several have: none of them has a better right to it."""
    places: defaultdict[str, list[Item]] = defaultdict(list)
    for item in made.items:
        places[item.name.place].append(item)
    made.items = [same[0] for same in places.values() if len(same) == 1]
    for same in places.values():
        for item in same if len(same) > 1 else ():
            why = f"{len(same)} edits would be {item.name.path}; put {{key}} or {{id}} in --name"
            made.left_out.append((item.values, why))
