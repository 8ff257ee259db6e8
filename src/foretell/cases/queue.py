"""The queue: which cases a person sees, filtered, sorted, searched, page by page; any page costs the same.

A page goes on from the last line of the page before (keyset), never from a count of lines. Per team and
status one index is read in the order of the page, and the few lines of all are merged; what only few cases
can answer (a search, one's own claims) is read by their ids. So a page of a million cases costs what a page
of a hundred does.
"""

import base64
import heapq
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.ledger import parts
from foretell.cases.log import NO_CLOCK
from foretell.cases.people import Person
from foretell.cases.tables import ASKED, FLAGGED, cases, events, leases, terms
from foretell.errors import DecisionError
from foretell.lookup import unknown

STATUSES = ("open", "escalated", "approved", "rejected", "released")
SORTS: Mapping[str, tuple[tuple[str, bool], ...]] = {
    "oldest": (("opened", False),),
    "newest": (("opened", True),),
    "score": (("probability", True), ("opened", True)),
    "due": (("due_at", False), ("opened", False)),
}
"""Name of an order -> (column, descending); ends in `opened`, which no two cases share."""
MOST_LINES = 200
MOST_FOUND = 500
"""Cases that one search, or one list of what is flagged or asked, looks at."""
COUNTED = 1000
"""Where counting stops: beyond it nobody needs the number, and counting would cost what the queue holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What of the queue is asked for."""

    status: str = "open"
    """One of `STATUSES`, or `all`."""
    sort: str = "oldest"
    team: str = ""
    """One team's cases; empty: all that the person sees."""
    mine: bool = False
    """Only what the person has claimed."""
    asked: bool = False
    """Only what the person was asked to look at."""
    flagged: bool = False
    """Only texts with a sentence that the evidence does not support."""
    snoozed: bool = False
    """Those asleep as well."""
    text: str = ""
    """The beginning of an id or of an entity's name."""
    after: str = ""
    """Where the page before ended: `Page.next`."""
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A case as the queue shows it."""

    id: str
    status: str
    team: str
    headline: str
    """First sentence of the text; empty, and the probability None, while one is to judge for oneself."""
    probability: float | None
    alert: bool
    happened_at: str
    opened_at: str
    due_at: str
    wakes_at: str
    asked: str
    approvals: int
    flagged: bool
    rule: str
    holder: str
    """Who has claimed it; empty: nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    lines: tuple[Line, ...]
    next: str
    """For `Query.after`; empty at the end."""


def checked(query: Query) -> Query:
    """Return the query when it can be answered.

    Raises:
        DecisionError: when a name or a number in it has no meaning.
    """
    if query.status not in (*STATUSES, "all"):
        raise DecisionError(*unknown("status", query.status, (*STATUSES, "all")))
    if query.sort not in SORTS:
        raise DecisionError(*unknown("order", query.sort, SORTS))
    if not 1 <= query.limit <= MOST_LINES:
        raise DecisionError(f"a page has 1 to {MOST_LINES} lines, not {query.limit}", "ask for fewer")
    if max(len(query.text), len(query.team)) > 200:
        raise DecisionError("the search is longer than 200 characters", "shorten it")
    _place(query)
    return query


def page(connection: Connection, person: Person, query: Query, now: str) -> Page:
    """Return one page of what a person sees.

    Raises:
        DecisionError: when the query has no meaning.
    """
    keys = SORTS[checked(query).sort]
    down = keys[0][1]  # the keys of one order all go the same way, so that one comparison of tuples is enough
    by = _key(keys)
    few = _few(connection, person, query, now)
    if few is None:
        each = [
            connection.execute(part.limit(query.limit + 1)).all() for part in _ordered(person, query, now)
        ]
        found = list(islice(heapq.merge(*each, key=by, reverse=down), query.limit + 1))
    else:
        place = _place(query)
        rest = [row for row in few if not place or (by(row) < place if down else by(row) > place)]
        found = sorted(rest, key=by, reverse=down)[: query.limit + 1]
    shown = found[: query.limit]
    more = len(found) > query.limit
    return Page(
        lines=_lines(connection, shown, now),
        next=_written(query, [getattr(shown[-1], column) for column, _ in keys]) if more else "",
    )


def count(connection: Connection, person: Person, query: Query, now: str) -> int:
    """Return how many cases a query finds; counting stops at `COUNTED`."""
    few = _few(connection, person, checked(query), now)
    if few is not None:
        return min(len(few), COUNTED)
    total = 0
    for part in _parts(person, query, now):
        rows = part.with_only_columns(sa.literal(1)).limit(COUNTED - total).subquery()
        total += connection.scalar(sa.select(sa.func.count()).select_from(rows)) or 0
        if total >= COUNTED:
            break
    return total


