"""Where stores are reached: S3, and others made to answer as s3fs does (errors, ETag, LastModified,
pages of names).

One module a store; all but S3 are imported where a path names them, for most need an extra.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from fsspec import AbstractFileSystem

from pipeline.clouds import s3 as s3
from pipeline.errors import UsageError

MODULES = {"abfs": "azure", "gs": "gs", "hf": "hf"}
"""Scheme → its module here, named as the extra that installs its client (hf's needs none)."""
KEYS = {
    "abfs": "AZURE_STORAGE_CONNECTION_STRING (or AZURE_STORAGE_ACCOUNT_NAME and _ACCOUNT_KEY)",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS (or gcloud auth application-default login)",
    "hf": "HF_TOKEN (or hf auth login)",
}
"""Scheme → where its credentials come from."""


class Unknown(FileNotFoundError):
    """No such place can be seen in a store; the message says what that may come of."""


def connect(
    path: str, anonymous: bool, s3_only: list[str], write: bool
) -> tuple[AbstractFileSystem, str]:
    """The filesystem of `path` and the path inside it.

    Raises UsageError for an unknown scheme, one that is only read where `write`, a missing extra,
    no account, and for settings that only S3 has (`s3_only`): heeded nowhere, they would mislead.
    """
    scheme, _, place = path.partition("://")
    _check_scheme(path, scheme, write)
    if s3_only:
        raise UsageError(
            f"{path}: storage.{s3_only[0]} is of s3:// alone; how {scheme}:// is reached is told "
            f"by {KEYS[scheme]}"
        )
    if scheme == "abfs" and "@" in place.partition("/")[0]:
        raise UsageError(f"{path}: name the account in {KEYS[scheme]}, not in the path")
    try:
        connected: tuple[AbstractFileSystem, str] = _module(path, scheme).connect(path, anonymous)
    except ValueError as error:  # never its text: it may repeat what the environment says
        raise UsageError(f"{path}: no credentials; check {KEYS[scheme]}") from error
    return connected


def _check_scheme(path: str, scheme: str, write: bool) -> None:
    written = ", ".join(f"{s}://" for s in MODULES if s != "hf")
    if scheme not in MODULES:
        raise UsageError(
            f"{path}: only local paths, s3://, {written} are read and written, and hf:// is read; "
            f"{scheme}:// is not, so copy the data to one of these, or mount it"
        )
    if write and scheme == "hf":
        raise UsageError(
            f"{path}: hf:// is an input's alone and never written; use a folder here, s3://, "
            f"{written}, then `hf upload OWNER/NAME FOLDER . --repo-type dataset`"
        )


def _module(path: str, scheme: str) -> Any:
    try:
        return import_module(f"pipeline.clouds.{MODULES[scheme]}")
    except ImportError as error:
        raise UsageError(
            f"{path}: its client is not installed; "
            f"pip install 'diffedit-pipeline[{MODULES[scheme]}]'"
        ) from error
