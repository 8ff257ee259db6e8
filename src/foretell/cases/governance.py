"""Changes of the policy: proposed by one administrator, confirmed by another, both in the log."""

import json
import secrets
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.ledger import Guard
from foretell.cases.log import named
from foretell.cases.names import CLOSERS, POLICY
from foretell.cases.people import permitted
from foretell.cases.policy import Policy, as_data, policy_of
from foretell.cases.standing import known_person
from foretell.cases.store import Store
from foretell.cases.tables import contents, events
from foretell.errors import AccessError, DecisionError, ForetellError
from foretell.records import canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A policy that somebody proposed."""

    seq: int
    at: str
    actor: str
    policy: Policy
    state: str
    """proposed, confirmed or withdrawn."""
    closed_by: str = ""
    reason: str = ""
    """Why, in the words of whom proposed it."""


class Governance:
    """The policy of a store, and how it changes. Safe to use from many threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def propose(self, by: str, data: Any, reason: str = "") -> int:
        """Propose a policy; return the number by which it can be confirmed.

        Raises:
            SpecError: with every fault of the policy.
            AccessError: when the person may not.
        """
        policy = policy_of(data)
        if not policy.salt:
            policy = replace(policy, salt=secrets.token_hex(8))
        texts = {"policy": canonical(as_data(policy)).decode()}
        if reason:
            texts["reason"] = canonical(reason).decode()
        return self._store.record(POLICY, "proposed", by, texts, guard=may(by, "policy")).seq

    def confirm(self, by: str, seq: int) -> None:
        """Put a proposal into force.

        Raises:
            AccessError: when the person may not, or proposed it.
            DecisionError: when it is not open any more, or a later one is in force.
        """
        self._close(by, seq, "confirmed")

    def withdraw(self, by: str, seq: int) -> None:
        """Take a proposal back: one's own, or anybody's as an administrator.

        Raises:
            AccessError, DecisionError: as for `confirm`.
        """
        self._close(by, seq, "withdrawn")

    def proposals(self) -> tuple[Proposal, ...]:
        """Return all proposals, the newest first."""
        with self._store.reading() as connection:
            return self._proposals(connection)

    def _close(self, by: str, seq: int, kind: str) -> None:
        proposal = next((each for each in self.proposals() if each.seq == seq), None)
        if proposal is None:
            raise DecisionError(f"there is no proposal {seq}", "list the proposals")

        def guard(connection: Connection) -> ForetellError | None:
            if (error := may(by, "policy")(connection)) is not None:
                return error
            now = {each.seq: each for each in self._proposals(connection)}
            if now[seq].state != "proposed":
                return DecisionError(
                    f"proposal {seq} was {now[seq].state} by {now[seq].closed_by}", "propose it again"
                )
            if kind == "withdrawn":
                return None
            later = [each.seq for each in now.values() if each.state == "confirmed" and each.seq > seq]
            if later:
                return DecisionError(f"a later proposal, {later[0]}, is in force", "propose it again")
            return four_eyes(connection, proposal.actor, by, "policy")

        more = {kind: seq, "policy": self._name(seq)}
        self._store.record(POLICY, kind, by, {}, more=more, guard=guard)

    def _name(self, seq: int) -> str:
        with self._store.reading() as connection:
            query = sa.select(contents.c.digest).where(contents.c.seq == seq, contents.c.kind == "policy")
            return str(connection.scalar(query))

    @staticmethod
    def _proposals(connection: Connection) -> tuple[Proposal, ...]:
        told = connection.execute(sa.select(events).where(events.c.case_id == POLICY)).all()
        texts = sa.select(contents.c.digest, contents.c.body).where(
            contents.c.seq.in_([row.seq for row in told]), contents.c.kind.in_(("policy", "reason"))
        )
        bodies = {row.digest: row.body for row in connection.execute(texts)}
        closed: dict[int, tuple[str, str]] = {}
        for row in told:
            if row.kind in CLOSERS:
                closed[json.loads(row.body)[row.kind]] = (row.kind, row.actor)
        found = []
        for row in told:
            if row.kind == "proposed":
                state, closer = closed.get(row.seq, ("proposed", ""))
                digests = named(json.loads(row.body))
                reason = bodies.get(digests.get("reason", ""), '""')
                found.append(
                    Proposal(
                        seq=row.seq,
                        at=row.at,
                        actor=row.actor,
                        policy=policy_of(json.loads(bodies[digests["policy"]])),
                        state=state,
                        closed_by=closer,
                        reason=json.loads(reason),
                    )
                )
        return tuple(sorted(found, key=lambda each: -each.seq))


def may(by: str, what: str) -> Guard:
    """Return the guard that admits a person who has the permission as the event is written."""

    def guard(connection: Connection) -> ForetellError | None:
        try:
            return permitted(known_person(connection, by), what)
        except AccessError as error:
            return error

    return guard


def four_eyes(connection: Connection, proposer: str, by: str, what: str) -> ForetellError | None:
    """Return why somebody cannot confirm what was proposed, or None: it takes another pair of eyes."""
    if known_person(connection, by).identity != known_person(connection, proposer).identity:
        return None
    return AccessError(
        f"{by} proposed this {what} and cannot confirm it", "let another administrator confirm it"
    )
