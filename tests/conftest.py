"""What every test may use. No test reaches the network, and none reads shared data without saying so."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import NoReturn

import pytest


def shared_data() -> Path | None:
    """The shared data folder, None where it is absent."""
    root = Path(os.environ.get("SPOOFPROOF_DATA") or Path(__file__).parents[1] / ".." / "shared" / "data")
    return root.resolve() if (root / "manifest.csv").exists() else None


@pytest.fixture(scope="session")
def data() -> Path:
    """The shared data folder; the test is skipped, with the reason, where it is absent."""
    root = shared_data()
    if root is None:
        pytest.skip("the shared data folder is not here (set SPOOFPROOF_DATA)")
    return root


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any connection that leaves this machine fails the test."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: object) -> None:
        local = isinstance(address, (str, bytes)) or (
            isinstance(address, tuple) and str(address[0]) in {"127.0.0.1", "::1"}
        )
        if not local:
            refuse(address)
        real(self, address)  # type: ignore[arg-type]

    def refuse(address: object) -> NoReturn:
        raise AssertionError(f"a test tried to reach {address}")

    monkeypatch.setattr(socket.socket, "connect", connect)
