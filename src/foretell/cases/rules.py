"""Who may decide what, and when: a table of pure functions, each of which admits or refuses."""

import unicodedata
from collections.abc import Callable, Mapping

from foretell.cases.log import STATUS_AFTER
from foretell.errors import DecisionError
from foretell.lookup import unknown
from foretell.records import OWN, Case, Decision

KIND_OF: Mapping[str, str] = {
    "approve": "approved",
    "edit": "edited",
    "reject": "rejected",
    "escalate": "escalated",
    "comment": "commented",
}
"""What a person does -> the event that tells of it."""

RESERVED = frozenset({"foretell", OWN})
"""What the log and the narratives call the software itself; nobody decides under these names."""

Rule = Callable[[Case, Decision], DecisionError | None]


def known(case: Case, decision: Decision) -> DecisionError | None:
    """A decision has a verb of the table and the name of a person."""
    if decision.verb not in KIND_OF:
        return DecisionError(*unknown("decision", decision.verb, KIND_OF))
    return nobody(decision.actor)


def current(case: Case, decision: Decision) -> DecisionError | None:
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
        f"case '{case.id}' has changed: {edits[-1].actor} edited its narrative at {edits[-1].at}",
        "show the case again and decide on what it says now",
    )


def admitted(case: Case, decision: Decision) -> DecisionError | None:
    """The case's status admits the verb: what is rejected is closed, what is approved can only be edited."""
    if KIND_OF[decision.verb] in STATUS_AFTER[case.status]:
        return None
    last = next(event for event in reversed(case.events) if event.kind == case.status)
    return DecisionError(
        f"case '{case.id}' is closed to '{decision.verb}': {last.actor} {last.kind} it at {last.at}"
        if case.status in ("approved", "rejected")
        else f"case '{case.id}' is {case.status} already, by {last.actor} at {last.at}",
        f"it takes: {', '.join(verb for verb in KIND_OF if KIND_OF[verb] in STATUS_AFTER[case.status])}",
    )


def complete(case: Case, decision: Decision) -> DecisionError | None:
    """An edit brings a new text, a comment says something, nothing else brings a text."""
    if decision.verb != "edit" and decision.text:
        return DecisionError(
            f"'{decision.verb}' does not change the text", "use 'edit' for a new text, and decide after it"
        )
    if decision.verb == "edit" and not decision.text.strip():
        return DecisionError("the edit has no text", "write the narrative as it should be")
    if decision.verb == "edit" and decision.text.strip() == case.narrative.text:
        return DecisionError("the edit changes nothing", "approve the case, or change its text")
    if decision.verb == "comment" and not decision.reason.strip():
        return DecisionError("the comment is empty", "give the comment as the reason")
    return None


def four_eyes(case: Case, decision: Decision) -> DecisionError | None:
    """Nobody approves what they edited."""
    edited = any(event.kind == "edited" and event.actor == decision.actor for event in case.events)
    if decision.verb != "approve" or not edited:
        return None
    return DecisionError(
        f"{decision.actor} edited case '{case.id}' and cannot approve it", "let another person approve it"
    )


RULES: tuple[Rule, ...] = (known, current, admitted, complete, four_eyes)
"""Asked in this order; the first that refuses answers."""


def refusal(case: Case, decision: Decision) -> DecisionError | None:
    """Return why a decision is not admitted, or None when it is."""
    return next((error for rule in RULES if (error := rule(case, decision)) is not None), None)


def nobody(actor: str) -> DecisionError | None:
    """Return why a text cannot stand in the log for a person, or None when it can."""
    if not is_name(actor):
        return DecisionError(
            f"'{actor}' is not the name of a person who decides", "say who decides, in 1 to 200 letters"
        )
    if unicodedata.normalize("NFKC", actor).casefold() in RESERVED:
        return DecisionError(
            f"'{actor}' is the software's own name in the log, and only people decide",
            "say which person decides",
        )
    return None


def is_name(text: str) -> bool:
    """Tell whether a text can name a case or a person: 1 to 200 printable characters, none at the ends blank.

    >>> is_name("4711"), is_name(""), is_name("ann\\n")
    (True, False, False)
    """
    return 0 < len(text) <= 200 and text.isprintable() and text == text.strip()
