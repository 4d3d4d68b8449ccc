"""Routes to the page: a handful of files, read once. What is not among them is not there."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

from fastapi import APIRouter, Request, Response

from .problems import Problem

router = APIRouter(include_in_schema=False)

_PARTS = "/page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@router.get("/")
async def index(request: Request) -> Response:
    """The page."""
    return _send(request, "index.html")


@router.get(_PARTS + "/{name}")
async def part(name: str, request: Request) -> Response:
    """A part of the page: a module, the style sheet, the icon."""
    return _send(request, name)


def _send(request: Request, name: str) -> Response:
    content = _files().get(name)
    if content is None:
        raise Problem(404, "the page has no such part")
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=f"{_TYPES[name[name.rindex('.') :]]}; charset=utf-8")


@cache
def _files() -> dict[str, bytes]:
    folder = resources.files(__package__) / "page"
    return {f.name: f.read_bytes() for f in folder.iterdir() if f.name.endswith(tuple(_TYPES))}
