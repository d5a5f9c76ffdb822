"""What a run would do, from a look at the first rows. Knows no model and starts no Ray."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from statistics import fmean, pstdev

from pipeline.config import RunConfig
from pipeline.diffusion.settings import Settings, Target, expected_evaluations
from pipeline.engine.codec import told
from pipeline.engine.draw import of_members
from pipeline.engine.outlook import outlook
from pipeline.engine.todo import Todo, filling
from pipeline.errors import RowError
from pipeline.metrics.model_verdict import EVALUATIONS
from pipeline.prompts._rule import Balanced, PlannedEdit, Rule
from pipeline.rows import PassedOver
from pipeline.section import build
from pipeline.sinks.output import open_output, refuse_nested
from pipeline.sources._chunks import read_members, require_columns
from pipeline.sources._shard import Member, Shard, Source

SAMPLE = 256
"""Rows looked at, of up to `SHARDS` shards that lie apart; the rest is extrapolated."""
SHARDS = 8
SMALL = 1 << 20
"""Bytes of a file that are looked at whatever their rows: they are one request."""


@dataclass(frozen=True)
class Estimate:
    """Totals of a run; `exact` says whether every row was looked at."""

    shards: int
    shards_done: int
    bytes: int
    rows: int
    edits: int
    passed: int
    dead: int
    evaluations: int
    exact: bool
    samples: Sequence[PlannedEdit]
    swaps: Mapping[tuple[str, str, str], float]  # (edit_type, word, target) → edits
    cpus: str  # what the photos cost a CPU, see `codec`
    passed_over: PassedOver  # files; those inside of shards as far as they were looked at

    def numbers(self) -> dict[str, int | bool]:
        """The figures, for machines."""
        names = ("shards", "shards_done", "bytes", "rows", "edits", "passed", "dead", "evaluations")
        return {name: getattr(self, name) for name in (*names, "exact")}

    def targets(self) -> list[tuple[str, str]]:
        """Of each type of edit, how often each target comes and each swap; for a person."""
        about = "" if self.exact else "about "
        return [
            (f"{what} of {kind}", about + _listed(counts))
            for kind in sorted({kind for kind, _, _ in self.swaps})
            for what, counts in (
                ("targets", self._of(kind, lambda word, new: new)),
                ("swaps", self._of(kind, lambda word, new: f"{word} → {new}")),
            )
        ]

    def _of(self, kind: str, name: Callable[[str, str], str]) -> dict[str, float]:
        counts: dict[str, float] = {}
        for (its, word, new), count in self.swaps.items():
            if its == kind:
                counts[name(word, new)] = counts.get(name(word, new), 0.0) + count
        return counts

    def facts(self) -> list[tuple[str, str]]:
        """Name and value of each figure, for a person."""
        about = "" if self.exact else "about "
        per_image = self.evaluations / max(1, self.rows)
        return [
            ("shards", f"{self.shards} to do, {self.shards_done} finished"),
            ("input", f"{self.bytes / 2**20:,.1f} MiB"),
            ("rows", f"{about}{self.rows:,}"),
            ("edits", f"{about}{self.edits:,}"),
            ("passed (nothing to edit)", f"{about}{self.passed:,}"),
            ("dead letters foreseen", f"{about}{self.dead:,}"),
            ("UNet evaluations", f"{about}{self.evaluations:,} ({per_image:.0f} an image)"),
            ("CPUs for photos", self.cpus),
        ]


def estimate(config: RunConfig) -> Estimate:
    """Looks at about `SAMPLE` rows and extrapolates. Raises UsageError as a run would."""
    refuse_nested(config)
    source: Source = build(config.input)
    rule: Rule = build(config.prompts)
    listing = source.listing()
    require_columns(source, listing.shards, rule.columns())
    left = outlook(config, source, listing, open_output(config)).left.todo
    shards = {shard.path: shard for shard, _ in left}
    looks = _looks(source, list(shards.values()), config.run.limit)
    members = [member for look in looks.values() for member in look.members]
    rows = _rows_left(looks, left, config)
    plans = [plan for path, look in looks.items() for plan in _plans(look, config, shards[path])]
    edits = [plan for plan in plans if isinstance(plan, list)]
    planned = zip(members, plans, strict=True)
    photos = [m.image for m, plan in planned if m.image and isinstance(plan, list) and plan]
    scale = rows / max(1, len(members))
    return Estimate(
        shards=len(left),
        shards_done=len(listing.shards) - len(left),
        bytes=sum(shard.size for shard, _ in left),
        rows=rows,
        edits=round(scale * sum(map(len, edits))),
        passed=round(scale * sum(not plan for plan in edits)),
        dead=round(scale * (len(plans) - len(edits))),
        evaluations=round(
            scale
            * sum(
                evaluations(config, plan, member.mask is not None)
                for member, plan in zip(members, plans, strict=True)
                if isinstance(plan, list)
            )
        ),
        exact=len(looks) == len(left)
        and all(look.whole for look in looks.values())
        and not any(len(done) for _, done in left),
        samples=[edit for plan in edits for edit in plan][:5],
        swaps=_swaps([edit for plan in edits for edit in plan], scale),
        cpus=told(photos, config) if photos else "none: nothing is edited",
        passed_over=_passed_over(listing.passed, members),
    )


def expected_rows(source: Source, left: Todo, config: RunConfig) -> int:
    """About how many images `left` holds, for a progress bar: as many as `estimate` says."""
    looks = _looks(source, [shard for shard, _ in left], config.run.limit)
    return max(1, _rows_left(looks, left, config))


def evaluations(config: RunConfig, edits: Sequence[PlannedEdit], has_mask: bool = False) -> int:
    """Of the network, for one image: mask, one inversion, a decoding and a verdict an edit.

    `has_mask`: the image comes with a mask of its own.
    """
    sections = config.mask, config.invert, config.edit
    targets = [Target.of(0, vars(edit), *sections) for edit in edits]
    told = getattr(config.model, "told", None) or False
    given = [0] if has_mask and config.mask.given == "replace" else []
    judged = EVALUATIONS * len(edits) if "model_verdict" in config.check.scores else 0
    settings = Settings.of(config.mask, config.edit)
    return expected_evaluations(targets, settings, told, given) + judged


@dataclass(frozen=True)
class _Look:
    """The first members of a shard."""

    members: Sequence[Member]
    count: float  # about how many members the shard has, none beyond `run.limit`
    whole: bool  # whether these are all of them


def _looks(source: Source, shards: Sequence[Shard], limit: int | None) -> dict[str, _Look]:
    """Looks at `SHARDS` shards that lie apart (or at all), by their paths."""
    step = max(1, -(-len(shards) // SHARDS))
    chosen = shards[::step]
    return {shard.path: _look(source, shard, SAMPLE // len(chosen), limit) for shard in chosen}


def _look(source: Source, shard: Shard, rows: int, limit: int | None) -> _Look:
    seen: list[Member] = []
    share = 0.0
    for member in islice(read_members(source, shard), limit):
        small = shard.rows is None and share * shard.size <= SMALL
        if len(seen) >= rows and not small:
            count = len(seen) / share
            return _Look(seen, min(count, limit or count), False)
        seen.append(member)
        share = member.share or 1.0
    return _Look(seen, len(seen), True)


def _rows_left(looks: Mapping[str, _Look], left: Todo, config: RunConfig) -> int:
    """About how many rows are not committed."""
    guess = _guess(
        [(looks[shard.path].count, _weight(shard)) for shard, _ in left if shard.path in looks]
    )
    usual = _chunk_rows([m for look in looks.values() for m in look.members], config)
    total = 0.0
    for shard, done in left:
        look = looks.get(shard.path)
        count = look.count if look else guess(_weight(shard))
        count = min(count, config.run.limit or count)
        if look and look.whole:
            chunks = filling(config)
            committed = float(sum(chunks.add(_size(member)) in done for member in look.members))
        else:
            mean = _chunk_rows(look.members, config) if look else usual
            committed = _committed(count, done, mean)
        total += max(0.0, count - committed)
    return round(total)


def _size(member: Member) -> int:
    return len(member.image or b"")


def _chunk_rows(members: Sequence[Member], config: RunConfig) -> float:
    """About how many members like these a chunk has."""
    size = sum(map(_size, members)) / max(1, len(members))
    most = (config.run.chunk_bytes or math.inf) / max(1.0, size)
    return min(config.run.chunk_rows, max(1.0, most))


def _weight(shard: Shard) -> int:
    return shard.rows or shard.size


def _committed(count: float, done: Iterable[int], chunk_rows: float) -> float:
    """Rows in the chunks `done` of a shard of `count` rows; its last chunk may hold fewer."""
    return sum(min(chunk_rows, max(0.0, count - chunk * chunk_rows)) for chunk in done)


def _guess(looked_at: Sequence[tuple[float, int]]) -> Callable[[int], float]:
    """Rows of a shard by its weight (images or bytes), from the (rows, weight) of others.

    Shards of about equal rows are taken to be all so; otherwise rows go with weights.
    """
    counts = [count for count, _ in looked_at]
    densities = [count / max(1, size) for count, size in looked_at]
    if _spread(counts) <= _spread(densities):
        return lambda size: sum(counts) / max(1, len(counts))
    density = sum(counts) / max(1, sum(size for _, size in looked_at))
    return lambda size: density * size


def _spread(values: Sequence[float]) -> float:
    """Relative: the standard deviation over the mean."""
    return pstdev(values) / max(fmean(values), 1e-9) if values else 0.0


def _passed_over(listed: PassedOver, members: Iterable[Member]) -> PassedOver:
    for member in members:
        listed.merge(member.passed)
    return listed


def _plans(look: _Look, config: RunConfig, shard: Shard) -> list[list[PlannedEdit] | RowError]:
    """Of each member; targets are balanced over what was looked at."""
    rule = build(config.prompts)
    if not isinstance(rule, Balanced):
        return [_plan(member, rule.plan) for member in look.members]
    drawn = of_members(config, rule, shard, look.members)
    pairs = zip(look.members, drawn, strict=True)
    return [_plan(member, partial(rule.plan, drawn=given)) for member, given in pairs]


def _plan(member: Member, plan: Callable[..., list[PlannedEdit]]) -> list[PlannedEdit] | RowError:
    if member.error:
        return member.error
    try:
        return plan(member.caption, member.columns)
    except RowError as error:
        return error


def _swaps(edits: Iterable[PlannedEdit], scale: float) -> dict[tuple[str, str, str], float]:
    counts = Counter(
        (edit.edit_type, edit.source_word or "", edit.target_word or "")
        for edit in edits
        if edit.edit_type
    )
    return {swap: scale * count for swap, count in sorted(counts.items())}


def _listed(counts: Mapping[str, float], shown: int = 24) -> str:
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    told = ", ".join(f"{name} {round(count):,}" for name, count in most[:shown])
    return told + (f", {len(most) - shown} more" if len(most) > shown else "")
