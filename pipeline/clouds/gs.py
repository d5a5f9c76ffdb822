"""Google Cloud Storage (`gs://BUCKET/PATH`) by gcsfs, made to answer as s3fs does.

Credentials are Google's application default ones. Knows no format.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from fsspec.asyn import sync_wrapper
from gcsfs.core import GCSFile, GCSFileSystem
from gcsfs.retry import HttpError
from google.auth.exceptions import GoogleAuthError, RefreshError


class Object(GCSFile):  # type: ignore[misc]
    """A file of which every read is of the generation that it was opened with."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        generation = self.details["generation"]
        try:
            data: bytes = self.fs.cat_file(self.path, start=start, end=end, generation=generation)
        except FileNotFoundError as error:  # written over, or removed: opening it anew will tell
            raise OSError(f"generation {generation} is not there any more") from error
        return data

    def discard(self) -> None:
        """Ends an upload that is not to be; one that stays costs nothing and ends in a week."""
        with suppress(OSError):
            super().discard()


class Objects(GCSFileSystem):  # type: ignore[misc]
    """Objects of buckets. Infos have `ETag` (a generation), `LastModified`; errors are OSErrors.

    gcsfs's plain class: the one that it gives by itself asks by gRPC what kind a bucket is.
    """

    async def _call(self, *args: Any, **more: Any) -> Any:
        try:
            return await super()._call(*args, **more)
        except HttpError as error:
            kind = PermissionError if str(error.code) == "401" else OSError
            raise kind(_short(error)) from error
        except GoogleAuthError as error:
            refused = isinstance(error, RefreshError) and not error.retryable
            kind = PermissionError if refused else OSError
            raise kind(type(error).__name__) from error
        except OSError as error:
            if str(error).startswith("Forbidden: "):
                raise PermissionError("Forbidden") from error
            raise

    call = sync_wrapper(_call)

    def _open(
        self, path: str, mode: str = "rb", block_size: int | None = None, **more: Any
    ) -> Object:
        more.setdefault("cache_type", "readahead")
        return Object(self, path, mode, block_size or self.default_block_size, **more)

    def _process_object(self, bucket: str, object_metadata: dict[str, Any]) -> dict[str, Any]:
        info: dict[str, Any] = super()._process_object(bucket, object_metadata)
        written = info.pop("mtime")  # a local file's is a number
        return {**info, "ETag": info["generation"], "LastModified": written}

    def page(self, bucket: str, prefix: str, after: str | None) -> tuple[list[str], str | None]:
        """Some names that begin with `prefix`, and what to ask the next with (None: no more)."""
        token = {"pageToken": after} if after else {}
        found = self.call("GET", "b/{}/o", bucket, prefix=prefix, json_out=True, **token)
        return [item["name"] for item in found.get("items", ())], found.get("nextPageToken")


def _short(error: HttpError) -> str:
    return " ".join(str(error).split())[:200]


def connect(path: str, anonymous: bool) -> tuple[Objects, str]:
    """The buckets and the path in them. Raises ValueError where there are no credentials."""
    unsigned = anonymous or "STORAGE_EMULATOR_HOST" in os.environ
    try:
        fs = Objects(token="anon" if unsigned else "google_default", use_listings_cache=False)
    except GoogleAuthError as error:
        raise ValueError(type(error).__name__) from error
    return fs, fs._strip_protocol(path).rstrip("/")
