"""The application: one store behind the table of routes, and every error as a clear answer."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

import foretell
from foretell.cases.store import Store
from foretell.errors import ForetellError
from foretell.serving import routes
from foretell.serving.api import Json
from foretell.serving.faults import status_of
from foretell.serving.generating import Jobs
from foretell.serving.house import House
from foretell.serving.metrics import Meter, Metered
from foretell.serving.oidc import Provider
from foretell.serving.pages import fault_page, wants_page
from foretell.serving.security import Guard


def create(store: Store, provider: Provider | None = None, data: Path | None = None) -> FastAPI:
    """Return the application over an open store.

    Args:
        provider: by whom people may sign in, besides by password.
        data: folder below which lies what generators may learn from.
    """
    app = FastAPI(
        title="Foretell desk",
        version=foretell.__version__,
        summary="Cases, decisions and the log that proves them.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.house = House.of(store)
    app.state.meter = Meter()
    app.state.provider = provider
    app.state.jobs = Jobs.of(store, data)
    # What is packed may tell its length only to who can have it asked for: the cookie stays on this site.
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=4)
    app.add_middleware(Guard)
    app.add_middleware(Metered, meter=app.state.meter)
    app.add_exception_handler(ForetellError, refused)
    app.add_exception_handler(RequestValidationError, unreadable)
    app.add_exception_handler(HTTPException, plain_fault)
    app.add_exception_handler(RecursionError, too_deep)
    routes.add(app)
    return app


async def refused(request: Request, error: Any) -> Response:
    """Say what happened and what to do."""
    return await told(request, status_of(error), error.message, error.hint, error)


async def unreadable(request: Request, error: Any) -> Response:
    """Say which parts of a request cannot be read."""
    found = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()[:20]]
    message = "the request cannot be read: " + "; ".join(found)
    return await told(request, 422, message, "see /api/openapi.json")


async def plain_fault(request: Request, error: Any) -> Response:
    """Say what the routing itself refuses."""
    message = "there is nothing at this address" if error.status_code == 404 else str(error.detail)
    return await told(request, error.status_code, message, "see /api/openapi.json")


async def too_deep(request: Request, error: Any) -> Response:
    """Say that a body is nested too deeply to be read."""
    return fault(400, "the request is nested too deeply", "send plain objects")


async def told(
    request: Request, status: int, message: str, hint: str, error: Exception | None = None
) -> Response:
    """Return an error as a page to who looks at pages, else as JSON."""
    if not wants_page(request):
        return fault(status, message, hint)
    return await fault_page(request, status, message, "" if "openapi" in hint else hint, error)


def fault(status: int, message: str, hint: str) -> Response:
    """Return an error as JSON."""
    clean = [text.encode(errors="backslashreplace").decode() for text in (message, hint)]
    return Json({"error": {"message": clean[0], "hint": clean[1]}}, status_code=status)
