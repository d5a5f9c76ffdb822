"""IMBA's user study (its "object retention 4.58"): people's ratings, summed up. Edits nothing.

--data is a CSV file (or a folder with ratings.csv): rater,id,question,score, a line a judgement;
scores from 1 (very bad) to 6 (very good), questions as in the study.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from statistics import fmean

from pipeline.errors import UsageError
from pipeline.evaluation._protocol import Column, Item, Protocol, Published, Values
from pipeline.evaluation._record import Place, Record

QUESTIONS = ("object_retention", "background_retention", "realistic", "satisfaction")
COLUMNS = ("rater", "id", "question", "score")
Ratings = dict[str, list[float]]


def records(place: Place) -> Iterator[Record]:
    """One for each id that was rated. Raises UsageError that names the line."""
    path = place.file("ratings.csv")
    rated: defaultdict[str, Ratings] = defaultdict(lambda: defaultdict(list))
    seen: set[tuple[str, ...]] = set()
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.DictReader(file)
        if set(COLUMNS) - set(lines.fieldnames or ()):
            raise UsageError(f"{path}: expected the columns {', '.join(COLUMNS)}")
        for line in lines:
            where = f"{path}:{lines.line_num}"
            name, question, score = _judgement(line, where)
            judgement = (str(line["rater"]), name, question)
            if judgement in seen:
                raise UsageError(f"{where}: {line['rater']} rated {name}, {question} twice")
            seen.add(judgement)
            rated[name][question].append(score)
    for name, ratings in rated.items():
        yield Record(name, lambda: None, "", meta={"ratings": dict(ratings)})


def _judgement(line: dict[str, str], where: str) -> tuple[str, str, float]:
    question = "_".join((line["question"] or "").lower().replace("-", " ").split())
    if question not in QUESTIONS:
        raise UsageError(
            f"{where}: question {line['question']!r}; there are {', '.join(QUESTIONS)}"
        )
    try:
        score = float(line["score"] or "")
    except ValueError:
        score = math.nan
    if not 1 <= score <= 6:
        raise UsageError(f"{where}: score {line['score']!r}; expected a number from 1 to 6")
    return str(line["id"]), question, score


def rated(record: Record) -> Values:
    """The mean of an edit's raters, by question; NaN where nobody answered it."""
    found = record.meta["ratings"]
    return {q: fmean(found[q]) if q in found else math.nan for q in QUESTIONS}


def _rating(question: str, items: Sequence[Item], _: object) -> list[float]:
    return [rated(item.record)[question] for item in items]


PROTOCOL = Protocol(
    status="human study",
    about="IMBA's user study: ratings of 1 to 6, means over raters and then over pictures.",
    records=records,
    columns=tuple(
        Column(question, partial(_rating, question), "1 (very bad) to 6 (very good), people's")
        for question in QUESTIONS
    ),
    comparable="about 20 people rate about 50 shuffled pictures beside other methods' edits; "
    "`imba` has a proxy that is computed, object_kept_proxy, which is not this.",
    ranked_by="object_retention",
    published=(
        Published(
            "DiffEdit (CPAM's study)",
            dict(zip(QUESTIONS, (4.58, 4.57, 4.40, 3.13), strict=True)),
            "human study, 20 people",
        ),
    ),
    rated=rated,
)
