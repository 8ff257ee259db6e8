"""The desk: what a person who is known by an account can do with a store. Every method asks who does it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases import queue
from foretell.cases.case import fold
from foretell.cases.log import NO_CLOCK, named
from foretell.cases.pasts import no_case, pasts
from foretell.cases.people import Person, permitted
from foretell.cases.permits import Suggestion, told, waiting
from foretell.cases.policy import Handling, Policy
from foretell.cases.queue import Page, Query
from foretell.cases.rules import Standing, flagged
from foretell.cases.standing import Roster, approvals_needed, policy_in_force, roster, stamp, standing_of
from foretell.cases.store import Store
from foretell.cases.tables import cases, events, leases, views
from foretell.cases.truths import untold
from foretell.errors import DecisionError
from foretell.records import Case, Decision, Event, Evidence, Fact, Narrative, restore

MOST_VIEWS = 50
"""Views that one person may save."""
BLIND_KINDS = frozenset({"term", "entity", "instant", "input", "history"})
"""Facts that are shown to whom is to judge first: what happened, not what the model made of it."""


def blind_facts(evidence: Evidence) -> tuple[Fact, ...]:
    """Return the facts that do not tell what the model made of a row."""
    return tuple(fact for fact in untold(evidence) if fact.kind in BLIND_KINDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What somebody did with a case, in their words."""

    at: str
    actor: str
    kind: str
    reason: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    """The narrative that an edit brought."""


