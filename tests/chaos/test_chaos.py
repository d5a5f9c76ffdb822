"""The short form of `make chaos`."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.campaign import Campaign
from tests.chaos.nights import Nights


def test_runs_that_are_killed_end_with_exactly_the_planned_set(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, seed=1, endpoint=None, say=print, per_shard=12)
    outcome = campaign.run(kills=5)
    assert outcome.kills == {"driver": 2, "stall": 1, "actor": 1, "lie": 1}
    assert outcome.sound(), [outcome.line(), *outcome.problems]
    assert outcome.planned == outcome.written + outcome.rejected + outcome.dead > 60
    assert outcome.rejected


def test_the_best_of_several_tries_is_the_same_after_a_kill(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, seed=2, endpoint=None, say=print, per_shard=6, tries=3)
    outcome = campaign.run(kills=1)
    assert outcome.kills == {"driver": 1}
    assert outcome.sound(), [outcome.line(), *outcome.problems]
    assert outcome.planned == outcome.written + outcome.rejected + outcome.dead > 30
    assert outcome.rejected


def test_a_folder_that_changes_while_runs_over_it_are_killed(tmp_path: Path) -> None:
    outcome = Nights(tmp_path, seed=2, endpoint=None, say=print).run(kills=2)
    assert outcome.sound(), [outcome.line(), *outcome.problems]
    assert outcome.kills.total() == 2
