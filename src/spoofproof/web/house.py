"""What every request may ask for: the settings, the desk, the counters, the keys. And who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from .desk import Desk
from .keys import Keys
from .limits import Buckets
from .metrics import Metrics
from .problems import Problem
from .settings import Settings

COOKIE = "spoofproof_session"


@dataclass(slots=True)
class House:
    """One running service. streams: how many live streams are open."""

    settings: Settings
    metrics: Metrics
    keys: Keys
    buckets: Buckets
    desk: Desk
    streams: int = 0


def house_of(connection: HTTPConnection) -> House:
    """The service that a request came to."""
    return cast(House, connection.app.state.house)


def identify(connection: HTTPConnection) -> str:
    """The name of the caller's key; "" on a service without keys. Raises Problem (401, 429)."""
    house = house_of(connection)
    if not house.keys:
        return ""
    scheme, _, given = connection.headers.get("authorization", "").partition(" ")
    name = None
    if scheme.lower() == "bearer":
        name = house.keys.name_of(given.strip())
    elif cookie := connection.cookies.get(COOKIE):
        name = house.keys.of_session(cookie)
    if name is None:
        house.metrics.count("spoofproof_refused_total", reason="key")
        raise Problem(
            401, "this service asks for a key: Authorization: Bearer spk_…", {"WWW-Authenticate": "Bearer"}
        )
    wait = house.buckets.take(name)
    if wait:
        house.metrics.count("spoofproof_refused_total", reason="rate")
        raise Problem(
            429, f"too many requests with this key; try again in {wait} s", {"Retry-After": str(wait)}
        )
    return name


Here = Annotated[House, Depends(house_of)]
Caller = Annotated[str, Depends(identify)]
