"""An HTTP proxy before a real S3 server that fails some requests, as storage does on a bad day,
and lies, as some stores do.

Requests pass unchanged, the Host header too, so their signatures hold. Which requests fail, and
how, comes from a seed and the order in which they arrive.
"""

from __future__ import annotations

import asyncio
import random
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from aiohttp import web

FAULTS = ("throttled", "refused", "cut", "late", "lost")
"""503 before it is done · connection reset before it is done · reply broken off in the middle ·
reply held back · done, but the reply never comes."""

ERRORS = {
    "throttled": (503, "SlowDown", "Please reduce your request rate."),
    "expired": (403, "ExpiredToken", "The provided token has expired."),
}
"""`expired` is no passing fault, and not among `FAULTS`."""


def _lists_commits(request: web.Request) -> bool:
    return "list-type" in request.query and "/commits/" in request.query.get("prefix", "")


def _told(reply: bytes, lie: str) -> bytes:
    """A listing with its newest entry left out, or with every entry twice."""
    entries = re.findall(rb"<Contents>.*?</Contents>", reply, re.DOTALL)
    if not entries:
        return reply
    if lie == "repeat":
        return reply.replace(entries[0], b"".join(entries) + entries[0], 1)
    written = [re.search(rb"<LastModified>(.*?)<", entry) for entry in entries]
    newest = max(range(len(entries)), key=lambda i: written[i][1] if written[i] else b"")
    return reply.replace(entries[newest], b"", 1)


class FaultProxy:
    """`share` of all requests but the first `after` get one of `kinds`; `seen` counts them.

    `lie` may be set at any time: `lag` (listings of commit records leave out the newest), `repeat`
    (they tell everything twice), `broken` (they fail), `overwrites` (who comes second is told that
    a create succeeded), `unconditional` (If-None-Match is not known).
    """

    def __init__(
        self,
        upstream: str,
        share: float,
        seed: int = 0,
        kinds: tuple[str, ...] = FAULTS,
        after: int = 0,
    ) -> None:
        self.share = share
        self.after = after
        self.kinds = kinds
        self.lie = ""
        self.seen: Counter[str] = Counter()
        self.endpoint_url = ""
        self._upstream = upstream
        self._random = random.Random(seed)
        self._session: aiohttp.ClientSession | None = None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        struck = self.seen.total() >= self.after and self._random.random() < self.share
        fault = self._random.choice(self.kinds) if struck else "none"
        self.seen[fault] += 1
        body = await request.read()
        if fault in ERRORS:
            status, code, message = ERRORS[fault]
            text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
            return web.Response(status=status, text=text, content_type="application/xml")
        if fault == "refused":
            return self._reset(request)
        if self.lie == "broken" and _lists_commits(request):
            self.seen[self.lie] += 1
            text = "<Error><Code>InternalError</Code><Message>a disk failed</Message></Error>"
            return web.Response(status=500, text=text, content_type="application/xml")
        if self.lie == "unconditional" and "If-None-Match" in request.headers:
            text = "<Error><Code>NotImplemented</Code><Message>not implemented</Message></Error>"
            return web.Response(status=501, text=text, content_type="application/xml")
        status, headers, reply = await self._forward(request, body)
        if self.lie == "overwrites" and status == 412:
            status, headers, reply = 200, {"ETag": '"0"'}, b""
        if self.lie in ("lag", "repeat") and status == 200 and _lists_commits(request):
            self.seen[self.lie] += 1
            reply = _told(reply, self.lie)
            headers = {k: v for k, v in headers.items() if k.lower() != "content-length"}
        if fault == "late":
            await asyncio.sleep(0.3)
        if fault == "lost":
            return self._reset(request)
        if fault == "cut":
            return await self._cut(request, status, headers, reply)
        if request.method == "HEAD":
            return web.StreamResponse(status=status, headers=headers)
        return web.Response(status=status, headers=headers, body=reply)

    async def _forward(
        self, request: web.Request, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        assert self._session
        dropped = {"expect", "transfer-encoding", "connection"}
        headers = {k: v for k, v in request.headers.items() if k.lower() not in dropped}
        async with self._session.request(
            request.method,
            self._upstream + request.raw_path,
            headers=headers,
            data=body,
            allow_redirects=False,
        ) as reply:
            kept = {k: v for k, v in reply.headers.items() if k.lower() not in dropped}
            return reply.status, kept, await reply.read()

    def _reset(self, request: web.Request) -> web.Response:
        if request.transport:
            request.transport.abort()
        return web.Response(status=500)

    async def _cut(
        self, request: web.Request, status: int, headers: dict[str, str], body: bytes
    ) -> web.StreamResponse:
        if request.method == "HEAD" or not body:
            return self._reset(request)
        answer = web.StreamResponse(status=status, headers=headers)
        answer.content_length = len(body)
        await answer.prepare(request)
        await answer.write(body[: len(body) // 2])
        self._reset(request)
        return answer

    async def _serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        self._session = aiohttp.ClientSession(auto_decompress=False)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.endpoint_url = f"http://{host}:{port}"
        ready.set()
        await stop.wait()
        await self._session.close()
        await runner.cleanup()

    @contextmanager
    def running(self) -> Iterator[FaultProxy]:
        """Serves from a thread of its own."""
        loop, stop, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
        thread = threading.Thread(target=loop.run_until_complete, args=[self._serve(ready, stop)])
        thread.start()
        assert ready.wait(30)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()
