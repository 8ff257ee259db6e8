"""What people made of cases beside what the model made of them, and what that tells of each person."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.feedback import MEANT, SILENT
from foretell.cases.measures import Agreement, Rate, agreement
from foretell.cases.names import POLICY
from foretell.cases.people import PERMISSIONS
from foretell.cases.policy import Policy, policy_of
from foretell.cases.rules import JUDGEMENTS
from foretell.cases.standing import roster
from foretell.cases.tables import cases, contents, events

DECISIONS = ("endorsed", "approved", "rejected")
_DETAIL = (contents.c.seq == events.c.seq) & (contents.c.kind == "detail")
_SAID = (
    sa.select(
        events.c.seq, events.c.case_id, events.c.at, events.c.actor, events.c.kind, cases.c.status,
        cases.c.alert, cases.c.probability, contents.c.body,
    )
    .join(cases, cases.c.id == events.c.case_id)
    .outerjoin(contents, _DETAIL)
    .where(events.c.seq >= sa.bindparam("since"), events.c.kind.in_(("judged", *DECISIONS)))
    .order_by(events.c.seq)
)  # fmt: skip
_CONFIRMED = (
    sa.select(events.c.seq, events.c.body)
    .where(events.c.case_id == POLICY, events.c.kind == "confirmed")
    .order_by(events.c.seq)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """Whether somebody took the outcome of a case to be positive."""

    case: str
    at: str
    actor: str
    eyes: str
    """Whose eyes those are: two accounts of one person are one pair."""
    decided: bool
    """Told by a decision, else by a judgement."""
    blind: bool
    """Judged before the score, and what others had said, was shown."""
    positive: bool
    alert: bool
    """What the model said."""
    probability: float
    stands: bool
    """Whether it is the decision by which the case is closed."""

    @property
    def against(self) -> bool:
        """Whether it goes against the model."""
        return self.positive != self.alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewer:
    """How one account decides beside the model. Each rate is told once enough was counted."""

    name: str
    overridden: Rate
    """Of the cases they decided, those they decided against the model."""
    swayed: Rate
    """Of the cases they first judged otherwise than the model, those they then decided as it said."""
    swayed_rightly: Rate
    """Of those whose answer is known and to which the model swayed them, those in which it was right."""
    correct: Rate
    """Of the planted cases they decided, those decided as the truth is."""
    found: Rate
    """Of those of them that are positive, those they took to be positive."""
    over_reliance: Rate
    """Of those in which the model was wrong, those in which they followed it."""
    under_reliance: Rate
    """Of those in which the model was right, those in which they decided against it."""


def opinions(connection: Connection, since: int, teams: Collection[str] | None = None) -> list[Opinion]:
    """Return the opinions from an event of the log on, in its order; on cases of all teams, or of some."""
    accounts, policies = roster(connection).accounts, _policies(connection)
    said = _SAID if teams is None else _SAID.where(cases.c.team.in_(teams))
    found = []
    for row in connection.execute(said, {"since": since}):
        positive = _positive(row.kind, bool(row.alert), json.loads(row.body) if row.body else {})
        if positive is None:
            continue
        person = accounts.get(row.actor)
        found.append(
            Opinion(
                case=row.case_id,
                at=row.at,
                actor=row.actor,
                eyes=person.identity if person is not None else row.actor,
                decided=row.kind != "judged",
                blind=row.kind == "judged" and _blind(policies, row.seq, row.case_id),
                positive=positive,
                alert=bool(row.alert),
                probability=row.probability,
                stands=row.kind == row.status,
            )
        )
    return found


def _positive(kind: str, alert: bool, detail: Mapping[str, str]) -> bool | None:
    """Return whether an event says that the outcome is positive; None where it says nothing of it."""
    if kind == "judged":
        said = detail.get("judgement")  # none where it was erased with its case
        return said == JUDGEMENTS[0] if said in JUDGEMENTS else None
    code = detail.get("code", "") if kind == "rejected" else ""
    if code in SILENT:
        return None
    return bool(MEANT.get(code, (kind != "rejected") == alert))


def _policies(connection: Connection) -> list[tuple[int, Policy]]:
    """Return each policy with the event that put it into force."""
    told = connection.execute(_CONFIRMED).all()
    names = [json.loads(row.body)["policy"] for row in told]
    bodies = sa.select(contents.c.digest, contents.c.body).where(contents.c.digest.in_(names))
    texts = {row.digest: row.body for row in connection.execute(bodies)}
    return [(row.seq, policy_of(json.loads(texts[name]))) for row, name in zip(told, names, strict=True)]


def _blind(policies: Sequence[tuple[int, Policy]], seq: int, case_id: str) -> bool:
    """Tell whether the policy in force at an event hid a case's score from who had not judged it."""
    policy = next((policy for start, policy in reversed(policies) if start < seq), None)
    return policy is not None and policy.sampled("blind", case_id, policy.blind_share)


