"""A real browser, driven through the DevTools protocol: enough of it for the tests of the page and its pictures."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 90.0  # seconds; the machine may be busy


def program() -> str | None:
    """Path of a Chromium, None where there is none (SPOOFPROOF_BROWSER names one)."""
    return os.environ.get("SPOOFPROOF_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """One page. ``said`` collects what the page writes to its console and what it fails at."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._count = 0
        self.said: list[str] = []
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = ""
        self._session = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "DOM", "Log", "Network"):
            self._call(f"{domain}.enable")

    def _call(self, method: str, params: dict[str, Any] | None = None) -> Any:
        self._count += 1
        mine = self._count
        message: dict[str, Any] = {"id": mine, "method": method, "params": params or {}}
        if getattr(self, "_session", ""):
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            reply = json.loads(self._socket.recv(timeout=PATIENCE))
            if reply.get("id") == mine:
                if "error" in reply:
                    raise AssertionError(f"{method}: {reply['error']['message']}")
                return reply["result"]
            self._note(reply)

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.said.append(str(params["exceptionDetails"].get("exception", {}).get("description")))
        elif event.get("method") == "Log.entryAdded":
            self.said.append(
                f"{params['entry']['level']}: {params['entry']['text']} {params['entry'].get('url', '')}"
            )

    def size(self, width: int, height: int, scale: float = 1.0, dark: bool = False) -> None:
        """A window of that many CSS pixels, in the light or the dark theme."""
        mobile = width < 600
        self._call(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile},
        )
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._call("Emulation.setEmulatedMedia", {"features": features})

    def go(self, url: str) -> None:
        """Open an address and wait until it is loaded."""
        self._call("Page.navigate", {"url": url})
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, code: str) -> Any:
        """The value of an expression in the page; promises are waited for."""
        result = self._call(
            "Runtime.evaluate",
            {"expression": code, "awaitPromise": True, "returnByValue": True, "userGesture": True},
        )
        if "exceptionDetails" in result:
            raise AssertionError(f"{code}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def until(self, code: str, seconds: float = PATIENCE) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.run(code):
            if time.monotonic() > end:
                raise AssertionError(
                    f"not within {seconds} s: {code}. The page said: {self.said}; {self.text('body')[:2000]}"
                )
            time.sleep(0.1)

    def text(self, selector: str) -> str:
        """Visible text of an element."""
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file as a person does in the file dialogue."""
        root = self._call("DOM.getDocument")["root"]["nodeId"]
        node = self._call("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
        self._call("DOM.setFileInputFiles", {"nodeId": node, "files": [str(path)]})

    def press(self, key: str) -> None:
        """A key, as from the keyboard."""
        code = {"Tab": 9, "Enter": 13, " ": 32}[key]
        text = {"Enter": "\r", " ": " "}.get(key, "")
        for kind in ("keyDown", "keyUp"):
            message = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
            self._call(
                "Input.dispatchKeyEvent", message | ({"text": text} if text and kind == "keyDown" else {})
            )

    def picture(self, path: Path, full: bool = True) -> None:
        """A PNG of the page."""
        shot = self._call(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": full, **self._clip(full)}
        )
        path.write_bytes(base64.b64decode(shot["data"]))

    def _clip(self, full: bool) -> dict[str, Any]:
        if not full:
            return {}
        size = self._call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}


@contextlib.contextmanager
def browser(*options: str) -> Iterator[Tab]:
    """A browser with one tab, gone at the end. No part of it talks to anyone but the page's own server."""
    found = program()
    assert found is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            found, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio",
            "--remote-debugging-port=0", f"--user-data-dir={profile}", *options, "about:blank",
        ]  # fmt: skip
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as process:
            try:
                assert process.stderr is not None
                address = ""
                for line in process.stderr:
                    if match := re.search(r"DevTools listening on (ws://\S+)", line):
                        address = match[1]
                        break
                with connect(address, max_size=None, proxy=None) as socket:
                    yield Tab(socket)
            finally:
                process.kill()


@contextlib.contextmanager
def page(url: str, *options: str) -> Iterator[Tab]:
    """The service's page in a browser as wide as a desk's, once it has its lists."""
    with browser(*options) as tab:
        tab.size(1280, 900)
        tab.go(url)
        tab.until(
            "document.querySelector('#corruption').options.length > 5 && !document.querySelector('#runs').hidden"
        )
        yield tab
