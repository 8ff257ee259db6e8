"""The sentences of a house's own as the log has them: proposed, released by another person, or withdrawn."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.log import named
from foretell.cases.names import CLOSERS, WORDING
from foretell.cases.tables import contents, events
from foretell.errors import VerdictError
from foretell.records import Case, plain, restore
from foretell.verification.grammar import language_of
from foretell.verification.wordings import Wording, brought

_TOLD = sa.select(events).where(events.c.case_id == WORDING).order_by(events.c.seq)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A sentence that somebody proposed to use."""

    seq: int
    at: str
    actor: str
    wording: Wording
    language: str
    state: str
    """proposed, confirmed or withdrawn."""
    closed_by: str = ""


def strange(cases: Iterable[Case], connection: Connection) -> VerdictError | None:
    """Return why cases cannot be opened that bring a sentence of a house's own which nobody released."""
    asked = [(case, wording) for case in cases for wording in brought(case.evidence)]
    if not asked:
        return None
    held = {(each.wording, each.language) for each in releases(connection) if each.state == "confirmed"}
    for case, wording in asked:
        if (wording, language_of(case.evidence)) not in held:
            return VerdictError(
                f"case '{case.id}' brings a sentence that nobody released: '{wording.text}'",
                "release it first (foretell style show), or learn without it: foretell style learn",
            )
    return None


def releases(connection: Connection) -> list[Release]:
    """Return all that was proposed, in the order of the log."""
    rows = [(row, json.loads(row.body)) for row in connection.execute(_TOLD)]
    texts = sa.select(contents.c.digest, contents.c.body).where(
        contents.c.seq.in_([row.seq for row, _ in rows]), contents.c.kind == "wording"
    )
    bodies = {row.digest: json.loads(row.body) for row in connection.execute(texts)}
    closed = {body[row.kind]: row for row, body in rows if row.kind in CLOSERS}
    found = []
    for row, body in rows:
        if row.kind == "proposed":
            held = bodies[named(body)["wording"]]
            found.append(
                Release(
                    seq=row.seq,
                    at=row.at,
                    actor=row.actor,
                    wording=restore(Wording, plain(held["wording"])),
                    language=held["language"],
                    state=closed[row.seq].kind if row.seq in closed else "proposed",
                    closed_by=closed[row.seq].actor if row.seq in closed else "",
                )
            )
    return found
