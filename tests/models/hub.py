"""A Hugging Face hub on loopback that serves the folders below a root. Knows no test.

As much of it as the client asks for: a model's files, their heads and their contents.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0" * 39 + "1"


@contextmanager
def hub(root: Path) -> Iterator[str]:
    """Its address; root/owner/name is the model owner/name."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def log_message(self, *_: object) -> None: ...

        def _answer(self, body: bool) -> None:
            path = self.path.partition("?")[0].strip("/")
            content, tag = self._content(path)
            self.send_response(404 if content is None else 200)
            self.send_header("X-Repo-Commit", COMMIT)
            if content is None:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("ETag", f'"{tag}"')
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if body and content:
                self.wfile.write(content)

        def _content(self, path: str) -> tuple[bytes | None, str]:
            if path.startswith("api/models/"):
                folder = root / "/".join(path.split("/")[2:4])
                made = _tree if "/tree/" in path else _info
                return (made(folder) if folder.is_dir() else None), ""
            owner, name, _, _, *rest = [*path.split("/"), "", ""]
            file = root / owner / name / "/".join(rest).strip("/")
            content = file.read_bytes() if file.is_file() else None
            return content, hashlib.sha256(content or b"").hexdigest()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


def _files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def _info(folder: Path) -> bytes:
    name = "/".join(folder.parts[-2:])
    siblings = [{"rfilename": file} for file in _files(folder)]
    return json.dumps({"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings}).encode()


def _tree(folder: Path) -> bytes:
    sizes = [(file, (folder / file).stat().st_size) for file in _files(folder)]
    return json.dumps(
        [{"type": "file", "path": file, "size": size, "oid": COMMIT} for file, size in sizes]
    ).encode()
