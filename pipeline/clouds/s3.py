"""S3, and any server that speaks it (`s3://BUCKET/PATH`), by s3fs. Knows no format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fsspec
from fsspec import AbstractFileSystem

if TYPE_CHECKING:
    from pipeline.storage import Storage


def connect(path: str, storage: Storage) -> tuple[AbstractFileSystem, str]:
    """The filesystem and the path inside it."""
    fs = fsspec.filesystem("s3", **_options(storage))
    # The retries of s3fs and botocore multiply: 2 × 3 requests, then the error is ours to judge.
    fs.retries = 2
    # The ETag of each reply is held against that of the opening: not every server heeds If-Match.
    fs.local_expiry_check = True
    return fs, fs._strip_protocol(path).rstrip("/")


def _options(storage: Storage) -> dict[str, Any]:
    client: dict[str, Any] = {}
    if storage.endpoint_url:
        client["endpoint_url"] = storage.endpoint_url
    if storage.region:
        client["region_name"] = storage.region
    return {
        "anon": storage.anonymous,
        "profile": storage.profile,
        "client_kwargs": client,
        "config_kwargs": {"retries": {"mode": "standard", "total_max_attempts": 3}},
        "use_listings_cache": False,
    }


def page(fs: Any, bucket: str, prefix: str, after: str | None) -> tuple[list[str], str | None]:
    """Some names that begin with `prefix`, and what to ask the next with (None: no more)."""
    token = {"ContinuationToken": after} if after else {}
    found = fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, **token)
    return [entry["Key"] for entry in found.get("Contents", ())], found.get("NextContinuationToken")
