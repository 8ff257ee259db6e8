"""What programs suggest to do with a case, and the token by which a person permits one such act, once.

The log alone says what was suggested, who permitted it until when, and whether it was done; of a token it has
the digest. What is done is a decision of the person who permitted it, by all rules that hold for them then.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.entries import decided, drafted
from foretell.cases.ledger import Also, Guard, nothing_besides
from foretell.cases.log import CHECK, STATUS_AFTER, Draft, named
from foretell.cases.names import PEOPLE
from foretell.cases.pasts import no_case
from foretell.cases.people import Person, fingerprint, permitted, token
from foretell.cases.rules import (
    KIND_OF,
    Standing,
    admitted,
    complete,
    current,
    detailed,
    meant,
    own_judgement,
    refusal,
)  # fmt: skip
from foretell.cases.standing import known_person, stamp, standing_of
from foretell.cases.store import Store
from foretell.cases.tables import cases, contents, events
from foretell.errors import AccessError, DecisionError, ForetellError, StoreError
from foretell.lookup import unknown
from foretell.records import Case, Decision, canonical, restore
from foretell.units import instant

SUGGESTED: Mapping[str, str] = {verb: kind for verb, kind in KIND_OF.items() if verb != "judge"}
"""What may be suggested -> what it becomes. One's own judgement is nobody else's to suggest."""
OTHER_EYES = frozenset({"approve", "accept", "edit"})
"""What nobody permits to a program that works for themselves: it would be one pair of eyes."""
MOST_OPEN = 10
"""Suggestions that wait on one case."""
TOKEN_PREFIX = "permit_"
PERMITTED_MINUTES, MOST_MINUTES = 60, 24 * 60

_ACTIONS = sa.select(contents.c.digest, contents.c.body).where(
    contents.c.digest.in_(sa.bindparam("names", expanding=True))
)
_PERSONS = (
    sa.select(contents.c.body)
    .join(events, events.c.seq == contents.c.seq)
    .where(events.c.case_id == PEOPLE, events.c.seq > sa.bindparam("since"), contents.c.kind == "person")
)
_TEAM = sa.select(cases.c.team).where(cases.c.id == sa.bindparam("case"), cases.c.status != "desk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What a program, or somebody else, suggests to do with a case."""

    seq: int
    at: str
    decision: Decision
    """What is suggested; its actor suggests it."""
    state: str
    """suggested, permitted, declined or done."""
    by: str = ""
    """Who permitted or declined it."""
    until: str = ""
    """Until when it is permitted."""
    permit: int = 0
    """Number of the event that permitted it."""


