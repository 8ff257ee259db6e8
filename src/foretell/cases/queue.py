"""The queue: which cases a person sees, filtered, sorted, searched, page by page; any page costs the same.

A page goes on from the last line of the page before (keyset), never from a count of lines. Per team and
status one index is read in the order of the page, and the few lines of all are merged; what only few cases
can answer (a search, one's own claims) is read by their ids. So a page of a million cases costs what a page
of a hundred does.
"""

import heapq
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice, product
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.keyset import place_of, written
from foretell.cases.ledger import parts
from foretell.cases.log import NO_CLOCK
from foretell.cases.people import Person
from foretell.cases.tables import ASKED, FLAGGED, cases, events, leases, terms
from foretell.errors import DecisionError
from foretell.lookup import unknown

Keys = tuple[tuple[str, bool], ...]
"""Columns of an order, each with whether it goes down."""
Part = Mapping[str, str]
"""What one part of a query holds to: status, and where it matters `now` and team."""
STATUSES = ("open", "escalated", "approved", "rejected", "released")
SORTS: Mapping[str, Keys] = {
    "oldest": (("opened", False),),
    "newest": (("opened", True),),
    "score": (("probability", True), ("opened", True)),
    "due": (("due_at", False), ("opened", False)),
}
"""Name of an order -> (column, descending); ends in `opened`, which no two cases share."""
MOST_LINES = 200
MOST_FOUND = 300
"""Cases that one search, or one list of what is flagged or asked, looks at."""
VEILED = ("open", "escalated")
"""Statuses in which somebody may have to judge a case before its score is shown."""
NO_SCORE = -1.0
"""Stands for a score that is not shown, below every other."""
MOST_VEILED = 0.9
"""Where more than this share is to be judged first there is no order of scores: the newest come first."""
READ, MOST_READ = 500, 4000
"""Lines that are looked through at a time for veiled ones, and for one page at most."""
PLACED = sa.select(
    *(cases.c[name] for name in ("id", "status", "team", "wakes_at", "opened", "probability", "due_at"))
)
"""Reads what tells whether a case is asked for, and its place in every order."""
LEAST_READ = 8
"""Lines that are read at a time of each of several parts, besides its share of the page."""
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
    """First sentence of the text; empty, like all that tells the score, while one is to judge for oneself."""
    probability: float | None
    alert: bool | None
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
    total: int | None = None
    """How many lines all pages have, where reading this one told it."""
    cut: bool = False
    """Whether a search found more cases than it looks at."""


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


class Veil:
    """The scores that a person is not to see yet: those of cases which they are to judge first."""

    def __init__(self, connection: Connection, name: str, blind: Callable[[str], bool], share: float) -> None:
        self._connection, self._name, self._blind, self.share = connection, name, blind, share

    def over(self, rows: Sequence[Any]) -> set[str]:
        """Return which of the cases are veiled."""
        asked = [row.id for row in rows if row.status in VEILED and self._blind(row.id)]
        seen: set[str] = set()
        for some in parts(asked):
            judged = sa.select(events.c.case_id).where(
                events.c.case_id.in_(some), events.c.actor == self._name, events.c.kind == "judged"
            )
            seen |= {*self._connection.scalars(judged)}
        return {*asked} - seen


def page(connection: Connection, person: Person, query: Query, now: str, veil: Veil | None = None) -> Page:
    """Return one page of what a person sees.

    What the veil is over has no score there, and in the order of scores it comes last, the newest first:
    neither its place nor the address of the next page tells what the model made of it.

    Raises:
        DecisionError: when the query has no meaning.
    """
    if veil is not None and query.sort == "score" and veil.share > MOST_VEILED:
        query = replace(query, sort="newest")
    keys = SORTS[checked(query).sort]
    place = _place(query)
    few, cut = _few(connection, person, query, now)
    if few is not None:
        gone = veil.over(few) if veil is not None else set()
        by, down = _key(keys, gone), keys[0][1]
        rest = [row for row in few if not place or (by(row) < place if down else by(row) > place)]
        found = _whole(connection, sorted(rest, key=by, reverse=down)[: query.limit + 1])
        reached = None
    elif veil is not None and query.sort == "score":
        found, reached = _scored(connection, person, query, now, veil)
    else:
        rows = _merged(connection, list(_parts(person, query, now)), keys, place, query.limit + 1)
        found, reached = list(islice(rows, query.limit + 1)), None
    shown = found[: query.limit]
    gone = veil.over(shown) if veil is not None else set()
    if len(found) > query.limit:
        reached = _key(keys, gone)(shown[-1])
    return Page(
        lines=tuple(_veiled(line) if line.id in gone else line for line in _lines(connection, shown, now)),
        next=written(query.sort, reached) if reached else "",
        total=None if few is None else len(few),
        cut=cut,
    )


