"""Oversight: what a store's log says of how people decide, in counts and without names."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from foretell.cases.inspection import LogReport
from foretell.cases.names import DESK_PREFIX
from foretell.cases.policy import Policy
from foretell.cases.store import Store
from foretell.records import OWN

OPENED = "opened"
SOFTWARE = frozenset({"foretell", OWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Oversight:
    """Who looked at how much, by which rules, and whether the log still holds."""

    opened: int
    decisions: Mapping[str, int]
    """What people did with cases -> how often, the most frequent first."""
    people: int
    """How many different people did."""
    desk: Mapping[str, int]
    """What happened to the desk itself (people, policy, model) -> how often."""
    first_at: str
    last_at: str
    """Instants of the log's ends, ISO 8601 in UTC; empty where it is empty."""
    policy: Policy
    log: LogReport


def oversight(store: Store) -> Oversight:
    """Read the whole log of a store, and check it.

    Raises:
        StoreError: when the store cannot be read.
    """
    done: Counter[str] = Counter()
    desk: Counter[str] = Counter()
    people, opened, ends = set(), 0, []
    for event in store.events():
        ends = [ends[0] if ends else event.at, event.at]
        if event.case.startswith(DESK_PREFIX):
            desk[f"{event.case.removeprefix(DESK_PREFIX)}: {event.kind}"] += 1
        elif event.kind == OPENED:
            opened += 1
        elif event.actor not in SOFTWARE:
            done[event.kind] += 1
            people.add(event.actor)
    return Oversight(
        opened=opened,
        decisions=dict(done.most_common()),
        people=len(people),
        desk=dict(sorted(desk.items())),
        first_at=ends[0] if ends else "",
        last_at=ends[1] if ends else "",
        policy=store.policy(),
        log=store.verify_log(),
    )
