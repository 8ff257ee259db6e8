"""The log as people read it: who did what, the newest first, page by page; any page costs the same."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.names import DESK_PREFIX
from foretell.cases.tables import events

MOST_ENTRIES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event, without its content."""

    seq: int
    at: str
    actor: str
    kind: str
    subject: str
    """A case, or people, or policy."""
    digest: str

    @property
    def about_case(self) -> bool:
        return not self.subject.startswith(DESK_PREFIX)


def entries(
    connection: Connection, *, before: int = 0, actor: str = "", subject: str = "", limit: int = 50
) -> tuple[Entry, ...]:
    """Return events, the newest first.

    Args:
        before: only those before this event; 0: from the end of the log on.
        actor: only what one person did.
        subject: only what one case, or the people or the policy of the desk, met with.
    """
    query = sa.select(events).order_by(events.c.seq.desc()).limit(min(limit, MOST_ENTRIES))
    if before:
        query = query.where(events.c.seq < before)
    if actor:
        query = query.where(events.c.actor == actor)
    if subject:
        query = query.where(events.c.case_id == subject)
    return tuple(
        Entry(seq=row.seq, at=row.at, actor=row.actor, kind=row.kind, subject=row.case_id, digest=row.digest)
        for row in connection.execute(query)
    )