def _scored(
    connection: Connection, person: Person, query: Query, now: str, veil: Veil
) -> tuple[list[Any], tuple[Any, ...] | None]:
    """Return the page's lines and one more in the order of known scores, then what is veiled.

    The second value is where reading was given up, when it was.
    """
    keys, place, size = SORTS["score"], _place(query), query.limit + 1
    found: list[Any] = []
    if not place or place[0] >= 0:
        rows = _merged(connection, list(_parts(person, query, now)), keys, place, size)
        while len(found) < size and (some := list(islice(rows, size))):
            gone = veil.over(some)
            found += [row for row in some if row.id not in gone]
        place = ()
    statuses = [status for status in VEILED if status in _statuses(query)]
    held = [part for status in statuses for part in _parts(person, replace(query, status=status), now)]
    rows = _merged(connection, held, SORTS["newest"], place[1:], READ)
    for _ in range(MOST_READ // READ):
        if len(found) >= size or not (some := list(islice(rows, READ))):
            return found[:size], None
        gone = veil.over(some)
        found += [row for row in some if row.id in gone]
    return found[:size], (NO_SCORE, some[-1].opened)


def _merged(
    connection: Connection, held: Sequence[Part], keys: Keys, place: tuple[Any, ...], size: int
) -> Iterator[Any]:
    """Yield the rows of all parts in one order from a place on; about `size` rows are read at a time."""
    share = size if len(held) < 2 else size // len(held) + LEAST_READ
    walks = [_walk(connection, part, keys, place, share) for part in held]
    return heapq.merge(*walks, key=_key(keys), reverse=keys[0][1])


def _walk(connection: Connection, part: Part, keys: Keys, place: tuple[Any, ...], size: int) -> Iterator[Any]:
    while True:
        last = {f"last_{number}": value for number, value in enumerate(place)}
        ordered = _ordered(tuple(part), keys, bool(place))
        rows = connection.execute(ordered, {**part, **last, "size": size}).all()
        yield from rows
        if len(rows) < size:
            return
        place = _key(keys)(rows[-1])


@cache
def _held(conditions: tuple[str, ...]) -> sa.Select:
    """Return the statement that reads a part of a query; made once: making costs what reading does."""
    written = {
        "status": cases.c.status == sa.bindparam("status"),
        "now": cases.c.wakes_at <= sa.bindparam("now"),
        "team": cases.c.team == sa.bindparam("team"),
    }
    return sa.select(cases).where(*(written[name] for name in conditions))


@cache
def _ordered(conditions: tuple[str, ...], keys: Keys, further: bool) -> sa.Select:
    # The keys of one order all go the same way, so that one comparison of tuples is enough.
    columns, down = [cases.c[name] for name, _ in keys], keys[0][1]
    read = _held(conditions).order_by(*(column.desc() if down else column for column in columns))
    if further:
        row = sa.tuple_(*columns)
        last = sa.tuple_(
            *(sa.bindparam(f"last_{number}", type_=column.type) for number, column in enumerate(columns))
        )
        read = read.where(row < last if down else row > last)
    return read.limit(sa.bindparam("size"))


@cache
def _counted(conditions: tuple[str, ...]) -> sa.Select:
    rows = _held(conditions).with_only_columns(sa.literal(1)).limit(sa.bindparam("size")).subquery()
    return sa.select(sa.func.count()).select_from(rows)


def _key(keys: Keys, gone: Collection[str] = frozenset()) -> Callable[[Any], tuple[Any, ...]]:
    """Return what tells a row's place in an order; a case that is `gone` has no score there."""

    def place(row: Any) -> tuple[Any, ...]:
        return tuple(
            NO_SCORE if name == "probability" and row.id in gone else getattr(row, name) for name, _ in keys
        )

    return place


def _veiled(line: Line) -> Line:
    return replace(line, probability=None, headline="", alert=None, rule="")


def count(connection: Connection, person: Person, query: Query, now: str) -> int:
    """Return how many cases a query finds; counting stops at `COUNTED`."""
    few, _ = _few(connection, person, checked(replace(query, after="")), now)
    if few is not None:
        return min(len(few), COUNTED)
    total = 0
    for part in _parts(person, query, now):
        total += connection.scalar(_counted(tuple(part)), {**part, "size": COUNTED - total}) or 0
        if total >= COUNTED:
            break
    return total


def _few(connection: Connection, person: Person, query: Query, now: str) -> tuple[list[Any] | None, bool]:
    """Return what places all cases of a query that can only find few, read by their ids; None for others.

    The second value tells whether there are more than are looked at.
    """
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
        return None, False
    sets = [{*connection.scalars(ids.limit(MOST_FOUND))} for ids in chosen]
    wanted = sorted(set.intersection(*sets))
    # By ids alone: with more conditions a database may walk through all cases of a status instead.
    found = [
        row
        for some in parts(wanted)
        for row in connection.execute(PLACED.where(cases.c.id.in_(some))).all()
        if row.status in _statuses(query)
        and (_with_sleepers(query) or row.wakes_at <= now)
        and person.sees(row.team)
        and query.team in ("", row.team)
    ]
    return found, any(len(ids) == MOST_FOUND for ids in sets)


def _whole(connection: Connection, rows: Sequence[Any]) -> list[Any]:
    """Return the rows of the same cases with all their columns, in the same order."""
    read = sa.select(cases).where(cases.c.id.in_([row.id for row in rows]))
    whole = {row.id: row for row in connection.execute(read).all()}
    return [whole[row.id] for row in rows]


def _statuses(query: Query) -> tuple[str, ...]:
    return STATUSES if query.status == "all" else (query.status,)


def _with_sleepers(query: Query) -> bool:
    return query.snoozed or query.status not in ("open", "escalated")


def _parts(person: Person, query: Query, now: str) -> Iterator[Part]:
    """Yield what the query asks for once per team and status, so that one index holds each part in order."""
    teams: list[str | None] = [None] if "*" in person.teams else ["", *person.teams]
    if query.team:
        teams = [query.team] if person.sees(query.team) else []
    awake = {} if _with_sleepers(query) else {"now": now}
    for team, status in product(teams, _statuses(query)):
        yield {"status": status, **awake, **({} if team is None else {"team": team})}


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


def _place(query: Query) -> tuple[Any, ...]:
    """Return where the page before ended: a value per key of the order; nothing on the first page."""
    return place_of(query.after, query.sort, [column for column, _ in SORTS[query.sort]])
