"""The owner's pages: people, and one's own account and keys."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Query as Parameter
from fastapi import Request, Response

from foretell.cases.people import ROLES, SHORTEST_PASSWORD, Person
from foretell.errors import DecisionError, ForetellError
from foretell.serving.faults import status_of
from foretell.serving.house import House
from foretell.serving.pages import Form, go, render
from foretell.serving.security import TheHouse, Who

NOTICES: Mapping[str, str] = {
    "saved": "Saved; it holds from the next request on, and the log tells of it.",
    "ended": "The key is ended.",
}
Short = Annotated[str, Parameter(max_length=200)]


def status_for(problem: ForetellError | None) -> int:
    """Return the status of a page that tells of a problem; the route itself was permitted."""
    found = 200 if problem is None else status_of(problem)
    return 409 if found in (401, 403) else found


# People


def people(request: Request, house: TheHouse, who: Who, name: Short = "", done: Short = "") -> Response:
    """Show everybody, and the form to make or change an account."""
    return _people(request, house, who, name, notice=NOTICES.get(done, ""))


def save_person(request: Request, house: TheHouse, who: Who, form: Form) -> Response:
    """Make an account, or change one."""
    person = Person(
        name=form.get("name", ""),
        roles=tuple(role for role in ROLES if form.get(f"role_{role}")),
        teams=tuple(team for text in form.get("teams", "").split(",") if (team := text.strip())),
        owner=form.get("owner", ""),
        active=bool(form.get("active")),
    )
    try:
        known = {each.name for each in house.accounts.people(who.name)}
        if (person.name in known) is not bool(form.get("change")):
            there = (
                f"there is an account '{person.name}' already"
                if not form.get("change")
                else "no such account"
            )
            raise DecisionError(there, "choose it in the list to change it")
        house.accounts.save(who.name, person, form.get("password", ""))
    except ForetellError as problem:
        return _people(
            request, house, who, "", problem=problem, written=person, change=bool(form.get("change"))
        )
    return go("/people?done=saved")


def _people(
    request: Request,
    house: House,
    who: Person,
    name: str,
    *,
    notice: str = "",
    problem: ForetellError | None = None,
    written: Person | None = None,
    change: bool = False,
) -> Response:
    everybody = house.accounts.people(who.name)
    chosen = next((each for each in everybody if each.name == name), None)
    return render(
        request,
        "people.html",
        who,
        status=status_for(problem),
        people=everybody,
        shown=written or chosen or Person(name="", roles=("reviewer",)),
        change=change or chosen is not None,
        roles=ROLES,
        shortest=SHORTEST_PASSWORD,
        notice=notice,
        problem=problem,
    )


# One's own account


def keys(request: Request, house: TheHouse, who: Who, done: Short = "") -> Response:
    """Show one's own account and keys."""
    return _keys(request, house, who, notice=NOTICES.get(done, ""))


def make_key(request: Request, house: TheHouse, who: Who, form: Form) -> Response:
    """Make a key and show its secret, this once."""
    try:
        days = form.get("days", "")
        if not days.isascii() or not days.isdigit() or len(days) > 4:
            raise DecisionError(f"'{days}' is not a number of days", "write a whole number")
        secret = house.accounts.make_key(who.name, form.get("person", "") or who.name, int(days))
    except ForetellError as problem:
        return _keys(request, house, who, problem=problem)
    return _keys(request, house, who, secret=secret)


def end_key(request: Request, house: TheHouse, who: Who, form: Form) -> Response:
    """End a key."""
    try:
        house.accounts.revoke_key(who.name, form.get("key", ""))
    except ForetellError as problem:
        return _keys(request, house, who, problem=problem)
    return go("/keys?done=ended")


def set_password(request: Request, house: TheHouse, who: Who, form: Form) -> Response:
    """Change one's own password; one signs in again with it."""
    try:
        if form.get("new", "") != form.get("again", ""):
            raise DecisionError("the new password was not written the same twice", "write it again")
        house.accounts.set_password(who.name, form.get("old", ""), form.get("new", ""))
    except ForetellError as problem:
        return _keys(request, house, who, problem=problem)
    return go("/sign-in")


def _keys(
    request: Request,
    house: House,
    who: Person,
    *,
    notice: str = "",
    problem: ForetellError | None = None,
    secret: str = "",
) -> Response:
    return render(
        request,
        "keys.html",
        who,
        status=status_for(problem),
        keys=house.accounts.keys(who.name),
        keyed=house.accounts.keyed(who.name),
        secret=secret,
        shortest=SHORTEST_PASSWORD,
        notice=notice,
        problem=problem,
    )
