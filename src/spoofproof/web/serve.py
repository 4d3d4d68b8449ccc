"""Run the service with uvicorn: its limits, its log, and a clock on clients that connect and say nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from ..errors import SpoofproofError
from .app import make_app
from .settings import Settings

_CONNECTIONS = 512
_GRACE = 5  # seconds that open requests get when the service is stopped


def serve(settings: Settings, tell: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM. tell: is given the address, once. Raises what ``make_app`` raises, and
    SpoofproofError when the port is taken."""
    import uvicorn

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    app = make_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=patient_protocol(settings.idle_seconds),
        ws_max_size=1 << 16,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=_GRACE,
        h11_max_incomplete_event_size=1 << 16,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    tell(f"http://{host}:{settings.port}   (Ctrl-C stops it; accepted jobs go on at the next start)")
    try:
        uvicorn.Server(config).run()
    except SystemExit:
        raise SpoofproofError(
            f"cannot listen on {settings.host}:{settings.port}; is it taken? Choose another with --port"
        ) from None


def patient_protocol(seconds: float) -> type[asyncio.Protocol]:
    """uvicorn's HTTP protocol, which lets a connection go that has not begun a request within ``seconds``.

    uvicorn itself waits for ever for the end of the first request's headers: a few hundred silent connections would
    keep everyone else out.
    """
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Patient(H11Protocol):  # type: ignore[misc]
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._silent = asyncio.get_running_loop().call_later(seconds, self._let_go)

        def handle_websocket_upgrade(self, event: Any) -> None:
            self._silent.cancel()  # from here on the stream's own clock counts
            super().handle_websocket_upgrade(event)

        def _let_go(self) -> None:
            if self.cycle is None and not self.transport.is_closing():
                self.transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            self._silent.cancel()
            super().connection_lost(exc)

    return Patient
