"""Who may decide what, and when: a table of pure functions, each of which admits or refuses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from foretell.cases.log import STATUS_AFTER
from foretell.cases.names import nobody
from foretell.cases.people import Person, permitted
from foretell.cases.policy import REASONS, Handling
from foretell.cases.truths import NEGATIVE, POSITIVE, completed, truthful
from foretell.errors import DecisionError, ForetellError, NotFoundError
from foretell.lookup import unknown
from foretell.records import Case, Decision, Event
from foretell.units import instant

KIND_OF: Mapping[str, str] = {
    "approve": "approved",
    "edit": "edited",
    "reject": "rejected",
    "escalate": "escalated",
    "accept": "accepted",
    "judge": "judged",
    "snooze": "snoozed",
    "ask": "asked",
    "comment": "commented",
}
"""What a person does -> the event that tells of it. An approval that does not suffice is `endorsed`."""
FREE = frozenset({"comment", "ask"})
"""What may be done to a case that somebody else holds."""
DETAILS: Mapping[str, frozenset[str]] = {
    "approve": frozenset({"truth"}),
    "reject": frozenset({"code", "truth"}),
    "edit": frozenset({"unsupported"}),
    "judge": frozenset({"judgement", "truth"}),
    "snooze": frozenset({"until"}),
    "ask": frozenset({"person"}),
}
AFTER_JUDGEMENT = frozenset({"approve", "reject", "edit", "accept"})
"""What needs one's own judgement first, where the policy asks for it; an edit's findings tell the score."""
JUDGEMENTS = (POSITIVE, NEGATIVE)
LONGEST_TEXT = 20_000
LONGEST_SNOOZE = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What holds around a decision when it is taken: who decides, and what the policy asks of the case."""

    person: Person
    handling: Handling
    now: datetime
    team: str = ""
    holder: str = ""
    """Who else has claimed the case; empty: nobody."""
    identities: Mapping[str, str] = field(default_factory=dict)
    """Actor -> the person whose eyes those are, where that is somebody else."""
    colleagues: frozenset[str] = frozenset()
    """Who could be asked to look at the case."""
    lately: int = 0
    """Decisions of this person within the last hour."""
    hourly_limit: int = 0
    reasons: tuple[str, ...] = REASONS
    signed_in: bool = False
    """Whether the person is known by an account, rather than by what the command line says."""

    def identity(self, actor: str) -> str:
        """Return whose eyes an actor of the log stands for."""
        return self.identities.get(actor, actor)


Rule = Callable[[Case, Decision, Standing], ForetellError | None]


def known(case: Case, decision: Decision, standing: Standing) -> ForetellError | None:
    """A decision has a verb of the table, and comes from a person who may do it and sees the case."""
    if decision.verb not in KIND_OF:
        return DecisionError(*unknown("decision", decision.verb, KIND_OF))
    if (error := nobody(decision.actor) or permitted(standing.person, decision.verb)) is not None:
        return error
    if not standing.person.sees(standing.team):
        return NotFoundError(f"there is no case '{case.id}'", "list the cases: foretell cases")
    return None


def current(case: Case, decision: Decision, standing: Standing) -> ForetellError | None:
    """A decision is about the content that its author saw."""
    if decision.content == case.content:
        return None
    edits = [event for event in case.events if event.kind == "edited"]
    if not edits:
        return DecisionError(
            f"the decision is about other content ({decision.content[:12]}) than case '{case.id}' holds "
            f"({case.content[:12]})",
            "show the case and decide on what it says",
        )
    return DecisionError(
        f"case '{case.id}' has changed: {edits[-1].actor} edited its narrative on {instant(edits[-1].at)}",
        "show the case again and decide on what it says now",
    )


