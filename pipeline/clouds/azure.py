"""Azure Blob Storage (`abfs://CONTAINER/PATH`) by adlfs, made to answer as s3fs does.

Account and keys come from the environment, by adlfs's names. Knows no format.
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar

from adlfs.spec import AzureBlobFile, AzureBlobFileSystem
from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceNotFoundError
from fsspec.asyn import sync, sync_wrapper

T = TypeVar("T")

_FOLDER = "hdi_isfolder"
"""What a store with real folders (hierarchical namespace) says of each that it lists."""


def _told(call: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
    """`call`, with what the store answered as the OSError that fsspec's stores raise."""

    @wraps(call)
    async def told(*args: Any, **more: Any) -> T:
        try:
            return await call(*args, **more)
        except AzureError as error:
            raise _os_error(error) from error
        except RuntimeError as error:  # adlfs wraps what ended an upload
            if not isinstance(error.__cause__, AzureError):
                raise
            raise _os_error(error.__cause__) from error

    return told


def _os_error(error: AzureError) -> OSError:
    # Not the message: it is long, and repeats the request.
    status = getattr(error, "status_code", None)
    said = f"{getattr(error, 'error_code', None) or type(error).__name__}"
    if isinstance(error, ResourceNotFoundError):
        return FileNotFoundError(errno.ENOENT, said)
    if status in (401, 403) or type(error).__name__ == "ClientAuthenticationError":
        return PermissionError(said)
    return OSError(said if status else " ".join(str(error).split())[:200])


class Blob(AzureBlobFile):  # type: ignore[misc]
    """A file of which every read is held against the ETag that it was opened with."""

    async def _fetch(self, start: int, end: int | None = None, **_: Any) -> bytes:
        length = min(end or self.size, self.size) - start
        stream = await self.container_client.download_blob(
            self.blob,
            offset=start,
            length=length,
            etag=self.details["ETag"],
            match_condition=MatchConditions.IfNotModified,
        )
        data: bytes = await stream.readall()
        return data

    _fetch_range = sync_wrapper(_told(_fetch))
    _upload_chunk = sync_wrapper(_told(AzureBlobFile._async_upload_chunk))


class Blobs(AzureBlobFileSystem):  # type: ignore[misc]
    """Blobs of one account. Infos have `ETag` and `LastModified`; errors are OSErrors."""

    _info = _told(AzureBlobFileSystem._info)
    _ls = _told(AzureBlobFileSystem._ls)
    _find = _told(AzureBlobFileSystem._find)
    _exists = _told(AzureBlobFileSystem._exists)
    _cat_file = _told(AzureBlobFileSystem._cat_file)
    _rm_file = _told(AzureBlobFileSystem._rm_file)
    _pipe_file = _told(AzureBlobFileSystem._pipe_file)
    pipe_file = sync_wrapper(_pipe_file)

    def do_connect(self) -> None:
        """As adlfs, but the client's own retries end soon: then the error is ours to judge."""
        super().do_connect()
        policy = self.service_client._config.retry_policy
        policy.total_retries, policy.initial_backoff, policy.random_jitter_range = 1, 1, 0

    def _open(
        self, path: str, mode: str = "rb", block_size: int | None = None, **more: Any
    ) -> Blob:
        return Blob(self, path, mode, block_size or self.blocksize, **more)

    async def _details(self, contents: Any, *args: Any, **more: Any) -> list[dict[str, Any]]:
        infos: list[dict[str, Any]] = await super()._details(contents, *args, **more)
        for info in infos:
            info["ETag"], info["LastModified"] = info.get("etag"), info.get("last_modified")
        return infos

    def page(self, container: str, prefix: str, after: str | None) -> tuple[list[str], str | None]:
        """Some names that begin with `prefix`, and what to ask the next with (None: no more)."""
        found: tuple[list[str], str | None] = sync(self.loop, self._page, container, prefix, after)
        return found

    @_told
    async def _page(
        self, container: str, prefix: str, after: str | None
    ) -> tuple[list[str], str | None]:
        async with self.service_client.get_container_client(container) as client:
            listed = client.list_blobs(name_starts_with=prefix, include=["metadata"])
            pages = listed.by_page(after)
            async for page in pages:
                names = [blob.name async for blob in page if not _is_folder(blob.metadata)]
                return names, pages.continuation_token or None
        return [], None


def _is_folder(metadata: dict[str, str] | None) -> bool:
    return any(name.lower() == _FOLDER for name in metadata or {})


def connect(path: str, anonymous: bool) -> tuple[Blobs, str]:
    """The account's blobs and the path in them. Raises ValueError where no account is named."""
    fs = Blobs(anon=anonymous or None, use_listings_cache=False)
    return fs, fs._strip_protocol(path).rstrip("/")
