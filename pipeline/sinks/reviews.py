"""What people decided about an output's edits: files beside its commits. Knows no page.

Each review is a file of its own in `_state/reviews`, in the order in which they were stored; of two
about one edit the later counts. Nothing that is committed changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from pipeline import storage
from pipeline.errors import RunError, UsageError
from pipeline.sinks import layout
from pipeline.sinks.output import Output

Verdict = Literal["approved", "rejected", "undecided"]
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}$")]

MAX_BYTES = 256 << 20
"""Of a file of decisions: two million of them."""
FOLDER = f"{layout.STATE}/reviews"
_NAME = "{:06d}.json"


class Review(BaseModel):
    """What the report page saves."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["diffedit-review-1"]
    run: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]  # of the output
    saved: str = Field("", max_length=40)  # when, as the browser's clock had it
    decisions: dict[Id, Verdict]  # by the edit's id


def parse(name: str, data: bytes) -> Review:
    """The review in a file. Raises UsageError, in one line, for anything else."""
    if len(data) > MAX_BYTES:
        raise UsageError(f"{name}: {len(data):,} bytes; a review has at most {MAX_BYTES:,}")
    try:
        return Review.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(_short(part) for part in first["loc"])
        said = _short(first["msg"], 200)
        raise UsageError(
            f"{name}: no review as the report page saves it: {where + ': ' if where else ''}{said}"
        ) from error


def load(path: Path) -> Review:
    """The review in a local file. Raises UsageError as `parse`, or where it cannot be read."""
    with storage.explained(str(path), "read the decisions"), path.open("rb") as file:
        return parse(str(path), file.read(MAX_BYTES + 1))


def store(output: Output, review: Review, known: Collection[str]) -> tuple[Counter[str], int]:
    """Stores what it decides of `known` ids: how many of each verdict, and how many are unknown.

    A review that says nothing new is not stored again. Raises UsageError where it is of another
    run, RunError where it cannot be written.
    """
    if review.run != output.run:
        raise UsageError(
            f"the decisions are of run {review.run}, but {output.path} is of run {output.run}; "
            "give the file that its own report page saved"
        )
    ours = {name: verdict for name, verdict in review.decisions.items() if name in known}
    with storage.explained(output.path, "store the review", raising=RunError):
        there = verdicts(output)
        if any(there.get(name, "undecided") != verdict for name, verdict in ours.items()):
            _append(output, review.model_copy(update={"decisions": ours}))
    return Counter(ours.values()), len(review.decisions) - len(ours)


def verdicts(output: Output) -> dict[str, Verdict]:
    """The verdict that counts of each edit that has one, the undecided left out, by id."""
    said: dict[str, Verdict] = {}
    for name in _names(output):
        path = f"{FOLDER}/{name}"
        said |= parse(
            f"{output.path}/{path}", storage.read(output.fs, f"{output.root}/{path}")
        ).decisions
    return {name: verdict for name, verdict in said.items() if verdict != "undecided"}


def _names(output: Output) -> list[str]:
    names = storage.names(output.fs, f"{output.root}/{FOLDER}")
    return sorted(name for name in names if name.removesuffix(".json").isdigit())


def _append(output: Output, review: Review) -> None:
    data = review.model_dump_json().encode()
    number = max((int(name.removesuffix(".json")) for name in _names(output)), default=0)
    while True:  # another may take the same number at the same time
        number += 1
        path = f"{output.root}/{FOLDER}/{_NAME.format(number)}"
        if storage.create(output.fs, path, data):
            return


def _short(value: object, most: int = 60) -> str:
    text = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"
