"""An imitation of the Hugging Face Hub's API for datasets, on loopback, from folders on the disk.

Written after the Hub's documented API and what huggingface_hub asks of it: revisions, trees in
pages, paths-info, and contents by /resolve/ (small files at once, those in LFS by a redirect to
another server with a signed address). Who may read is told by the token alone. It is not the Hub.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import pytest

TOKEN = "hf_" + "Secret" * 5
SIGNATURE = "Signed" * 5
LFS = (".png", ".jpg", ".tar", ".parquet", ".bin")
_URL = re.compile(r"/(api/)?datasets/([^/]+/[^/]+)(?:/(revision|tree|paths-info|resolve)/(.*))?")


class Asked(NamedTuple):
    """A request that came."""

    kind: str  # info, tree, paths-info, resolve, content
    path: str
    token: str | None


@dataclass
class Hub:
    """Datasets in `folder/OWNER/NAME/REVISION`, and how the server behaves."""

    folder: Path
    address: str = ""
    content: str = ""  # address of the server of what is in LFS
    page: int = 1000  # entries
    gated: set[str] = field(default_factory=set)
    private: set[str] = field(default_factory=set)
    token: str = TOKEN  # that opens what is gated or private
    fail: list[int] = field(default_factory=list)  # answers to the next requests for content
    asked: list[Asked] = field(default_factory=list)
    ranges: bool = True  # whether small files are given in part

    def put(self, place: str, data: bytes) -> None:
        """Commits a file: `place` is OWNER/NAME/REVISION/PATH."""
        file = self.folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def remove(self, place: str) -> None:
        (self.folder / place).unlink()

    def tag(self, dataset: str, name: str) -> None:
        """A revision that stays as main is now."""
        shutil.copytree(self.folder / dataset / "main", self.folder / dataset / name)

    def count(self, *kinds: str) -> int:
        """Requests of these kinds."""
        return sum(one.kind in kinds for one in self.asked)


class Refused(Exception):
    """A status and the Hub's own word for it."""


@contextmanager
def serving(folder: Path) -> Iterator[Hub]:
    """A Hub which this process and its children take for huggingface.co, and are logged in to."""
    hub = Hub(folder)
    with ExitStack() as stack:
        hub.address = stack.enter_context(_server(type("Api", (_Api,), {"hub": hub})))
        hub.content = stack.enter_context(_server(type("Content", (_Content,), {"hub": hub})))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        taken_for_the_hub(patch, hub.address)
        patch.setenv("HF_TOKEN", TOKEN)
        yield hub


