"""How a command lives in its process: its streams, its signals, its last word. Knows no command."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pipeline.errors import GOES_ON


def speak_anywhere() -> None:
    """Printing fails neither where a stream is closed nor where it cannot hold a letter."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:  # or a file of ours would get the number, and what is printed
                os.dup2(nowhere, number)
            setattr(sys, name, os.fdopen(number, mode))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def cannot_print(error: OSError) -> bool:
    """Whether who read what we print is gone, or the disk that it goes to is full.

    Files that are read or written have names in their errors. Nothing is printed any more.
    """
    if error.errno not in (errno.EPIPE, errno.ENOSPC) or error.filename is not None:
        return False
    # Python would complain once more when it ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if error.errno == errno.ENOSPC:
        with suppress(OSError):
            print(f"error cannot print: {error.strerror}", file=sys.stderr)
    return True


def interrupt(*_: Any) -> None:
    """The first time ends the run in order; who asks again does not want to wait for that."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop_at_once)
    raise KeyboardInterrupt


def _stop_at_once(*_: Any) -> None:
    os._exit(130)


@contextmanager
def last_word() -> Iterator[None]:
    """Where this process is ended mutely, by a kill, by Ray or by `_stop_at_once`, another says so.

    Ray ends a process at once, with no exception, when its raylet on the machine is gone.
    """
    said = (
        "error ended at once (by a second signal, a kill, or because Ray on this machine died); "
        f"{GOES_ON}"
    )
    # `read` fails where this end is closed without a line. Away from the terminal's signals.
    shell = ["/bin/sh", "-c", 'read -r _ || echo "$0" >&2', said]
    try:
        other = subprocess.Popen(shell, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603
    except OSError:
        yield  # a machine without a shell has no last word
        return
    try:
        yield
    finally:
        with suppress(BrokenPipeError):
            other.communicate(b"\n")
