"""The HTTP API: one function per route, each a thin hand to the desk, the accounts or the governance."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal

from fastapi import Query as Parameter
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from foretell.cases.accounts import Key
from foretell.cases.case import narrative_from
from foretell.cases.desk import Shown, blind_facts
from foretell.cases.governance import Proposal
from foretell.cases.inspection import LogReport
from foretell.cases.people import Person
from foretell.cases.planted import MOST_PLANTED
from foretell.cases.policy import as_data
from foretell.cases.queue import COUNTED, MOST_LINES, Query
from foretell.cases.rules import JUDGEMENTS
from foretell.errors import DecisionError
from foretell.records import Case, Decision, canonical, plain
from foretell.serving.security import COOKIE, TheHouse, Who, same_site
from foretell.verification.verdict import verify

CaseId = Annotated[str, Parameter(alias="id", max_length=200, description="The case's id.")]
Text = Annotated[str, Field(max_length=20_000)]
Short = Annotated[str, Field(max_length=200)]


class Json(JSONResponse):
    """Canonical JSON: the same record always has the same bytes."""

    def render(self, content: Any) -> bytes:
        return canonical(content)


DETAIL = (
    "What a verb asks for: `code` to reject, `judgement` to judge, `until` to snooze, `person` to ask; "
    "`truth` to approve, reject or judge: which class or number it was, where there are no two outcomes; "
    "`unsupported: keep` to edit although the verifier denies the text."
)


class Body(BaseModel):
    """What a request brings; fields that are not known are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Said(BaseModel):
    """What happened, and one thing to do about it."""

    message: str
    hint: str


class Problem(BaseModel):
    """Every answer that is no success."""

    error: Said


class SignIn(Body):
    name: Short
    password: Annotated[str, Field(max_length=1000)]


class NewPassword(Body):
    old: Annotated[str, Field(max_length=1000)]
    new: Annotated[str, Field(max_length=1000)]


class Decided(Body):
    verb: Short
    content: Short = Field(description="Digest of the content that was seen.")
    reason: Text = ""
    text: Text = ""
    detail: dict[Short, Short] = Field(default_factory=dict, max_length=8, description=DETAIL)


class Acted(Decided):
    token: Short = Field(description="By which a person permitted it.")


class Draft(Body):
    text: Text


class View(Body):
    name: Short
    query: Annotated[str, Field(max_length=2000)] = ""


class Account(Body):
    name: Short
    roles: list[Short] = Field(default_factory=lambda: ["viewer"], max_length=8)
    teams: list[Short] = Field(default_factory=list, max_length=100)
    owner: Short = ""
    active: bool = True
    password: Annotated[str, Field(max_length=1000)] = ""


class NewKey(Body):
    person: Short
    days: int = 90


class Proposed(Body):
    policy: dict[str, Any]
    reason: Text = ""


class Answers(Body):
    answers: dict[Short, Literal["positive", "negative"]] = Field(min_length=1, max_length=MOST_PLANTED)


def health(house: TheHouse) -> dict[str, str]:
    """Tell that the store can be read."""
    house.store.head()
    return {"status": "ok"}


def sign_in(house: TheHouse, request: Request, body: SignIn) -> Response:
    """Begin a session; its token comes as a cookie that scripts cannot read."""
    same_site(request)
    return with_session(Json({"name": body.name}), request, house.accounts.sign_in(body.name, body.password))


def with_session(response: Response, request: Request, token: str) -> Response:
    """Give a session's token to the browser."""
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, token, path="/", httponly=True, secure=secure, samesite="strict")
    return response


def sign_out(house: TheHouse, request: Request) -> Response:
    """End the session."""
    house.accounts.sign_out(request.cookies.get(COOKIE, ""))
    response = Json({})
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


def me(who: Who) -> Person:
    """Return who is signed in."""
    return answer(who)


def set_password(house: TheHouse, who: Who, body: NewPassword) -> dict[str, str]:
    """Change one's own password; every session of the account ends."""
    house.accounts.set_password(who.name, body.old, body.new)
    return answer({})


