"""Paths → fsspec filesystems, the few operations the project needs on them, and storage errors →
one clear line. Knows no format.

The input and the output may lie on the local disk, on S3 (any server that speaks it) or in one of
the stores of `pipeline.clouds`, which answer as S3 does; the Hugging Face Hub is read-only.
"""

from __future__ import annotations

import errno
import os
import random
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem
from pydantic import Field

from pipeline import clouds
from pipeline.errors import RunError, UsageError
from pipeline.section import Section

T = TypeVar("T")

TEMPORARY = ".tmp"
"""Ending of what is being written on a local disk."""
TRIES = 6
"""Of one operation, beside the few requests that the S3 client itself repeats: about 15 s."""


class Storage(Section):
    """How to reach what is in a store. Keys come from the environment or a profile, not from here.

    Only `anonymous` is of other stores than S3 too.
    """

    endpoint_url: str | None = Field(None, description="S3 server; unset: AWS.")
    region: str | None = Field(None, description="Region name; unset: the environment's.")
    profile: str | None = Field(None, description="Profile in ~/.aws; unset: the environment's.")
    anonymous: bool = Field(False, description="Send no credentials (public buckets).")


def connect(path: str, storage: Storage, write: bool = False) -> tuple[AbstractFileSystem, str]:
    """The filesystem of `path` and the path inside it (no trailing slash).

    Credentials come from the environment or its profile. Raises UsageError for another scheme, and
    where `write` for one that is only read.
    """
    scheme, separator, _ = path.partition("://")
    if not separator or scheme == "file":
        fs = fsspec.filesystem("file", auto_mkdir=True)
        # Not Path.resolve: a link to a folder stays the name that the user gave.
        return fs, os.path.abspath(fs._strip_protocol(path))  # noqa: PTH100
    if scheme != "s3":
        return clouds.connect(path, storage.anonymous, _refused_settings(storage), write)
    return clouds.s3.connect(path, storage)


def is_remote(path: str) -> bool:
    """Whether `path` is in a store, and not on a disk of this machine."""
    return "://" in path and not path.startswith("file://")


def _refused_settings(storage: Storage) -> list[str]:
    """Names of what is set and only S3 has."""
    return [name for name in ("endpoint_url", "region", "profile") if getattr(storage, name)]


def names(fs: AbstractFileSystem, folder: str) -> Iterator[str]:
    """Paths of all files below `folder`, relative to it, as a stream; none where it is missing.

    Raises OSError where any folder below cannot be listed: what was not seen is not absent.
    """
    if isinstance(fs, LocalFileSystem):
        for parent, _, files in os.walk(folder, onerror=_unlisted):
            below = os.path.relpath(parent, folder).replace(os.sep, "/")
            yield from (file if below == "." else f"{below}/{file}" for file in files)
        return
    bucket, _, prefix = folder.partition("/")
    prefix = f"{prefix}/" if prefix else ""
    page = getattr(fs, "page", partial(clouds.s3.page, fs))
    after = None
    while True:
        found, after = retried(partial(page, bucket, prefix, after))
        yield from (name[len(prefix) :] for name in found)
        if after is None:
            return


def _unlisted(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # another process may remove an empty folder
        raise error


def read(fs: AbstractFileSystem, path: str) -> bytes:
    """The whole file. Raises FileNotFoundError where there is none."""
    if isinstance(fs, LocalFileSystem):
        return retried(Path(path).read_bytes)
    # More than one connection would ask for the size first: two requests a file, and no reason
    # in the answer to the first (HEAD has no body) where it is refused.
    data: bytes = retried(lambda: fs.cat_file(path, max_concurrency=1))
    return data


def put(fs: AbstractFileSystem, path: str, data: bytes) -> None:
    """Writes the file whole or not at all, over what was there; durable when it returns."""
    if isinstance(fs, LocalFileSystem):
        retried(lambda: _put_local(Path(path), data))
    else:
        retried(lambda: fs.pipe_file(path, data))


def _put_local(path: Path, data: bytes) -> None:
    with whole(path) as file:
        file.write(data)


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A local file to write, whole or not at all; durable once the block has ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}{TEMPORARY}")


