"""What a run would do, from a look at the first rows. Knows no model and starts no Ray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from pipeline.config import RunConfig
from pipeline.diffusion.settings import Settings, Target, expected_evaluations
from pipeline.engine.todo import Todo, todo
from pipeline.errors import RowError
from pipeline.prompts._rule import PlannedEdit, Rule
from pipeline.section import build
from pipeline.sinks.commits import load_progress
from pipeline.sinks.output import open_output, refuse_nested
from pipeline.sources._chunks import require_columns
from pipeline.sources._shard import Member, Shard, Source

SAMPLE = 256
"""Rows looked at; totals beyond them are extrapolated by bytes."""


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
        ]


def estimate(config: RunConfig) -> Estimate:
    """Looks at up to `SAMPLE` rows and extrapolates. Raises UsageError as a run would."""
    refuse_nested(config)
    source: Source = build(config.input)
    rule: Rule = build(config.prompts)
    every = source.shards()
    require_columns(source, every[0], rule.columns())
    left = todo(every, load_progress(open_output(config)))
    shards = [shard for shard, _ in left]
    members, whole = _sample(source, shards, config.run.limit)
    plans = [_plan(member, rule) for member in members]
    edits = [plan for plan in plans if isinstance(plan, list)]
    scale = 1.0 if whole else _scale(members, sum(shard.size for shard in shards))
    return Estimate(
        shards=len(shards),
        shards_done=len(every) - len(shards),
        bytes=sum(shard.size for shard in shards),
        rows=round(scale * len(members)),
        edits=round(scale * sum(map(len, edits))),
        passed=round(scale * sum(not plan for plan in edits)),
        dead=round(scale * (len(plans) - len(edits))),
        evaluations=round(scale * sum(evaluations(config, plan) for plan in edits)),
        exact=whole,
        samples=[edit for plan in edits for edit in plan][:5],
    )


def expected_rows(source: Source, left: Todo, config: RunConfig) -> int:
    """About how many images `left` holds, for a progress bar."""
    members, whole = _sample(source, [shard for shard, _ in left], config.run.limit)
    scale = 1.0 if whole else _scale(members, sum(shard.size for shard, _ in left))
    committed = sum(len(done) for _, done in left) * config.run.chunk_rows
    return max(1, round(scale * len(members)) - committed)


def evaluations(config: RunConfig, edits: Sequence[PlannedEdit]) -> int:
    """UNet evaluations of one image: mask, one inversion, and a decoding for each edit."""
    sections = config.mask, config.invert, config.edit
    targets = [Target.of(0, vars(edit), *sections) for edit in edits]
    return expected_evaluations(targets, Settings.of(config.mask, config.edit))


def _sample(
    source: Source, shards: Sequence[Shard], limit: int | None
) -> tuple[list[Member], bool]:
    members: list[Member] = []
    for shard in shards:
        members += islice(source.members(shard), min(SAMPLE - len(members) + 1, limit or SAMPLE))
        if len(members) > SAMPLE:
            return members[:SAMPLE], False
    return members, True


def _scale(members: Sequence[Member], total: int) -> float:
    seen = sum(len(member.image or b"") + 2048 for member in members)
    return max(1.0, total / seen)


def _plan(member: Member, rule: Rule) -> list[PlannedEdit] | RowError:
    if member.error:
        return member.error
    try:
        return rule.plan(member.caption, member.columns)
    except RowError as error:
        return error
