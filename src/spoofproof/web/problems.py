"""Errors as the client gets them: application/problem+json (RFC 9457), with a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


class ProblemBody(BaseModel):
    """RFC 9457: a problem detail."""

    type: str = Field(
        "about:blank", description="A URI of the kind of problem; about:blank: the status says it all."
    )
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong, what was expected, what to do next.")


class Problem(Exception):
    """Raised anywhere in a request: becomes the answer."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


def response(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer of a problem."""
    body = ProblemBody(type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=detail)
    return JSONResponse(body.model_dump(), status, dict(headers or {}), media_type=MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For ``responses=``: these statuses answer with a problem."""
    schema = {"$ref": "#/components/schemas/ProblemBody"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


async def of_problem(_: Request, error: Exception) -> JSONResponse:
    """Handler of Problem."""
    assert isinstance(error, Problem)
    return response(error.status, error.detail, error.headers)


async def of_http(_: Request, error: Exception) -> JSONResponse:
    """Handler of the framework's own errors: no such page, no such method."""
    assert isinstance(error, HTTPException)
    known = {
        404: "there is nothing here; GET /openapi.json lists what there is",
        405: "this address does not take that method",
    }
    return response(error.status_code, known.get(error.status_code, str(error.detail)), error.headers)


async def of_validation(_: Request, error: Exception) -> JSONResponse:
    """Handler of parameters that are not what the schema says."""
    assert isinstance(error, RequestValidationError)
    said = "; ".join(
        f"{'.'.join(map(str, e['loc'][1:])) or 'the request'}: {e['msg']}" for e in error.errors()
    )
    return response(422, said[:500])
