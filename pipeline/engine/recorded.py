"""Keeps the record of a run, however it ends. Knows no Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.config import RunConfig
from pipeline.engine.tally import Tally
from pipeline.errors import RunError
from pipeline.rows import SPENT
from pipeline.sinks import ledger
from pipeline.sinks.output import Output

Watch = Callable[[Tally], None]


class Last:
    """Keeps the counts that came by last, and passes them on; a `Watch`."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.tally = Tally(1)

    def __call__(self, tally: Tally) -> None:
        self.tally = tally
        self._watch(tally)

    def outcome(self, error: BaseException | None = None) -> str:
        """How the run ended, as its record says."""
        if error:
            return error.outcome if isinstance(error, RunError) else "failed"
        return "stopped" if self.tally.stopped else "done"


@contextmanager
def recorded(config: RunConfig, output: Output, last: Last) -> Iterator[None]:
    """Keeps a record of the run, however it ends."""
    entry = ledger.begun(output)

    def end(code: int, message: str, error: BaseException | None = None) -> None:
        names = (*ledger.COUNTS, *SPENT, "bytes", "foretold")
        counts = {name: getattr(last.tally, name) for name in names}
        said = {"outcome": last.outcome(error), "exit_code": code, "message": message}
        ledger.ended(output, entry, config.run.keep_runs, **said, **counts)

    try:
        yield
    except RunError as error:
        end(error.exit_code, str(error), error)
        raise
    except BaseException as error:
        end(1, f"{type(error).__name__}: {error}", error)
        raise
    end(0, last.tally.stopped)
