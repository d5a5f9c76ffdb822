"""What a run would do, from a look at the first rows. Knows no model and starts no Ray."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from pipeline.config import RunConfig
from pipeline.diffusion.seeds import row_seed
from pipeline.diffusion.settings import Settings, Target, expected_evaluations
from pipeline.engine.codec import seconds, told, written
from pipeline.engine.draw import of_members
from pipeline.engine.looks import Look, look_at, rows_left
from pipeline.engine.outlook import outlook
from pipeline.engine.todo import Todo
from pipeline.errors import RowError
from pipeline.metrics.model_verdict import EVALUATIONS
from pipeline.prompts._rule import Balanced, PlannedEdit, Rule
from pipeline.rows import PassedOver
from pipeline.section import build
from pipeline.sinks import ledger
from pipeline.sinks.output import open_output, refuse_nested
from pipeline.sources._chunks import require_columns
from pipeline.sources._shard import Member, Shard, Source
from pipeline.variants import Try


@dataclass(frozen=True)
class Estimate:
    """Totals of a run; `exact` says whether every row was looked at."""

    shards: int
    shards_done: int
    bytes: int
    rows: int
    edits: int
    tries: int  # at them, by the model
    passed: int
    dead: int
    evaluations: int
    images: int  # that are edited
    decodes: int  # edits that the network paints; an exact colour needs its mask alone
    written: int  # bytes
    codec: float  # CPU seconds of an edit, outside of the model
    model_seconds: float | None  # at the pace of the last run with these settings, if one tells
    exact: bool
    samples: Sequence[PlannedEdit]
    swaps: Mapping[tuple[str, str, str], float]  # (edit_type, word, target) → edits
    how_tried: str  # empty: once each
    cpus: str  # what the photos cost a CPU, see `codec`
    passed_over: PassedOver  # files; those inside of shards as far as they were looked at

    def numbers(self) -> dict[str, int | float | None]:
        """The figures, for machines."""
        names = ("shards", "shards_done", "bytes", "rows", "edits", "tries", "passed", "dead")
        more = ("evaluations", "written", "model_seconds", "exact")
        return {name: getattr(self, name) for name in (*names, *more)}

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
            *([("tries", f"{about}{self.tries:,} ({self.how_tried})")] if self.how_tried else []),
            ("passed (nothing to edit)", f"{about}{self.passed:,}"),
            ("dead letters foreseen", f"{about}{self.dead:,}"),
            ("UNet evaluations", f"{about}{self.evaluations:,} ({per_image:.0f} an image)"),
            ("output", f"about {self.written / 2**20:,.1f} MiB"),
            ("CPUs for photos", self.cpus),
            *self._time(),
        ]

    def _time(self) -> list[tuple[str, str]]:
        if self.model_seconds is None:
            return []
        hours = self.model_seconds / 3600
        return [("at the last run's pace", f"{hours:,.3g} h of the model")]


def estimate(config: RunConfig) -> Estimate:
    """Looks at about `looks.SAMPLE` rows and extrapolates. Raises UsageError as a run would."""
    refuse_nested(config)
    source: Source = build(config.input)
    rule: Rule = build(config.prompts)
    listing = source.listing()
    require_columns(source, listing.shards, rule.columns())
    output = open_output(config)
    left, pace = outlook(config, source, listing, output).left.todo, ledger.pace(output)
    looked = _looked(source, left, config)
    looks, members, rows, scale = looked.looks, looked.members, looked.rows, looked.scale
    plans = looked.plans
    edits = [plan for plan in plans if isinstance(plan, list)]
    photos = [data for data, _ in looked.photos()]
    variants = config.edit.variants
    kept, tried = (variants.keep, variants.tries) if variants else (1, 1)
    return Estimate(
        shards=len(left),
        shards_done=len(listing.shards) - len(left),
        bytes=sum(shard.size for shard, _ in left),
        rows=rows,
        edits=round(scale * kept * sum(map(len, edits))),
        tries=round(scale * tried * sum(map(len, edits))),
        how_tried=f"{tried} an edit, kept {kept} by {variants.by}" if variants else "",
        passed=round(scale * sum(not plan for plan in edits)),
        dead=round(scale * (len(plans) - len(edits))),
        evaluations=(spent := looked.evaluations(config)),
        images=round(scale * len(photos)),
        decodes=round(scale * tried * sum(_denoised(config, plan) for plan in edits)),
        written=round(scale * written(looked.photos(kept), config)),
        codec=seconds(photos, config) if photos else 0.0,
        model_seconds=spent / pace if pace else None,
        exact=len(looks) == len(left)
        and all(look.whole for look in looks.values())
        and not any(len(done) for _, done in left),
        samples=[edit for plan in edits for edit in plan][:5],
        swaps=_swaps([edit for plan in edits for edit in plan], scale),
        cpus=told(photos, config) if photos else "none: nothing is edited",
        passed_over=_passed_over(listing.passed, members),
    )


class Expected(NamedTuple):
    """What a run has before it: as much as `estimate` says."""

    rows: int  # at least 1, for a progress bar
    evaluations: int
    written: int  # bytes


def expected(source: Source, left: Todo, config: RunConfig) -> Expected:
    """Looks at about `looks.SAMPLE` rows of `left`."""
    looked = _looked(source, left, config)
    kept = config.edit.variants.keep if config.edit.variants else 1
    bytes_written = round(looked.scale * written(looked.photos(kept), config))
    return Expected(max(1, looked.rows), looked.evaluations(config), bytes_written)


def evaluations(
    config: RunConfig, edits: Sequence[PlannedEdit], has_mask: bool = False, seed: int = 0
) -> int:
    """Of the network, for one image: mask, one inversion, a decoding and a verdict a try.

    `has_mask`: the image comes with a mask of its own; `seed` is its noise maps'.
    """
    sections = config.mask, config.invert, config.edit
    tries = _tries(config, seed)
    targets = [Target.of(0, vars(edit), *sections, each) for edit in edits for each in tries]
    told = getattr(config.model, "told", None) or False
    given = [0] if has_mask and config.mask.given == "replace" else []
    judged = EVALUATIONS * len(targets) if "model_verdict" in config.check.scores else 0
    settings = Settings.of(config.mask, config.edit)
    return expected_evaluations(targets, settings, told, given) + judged


def _denoised(config: RunConfig, edits: Sequence[PlannedEdit]) -> int:
    sections = config.mask, config.invert, config.edit
    return sum(Target.of(0, vars(edit), *sections).denoise for edit in edits)


def _tries(config: RunConfig, seed: int) -> Sequence[Try | None]:
    """At each edit of the image of that seed."""
    return config.edit.variants.drawn(seed) if config.edit.variants else [None]


@dataclass(frozen=True)
class _Looked:
    """The rows looked at, and what is planned for each."""

    looks: Mapping[str, Look]
    members: Sequence[Member]
    plans: Sequence[list[PlannedEdit] | RowError]
    rows: int  # about how many there are to do

    @property
    def scale(self) -> float:
        """All rows over those looked at."""
        return self.rows / max(1, len(self.members))

    def photos(self, kept: int = 1) -> list[tuple[bytes, int]]:
        """Those with edits, and how many, where so many tries at each are kept."""
        pairs = zip(self.members, self.plans, strict=True)
        return [(m.image, kept * len(p)) for m, p in pairs if m.image and isinstance(p, list) and p]

    def evaluations(self, config: RunConfig) -> int:
        """Of all rows."""
        paths = (path for path, look in self.looks.items() for _ in look.members)
        counts = (
            evaluations(config, plan, member.mask is not None, _seed(config, path, member))
            for path, member, plan in zip(paths, self.members, self.plans, strict=True)
            if isinstance(plan, list)
        )
        return round(self.scale * sum(counts))


def _seed(config: RunConfig, shard: str, member: Member) -> int:
    return row_seed(config.run.seed, shard, member.key)


def _looked(source: Source, left: Todo, config: RunConfig) -> _Looked:
    shards = {shard.path: shard for shard, _ in left}
    looks = look_at(source, list(shards.values()), config.run.limit)
    members = [member for look in looks.values() for member in look.members]
    plans = [plan for path, look in looks.items() for plan in _plans(look, config, shards[path])]
    return _Looked(looks, members, plans, rows_left(looks, left, config))


def _passed_over(listed: PassedOver, members: Iterable[Member]) -> PassedOver:
    for member in members:
        listed.merge(member.passed)
    return listed


def _plans(look: Look, config: RunConfig, shard: Shard) -> list[list[PlannedEdit] | RowError]:
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
    except Exception as error:  # of a run it fails the row alone, too
        return RowError("internal", type(error).__name__)


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
