"""What holds around a decision, read from the store: the person as they are now, the policy, claims, pace."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.pool import Pool

from foretell.cases.names import PEOPLE, POLICY
from foretell.cases.people import PERMISSIONS, Person, person_of
from foretell.cases.policy import Policy, policy_of
from foretell.cases.rules import Standing, kind_of, refusal
from foretell.cases.tables import cases, contents, events, leases, people
from foretell.errors import AccessError, DecisionError, ForetellError
from foretell.records import Case, Decision, Prediction, restore

COUNTED = ("approved", "endorsed", "rejected")
"""Events that the hourly limit counts."""
MOST_KEPT = 10_000
"""Cases of which it is kept what the policy asks for."""

_LASTS = (
    sa.select(cases.c.id, events.c.digest)
    .join(events, events.c.seq == cases.c.last)
    .where(cases.c.id.in_((PEOPLE, POLICY)))
)
_CONFIRMED = (
    sa.select(events.c.body)
    .where(events.c.case_id == POLICY, events.c.kind == "confirmed")
    .order_by(events.c.seq.desc())
    .limit(1)
)
_PIECE = sa.select(contents.c.body).where(contents.c.digest == sa.bindparam("name"))
_ACCOUNTS = sa.select(people)
_PREDICTIONS = (
    sa.select(cases.c.id, contents.c.body)
    .join(contents, sa.and_(contents.c.seq == cases.c.opened, contents.c.kind == "prediction"))
    .where(cases.c.id.in_(sa.bindparam("ids", expanding=True)))
)
_LISTED = (
    sa.select(cases.c.team, leases.c.holder, leases.c.until)
    .outerjoin(leases, leases.c.case_id == cases.c.id)
    .where(cases.c.id == sa.bindparam("case"))
)
_LATELY = sa.select(sa.func.count()).where(
    events.c.actor == sa.bindparam("actor"),
    events.c.at > sa.bindparam("since"),
    events.c.kind.in_(COUNTED),
)


@dataclass(frozen=True, slots=True)
class Roster:
    """Who has an account, and the policy in force, as of the last event about either."""

    accounts: Mapping[str, Person]
    policy: Policy
    needed: dict[str, int]
    """Case -> approvals that the policy asks for, of those that somebody looked at lately."""
    identities: Mapping[str, str]
    """Account that works on somebody's behalf -> who that is."""
    working: dict[str, frozenset[str]]
    """Team -> those who may decide its cases, of teams that somebody looked at."""

    def person(self, name: str) -> Person:
        """Return a person.

        Raises:
            AccessError: when there is none of this name.
        """
        if name not in self.accounts:
            raise AccessError(f"there is no account '{name}'", "ask an administrator")
        return self.accounts[name]

    def colleagues(self, team: str) -> frozenset[str]:
        """Return who may decide cases of a team."""
        if team not in self.working:
            able = (
                each
                for each in self.accounts.values()
                if each.active and each.sees(team) and not PERMISSIONS["approve"].isdisjoint(each.roles)
            )
            self.working[team] = frozenset(each.name for each in able)
        return self.working[team]


_rosters: WeakKeyDictionary[Pool, tuple[dict[str, str], Roster]] = WeakKeyDictionary()


def roster(connection: Connection) -> Roster:
    """Return who has an account and which policy is in force at this moment.

    Both change by events of the log alone, so that what was read is kept until there is another one.
    """
    # The digests rather than the numbers: after a transaction that failed a number names another event.
    key = {row.id: row.digest for row in connection.execute(_LASTS)}
    kept = _rosters.get(connection.engine.pool)
    if kept is None or kept[0] != key:
        accounts = {row.name: person_of(row) for row in connection.execute(_ACCOUNTS)}
        identities = {each.name: each.identity for each in accounts.values() if each.owner}
        read = Roster(accounts, _policy(connection), {}, identities, {})
        kept = _rosters[connection.engine.pool] = (key, read)
    return kept[1]


def _policy(connection: Connection) -> Policy:
    body = connection.scalar(_CONFIRMED)
    if body is None:
        return Policy()
    return policy_of(json.loads(str(connection.scalar(_PIECE, {"name": json.loads(body)["policy"]}))))


def stamp(at: datetime) -> str:
    """Return an instant as the log writes it; texts of it sort like instants."""
    return at.isoformat(timespec="microseconds")


def policy_in_force(connection: Connection) -> Policy:
    """Return the policy that was confirmed last; the default one where none was."""
    return roster(connection).policy


def known_person(connection: Connection, name: str) -> Person:
    """Return a person as the store knows them at this moment.

    Raises:
        AccessError: when there is none of this name.
    """
    return roster(connection).person(name)


def approvals_needed(connection: Connection, known: Roster, ids: Sequence[str]) -> Mapping[str, int]:
    """Return how many people must approve each case, by the policy in force."""
    if len(known.needed) > MOST_KEPT:
        known.needed.clear()
    found = {case_id: known.needed[case_id] for case_id in ids if case_id in known.needed}
    if missing := [case_id for case_id in ids if case_id not in found]:
        rows = connection.execute(_PREDICTIONS, {"ids": missing})
        read = {
            row.id: known.policy.handling(restore(Prediction, json.loads(row.body))).approvals for row in rows
        }
        known.needed.update(read)
        found.update(read)
    return found


def founded(connection: Connection) -> bool:
    """Tell whether anybody has an account here."""
    return bool(roster(connection).accounts)


def standing_of(
    connection: Connection, case: Case, decision: Decision, name: str | None, now: datetime
) -> Standing:
    """Return what holds around a decision at this moment.

    Args:
        name: the account that decides; None where nobody signs in, as on the command line.

    Raises:
        AccessError: when there is no such account, or when there are accounts and nobody signed in.
    """
    known = roster(connection)
    if name is not None:
        person = known.person(name)
    elif known.accounts:
        raise AccessError(
            "this store has a desk, where people sign in to decide", "decide at the desk: foretell desk"
        )
    else:
        person = Person(name=decision.actor, roles=("reviewer", "approver"), teams=("*",))
    policy = known.policy
    listed = connection.execute(_LISTED, {"case": case.id}).one_or_none()
    team = listed.team if listed is not None else ""
    since = {"actor": decision.actor, "since": stamp(now - timedelta(hours=1))}
    return Standing(
        person=person,
        handling=policy.handling(case.prediction),
        now=now,
        team=team,
        holder=listed.holder if listed is not None and (listed.until or "") > stamp(now) else "",
        identities=known.identities,
        colleagues=known.colleagues(team),
        lately=(connection.scalar(_LATELY, since) or 0) if policy.hourly_limit else 0,
        hourly_limit=policy.hourly_limit,
        reasons=policy.reasons,
        signed_in=name is not None,
    )


def unsettled(
    connection: Connection, case: Case, decision: Decision, name: str | None, now: datetime, kind: str
) -> ForetellError | None:
    """Return why a decision is not admitted any more as the event that it was to become, or None."""
    try:
        around = standing_of(connection, case, decision, name, now)
    except AccessError as error:
        return error
    if (error := refusal(case, decision, around)) is not None:
        return error
    if kind_of(case, decision, around) == kind:
        return None
    return DecisionError(f"the rules for case '{case.id}' changed while it was decided", "decide it again")


class AnotherPolicyError(ForetellError):
    """The policy changed while cases were opened by it."""


def another_policy(policy: Policy, connection: Connection) -> ForetellError | None:
    """Refuse what was made by a policy that is not in force any more."""
    if policy_in_force(connection) == policy:
        return None
    return AnotherPolicyError("the policy changed meanwhile", "open the cases again")
