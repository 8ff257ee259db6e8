"""What all pages share: the frame around them, forms, errors as pages, and the way in and out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup

from foretell.cases.people import Person
from foretell.errors import AccessError, DecisionError, NotFoundError
from foretell.report.page import UNSEEN, environment
from foretell.serving.api import with_session
from foretell.serving.assets import address
from foretell.serving.lanes import LOOK, within
from foretell.serving.security import (
    COOKIE,
    UNSAFE,
    TheHouse,
    UnknownPersonError,
    check_form,
    form_token,
    house_of,
    same_site,
)
from foretell.units import instant


@dataclass(frozen=True, slots=True)
class Place:
    """A row of the navigation."""

    path: str
    text: str
    permission: str


PLACES: tuple[Place, ...] = (
    Place("/", "Queue", "read"),
    Place("/dashboard", "Dashboard", "read"),
    Place("/log", "Log", "export"),
    Place("/policy", "Policy", "read"),
    Place("/models", "Models", "export"),
    Place("/people", "People", "people"),
    Place("/webhooks", "Webhooks", "webhooks"),
    Place("/keys", "My account", "read"),
)
"""Where the bar at the top leads; each is shown to those who may go there."""


@cache
def templates() -> Environment:
    """Return the templates of the desk; those of the report are at hand in them."""
    made = environment().overlay(
        loader=ChoiceLoader([PackageLoader("foretell.serving"), PackageLoader("foretell.report")])
    )
    names: Any = {**made.globals, "asset": address, "places": PLACES}
    made.globals = names
    made.filters["moment"] = moment
    return made


def moment(at: str) -> Markup:
    """Return an ISO instant in words, to the minute; pointed at, it tells the second.

    >>> print(moment("2026-03-02T09:05:07+00:00").striptags())
    2 March 2026 at 09:05 UTC
    """
    exact = f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(at, exact, instant(at))


def render(
    request: Request, template: str, person: Person | None = None, *, status: int = 200, **values: Any
) -> HTMLResponse:
    """Return a page; each template has the person, the form's token and the path at hand."""
    page = templates().get_template(template)
    around = {"person": person, "token": form_token(request), "path": request.url.path}
    # What would turn or hide the words around it is shown as a mark, wherever it comes from.
    return HTMLResponse(UNSEEN.sub("\ufffd", page.render(**around, **values)), status_code=status)


def press(
    form: Mapping[str, str], what: str, by: str, ways: Mapping[str, Callable[[str, int], object]]
) -> str:
    """Do what a form's button says to what the form names by its number; return what the button says.

    Args:
        what: the form's field with the number: proposal, endpoint.
        ways: what a button says -> what then is done, by whom and to which number.

    Raises:
        DecisionError: when there is no such button, or no number.
    """
    number, verb = form.get(what, ""), form.get("do", "")
    if not number.isascii() or not number.isdigit() or len(number) > 18 or verb not in ways:
        raise DecisionError(f"this is no {what}, or nothing that is done to one", "load the page again")
    ways[verb](by, int(number))
    return verb


def go(path: str) -> Response:
    """Send the browser on after a form, so that loading again does not send it again."""
    return RedirectResponse(path, status_code=303)


async def form_of(request: Request) -> Mapping[str, str]:
    """Return the fields of a form; of a field that comes more than once, the last."""
    form = await request.form(max_files=0, max_fields=2000, max_part_size=256 * 1024)
    return {name: value for name, value in form.multi_items() if isinstance(value, str)}


async def checked_form(request: Request) -> Mapping[str, str]:
    """Return the fields of a form that was drawn for this session.

    Raises:
        AccessError: when it was not.
    """
    fields = await form_of(request)
    check_form(request, fields.get("token", ""))
    return fields


Typed = Annotated[Mapping[str, str], Depends(form_of)]
Form = Annotated[Mapping[str, str], Depends(checked_form)]
"""The fields of a form, checked to be this session's."""


def local(path: str) -> str:
    """Return a path on this host, or the queue's where it leads elsewhere.

    >>> local("/case?id=7"), local("//elsewhere.example/"), local("https://elsewhere.example")
    ('/case?id=7', '/', '/')
    """
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/"
    # Browsers read a backslash as a slash, and leave out tabs and line ends.
    odd = "\\" in path or not path.isprintable() or path.startswith("//")
    return "/" if odd or parts.scheme or parts.netloc or not path.startswith("/") else path


# The way in and out


def ask_in(request: Request, target: str, error: AccessError | None = None, name: str = "") -> Response:
    """Show the page to sign in at, with why the last attempt failed."""
    status, provider = 403 if error else 200, request.app.state.provider
    around: dict[str, Any] = {"next": target, "error": error, "name": name, "provider": provider}
    return render(request, "sign_in.html", status=status, **around)


def sign_in_page(request: Request, target: Annotated[str, Query(alias="next")] = "/") -> Response:
    """Ask for name and password."""
    return ask_in(request, local(target))


def sign_in(request: Request, house: TheHouse, form: Typed) -> Response:
    """Begin a session, then go where the person wanted to go."""
    same_site(request)
    name, target = form.get("name", ""), local(form.get("next", "/"))
    try:
        token = house.accounts.sign_in(name, form.get("password", ""))
    except AccessError as error:
        return ask_in(request, target, error, name)
    return with_session(go(target), request, token)


def sign_out(request: Request, house: TheHouse, form: Form) -> Response:
    """End the session."""
    house.accounts.sign_out(request.cookies.get(COOKIE, ""))
    response = go("/sign-in")
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


# Errors


def wants_page(request: Request) -> bool:
    """Tell whether a person looks at the answer, rather than a program."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")


async def fault_page(
    request: Request, status: int, message: str, hint: str, error: Exception | None = None
) -> Response:
    """Show an error as a page; who is not signed in is asked to be."""
    if isinstance(error, UnknownPersonError) and request.method not in UNSAFE:
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return go("/sign-in" if back == "/" else f"/sign-in?next={quote(back, safe='')}")
    kept = {}
    if isinstance(error, NotFoundError) and "foretell cases" in hint:  # what a terminal would do
        hint = "it may be written otherwise, or be for another team"
    if isinstance(error, UnknownPersonError):
        hint = "sign in again, open the page again, and paste what you had written"
        fields = await form_of(request)
        kept = {name: fields[name] for name in ("text", "reason") if fields.get(name)}
    try:
        person = (await within(LOOK, house_of(request).accounts.look_up, request.cookies.get(COOKIE, "")))[0]
    except AccessError:
        person = None
    return render(
        request, "fault.html", person, status=status, code=status, message=message, hint=hint, kept=kept
    )
