"""A case's page: all that speaks for and against it, and the forms by which it is decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from fastapi import Request, Response

from foretell.cases.case import narrative_from
from foretell.cases.desk import Shown, blind_facts
from foretell.cases.people import Person
from foretell.cases.permits import PERMITTED_MINUTES
from foretell.cases.registry import Registry
from foretell.cases.rules import JUDGEMENTS, Standing, refusal
from foretell.cases.truths import question_of
from foretell.errors import AccessError, DecisionError, ForetellError, VerdictError
from foretell.investigation import Investigator
from foretell.narration.answers import INTENTS, LONGEST_QUESTION, Answer, intents
from foretell.records import OMITTED, REFUSED, Case, Decision
from foretell.report import timelines_of
from foretell.report.contents import Example
from foretell.report.views import Sentence, sentences
from foretell.serving.api import CaseId
from foretell.serving.faults import status_of
from foretell.serving.house import House
from foretell.serving.pages import Form, Typed, go, press, render
from foretell.serving.queue_page import (
    NOTICES,
    case_address,
    due_words,
    onward,
    query_of,
    queue_address,
    text_of,
)
from foretell.serving.security import TheHouse, Who, check_form
from foretell.verification.grammar import language_of
from foretell.verification.verdict import verify

SNOOZES: Mapping[str, str] = {"1": "1 hour", "4": "4 hours", "24": "1 day", "72": "3 days", "168": "1 week"}
ONWARD = frozenset({"approve", "reject", "escalate", "snooze"})
"""What sends its author on to the next case."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A form that was not taken, with what was typed into it and what was found in it."""

    error: ForetellError
    typed: Mapping[str, str]
    stale: bool = False
    """The case's content has changed since the form was drawn."""
    findings: list[Sentence] = field(default_factory=list)
    """The sentences of an edited text, as the verifier read them."""
    omitted: list[str] = field(default_factory=list)
    """What an edited text leaves out."""


def show(
    request: Request,
    house: TheHouse,
    who: Who,
    case_id: CaseId,
    queue: str = "",
    done: str = "",
    about: str = "",
    ask: str = "",
) -> Response:
    """Show a case with the forms that the person may send now, and the answer to a question about it."""
    shown, question = house.desk.case(who.name, case_id), " ".join(ask.split())[:LONGEST_QUESTION]
    answer = Investigator(house.store, who.name).ask(case_id, question)[0] if question else None
    return _page(request, house, who, shown, queue, done=done, about=about, answer=answer)


def act(request: Request, house: TheHouse, who: Who, case_id: CaseId, form: Typed) -> Response:
    """Do what a form asks; a refusal comes back with what was typed."""
    query, verb = query_of(form.get("queue", "")), form.get("verb", "")
    shown = house.desk.case(who.name, case_id)
    try:
        check_form(request, form.get("token", ""))
        if verb in ("permit", "decline"):
            return _answered(request, house, who, shown, form)
        if verb in ("claim", "release"):
            (house.desk.claim if verb == "claim" else house.desk.release)(who.name, case_id)
            return go(case_address(case_id, query, verb))
        decided = house.desk.decide(who.name, case_id, _decision(who, form, house.store.now()))
    except (AccessError, DecisionError, VerdictError) as error:
        refused = _refused(shown.case, who, form, error)
        return _page(request, house, who, shown, form.get("queue", ""), refused=refused)
    if verb in ONWARD:
        endorsed = decided.events[-1].kind == "endorsed"
        return onward(house, who, query, "endorsed" if endorsed else verb, case_id)
    kept = verb == "edit" and not decided.verdict.passed
    return go(case_address(case_id, query, "kept" if kept else verb))


def erase(house: TheHouse, who: Who, case_id: CaseId, form: Form) -> Response:
    """Erase a case's content for good, for who says twice that it shall be."""
    if form.get("sure") != "yes":
        raise DecisionError("nothing was erased", "say in the form that it shall be erased for good")
    house.desk.erase(who.name, case_id)
    return go(queue_address(query_of(form.get("queue", "")), "erased", case_id))


def _answered(request: Request, house: House, who: Person, shown: Shown, form: Mapping[str, str]) -> Response:
    """Permit or decline what a program suggests; a permit's token is shown this once."""
    if "authorization" in request.headers:
        raise AccessError("a key permits nothing", "sign in at the desk, where a person permits it")
    case_id, token = shown.case.id, ""

    def permit(by: str, number: int) -> None:
        nonlocal token
        token = house.permits.permit(by, case_id, number)

    ways = {"permit": permit, "decline": lambda by, number: house.permits.decline(by, case_id, number)}
    pressed = press({**form, "do": form.get("verb", "")}, "suggestion", who.name, ways)
    if pressed == "decline":
        return go(case_address(case_id, query_of(form.get("queue", "")), pressed))
    shown = house.desk.case(who.name, case_id)
    return _page(request, house, who, shown, form.get("queue", ""), permitted=token)