def aware(connection: Connection) -> frozenset[str]:
    """Return the accounts that may know which cases are planted: those measure nothing of their owners."""
    accounts = roster(connection).accounts.values()
    informed = {each.identity for each in accounts if not PERMISSIONS["plant"].isdisjoint(each.roles)}
    return frozenset(each.name for each in accounts if each.identity in informed)


def reviewers(
    told: Sequence[Opinion], answers: Mapping[str, bool], informed: frozenset[str]
) -> tuple[Reviewer, ...]:
    """Return what the opinions tell of each account that decided, by name.

    Args:
        answers: planted case -> whether its true outcome is positive; empty for who may not know it.
        informed: accounts whose decisions on planted cases do not count.
    """
    last: dict[str, dict[str, Opinion]] = defaultdict(dict)
    own: dict[tuple[str, str], Opinion] = {}
    for each in told:
        if each.blind:
            own.setdefault((each.actor, each.case), each)
        elif each.decided:
            last[each.actor][each.case] = each
    found = []
    for name, decided in sorted(last.items()):
        known = {} if name in informed else answers
        swayed = [
            each
            for case, each in decided.items()
            if (first := own.get((name, case))) is not None and first.at < each.at and first.against
        ]
        moved = [each for each in swayed if not each.against]
        found.append(_reviewer(name, [*decided.values()], swayed, moved, known))
    return tuple(found)


def _reviewer(
    name: str,
    decided: list[Opinion],
    swayed: list[Opinion],
    moved: list[Opinion],
    known: Mapping[str, bool],
) -> Reviewer:
    planted = [each for each in decided if each.case in known]
    right = [each for each in planted if each.positive == known[each.case]]
    wrong_model = [each for each in planted if each.alert != known[each.case]]
    right_model = [each for each in planted if each.alert == known[each.case]]
    judged = [each for each in moved if each.case in known]
    return Reviewer(
        name=name,
        overridden=_rate(decided, [each for each in decided if each.against]),
        swayed=_rate(swayed, moved),
        swayed_rightly=_rate(judged, [each for each in judged if each.positive == known[each.case]]),
        correct=_rate(planted, right),
        found=_rate(
            [each for each in planted if known[each.case]], [each for each in right if each.positive]
        ),
        over_reliance=_rate(wrong_model, [each for each in wrong_model if not each.against]),
        under_reliance=_rate(right_model, [each for each in right_model if each.against]),
    )


def _rate(all_of_them: list[Opinion], some: list[Opinion]) -> Rate:
    return Rate(len(some), len(all_of_them))


def first_by_eyes(told: Iterable[Opinion], *, blind: bool) -> dict[str, dict[str, bool]]:
    """Return case -> whose eyes -> what they said first; of blind judgements alone, or of all opinions."""
    found: dict[str, dict[str, bool]] = defaultdict(dict)
    for each in told:
        if each.blind or not blind:
            found[each.case].setdefault(each.eyes, each.positive)
    return dict(found)


def agreements(held: Mapping[str, Mapping[str, bool]]) -> dict[tuple[str, str], Agreement]:
    """Return how far each two people agree who judged the same cases, most cases first."""
    shared: dict[tuple[str, str], list[tuple[bool, bool]]] = defaultdict(list)
    for said in held.values():
        for one, other in combinations(sorted(said), 2):
            shared[one, other].append((said[one], said[other]))
    found = {pair: agreed for pair, both in shared.items() if (agreed := agreement(both)) is not None}
    return dict(sorted(found.items(), key=lambda item: (-item[1].num_cases, item[0])))
