"""Bundles over HTTP: the cases that somebody sees, in one zip with what proves them."""

import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import Query as Parameter
from fastapi import Response

from foretell.cases.bundle import Choice, chosen, write_bundle
from foretell.cases.people import Person
from foretell.errors import DecisionError, StoreError
from foretell.records import Case
from foretell.report import case_page, timelines_of
from foretell.serving.house import House
from foretell.serving.security import TheHouse, Who

MOST_CASES = 500
"""Cases of one bundle over HTTP; `foretell export` writes any number."""

Ids = Annotated[list[str], Parameter(alias="id", max_length=MOST_CASES, description="A case, once for each.")]
Day = Annotated[str, Parameter(max_length=10, description="As 2026-03-01, UTC.")]


def export(
    house: TheHouse,
    who: Who,
    ids: Ids = [],  # noqa: B006 - read alone
    since: Annotated[Day, Parameter(alias="from")] = "",
    until: Annotated[Day, Parameter(alias="to")] = "",
) -> Response:
    """Return a bundle of cases, or of all of a period; its head is not signed, and no rows are in it."""
    choice = Choice(ids=tuple(ids), since=since, until=until, sees=who.sees)
    found = chosen(house.store, choice)
    if len(found) > MOST_CASES:
        raise DecisionError(
            f"these are {len(found):,} cases; a bundle over HTTP holds {MOST_CASES}",
            "ask for fewer days, or use `foretell export` where the store is",
        )
    for case_id in found:
        if _hidden(house, who, case_id):
            raise DecisionError(
                f"you are to judge case '{case_id}' before its score is shown", "judge it first"
            )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cases.zip"
        write_bundle(house.store, file, Choice(ids=tuple(found), sees=who.sees), extra=_page)
        headers = {"content-disposition": 'attachment; filename="cases.zip"'}
        return Response(file.read_bytes(), media_type="application/zip", headers=headers)


def _page(case: Case) -> dict[str, bytes]:
    return {"page.html": case_page(case, timelines_of(case)).encode()}


def _hidden(house: House, who: Person, case_id: str) -> bool:
    try:
        return house.desk.case(who.name, case_id).hidden
    except StoreError:
        return False  # erased: nothing is left to hide