def taken_for_the_hub(patch: pytest.MonkeyPatch, address: str) -> None:
    """huggingface_hub reads the environment as it is imported, which may be long ago."""
    from huggingface_hub import constants

    patch.setenv("HF_ENDPOINT", address)
    patch.setattr(constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    patch.setattr(constants, "HF_TOKEN_PATH", "/nowhere/token")
    patch.delenv("HF_HUB_OFFLINE", raising=False)


@contextmanager
def _server(handler: Any) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def noted(self, kind: str) -> None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        self.hub.asked.append(Asked(kind, unquote(self.path), token))

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def part(self, data: bytes, etag: str, ranges: bool = True) -> None:
        """`data`, or the bytes of it that are asked for."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if not asked or not ranges:
            return self.reply(200, data, ETag=etag)
        start, end = int(asked[1]), min(int(asked[2]), len(data) - 1)
        if start > end:
            return self.reply(416, Content_Range=f"bytes */{len(data)}")
        told = f"bytes {start}-{end}/{len(data)}"
        return self.reply(206, data[start : end + 1], ETag=etag, Content_Range=told)


class _Api(_Handler):
    def do_GET(self) -> None:
        url = urlsplit(self.path)
        found = _URL.fullmatch(url.path)
        if not found:  # as /api/agent-harnesses
            return self.reply(404)
        api, dataset, kind, rest = found.groups()
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        self.noted(kind if kind in ("tree", "paths-info", "resolve") else "info")
        revision, _, path = unquote((rest or "main").replace("/", "\0", 1)).partition("\0")
        try:
            folder = self.allowed(dataset, revision, api is None)
            self.answer(kind, dataset, folder, path, form or parse_qs(url.query))
        except Refused as error:
            status, code, message = error.args
            self.reply(status, b"{}", X_Error_Code=code, X_Error_Message=message)

    do_HEAD = do_POST = do_GET

    def allowed(self, dataset: str, revision: str, content: bool) -> Path:
        token, hub = self.hub.asked[-1].token, self.hub
        if token not in (None, TOKEN):
            raise Refused(401, "", "Invalid credentials in Authorization header")
        mine = token == hub.token
        if not (hub.folder / dataset).is_dir() or (dataset in hub.private and not mine):
            raise Refused(404 if token else 401, "RepoNotFound", "Repository not found")
        if dataset in hub.gated and content and not mine:
            raise Refused(403 if token else 401, "GatedRepo", "Access is restricted")
        if not (hub.folder / dataset / revision).is_dir():
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return hub.folder / dataset / revision

    def answer(self, kind: str | None, dataset: str, root: Path, path: str, query: Any) -> None:
        if kind == "tree":
            self.tree(root, path, query)
        elif kind == "paths-info":
            there = [root / name for name in query["paths"] if (root / name).exists()]
            self.json([entry(file, root) for file in there])
        elif kind == "resolve":
            self.resolve(root / path)
        else:
            self.json({"id": dataset, "sha": "0" * 40, "siblings": [], "tags": []})

    def json(self, value: Any, **headers: str) -> None:
        self.reply(200, json.dumps(value).encode(), Content_Type="application/json", **headers)

    def tree(self, root: Path, path: str, query: Any) -> None:
        folder = root / path
        if not folder.is_dir():
            raise Refused(404, "EntryNotFound", f"{path} does not exist")
        below = query["recursive"][0].lower() == "true"
        entries = sorted(folder.rglob("*") if below else folder.iterdir())
        start = int(query.get("cursor", ["0"])[0])
        end = start + self.hub.page
        more = {k: v[0] for k, v in query.items()} | {"cursor": str(end)}
        next_ = f'<{self.hub.address}{urlsplit(self.path).path}?{urlencode(more)}>; rel="next"'
        link = {"Link": next_} if end < len(entries) else {}
        self.json([entry(file, root) for file in entries[start:end]], **link)

    def resolve(self, file: Path) -> None:
        if self.hub.fail:
            return self.reply(self.hub.fail.pop(0), RateLimit='"resolvers";r=0;t=7')
        if not file.is_file():
            raise Refused(404, "EntryNotFound", "Entry not found")
        data = file.read_bytes()
        if not file.name.endswith(LFS):
            return self.part(data, f'"{blob_id(data)}"', self.hub.ranges)
        digest = hashlib.sha256(data).hexdigest()
        self.hub.put(f"lfs/{digest}", data)
        place = f"{self.hub.content}/{digest}?X-Signature={SIGNATURE}"
        linked = {"X_Linked_Etag": f'"{digest}"', "X_Linked_Size": str(len(data))}
        return self.reply(302, b"Found. Redirecting", Location=place, ETag='W/"12-text"', **linked)


class _Content(_Handler):
    """What is in LFS, as the store behind the Hub gives it to whoever has a signed address."""

    def do_GET(self) -> None:
        self.noted("content")
        url = urlsplit(self.path)
        signed = parse_qs(url.query).get("X-Signature") == [SIGNATURE]
        if not signed or self.hub.asked[-1].token:
            return self.reply(403)
        data = (self.hub.folder / "lfs" / url.path[1:]).read_bytes()
        return self.part(data, f'"{hashlib.md5(data).hexdigest()}"')


def entry(file: Path, root: Path) -> dict[str, Any]:
    """A file or folder, as the Hub lists it."""
    path = file.relative_to(root).as_posix()
    if file.is_dir():
        return {"type": "directory", "oid": blob_id(path.encode()), "size": 0, "path": path}
    data = file.read_bytes()
    found = {"type": "file", "oid": blob_id(data), "size": len(data), "path": path}
    if not file.name.endswith(LFS):
        return found
    digest = hashlib.sha256(data).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(data)}\n"
    lfs = {"oid": digest, "size": len(data), "pointerSize": len(pointer)}
    return found | {"oid": blob_id(pointer.encode()), "lfs": lfs, "xetHash": digest[::-1]}


def blob_id(data: bytes) -> str:
    """Git's."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
