"""Where stores are reached: S3, and others made to answer as s3fs does (errors, ETag, LastModified,
pages of names).

One module a store; all but S3 are imported where a path names them, for each needs an extra.
"""

from __future__ import annotations

from importlib import import_module

from fsspec import AbstractFileSystem

from pipeline.clouds import s3 as s3
from pipeline.errors import UsageError

EXTRAS = {"abfs": "azure", "gs": "gs"}
"""Scheme → its module here and the extra that installs its client."""
KEYS = {
    "abfs": "AZURE_STORAGE_CONNECTION_STRING (or AZURE_STORAGE_ACCOUNT_NAME and _ACCOUNT_KEY)",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS (or gcloud auth application-default login)",
}
"""Scheme → where its credentials come from."""


def connect(path: str, anonymous: bool, s3_only: list[str]) -> tuple[AbstractFileSystem, str]:
    """The filesystem of `path` and the path inside it.

    Raises UsageError for an unknown scheme, a missing extra, no account, and for settings that
    only S3 has (`s3_only`): heeded nowhere, they would mislead.
    """
    scheme, _, place = path.partition("://")
    if scheme not in EXTRAS:
        raise UsageError(
            f"{path}: only local paths, s3:// and {', '.join(f'{s}://' for s in EXTRAS)} are read "
            f"and written; {scheme}:// is not, so copy the data to one of these, or mount it"
        )
    if s3_only:
        raise UsageError(
            f"{path}: storage.{s3_only[0]} is of s3:// alone; the place of {scheme}:// is told by "
            f"{KEYS[scheme]}"
        )
    if scheme == "abfs" and "@" in place.partition("/")[0]:
        raise UsageError(f"{path}: name the account in {KEYS[scheme]}, not in the path")
    extra = EXTRAS[scheme]
    try:
        module = import_module(f"pipeline.clouds.{extra}")
    except ImportError as error:
        raise UsageError(
            f"{path}: its client is not installed; pip install 'diffedit-pipeline[{extra}]'"
        ) from error
    try:
        connected: tuple[AbstractFileSystem, str] = module.connect(path, anonymous)
    except ValueError as error:  # never its text: it may repeat what the environment says
        raise UsageError(f"{path}: no credentials; check {KEYS[scheme]}") from error
    return connected