def _few(connection: Connection, person: Person, query: Query, now: str) -> list[Any] | None:
    """Return all cases of a query that can only find few, read by their ids; None for any other query."""
    chosen = []
    if query.text.strip():
        start = query.text.strip().casefold()
        words = (terms.c.term >= start, terms.c.term < start + "\U0010ffff")
        order = (terms.c.term, terms.c.case_id)
        chosen.append(sa.select(terms.c.case_id).where(*words).order_by(*order))
    if query.mine:
        held = (leases.c.holder == person.name, leases.c.until > now)
        chosen.append(sa.select(leases.c.case_id).where(*held))
    if query.asked:
        chosen.append(sa.select(cases.c.id).where(ASKED, cases.c.asked == person.name))
    if query.flagged:
        chosen.append(sa.select(cases.c.id).where(FLAGGED))
    if not chosen:
        return None
    sets = [{*connection.scalars(ids.limit(MOST_FOUND))} for ids in chosen]
    wanted = sorted(set.intersection(*sets))
    # By ids alone: with more conditions a database may walk through all cases of a status instead.
    found = (
        row
        for some in parts(wanted)
        for row in connection.execute(sa.select(cases).where(cases.c.id.in_(some)))
    )
    return [
        row
        for row in found
        if row.status in _statuses(query)
        and (_with_sleepers(query) or row.wakes_at <= now)
        and person.sees(row.team)
        and query.team in ("", row.team)
    ]


def _statuses(query: Query) -> tuple[str, ...]:
    return STATUSES if query.status == "all" else (query.status,)


def _with_sleepers(query: Query) -> bool:
    return query.snoozed or query.status not in ("open", "escalated")


def _parts(person: Person, query: Query, now: str) -> Iterator[sa.Select]:
    """Yield the query once per team and status, so that one index holds each part in order."""
    teams: list[str | None] = [None] if "*" in person.teams else ["", *person.teams]
    if query.team:
        teams = [query.team] if person.sees(query.team) else []
    for team, status in product(teams, _statuses(query)):
        part = sa.select(cases).where(cases.c.status == status)
        part = part if _with_sleepers(query) else part.where(cases.c.wakes_at <= now)
        yield part if team is None else part.where(cases.c.team == team)


def _ordered(person: Person, query: Query, now: str) -> Iterator[sa.Select]:
    keys, place = SORTS[query.sort], _place(query)
    columns = [cases.c[name] for name, _ in keys]
    order = [column.desc() if down else column for column, (_, down) in zip(columns, keys, strict=True)]
    for part in _parts(person, query, now):
        going = part
        if place:
            row, last = sa.tuple_(*columns), sa.tuple_(*map(sa.literal, place))
            going = going.where(row < last if keys[0][1] else row > last)
        yield going.order_by(*order)


def _key(keys: tuple[tuple[str, bool], ...]) -> Callable[[Any], tuple[Any, ...]]:
    return lambda row: tuple(getattr(row, name) for name, _ in keys)


def _lines(connection: Connection, rows: Sequence[Any], now: str) -> tuple[Line, ...]:
    wanted = [row.id for row in rows]
    held = sa.select(leases).where(leases.c.case_id.in_(wanted), leases.c.until > now)
    holders = {row.case_id: row.holder for row in connection.execute(held)}
    return tuple(
        Line(
            id=row.id,
            status=row.status,
            team=row.team,
            headline=row.headline,
            probability=row.probability,
            alert=bool(row.alert),
            happened_at=row.happened_at,
            opened_at=row.opened_at,
            due_at=row.due_at if row.due_at != NO_CLOCK else "",
            wakes_at=row.wakes_at if row.wakes_at > now else "",
            asked=row.asked,
            approvals=row.approvals,
            flagged=bool(row.flagged),
            rule=row.rule,
            holder=holders.get(row.id, ""),
        )
        for row in rows
    )


def hidden(
    connection: Connection, found: Page, name: str, blind: Callable[[str], bool], what: str = "judged"
) -> Page:
    """Return the page without the scores that a person is to judge for themselves first."""
    asked = [line.id for line in found.lines if line.status in ("open", "escalated") and blind(line.id)]
    if not asked:
        return found
    done = sa.select(events.c.case_id).where(
        events.c.case_id.in_(asked), events.c.actor == name, events.c.kind == what
    )
    unseen = {*asked} - {*connection.scalars(done)}
    lines = (
        replace(line, probability=None, headline="") if line.id in unseen else line for line in found.lines
    )
    return replace(found, lines=tuple(lines))


def _written(query: Query, place: Sequence[Any]) -> str:
    text = json.dumps([query.sort, *place], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place(query: Query) -> tuple[Any, ...]:
    """Return where the page before ended: a value per key of the order; nothing on the first page."""
    if not query.after:
        return ()
    error = DecisionError("this is not the next page of this list", "begin with the first page")
    try:
        text = base64.b64decode(query.after + "=" * (-len(query.after) % 4), altchars=b"-_", validate=True)
        sort, *place = json.loads(text)
    except (ValueError, TypeError) as cause:
        raise error from cause
    kinds = {"opened": int, "probability": (int, float), "due_at": str}
    keys = SORTS[query.sort]
    if sort != query.sort or len(place) != len(keys):
        raise error
    for value, (column, _) in zip(place, keys, strict=True):
        if not isinstance(value, kinds[column]) or isinstance(value, bool):
            raise error
    return tuple(place)
