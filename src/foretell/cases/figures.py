"""What people watch at a desk: what comes and waits, who decides how, who agrees, how the model does."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.measures import Agreement, Rate, agreement
from foretell.cases.opinions import (
    Opinion,
    Reviewer,
    agreements,
    aware,
    first_by_eyes,
    opinions,
    reviewers,
)
from foretell.cases.people import Person
from foretell.cases.standing import stamp
from foretell.cases.tables import cases, events, heads

DECIDING = ("approved", "endorsed", "rejected", "escalated", "edited", "accepted", "released")
AGES: tuple[tuple[str, timedelta], ...] = (
    ("under 4 hours", timedelta(hours=4)),
    ("4 to 24 hours", timedelta(days=1)),
    ("1 to 3 days", timedelta(days=3)),
    ("3 to 7 days", timedelta(days=7)),
    ("over 7 days", timedelta(days=3650)),
)
OTHERS = ""
"""Stands for all people whose names are not told."""
Teams = Sequence[str] | None
"""The teams whose cases count; all if None."""
BINS = 10
MOST_DAYS = 366


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Decided cases of like probability, or of one week: what the model said, and what people found."""

    week: str
    predicted: float
    """Mean of the probabilities."""
    positive: Rate
    """Those that people took to be positive."""
    overridden: Rate
    """Those that people decided against the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of a desk over the last days."""

    days: tuple[str, ...]
    """Up to today, from the first event of the log on."""
    waiting: Mapping[str, int]
    """Age -> cases that are open or escalated."""
    opened: Mapping[str, int]
    """Day -> cases that came."""
    decisions: Mapping[str, Mapping[str, int]]
    """Person -> day -> decisions."""
    overridden: Rate
    """Of the cases whose decision stands and tells the outcome, those decided against the model."""
    by_probability: tuple[Bin, ...]
    by_week: tuple[Bin, ...]
    unseen: Agreement | None
    """Of judgements that two people gave before they saw the score or each other's."""
    agreed: Agreement | None
    """Of all first opinions, seen or unseen."""
    pairs: Mapping[tuple[str, str], Agreement]
    """The same for each two people, most cases first."""
    reviewers: tuple[Reviewer, ...]
    num_events: int
    last_at: str


def figures(
    connection: Connection,
    now: datetime,
    num_days: int = 14,
    answers: Mapping[str, bool] | None = None,
    person: Person | None = None,
) -> Figures:
    """Return the figures of the last days; what waits is counted as it is now.

    Args:
        num_days: days up to today that are counted.
        person: who looks: the cases of their teams count, and who may not see the log is told of nobody else
            by name. Everything, if not given.
        answers: the planted cases' true outcomes, for who may know them. Only what is said of each reviewer
            makes use of them: all else would tell by its change which cases are planted.
    """
    begun = connection.scalar(sa.select(events.c.at).where(events.c.seq == 1)) or stamp(now)
    age = (now.date() - datetime.fromisoformat(begun).date()).days + 1
    num_days = max(1, min(num_days, MOST_DAYS, age))
    start = (now - timedelta(days=num_days - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    since = first_since(connection, stamp(start))
    teams = None if person is None or "*" in person.teams else ("", *person.teams)
    alone = "" if person is None or person.may("export") else person.name
    told = opinions(connection, since, teams)
    decided = [*{each.case: each for each in told if each.stands}.values()]
    by_eyes = first_by_eyes(told, blind=False)
    head = connection.scalar(sa.select(heads.c.seq)) or 0
    return Figures(
        days=tuple(f"{start + timedelta(days=day):%Y-%m-%d}" for day in range(num_days)),
        waiting=_waiting(connection, now, teams),
        opened=_opened(connection, since, teams),
        decisions=_decisions(connection, since, teams, alone),
        overridden=_overridden(decided),
        by_probability=_bins(decided, lambda each: min(int(each.probability * BINS), BINS - 1)),
        by_week=_bins(decided, lambda each: _week(each.at)),
        unseen=_agreement(first_by_eyes(told, blind=True)),
        agreed=_agreement(by_eyes),
        pairs={} if alone else agreements(by_eyes),
        reviewers=tuple(
            each for each in reviewers(told, answers or {}, aware(connection)) if alone in ("", each.name)
        ),
        num_events=head,
        last_at=connection.scalar(sa.select(events.c.at).where(events.c.seq == head)) or "",
    )


def _agreement(held: Mapping[str, Mapping[str, bool]]) -> Agreement | None:
    return agreement([*said.values()] for said in held.values())


def first_since(connection: Connection, at: str) -> int:
    """Return the first event at an instant or after it, as the log's order and its clock go the same way."""
    low, high = 1, (connection.scalar(sa.select(heads.c.seq)) or 0) + 1
    while low < high:
        middle = (low + high) // 2
        told = connection.scalar(sa.select(events.c.at).where(events.c.seq == middle))
        low, high = (middle + 1, high) if (told or "") < at else (low, middle)
    return low


def _of(teams: Teams) -> sa.ColumnElement[bool]:
    return sa.true() if teams is None else cases.c.team.in_(teams)


def _waiting(connection: Connection, now: datetime, teams: Teams) -> dict[str, int]:
    waiting = cases.c.status.in_(("open", "escalated")) & _of(teams)
    found, until = {}, "~"
    for name, age in AGES:
        since = stamp(now - age) if name != AGES[-1][0] else ""
        between = (cases.c.opened_at >= since) & (cases.c.opened_at < until)
        query = sa.select(sa.func.count()).where(waiting, between)
        found[name] = connection.scalar(query) or 0
        until = since
    return found


def _opened(connection: Connection, since: int, teams: Teams) -> dict[str, int]:
    day = sa.func.substr(cases.c.opened_at, 1, 10)
    query = (
        sa.select(day.label("day"), sa.func.count().label("n"))
        .where(cases.c.opened >= since, cases.c.status != "desk", _of(teams))
        .group_by(day)
    )
    return {row.day: row.n for row in connection.execute(query)}


def _decisions(connection: Connection, since: int, teams: Teams, alone: str) -> dict[str, dict[str, int]]:
    """Return decisions by person and day; those of all others but one under no name, if one is given."""
    day = sa.func.substr(events.c.at, 1, 10)
    query = (
        sa.select(events.c.actor, day.label("day"), sa.func.count().label("n"))
        .join(cases, cases.c.id == events.c.case_id)
        .where(events.c.seq >= since, events.c.kind.in_(DECIDING), _of(teams))
        .group_by(events.c.actor, day)
        .order_by(events.c.actor)
    )
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in connection.execute(query):
        found[row.actor if alone in ("", row.actor) else OTHERS][row.day] += row.n
    return dict(found)


def _bins(decided: Sequence[Opinion], place: Callable[[Opinion], int | str]) -> tuple[Bin, ...]:
    held: dict[Any, list[Opinion]] = defaultdict(list)
    for each in decided:
        held[place(each)].append(each)
    return tuple(
        Bin(
            week=str(key),
            predicted=sum(each.probability for each in some) / len(some),
            positive=Rate(sum(each.positive for each in some), len(some)),
            overridden=_overridden(some),
        )
        for key, some in sorted(held.items())
    )


def _overridden(decided: Sequence[Opinion]) -> Rate:
    return Rate(sum(each.against for each in decided), len(decided))


def _week(at: str) -> str:
    day = datetime.fromisoformat(at)
    return f"{day - timedelta(days=day.weekday()):%Y-%m-%d}"
