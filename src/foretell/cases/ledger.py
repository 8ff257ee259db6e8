"""The writing end of a store: the events of many threads go into one transaction, durable on return."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from threading import Lock
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine

from foretell.cases.database import told, writing
from foretell.cases.log import Draft, EventRow, Head, chained
from foretell.cases.tables import cases, contents, events, heads
from foretell.errors import StoreError
from foretell.records import Event

T = TypeVar("T")
PARAMETERS = 500
"""Values named in one statement."""

_LAST = sa.select(cases.c.id, cases.c.last).where(cases.c.id.in_(sa.bindparam("ids", expanding=True)))
_HEAD = sa.select(heads.c.seq, heads.c.digest)
_ADD_CASE = sa.insert(cases)
_MOVE_CASE = (
    sa.update(cases)
    .where(cases.c.id == sa.bindparam("case"))
    .values(last=sa.bindparam("to_last"), status=sa.bindparam("to_status"))
)
_ADD_EVENT = sa.insert(events)
_ADD_CONTENT = sa.insert(contents)
_ERASE_CONTENT = sa.delete(contents).where(contents.c.digest == sa.bindparam("name"))
_MOVE_HEAD = sa.update(heads).values(seq=sa.bindparam("to_seq"), digest=sa.bindparam("to_digest"))


def parts(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield the items in lists that one statement can name."""
    rest = iter(items)
    while part := list(islice(rest, PARAMETERS)):
        yield part


class _Turn:
    """One call's wait for the transaction that carries its drafts."""

    __slots__ = ("done", "drafts", "error", "events")

    def __init__(self, drafts: Sequence[Draft]) -> None:
        self.drafts = drafts
        self.done = False
        self.events: tuple[Event, ...] | None = None
        self.error: StoreError | None = None


class Ledger:
    """Appends drafts to the log. Whoever holds the lock writes for all who wait, in one transaction."""

    def __init__(self, engine: Engine, url: URL, clock: Callable[[], datetime]) -> None:
        self._engine = writing(engine)
        self._url = url
        self._clock = clock
        self._waiting: deque[_Turn] = deque()
        self._lock = Lock()

    def append(self, drafts: Sequence[Draft]) -> tuple[Event, ...] | None:
        """Write all drafts or none; return once they are durable.

        Returns:
            The events, or None when a case has moved on since its draft was made (`Draft.follows`).

        Raises:
            StoreError: when the database refuses; nothing was kept then.
        """
        turn = _Turn(drafts)
        self._waiting.append(turn)
        with self._lock:
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
                else:  # each caller raises its own, since raising adds a traceback
                    turn.error = StoreError(failure.message, failure.hint)

    def _entered(self, connection: Connection, turns: list[_Turn]) -> dict[int, tuple[Event, ...]]:
        last = defaultdict(int)
        for ids in parts({draft.case for turn in turns for draft in turn.drafts}):
            last.update((row.id, row.last) for row in connection.execute(_LAST, {"ids": ids}))
        head = Head(*connection.execute(_HEAD).one())
        drafts: list[Draft] = []
        rows: list[EventRow] = []
        written = {}
        for number, turn in enumerate(turns):
            if any(last[draft.case] != draft.follows for draft in turn.drafts):
                continue
            start = len(rows)
            for draft in turn.drafts:
                row = chained(draft, head, self._clock().isoformat(timespec="microseconds"))
                head = Head(row.seq, row.digest)
                last[draft.case] = row.seq
                drafts.append(draft)
                rows.append(row)
            written[number] = tuple(row.event() for row in rows[start:])
        if rows:
            self._insert(connection, drafts, rows)
            connection.execute(_MOVE_HEAD, {"to_seq": head.seq, "to_digest": head.digest})
        return written

    @staticmethod
    def _insert(connection: Connection, drafts: list[Draft], rows: list[EventRow]) -> None:
        both = list(zip(drafts, rows, strict=True))
        statements = (
            (
                _ADD_CASE,
                [
                    {"id": draft.case, "opened": row.seq, "last": row.seq, "status": draft.status}
                    for draft, row in both
                    if draft.follows == 0
                ],
            ),
            (
                _MOVE_CASE,
                [
                    {"case": draft.case, "to_last": row.seq, "to_status": draft.status}
                    for draft, row in both
                    if draft.follows != 0
                ],
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
            (_ERASE_CONTENT, [{"name": name} for draft in drafts for name in draft.erases]),
        )
        for statement, values in statements:
            if values:
                connection.execute(statement, values)
