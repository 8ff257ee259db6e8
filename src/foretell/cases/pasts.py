"""The past of cases as a store holds it: their events, the content these name, and what both tell."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.case import fold
from foretell.cases.log import EventRow
from foretell.cases.tables import contents, events
from foretell.errors import NotFoundError
from foretell.records import Case, Event

_WHOLE = (
    sa.select(events, contents.c.digest, contents.c.body)
    .outerjoin(contents, contents.c.seq == events.c.seq)
    .where(events.c.case_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(events.c.seq)
)


def pasts(connection: Connection, ids: Sequence[str]) -> tuple[list[list[Event]], dict[str, str]]:
    """Return the events of each case that is there, and the content they name: salted digest -> text."""
    told_by: dict[str, dict[int, Event]] = {}
    pieces: dict[str, str] = {}
    for *event, name, body in connection.execute(_WHOLE, {"ids": ids}):
        row = EventRow(*event)
        past = told_by.setdefault(row.case_id, {})
        if row.seq not in past:
            past[row.seq] = row.event()
        if name is not None:
            pieces[name] = body
    return [[*past.values()] for past in told_by.values()], pieces


def folded(connection: Connection, ids: Sequence[str], *, as_opened: bool = False) -> list[Case]:
    told_by, pieces = pasts(connection, ids)
    # The whole past is folded in any case, so that what was erased is not read back as it was opened.
    whole = [fold(past, pieces) for past in told_by]
    return [fold(case.events[:1], pieces) for case in whole] if as_opened else whole


def one(connection: Connection, case_id: str, *, as_opened: bool = False) -> Case:
    """Return one case.

    Raises:
        NotFoundError: when there is no such case.
    """
    found = folded(connection, [case_id], as_opened=as_opened)
    if not found:
        raise no_case(case_id)
    return found[0]


def no_case(case_id: str) -> NotFoundError:
    return NotFoundError(f"there is no case '{case_id}'", "list the cases: foretell cases")