def _decision(who: Person, form: Mapping[str, str], now: datetime) -> Decision:
    """Return the decision that a form stands for."""
    verb, truth = form.get("verb", ""), {"truth": form["truth"].strip()} if form.get("truth") else {}
    detail = {
        "approve": truth,
        "reject": {"code": form.get("code", ""), **truth},
        "judge": {**truth, **({"judgement": form["judgement"]} if form.get("judgement") else {})},
        "ask": {"person": form.get("person", "")},
        "edit": {"unsupported": "keep"} if form.get("unsupported") == "keep" else {},
    }.get(verb, {})
    if verb == "snooze":
        hours = form.get("hours", "")
        later = (now + timedelta(hours=int(hours))).isoformat() if hours in SNOOZES else ""
        detail = {"until": f"{form['until']}+00:00" if form.get("until") else later}
    return Decision(
        verb=verb,
        actor=who.name,
        content=form.get("content", ""),
        reason=form.get("reason", "").strip().replace("\r\n", "\n"),
        text=form.get("text", "") if verb == "edit" else "",
        detail=detail,
    )


def _refused(case: Case, who: Person, form: Mapping[str, str], error: ForetellError) -> Refused:
    stale = form.get("content", "") != case.content
    if not isinstance(error, VerdictError):
        return Refused(error, form, stale=stale)
    draft = narrative_from(form.get("text", ""), writer=who.name, length=case.narrative.length)
    verdict = verify(draft, case.evidence)
    omitted = [found.fault for found in verdict.findings if found.status == OMITTED and found.fault]
    ruled = any(found.status == REFUSED for found in verdict.findings)
    broken = VerdictError("the text breaks a rule of the owner", "change what the form marks")
    plain = VerdictError(
        "the evidence does not support every sentence",
        "change what the form marks, or keep it for a second person to accept",
    )
    return Refused(
        broken if ruled else plain,
        form,
        stale=stale,
        findings=sentences(replace(case, narrative=draft, verdict=verdict)),
        omitted=omitted,
    )


def _page(
    request: Request,
    house: House,
    who: Person,
    shown: Shown,
    queue: str,
    *,
    done: str = "",
    about: str = "",
    refused: Refused | None = None,
    permitted: str = "",
    answer: Answer | None = None,
) -> Response:
    query = query_of(queue)
    case = blind(shown.case) if shown.hidden else shown.case
    terms = {fact.name: str(fact.value) for fact in shown.case.evidence.of("term")}
    standing = house.desk.standing(who.name, _probe(who, case), case)
    others = _others(standing)
    now = house.store.now()
    return render(
        request,
        "file.html",
        who,
        status=200 if refused is None else status_of(refused.error),
        shown=shown,
        case=case,
        model=Registry(house.store).find(case.prediction.model),
        example=Example(case=case, timelines=() if shown.hidden else timelines_of(case)),
        row_text=terms.get("row", "row"),
        outcome_text=terms.get("outcome", "fit for release" if case.evidence.of("generated") else "positive"),
        question=question_of(shown.case),
        due=due_words(shown.due_at, now),
        refusals=refusals(who, shown.case, standing, others),
        others=others,
        reasons=standing.reasons,
        snoozes=SNOOZES,
        refused=refused,
        typed=refused.typed if refused is not None else {},
        notice=NOTICES.get(done, ""),
        about=about[:200],
        suggestions=[(one, house.permits.against(who.name, case, one)) for one in shown.suggested],
        permitted=permitted,
        minutes=PERMITTED_MINUTES,
        answer=answer,
        answered=answered(case, answer),
        questions=offered(language_of(case.evidence)),
        queue=text_of(replace(query, after="")),
        back=queue_address(replace(query, after="")),
        here=case_address(case.id, query),
        workable=case.status in ("open", "escalated") and who.may("claim"),
    )


def offered(language: str = "en") -> list[str]:
    """Return what one is reminded of that can be asked: questions without a case or a value in them."""
    known = intents(language)[: len(INTENTS)]
    return [each.example for each in known if not {"whatif", "compare"} & {*each.tools}]


def answered(case: Case, answer: Answer | None) -> Case | None:
    """Return a case that says what answers a question, to be shown as its text is; None without sentences."""
    if answer is None or not answer.narrative.claims:
        return None
    return replace(case, evidence=answer.evidence, narrative=answer.narrative, verdict=answer.verdict)


def blind(case: Case) -> Case:
    """Return a case with the facts alone that do not tell its score."""
    kept = tuple(fact for fact in blind_facts(case.evidence) if fact.kind != "term")
    return replace(case, evidence=replace(case.evidence, facts=kept))


def _probe(who: Person, case: Case) -> Decision:
    return Decision(verb="comment", actor=who.name, content=case.content, reason="a question of what may be")


def _others(standing: Standing) -> list[str]:
    """Return who could be asked to look at the case."""
    mine = standing.person.identity
    return sorted(name for name in standing.colleagues if standing.identity(name) != mine)


def refusals(
    who: Person, case: Case, standing: Standing, others: list[str]
) -> Mapping[str, ForetellError | None]:
    """Return for each verb why the person could not decide so now; None: they could."""
    probe = _probe(who, case)
    asked: Mapping[str, Mapping[str, Any]] = {
        "approve": {},
        "reject": {"detail": {"code": standing.reasons[0]}},
        "edit": {"text": f"{case.narrative.text} And more."},
        "escalate": {},
        "accept": {},
        "judge": {"detail": {"judgement": JUDGEMENTS[0]}},
        "ask": {"detail": {"person": others[0] if others else ""}},
        "snooze": {"detail": {"until": (standing.now + timedelta(hours=1)).isoformat()}},
        "comment": {},
    }
    return {verb: refusal(case, replace(probe, verb=verb, **more), standing) for verb, more in asked.items()}
