"""Routes to the bench runs of the folder that is shown: ``/v1/runs``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from .house import Caller, Here
from .models import RunBody
from .problems import Problem, documented
from .runs import Run, find_run, find_runs

router = APIRouter(prefix="/v1/runs")

_PIECE = 1 << 18  # bytes

# A report is a page of its own with scripts and styles inside. Its sandbox gives it an origin of its own: it can read
# nothing of this service and reach nothing outside.
REPORT_CSP = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; media-src data:; font-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


@router.get("", response_model=list[RunBody], responses=documented(401, 403, 429))
async def runs(house: Here, caller: Caller) -> list[RunBody]:
    """The bench runs that are here."""
    return [_body(run) for run in find_runs(house.settings.runs)]


@router.get("/{name}", response_model=RunBody, responses=documented(401, 403, 404, 429))
async def run(name: str, house: Here, caller: Caller) -> RunBody:
    """What a run measured: its plan, detectors, conditions and trials."""
    found = find_run(house.settings.runs, name)
    if found is None:
        raise Problem(404, "there is no such run; GET /v1/runs lists them")
    return _body(found)


@router.get("/{name}/report", response_class=StreamingResponse, responses=documented(401, 403, 404, 429)
            | {200: {"description": "The report page.", "content": {"text/html": {"schema": {"type": "string"}}}}})  # fmt: skip
async def report(name: str, house: Here, caller: Caller) -> Any:
    """The report of a run, one page. It comes whole, also where a part of it is asked for."""
    found = find_run(house.settings.runs, name)
    if found is None or found.report is None:
        raise Problem(404, "there is no report of such a run; make it with: spoofproof report RUN")
    headers = {"content-security-policy": REPORT_CSP}
    return StreamingResponse(_pieces(found.report.open("rb")), media_type="text/html", headers=headers)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece


def _body(run: Run) -> RunBody:
    record = run.record
    corpus = record.get("corpus") or {}
    return RunBody(
        name=run.name,
        plan=str(record.get("plan", "")),
        summary=str(record.get("summary", "")),
        corpus=str(corpus.get("name", "")),
        trials=int(corpus.get("trials", 0)),
        made=str((record.get("made") or {}).get("at", "")),
        detectors=[str(name) for name in record.get("detectors", ())],
        conditions=[str(name) for name in record.get("conditions", ())],
        report=f"/v1/runs/{quote(run.name, safe='')}/report" if run.report else None,
    )
