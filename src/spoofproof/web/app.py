"""The service put together: ``make_app(settings)`` gives an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from .. import __version__
from . import batches, live_route, office, pages, problems, shelf, sound
from .desk import Desk
from .guard import Guard, allowed_names
from .house import House
from .keys import Keys
from .limits import Buckets, SlowClients
from .metrics import Metrics
from .settings import Settings, check

_ABOUT = """Is a recording real or made by a machine? And how far can the answer be trusted?

Recordings are uploaded as multipart/form-data in a part named `file`; no address is ever fetched. Errors are
application/problem+json with a sentence in `detail`. Scores are higher for real speech."""


def make_app(settings: Settings) -> FastAPI:
    """The application. It makes ``settings.state`` and what is in it when it starts, and starts its workers then.

    Raises BadPlan for settings out of range, and when others can reach it and there is no key.
    """
    from ..errors import BadPlan

    check(settings)
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.state.chmod(0o700)
    keys = Keys(settings.state)
    if settings.open_to_others and not keys:
        raise BadPlan(
            f"{settings.host} can be reached by others, and there is no key to ask them for. Make one: spoofproof serve --new-key NAME"
        )
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        desk = Desk(settings, metrics)
        app.state.house = House(settings, metrics, keys, Buckets(settings.rate, settings.burst), desk)
        await desk.open()
        try:
            yield
        finally:
            await desk.close()

    app = FastAPI(
        title="Spoofproof", version=__version__, description=_ABOUT, lifespan=lifespan, docs_url=None, redoc_url=None,
        redirect_slashes=False,
    )  # fmt: skip
    for router in (
        sound.router,
        batches.router,
        shelf.router,
        live_route.router,
        office.router,
        pages.router,
    ):
        app.include_router(router)
    app.add_exception_handler(problems.Problem, problems.of_problem)
    app.add_exception_handler(HTTPException, problems.of_http)
    app.add_exception_handler(RequestValidationError, problems.of_validation)
    app.add_middleware(SlowClients, seconds=settings.idle_seconds)
    app.add_middleware(Guard, metrics=metrics, names=allowed_names(settings.host, settings.names))
    app.openapi = lambda: _schema(app)  # type: ignore[method-assign]
    return app


def _schema(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the problem as the one shape of an error."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        schemas["ProblemBody"] = problems.ProblemBody.model_json_schema()
        problem = problems.documented(422)[422]
        at_the_door = {str(status): says for status, says in problems.documented(403, 421).items()}
        for route in made["paths"].values():
            for operation in route.values():
                if "HTTPValidationError" in str(operation["responses"].get("422")):
                    operation["responses"]["422"] = problem
                operation["responses"] |= at_the_door  # of every address: see guard
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        made["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{}, {"key": []}]
        app.openapi_schema = made
    return app.openapi_schema
