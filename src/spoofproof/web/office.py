"""Routes about the service itself: ``/health``, ``/metrics``, and who the page speaks for."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from .. import __version__
from .house import COOKIE, Caller, Here, House, identify
from .metrics import resident_bytes
from .models import Health, SessionBody
from .problems import Problem, documented

router = APIRouter()

_METRICS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Prometheus text.", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


@router.get(
    "/health", response_model=Health, responses={503: {"model": Health, "description": "No worker comes up."}}
)
async def health(house: Here, response: Response) -> Health:
    """Whether the service can answer, and what closes its workers off."""
    desk = house.desk
    up = [worker for worker in desk.workers if worker.pid is not None and worker.holds]
    if desk.broken:
        response.status_code = 503
    return Health(
        status="broken" if desk.broken else "ok" if up else "starting",
        detail=desk.broken,
        version=__version__,
        detector=up[0].detector if up else "",
        workers=len(up),
        queue=desk.jobs.waiting(),
        sandbox=list(up[0].holds) if up else [],
    )


@router.get("/metrics", response_class=PlainTextResponse, responses=_METRICS | documented(401, 403, 429))
async def metrics(house: Here, caller: Caller) -> PlainTextResponse:
    """What the service counts, for Prometheus."""
    desk = house.desk
    gauges = {
        "spoofproof_worker_restarts_total": sum(max(0, w.restarts) for w in (*desk.workers, desk.live)),
        "spoofproof_workers": sum(worker.pid is not None for worker in desk.workers),
        "spoofproof_queue_items": desk.jobs.waiting(),
        "spoofproof_queue_limit": house.settings.queue,
        "spoofproof_streams": house.streams,
        "process_resident_memory_bytes": resident_bytes(),
    }
    return PlainTextResponse(house.metrics.text(gauges), media_type="text/plain; version=0.0.4")


@router.get("/v1/session", response_model=SessionBody, responses=documented(403, 429))
async def session(request: Request, house: Here) -> SessionBody:
    """Whether a key is asked for, and whose this browser has given."""
    return SessionBody(keys=bool(house.keys), name=_name(request, house))


@router.post("/v1/session", response_model=SessionBody, responses=documented(401, 403, 429))
async def enter(request: Request, response: Response, house: Here, caller: Caller) -> SessionBody:
    """Turn a key into a cookie for this browser: no script can read it, no other site can use it."""
    if house.keys:
        response.set_cookie(
            COOKIE,
            house.keys.open_session(caller),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
    return SessionBody(keys=bool(house.keys), name=caller)


def _name(request: Request, house: House) -> str:
    try:
        return identify(request)
    except Problem as problem:
        if problem.status == 401:
            return ""
        raise
