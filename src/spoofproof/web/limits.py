"""How often and how slowly: a token bucket for each caller, and a clock on every wait for a client."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BUCKETS = 10_000
_LINGER = 2.0  # seconds


class Buckets:
    """Token buckets: ``rate`` requests a minute on average, ``burst`` at once; rate 0: no limit."""

    def __init__(self, rate: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate / 60
        self._burst = float(burst)
        self._now = now
        self._full: dict[str, tuple[float, float]] = {}

    def take(self, who: str) -> int:
        """Take one token of ``who``. Returns 0, or the seconds after which there will be one."""
        if self._rate == 0:
            return 0
        now = self._now()
        tokens, then = self._full.pop(who, (self._burst, now))
        tokens = min(self._burst, tokens + (now - then) * self._rate)
        if tokens >= 1:
            tokens -= 1
            wait = 0
        else:
            wait = math.ceil((1 - tokens) / self._rate)
        self._full[who] = (tokens, now)
        while len(self._full) > _BUCKETS:  # the one that was quiet for longest
            del self._full[next(iter(self._full))]
        return wait


class SlowClients:
    """ASGI: a client that neither sends nor takes a byte for ``seconds`` while it is waited for is let go."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        more = True
        headers = Headers(scope=scope)
        has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"

        async def patient_receive() -> Message:
            nonlocal more
            if not more:  # the body is here; what may still come is that the client goes
                return await receive()
            try:
                async with asyncio.timeout(self._seconds):
                    message = await receive()
            except TimeoutError:
                return {"type": "http.disconnect"}
            more = message.get("more_body", False)
            return message

        async def patient_send(message: Message) -> None:
            unread = message["type"] == "http.response.start" and more and has_body
            # What has not been read is not wanted. A client that sends on would not see the answer if the line were
            # closed at once, and would never be stopped if it were read to its end: it gets two seconds.
            if unread and not await _read_on(receive):
                MutableHeaders(raw=message.setdefault("headers", []))["connection"] = "close"
            try:
                async with asyncio.timeout(self._seconds):
                    await send(message)
            except TimeoutError:
                raise _TooSlow from None

        try:
            await self._app(scope, patient_receive, patient_send)
        except (_TooSlow, ClientDisconnect):
            return  # an answer that is not whole: the server closes the connection


async def _read_on(receive: Receive) -> bool:
    """Read and forget what a client still sends, for two seconds at most. Returns whether that was all."""
    try:
        async with asyncio.timeout(_LINGER):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return False
                if not message.get("more_body", False):
                    return True
    except TimeoutError:
        return False


class _TooSlow(OSError):
    """The client does not take the answer."""
