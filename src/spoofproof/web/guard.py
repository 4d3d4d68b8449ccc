"""At the door of every request: who it claims to talk to, from which site it comes, what the answer allows, what is logged.

A service on loopback can be reached by every page that its user has open. So a request must name this host (against
DNS rebinding) and must not come from another site's page (against forged requests; WebSockets know no same-origin rule).
"""

from __future__ import annotations

import logging
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .metrics import Metrics
from .problems import response

log = logging.getLogger("spoofproof.web")

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; connect-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": _CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(self)",
}


class Guard:
    """ASGI: refuses strangers' hosts and sites, sets headers, counts and logs. names: allowed hosts; None for any."""

    def __init__(self, app: ASGIApp, metrics: Metrics, names: frozenset[str] | None) -> None:
        self._app = app
        self._metrics = metrics
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refused = self._refusal(Headers(scope=scope))
        if scope["type"] == "websocket":
            if refused:
                self._metrics.count("spoofproof_refused_total", reason="origin")
                await receive()
                await send({"type": "websocket.close", "code": 1008, "reason": refused[1][:120]})
            else:
                await self._app(scope, receive, send)
            return
        begun = time.monotonic()
        status = 0

        async def with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
                if "server" in headers:
                    del headers["server"]
            await send(message)

        try:
            if refused:
                self._metrics.count("spoofproof_refused_total", reason="origin")
                await response(*refused)(scope, receive, with_headers)
            else:
                await self._app(scope, receive, with_headers)
        except (
            Exception
        ):  # a defect; the log gets its trace, the client an answer with the same headers as all others
            if not status:
                await response(500, "the service failed at this request; its log says where")(
                    scope, receive, with_headers
                )
            raise
        finally:
            route = getattr(scope.get("route"), "path", "other")
            seconds = time.monotonic() - begun
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.count("spoofproof_requests_total", route=route, method=method, status=str(status))
            self._metrics.time(route, seconds)
            log.log(
                logging.DEBUG if route in _QUIET else logging.INFO,
                "%s %s %d %.3f s",
                method,
                route,
                status,
                seconds,
            )

    def _refusal(self, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        name = host_name(host)
        if self._names is not None and name not in self._names:
            return (
                421,
                "this service does not answer to that host name; use the address that it printed at its start",
            )
        origin = headers.get("origin")
        if origin is not None and _netloc(origin) != host:
            return 403, "requests from other sites' pages are refused"
        if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            if headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document":
                return None  # a link on another page: a look, from which that page learns nothing
            return 403, "requests from other sites' pages are refused"
        return None


_QUIET = {"/health", "/metrics"}  # asked for every few seconds by machines
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def _netloc(origin: str) -> str | None:
    """Host and port of an Origin header; None for what is no address, which is nobody's host."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets, lower case."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def allowed_names(host: str, names: tuple[str, ...]) -> frozenset[str] | None:
    """Names that a service answers to: loopback's, its own and those given. None, any, when it listens everywhere."""
    if host in {"0.0.0.0", "::"} and not names:
        return None
    return frozenset({*_LOOPBACK, host.strip("[]").lower(), *(name.lower() for name in names)})
