"""Who asks, and what a request may bring: keys, sessions, origins, sizes, and the headers of every answer."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from foretell.cases.accounts import Accounts
from foretell.cases.people import Person, permitted
from foretell.errors import AccessError
from foretell.serving.house import House
from foretell.serving.lanes import LOOK, WORK, within

COOKIE = "foretell_session"
LARGEST_BODY = 256 * 1024
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
ANYONE = "anyone"
"""Stands in the table of routes for no permission: signing in, the state of health, the style sheet."""
SIGNED_IN = "signed in"
"""Stands for any account, whatever its roles."""
HEADERS = (
    ("content-security-policy",
     "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
     "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
)  # fmt: skip
_DRESS = tuple((name.encode(), value.encode()) for name, value in HEADERS)
_NOT_KEPT = (b"cache-control", b"no-store")


class UnknownPersonError(AccessError):
    """Nobody is signed in: HTTP 401 rather than 403."""


def house_of(request: Request) -> House:
    """Return the house that the application serves."""
    return request.app.state.house


async def person_of(request: Request) -> Person:
    """Return whose request it is, by its key or its session.

    Raises:
        UnknownPersonError: when it is nobody's.
        AccessError: when a browser sends it on behalf of another site.
    """
    accounts: Accounts = house_of(request).accounts
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    try:
        if scheme.lower() == "bearer":
            return await within(LOOK, accounts.key, secret.strip())
        token = request.cookies.get(COOKIE, "")
        if not token:
            raise AccessError("nobody is signed in", "sign in, or send a key")
        person, silent = await within(LOOK, accounts.look_up, token)
        if silent:
            await within(WORK, accounts.stay, token)
    except AccessError as error:
        raise UnknownPersonError(error.message, error.hint) from error
    if request.method in UNSAFE:
        same_site(request)
    return person


def same_site(request: Request) -> None:
    """Refuse what a browser sends on behalf of another site.

    Raises:
        AccessError: when the request says it comes from elsewhere.
    """
    origin = request.headers.get("origin")
    ours = origin is None or origin.partition("://")[2] == request.headers.get("host", "")
    if not ours or request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise AccessError("the request comes from another site", "use the desk's own pages")


def form_token(request: Request) -> str:
    """Return what a form of this session must bring back; useless outside of it."""
    token = request.cookies.get(COOKIE, "")
    return hashlib.sha256(f"form {token}".encode()).hexdigest()


def check_form(request: Request, given: str) -> None:
    """Refuse a form that was not drawn for this session.

    Raises:
        AccessError: when the token is another one.
    """
    if not hmac.compare_digest(form_token(request).encode(), given.encode(errors="replace")):
        raise AccessError("the form is out of date", "load the page again, then send it")


def needs(permission: str) -> Callable[..., Awaitable[None]]:
    """Return the check that a route's row in the table asks for."""

    async def check(person: Annotated[Person, Depends(person_of)]) -> None:
        if permission != SIGNED_IN and (error := permitted(person, permission)) is not None:
            raise error

    return check


async def the_house(request: Request) -> House:
    """Return the house, to an endpoint."""
    return house_of(request)


Who = Annotated[Person, Depends(person_of)]
TheHouse = Annotated[House, Depends(the_house)]


class Guard:
    """ASGI middleware: every answer carries the security headers; no body is larger than it needs to be."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        size = 0

        async def limited() -> Any:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > LARGEST_BODY:
                raise HTTPException(413, f"the request is larger than {LARGEST_BODY // 1024} KB")
            return message

        async def dressed(message: Any) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                more = [header for header in (*_DRESS, _NOT_KEPT) if header[0] not in there]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        await self._app(scope, limited, dressed)
