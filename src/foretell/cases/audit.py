"""The check of a log through a database's own connection, as it stands at one instant."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.inspection import LogReport, inspect
from foretell.cases.listing import COLUMNS
from foretell.cases.log import CaseRow, ContentRow, EventRow, Head
from foretell.cases.roster import HookRow, KeyRow, PersonRow
from foretell.cases.tables import cases, contents, events, heads, keys, people, webhooks

PAGE = 1000
"""Rows that are fetched at a time."""

_STREAM = {"yield_per": PAGE}
_LOG = sa.select(events).order_by(events.c.seq).execution_options(**_STREAM)
_PIECES = sa.select(contents).order_by(contents.c.seq).execution_options(**_STREAM)
_LIST = sa.select(cases.c.id, cases.c.opened, cases.c.last, cases.c.status).execution_options(**_STREAM)
_LINES = sa.select(cases.c.id, *(cases.c[name] for name in COLUMNS)).execution_options(**_STREAM)
_PEOPLE = sa.select(*(people.c[name] for name in PersonRow._fields))
_KEYS = sa.select(*(keys.c[name] for name in KeyRow._fields))
_HOOKS = sa.select(*(webhooks.c[name] for name in HookRow._fields))


def inspected(connection: Connection, outer: Head | None) -> LogReport:
    """Check the whole log; see `inspection.inspect`.

    Args:
        connection: all of whose reading is of one instant.
        outer: a head that was kept outside of the store.
    """
    kept = Head(*connection.execute(sa.select(heads.c.seq, heads.c.digest)).one())
    with (
        connection.execute(_LOG) as log,
        connection.execute(_PIECES) as pieces,
        connection.execute(_LIST) as listed,
        connection.execute(_LINES) as lines,
    ):
        return inspect(
            (EventRow(*row) for row in log),
            (ContentRow(*row) for row in pieces),
            (CaseRow(*row) for row in listed),
            kept,
            outer,
            people=map(PersonRow._make, connection.execute(_PEOPLE)),
            keys=map(KeyRow._make, connection.execute(_KEYS)),
            hooks=map(HookRow._make, connection.execute(_HOOKS)),
            lines=lines,
        )