def cases(
    house: TheHouse,
    who: Who,
    status: str = "open",
    sort: str = "oldest",
    team: str = "",
    mine: bool = False,
    asked: bool = False,
    flagged: bool = False,
    snoozed: bool = False,
    text: str = "",
    after: str = "",
    limit: Annotated[int, Parameter(ge=1, le=MOST_LINES)] = 50,
) -> dict[str, Any]:
    """Return one page of the queue; `next`, given back as `after`, asks for the next one."""
    query = Query(
        status=status, sort=sort, team=team, mine=mine, asked=asked, flagged=flagged, snoozed=snoozed,
        text=text, after=after, limit=limit,
    )  # fmt: skip
    found = house.desk.queue(who.name, query)
    count = house.desk.count(who.name, query)
    return answer(
        {"lines": found.lines, "next": found.next, "cut": found.cut, "count": count, "counted_up_to": COUNTED}
    )


def case(house: TheHouse, who: Who, case_id: CaseId) -> dict[str, Any]:
    """Return a case with its text, evidence, verdict and history."""
    return answer(seen(house.desk.case(who.name, case_id)))


def seen(shown: Shown) -> dict[str, Any]:
    """Return what a person may see of a case: without score and reasons while they are to judge first."""
    told = {item.name: getattr(shown, item.name) for item in fields(shown) if item.name != "case"}
    return {**told, "case": blinded(shown.case) if shown.hidden else shown.case}


def blinded(case: Case) -> dict[str, Any]:
    """Return a case without its score, and without what was said because of it."""
    prediction = plain(case.prediction)
    for name in ("probability", "logit", "threshold", "alert", "abstained"):
        del prediction[name]
    return {
        "id": case.id,
        "status": case.status,
        "opened_at": case.opened_at,
        "content": case.content,
        "prediction": prediction,
        "evidence": {"id": case.evidence.id, "facts": blind_facts(case.evidence)},
        "events": case.events,
    }


def decide(house: TheHouse, who: Who, case_id: CaseId, body: Decided) -> dict[str, str]:
    """Approve, edit, reject, escalate, accept, judge, snooze, ask or comment; durable when answered."""
    return after(house.desk.decide(who.name, case_id, decision_of(who, body)))


def decision_of(who: Person, body: Decided) -> Decision:
    """Return the decision that a request's body stands for."""
    told = {name: getattr(body, name) for name in ("verb", "content", "reason", "text", "detail")}
    return Decision(actor=who.name, **told)


def after(case: Case) -> dict[str, str]:
    """Return what a case is after a decision."""
    return answer({"id": case.id, "status": case.status, "content": case.content})


def suggest(house: TheHouse, who: Who, case_id: CaseId, body: Decided) -> dict[str, int]:
    """Suggest what a person may permit at the desk; nothing is decided by it."""
    return answer({"suggestion": house.permits.suggest(who.name, case_id, decision_of(who, body))})


def act(house: TheHouse, who: Who, case_id: CaseId, body: Acted) -> dict[str, str]:
    """Do what a person permitted, exactly as it was suggested; durable when answered."""
    return after(house.permits.act(who.name, case_id, decision_of(who, body), body.token))


def check(house: TheHouse, who: Who, case_id: CaseId, body: Draft) -> dict[str, Any]:
    """Return what the verifier says of a text as it is being written; nothing is stored."""
    shown = house.desk.case(who.name, case_id)
    if shown.hidden:  # what the verifier expects would tell the score
        raise DecisionError("the case asks for your own judgement first", "judge it, then edit")
    narrative = narrative_from(body.text, writer=who.name, length=shown.case.narrative.length)
    return answer({"text": narrative.text, "verdict": verify(narrative, shown.case.evidence)})


def claim(house: TheHouse, who: Who, case_id: CaseId) -> dict[str, str]:
    """Take a case, or stay with it."""
    return answer({"id": case_id, "until": house.desk.claim(who.name, case_id)})


def release(house: TheHouse, who: Who, case_id: CaseId) -> dict[str, str]:
    """Give a case back."""
    house.desk.release(who.name, case_id)
    return answer({})