def admitted(case: Case, decision: Decision, standing: Standing) -> ForetellError | None:
    """The case's status admits the verb: what is rejected is closed, what is approved can only be edited."""
    if KIND_OF[decision.verb] in STATUS_AFTER[case.status]:
        if case.status == "escalated" and decision.verb in ("approve", "reject"):
            return _needs(standing.person, "approver", f"case '{case.id}' was escalated")
        return None
    last = next(event for event in reversed(case.events) if event.kind == case.status)
    return DecisionError(
        f"case '{case.id}' is closed to '{decision.verb}': {last.actor} {last.kind} it on {instant(last.at)}"
        if case.status in ("approved", "rejected", "released")
        else f"case '{case.id}' is {case.status} already, by {last.actor} on {instant(last.at)}",
        f"it takes: {', '.join(verb for verb in KIND_OF if KIND_OF[verb] in STATUS_AFTER[case.status])}",
    )


def complete(case: Case, decision: Decision, standing: Standing) -> ForetellError | None:
    """An edit brings a new text, a comment says something, nothing else brings a text."""
    verb = decision.verb
    if max(len(decision.text), len(decision.reason)) > LONGEST_TEXT:
        return DecisionError(f"the text is longer than {LONGEST_TEXT:,} characters", "shorten it")
    if verb != "edit" and decision.text:
        return DecisionError(
            f"'{verb}' does not change the text", "use 'edit' for a new text, and decide after it"
        )
    if verb == "edit" and not decision.text.strip():
        return DecisionError("the edit has no text", "write the narrative as it should be")
    if verb == "comment" and not decision.reason.strip():
        return DecisionError("the comment is empty", "give the comment as the reason")
    if unasked := decision.detail.keys() - DETAILS.get(verb, frozenset()):
        return DecisionError(f"'{verb}' takes no '{min(unasked)}'", "leave it out")
    return None


def meant(case: Case, decision: Decision, standing: Standing) -> ForetellError | None:
    """What a decision says of the row can be true and goes with it; an edit says something else."""
    if decision.verb == "edit" and decision.text.strip() == case.narrative.text:
        return DecisionError("the edit changes nothing", "approve the case, or change its text")
    return truthful(case, decision)


def detailed(case: Case, decision: Decision, standing: Standing) -> ForetellError | None:
    """A snooze says until when, a question to whom, a judgement which, a rejection at a desk why."""
    verb, detail = decision.verb, decision.detail
    if verb == "reject" and (standing.signed_in or "code" in detail):
        if detail.get("code", "") not in standing.reasons:
            return DecisionError(
                f"'{detail.get('code', '')}' is no reason code", f"use one of: {', '.join(standing.reasons)}"
            )
    elif verb == "judge" and completed(case, decision).get("judgement") not in JUDGEMENTS:
        return DecisionError("the judgement is missing", f"use one of: {', '.join(JUDGEMENTS)}")
    elif verb == "judge" and any(e.actor == decision.actor and e.kind == "judged" for e in case.events):
        return DecisionError(f"{decision.actor} judged case '{case.id}' already", "decide on it")
    elif verb == "ask":
        person = detail.get("person", "")
        if person not in standing.colleagues or standing.identity(person) == standing.person.identity:
            return DecisionError(
                f"'{person}' cannot be asked to look at case '{case.id}'",
                "name another person who reviews and sees it",
            )
    elif verb == "snooze":
        return _later(detail.get("until", ""), standing.now)
    return None


def _later(text: str, now: datetime) -> ForetellError | None:
    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        return DecisionError(f"'{text}' is no instant", "write it like 2026-05-01T09:00+02:00")
    if until.tzinfo is None:
        return DecisionError(f"'{text}' names no time zone", "write it like 2026-05-01T09:00+02:00")
    if not now < until <= now + LONGEST_SNOOZE:
        return DecisionError(f"'{text}' is not within the next {LONGEST_SNOOZE.days} days", "choose a date")
    return None


def held(case: Case, decision: Decision, standing: Standing) -> ForetellError | None:
    """What somebody else has claimed is theirs until they release it or their lease runs out."""
    if decision.verb in FREE or standing.holder in ("", decision.actor):
        return None
    return DecisionError(
        f"case '{case.id}' is claimed by {standing.holder}", "take another case, or wait until it is free"
    )


