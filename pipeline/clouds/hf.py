"""Datasets of the Hugging Face Hub (`hf://datasets/OWNER/NAME[@REVISION]/PATH`), read-only, by
huggingface_hub's file system made to answer as s3fs does.

The token comes from HF_TOKEN or the login that huggingface_hub keeps. Knows no format.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, NamedTuple, TypeVar

from fsspec.spec import AbstractBufferedFile
from huggingface_hub import HfFileSystem, constants, errors, hf_hub_url
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, http_backoff

from pipeline import clouds, storage
from pipeline.errors import UsageError

T = TypeVar("T")

_HTTP_ERROR = errors.HfHubHTTPError.__bases__[0]
"""What the HTTP client raises; which client that is changes with huggingface_hub's versions."""
_EMPTY = 416
"""Answer to the wish for the first bytes of a file that has none."""
_FOLDER = {"size": 0, "type": "directory"}
_NO_FILE = "no such file in the dataset"
_MEANT: tuple[tuple[Any, type[OSError], str], ...] = (
    (
        errors.GatedRepoError,
        PermissionError,
        "the dataset is gated: accept its terms on its page of the Hub",
    ),
    (
        errors.RepositoryNotFoundError,
        clouds.Unknown,
        f"no such dataset, or a private one; check {clouds.KEYS['hf']}",
    ),
    (
        errors.RevisionNotFoundError,
        clouds.Unknown,
        "the dataset has no such revision (what follows the @)",
    ),
    (errors.EntryNotFoundError, FileNotFoundError, _NO_FILE),
    (
        errors.OfflineModeIsEnabled,
        clouds.Unknown,
        "the Hub is not asked, for HF_HUB_OFFLINE is set; unset it",
    ),
)
"""What the Hub's client raises → what is raised here; the first that fits."""


def _told(call: Callable[..., T]) -> Callable[..., T]:
    """`call`, with what the Hub answered as the OSError that fsspec's stores raise."""

    @wraps(call)
    def told(*args: Any, **more: Any) -> T:
        try:
            return call(*args, **more)
        except (_HTTP_ERROR, errors.OfflineModeIsEnabled) as error:
            # Not its text, here or in a traceback: it may have the signed address of the content.
            raise _os_error(error) from None

    return told


def _os_error(error: Exception) -> OSError:
    for kind, told, why in _MEANT:
        if isinstance(error, kind):
            return told(why)
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return PermissionError(f"the Hub answers {status}")
    if status:
        return OSError(f"the Hub answers {status}")
    why = f"{constants.ENDPOINT} does not answer ({type(error).__name__})"
    return OSError(f"{why}; check the network, and HF_ENDPOINT where it is set")


class Range(NamedTuple):
    """Some bytes of a file, and what came with them."""

    data: bytes
    size: int  # of the whole file
    etag: str  # SHA-256 of what is in LFS or Xet, else the git blob's id


class Blob(AbstractBufferedFile):  # type: ignore[misc]
    """A file of which every read is held against the ETag that it was opened with.

    Its first block opens it, for that tells size and ETag too: one request a picture, and of the
    kind (`/resolve/`) of which the Hub allows several times more than of its API.
    """

    def __init__(self, hub: Hub, path: str, block_size: int) -> None:
        self.fs, self.path, self._url = hub, path, hub.address(path)
        first = self._asked(0, block_size)
        super().__init__(hub, path, "rb", block_size, cache_type="readahead", size=first.size)
        self.details = {"name": path, "type": "file", "size": first.size, "ETag": first.etag}
        self.cache.cache, self.cache.end = first.data, len(first.data)

    def _fetch_range(self, start: int, end: int) -> bytes:
        found = self._asked(start, end)
        if (found.etag, found.size) != (self.details["ETag"], self.size):
            raise OSError("it was written over")  # opening it anew will tell
        return found.data

    @_told
    def _asked(self, start: int, end: int) -> Range:
        # Without its own retries but one: then the error is ours to judge. It waits as long as the
        # Hub says where too much was asked. Compressed, a reply would be of other bytes.
        wish = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        reply: Any = http_backoff(
            "GET",
            self._url,
            max_retries=1,
            headers=build_hf_headers(token=self.fs.token) | wish,
            timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
        )
        if reply.status_code == _EMPTY and start == 0:
            return Range(b"", 0, self.fs.info(self.path)["ETag"])
        hf_raise_for_status(reply)
        return _whole(_range(reply, start, end), start, end)


