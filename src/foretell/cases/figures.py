"""What a desk's owner watches: what waits, who decides how much, where people differ, how the model does."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from math import sqrt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.people import person_of
from foretell.cases.standing import stamp
from foretell.cases.tables import cases, contents, events, heads, people

DECIDING = ("approved", "endorsed", "rejected", "escalated", "edited", "accepted", "released")
OPINIONS = ("judged", "endorsed", "approved", "rejected")
AGES: tuple[tuple[str, timedelta], ...] = (
    ("under 4 hours", timedelta(hours=4)),
    ("4 to 24 hours", timedelta(days=1)),
    ("1 to 3 days", timedelta(days=3)),
    ("3 to 7 days", timedelta(days=7)),
    ("over 7 days", timedelta(days=3650)),
)
BINS = 10
MOST_DAYS = 366


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Decided cases of like probability, or of one week: what the model said, and what people found."""

    week: str
    predicted: float
    observed: float
    n: int
    low: float
    """Ends of the 95 % interval of `observed`."""
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of a desk over the last days."""

    days: tuple[str, ...]
    waiting: Mapping[str, int]
    """Age -> cases that are open or escalated."""
    decisions: Mapping[str, Mapping[str, int]]
    """Person -> day -> decisions."""
    num_alerts: int
    """Alerts that were approved or rejected."""
    num_rejected: int
    num_decided: int
    """Cases that anybody gave an opinion on."""
    num_doubled: int
    """Those of them on which two different people did."""
    num_pairs: int
    """Pairs of such people, case by case."""
    num_agreeing: int
    by_probability: tuple[Bin, ...]
    by_week: tuple[Bin, ...]
    num_events: int
    digest: str


def figures(connection: Connection, now: datetime, num_days: int = 14) -> Figures:
    """Return the figures of the last days; what waits is counted as it is now.

    Args:
        num_days: days up to today; reliability and agreement are counted over them as well.
    """
    num_days = min(num_days, MOST_DAYS)
    start = (now - timedelta(days=num_days - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    since = first_since(connection, stamp(start))
    days = tuple(f"{start + timedelta(days=day):%Y-%m-%d}" for day in range(num_days))
    decided = _decided(connection, since)
    opinions = _opinions(connection, since)
    pairs = [pair for held in opinions.values() for pair in combinations(held.values(), 2)]
    alerts = [row for row in decided if row.alert]
    head = connection.execute(sa.select(heads.c.seq, heads.c.digest)).one()
    return Figures(
        days=days,
        waiting=_waiting(connection, now),
        decisions=_decisions(connection, since),
        num_alerts=len(alerts),
        num_rejected=sum(row.kind == "rejected" for row in alerts),
        num_decided=len(opinions),
        num_doubled=sum(len(held) > 1 for held in opinions.values()),
        num_pairs=len(pairs),
        num_agreeing=sum(one == other for one, other in pairs),
        by_probability=_bins(decided, lambda row: min(int(row.probability * BINS), BINS - 1)),
        by_week=_bins(decided, lambda row: _week(row.at)),
        num_events=head.seq,
        digest=head.digest,
    )


def first_since(connection: Connection, at: str) -> int:
    """Return the first event at an instant or after it, as the log's order and its clock go the same way."""
    low, high = 1, (connection.scalar(sa.select(heads.c.seq)) or 0) + 1
    while low < high:
        middle = (low + high) // 2
        told = connection.scalar(sa.select(events.c.at).where(events.c.seq == middle))
        low, high = (middle + 1, high) if (told or "") < at else (low, middle)
    return low


def _waiting(connection: Connection, now: datetime) -> dict[str, int]:
    waiting = cases.c.status.in_(("open", "escalated"))
    found, until = {}, "~"
    for name, age in AGES:
        since = stamp(now - age) if name != AGES[-1][0] else ""
        between = (cases.c.opened_at >= since) & (cases.c.opened_at < until)
        query = sa.select(sa.func.count()).where(waiting, between)
        found[name] = connection.scalar(query) or 0
        until = since
    return found


def _decisions(connection: Connection, since: int) -> dict[str, dict[str, int]]:
    day = sa.func.substr(events.c.at, 1, 10)
    query = (
        sa.select(events.c.actor, day.label("day"), sa.func.count().label("n"))
        .where(events.c.seq >= since, events.c.kind.in_(DECIDING))
        .group_by(events.c.actor, day)
        .order_by(events.c.actor)
    )
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in connection.execute(query):
        found[row.actor][row.day] = row.n
    return dict(found)


def _decided(connection: Connection, since: int) -> Sequence[Any]:
    """Return the decision that stands of each case."""
    query = (
        sa.select(events.c.kind, events.c.at, cases.c.probability, cases.c.alert)
        .join(cases, cases.c.id == events.c.case_id)
        .where(
            events.c.seq >= since,
            events.c.kind.in_(("approved", "rejected")),
            events.c.kind == cases.c.status,
        )
        .order_by(events.c.seq)
    )
    return connection.execute(query).all()


def _opinions(connection: Connection, since: int) -> dict[str, dict[str, bool]]:
    """Return case -> pair of eyes -> whether they last took the outcome to be positive."""
    owners = {row.name: person_of(row).identity for row in connection.execute(sa.select(people))}
    judged = (contents.c.seq == events.c.seq) & (contents.c.kind == "detail")
    query = (
        sa.select(events.c.case_id, events.c.actor, events.c.kind, cases.c.alert, contents.c.body)
        .join(cases, cases.c.id == events.c.case_id)
        .outerjoin(contents, judged)
        .where(events.c.seq >= since, events.c.kind.in_(OPINIONS))
        .order_by(events.c.seq)
    )
    found: dict[str, dict[str, bool]] = defaultdict(dict)
    for row in connection.execute(query):
        if row.kind == "judged":
            said = json.loads(row.body).get("judgement") if row.body else ""
            if said not in ("positive", "negative"):
                continue
            positive = said == "positive"
        else:
            positive = (row.kind != "rejected") == bool(row.alert)
        found[row.case_id].setdefault(owners.get(row.actor, row.actor), positive)
    return dict(found)


def _bins(decided: Sequence[Any], place: Any) -> tuple[Bin, ...]:
    held: dict[Any, list[Any]] = defaultdict(list)
    for row in decided:
        held[place(row)].append(row)
    found = []
    for key, rows in sorted(held.items()):
        positive = sum((row.kind == "approved") == bool(row.alert) for row in rows)
        low, high = wilson(positive, len(rows))
        found.append(
            Bin(
                week=str(key),
                predicted=sum(row.probability for row in rows) / len(rows),
                observed=positive / len(rows),
                n=len(rows),
                low=low,
                high=high,
            )
        )
    return tuple(found)


def _week(at: str) -> str:
    day = datetime.fromisoformat(at)
    return f"{day - timedelta(days=day.weekday()):%Y-%m-%d}"


def wilson(positive: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share.

    Source: Wilson, JASA 22 (1927).

    >>> [round(end, 3) for end in wilson(9, 10)]
    [0.596, 0.982]
    """
    z, share = 1.96, positive / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)
