"""A model of a folder that changes between runs, explored state by state, as `test_protocol.py` is.

One chunk of one member, x. The folder changes x, takes it away and brings it back. Runs look at it,
freeze what is new as the next list, read x and commit it: the chunk's first record, or one that
supersedes it. Each run may stand still between any two of its steps, for as long as all others take
and the folder changes. The invariants, in every state:

- a list and a record, once made, stay and say the same;
- what is committed has exactly one version of x, or none where x was gone;
- no record is of an older list than the one before it: what is new never gives way to what is old;

and at the end, when the folder stands still and one more run goes through, the newest record has
the version that is in the folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

GONE = 0


@dataclass(frozen=True)
class Rules:
    """How the code goes about it."""

    create: bool = True  # lists and records are made only where there is none of their number
    frozen: bool = True  # what a run found is written down before anything of it is done
    as_of: bool = True  # a record is superseded only by one of a newer list
    one_record: bool = True  # old rows go and new ones come in one record


TODAY = Rules()


@dataclass(frozen=True)
class Record:
    """A generation of the chunk."""

    as_of: int
    versions: frozenset[int]  # of x, that readers find


@dataclass(frozen=True)
class Run:
    """One run, and how far it is."""

    number: int
    step: int = 0
    lists: int = 0  # how many there were when it looked
    saw: int = GONE
    read: int = GONE
    base: int = -1  # the generation that its record will supersede


@dataclass(frozen=True)
class State:
    """The folder, the store and the runs."""

    x: int
    changes: tuple[int, ...]  # still to come
    lists: tuple[int, ...]  # the version of x that each says
    records: tuple[Record, ...]
    runs: tuple[Run, ...]


class Broken(Exception):
    """An invariant does not hold."""


def moved(state: State, run: Run, **changes: object) -> State:
    after = replace(run, **{"step": run.step + 1, **changes})  # type: ignore[arg-type]
    return replace(state, runs=tuple(after if r.number == run.number else r for r in state.runs))


def over(state: State, run: Run) -> State:
    return moved(state, run, step=99)


def made(records: tuple[Record, ...], generation: int, record: Record) -> tuple[Record, ...]:
    return (*records[:generation], record, *records[generation + 1 :])


def steps(state: State, run: Run, rules: Rules) -> Iterator[State]:
    """Looks; freezes; reads x as it was seen; looks for a record; makes the next."""
    if run.step == 0:
        yield moved(state, run, lists=len(state.lists), saw=state.x)
    elif run.step == 1:
        yield _frozen(state, run, rules)
    elif run.step == 2:
        # Pinned: what is not as it was seen ends the run.
        yield moved(state, run, read=state.x) if state.x == run.saw else over(state, run)
    elif run.step == 3:
        newest = state.records[-1] if state.records else None
        done = newest and (
            newest.as_of >= run.lists if rules.as_of else newest.versions == {run.read}
        )
        yield over(state, run) if done else moved(state, run, base=len(state.records) - 1)
    elif run.step == 4:
        yield _committed(state, run, rules)


def _frozen(state: State, run: Run, rules: Rules) -> State:
    said = state.lists[run.lists - 1] if run.lists else GONE
    if said == run.saw and run.lists:
        return moved(state, run)  # nothing is new; what was left undone is done
    if not rules.frozen:
        return moved(state, run, lists=run.lists + 1)
    if rules.create and len(state.lists) > run.lists:
        return over(state, run)  # another run found what is new
    lists = (*state.lists[: run.lists], run.saw, *state.lists[run.lists + 1 :])
    return moved(replace(state, lists=lists), run, lists=run.lists + 1)


def _committed(state: State, run: Run, rules: Rules) -> State:
    generation = run.base + 1
    if rules.create and len(state.records) > generation:
        return over(state, run)  # another writer changed the chunk
    versions = {run.read} - {GONE}
    if not rules.one_record and run.base >= 0:
        both = Record(run.lists, frozenset(versions | state.records[run.base].versions))
        after = replace(state, records=made(state.records, generation, both))
        return moved(after, run, step=3, base=generation)
    record = Record(run.lists, frozenset(versions))
    return over(replace(state, records=made(state.records, generation, record)), run)


def check(before: State, state: State) -> None:
    """Raises Broken."""
    if state.records[: len(before.records)] != before.records:
        raise Broken("overwritten: a record")
    if state.lists[: len(before.lists)] != before.lists:
        raise Broken("overwritten: a list")
    if any(len(record.versions) > 1 for record in state.records):
        raise Broken("doubled: two versions of x")
    numbers = [record.as_of for record in state.records]
    if numbers != sorted(numbers):
        raise Broken("stale: an older list's record after a newer one's")


def settled(state: State, rules: Rules) -> State:
    """After one more run that nobody disturbs."""
    number = len(state.runs) + 1
    state = replace(state, runs=(Run(number),))
    while after := list(steps(state, state.runs[0], rules)):
        check(state, after[0])
        state = after[0]
    return state


def explore(rules: Rules, changes: tuple[int, ...], runs: int) -> int:
    """Every order of steps and changes; how many states there are. Raises Broken."""
    start = State(1, changes, (), (), tuple(Run(n + 1) for n in range(runs)))
    seen, waiting = {start}, [start]
    while waiting:
        state = waiting.pop()
        following = [s for run in state.runs for s in steps(state, run, rules)]
        if state.changes:
            first, *rest = state.changes
            following.append(replace(state, x=first, changes=tuple(rest)))
        else:
            _check_end(state, rules)
        for after in following:
            check(state, after)
            if after not in seen:
                seen.add(after)
                waiting.append(after)
    return len(seen)


def _check_end(state: State, rules: Rules) -> None:
    end = settled(state, rules)
    found = end.records[-1].versions if end.records else frozenset()
    if found != {state.x} - {GONE}:
        raise Broken(f"lost: the folder has {state.x}, readers find {set(found)}")


HISTORIES = [(), (2,), (GONE,), (2, 1), (GONE, 1), (2, GONE), (2, 3)]


@pytest.mark.parametrize("changes", HISTORIES, ids=str)
def test_todays_rules_lose_and_double_nothing(changes: tuple[int, ...]) -> None:
    assert explore(TODAY, changes, runs=3) > 30


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ("create", "overwritten"),
        ("frozen", "lost|stale"),
        ("as_of", "stale|lost"),
        ("one_record", "doubled"),
    ],
)
def test_each_rule_is_needed(rule: str, fault: str) -> None:
    with pytest.raises(Broken, match=fault):
        for changes in HISTORIES:
            explore(replace(TODAY, **{rule: False}), changes, runs=3)