class Permits:
    """Suggestions for the cases of a store, and what becomes of them. Safe to use from many threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def suggest(self, by: str, case_id: str, decision: Decision) -> int:
        """Suggest to decide a case so; return the number by which a person can permit it.

        Raises:
            AccessError, NotFoundError: when `by` has no account that sees the case.
            DecisionError: when there is no such decision, or it is not one for the case as it stands.
            VerdictError: when the text of an edit does not pass.
        """
        decision = replace(decision, actor=by)

        def made(case: Case, connection: Connection) -> tuple[Draft, Guard, Also]:
            around = standing_of(connection, case, decision, by, self._store.now())
            if (error := _unsuggestable(case, decision, around)) is not None:
                raise error
            decided(
                case, decision, around, self._store.salt
            )  # an edit that does not pass is refused here already
            texts = {"action": canonical(decision).decode()}

            def guard(connection: Connection) -> ForetellError | None:
                now = self._store.now()
                there = waiting(told(connection, case), case, now)
                if any(one.decision == decision for one in there):
                    return DecisionError(f"{by} suggested this already", "wait until a person permits it")
                if len(there) >= MOST_OPEN:
                    return DecisionError(f"{MOST_OPEN} suggestions wait on this case", "wait for a person")
                return _unseen(connection, by, case.id) or _unsuggestable(
                    case, decision, standing_of(connection, case, decision, by, now)
                )

            return drafted(case.id, "suggested", by, texts, self._store.salt, case), guard, nothing_besides

        return self._followed(by, case_id, made)

    def permit(self, by: str, case_id: str, seq: int, minutes: int = PERMITTED_MINUTES) -> str:
        """Permit what was suggested; return the token for it, which is told this once.

        It is for the account that suggested it, for this act on this content of this case, once, and for so
        many minutes. Who permits it is taken to have decided.

        Raises:
            AccessError: when it is not theirs to permit.
            DecisionError: when it does not wait any more, or the rules would refuse it to them now.
        """
        if not 1 <= minutes <= MOST_MINUTES:
            raise DecisionError(
                f"a permit holds 1 to {MOST_MINUTES} minutes, not {minutes}", "permit it again then"
            )
        secret = TOKEN_PREFIX + token()
        until = stamp(self._store.now() + timedelta(minutes=minutes))

        def against(case: Case, connection: Connection, one: Suggestion) -> ForetellError | None:
            return _settled(case, one, self._store.now()) or self._against(connection, by, case, one)

        more = {"suggestion": seq, "token": fingerprint(secret), "until": until}
        self._answer(by, case_id, seq, "permitted", more, against)
        return secret

    def against(self, by: str, case: Case, one: Suggestion) -> ForetellError | None:
        """Return why somebody could not permit a suggestion now, or None: they could."""
        with self._store.reading() as connection:
            return self._against(connection, by, case, one)

    def _against(self, connection: Connection, by: str, case: Case, one: Suggestion) -> ForetellError | None:
        error = _not_theirs(connection, known_person(connection, by), one)
        return error or _refused(connection, case, replace(one.decision, actor=by), self._store.now())

    def decline(self, by: str, case_id: str, seq: int) -> None:
        """Decline what was suggested.

        Raises:
            AccessError, DecisionError: when it is not theirs to decline, or does not wait any more.
        """

        def against(case: Case, connection: Connection, one: Suggestion) -> ForetellError | None:
            return permitted(known_person(connection, by), "comment") or _settled(
                case, one, self._store.now()
            )

        self._answer(by, case_id, seq, "declined", {"suggestion": seq}, against)

    def act(self, by: str, case_id: str, decision: Decision, secret: str) -> Case:
        """Do what a token permits, as a decision of the person who permitted it; return the case after it.

        Raises:
            AccessError, NotFoundError: when the token is not for this account, case or act, was used, has run
                out, or an account was closed meanwhile.
            DecisionError: when the rules refuse it, among them: the content has changed since.
        """
        decision = replace(decision, actor=by)
        one = self._permitted(by, case_id, secret)
        if (error := _otherwise(one, decision)) is not None:
            raise error

        def asked(case: Case, connection: Connection) -> ForetellError | None:
            return (
                _unseen(connection, by, case_id)
                or _used(case, one)
                or _run_out(one, self._store.now())
                or _closed_since(connection, one)
                or _not_theirs(connection, known_person(connection, one.by), one)
            )

        decision = replace(decision, actor=one.by)
        return self._store.decide(case_id, decision, one.by, more={"permit": one.permit}, asked=asked)

    def _permitted(self, by: str, case_id: str, secret: str) -> Suggestion:
        """Return what a token permits."""
        with self._store.reading() as connection:
            if (error := _unseen(connection, by, case_id)) is not None:
                raise error
        case = self._store.case(case_id)
        digest = fingerprint(secret)
        event = next((event for event in case.events if event.body.get("token") == digest), None)
        with self._store.reading() as connection:
            known = {one.seq: one for one in told(connection, case)}
        one = known.get(event.body["suggestion"]) if event is not None else None
        if event is None or one is None or one.decision.actor != by:
            raise AccessError(
                "the token permits nothing here", "have the act permitted by a person at the desk"
            )
        return replace(one, by=event.actor, until=event.body["until"], permit=event.seq)

    def _answer(
        self,
        by: str,
        case_id: str,
        seq: int,
        kind: str,
        more: Mapping[str, object],
        against: Callable[[Case, Connection, Suggestion], ForetellError | None],
    ) -> None:
        def made(case: Case, _connection: Connection) -> tuple[Draft, Guard, Also]:
            def guard(connection: Connection) -> ForetellError | None:
                if (error := _unseen(connection, by, case_id)) is not None:
                    return error
                one = next((one for one in told(connection, case) if one.seq == seq), None)
                if one is None:
                    return DecisionError(
                        f"there is no suggestion {seq} for case '{case_id}'", "show the case"
                    )
                return against(case, connection, one)

            draft = drafted(case.id, kind, by, {}, self._store.salt, case, more=more)
            return draft, guard, nothing_besides

        self._followed(by, case_id, made)

    def _followed(
        self, by: str, case_id: str, made: Callable[[Case, Connection], tuple[Draft, Guard, Also]]
    ) -> int:
        # Before the case is read: who may not see it learns nothing.
        with self._store.reading() as connection:
            if (error := _unseen(connection, by, case_id)) is not None:
                raise error
        return self._store.follow(case_id, made).events[-1].seq


def told(connection: Connection, case: Case) -> tuple[Suggestion, ...]:
    """Return what was suggested for a case, and what became of it, the newest first.

    Raises:
        StoreError: when the log tells of it what no desk wrote.
    """
    try:
        return _told(connection, case)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"what was suggested for case '{case.id}' was altered: {error!r}", CHECK) from error


def _told(connection: Connection, case: Case) -> tuple[Suggestion, ...]:
    names = [named(event.body)["action"] for event in case.events if event.kind == "suggested"]
    if not names:
        return ()
    bodies = {row.digest: row.body for row in connection.execute(_ACTIONS, {"names": names})}
    found: dict[int, Suggestion] = {}
    permits: dict[int, int] = {}
    for event in case.events:
        body = event.body
        if event.kind == "suggested":
            decision = restore(Decision, json.loads(bodies[named(body)["action"]]))
            found[event.seq] = Suggestion(seq=event.seq, at=event.at, decision=decision, state="suggested")
        elif event.kind in ("permitted", "declined"):
            one, until = found[body["suggestion"]], body.get("until", "")
            permits[event.seq] = one.seq
            found[one.seq] = replace(one, state=event.kind, by=event.actor, until=until, permit=event.seq)
        elif "permit" in body:
            seq = permits[body["permit"]]
            found[seq] = replace(found[seq], state="done")
    return tuple(reversed(found.values()))


def waiting(suggestions: Sequence[Suggestion], case: Case, now: datetime) -> tuple[Suggestion, ...]:
    """Return the suggestions that a person can still permit or decline: they are about what the case says."""
    return tuple(one for one in suggestions if one.decision.content == case.content and _waits(one, now))


def _waits(one: Suggestion, now: datetime) -> bool:
    """Tell whether nobody answered a suggestion, or nobody used in time what was permitted."""
    return one.state == "suggested" or (one.state == "permitted" and one.until <= stamp(now))


def _unseen(connection: Connection, by: str, case_id: str) -> ForetellError | None:
    """Return why somebody may not look at a case, or None; who may not is not told of it."""
    try:
        person = known_person(connection, by)
    except AccessError as error:
        return error
    if (error := permitted(person, "read")) is not None:
        return error
    team = connection.scalar(_TEAM, {"case": case_id})
    return None if team is not None and person.sees(team) else no_case(case_id)


def _unsuggestable(case: Case, decision: Decision, around: Standing) -> ForetellError | None:
    """Return why nobody could permit this, or None: what the person decides who permits it is asked then."""
    if decision.verb not in SUGGESTED:
        return DecisionError(*unknown("act", decision.verb, SUGGESTED))
    if decision.detail.get("unsupported"):
        return DecisionError("an unsupported text cannot be suggested", "say only what the evidence supports")
    if SUGGESTED[decision.verb] not in STATUS_AFTER[case.status]:
        return admitted(case, decision, around)
    # `meant` tells what the model said: whoever could judge first hears that they are to.
    first = (own_judgement,) if around.person.may("approve") else ()
    refusals = (rule(case, decision, around) for rule in (current, complete, *first, meant, detailed))
    return next((error for error in refusals if error is not None), None)


def _settled(case: Case, one: Suggestion, now: datetime) -> ForetellError | None:
    if _waits(one, now):
        return None
    by = f" by {one.by}" if one.by else ""
    return DecisionError(
        f"suggestion {one.seq} for case '{case.id}' is {one.state} already{by}", "show the case"
    )


def _otherwise(one: Suggestion, decision: Decision) -> ForetellError | None:
    if one.decision == decision:
        return None
    return AccessError("the token permits another act than this", "act as it was suggested")


def _used(case: Case, one: Suggestion) -> ForetellError | None:
    if all(event.body.get("permit") != one.permit for event in case.events):
        return None
    return AccessError("the token was used already", "suggest it again")


def _run_out(one: Suggestion, now: datetime) -> ForetellError | None:
    if one.until > stamp(now):
        return None
    return AccessError(f"the token ran out on {instant(one.until)}", "have it permitted again")


def _closed_since(connection: Connection, one: Suggestion) -> ForetellError | None:
    """Refuse what an account that was closed since has permitted, or suggested, be it open again or not."""
    for body in connection.scalars(_PERSONS, {"since": one.permit}):
        person = json.loads(body)
        if not person["active"] and person["name"] in (one.by, one.decision.actor):
            return AccessError(f"the account '{person['name']}' was closed since", "suggest it again")
    return None


def _not_theirs(connection: Connection, person: Person, one: Suggestion) -> ForetellError | None:
    """Return why a person cannot permit a suggestion, or None."""
    proposer = known_person(connection, one.decision.actor)
    if person.owner:
        return AccessError(
            f"{person.name} works for {person.owner} and permits nothing", "let a person permit it"
        )
    if not proposer.active:
        return AccessError(f"the account '{proposer.name}' is closed", "decide the case yourself")
    if one.decision.verb in OTHER_EYES and person.identity == proposer.identity:
        return AccessError(
            f"{proposer.name} works for {person.name}, who cannot permit it to {one.decision.verb}",
            "let another person permit it",
        )
    return None


def _refused(connection: Connection, case: Case, decision: Decision, now: datetime) -> ForetellError | None:
    """Return why the rules would refuse a decision to its actor now, or None."""
    around = standing_of(connection, case, decision, decision.actor, now)
    judged = any(event.kind == "judged" and event.actor == decision.actor for event in case.events)
    if around.handling.blind and case.status in ("open", "escalated") and not judged:
        return DecisionError(f"case '{case.id}' asks for your own judgement first", "judge it, then permit")
    return refusal(case, decision, around)
