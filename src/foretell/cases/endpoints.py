"""Endpoints of webhooks: where events of cases are told to; one administrator proposes, another confirms.

The log alone says which endpoints are in force, so that nobody leads events elsewhere by writing to a table.
"""

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.governance import four_eyes, may
from foretell.cases.log import NO_CLOCK, STATUS_AFTER, EventRow
from foretell.cases.names import WEBHOOKS
from foretell.cases.people import fingerprint
from foretell.cases.store import Store
from foretell.cases.tables import contents, events, heads, webhooks
from foretell.errors import DecisionError, ForetellError
from foretell.lookup import unknown
from foretell.outward import unfit
from foretell.records import canonical

KINDS = tuple(sorted({kind for status in STATUS_AFTER if status != "desk" for kind in STATUS_AFTER[status]}
                     - {*STATUS_AFTER["desk"]}))  # fmt: skip
"""What can happen to a case."""
MOST_ENDPOINTS = 20
"""Endpoints that are proposed or in force at once."""
SECRET_PREFIX = "whsec_"
"""How the Standard Webhooks specification marks a secret."""
_OPEN = ("proposed", "confirmed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where events are told to, and which."""

    id: int
    """Number of the event that proposed it."""
    at: str
    actor: str
    url: str
    kinds: tuple[str, ...]
    team: str
    """Only events of this team's cases; empty: of all cases."""
    state: str
    """proposed, confirmed or withdrawn."""
    closed_by: str = ""
    """Who confirmed or withdrew it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How far a webhook has come."""

    behind: int
    """Events of the log that it has not gone through yet."""
    delivered: int
    failures: int
    """Failed attempts since the last that succeeded."""
    failing_since: str
    fault: str
    """What the last attempt met with."""
    stopped: bool
    """It failed for too long and waits for an administrator."""
    next_at: str


class Endpoints:
    """The endpoints of a store, and who allowed them. Safe to use from many threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def propose(self, by: str, url: str, kinds: Sequence[str], team: str = "") -> tuple[int, str]:
        """Propose an endpoint; return its number and its secret, which is shown this once.

        Raises:
            DecisionError: when the address, a kind or the team cannot stand, or there are too many.
            AccessError: when the person may not.
        """
        if len(team) > 200 or not (team.isprintable() or not team) or team != team.strip():
            raise DecisionError(f"'{team[:80]}' cannot name a team", "use up to 200 printable characters")
        for kind in kinds:
            if kind not in KINDS:
                raise DecisionError(*unknown("kind of event", kind, KINDS))
        if not kinds:
            raise DecisionError("no kind of event is chosen", "choose what the endpoint is to be told of")
        record = {"url": checked_url(url), "kinds": sorted({*kinds}), "team": team}
        secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()

        def guard(connection: Connection) -> ForetellError | None:
            if (error := may(by, "webhooks")(connection)) is not None:
                return error
            there = [each for each in listed(connection) if each.state in _OPEN]
            if len(there) < MOST_ENDPOINTS:
                return None
            return DecisionError(f"there are {len(there)} endpoints already", "end one first")

        def also(connection: Connection, rows: Sequence[EventRow]) -> None:
            row = {"id": rows[0].seq, "secret": secret, "sent": rows[0].seq, "next_at": NO_CLOCK}
            idle = {
                "delivered": 0,
                "failures": 0,
                "failing_since": "",
                "fault": "",
                "holder": "",
                "until": "",
            }
            connection.execute(sa.insert(webhooks), [{**row, **idle}])

        texts = {"endpoint": canonical(record).decode(), "secret": canonical(fingerprint(secret)).decode()}
        return self._store.record(WEBHOOKS, "proposed", by, texts, guard=guard, also=also).seq, secret

    def confirm(self, by: str, number: int) -> None:
        """Put an endpoint into force: from then on events go there.

        Raises:
            AccessError: when the person may not, or proposed it.
            DecisionError: when it is not open any more.
        """
        proposed = self._found(number)

        def guard(connection: Connection) -> ForetellError | None:
            if (error := self._still(connection, by, number, ("proposed",))) is not None:
                return error
            return four_eyes(connection, proposed.actor, by, "endpoint")

        def also(connection: Connection, rows: Sequence[EventRow]) -> None:
            begun = {"sent": rows[0].seq, "next_at": ""}
            connection.execute(sa.update(webhooks).where(webhooks.c.id == number).values(**begun))

        more = {"confirmed": number, "endpoint": self._name(number)}
        self._store.record(WEBHOOKS, "confirmed", by, {}, more=more, guard=guard, also=also)

    def end(self, by: str, number: int) -> None:
        """Take an endpoint out of force, or a proposal back; its secret is forgotten.

        Raises:
            AccessError, DecisionError: as for `confirm`; one pair of eyes is enough.
        """
        self._found(number)

        def guard(connection: Connection) -> ForetellError | None:
            return self._still(connection, by, number, _OPEN)

        def also(connection: Connection, _rows: Sequence[EventRow]) -> None:
            connection.execute(sa.delete(webhooks).where(webhooks.c.id == number))

        more = {"withdrawn": number, "endpoint": self._name(number)}
        self._store.record(WEBHOOKS, "withdrawn", by, {}, more=more, guard=guard, also=also)

    def retry(self, by: str, number: int) -> None:
        """Send again at once where a webhook is stopped or waits; nothing was lost meanwhile.

        Raises:
            AccessError, DecisionError: as for `confirm`.
        """
        self._found(number)
        fresh = {"failures": 0, "failing_since": "", "next_at": ""}
        with self._store.alone() as connection:
            if (error := self._still(connection, by, number, ("confirmed",))) is not None:
                raise error
            connection.execute(sa.update(webhooks).where(webhooks.c.id == number).values(**fresh))

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return all endpoints that were ever proposed, the newest first."""
        with self._store.reading() as connection:
            return listed(connection)

    def paces(self) -> dict[int, Pace]:
        """Return how far each endpoint that is proposed or in force has come."""
        with self._store.reading() as connection:
            head = connection.scalar(sa.select(heads.c.seq)) or 0
            return {
                row.id: Pace(
                    behind=head - row.sent,
                    delivered=row.delivered,
                    failures=row.failures,
                    failing_since=row.failing_since,
                    fault=row.fault,
                    stopped=row.next_at == NO_CLOCK and row.failures > 0,
                    next_at=row.next_at,
                )
                for row in connection.execute(sa.select(webhooks))
            }

    def _found(self, number: int) -> Endpoint:
        found = next((each for each in self.endpoints() if each.id == number), None)
        if found is None:
            raise DecisionError(f"there is no endpoint {number}", "list the endpoints")
        return found

    def _name(self, number: int) -> str:
        with self._store.reading() as connection:
            query = sa.select(contents.c.digest).where(
                contents.c.seq == number, contents.c.kind == "endpoint"
            )
            return str(connection.scalar(query))

    @staticmethod
    def _still(connection: Connection, by: str, number: int, states: Sequence[str]) -> ForetellError | None:
        if (error := may(by, "webhooks")(connection)) is not None:
            return error
        stands = next(each for each in listed(connection) if each.id == number)
        if stands.state in states:
            return None
        whose = f" by {stands.closed_by}" if stands.closed_by else ""
        return DecisionError(f"endpoint {number} is {stands.state}{whose}", "propose another one")


def listed(connection: Connection) -> tuple[Endpoint, ...]:
    """Return all endpoints that the log tells of, the newest first."""
    query = (
        sa.select(events, contents.c.body.label("text"))
        .outerjoin(contents, sa.and_(contents.c.seq == events.c.seq, contents.c.kind == "endpoint"))
        .where(events.c.case_id == WEBHOOKS)
        .order_by(events.c.seq)
    )
    found: dict[int, Endpoint] = {}
    for row in connection.execute(query):
        body = json.loads(row.body)
        if row.kind == "proposed":
            told = json.loads(row.text)
            found[row.seq] = Endpoint(
                id=row.seq,
                at=row.at,
                actor=row.actor,
                url=told["url"],
                kinds=tuple(told["kinds"]),
                team=told["team"],
                state=row.kind,
            )
        else:
            found[body[row.kind]] = replace(found[body[row.kind]], state=row.kind, closed_by=row.actor)
    return tuple(sorted(found.values(), key=lambda each: -each.id))


def checked_url(url: str) -> str:
    """Return the address when events may be told to it: https, or http on this machine.

    Raises:
        DecisionError: when they may not.

    >>> checked_url("https://example.org/hook")
    'https://example.org/hook'
    """
    if fault := unfit(url):
        raise DecisionError(f"'{url[:200]}' {fault}", "write it as in https://example.org/hook")
    return url
