"""The writing end of a store: the events of many threads go into one transaction, durable on return."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from threading import Lock
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine

from foretell.cases.database import told, writing
from foretell.cases.listing import due
from foretell.cases.log import Draft, EventRow, Head, chained
from foretell.cases.tables import cases, contents, events, heads, terms
from foretell.errors import ForetellError, StoreError
from foretell.records import Event

T = TypeVar("T")
AFTER_ANOTHER = -1
PARAMETERS = 500
"""Values named in one statement."""

_LAST = sa.select(cases.c.id, cases.c.last).where(cases.c.id.in_(sa.bindparam("ids", expanding=True)))
_HEAD = sa.select(heads.c.seq, heads.c.digest)
_ADD_CASE = sa.insert(cases)
_ADD_EVENT = sa.insert(events)
_ADD_CONTENT = sa.insert(contents)
_ERASE_CONTENT = sa.delete(contents).where(contents.c.digest == sa.bindparam("name"))
_ADD_TERM = sa.insert(terms)
_ERASE_TERMS = sa.delete(terms).where(terms.c.case_id == sa.bindparam("case"))
_MOVE_HEAD = sa.update(heads).values(seq=sa.bindparam("to_seq"), digest=sa.bindparam("to_digest"))


def parts(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield the items in lists that one statement can name."""
    rest = iter(items)
    while part := list(islice(rest, PARAMETERS)):
        yield part


Guard = Callable[[Connection], ForetellError | None]
"""Asked inside the transaction: what it returns is raised, and nothing of the call is written."""
Also = Callable[[Connection, Sequence[EventRow]], None]
"""Writes what goes with the events, in their transaction."""


def nothing_against(connection: Connection) -> None:
    """Admit the call whatever holds."""


def nothing_besides(connection: Connection, rows: Sequence[EventRow]) -> None:
    """Write the events alone."""


class _Turn:
    """One call's wait for the transaction that carries its drafts."""

    __slots__ = ("also", "done", "drafts", "error", "events", "guard")

    def __init__(self, drafts: Sequence[Draft], guard: Guard, also: Also) -> None:
        self.drafts, self.guard, self.also = drafts, guard, also
        self.done = False
        self.events: tuple[Event, ...] | None = None
        self.error: ForetellError | None = None


class Ledger:
    """Appends drafts to the log. Whoever holds the lock writes for all who wait, in one transaction."""

    def __init__(self, engine: Engine, url: URL, clock: Callable[[], datetime]) -> None:
        self._engine = writing(engine)
        self._url = url
        self._clock = clock
        self._waiting: deque[_Turn] = deque()
        self.lock = Lock()
        """Held while this process writes; other processes wait at the database."""

    def append(
        self,
        drafts: Sequence[Draft],
        guard: Guard = nothing_against,
        also: Also = nothing_besides,
    ) -> tuple[Event, ...] | None:
        """Write all drafts or none; return once they are durable.

        Args:
            guard: asked once nothing else can be written any more, so that what it looks at still holds.
            also: what is written together with the events.

        Returns:
            The events, or None when a case has moved on since its draft was made (`Draft.follows`).

        Raises:
            StoreError: when the database refuses; nothing was kept then.
            ForetellError: what the guard returned; nothing of this call was kept then.
        """
        turn = _Turn(drafts, guard, also)
        self._waiting.append(turn)
        with self.lock:
            if not turn.done:
                self._write([self._waiting.popleft() for _ in range(len(self._waiting))])
        if turn.error is not None:
            raise turn.error
        return turn.events

    def _write(self, turns: list[_Turn]) -> None:
        written: dict[int, tuple[Event, ...]] = {}
        # What the others are told when the thread that writes for them is interrupted.
        failure: StoreError | None = StoreError(
            "the write was interrupted; it may not have been kept", "show the case, then try again"
        )
        try:
            with told(self._url), self._engine.begin() as connection:
                written = self._entered(connection, turns)
            failure = None
        except StoreError as error:
            failure = error
        finally:
            for number, turn in enumerate(turns):
                turn.done = True
                if failure is None:
                    turn.events = written.get(number)
                elif turn.error is None:  # each caller raises its own, since raising adds a traceback
                    turn.error = StoreError(failure.message, failure.hint)

    def _entered(self, connection: Connection, turns: list[_Turn]) -> dict[int, tuple[Event, ...]]:
        last = defaultdict(int)
        for ids in parts({draft.case for turn in turns for draft in turn.drafts}):
            last.update((row.id, row.last) for row in connection.execute(_LAST, {"ids": ids}))
        head = Head(*connection.execute(_HEAD).one())
        written = {}
        for number, turn in enumerate(turns):
            if any(last[draft.case] != draft.follows != AFTER_ANOTHER for draft in turn.drafts):
                continue
            if (error := turn.guard(connection)) is not None:
                turn.error = error
                continue
            rows: list[EventRow] = []
            for draft in turn.drafts:
                row = chained(draft, head, self._clock().isoformat(timespec="microseconds"))
                head = Head(row.seq, row.digest)
                last[draft.case] = row.seq
                rows.append(row)
            # Written at once, so that the guard of the next call sees it.
            self._insert(connection, turn.drafts, rows)
            turn.also(connection, rows)
            written[number] = tuple(row.event() for row in rows)
        if written:
            connection.execute(_MOVE_HEAD, {"to_seq": head.seq, "to_digest": head.digest})
        return written

    @staticmethod
    def _insert(connection: Connection, drafts: Sequence[Draft], rows: Sequence[EventRow]) -> None:
        both = list(zip(drafts, rows, strict=True))
        statements: tuple[tuple[sa.Executable, list[dict[str, object]]], ...] = (
            (
                _ADD_CASE,
                [_line(draft, row) for draft, row in both if draft.follows == 0],
            ),
            *(
                (_moved(tuple(draft.listing)), [_move(draft, row)])
                for draft, row in both
                if draft.follows != 0
            ),
            (_ADD_EVENT, [row._asdict() for row in rows]),
            (
                _ADD_CONTENT,
                [
                    {"digest": name, "seq": row.seq, "kind": kind, "salt": salt, "body": body}
                    for draft, row in both
                    for name, kind, salt, body in draft.pieces
                ],
            ),
            (
                _ADD_TERM,
                [{"term": term, "case_id": draft.case} for draft in drafts for term in draft.terms],
            ),
            (_ERASE_CONTENT, [{"name": name} for draft in drafts for name in draft.erases]),
            (_ERASE_TERMS, [{"case": draft.case} for draft in drafts if draft.kind == "erased"]),
        )
        for statement, values in statements:
            if values:
                connection.execute(statement, values)


def _line(draft: Draft, row: EventRow) -> dict[str, object]:
    """Return the line of a case that this event opens."""
    times = {"opened_at": row.at, "due_at": due(row.at, draft.due_hours)}
    place = {"id": draft.case, "opened": row.seq, "last": row.seq, "status": draft.status}
    return {**place, **times, **draft.listing}


def _move(draft: Draft, row: EventRow) -> dict[str, object]:
    listed = {f"to_{name}": value for name, value in draft.listing.items()}
    return {"case": draft.case, "to_last": row.seq, "to_status": draft.status, **listed}


@cache
def _moved(columns: tuple[str, ...]) -> sa.Update:
    """Return the statement that moves one case on and sets these columns of its line."""
    values = {name: sa.bindparam(f"to_{name}") for name in ("last", "status", *columns)}
    return sa.update(cases).where(cases.c.id == sa.bindparam("case")).values(**values)
