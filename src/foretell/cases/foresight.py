"""What a policy would change: the cases that wait, handled by it and by the policy in force."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from foretell.cases.policy import Policy
from foretell.cases.store import Store
from foretell.cases.tables import cases, contents
from foretell.records import Prediction, restore

LOOKED_AT = 1000
"""Cases that a policy is tried on: the newest that wait."""
NOW = ("approvals", "approver", "blind")
"""What changes for the cases that are open already."""
LATER = ("team", "due_hours", "released")
"""What is settled on the day a case is opened, and so changes for new ones alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How many of the cases that wait another policy would handle otherwise."""

    num_cases: int
    more: bool
    """More cases wait than were looked at."""
    num_now: int
    """Open cases for which anything changes as soon as the policy is in force."""
    otherwise: Mapping[str, int]
    """Field of `Handling` -> cases for which it would be another one."""
    rules: Mapping[str, tuple[int, int]]
    """Rule -> cases that it fits in the policy in force, and in the other; empty name: no rule fits."""


def effect(store: Store, policy: Policy) -> Effect:
    """Return what a policy would change for the cases that wait."""
    query = (
        sa.select(contents.c.body)
        .join(cases, sa.and_(contents.c.seq == cases.c.opened, contents.c.kind == "prediction"))
        .where(cases.c.status.in_(("open", "escalated")))
        .order_by(cases.c.opened.desc())
        .limit(LOOKED_AT + 1)
    )
    with store.reading() as connection:
        found = [restore(Prediction, json.loads(body)) for body in connection.scalars(query)]
    stands, looked_at = store.policy(), found[:LOOKED_AT]
    pairs = [(stands.handling(each), policy.handling(each)) for each in looked_at]
    otherwise = {
        name: sum(getattr(before, name) != getattr(after, name) for before, after in pairs)
        for name in (*NOW, *LATER)
    }
    names = dict.fromkeys([*(rule.name for each in (stands, policy) for rule in each.rules), ""])
    return Effect(
        num_cases=len(looked_at),
        more=len(found) > len(looked_at),
        num_now=sum(any(getattr(a, name) != getattr(b, name) for name in NOW) for a, b in pairs),
        otherwise=otherwise,
        rules={
            name: (sum(a.rule == name for a, _ in pairs), sum(b.rule == name for _, b in pairs))
            for name in names
        },
    )
