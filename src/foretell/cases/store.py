"""The case store: opens what a verdict admits, records what people decide, and proves its log."""

import secrets
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases import reader
from foretell.cases.audit import inspected
from foretell.cases.case import step
from foretell.cases.database import connect, empty_journal, told, url_of, writing
from foretell.cases.entries import decided, desk_draft, opened, opening_texts
from foretell.cases.inspection import LogReport
from foretell.cases.ledger import Also, Guard, Ledger, nothing_against, nothing_besides, parts
from foretell.cases.listing import afterwards
from foretell.cases.log import Draft, EventRow, Head, head_of, named, salted
from foretell.cases.names import DESK_PREFIX, nobody
from foretell.cases.pasts import folded, no_case, one
from foretell.cases.policy import Policy
from foretell.cases.released import strange
from foretell.cases.rules import refusal
from foretell.cases.standing import (
    AnotherPolicyError,
    another_policy,
    policy_in_force,
    standing_of,
    unsettled,
)
from foretell.cases.tables import cases, contents, events, heads, leases
from foretell.errors import AccessError, ForetellError, NotFoundError, StoreError
from foretell.records import Case, Decision, Event, canonical
from foretell.units import instant

PAGE = 1000
"""Events read in one transaction when a whole log is walked through."""

ENDS_CLAIM = frozenset({"approved", "edited", "endorsed", "rejected", "escalated", "snoozed"})
"""Events after which nobody holds the case: who edited it has done with it, too."""
_RETURN = sa.delete(leases).where(leases.c.case_id == sa.bindparam("case"))


