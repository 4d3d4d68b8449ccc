"""Routes for long files and many files: ``/v1/jobs``."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from .house import Caller, Here, House
from .jobs import Job, new_id
from .models import JobBody, JobList, job_body
from .problems import Problem, documented
from .sound import form_schema, take_files

router = APIRouter(prefix="/v1/jobs")


@router.post("", status_code=202, response_model=JobBody, responses=documented(400, 401, 403, 408, 413, 415, 422, 429),
             openapi_extra=form_schema(many=True))  # fmt: skip
async def submit(request: Request, response: Response, house: Here, caller: Caller) -> JobBody:
    """Hand in one long recording or many; the answers come, in the order of the files, at ``/v1/jobs/{id}``."""
    job = new_id()
    files = min(house.settings.batch, max(1, house.desk.free() // 2))  # half is left to others while it comes
    form = await take_files(request, house, job, files, frozenset())
    options = {"max_seconds": house.settings.max_seconds}
    house.desk.accept(job, caller, "detect", options, form.files, waited=False)
    house.desk.release(job)
    response.headers["Location"] = f"/v1/jobs/{job}"
    return job_body(_owned(house, caller, job))


@router.get("", response_model=JobList, responses=documented(401, 403, 429))
async def jobs(house: Here, caller: Caller) -> JobList:
    """The caller's jobs, the newest first."""
    return JobList(jobs=house.desk.jobs.owned(caller))


@router.get("/{job}", response_model=JobBody, responses=documented(401, 403, 404, 429))
async def state(job: str, house: Here, caller: Caller) -> JobBody:
    """How far a job is, with the answers that are there."""
    return job_body(_owned(house, caller, job))


@router.delete("/{job}", status_code=204, response_model=None, responses=documented(401, 403, 404, 429))
async def delete(job: str, house: Here, caller: Caller) -> Response:
    """Stop a job, where it still runs, and forget it with its files and answers."""
    _owned(house, caller, job)
    await house.desk.forget(job)
    return Response(status_code=204)


def _owned(house: House, caller: str, job: str) -> Job:
    found = house.desk.jobs.get(job)
    if found is None or found.owner != caller:
        raise Problem(404, "there is no such job; it was deleted, is too old, or belongs to another key")
    return found
