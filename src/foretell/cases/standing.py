"""What holds around a decision, read from the store: the person as they are now, the policy, claims, pace."""

import json
from datetime import datetime, timedelta
from functools import lru_cache

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.names import POLICY
from foretell.cases.people import PERMISSIONS, Person, person_of
from foretell.cases.policy import Policy, policy_of
from foretell.cases.rules import Standing
from foretell.cases.tables import cases, contents, events, leases, people
from foretell.errors import AccessError
from foretell.records import Case, Decision

COUNTED = ("approved", "endorsed", "rejected")
"""Events that the hourly limit counts."""

_CONFIRMED = (
    sa.select(events.c.body)
    .where(events.c.case_id == POLICY, events.c.kind == "confirmed")
    .order_by(events.c.seq.desc())
    .limit(1)
)


def stamp(at: datetime) -> str:
    """Return an instant as the log writes it; texts of it sort like instants."""
    return at.isoformat(timespec="microseconds")


def policy_in_force(connection: Connection) -> Policy:
    """Return the policy that was confirmed last; the default one where none was."""
    body = connection.scalar(_CONFIRMED)
    if body is None:
        return Policy()
    name = json.loads(body)["policy"]
    return _read(str(connection.scalar(sa.select(contents.c.body).where(contents.c.digest == name))))


@lru_cache(maxsize=16)
def _read(text: str) -> Policy:
    return policy_of(json.loads(text))


def known_person(connection: Connection, name: str) -> Person:
    """Return a person as the store knows them at this moment.

    Raises:
        AccessError: when there is none of this name.
    """
    row = connection.execute(sa.select(people).where(people.c.name == name)).one_or_none()
    if row is None:
        raise AccessError(f"there is no account '{name}'", "ask an administrator")
    return person_of(row)


def founded(connection: Connection) -> bool:
    """Tell whether anybody has an account here."""
    return connection.scalar(sa.select(sa.exists().where(people.c.name.is_not(None)))) is True


def standing_of(
    connection: Connection, case: Case, decision: Decision, name: str | None, now: datetime
) -> Standing:
    """Return what holds around a decision at this moment.

    Args:
        name: the account that decides; None where nobody signs in, as on the command line.

    Raises:
        AccessError: when there is no such account, or when there are accounts and nobody signed in.
    """
    if name is None:
        if founded(connection):
            raise AccessError(
                "this store has a desk, where people sign in to decide", "decide at the desk: foretell desk"
            )
        person = Person(name=decision.actor, roles=("reviewer", "approver"), teams=("*",))
    else:
        person = known_person(connection, name)
    policy = policy_in_force(connection)
    team = str(connection.scalar(sa.select(cases.c.team).where(cases.c.id == case.id)) or "")
    lease = connection.execute(sa.select(leases).where(leases.c.case_id == case.id)).one_or_none()
    accounts = [person_of(row) for row in connection.execute(sa.select(people))]
    since = sa.select(sa.func.count()).where(
        events.c.actor == decision.actor,
        events.c.at > stamp(now - timedelta(hours=1)),
        events.c.kind.in_(COUNTED),
    )
    return Standing(
        person=person,
        handling=policy.handling(case.prediction),
        now=now,
        team=team,
        holder=lease.holder if lease is not None and lease.until > stamp(now) else "",
        identities={each.name: each.identity for each in accounts if each.owner},
        colleagues=frozenset(
            each.name
            for each in accounts
            if each.active and each.sees(team) and not PERMISSIONS["approve"].isdisjoint(each.roles)
        ),
        lately=connection.scalar(since) or 0 if policy.hourly_limit else 0,
        hourly_limit=policy.hourly_limit,
        reasons=policy.reasons,
        signed_in=name is not None,
    )