def unhurried(case: Case, decision: Decision, standing: Standing) -> ForetellError | None:
    """Nobody decides more cases within an hour than the policy allows."""
    counted = decision.verb in ("approve", "reject")
    if not counted or not standing.hourly_limit or standing.lately < standing.hourly_limit:
        return None
    return DecisionError(
        f"{decision.actor} has decided {standing.lately} cases within the last hour; the policy allows "
        f"{standing.hourly_limit}",
        "go on later",
    )


def own_judgement(case: Case, decision: Decision, standing: Standing) -> ForetellError | None:
    """Where the policy asks for one's own judgement first, it comes before the decision."""
    if not standing.handling.blind or not standing.signed_in or decision.verb not in AFTER_JUDGEMENT:
        return None
    if any(event.kind == "judged" and event.actor == decision.actor for event in case.events):
        return None
    return DecisionError(
        f"case '{case.id}' asks for your own judgement before the score is shown", "judge it, then decide"
    )


def four_eyes(case: Case, decision: Decision, standing: Standing) -> ForetellError | None:
    """Nobody approves or accepts what they wrote, nor approves it twice, under any name."""
    if decision.verb not in ("approve", "accept"):
        return None
    me = standing.person.identity
    if any(event.kind == "edited" and standing.identity(event.actor) == me for event in case.events):
        return DecisionError(
            f"{decision.actor} edited case '{case.id}' and cannot {decision.verb} it",
            f"let another person {decision.verb} it",
        )
    if decision.verb == "accept" and not flagged(case):
        return DecisionError(
            f"case '{case.id}' has no unsupported sentence to accept", "approve or reject it"
        )
    if decision.verb == "approve" and me in approvers(case, standing):
        return DecisionError(
            f"{decision.actor} has approved case '{case.id}' already", "let another person approve it"
        )
    return None


def supported(case: Case, decision: Decision, standing: Standing) -> ForetellError | None:
    """A text with an unsupported sentence is approved only after a second person accepted it."""
    if decision.verb != "approve" or not flagged(case):
        return None
    return DecisionError(
        f"case '{case.id}' says what its evidence does not support", "edit it, or let an approver accept it"
    )


RULES: tuple[Rule, ...] = (
    known, current, admitted, complete, detailed, held, unhurried, own_judgement, meant, four_eyes,
    supported,
)  # fmt: skip
"""Asked in this order; the first that refuses answers. `meant` tells what the model said, so it stands behind
the one that asks for a judgement first."""


def refusal(case: Case, decision: Decision, standing: Standing) -> ForetellError | None:
    """Return why a decision is not admitted, or None when it is."""
    return next((error for rule in RULES if (error := rule(case, decision, standing)) is not None), None)


def kind_of(case: Case, decision: Decision, standing: Standing) -> str:
    """Return the event that an admitted decision becomes."""
    if decision.verb != "approve":
        return KIND_OF[decision.verb]
    enough = len(approvers(case, standing)) + 1 >= standing.handling.approvals
    return "approved" if enough and standing.handling.approver in _ranks(standing.person) else "endorsed"


def since_edit(case: Case) -> tuple[Event, ...]:
    """Return the events about the text that stands."""
    edits = [number for number, event in enumerate(case.events) if event.kind == "edited"]
    return case.events[edits[-1] + 1 if edits else 0 :]


def approvers(case: Case, standing: Standing) -> frozenset[str]:
    """Return whose eyes have approved the text that stands."""
    return frozenset(standing.identity(event.actor) for event in since_edit(case) if event.kind == "endorsed")


def flagged(case: Case) -> bool:
    """Tell whether the text that stands says what the evidence does not support, and nobody accepted that."""
    return not case.verdict.passed and all(event.kind != "accepted" for event in since_edit(case))


def _ranks(person: Person) -> frozenset[str]:
    """Return the roles a person can stand for: who is an approver is a reviewer too."""
    return frozenset({*person.roles, "reviewer"} if "approver" in person.roles else person.roles)


def _needs(person: Person, role: str, why: str) -> ForetellError | None:
    if role in _ranks(person):
        return None
    return DecisionError(f"{why}: it needs the role {role}", f"let somebody who has the role {role} decide")