class Store:
    """An append-only store of cases in SQLite or PostgreSQL. Safe to use from many threads.

    Args:
        url: sqlite:///folder/cases.db or postgresql://user@host/database.
        create: make the store where there is none.
        clock: tells the instant of an event.

    Raises:
        StoreError: when there is no store, or it cannot be opened, or a newer release wrote it.
    """

    def __init__(
        self,
        url: str,
        *,
        create: bool = True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        salt: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._url = url_of(url)
        self._engine = connect(self._url, create=create)
        self._ledger = Ledger(self._engine, self._url, clock)
        self._salt, self._clock = salt, clock

    @property
    def folder(self) -> Path | None:
        """Where its file lies; None where it is a server's."""
        file = sa.make_url(self._url)
        return Path(file.database).parent if file.drivername == "sqlite" and file.database else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._engine.dispose()

    # Writing

    def open_cases(self, drafts: Iterable[Case], actor: str = "foretell") -> int:
        """Open all cases or none, in one transaction; return how many were not there before.

        The narrative of each is verified again here, whatever the verdict it brings. A case that was opened
        with the same prediction, evidence and narrative stays as it is, and so does one that was erased.

        Raises:
            VerdictError: when a narrative does not pass, or is told with a sentence that nobody released.
            StoreError: when a case is there with other content, or cannot be written.
        """
        wanted: dict[str, Case] = {}
        for case in drafts:
            if wanted.setdefault(case.id, case).content != case.content:
                raise StoreError(
                    f"case '{case.id}' comes twice, with different content", "give each row its own id"
                )
        checked = {case.id: opening_texts(case) for case in wanted.values()}
        while True:
            there = self._opened(list(wanted))
            for case_id, event in there.items():
                self._compare(event, checked[case_id])
            new = [case for case in wanted.values() if case.id not in there]
            with self.reading() as connection:
                if (error := strange(new, connection)) is not None:
                    raise error
            policy = self.policy()
            openings = [
                draft
                for case in new
                for draft in opened(
                    case, checked[case.id], policy.handling(case.prediction), actor, self._salt
                )
            ]
            guard = partial(another_policy, policy)
            with suppress(AnotherPolicyError):
                if not openings or self._ledger.append(openings, guard) is not None:
                    return len(new)

    def decide(
        self,
        case_id: str,
        decision: Decision,
        person: str | None = None,
        *,
        more: Mapping[str, object] | None = None,
        asked: Callable[[Case, Connection], ForetellError | None] = lambda _case, _connection: None,
    ) -> Case:
        """Record what a person decides, and return the case after it, once it is durable.

        Args:
            person: the account that decides, where people sign in; `decision.actor` is its name then.
            more: what the event's body says besides, in the chain.
            asked: what else must hold as the event is written.

        Raises:
            DecisionError: when the rules do not admit it, among them: the content has changed since.
            AccessError: when the person may not do it, or nobody signed in where people have accounts.
            VerdictError: when an edited text does not pass; its findings are in the message.
            StoreError: when there is no such case, it was erased, or the store cannot be written.
        """
        if person is not None and decision.actor != person:
            raise AccessError(
                f"{person} cannot decide as '{decision.actor}'", "everybody decides under their own name"
            )

        def made(case: Case, connection: Connection) -> tuple[Draft, Guard, Also]:
            around = standing_of(connection, case, decision, person, self._clock())
            if (error := refusal(case, decision, around)) is not None:
                raise error
            draft = decided(case, decision, around, self._salt, more)

            # Roles, policy and claims may change until the transaction is alone in writing: asked again then.
            def guard(connection: Connection) -> ForetellError | None:
                error = unsettled(connection, case, decision, person, self._clock(), draft.kind)
                return error or asked(case, connection)

            return (
                draft,
                guard,
                partial(_given_back, case_id) if draft.kind in ENDS_CLAIM else nothing_besides,
            )

        return self.follow(case_id, made)

    def follow(self, case_id: str, made: Callable[[Case, Connection], tuple[Draft, Guard, Also]]) -> Case:
        """Add the event that is made of a case as it stands; return the case after it, once it is durable.

        Raises:
            StoreError: when there is no such case, it was erased, or the store cannot be written.
            ForetellError: what `made` or its guard refuses; nothing is written then.
        """
        while True:
            with self.reading() as connection:  # the case, and what holds around it, at one instant
                case = one(connection, case_id)
                draft, guard, also = made(case, connection)
            appended = self._ledger.append([draft], guard, also)
            if appended is not None:  # else somebody was faster: look again
                return step(case, appended[0], {name: body for name, _, _, body in draft.pieces})

    def record(
        self,
        subject: str,
        kind: str,
        actor: str,
        texts: Mapping[str, str],
        *,
        more: Mapping[str, object] | None = None,
        guard: Guard = nothing_against,
        also: Also = nothing_besides,
    ) -> Event:
        """Add an event about the desk itself (people, policy); return it once it is durable.

        Args:
            subject: `names.PEOPLE` or `names.POLICY`.
            texts: what the event brings, outside the chain: kind -> canonical JSON text.
            more: what its body says besides, in the chain.
            guard, also: as for `Ledger.append`.
        """
        while True:
            with self.reading() as connection:
                last = connection.scalar(sa.select(cases.c.last).where(cases.c.id == subject)) or 0
            draft = desk_draft(subject, kind, actor, texts, more or {}, last, self._salt)
            appended = self._ledger.append([draft], guard, also)
            if appended is not None:
                return appended[0]

    def erase(self, case_id: str, actor: str) -> None:
        """Erase all content of a case for good. Its events stay, and the log verifies as before.

        SQLite overwrites the bytes and empties the journal; PostgreSQL frees them at its next VACUUM.

        Raises:
            DecisionError: when the actor is not the name of a person.
            StoreError: when there is no such case, it was erased already, or the store cannot be written.
        """
        if (error := nobody(actor)) is not None:
            raise error
        while True:
            past = tuple(self.events(case_id))
            if not past or case_id.startswith(DESK_PREFIX):
                raise no_case(case_id)
            if past[-1].kind == "erased":
                raise NotFoundError(
                    f"case '{case_id}' was erased already, on {instant(past[-1].at)} by {past[-1].actor}"
                )
            names = tuple(name for event in past for name in named(event.body).values())
            with self.reading() as connection:
                team = connection.scalar(sa.select(cases.c.team).where(cases.c.id == case_id))
            draft = Draft(
                case=case_id,
                kind="erased",
                actor=actor,
                body=canonical({"erased": names, "team": team}).decode(),
                follows=past[-1].seq,
                status="erased",
                erases=names,
                listing=afterwards("erased"),
            )
            if self._ledger.append([draft]) is not None:
                break
        with told(self._url):
            empty_journal(self._engine, self._url)

    def _opened(self, ids: Sequence[str]) -> dict[str, EventRow]:
        """Return the opening event of each case that is there."""
        query = sa.select(events).join(cases, events.c.seq == cases.c.opened)
        with told(self._url), self._engine.connect() as connection:
            rows = (
                row for part in parts(ids) for row in connection.execute(query.where(cases.c.id.in_(part)))
            )
            return {row.case_id: EventRow(*row) for row in rows}

    def _compare(self, opened: EventRow, texts: Mapping[str, str]) -> None:
        """Refuse other content than the case was opened with, unless that was erased."""
        query = sa.select(contents.c.kind, contents.c.salt).where(contents.c.seq == opened.seq)
        with told(self._url), self._engine.connect() as connection:
            salts = {row.kind: row.salt for row in connection.execute(query)}
        names = named(opened.event().body)
        changed = [
            kind
            for kind in ("prediction", "evidence", "narrative")
            if kind in salts and salted(kind, salts[kind], texts[kind]) != names[kind]
        ]
        if changed:
            message = f"case '{opened.case_id}' was opened on {instant(opened.at)} with another "
            hint = "a case keeps what it was opened with: open the new one in another store"
            raise StoreError(message + " and ".join(changed), hint)

    # Reading

    def case(self, case_id: str, *, as_opened: bool = False) -> Case:
        """Return one case, as it stands or as it was opened.

        Raises:
            StoreError: when there is no such case, or its content was erased.
        """
        with self.reading() as connection:
            return one(connection, case_id, as_opened=as_opened)

    def cases(self, status: str | None = None, after: str | None = None, limit: int = 50) -> list[Case]:
        """Return up to `limit` cases in the order of their opening, without those that were erased.

        Args:
            status: open, approved, rejected or escalated; all when None.
            after: id of the last case of the page before.

        Raises:
            StoreError: when `after` names no case.
        """
        query = sa.select(cases.c.id).order_by(cases.c.opened).limit(limit)
        query = query.where(cases.c.status == status if status else cases.c.status.not_in(("erased", "desk")))
        with told(self._url), self._engine.connect() as connection:
            if after is not None:
                opened = connection.scalar(sa.select(cases.c.opened).where(cases.c.id == after))
                if opened is None:
                    raise no_case(after)
                query = query.where(cases.c.opened > opened)
            ids = connection.scalars(query).all()
            return [case for part in parts(ids) for case in folded(connection, part)]

    def all_cases(self, status: str | None = None) -> Iterator[Case]:
        """Yield every case page by page, in the order of their opening."""
        page = self.cases(status)
        while page:
            yield from page
            page = self.cases(status, after=page[-1].id)

    def events(self, case_id: str | None = None) -> Iterator[Event]:
        """Yield the events of one case, or of all, in order."""
        query = sa.select(events).order_by(events.c.seq).limit(PAGE)
        if case_id is not None:
            query = query.where(events.c.case_id == case_id)
        seq = 0
        while True:
            with told(self._url), self._engine.connect() as connection:
                page = connection.execute(query.where(events.c.seq > seq)).all()
            yield from (EventRow(*row).event() for row in page)
            if len(page) < PAGE:
                return
            seq = page[-1].seq

    def policy(self) -> Policy:
        """Return the policy in force."""
        with self.reading() as connection:
            return policy_in_force(connection)

    def salt(self) -> str:
        """Draw a salt."""
        return self._salt()

    def now(self) -> datetime:
        """Return the instant by the store's clock."""
        return self._clock()

    @contextmanager
    def reading(self) -> Generator[Connection, None, None]:
        """Open a connection that sees the store as it stands at one instant."""
        with told(self._url), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def alone(self) -> Generator[Connection, None, None]:
        """Open a transaction that is alone in writing; for what the log need not tell."""
        with self._ledger.lock, told(self._url), writing(self._engine).begin() as connection:
            yield connection

    def head(self) -> Head:
        """Return where the log ends; kept elsewhere, it proves later that nothing before it was touched."""
        with told(self._url), self._engine.connect() as connection:
            return Head(*connection.execute(sa.select(heads.c.seq, heads.c.digest)).one())

    def verify_log(self, head: str = "") -> LogReport:
        """Check the whole log, its content and the list of cases; see `inspection.inspect`.

        Args:
            head: `seq:digest` as it was printed earlier and kept elsewhere.

        Raises:
            StoreError: when `head` is not one, or the store cannot be read.
        """
        if self._url.drivername == "sqlite":
            return reader.verify_log(str(self._url.database), head)
        with told(self._url), self._engine.connect() as connection:
            return inspected(connection, head_of(head) if head else None)


def _given_back(case_id: str, connection: Connection, _rows: Sequence[EventRow]) -> None:
    """End the claim on a case, in the transaction of the decision on it."""
    connection.execute(_RETURN, {"case": case_id})
