"""The policy's page: what is in force, what is proposed and would change, and the form to propose it."""

import json
import re
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response

from foretell.cases.foresight import LOOKED_AT, NOW, Effect, effect
from foretell.cases.people import Person
from foretell.cases.policy import APPROVERS, MOST_APPROVALS, Policy, PolicyRule, as_data, policy_of
from foretell.errors import DecisionError, ForetellError
from foretell.serving.admin_pages import Short, status_for
from foretell.serving.house import House
from foretell.serving.pages import Form, go, press, render
from foretell.serving.policy_form import ENDS, Draft, changed, data_of, drawn, typed
from foretell.serving.security import TheHouse, Who
from foretell.units import percent

NOTICES: Mapping[str, str] = {
    "proposed": "The policy is proposed; another administrator must confirm it.",
    "confirmed": "The policy is in force.",
    "withdrawn": "The proposal is withdrawn.",
}
WORDS: Mapping[str, str] = {
    "audit_share": "Of what is released automatically, people see",
    "blind_share": "Judged before the score is shown",
    "hourly_limit": "Decisions of one person within an hour",
    "lease_minutes": "A claimed case stays with its reviewer for",
    "reasons": "Reasons of a rejection",
    "salt": "What the samples are drawn by",
}
OTHERWISE: Mapping[str, str] = {
    "approvals": "another number of approvals",
    "approver": "another role for the last approval",
    "blind": "judged before the score is shown, or no longer",
    "team": "another team",
    "due_hours": "another time to decide",
    "released": "released without a person, or no longer",
}


def show(request: Request, house: TheHouse, who: Who, done: Short = "") -> Response:
    """Show the policy in force and what is proposed."""
    return _page(request, house, who, drawn(house.store.policy()), notice=NOTICES.get(done, ""))


def propose(request: Request, house: TheHouse, who: Who, form: Form) -> Response:
    """Propose a policy; or change the form, or say what the policy would change."""
    what, reason, text = form.get("do", ""), form.get("reason", ""), form.get("policy", "")
    draft = drawn(house.store.policy()) if text else typed(form)
    changed(draft, what)
    if not text and what not in ("propose", "try"):
        return _page(request, house, who, draft, reason=reason)
    try:
        data = _read(text) if text else data_of(draft)
        if what == "try":
            tried = effect(house.store, policy_of(data))
            return _page(request, house, who, draft, reason=reason, tried=tried)
        house.governance.propose(who.name, data, reason)
    except ForetellError as problem:
        return _page(request, house, who, draft, problem=problem, text=text, reason=reason)
    return go("/policy?done=proposed")


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DecisionError(f"the policy is no JSON: {error}", "compare it with the one in force") from error


def close(request: Request, house: TheHouse, who: Who, form: Form) -> Response:
    """Confirm a proposal, or withdraw it."""
    ways = {"confirm": house.governance.confirm, "withdraw": house.governance.withdraw}
    try:
        verb = press(form, "proposal", who.name, ways)
    except ForetellError as problem:
        return _page(request, house, who, drawn(house.store.policy()), problem=problem)
    return go(f"/policy?done={'confirmed' if verb == 'confirm' else 'withdrawn'}")


def _page(
    request: Request,
    house: House,
    who: Person,
    draft: Draft,
    *,
    notice: str = "",
    problem: ForetellError | None = None,
    text: str = "",
    reason: str = "",
    tried: Effect | None = None,
) -> Response:
    stands = house.store.policy()
    proposals = house.governance.proposals()
    return render(
        request,
        "policy.html",
        who,
        status=status_for(problem),
        stands=stands,
        settings=settings(stands),
        open=[
            (
                each,
                differences(stands, each.policy),
                effect(house.store, each.policy) if who.may("policy") else None,
            )
            for each in proposals
            if each.state == "proposed"
        ],
        closed=[each for each in proposals if each.state != "proposed"][:20],
        draft=draft,
        fits=fits,
        words=WORDS,
        ends=ENDS,
        approvers=APPROVERS,
        most_approvals=MOST_APPROVALS,
        tried=tried,
        now=NOW,
        otherwise=OTHERWISE,
        looked_at=LOOKED_AT,
        as_text=bool(text),
        text=text or written(stands),
        reason=reason,
        notice=notice,
        problem=problem and _for_people(problem),
    )


def _for_people(problem: ForetellError) -> ForetellError:
    """Return a problem that counts rules as the form does."""
    told = re.sub(r"rules\[(\d+)\]\.?", lambda found: f"rule {int(found[1]) + 1}, ", problem.message)
    return type(problem)(told.replace(", :", ":"), problem.hint)


def fits(rule: PolicyRule) -> list[str]:
    """Return in words what a case must be for a rule to fit it.

    >>> fits(PolicyRule(name="large", alert=True, probability_from=0.5, inputs={"amount": {"from": 5000}}))
    ['alerts', 'score at least 50.0%', 'amount is at least 5000']
    """
    said = []
    if rule.alert is not None:
        said.append("alerts" if rule.alert else "no alerts")
    if rule.abstained is not None:
        said.append(f"{'' if rule.abstained else 'not '}close to the threshold")
    if rule.probability_from > 0:
        said.append(f"score at least {percent(rule.probability_from)}")
    if rule.probability_below <= 1:
        said.append(f"score below {percent(rule.probability_below)}")
    for column, bounds in rule.inputs.items():
        said += [f"{column} {ENDS[end]} {value}" for end, value in bounds.items()]
    return said or ["every case"]


def settings(policy: Policy) -> Mapping[str, str]:
    """Return what holds besides the rules, in words: name -> value."""
    return {
        "audit_share": f"{100 * policy.audit_share:g}%",
        "blind_share": f"{100 * policy.blind_share:g}% of the cases",
        "hourly_limit": f"at most {policy.hourly_limit:,}" if policy.hourly_limit else "no limit",
        "lease_minutes": f"{policy.lease_minutes:g} minutes",
        "reasons": ", ".join(reason.replace("_", " ") for reason in policy.reasons),
        "salt": policy.salt or "–",
    }


def differences(stands: Policy, proposed: Policy) -> list[tuple[str, str, str]]:
    """Return the settings in which two policies differ: in words, as it is and as it would be."""
    before, after = settings(stands), settings(proposed)
    return [
        (words, before[name], after[name]) for name, words in WORDS.items() if before[name] != after[name]
    ]


def written(stands: Policy) -> str:
    """Return a policy as people write it."""
    return json.dumps(as_data(stands), indent=2, ensure_ascii=False)
