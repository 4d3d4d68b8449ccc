"""``/v1/stream``: a WebSocket that takes 16 kHz PCM as it comes and answers with a rolling verdict.

The client sends binary messages (mono, 16 bits, little-endian, any length up to a second) and gets a JSON text for
every half second of sound, about the last four seconds: {"start", "end", "seconds_late", …the answer}, or {"start", "end",
"problem"} where there is none. Where scoring
falls behind, windows are skipped, never queued. A text message "end" asks for the last verdict and closes.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from .house import House, house_of, identify
from .live import RATE, Heard, Rolling
from .models import LiveBody
from .problems import Problem
from .process import Died, Hung

log = logging.getLogger("spoofproof.web")
router = APIRouter()

_LONGEST = 2 * RATE  # bytes of a message: one second
_AHEAD = 30.0  # seconds of sound that may come faster than a clock allows
_POLICY, _TOO_BIG, _BUSY, _BAD = 1008, 1009, 1013, 1003


@router.websocket("/v1/stream")
async def stream(socket: WebSocket) -> None:
    """See the head of this file."""
    house = house_of(socket)
    try:
        identify(socket)
    except Problem as problem:
        await socket.close(_POLICY, problem.detail[:120])
        return
    if house.streams >= house.settings.streams:
        house.metrics.count("spoofproof_refused_total", reason="streams")
        await socket.close(_BUSY, "all live streams are taken; try again later")
        return
    house.streams += 1
    try:
        await house.desk.ready_live()
        await socket.accept()
        await _Stream(house, socket).run()
    except WebSocketDisconnect:
        pass
    except (Died, Hung):
        await socket.close(_BUSY, "the process that listens does not come up; try again later")
    finally:
        house.streams -= 1


class _Stream:
    """One open stream: one task listens, one scores what is newest."""

    def __init__(self, house: House, socket: WebSocket) -> None:
        self._house = house
        self._socket = socket
        self._rolling = Rolling()
        self._newest: tuple[Heard, float] | None = None
        self._wake = asyncio.Event()
        self._ended = False
        self._taken = 0.0  # end of the newest window that was given to scoring, in seconds

    async def run(self) -> None:
        scoring = asyncio.create_task(self._score())
        try:
            reason = await self._listen()
            self._ended = True
            self._wake.set()
            if reason is None:
                await scoring
                await self._socket.close(1000)
            else:
                await self._socket.close(*reason)
        finally:
            scoring.cancel()

    async def _listen(self) -> tuple[int, str] | None:
        """Until the client ends: None. A client that breaks the rules: the code and sentence to close with."""
        begun, received = time.monotonic(), 0
        settings = self._house.settings
        while True:
            try:
                async with asyncio.timeout(settings.idle_seconds):
                    message = await self._socket.receive()
            except TimeoutError:
                return _POLICY, f"nothing came for {settings.idle_seconds:g} s"
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1000))
            if message.get("text") is not None:
                if message["text"] != "end":
                    return _BAD, 'expected binary messages of PCM, or the text "end"'
                last = self._rolling.last()
                if last is not None and last.end > self._taken:
                    self._newest = (last, time.monotonic())
                return None
            chunk = message.get("bytes") or b""
            received += len(chunk)
            if len(chunk) > _LONGEST:
                return _TOO_BIG, "a message holds at most one second of sound"
            if received / 2 / RATE > time.monotonic() - begun + _AHEAD:
                return _POLICY, "the sound comes faster than anyone speaks; send files to /v1/detect"
            if received / 2 / RATE > settings.max_seconds:
                return _POLICY, "the stream has reached the longest duration that is taken here"
            heard = self._rolling.push(chunk)
            if heard is not None:
                self._taken = heard.end
                self._newest = (heard, time.monotonic())
                self._wake.set()

    async def _score(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            newest, self._newest = self._newest, None
            if newest is not None:
                await self._say(*newest)
            if self._ended and self._newest is None:
                return

    async def _say(self, heard: Heard, came: float) -> None:
        try:
            reply = await self._house.desk.score_live({"pcm": base64.b64encode(heard.pcm).decode()})
        except (Died, Hung):
            self._house.metrics.count("spoofproof_worker_kills_total", reason="live")
            return  # the next window meets a new worker
        if "ok" in reply:
            body = LiveBody(
                start=heard.start, end=heard.end, seconds_late=time.monotonic() - came, **reply["ok"]
            )
            text = body.model_dump_json()
        else:
            text = json.dumps({"start": heard.start, "end": heard.end, "problem": _problem(reply)})
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the client went while we listened
            await self._socket.send_text(text)


def _problem(reply: Mapping[str, Any]) -> str:
    """Why there is no answer about a window, in a sentence; a defect goes to the log as well."""
    if "failed" in reply:
        log.error("a window of a stream failed: %s", reply["failed"])
        return "these seconds could not be worked on; the service's log says where it failed"
    return str(reply.get("refused") or reply.get("exhausted"))
