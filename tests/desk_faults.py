"""Faults of authorisation, each planted by one change to the desk; the random walk must find every one."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from foretell.cases import (
    accounts,
    desk,
    endpoints,
    entries,
    governance,
    outbox,
    people,
    permits,
    planted,
    promotion,
    queue,
    rules,
    standing,
    store,
    tables,
)
from foretell.cases.ledger import nothing_against
from foretell.cases.people import Person
from foretell.cases.policy import Policy, PolicyRule
from foretell.errors import ForetellError

Plant = Callable[[pytest.MonkeyPatch], None]


def without(rule: Any) -> Plant:
    """A rule is not asked."""
    kept = tuple(each for each in rules.RULES if each is not rule)
    return lambda patch: patch.setattr(rules, "RULES", kept)


def also(what: str, role: str) -> Plant:
    """A role may do what it may not."""
    wider = {**people.PERMISSIONS, what: people.PERMISSIONS[what] | {role}}

    def plant(patch: pytest.MonkeyPatch) -> None:
        for module in (people, standing):
            patch.setattr(module, "PERMISSIONS", wider)

    return plant


def instead(owner: Any, name: str, value: Any) -> Plant:
    """Something is replaced."""
    return lambda patch: patch.setattr(owner, name, value)


def handled(**more: Any) -> Plant:
    """Every case is handled otherwise than the policy says."""
    right = Policy.handling
    return instead(Policy, "handling", lambda self, prediction: replace(right(self, prediction), **more))


def stands(**more: Any) -> Plant:
    """Something else seems to hold around a decision."""
    right = standing.standing_of

    def wrong(*args: Any) -> Any:
        return replace(right(*args), **more)

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(store, "standing_of", wrong)
        patch.setattr(standing, "standing_of", wrong)  # it is asked once more as the event is written

    return plant


def _stale_roster(patch: pytest.MonkeyPatch) -> None:
    """Accounts and policy are read once and never again."""
    right, kept = standing.roster, {}

    def wrong(connection: Any) -> Any:
        found = right(connection)
        if len(found.accounts) < 9:
            return found
        return kept.setdefault(id(connection.engine.pool), found)

    for module in (standing, desk):
        patch.setattr(module, "roster", wrong)
    patch.setattr(desk, "roster", wrong)


def _closed_work(patch: pytest.MonkeyPatch) -> None:
    """Nobody asks whether an account is closed."""
    right = people.permitted
    for module in (rules, desk):
        patch.setattr(module, "permitted", lambda person, what: right(replace(person, active=True), what))
    sees = Person.sees
    patch.setattr(Person, "sees", lambda self, team: sees(replace(self, active=True), team))


def _stolen(self: desk.Desk, connection: Any, name: str, case_id: str) -> str:
    """A claim takes the case from whoever holds it."""
    connection.execute(queue.leases.delete().where(queue.leases.c.case_id == case_id))
    return _LEASE(self, connection, name, case_id)


def _told_early(patch: pytest.MonkeyPatch) -> None:
    """Endpoints are told from their proposal on."""
    patch.setattr(endpoints, "NO_CLOCK", "")
    right = endpoints.listed
    patch.setattr(
        outbox, "listed", lambda *it: tuple(replace(each, state="confirmed") for each in right(*it))
    )


def _told_more(**more: Any) -> Plant:
    """Endpoints are told of what is not for them."""
    wrong = lambda connection, endpoint, after: _MESSAGES(connection, replace(endpoint, **more), after)  # noqa: E731
    return instead(outbox, "_messages", wrong)


def _any_confirmed(connection: Any) -> Any:
    return tuple(replace(each, state="proposed") for each in _PROPOSALS(connection))


def _anybody(connection: Any, name: str) -> Person:
    """Every name is a person of its own, whoever owns it."""
    return replace(standing.known_person(connection, name), owner="")


def acting(plant: Plant) -> Plant:
    """A fault that is there only while a program acts."""

    def wrong(self: permits.Permits, *it: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            plant(patch)
            return _ACT(self, *it)

    return instead(permits.Permits, "act", wrong)


def whatever(*fields: str) -> Plant:
    """A token permits what differs in these fields from what was suggested."""

    def wrong(one: permits.Suggestion, decision: Any) -> Any:
        return _OTHERWISE(one, replace(decision, **{name: getattr(one.decision, name) for name in fields}))

    return instead(permits, "_otherwise", wrong)


def _anybodys(self: permits.Permits, by: str, case_id: str, secret: str) -> permits.Suggestion:
    """A token serves whoever has it."""
    for event in self._store.case(case_id).events:
        if event.kind == "suggested":
            with suppress(ForetellError):
                one = _PERMITTED(self, event.actor, case_id, secret)
                return replace(one, decision=replace(one.decision, actor=by))
    return _PERMITTED(self, by, case_id, secret)


def _unjudged(connection: Any, case: Any, decision: Any, now: Any) -> Any:
    """Who permits is asked what who decides is asked, and not whether they are still to judge."""
    return rules.refusal(
        case, decision, standing.standing_of(connection, case, decision, decision.actor, now)
    )


def _suggestions_shown(self: desk.Desk, name: str, case_id: str) -> desk.Shown:
    shown = _CASE(self, name, case_id)
    return replace(shown, suggested=self._suggested(shown.case))


_LEASE = desk.Desk._lease
_PROPOSALS = governance.Governance._proposals
_CASE = desk.Desk.case
_MESSAGES = outbox._messages
_PARTS = queue._parts
_ACT, _PERMITTED = permits.Permits.act, permits.Permits._permitted
_OTHERWISE, _THEIRS = permits._otherwise, permits._not_theirs

_ANY = select(tables.cases.c.id, tables.cases.c.alert)
"""Cases that may be planted, where nobody asks whether they wait untouched."""

FAULTS: dict[str, Plant] = {
    "anybody decides anything": without(rules.known),
    "a stale page decides": without(rules.current),
    "a closed case is decided": without(rules.admitted),
    "an edit changes nothing": without(rules.complete),
    "a decision lacks its details": without(rules.detailed),
    "a held case is decided": without(rules.held),
    "no pace is too fast": without(rules.unhurried),
    "nobody judges first": without(rules.own_judgement),
    "authors approve": without(rules.four_eyes),
    "flagged texts are approved": without(rules.supported),
    "viewers approve": also("approve", "viewer"),
    "viewers reject": also("reject", "viewer"),
    "viewers edit": also("edit", "viewer"),
    "viewers escalate": also("escalate", "viewer"),
    "viewers judge": also("judge", "viewer"),
    "viewers comment": also("comment", "viewer"),
    "viewers snooze": also("snooze", "viewer"),
    "viewers ask": also("ask", "viewer"),
    "viewers claim": also("claim", "viewer"),
    "viewers change accounts": also("people", "viewer"),
    "viewers change the policy": also("policy", "viewer"),
    "reviewers accept": also("accept", "reviewer"),
    "reviewers change accounts": also("people", "reviewer"),
    "reviewers change the policy": also("policy", "reviewer"),
    "approvers change accounts": also("people", "approver"),
    "approvers change the policy": also("policy", "approver"),
    "viewers plant": also("plant", "viewer"),
    "reviewers plant": also("plant", "reviewer"),
    "approvers plant": also("plant", "approver"),
    "cases in work are planted": instead(planted, "_UNTOUCHED", _ANY),
    "administrators approve": also("approve", "administrator"),
    "administrators claim": also("claim", "administrator"),
    "closed accounts work": _closed_work,
    "every team is seen": instead(Person, "sees", lambda self, team: self.active),
    "second accounts are second people": instead(Person, "identity", property(lambda self: self.name)),
    "the log's actors have no owner": instead(rules.Standing, "identity", lambda self, actor: actor),
    "what changed meanwhile is not asked": instead(store, "unsettled", lambda *args: None),
    "approvals are forgotten": instead(rules, "approvers", lambda case, around: frozenset()),
    "approvals outlive an edit": instead(rules, "since_edit", lambda case: case.events),
    "one approval is enough": instead(
        entries, "kind_of", lambda case, decision, around: rules.KIND_OF[decision.verb]
    ),
    "everybody ranks as approver": instead(
        rules, "_ranks", lambda person: frozenset({"reviewer", "approver"})
    ),
    "escalated cases need nobody": instead(rules, "_needs", lambda person, role, why: None),
    "the policy asks for one approval": handled(approvals=1),
    "the policy asks for no approver": handled(approver="reviewer"),
    "the policy knows no team": handled(team=""),
    "the policy releases all": handled(released=True),
    "the policy hides no score": handled(blind=False),
    "every rule fits": instead(PolicyRule, "fits", lambda self, prediction: True),
    "no claim is seen": stands(holder=""),
    "accounts are read once": _stale_roster,
    "claims are stolen": instead(desk.Desk, "_lease", _stolen),
    "keys are made for anybody": instead(accounts.Accounts, "_owner", lambda self, by, name: nothing_against),
    "proposers confirm": instead(governance, "known_person", _anybody),
    "closed proposals are confirmed": instead(
        governance.Governance, "_proposals", staticmethod(_any_confirmed)
    ),
    "viewers lead events elsewhere": also("webhooks", "viewer"),
    "approvers lead events elsewhere": also("webhooks", "approver"),
    "proposers confirm endpoints": instead(endpoints, "four_eyes", lambda *args: None),
    "closed endpoints are confirmed": instead(
        endpoints.Endpoints,
        "_still",
        staticmethod(lambda connection, by, number, states: governance.may(by, "webhooks")(connection)),
    ),
    "endpoints are told before two allowed them": _told_early,
    "endpoints are told of every team": _told_more(team=""),
    "endpoints are told of every kind": _told_more(kinds=endpoints.KINDS),
    "endpoints are told of planted cases": instead(outbox, "planted_ids", lambda connection: frozenset()),
    "endpoints that stopped are told": instead(outbox, "NO_CLOCK", ""),
    "viewers promote models": also("promote", "viewer"),
    "approvers promote models": also("promote", "approver"),
    "proposers promote models": instead(promotion, "four_eyes", lambda *args: None),
    "models that lost are promoted": instead(promotion, "_against", lambda *args: None),
    "an old proposal takes the model back": instead(promotion, "_last_confirmed", lambda told: ""),
    "the queue shows every team": instead(
        queue, "_parts", lambda person, query, now: _PARTS(replace(person, teams=("*",)), query, now)
    ),
    "the score shows before the judgement": instead(
        desk.Desk, "case", lambda self, name, case_id: replace(_CASE(self, name, case_id), hidden=False)
    ),
    "tokens do not run out": instead(permits, "_run_out", lambda *args: None),
    "tokens are used twice": instead(permits, "_used", lambda *args: None),
    "tokens permit any act": whatever("verb", "text", "detail"),
    "tokens permit any details": whatever("text", "detail"),
    "tokens permit any reason": whatever("reason"),
    "tokens permit an act on another text": whatever("content"),
    "tokens serve anybody": instead(permits.Permits, "_permitted", _anybodys),
    "tokens outlive a closing of the account": instead(permits, "_closed_since", lambda *args: None),
    "programs act on a stale page": acting(without(rules.current)),
    "programs act without four eyes": acting(without(rules.four_eyes)),
    "programs act on held cases": acting(without(rules.held)),
    "programs act past the pace": acting(without(rules.unhurried)),
    "programs act for who may not any more": acting(without(rules.known)),
    "whoever sees a case permits": instead(permits, "_refused", lambda *args: None),
    "programs permit": instead(
        permits,
        "_not_theirs",
        lambda connection, person, one: _THEIRS(connection, replace(person, owner=""), one),
    ),
    "people permit their own programs all": instead(permits, "OTHER_EYES", frozenset()),
    "people permit before they judge": instead(permits, "_refused", _unjudged),
    "what was declined is permitted": instead(permits, "_settled", lambda *args: None),
    "viewers decline": instead(permits, "permitted", lambda person, what: people.permitted(person, "read")),
    "cases of every team are suggested for": instead(permits, "_unseen", lambda *args: None),
    "texts that do not pass are suggested": instead(permits, "decided", lambda *args: None),
    "suggestions show before the judgement": instead(desk.Desk, "case", _suggestions_shown),
    "permits hold for any time": instead(permits, "MOST_MINUTES", 10**6),
}