def _range(reply: Any, start: int, end: int) -> Range:
    etag = _etag([*reply.history, reply])
    if reply.status_code == 206:
        size = int(reply.headers["Content-Range"].rpartition("/")[2])
        return Range(reply.content, size, etag)
    return Range(reply.content[start:end], len(reply.content), etag)  # all of it, unasked


def _etag(replies: list[Any]) -> str:
    """The Hub's own word; the store that it sends the client on to has another."""
    linked = [r.headers["X-Linked-Etag"] for r in replies if "X-Linked-Etag" in r.headers]
    etag: str = (linked or [replies[-1].headers.get("ETag", "")])[0]
    return etag.removeprefix("W/").strip('"')


def _whole(found: Range, start: int, end: int) -> Range:
    if len(found.data) != max(0, min(end, found.size) - start):
        raise OSError("the reply ended too early")
    return found


class Hub(HfFileSystem):  # type: ignore[misc]
    """Datasets of the Hub. Infos have an `ETag`; errors are OSErrors.

    Nothing is believed that was listed before: the Hub's client would keep listings as long as
    the process lives, and give them to its other threads.
    """

    cachable = False

    def _repo_and_revision_exist(self, *_: Any) -> tuple[bool, None]:
        return True, None  # what is asked next tells: one request less for every picture

    def address(self, path: str) -> str:
        """Where the content of `path` is."""
        place: Any = self.resolve_path(path)
        url: str = hf_hub_url(
            place.repo_id,
            place.path_in_repo,
            repo_type=place.repo_type,
            revision=place.revision,
            endpoint=self.endpoint,
        )
        return url

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **_: Any) -> Blob:
        return Blob(self, path, block_size or AbstractBufferedFile.DEFAULT_BLOCK_SIZE)

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """As fsspec, without listing the folder around the file."""
        place: Any = self.resolve_path(path)
        found: dict[str, Any] = storage.retried(lambda: self._info(place))
        return found | {"name": place.unresolve()}

    @_told
    def _info(self, place: Any) -> dict[str, Any]:
        of = {"revision": place.revision, "repo_type": place.repo_type}
        if not place.path_in_repo:
            self._api.repo_info(place.repo_id, timeout=constants.HF_HUB_ETAG_TIMEOUT, **of)
            return _FOLDER
        for entry in self._api.get_paths_info(place.repo_id, place.path_in_repo, **of):
            file = isinstance(entry, RepoFile)
            return _with_etag(vars(entry)) | {"type": "file"} if file else _FOLDER
        raise FileNotFoundError(_NO_FILE)

    @_told
    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """As fsspec, in pages of 1,000."""
        found = super().ls(path, refresh=True)
        return [_with_etag(info) if detail else info["name"] for info in found]

    @_told
    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, **more: Any
    ) -> Any:
        """As fsspec, in pages of 1,000. Raises PermissionError where nothing there may be read."""
        found = super().find(path, maxdepth, withdirs, detail=True, refresh=True)
        infos = {name: _with_etag(info) for name, info in found.items()}
        self._try_one([info for info in infos.values() if info["type"] == "file"])
        return infos if more.get("detail") else list(infos)

    def _try_one(self, files: list[dict[str, Any]]) -> None:
        """Who may not read a gated dataset may list it: better told now than of every picture."""
        largest = max(files, key=lambda info: info["size"], default=None)
        if largest:
            with suppress(FileNotFoundError):  # just removed
                Blob(self, largest["name"], 1).close()


def _with_etag(info: dict[str, Any]) -> dict[str, Any]:
    """`info` with what the Hub sends as the content's ETag."""
    lfs = info.get("lfs")
    return info | {"ETag": lfs.sha256 if lfs else info.get("blob_id")}


def connect(path: str, anonymous: bool) -> tuple[Hub, str]:
    """The Hub and the path there. Raises UsageError where `path` is none of a dataset's."""
    hub = Hub(token=False if anonymous else None)
    with suppress(ValueError):
        if path.startswith("hf://datasets/"):  # nor models, Spaces and buckets: they were not tried
            return hub, hub.resolve_path(path).unresolve()
    raise UsageError(f"{path}: of the Hub only hf://datasets/OWNER/NAME[@REVISION]/FOLDER is read")