_VIEWS = sa.select(views).where(views.c.person == sa.bindparam("name")).order_by(views.c.name)
_LINE = sa.select(cases).where(cases.c.id == sa.bindparam("case"))
_LEASED = sa.select(leases).where(leases.c.case_id == sa.bindparam("case"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A case as one person may see it now."""

    case: Case
    team: str
    handling: Handling
    holder: str
    """Who has claimed it; empty: nobody."""
    until: str
    """Until when it is claimed."""
    due_at: str
    wakes_at: str
    asked: str
    approvals: int
    flagged: bool
    """Its text says what the evidence does not support, and nobody accepted that."""
    hidden: bool
    """The person is to judge before the score and its reasons are shown."""
    suggested: tuple[Suggestion, ...]
    """What programs suggest to do with it and nobody answered yet; nothing while one is to judge first."""
    told: tuple[Told, ...]
    """Who did what with it; without what they said while the person is to judge first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What the queue's page shows to one person."""

    page: Page
    count: int
    """How many cases the query finds; counting stops at `queue.COUNTED`."""
    needed: Mapping[str, int]
    """Case -> how many people must approve it, by the policy in force."""
    views: Mapping[str, str]
    """Saved view -> query as it stands in an address."""
    teams: frozenset[str]
    """Teams to choose from: one's own, or all that the policy names."""


class Desk:
    """A store as the people with accounts see it. Safe to use from many threads."""

    def __init__(self, store: Store) -> None:
        self.store = store

    # Looking

    def board(self, name: str, query: Query) -> Board:
        """Return what the queue's page shows, all as it stands at one instant.

        Raises:
            AccessError: when the person is not known, or may not look.
            DecisionError: when the query has no meaning.
        """
        with self.store.reading() as connection:
            known, now = roster(connection), self._now()
            person = _permitted(known, name, "read")
            found = queue.page(connection, person, query, now, _veil(connection, person, known.policy))
            named = {rule.team for rule in known.policy.rules}
            return Board(
                page=found,
                count=queue.count(connection, person, query, now) if found.total is None else found.total,
                needed=approvals_needed(connection, known, [line.id for line in found.lines]),
                views=_views(connection, name),
                teams=frozenset(named if "*" in person.teams else person.teams) - {""},
            )

    def queue(self, name: str, query: Query) -> Page:
        """Return one page of the cases that a person sees.

        Raises:
            AccessError: when the person is not known, or may not look.
            DecisionError: when the query has no meaning.
        """
        with self.store.reading() as connection:
            person = self._person(connection, name, "read")
            return queue.page(
                connection, person, query, self._now(), _veil(connection, person, policy_in_force(connection))
            )

    def count(self, name: str, query: Query) -> int:
        """Return how many cases a query finds; counting stops at `queue.COUNTED`."""
        with self.store.reading() as connection:
            person = self._person(connection, name, "read")
            return queue.count(connection, person, query, self._now())

    def case(self, name: str, case_id: str) -> Shown:
        """Return a case as a person may see it.

        Raises:
            AccessError: when the person is not known, or may not look.
            StoreError: when there is no such case among those they see, or it was erased.
        """
        with self.store.reading() as connection:
            known = roster(connection)
            person = _permitted(known, name, "read")
            listed = self._listed(connection, person, case_id)
            lease = connection.execute(_LEASED, {"case": case_id}).one_or_none()
            [past], pieces = pasts(connection, [case_id])
        case, said = fold(past, pieces), _said(past, pieces)
        handling, now = known.policy.handling(case.prediction), self._now()
        held = lease is not None and lease.until > now
        judged = any(event.kind == "judged" and event.actor == name for event in case.events)
        undecided = case.status in ("open", "escalated") and person.may("approve")
        hidden = handling.blind and undecided and not judged
        return Shown(
            case=case,
            team=listed.team,
            handling=handling,
            holder=lease.holder if held else "",
            until=lease.until if held else "",
            due_at=listed.due_at if listed.due_at != NO_CLOCK else "",
            wakes_at=listed.wakes_at if listed.wakes_at > now else "",
            asked=listed.asked,
            approvals=listed.approvals,
            flagged=flagged(case),
            hidden=hidden,
            suggested=() if hidden else self._suggested(case),
            told=tuple(
                Told(
                    at=event.at,
                    actor=event.actor,
                    kind=event.kind,
                    **({} if hidden else said.get(event.seq, {})),
                )
                for event in case.events
            ),
        )

    def _suggested(self, case: Case) -> tuple[Suggestion, ...]:
        if all(event.kind != "suggested" for event in case.events):
            return ()
        with self.store.reading() as connection:
            return waiting(told(connection, case), case, self.store.now())

    def standing(self, name: str, decision: Decision, case: Case) -> Standing:
        """Return what would hold around a decision of a person if it were taken now."""
        with self.store.reading() as connection:
            return standing_of(connection, case, decision, name, self.store.now())

    # Working

    def decide(self, name: str, case_id: str, decision: Decision) -> Case:
        """Record what a person decides under their own name; see `Store.decide`.

        Who has decided a case holds it no longer.
        """
        with self.store.reading() as connection:
            self._listed(connection, self._person(connection, name, "read"), case_id)
        return self.store.decide(case_id, decision, person=name)

    def claim(self, name: str, case_id: str) -> str:
        """Take a case, or stay with it; return until when it is the person's.

        Raises:
            DecisionError: when somebody else holds it, or it is decided.
            AccessError, StoreError: when the person may not, or sees no such case.
        """
        with self.store.alone() as connection:
            person = self._person(connection, name, "claim")
            listed = self._listed(connection, person, case_id)
            if listed.status not in ("open", "escalated"):
                raise DecisionError(f"case '{case_id}' is {listed.status}", "take another case")
            return self._lease(connection, name, case_id)

    def next_case(self, name: str, query: Query) -> str:
        """Claim the first case of a query that nobody holds; return its id, empty when there is none.

        A text that the person wrote or approved already is left to others.

        Raises:
            AccessError, DecisionError: as for `queue` and `claim`.
        """
        now = self._now()
        with self.store.alone() as connection:
            person = self._person(connection, name, "claim")
            going = replace(query, after="", limit=queue.MOST_LINES)
            veil = _veil(connection, person, policy_in_force(connection))
            while True:
                found = queue.page(connection, person, going, now, veil)
                passed = _passed_on(connection, name, [line.id for line in found.lines])
                for line in found.lines:
                    free = line.status in ("open", "escalated") and line.holder in ("", name)
                    if free and line.id not in passed:
                        self._lease(connection, name, line.id)
                        return line.id
                if not found.next:
                    return ""
                going = replace(going, after=found.next)

    def release(self, name: str, case_id: str) -> None:
        """Give a case back; nothing happens when the person does not hold it."""
        with self.store.alone() as connection:
            gone = sa.delete(leases).where(leases.c.case_id == case_id, leases.c.holder == name)
            connection.execute(gone)

    def erase(self, name: str, case_id: str) -> None:
        """Erase what is known of a case for good; the log stays whole.

        Raises:
            AccessError, StoreError: when the person may not, or sees no such case; when it was erased.
        """
        with self.store.reading() as connection:
            self._listed(connection, self._person(connection, name, "erase"), case_id)
        self.store.erase(case_id, name)

    def _lease(self, connection: Connection, name: str, case_id: str) -> str:
        now = self.store.now()
        minutes = policy_in_force(connection).lease_minutes
        held = connection.execute(_LEASED, {"case": case_id}).one_or_none()
        if held is not None and held.until > stamp(now) and held.holder != name:
            raise DecisionError(f"case '{case_id}' is claimed by {held.holder}", "take another case")
        row = {"case_id": case_id, "holder": name, "until": stamp(now + timedelta(minutes=minutes))}
        connection.execute(sa.delete(leases).where(leases.c.case_id == case_id))
        connection.execute(sa.insert(leases), [row])
        return row["until"]

    # Saved views

    def views(self, name: str) -> Mapping[str, str]:
        """Return the views a person saved: name -> query as it stands in an address."""
        with self.store.reading() as connection:
            self._person(connection, name, "read")
            return _views(connection, name)

    def save_view(self, name: str, view: str, query: str) -> None:
        """Save a view under a name, or forget it when the query is empty.

        Raises:
            DecisionError: when the name or the query cannot stand, or there are too many.
        """
        if not view.strip() or len(view) > 80 or not view.isprintable() or len(query) > 2000:
            raise DecisionError(f"'{view[:80]}' cannot name a view", "use 1 to 80 printable characters")
        with self.store.alone() as connection:
            self._person(connection, name, "read")
            mine = views.c.person == name
            connection.execute(sa.delete(views).where(mine, views.c.name == view))
            if not query:
                return
            there = connection.scalar(sa.select(sa.func.count()).select_from(views).where(mine)) or 0
            if there >= MOST_VIEWS:
                raise DecisionError(f"there are {there} saved views already", "forget one first")
            connection.execute(sa.insert(views), [{"person": name, "name": view, "query": query}])

    def _now(self) -> str:
        return stamp(self.store.now())

    @staticmethod
    def _listed(connection: Connection, person: Person, case_id: str) -> Any:
        """Return a case's line in the list; who may not see it is not told of it."""
        listed = connection.execute(_LINE, {"case": case_id}).one_or_none()
        if listed is None or listed.status == "desk" or not person.sees(listed.team):
            raise no_case(case_id)
        return listed

    @staticmethod
    def _person(connection: Connection, name: str, what: str) -> Person:
        return _permitted(roster(connection), name, what)


def _permitted(known: Roster, name: str, what: str) -> Person:
    person = known.person(name)
    if (error := permitted(person, what)) is not None:
        raise error
    return person


def _views(connection: Connection, name: str) -> Mapping[str, str]:
    return {row.name: row.query for row in connection.execute(_VIEWS, {"name": name})}


def _veil(connection: Connection, person: Person, policy: Policy) -> queue.Veil | None:
    """Return what hides the scores that a person is to judge first; None when there are none."""
    if not policy.blind_share or not person.may("approve"):
        return None
    return queue.Veil(
        connection,
        person.name,
        lambda case_id: policy.sampled("blind", case_id, policy.blind_share),
        policy.blind_share,
    )


def _said(past: Sequence[Event], pieces: Mapping[str, str]) -> Mapping[int, Mapping[str, Any]]:
    """Return what people said with each event of a case: its number -> fields of `Told`."""
    found: dict[int, dict[str, Any]] = {}
    for event in past:
        said = found.setdefault(event.seq, {})
        names = named(event.body)
        words = {kind: names[kind] for kind in ("reason", "detail") if names.get(kind) in pieces}
        said.update({kind: json.loads(pieces[name]) for kind, name in words.items()})
        if event.kind == "edited":
            said["text"] = restore(Narrative, json.loads(pieces[names["narrative"]])).text
        elif event.kind == "suggested" and names["action"] in pieces:
            asked = restore(Decision, json.loads(pieces[names["action"]]))
            said |= {"reason": asked.reason, "text": asked.text}
            said["detail"] = {"act": asked.verb, **asked.detail}
    return found


def _passed_on(connection: Connection, name: str, ids: Sequence[str]) -> frozenset[str]:
    """Return the cases whose text a person wrote, or has approved as it stands."""
    query = (
        sa.select(events.c.case_id, events.c.actor, events.c.kind)
        .where(events.c.case_id.in_(ids), events.c.kind.in_(("edited", "endorsed")))
        .order_by(events.c.seq)
    )
    wrote, approved = set(), set()
    for row in connection.execute(query):
        if row.kind == "edited":
            approved.discard(row.case_id)
        if row.actor == name:
            (wrote if row.kind == "edited" else approved).add(row.case_id)
    return frozenset(wrote | approved)
