"""What a run would do now: what is new, and what is left. Writes nothing. Knows no Ray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.config import RunConfig
from pipeline.engine.news import look
from pipeline.engine.todo import Left, left
from pipeline.prompts._rule import Balanced
from pipeline.section import build
from pipeline.sinks.commits import Progress, load_progress
from pipeline.sinks.lists import Found, encode, load_lists
from pipeline.sinks.output import Output
from pipeline.sources._shard import Listing


@dataclass
class Outlook:
    """What there is, what is new in it, and what is left to do."""

    progress: Progress
    new: list[tuple[int, list[Found]]]  # lists that are to be frozen, by their numbers
    gone: int  # members of earlier lists that are not there
    left: Left


def outlook(config: RunConfig, source: Any, listing: Listing, output: Output) -> Outlook:
    """What a run would do now; nothing is written. Raises as `look` and `left`."""
    lists, progress = load_lists(output), load_progress(output)
    new: list[tuple[int, list[Found]]] = []
    for _ in range(2):  # what is adopted is compared then
        news = look(config, source, listing, output, progress, lists)
        if news.found:
            lists.add(encode(news.found))
            new.append((lists.count, news.found))
    peers = isinstance(build(config.prompts), Balanced)
    todo = left(listing.shards, output, progress, lists, peers)
    return Outlook(progress, new, news.gone, todo)
