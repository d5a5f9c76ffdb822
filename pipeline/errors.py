"""The tree of errors: what fails one row, and what fails the run. Knows not what raises them.

DiffEditError
├── BugError        what this package promises does not hold; shows its traceback
├── RowError        this row (or this one edit of it) becomes a dead letter; the run goes on
└── RunError        the run stops with one line and an exit code
    ├── UsageError      2   bad config, unknown key, wrong path, missing column
    │   └── Held        2   another run is writing the output
    ├── TooManyDead     3   the share of dead letters passed `run.max_dead_share`
    ├── Interrupted   130   Ctrl-C or SIGTERM; the same command resumes
    └── Stopped         0   a cap of the config was reached; the same command goes on
"""

from __future__ import annotations

GOES_ON = "what is committed is kept, and the same command goes on from there"
"""Ends the line of an error that loses nothing."""


class DiffEditError(Exception):
    """Base of every error this package raises on purpose."""


class BugError(DiffEditError):
    """A promise of this package is broken: an edit lost or doubled between two stages.

    Not an assertion, which `python -O` would switch off.
    """


class RowError(DiffEditError):
    """One row cannot be edited; it becomes a dead letter.

    `kind` is a short stable word for counting (`undecodable`, `too_large`, `no_caption` …);
    the message is for a person and names what was found and what is allowed.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class RunError(DiffEditError):
    """The run cannot go on. The message is one line that names the cause and what to do."""

    exit_code = 1
    outcome = "failed"
    """What the run's record says."""


class UsageError(RunError):
    """What was asked for cannot be done as asked: config, path, column, permission."""

    exit_code = 2


class Held(UsageError):
    """Another run is writing the output."""

    outcome = "refused"


class TooManyDead(RunError):
    """The share of dead letters passed `run.max_dead_share`."""

    exit_code = 3


class Interrupted(RunError):
    """Stopped by the user or the scheduler; what is committed stays."""

    exit_code = 130
    outcome = "interrupted"


class Stopped(RunError):
    """A cap was reached, and all that was begun is committed. The message is the cap's key."""

    exit_code = 0
