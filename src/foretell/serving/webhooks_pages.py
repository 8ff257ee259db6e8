"""Webhooks over HTTP: the page of those who administer them, and the same as an API."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Query as Parameter
from fastapi import Request, Response
from pydantic import Field

from foretell.cases.endpoints import KINDS, Endpoints
from foretell.cases.outbox import GIVE_UP
from foretell.errors import ForetellError
from foretell.outward import LONGEST_URL
from foretell.serving.admin_pages import status_for
from foretell.serving.api import Body, Short, answer
from foretell.serving.house import House
from foretell.serving.pages import Form, go, press, render
from foretell.serving.security import TheHouse, Who

NOTICES = {
    "confirm": "The endpoint is in force: what happens from now on is told to it.",
    "end": "The endpoint is ended, and its secret forgotten.",
    "retry": "It is tried again at once, from where it stopped.",
}
Number = Annotated[int, Parameter(alias="endpoint", ge=1, le=10**18)]


class NewEndpoint(Body):
    url: Annotated[str, Field(max_length=LONGEST_URL)]
    kinds: list[Short] = Field(max_length=len(KINDS), description=f"Of {', '.join(KINDS)}.")
    team: Short = ""


def endpoints(house: TheHouse) -> list[dict[str, Any]]:
    """Return all endpoints, the newest first, and how far each has come; no secrets."""
    known = Endpoints(house.store)
    paces = known.paces()
    return answer([{**asdict(each), "pace": paces.get(each.id)} for each in known.endpoints()])


def propose(house: TheHouse, who: Who, body: NewEndpoint) -> dict[str, Any]:
    """Propose an endpoint; its secret is shown this once."""
    number, secret = Endpoints(house.store).propose(who.name, body.url, body.kinds, body.team)
    return answer({"endpoint": number, "secret": secret})


def confirm(house: TheHouse, who: Who, number: Number) -> dict[str, str]:
    """Put an endpoint into force that another administrator proposed."""
    Endpoints(house.store).confirm(who.name, number)
    return answer({})


def end(house: TheHouse, who: Who, number: Number) -> dict[str, str]:
    """End an endpoint, or take a proposal back."""
    Endpoints(house.store).end(who.name, number)
    return answer({})


def retry(house: TheHouse, who: Who, number: Number) -> dict[str, str]:
    """Send again at once to an endpoint that is stopped or waits."""
    Endpoints(house.store).retry(who.name, number)
    return answer({})


# The page


def page(request: Request, house: TheHouse, who: Who, done: Short = "") -> Response:
    """Show the endpoints, and the form to propose one."""
    return _page(request, house, who, notice=NOTICES.get(done, ""))


def propose_here(request: Request, house: TheHouse, who: Who, form: Form) -> Response:
    """Propose an endpoint and show its secret, this once."""
    kinds = [kind for kind in KINDS if form.get(f"kind_{kind}")]
    try:
        _, secret = Endpoints(house.store).propose(
            who.name, form.get("url", "").strip(), kinds, form.get("team", "").strip()
        )
    except ForetellError as problem:
        return _page(request, house, who, problem=problem, written=form)
    return _page(request, house, who, secret=secret)


def act(request: Request, house: TheHouse, who: Who, form: Form) -> Response:
    """Confirm an endpoint, end it, or try it again."""
    known = Endpoints(house.store)
    ways = {"confirm": known.confirm, "end": known.end, "retry": known.retry}
    try:
        verb = press(form, "endpoint", who.name, ways)
    except ForetellError as problem:
        return _page(request, house, who, problem=problem)
    return go(f"/webhooks?done={verb}")


def _page(
    request: Request,
    house: House,
    who: Who,
    *,
    notice: str = "",
    problem: ForetellError | None = None,
    written: Form | None = None,
    secret: str = "",
) -> Response:
    known = Endpoints(house.store)
    all_known = known.endpoints()
    return render(
        request,
        "webhooks.html",
        who,
        status=status_for(problem),
        open=[each for each in all_known if each.state != "withdrawn"],
        closed=[each for each in all_known if each.state == "withdrawn"][:20],
        paces=known.paces(),
        kinds=KINDS,
        longest=LONGEST_URL,
        hours=GIVE_UP.total_seconds() / 3600,
        written=written or {"kind_approved": "on", "kind_rejected": "on"},
        secret=secret,
        notice=notice,
        problem=problem,
    )
