"""The queue's page: what waits, filtered, searched, page by page; saved views; the next case."""

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi import Request, Response

from foretell.cases.people import Person
from foretell.cases.queue import COUNTED, MOST_FOUND, SORTS, STATUSES, Query
from foretell.errors import DecisionError
from foretell.serving.house import House
from foretell.serving.pages import Form, go, render
from foretell.serving.security import TheHouse, Who

SORT_TEXTS: Mapping[str, str] = {
    "oldest": "oldest first",
    "newest": "newest first",
    "score": "highest score first",
    "due": "due soonest first",
}
TRUTHS: Mapping[str, str] = {
    "mine": "held by me",
    "asked": "I was asked",
    "flagged": "flagged texts",
    "snoozed": "snoozed too",
}
NOTICES: Mapping[str, str] = {
    "none": "Nothing more waits in this queue.",
    "approve": "Approved.",
    "endorsed": "Your approval is recorded; another person must approve it too.",
    "reject": "Rejected.",
    "escalate": "Escalated: an approver decides it.",
    "accept": "The unsupported text is accepted; it can be approved now.",
    "edit": "The new text is saved; another person must approve it.",
    "kept": "The new text is saved and flagged; another person must accept it before it can be approved.",
    "judge": "Your judgement is recorded. Here is what the model says.",
    "snooze": "Snoozed: it comes back when the time is over.",
    "ask": "They were asked; the case shows in their queue under “I was asked”.",
    "comment": "The comment is recorded.",
    "decline": "The suggestion is declined.",
    "erased": "Its content is erased for good; the log tells that, and holds as before.",
    "claim": "The case is yours.",
    "release": "The case is free again.",
    "saved": "The view is saved.",
    "forgotten": "The view is forgotten.",
}
"""What a page says after a form; an address can name a row of it, and nothing else."""
_DEFAULT = Query()
_TEXTS = frozenset({"status", "sort", "team", "text", "after"})


def query_of(text: str) -> Query:
    """Return the query that an address writes; what it does not know in it is left out."""
    try:
        given = dict(parse_qsl(text, max_num_fields=40))
    except ValueError:
        return _DEFAULT
    told = {name: value.strip()[:2000] for name, value in given.items() if name in _TEXTS}
    query = replace(_DEFAULT, **told, **{name: True for name in TRUTHS if given.get(name)})
    if query.status not in (*STATUSES, "all") or query.sort not in SORTS:
        return replace(query, status=_DEFAULT.status, sort=_DEFAULT.sort, after="")
    return query


def text_of(query: Query) -> str:
    """Return a query as an address writes it, without what goes without saying.

    >>> text_of(Query(status="all", mine=True))
    'status=all&mine=on'
    """
    told = {item.name: getattr(query, item.name) for item in fields(query) if item.name != "limit"}
    return urlencode(
        {
            name: "on" if value is True else value
            for name, value in told.items()
            if value != getattr(_DEFAULT, name)
        }
    )


def queue_address(query: Query, done: str = "", case: str = "") -> str:
    """Return the address of a queue, with the notice that it is to show."""
    more = urlencode({name: value for name, value in (("done", done), ("case", case)) if value})
    written = "&".join(part for part in (text_of(query), more) if part)
    return f"/?{written}" if written else "/"


def case_address(case_id: str, query: Query, done: str = "", about: str = "") -> str:
    """Return the address of a case's page that knows from which queue it was opened."""
    return _written(case_id, text_of(replace(query, after="")), done, about)


def _written(case_id: str, queue: str, done: str = "", about: str = "") -> str:
    told = (("id", case_id), ("queue", queue), ("done", done), ("about", about))
    return "/case?" + urlencode({name: value for name, value in told if value})


def due_words(due_at: str, now: datetime) -> str:
    """Return in how much time a case is due, or by how much it is overdue.

    >>> due_words("2026-03-02T12:30:00+00:00", datetime.fromisoformat("2026-03-02T09:00:00+00:00"))
    'in 3 h'
    """
    if not due_at:
        return ""
    left = datetime.fromisoformat(due_at) - now
    return f"overdue by {span(-left)}" if left < timedelta(0) else f"in {span(left)}"


def span(time: timedelta) -> str:
    """Return a stretch of time in its largest unit: minutes, hours up to two days, days."""
    minutes = int(time.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


def show(
    request: Request,
    house: TheHouse,
    who: Who,
    done: str = "",
    case: str = "",
) -> Response:
    """Show one page of the queue."""
    query = query_of(request.url.query)
    problem = None
    try:
        board = house.desk.board(who.name, query)
    except DecisionError as error:  # an old link to a further page, a search that is too long
        problem, query = error, replace(query, after="", text=query.text[:200], team=query.team[:200])
        board = house.desk.board(who.name, query)
    found, count, now = board.page, board.count, house.store.now()
    here = text_of(replace(query, after=""))
    return render(
        request,
        "queue.html",
        who,
        status=200 if problem is None else 409,
        problem=problem,
        notice=NOTICES.get(done, ""),
        about=case[:200],
        query=query,
        rows=[
            (line, board.needed.get(line.id, 1), due_words(line.due_at, now), _written(line.id, here))
            for line in found.lines
        ],
        teamed=any(line.team for line in found.lines),
        marked=any(
            line.flagged or line.asked or line.wakes_at or line.probability is None for line in found.lines
        ),
        count=f"{COUNTED:,}+" if count >= COUNTED else f"{count:,}{'+' * found.cut}",
        cut=MOST_FOUND if found.cut else 0,
        one=count == 1,
        filtered=bool(text_of(replace(query, after="", sort=_DEFAULT.sort))),
        further=queue_address(replace(query, after=found.next)) if found.next else "",
        first=queue_address(replace(query, after="")) if query.after else "",
        here=here,
        views=[(name, queue_address(query_of(text))) for name, text in board.views.items()],
        teams=sorted({*board.teams, query.team} - {""}),
        statuses=(*STATUSES, "all"),
        sorts=SORT_TEXTS,
        truths=TRUTHS,
    )


def next_case(house: TheHouse, who: Who, form: Form) -> Response:
    """Claim the first free case of a queue and open it."""
    return onward(house, who, query_of(form.get("queue", "")), "")


def onward(house: House, who: Person, query: Query, done: str, about: str = "") -> Response:
    """Go on to the next case of a queue, or back to the queue when there is none.

    Args:
        done: the row of `NOTICES` that tells what was done before.
        about: the case it was done with.
    """
    going: Any = query if query.status in ("open", "escalated") else replace(query, status="open")
    found = house.desk.next_case(who.name, replace(going, after=""))
    if found:
        return go(case_address(found, query, done, about))
    return go(queue_address(replace(query, after=""), done or "none", about))


def keep_view(house: TheHouse, who: Who, form: Form) -> Response:
    """Save the view that is shown under a name, or forget one."""
    if forgotten := form.get("forget", ""):
        house.desk.save_view(who.name, forgotten, "")
        return go(queue_address(query_of(form.get("queue", "")), "forgotten"))
    query = query_of(form.get("queue", ""))
    # The plain queue is a view as well: an empty query would mean to forget it.
    house.desk.save_view(who.name, form.get("name", "").strip(), text_of(query) or "status=open")
    return go(queue_address(query, "saved"))
