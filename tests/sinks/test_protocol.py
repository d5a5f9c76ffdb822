"""A model of how chunks are committed, explored state by state: what the code must not do, told of
rules small enough to try every order of steps.

One chunk. Two writers make it, two replayers run its dead letters again, recheckers write its edits
anew in other files, a sweeper removes what it takes for leftovers. Each may stand still between any
two of its steps, for as long as all others take; listings may lag behind by any of the records. The
invariants, in every state:

- what a committed record names is there (nothing committed is lost);
- a record, once made, stays and says the same (nothing committed is overwritten);
- exactly one letter becomes exactly one edit (nothing is doubled).

The `Rules` say how the code does it. Those of layout format 1 (names made from chunk and number
alone, records put over what is there, a sweep that believes a listing) must be found wanting, or
the model proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

Name = tuple[str, int, int]
"""A file: (kind, generation, token); token 0 where names carry none."""


@dataclass(frozen=True)
class Record:
    """What a generation of the chunk is: the files that count, and who wrote each (content)."""

    files: frozenset[tuple[Name, int]]  # with the number of the process that wrote it
    edits_of_letters: int  # how often the letter became an edit


@dataclass(frozen=True)
class Rules:
    """How the code goes about it."""

    tokens: bool = True  # a file's name is one that no other attempt gives
    create: bool = True  # a record is made only where there is none
    ask: bool = True  # the sweep asks for the record by its name
    chained: bool = True  # a replay makes the generation after the one that it read


TODAY = Rules()
FORMER = Rules(tokens=False, create=False, ask=False, chained=False)


@dataclass(frozen=True)
class Process:
    """One of the actors, and how far it is."""

    kind: str  # writer | replayer | rechecker | sweeper
    number: int
    step: int = 0
    base: int = -1  # replayer, rechecker: the generation whose letters or edits it took
    seen: frozenset[Name] = frozenset()  # sweeper: what it will remove


@dataclass(frozen=True)
class State:
    """The store and the processes."""

    files: frozenset[tuple[Name, int]]  # name → who wrote its content
    records: tuple[tuple[int, Record], ...]  # by generation
    processes: tuple[Process, ...]


class Broken(Exception):
    """An invariant does not hold."""


def record(state: State, generation: int) -> Record | None:
    return dict(state.records).get(generation)


def highest(state: State) -> int:
    return max((generation for generation, _ in state.records), default=-1)


def moved(state: State, process: Process, **changes: object) -> State:
    """The state after `process` changed, and made one step."""
    after = replace(process, **{"step": process.step + 1, **changes})  # type: ignore[arg-type]
    rest = tuple(after if p.number == process.number else p for p in state.processes)
    return replace(state, processes=rest)


def put(state: State, name: Name, writer: int) -> State:
    """A file, written over what was there."""
    kept = frozenset(file for file in state.files if file[0] != name)
    return replace(state, files=kept | {(name, writer)})


def committed(state: State, rules: Rules, generation: int, made: Record) -> State:
    """With the record, where the rules let it be made; else without our own files."""
    there = dict(state.records)
    if rules.create and generation in there:
        ours = {file for file in made.files if file[0][1] == generation}
        return replace(state, files=state.files - ours)
    return replace(state, records=tuple(sorted({**there, generation: made}.items())))


def names(rules: Rules, generation: int, number: int) -> list[Name]:
    token = number if rules.tokens else 0
    return [("edits", generation, token), ("dead", generation, token)]


def steps_of_writer(state: State, me: Process, rules: Rules) -> Iterator[State]:
    """Looks for a record; puts its files one by one; makes the record."""
    files = names(rules, 0, me.number)
    if me.step == 0:
        yield moved(state, me, step=9) if record(state, 0) else moved(state, me)
    elif me.step in (1, 2):
        yield moved(put(state, files[me.step - 1], me.number), me)
    elif me.step == 3:
        made = Record(frozenset((name, me.number) for name in files), 0)
        yield moved(committed(state, rules, 0, made), me)


def steps_of_replayer(state: State, me: Process, rules: Rules) -> Iterator[State]:
    """Takes the letters of the current record; looks; puts its files; makes the next record."""
    if me.step == 0:
        current = highest(state)
        if current < 0 or dict(state.records)[current].edits_of_letters:
            yield moved(state, me, step=9)  # nothing to replay
        else:
            yield moved(state, me, base=current)
        return
    # The former numbers were all replays' of the output: this one's is what it found free.
    generation = me.base + 1
    files = [name for name in names(rules, generation, me.number) if name[0] == "edits"]
    if me.step == 1:
        taken = rules.create and record(state, generation) is not None
        yield moved(state, me, step=9) if taken else moved(state, me)
    elif me.step == 2:
        yield moved(put(state, files[0], me.number), me)
    elif me.step == 3:
        yield moved(_replayed(state, me, rules, generation, files[0]), me)


def _replayed(state: State, me: Process, rules: Rules, generation: int, edits: Name) -> State:
    before = record(state, me.base)
    assert before
    living = frozenset(file for file in before.files if file[0][0] == "edits")
    times = before.edits_of_letters + 1
    if not rules.chained:
        # Each replay had a number of its own, and its record counted beside all others'.
        generation = max(generation, highest(state) + 1)
        now = dict(state.records)[highest(state)]
        times, living = now.edits_of_letters + 1, living | now.files
    return committed(state, rules, generation, Record(living | {(edits, me.number)}, times))


def steps_of_rechecker(state: State, me: Process, rules: Rules) -> Iterator[State]:
    """Takes the edits of the current record; puts them into a file; makes the next record."""
    if me.step == 0:
        current = highest(state)
        yield moved(state, me, step=9) if current < 0 else moved(state, me, base=current)
        return
    generation = me.base + 1 if rules.chained else highest(state) + 1
    (edits, _) = names(rules, generation, me.number)
    if me.step == 1:
        yield moved(put(state, edits, me.number), me)
    elif me.step == 2:
        before = record(state, me.base)
        assert before
        letters = frozenset(file for file in before.files if file[0][0] == "dead")
        made = replace(before, files=letters | {(edits, me.number)})
        yield moved(committed(state, rules, generation, made), me)


def steps_of_sweeper(state: State, me: Process, rules: Rules) -> Iterator[State]:
    """Lists; finds leftovers; removes them one by one, whatever has happened meanwhile."""
    if me.step == 0:
        # A listing that lags may leave out the newest record, or any.
        views = [state.records, *([state.records[:-1]] if state.records else [])]
        for view in views:
            yield moved(state, me, seen=_leftovers(state, view, rules))
    elif me.seen:
        first, *rest = sorted(me.seen)
        kept = frozenset(file for file in state.files if file[0] != first)
        yield moved(replace(state, files=kept), me, step=1, seen=frozenset(rest))
    else:
        yield moved(state, me, step=0)  # the next run's


def _leftovers(state: State, view: tuple[tuple[int, Record], ...], rules: Rules) -> frozenset[Name]:
    there = {name for name, _ in state.files}
    if rules.ask:
        current = highest(state)
        if current < 0:
            return frozenset()
        named = {name for name, _ in dict(state.records)[current].files}
        return frozenset(n for n in there if n[1] <= current and n not in named)
    named = {name for name, _ in dict(view)[max(dict(view))].files} if view else set()
    return frozenset(there - named)


STEPS = {
    "writer": steps_of_writer,
    "replayer": steps_of_replayer,
    "rechecker": steps_of_rechecker,
    "sweeper": steps_of_sweeper,
}


def check(before: State | None, state: State) -> None:
    """Raises Broken."""
    current = highest(state)
    if current >= 0:
        now = dict(state.records)[current]
        for name, writer in now.files:
            if name not in dict(state.files):
                raise Broken(f"lost: {name}")
            if dict(state.files)[name] != writer:
                raise Broken(f"another's content: {name}")
        # A replay makes one of the letter; no later record may forget it.
        made = [of.edits_of_letters for _, of in state.records]
        if made != sorted(made):
            raise Broken("lost: what a replay made")
        if now.edits_of_letters > 1:
            raise Broken("doubled: a letter became two edits")
    if before:
        for generation, made in before.records:
            if dict(state.records).get(generation) != made:
                raise Broken(f"overwritten: record {generation}")


def explore(rules: Rules, *kinds: str) -> int:
    """Every order of steps of these processes; how many states there are. Raises Broken."""
    start = State(frozenset(), (), tuple(Process(kind, n + 1) for n, kind in enumerate(kinds)))
    seen, waiting = {start}, [start]
    while waiting:
        state = waiting.pop()
        for process in state.processes:
            for after in STEPS[process.kind](state, process, rules):
                check(state, after)
                if after not in seen:
                    seen.add(after)
                    waiting.append(after)
    return len(seen)


CROWDS = [
    ("writer", "writer", "sweeper"),
    ("writer", "sweeper", "sweeper"),
    ("writer", "replayer", "replayer"),
    ("writer", "replayer", "sweeper"),
    ("writer", "replayer", "replayer", "replayer", "sweeper"),
    ("writer", "writer", "replayer", "replayer", "sweeper"),
    ("writer", "writer", "rechecker", "sweeper"),
    ("writer", "rechecker", "rechecker", "sweeper"),
    ("writer", "replayer", "rechecker", "sweeper"),
    ("writer", "replayer", "rechecker", "rechecker", "sweeper"),
]


@pytest.mark.parametrize("crowd", CROWDS, ids="-".join)
def test_todays_rules_lose_and_double_nothing(crowd: tuple[str, ...]) -> None:
    assert explore(TODAY, *crowd) > 15


@pytest.mark.parametrize(
    ("crowd", "fault"),
    [
        # A sweep that believes a listing which lags, or that stood still while another committed.
        (("writer", "sweeper"), "lost"),
        (("writer", "writer"), "overwritten|another's content"),
        (("writer", "replayer", "replayer"), "another's content|overwritten|doubled"),
    ],
)
def test_the_former_rules_are_found_wanting(crowd: tuple[str, ...], fault: str) -> None:
    with pytest.raises(Broken, match=fault):
        explore(FORMER, *crowd)


@pytest.mark.parametrize(
    ("rules", "crowd"),
    [
        (replace(TODAY, tokens=False), ("writer", "writer")),
        (replace(TODAY, create=False), ("writer", "writer")),
        (replace(TODAY, ask=False), ("writer", "sweeper")),
        (replace(TODAY, chained=False), ("writer", "replayer", "replayer")),
        (replace(TODAY, tokens=False), ("writer", "rechecker", "rechecker")),
        (replace(TODAY, chained=False), ("writer", "replayer", "rechecker")),
    ],
    ids=["tokens", "create", "ask", "chained", "tokens of rechecks", "chained rechecks"],
)
def test_each_rule_is_needed(rules: Rules, crowd: tuple[str, ...]) -> None:
    with pytest.raises(Broken):
        explore(rules, *crowd)
