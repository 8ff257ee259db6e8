"""The outbox of the webhooks is the log itself: each endpoint has its place in it and goes on from there.

An event stands in the log once, from the transaction that wrote it on, and so it does in the outbox. A place
moves on only once the endpoint has answered, so that each event is told at least once, in order. What is told
has no words of people: ids, kinds, digests and the status. Planted cases are never told of.
"""

import random
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.endpoints import Endpoint, listed
from foretell.cases.ledger import parts
from foretell.cases.log import NO_CLOCK, STATUS_AFTER, EventRow, named
from foretell.cases.planted import planted_ids
from foretell.cases.standing import stamp
from foretell.cases.store import Store
from foretell.cases.tables import cases, events, heads, webhooks
from foretell.records import canonical

PARCEL = 32
"""Messages sent under one lease."""
SCANNED = 1000
"""Events of the log looked through under one lease."""
LEASE = timedelta(seconds=30)
"""How long one process sends to an endpoint before another may: longer than a parcel takes."""
GIVE_UP = timedelta(hours=24)
"""After so long without success an endpoint is stopped until an administrator tries again."""
SHORTEST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Message:
    """An event as it is told: `id` is the same whenever it is sent again."""

    seq: int
    id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one process may send to one endpoint now."""

    endpoint: Endpoint
    secret: str
    holder: str
    messages: tuple[Message, ...]
    end: int
    """The last event that is settled once all messages are sent."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an endpoint did not take a message."""

    text: str
    wait: timedelta = timedelta(0)
    """How long it asks to be left alone."""
    gone: bool = False
    """It says that it will never take one again."""


class Outbox:
    """What is to be told to the endpoints of a store. Safe to use from many threads and processes."""

    def __init__(self, store: Store, rng: random.Random | None = None) -> None:
        self._store, self._rng = store, rng or random.Random()

    def due(self) -> tuple[int, ...]:
        """Return the endpoints that something is to be sent to, and nobody is sending to."""
        with self._store.reading() as connection:
            query = sa.select(webhooks.c.id).where(_ready(stamp(self._store.now())))
            return tuple(connection.scalars(query))

    def take(self, number: int) -> Parcel | None:
        """Lease an endpoint and return what to send to it; None when another process was faster."""
        now, holder = self._store.now(), secrets.token_hex(8)
        lease = {"holder": holder, "until": stamp(now + LEASE)}
        mine = sa.update(webhooks).where(webhooks.c.id == number, _ready(stamp(now))).values(**lease)
        with self._store.alone() as connection:
            if not connection.execute(mine).rowcount:
                return None
        with self._store.reading() as connection:
            row = connection.execute(sa.select(webhooks).where(webhooks.c.id == number)).one_or_none()
            endpoint = next((each for each in listed(connection) if each.id == number), None)
            if row is None or endpoint is None or endpoint.state != "confirmed":
                return None
            messages, end = _messages(connection, endpoint, row.sent)
        return Parcel(endpoint, row.secret, holder, messages, end)

    def settle(self, parcel: Parcel, sent: int, fault: Fault | None = None) -> None:
        """Note how much of a parcel was taken, and give the lease back.

        Nothing happens when the lease has passed to another process.

        Args:
            sent: messages that were taken, from the first on.
            fault: what the message after them met with.
        """
        done = sent == len(parcel.messages)
        values: dict[str, Any] = {"holder": "", "until": "", "delivered": webhooks.c.delivered + sent}
        if done or sent:
            values["sent"] = parcel.end if done else parcel.messages[sent - 1].seq
        mine = sa.and_(webhooks.c.id == parcel.endpoint.id, webhooks.c.holder == parcel.holder)
        with self._store.alone() as connection:
            row = connection.execute(sa.select(webhooks).where(mine)).one_or_none()
            if row is None:
                return
            fresh = {"failures": 0, "failing_since": "", "fault": "", "next_at": ""}
            before = fresh if sent else row._mapping
            values |= fresh if fault is None else self._failed(fault, before)
            connection.execute(sa.update(webhooks).where(mine).values(**values))

    def _failed(self, fault: Fault, before: Mapping[str, Any]) -> dict[str, Any]:
        now, failures = self._store.now(), before["failures"] + 1
        since = before["failing_since"] or stamp(now)
        stops = fault.gone or now - datetime.fromisoformat(since) >= GIVE_UP
        next_at = NO_CLOCK if stops else stamp(now + max(self._wait(failures), min(fault.wait, LONGEST_WAIT)))
        return {"failures": failures, "failing_since": since, "fault": fault.text, "next_at": next_at}

    def _wait(self, failures: int) -> timedelta:
        """Return how long to wait after so many failures; by chance, so that not all come back at once."""
        longest = min(SHORTEST_WAIT * 2 ** min(failures - 1, 20), LONGEST_WAIT)
        return longest * self._rng.uniform(0.5, 1.0)


def _ready(now: str) -> sa.ColumnElement[bool]:
    head = sa.select(heads.c.seq).scalar_subquery()
    return sa.and_(webhooks.c.sent < head, webhooks.c.next_at <= now, webhooks.c.until <= now)


def _messages(connection: Connection, endpoint: Endpoint, after: int) -> tuple[tuple[Message, ...], int]:
    """Return what an endpoint is to be told next, and the last event that this settles."""
    scanned = sa.select(events).where(events.c.seq > after).order_by(events.c.seq).limit(SCANNED)
    rows = [EventRow(*row) for row in connection.execute(scanned)]
    planted = planted_ids(connection)
    wanted = [row for row in rows if row.kind in endpoint.kinds and row.case_id not in planted]
    teams = _teams(connection, [row.case_id for row in wanted])
    told = [row for row in wanted if row.case_id in teams and endpoint.team in ("", teams[row.case_id])]
    if len(told) > PARCEL:
        end, told = told[PARCEL - 1].seq, told[:PARCEL]
    else:
        end = rows[-1].seq if rows else after
    statuses = _statuses(connection, told)
    messages = (Message(row.seq, f"{row.seq}-{row.digest}", _body(row, statuses[row.seq])) for row in told)
    return tuple(messages), end


def _body(row: EventRow, status: str) -> bytes:
    event = row.event()
    data = {
        "seq": row.seq,
        "digest": row.digest,
        "kind": row.kind,
        "case": row.case_id,
        "status": status,
        "contents": named(event.body),
    }
    return canonical({"type": f"case.{row.kind}", "timestamp": row.at, "data": data})


def _teams(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """Return the team of each case; what is about the desk itself is no case."""
    query = sa.select(cases.c.id, cases.c.team).where(cases.c.status != "desk")
    found = (row for part in parts({*ids}) for row in connection.execute(query.where(cases.c.id.in_(part))))
    return {row.id: row.team for row in found}


def _statuses(connection: Connection, rows: Sequence[EventRow]) -> dict[int, str]:
    """Return the status of each event's case after it."""
    return {
        seq: status
        for part in parts({row.case_id for row in rows})
        for seq, status in _told(connection, part)
    }


def _told(connection: Connection, ids: Sequence[str]) -> Iterator[tuple[int, str]]:
    query = sa.select(events.c.seq, events.c.case_id, events.c.kind).where(events.c.case_id.in_(ids))
    status: dict[str, str] = {}
    for row in connection.execute(query.order_by(events.c.seq)):
        status[row.case_id] = STATUS_AFTER[status.get(row.case_id, "")][row.kind]
        yield row.seq, status[row.case_id]
