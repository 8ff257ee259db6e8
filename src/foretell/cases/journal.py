"""The log as people read it: who did what, the newest first, page by page; any page costs the same."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.names import DESK_PREFIX, PEOPLE
from foretell.cases.tables import contents, events

MOST_ENTRIES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event, without its content but for whose account it is about."""

    seq: int
    at: str
    actor: str
    kind: str
    subject: str
    """A case, or people, or policy."""
    digest: str
    whom: str = ""
    """Whose account or key an event about people made, changed or ended."""

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
    rows = connection.execute(query).all()
    whom = _whom(connection, [row.seq for row in rows if row.case_id == PEOPLE])
    return tuple(
        Entry(
            seq=row.seq,
            at=row.at,
            actor=row.actor,
            kind=row.kind,
            subject=row.case_id,
            digest=row.digest,
            whom=whom.get(row.seq, ""),
        )
        for row in rows
    )


def _whom(connection: Connection, seqs: Sequence[int]) -> Mapping[int, str]:
    """Return whom events about people are about: event -> name of an account."""
    query = sa.select(contents.c.seq, contents.c.kind, contents.c.body).where(
        contents.c.seq.in_(seqs), contents.c.kind.in_(("person", "key"))
    )
    told = {"person": "name", "key": "person"}
    return {row.seq: _text_of(row.body, told[row.kind]) for row in connection.execute(query)}


def _text_of(body: str, name: str) -> str:
    """Return a text of a record; empty where the content was altered: the log can be read then as well."""
    try:
        said = json.loads(body)
    except ValueError:
        return ""
    found = said.get(name) if isinstance(said, dict) else None
    return found if isinstance(found, str) else ""