def whole_name(name: str) -> str:
    """The name that a file is being written under; `name` itself where it is written."""
    found = re.fullmatch(rf"\.(.+)\.[0-9a-f]{{8}}{re.escape(TEMPORARY)}", name)
    return found[1] if found else name


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def create(fs: AbstractFileSystem, path: str, data: bytes) -> bool:
    """Writes the file unless there is one, and returns whether the file there is this `data`.

    Of several callers with different data exactly one gets True, even where replies are lost.
    Readers never see half a file; on a local disk without hard links they may see an empty one.
    """
    make = _create_local if isinstance(fs, LocalFileSystem) else _create_remote
    try:
        retried(partial(make, fs, path, data))
    except FileExistsError:
        return read(fs, path) == data  # ours, if only the reply to our first try was lost
    return True


def _create_local(_: LocalFileSystem, path: str, data: bytes) -> None:
    target = Path(path)
    temporary = _temporary(target)
    _put_local(temporary, data)
    try:
        _claim(target, temporary)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)


_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}


def _claim(target: Path, whole: Path) -> None:
    """Gives the file `whole` the name `target`. Raises FileExistsError where that is taken."""
    try:
        # Fails where there is one, and never shows half a file, unlike O_EXCL and then a write.
        target.hardlink_to(whole)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # FAT and some network folders: the name is taken first, and is empty for a moment.
        target.touch(exist_ok=False)
        whole.replace(target)


def _create_remote(fs: Any, path: str, data: bytes) -> None:
    try:
        fs.pipe_file(path, data, mode="create")
    except OSError as error:
        if error_code(error) == "PreconditionFailed":
            raise FileExistsError(path) from error
        raise


def error_code(error: OSError) -> str:
    """S3's own word for what went wrong."""
    response = getattr(error.__cause__, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def remove(fs: AbstractFileSystem, path: str) -> None:
    """Deletes the file; a missing one is fine."""
    with suppress(FileNotFoundError):
        retried(lambda: fs.rm_file(path))


def retried(call: Callable[[], T]) -> T:
    """`call()`, up to `TRIES` times while it fails with a `transient` error."""
    for attempt in range(TRIES - 1):
        try:
            return call()
        except Exception as error:
            if not transient(error):
                raise
        time.sleep(0.5 * 2**attempt * random.uniform(0.75, 1.25))
    return call()


_PERMANENT = (
    FileNotFoundError,
    FileExistsError,
    PermissionError,
    IsADirectoryError,
    NotADirectoryError,
)
_PERMANENT_CODES = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENAMETOOLONG}
# S3 clients raise these beside OSError; by name, so that a local run never imports them.
_BROKEN_CONNECTION = {"HTTPClientError", "ConnectionError", "ClientPayloadError", "IncompleteRead"}


def transient(error: BaseException) -> bool:
    """Whether the same operation may work a moment later: throttling, a reset, a time-out."""
    if isinstance(error, _PERMANENT) or getattr(error, "errno", None) in _PERMANENT_CODES:
        return False
    if isinstance(error, OSError):
        return True
    return not _BROKEN_CONNECTION.isdisjoint(kind.__name__ for kind in type(error).__mro__)


@contextmanager
def explained(path: str, doing: str, raising: type[RunError] = UsageError) -> Iterator[None]:
    """Turns a storage error while `doing` something at `path` into a `raising` that says why."""
    try:
        yield
    except Exception as error:
        if not _of_storage(error):
            raise
        raise raising(f"{path}: cannot {doing}: {_reason(path, error)}") from error


def _of_storage(error: Exception) -> bool:
    clients = ("botocore", "aiobotocore", "aiohttp", "http")
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in clients


def _reason(path: str, error: Exception) -> str:
    if isinstance(error, clouds.Unknown):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "no such file, folder or bucket"
    if isinstance(error, PermissionError):
        said = f" ({error})" if is_remote(path) else ""
        return f"permission denied{said}; {_hint(path)}"
    if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
        return f"no credentials; {_hint(path)}"
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(reason).split())


def _hint(path: str) -> str:
    scheme = path.partition("://")[0]
    if scheme in clouds.KEYS:
        what = "dataset" if scheme == "hf" else "container's or bucket"
        return f"check {clouds.KEYS[scheme]}, and the {what}'s name"
    if scheme == "s3":
        return "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, storage.profile and the bucket"
    return "check the folder's owner and mode"
