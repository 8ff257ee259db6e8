"""The owner's view of the log: as people read it, and its check."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query as Parameter
from fastapi import Request, Response

from foretell.cases.inspection import LogReport
from foretell.cases.journal import entries
from foretell.cases.people import Person
from foretell.serving.house import House
from foretell.serving.pages import Form, render
from foretell.serving.security import TheHouse, Who

LINES = 50
SHOWN = 50
"""Faults of a log that the page shows; it counts the rest."""


def log(
    request: Request,
    house: TheHouse,
    who: Who,
    before: Annotated[int, Parameter(ge=0, le=10**18)] = 0,
    actor: Annotated[str, Parameter(max_length=200)] = "",
    about: Annotated[str, Parameter(max_length=200)] = "",
) -> Response:
    """Show the log, the newest first."""
    return _log(request, house, who, before, actor, about)


def check(request: Request, house: TheHouse, who: Who, form: Form) -> Response:
    """Check the whole log now, and that it holds a head that was noted earlier."""
    return _log(request, house, who, 0, "", "", house.store.verify_log(form.get("head", "").strip()))


def _log(
    request: Request,
    house: House,
    who: Person,
    before: int,
    actor: str,
    about: str,
    report: LogReport | None = None,
) -> Response:
    with house.store.reading() as connection:
        found = entries(connection, before=before, actor=actor, subject=about, limit=LINES + 1)
    told = {"before": str(found[LINES - 1].seq) if len(found) > LINES else "", "actor": actor, "about": about}
    further = urlencode({name: value for name, value in told.items() if value})
    first = urlencode({name: value for name, value in told.items() if value and name != "before"})
    return render(
        request,
        "log.html",
        who,
        head=house.store.head(),
        entries=found[:LINES],
        further=f"/log?{further}" if told["before"] else "",
        first=f"/log?{first}" if before else "",
        actor=actor,
        about=about,
        report=report,
        faults=report.faults[:SHOWN] if report else (),
        case_address=lambda case_id: "/case?" + urlencode({"id": case_id}),
    )
