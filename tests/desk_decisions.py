"""What people do with cases, for the random walk over a desk: decide, claim, give back; some in races."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from case_material import proposal, texts
from desk_pairs import NAMES, Bypass, Pairs, Told
from foretell.cases.desk import Desk
from foretell.records import Case, Decision

VERBS = ("approve", "approve", "reject", "edit", "escalate", "accept", "judge", "snooze", "ask", "comment")
ADMITS = {
    "open": {*VERBS},
    "escalated": {*VERBS} - {"escalate"},
    "approved": {"edit", "comment"},
    "rejected": {"comment"},
    "released": {"comment", "escalate"},
}
CROOK = " The customer is a known crook."


def first(checks: Mapping[str, bool]) -> str:
    """Return the first reason that holds; nothing when none does."""
    return next((why for why, holds in checks.items() if holds), "")


class Decisions(Pairs):
    """A desk and its cases, and the model of who may decide them."""

    def __init__(self, url: str, seed: int) -> None:
        super().__init__(url, seed)
        self.desk = Desk(self.store)
        self.keys: dict[str, str] = {}
        self.stale: dict[str, str] = {}
        self.decided: list[tuple[str, datetime]] = []
        self.open_cases()

    def open_cases(self) -> None:
        start = len(self.cases)
        rows = [(f"r{number}", self.rng.choice((0.1, 0.4, 0.7, 0.9))) for number in range(start, start + 6)]
        self.store.open_cases([proposal(row, probability) for row, probability in rows])
        for row, probability in rows:
            rule = self._rule(probability)
            self.cases[row] = Told(rule.get("team", ""), probability, text=texts(row, probability)[0])
            if rule.get("release") == "auto":
                self.cases[row].status = "released"

    def _rule(self, probability: float) -> dict[str, Any]:
        for rule in self.policy.get("rules", ()):
            if rule.get("probability_from", 0) <= probability < rule.get("probability_below", 2):
                return rule
        return {}

    def holder(self, told: Told) -> str:
        return told.holder if told.until > self.now else ""

    def sees(self, name: str, told: Told) -> bool:
        person = self.people[name]
        return person.active and (not told.team or told.team in person.teams or "*" in person.teams)

    def decide(self) -> None:
        name, row = self.rng.choice(NAMES), self._row()
        told, verb = self.cases[row], self.rng.choice(VERBS)
        case = self.store.case(row)
        old = self.rng.random() < 0.08 and row in self.stale and self.stale[row] != case.content
        decision = self._decision(name, verb, told, self.stale[row] if old else case.content)
        wanted = "the page was stale" if old else self.refused(name, told, decision)
        self._decide(row, decision, wanted)

    def _decide(self, row: str, decision: Decision, wanted: str) -> None:
        name = decision.actor
        what = f"{name}: {decision.verb} {row} ({self.cases[row].status})"
        self._attempt(what, wanted, row, decision, lambda: self.desk.decide(name, row, decision), name)

    def _attempt(
        self, what: str, wanted: str, row: str, decision: Decision, act: Callable[[], Case], *needed: str
    ) -> bool:
        """Do what becomes a decision, now and then in a race; tell whether it was done.

        Args:
            needed: accounts that must be open for it.
        """
        if not wanted and self.rng.random() < 0.1:
            self._race(what, row, decision, act, *needed)
            return False
        done = self._agree(what, wanted, act)
        if done is None:
            return False
        self.stale[row] = decision.content
        self._after(decision, self.cases[row], done)
        return True

    def _row(self) -> str:
        waiting = [row for row, told in self.cases.items() if told.status in ("open", "escalated")]
        return self.rng.choice(waiting if waiting and self.rng.random() < 0.9 else [*self.cases])

    def _decision(self, name: str, verb: str, told: Told, content: str) -> Decision:
        rng, row = self.rng, next(row for row, each in self.cases.items() if each is told)
        decision = Decision(verb=verb, actor=name, content=content, reason="seen")
        if verb == "reject":
            code = rng.choice(("false_alarm", "false_alarm", "no such code"))
            return replace(decision, detail={"code": code})
        if verb == "judge":
            return replace(decision, detail={"judgement": rng.choice(("positive", "negative"))})
        if verb == "snooze":
            hours = rng.choice((1, 1, -1))
            return replace(decision, detail={"until": (self.now + timedelta(hours=hours)).isoformat()})
        if verb == "ask":
            return replace(decision, detail={"person": rng.choice(NAMES)})
        if verb == "edit":
            text = rng.choice(texts(row, told.probability)[:2]) + (CROOK if rng.random() < 0.3 else "")
            keep = {"unsupported": "keep"} if rng.random() < 0.7 else {}
            return replace(decision, text=text, detail=keep)
        return decision

    def unfit(self, name: str, told: Told, decision: Decision) -> str:
        """Return why nobody's rights help a decision; nothing when it is one for the case as it stands."""
        verb, detail = decision.verb, decision.detail
        asked = detail.get("person", "")
        checks = {
            "the case is closed to it": verb not in ADMITS[told.status],
            "the code is unknown": verb == "reject" and detail["code"] == "no such code",
            "the time is past": verb == "snooze" and detail["until"] < self.now.isoformat(),
            "nobody can be asked so": verb == "ask"
            and (
                self.identity(asked) == self.identity(name)
                or not self.works(asked, "reviewer", "approver")
                or not self.sees(asked, told)
            ),
            "the edit changes nothing": verb == "edit" and decision.text == told.text,
            "the edit does not pass": verb == "edit" and CROOK in decision.text and not detail,
        }
        return first(checks)

    def refused(self, name: str, told: Told, decision: Decision) -> str:
        """Return why the rules refuse somebody a decision; nothing when they admit it."""
        me, verb = self.identity(name), decision.verb
        counted = [1 for who, at in self.decided if who == name and at > self.now - timedelta(hours=1)]
        limit = self.policy.get("hourly_limit", 0)
        final = verb in ("approve", "reject")
        checks = {
            "the case is not theirs to see": not self.sees(name, told),
            "it needs another role": not self.works(
                name, *("approver",) if verb == "accept" else ("reviewer", "approver")
            ),
            "it was escalated": final and told.status == "escalated" and not self.works(name, "approver"),
            "they judged before": verb == "judge" and name in told.judges,
            "somebody else holds it": verb not in ("comment", "ask") and self.holder(told) not in ("", name),
            "it is too fast": final and bool(limit) and len(counted) >= limit,
            "they are to judge first": verb in ("approve", "reject", "edit", "accept")
            and bool(self.policy.get("blind_share"))
            and name not in told.judges,
            "they wrote it": verb in ("approve", "accept") and me in told.editors,
            "nothing is to be accepted": verb == "accept" and not told.flagged,
            "they approved before": verb == "approve" and me in told.endorsers,
            "it says what is not supported": verb == "approve" and told.flagged,
        }
        return first(checks) or self.unfit(name, told, decision)

    def _after(self, decision: Decision, told: Told, done: Case) -> None:
        name, verb = decision.actor, decision.verb
        told.touched = True
        if verb == "edit":
            told.text, told.flagged = decision.text, CROOK in decision.text
            told.editors.add(self.identity(name))
            told.endorsers.clear()
            told.status = "open" if told.status == "approved" else told.status
        elif verb == "approve":
            rule = self._rule(told.probability)
            enough = len(told.endorsers) + 1 >= rule.get("approvals", 1)
            if enough and (rule.get("approver") != "approver" or self.works(name, "approver")):
                told.status = "approved"
            else:
                told.endorsers.add(self.identity(name))
        elif verb in ("reject", "escalate"):
            told.status = f"{verb}ed".replace("eed", "ed")
        elif verb == "accept":
            told.flagged = False
        elif verb == "judge":
            told.judges.add(name)
        if verb in ("approve", "reject"):
            self.decided.append((name, self.now))
        if verb in ("approve", "reject", "edit", "escalate", "snooze"):
            told.holder = ""
        if done.status != told.status:
            raise Bypass(f"after {name}: {verb} the case is {done.status}, not {told.status}")

    def _race(self, what: str, row: str, decision: Decision, act: Callable[[], Any], *needed: str) -> None:
        """Give the case to somebody else, or close an account, between their reading and their writing."""
        told = self.cases[row]
        others = [
            each for each in ("eve", "dan") if each not in needed and self.works(each, "reviewer", "approver")
        ]
        free = decision.verb in ("comment", "ask") or told.status not in ("open", "escalated")
        if free or not others or self.holder(told) or not self.sees(others[0], told):
            self._close(what, self.rng.choice(needed), act)
            return
        self.meanwhile = lambda: self.desk.claim(others[0], row)
        self._agree(f"{what}, in a race", "somebody else took it meanwhile", act)
        self.desk.release(others[0], row)

    def _close(self, what: str, name: str, act: Callable[[], Any]) -> None:
        """Close an account between their reading and their writing, and open it again."""
        if not self._administrator(name):
            return
        closed = replace(self.people[name], active=False)
        self.meanwhile = lambda: self.accounts.save(self._administrator(name), closed)
        self._agree(f"{what}, as {name} was closed", "the account was closed meanwhile", act)
        self._reopen(name)

    def _reopen(self, name: str) -> None:
        """Close an account, and leave it as it was before."""
        if administrator := self._administrator(name):
            self.accounts.save(administrator, replace(self.people[name], active=False))
            self.accounts.save(administrator, self.people[name])
            self._forget(name)

    def _forget(self, name: str) -> None:
        """Forget what ends with an account and does not come back with it."""
        self.keys = {secret: who for secret, who in self.keys.items() if who != name}

    def _administrator(self, name: str) -> str:
        """Return an administrator who may change an account."""
        found = (each for each in ("root", "ada") if self.identity(name) != each and self.people[each].active)
        return next(found, "")

    def claim(self) -> None:
        name, row = self.rng.choice(NAMES), self._row()
        told = self.cases[row]
        wanted = (
            ("not theirs to see" if not self.sees(name, told) else "")
            or ("it needs another role" if not self.works(name, "reviewer", "approver") else "")
            or ("it is decided" if told.status not in ("open", "escalated") else "")
            or ("somebody else holds it" if self.holder(told) not in ("", name) else "")
        )
        done = self._agree(f"{name}: claim {row}", wanted, lambda: self.desk.claim(name, row))
        if done is not None:
            told.holder, told.until = name, datetime.fromisoformat(done)

    def release(self) -> None:
        name, row = self.rng.choice(NAMES), self._row()
        self.desk.release(name, row)
        if self.cases[row].holder == name:
            self.cases[row].holder = ""