def next_case(house: TheHouse, who: Who, status: Literal["open", "escalated"] = "open", sort: str = "oldest",
              team: str = "") -> dict[str, str]:  # fmt: skip
    """Claim the first case that nobody holds; the id is empty when there is none."""
    return answer({"id": house.desk.next_case(who.name, Query(status=status, sort=sort, team=team))})


def erase(house: TheHouse, who: Who, case_id: CaseId) -> dict[str, str]:
    """Erase what is known of a case for good; the log stays whole."""
    house.desk.erase(who.name, case_id)
    return answer({})


def views(house: TheHouse, who: Who) -> Mapping[str, str]:
    """Return one's saved views."""
    return answer(house.desk.views(who.name))


def save_view(house: TheHouse, who: Who, body: View) -> dict[str, str]:
    """Save a view, or forget it when its query is empty."""
    house.desk.save_view(who.name, body.name, body.query)
    return answer({})


def people(house: TheHouse, who: Who) -> tuple[Person, ...]:
    """Return everybody who has an account."""
    return answer(house.accounts.people(who.name))


def save_person(house: TheHouse, who: Who, body: Account) -> dict[str, str]:
    """Make an account, or change one."""
    person = Person(
        name=body.name,
        roles=tuple(body.roles),
        teams=tuple(body.teams),
        owner=body.owner,
        active=body.active,
    )
    house.accounts.save(who.name, person, body.password)
    return answer({})


def keys(house: TheHouse, who: Who) -> tuple[Key, ...]:
    """Return one's keys, without their secrets."""
    return answer(house.accounts.keys(who.name))


def make_key(house: TheHouse, who: Who, body: NewKey) -> dict[str, str]:
    """Make a key; its secret is shown this once."""
    return answer({"secret": house.accounts.make_key(who.name, body.person, body.days)})


def revoke_key(house: TheHouse, who: Who, key: Annotated[str, Parameter(max_length=200)]) -> dict[str, str]:
    """End a key."""
    house.accounts.revoke_key(who.name, key)
    return answer({})


def policy(house: TheHouse) -> dict[str, Any]:
    """Return the policy in force."""
    return answer(as_data(house.store.policy()))


def proposals(house: TheHouse) -> tuple[Proposal, ...]:
    """Return all policies that were proposed, the newest first."""
    return answer(house.governance.proposals())


def propose(house: TheHouse, who: Who, body: Proposed) -> dict[str, int]:
    """Propose a policy."""
    return answer({"proposal": house.governance.propose(who.name, body.policy, body.reason)})


def confirm(house: TheHouse, who: Who, proposal: int) -> dict[str, str]:
    """Put a policy into force that another administrator proposed."""
    house.governance.confirm(who.name, proposal)
    return answer({})


def withdraw(house: TheHouse, who: Who, proposal: int) -> dict[str, str]:
    """Take a proposal back."""
    house.governance.withdraw(who.name, proposal)
    return answer({})


def planted(house: TheHouse, who: Who) -> Mapping[str, str]:
    """Return the planted cases with their true outcomes."""
    return answer(outcomes(house.planting.answers(who.name)))


def outcomes(answers: Mapping[str, bool]) -> dict[str, str]:
    """Return the answers in the words in which they are given."""
    return {case_id: JUDGEMENTS[0 if positive else 1] for case_id, positive in answers.items()}


def plant(house: TheHouse, who: Who, body: Answers) -> dict[str, str]:
    """Seal the true outcomes of cases that nobody has touched yet."""
    answers = {case_id: said == JUDGEMENTS[0] for case_id, said in body.answers.items()}
    house.planting.plant(who.name, answers)
    return answer({})


def head(house: TheHouse) -> dict[str, Any]:
    """Return where the log ends; noted elsewhere, it proves later that nothing before was touched."""
    found = house.store.head()
    return answer({"seq": found.seq, "digest": found.digest, "head": str(found)})


def check_log(
    house: TheHouse, head: Annotated[str, Parameter(pattern=r"^(\d{1,18}:[0-9a-f]{64})?$")] = ""
) -> LogReport:
    """Check the whole log, and that it holds a head that was noted earlier."""
    return answer(house.store.verify_log(head))


def answer(record: Any) -> Any:
    """Return a record as the endpoint's annotation describes it."""
    return Json(record)
