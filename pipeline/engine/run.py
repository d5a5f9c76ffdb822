"""One run from config to summary, on Ray or in this process. Knows no stage and no screen."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from pipeline.config import RunConfig
from pipeline.engine.caps import Caps
from pipeline.engine.careful import Apart
from pipeline.engine.columns import first_columns, with_columns
from pipeline.engine.estimate import expected
from pipeline.engine.outlook import outlook
from pipeline.engine.recorded import Last, Watch, recorded
from pipeline.engine.tally import Tally
from pipeline.engine.todo import Todo
from pipeline.errors import BugError, Interrupted, Stopped, UsageError
from pipeline.keep import told
from pipeline.prompts._rule import Rule
from pipeline.section import build
from pipeline.sinks import bounds, ledger
from pipeline.sinks.again import retire
from pipeline.sinks.attempts import forget, noted
from pipeline.sinks.bounds import Bounds
from pipeline.sinks.commits import load_progress
from pipeline.sinks.lease import writing
from pipeline.sinks.lists import freeze
from pipeline.sinks.output import Output, begin, open_output, refuse_nested
from pipeline.sinks.publish import describe, publish, published
from pipeline.sinks.recheck import finish
from pipeline.sinks.sweep import sweep, untidy
from pipeline.sources._chunks import require_columns
from pipeline.sources._shard import Listing, Source

POLL_SECONDS = 0.5
STALL_SECONDS = 1200.0
"""Without a commit until a person is told."""


def run(config: RunConfig, *, local: bool, verbose: bool, watch: Watch) -> Tally:
    """Does what is left of `config` and returns its counts (0 chunks: there was nothing to do).

    Raises RunError (with its exit code) where the run cannot go on; what is committed stays.
    """
    refuse_nested(config)
    source: Source = build(config.input)
    listing = source.listing()
    output = open_output(config)
    last = Last(watch)
    with recorded(config, output, last), _joined(config, output, last, local, verbose):
        tally = _run(config, source, listing, output, local, verbose, last)
        now = bounds.in_force(output)
        tally.in_force = told(now.keep) if now.number else ""
        last(tally)
    return tally


def _run(
    config: RunConfig,
    source: Source,
    listing: Listing,
    output: Output,
    local: bool,
    verbose: bool,
    watch: Watch,
) -> Tally:
    rule: Rule = build(config.prompts)
    dead_share, caps = config.run.max_dead_share, Caps.of(config.run)
    tally = Tally(dead_share, passed_over=listing.passed, caps=caps)
    seen = outlook(config, source, listing, output)
    tally.gone = seen.gone
    done = not seen.new and not any(seen.left) and published(output)
    if done and not untidy(output, seen.progress):
        return tally
    # What ended this process there before is looked at in another.
    with interruptible(), noted(output, "", "columns", UsageError) as deaths:
        reader = Apart(config) if deaths else source
        require_columns(reader, listing.shards, [*rule.columns(), *config.labels])
        columns = first_columns(config, reader, listing.shards, output)
    with interruptible(), writing(output) as output:
        output = with_columns(begin(output), columns)
        describe(output)
        config = by_bounds_in_force(config, output)
        # What another run committed before it gave up the lease counts too.
        seen = outlook(config, source, listing, output)
        for number, found in seen.new:
            freeze(output, number, found)
        for chunk, listed in seen.left.retired:
            retire(output, chunk, listed)
        left = seen.left.todo
        if left:
            # Only for the bar and the ledger, so it is not looked at again.
            with noted(output, "", "sample") as again:
                looked = not deaths and not again
                if looked:
                    _foretell(tally, source, left, config, output)
            tally = (_locally if local else _on_ray)(config, left, output, tally, watch, verbose)
        sweep(output, load_progress(output))
        publish(output)
        forget(output)
    ended = {name: getattr(tally, name) for name in ("written", "rejected", "dead", "removed")}
    if tally.planned != sum(ended.values()):
        raise BugError(f"planned {tally.planned}, but ended: {ended}")
    tally.check(ledger.runs(output, newest_first=True))
    return tally


def by_bounds_in_force(config: RunConfig, output: Output) -> RunConfig:
    """`config` with the bounds of a recheck, where there was one; one that was killed is ended."""
    now = bounds.in_force(output)
    if not now.done:
        finish(output, now)
    return with_bounds(config, now)


def with_bounds(config: RunConfig, now: Bounds) -> RunConfig:
    """`config` whose `check.keep` is what is in force."""
    check = config.check.model_copy(update={"keep": now.keep})
    return config.model_copy(update={"check": check})


def _foretell(tally: Tally, source: Source, left: Todo, config: RunConfig, output: Output) -> None:
    ahead, pace = expected(source, left, config), ledger.pace(output)
    tally.expected_rows = ahead.rows
    seconds = round(ahead.evaluations / pace, 3) if pace else None
    tally.foretold = ledger.Foretold(
        evaluations=ahead.evaluations, bytes=ahead.written, model_seconds=seconds
    )


@contextmanager
def _joined(
    config: RunConfig, output: Output, last: Last, local: bool, verbose: bool
) -> Iterator[None]:
    """Joins the cluster that the config or the environment names, if any, before anything else,
    so that a run which is refused is counted there too."""
    if local or not (config.run.address or os.environ.get("RAY_ADDRESS")):
        yield
        return
    with interruptible(), _connected(config, verbose):
        from pipeline.engine.meters import ended

        try:
            yield
        except BaseException as error:
            ended(output, last.outcome(error))
            raise
        ended(output, last.outcome())


def _connected(config: RunConfig, verbose: bool) -> AbstractContextManager[None]:
    if not verbose:
        # What raylets say comes past every logger; read when Ray is imported.
        os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    from pipeline.engine.cluster import connected

    return connected(config, verbose)


def _locally(
    config: RunConfig, left: Todo, output: Output, tally: Tally, watch: Watch, verbose: bool
) -> Tally:
    from pipeline.engine import local

    with suppress(Stopped):
        local.flow(config, left, output, tally, watch)
    return tally


def _on_ray(
    config: RunConfig, left: Todo, output: Output, tally: Tally, watch: Watch, verbose: bool
) -> Tally:
    with _connected(config, verbose):
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from pipeline.engine import losses
        from pipeline.engine.flow import flow
        from pipeline.engine.meters import measured

        # Beside the driver: it must not be lost with a machine that the run can do without.
        node = ray.get_runtime_context().get_node_id()
        here = NodeAffinitySchedulingStrategy(node, soft=False)
        remote: Any = ray.remote(num_cpus=0)(Tally)
        remote = remote.options(scheduling_strategy=here)
        actor = remote.remote(
            tally.max_dead_share,
            tally.expected_rows,
            passed_over=tally.passed_over,
            gone=tally.gone,
            caps=tally.caps,
            foretold=tally.foretold,
        )
        with (
            losses.told(),
            losses.head_watched(),
            measured(output) as meters,
            _polled(actor, [meters, watch]),
        ):
            with suppress(Stopped), losses.told():
                flow(config, left, output, actor)
            final: Tally = ray.get(actor.snapshot.remote())
        return final


@contextmanager
def _polled(actor: Any, watches: Sequence[Watch]) -> Iterator[None]:
    """Shows each of `watches` the counts now and then, and once when the block has ended."""
    import ray

    done = threading.Event()

    def poll() -> None:
        told = _StallTold()
        # Where the counts are gone, the run itself ends with the reason.
        with suppress(ray.exceptions.RayError):
            ended = False
            while not ended:
                ended = done.wait(POLL_SECONDS)
                tally = ray.get(actor.snapshot.remote())
                told.look(tally)
                for watch in watches:
                    watch(tally)

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=5)


class _StallTold:
    """Says so on stderr where no chunk has been committed for long."""

    def __init__(self) -> None:
        self._chunks, self._since = -1, time.monotonic()

    def look(self, tally: Tally) -> None:
        if tally.chunks != self._chunks:
            self._chunks, self._since = tally.chunks, time.monotonic()
        elif time.monotonic() - self._since > STALL_SECONDS:
            self._since = time.monotonic()
            print(
                f"no chunk was committed for {STALL_SECONDS / 60:.0f} minutes; the run goes on. "
                "Where chunks are large or the model is slow that is well; else look at Ray's "
                "logs, or stop the run: the same command goes on from what is committed",
                file=sys.stderr,
            )


@contextmanager
def interruptible() -> Iterator[None]:
    """Turns Ctrl-C (and a SIGTERM that the command line maps to it) into Interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(
            "interrupted; committed parts are kept, the same command goes on from here"
        ) from None
