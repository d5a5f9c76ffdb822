"""Paths → fsspec filesystems, and storage errors → one clear line. Knows no format.

Both the input and the output may lie on the local disk or on S3 (any server that speaks it).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsspec
from fsspec import AbstractFileSystem
from pydantic import Field

from pipeline.errors import UsageError
from pipeline.section import Section


class Storage(Section):
    """How to reach `s3://` paths. Keys come from the environment or a profile, never from here."""

    endpoint_url: str | None = Field(None, description="S3 server; unset: AWS.")
    region: str | None = Field(None, description="Region name; unset: the environment's.")
    profile: str | None = Field(None, description="Profile in ~/.aws; unset: the environment's.")
    anonymous: bool = Field(False, description="Send no credentials (public buckets).")


def connect(path: str, storage: Storage) -> tuple[AbstractFileSystem, str]:
    """The filesystem of `path` and the path inside it (no trailing slash).

    Credentials come from the environment or its profile.
    Raises UsageError for a scheme that is neither local nor s3.
    """
    scheme, separator, _ = path.partition("://")
    if not separator or scheme == "file":
        fs = fsspec.filesystem("file", auto_mkdir=True)
        return fs, os.path.abspath(fs._strip_protocol(path))
    if scheme != "s3":
        raise UsageError(f"{path}: only local paths and s3:// are read and written")
    fs = fsspec.filesystem("s3", **_s3_options(storage))
    return fs, fs._strip_protocol(path).rstrip("/")


def _s3_options(storage: Storage) -> dict[str, Any]:
    # Retries of botocore and s3fs multiply; these together give a handful of tries, then the error.
    client: dict[str, Any] = {}
    if storage.endpoint_url:
        client["endpoint_url"] = storage.endpoint_url
    if storage.region:
        client["region_name"] = storage.region
    return {
        "anon": storage.anonymous,
        "profile": storage.profile,
        "client_kwargs": client,
        "config_kwargs": {"retries": {"mode": "standard", "max_attempts": 5}},
        "use_listings_cache": False,
    }


@contextmanager
def explained(path: str, doing: str) -> Iterator[None]:
    """Turns a storage error while `doing` something at `path` into a UsageError that says why."""
    try:
        yield
    except FileNotFoundError as error:
        raise UsageError(f"{path}: cannot {doing}: no such file, folder or bucket") from error
    except PermissionError as error:
        raise UsageError(f"{path}: cannot {doing}: permission denied; {_hint(path)}") from error
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise UsageError(f"{path}: cannot {doing}: {reason}") from error


def _hint(path: str) -> str:
    if path.startswith("s3://"):
        return "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, storage.profile and the bucket"
    return "check the folder's owner and mode"
