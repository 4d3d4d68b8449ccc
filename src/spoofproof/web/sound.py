"""Routes that take a recording and answer at once: ``/v1/detect``, ``/v1/corrupt``, and the list of corruptions."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from .. import registry
from ..types import CorruptionSpec
from .desk import Full
from .house import Caller, Here, House
from .jobs import Item, new_id
from .models import CorruptionBody, DetectBody, ExplainBody, JobBody, job_body
from .problems import Problem, documented
from .upload import Form, receive

router = APIRouter(prefix="/v1")

_SLACK = 100_000  # bytes of a multipart body beside its files
_FILE = {
    "type": "string",
    "format": "binary",
    "description": "A recording: anything that libsndfile or FFmpeg opens.",
}
_LATER: dict[int | str, dict[str, Any]] = {202: {"model": JobBody, "description": "Too much to do: the answer will be at Location."}}  # fmt: skip
_CORRUPTED: dict[int | str, dict[str, Any]] = {200: {"description": "What was heard, as WAV (16 bits).", "content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}}}  # fmt: skip


def form_schema(many: bool = False, **fields: dict[str, Any]) -> dict[str, Any]:
    """``openapi_extra`` of a route that takes a multipart form with ``file`` and further fields, required where they have no default."""
    file = {"type": "array", "items": _FILE, "minItems": 1} if many else _FILE
    required = ["file", *(name for name, field in fields.items() if "default" not in field)]
    schema = {"type": "object", "required": required, "properties": {"file": file, **fields}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


@router.post(
    "/detect",
    response_model=DetectBody,
    responses=documented(400, 401, 403, 408, 413, 415, 422, 429) | _LATER,
    openapi_extra=form_schema(),
)  # fmt: skip
async def detect(request: Request, house: Here, caller: Caller) -> Any:
    """Is this recording real? The answer to one file, with its timeline, quality and reliability.

    Longer files than the service answers at once, and many at a time, go to ``/v1/jobs``.
    """
    job, _ = await _take(request, house, frozenset())
    options = {"max_seconds": house.settings.sync_seconds}
    return await _answer(request, house, caller, job, "detect", options)


@router.post("/corrupt", response_class=Response, responses=_CORRUPTED | documented(400, 401, 403, 408, 413, 415, 422, 429),
             openapi_extra=form_schema(condition={"type": "string", "description": "clean, mp3@16, or a chain: reverb@0.5+opus@12"}))  # fmt: skip
async def corrupt(request: Request, house: Here, caller: Caller) -> Any:
    """What a recording sounds like under a condition (``/v1/corruptions``); ``clean`` is the recording as it is decoded."""
    job, form = await _take(request, house, frozenset({"condition"}))
    if "condition" not in form.fields:
        house.desk.release(job)
        await house.desk.forget(job)
        raise Problem(
            422, "there is no field 'condition'; expected one such as mp3@16 (GET /v1/corruptions lists them)"
        )
    options = {"max_seconds": house.settings.corrupt_seconds, "condition": form.fields["condition"]}
    return await _answer(request, house, caller, job, "corrupt", options)


@router.post(
    "/explain",
    response_model=ExplainBody,
    responses=documented(400, 401, 403, 408, 413, 415, 422, 429),
    openapi_extra=form_schema(
        start={"type": "number", "minimum": 0, "default": 0, "description": "Second at which to begin."}
    ),
)
async def explain(request: Request, house: Here, caller: Caller) -> Any:
    """Which parts of four seconds moved the score, tested by deletion, and which artefacts were measured in them."""
    job, form = await _take(request, house, frozenset({"start"}))
    try:
        start = float(form.fields.get("start", "0"))
    except ValueError:
        start = -1.0
    if not 0 <= start <= house.settings.corrupt_seconds:
        house.desk.release(job)
        await house.desk.forget(job)
        raise Problem(422, f"start is a number of seconds from 0 to {house.settings.corrupt_seconds:g}")
    options = {"max_seconds": house.settings.corrupt_seconds, "start": start}
    return await _answer(request, house, caller, job, "explain", options)


@router.get("/corruptions", response_model=list[CorruptionBody], responses=documented(401, 403, 429))
async def corruptions(caller: Caller) -> list[CorruptionBody]:
    """What a recording can be put through here, and at which levels."""
    return [_corruption(spec) for spec in registry.corruptions]


def _corruption(spec: CorruptionSpec) -> CorruptionBody:
    return CorruptionBody(
        name=spec.name,
        family=spec.family,
        summary=spec.summary,
        unit=spec.unit,
        levels=[spec.show_level(level) for level in spec.levels],
        conditions=[str(condition) for condition in spec.conditions()],
        missing=spec.available(),
    )


async def _take(request: Request, house: House, fields: frozenset[str]) -> tuple[str, Form]:
    """One upload, in place, with its place in the queue held."""
    job = new_id()
    form = await take_files(request, house, job, 1, fields)
    return job, form


async def take_files(request: Request, house: House, job: str, files: int, fields: frozenset[str]) -> Form:
    """Hold ``files`` places in the queue and write the uploads of ``job``. Raises Problem."""
    settings = house.settings
    if int(request.headers.get("content-length") or 0) > files * settings.max_bytes + _SLACK:
        raise Problem(413, f"a file has at most {settings.max_bytes / 1e6:g} MB here")
    try:
        house.desk.reserve(job, files)
    except Full as full:
        raise Problem(
            429, f"the queue is full; try again in {full.seconds} s", {"Retry-After": str(full.seconds)}
        ) from None
    try:
        return await receive(
            request.headers.get("content-type", ""),
            request.stream(),
            lambda n: house.desk.jobs.upload(job, n),
            max_bytes=settings.max_bytes,
            max_files=files,
            fields=fields,
            seconds=settings.upload_seconds,
        )
    except BaseException:
        house.desk.release(job)
        raise


async def _answer(
    request: Request, house: House, caller: str, job: str, task: str, options: dict[str, Any]
) -> Any:
    desk = house.desk
    desk.accept(job, caller, task, options, 1, waited=True)
    desk.release(job)
    handed_over = False
    try:
        item = await _wait(request, house, job)
        if item is None and task == "detect":
            handed_over = True
            desk.hand_over(job)
            found = desk.jobs.get(job)
            assert found is not None
            return Response(
                job_body(found).model_dump_json(),
                202,
                {"Location": f"/v1/jobs/{job}"},
                media_type="application/json",
            )
        if item is None:
            raise Problem(429, "there is too much to do; try again in a minute", {"Retry-After": "60"})
        if item.result is None:
            raise Problem(item.status, item.problem)
        if task != "corrupt":
            return item.result
        return Response(
            desk.jobs.output(job, 0).read_bytes(),
            headers={f"Spoofproof-{k}": str(v) for k, v in item.result.items()},
            media_type="audio/wav",
        )
    finally:
        if not handed_over:
            await desk.forget(job)


async def _wait(request: Request, house: House, job: str) -> Item | None:
    """The item when it has ended; None when the time is up. A client that has gone is let go."""
    for _ in range(max(1, int(house.settings.answer_seconds))):
        item = await house.desk.wait(job, 1.0)
        if item is not None:
            return item
        if await request.is_disconnected():
            raise Problem(408, "the client has gone")
    return None
