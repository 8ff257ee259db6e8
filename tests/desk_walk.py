"""A random walk over a desk beside a plain model of who may do what: the desk must admit and refuse the same.

The model is written from the rules as `docs/desk.md` tells them, not from their code. Each step is one act of
somebody: decide (on what stands, or on a stale page), claim, give back, look, change an account, propose,
confirm or withdraw a policy, an endpoint of webhooks or a model, make and use a key, plant and open cases,
tell endpoints, let time pass; some happen between another's reading and writing.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from case_material import proposal, texts
from desk_pairs import NAMES, Bypass, Pairs, Told
from foretell.cases.desk import Desk
from foretell.cases.people import Person
from foretell.cases.planted import Planting
from foretell.cases.queue import Query
from foretell.errors import ForetellError
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


class Walk(Pairs):
    """A desk, the model of it, and one random act after the other."""

    def __init__(self, url: str, seed: int) -> None:
        super().__init__(url, seed)
        self.desk, self.planting = Desk(self.store), Planting(self.store)
        self.keys: dict[str, str] = {}
        self.stale: dict[str, str] = {}
        self.decided: list[tuple[str, datetime]] = []
        self.open_cases()

    def step(self) -> None:
        """Let somebody do something.

        Raises:
            Bypass: when the desk admits what the model refuses, or the other way round.
        """
        acts = (
            self.decide,
            self.claim,
            self.release,
            self.look,
            self.account,
            self.govern,
            self.key,
            self.plant,
            self.hook,
            self.model,
        )
        act = self.rng.choices(acts, (60, 10, 5, 8, 8, 6, 3, 3, 5, 3))[0]
        act()
        if self.rng.random() < 0.02:
            self.now += timedelta(minutes=self.rng.choice((1, 6, 61)))
        if sum(told.status in ("open", "escalated") for told in self.cases.values()) < 4:
            self.open_cases()

    # Cases

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
        wanted = "the page was stale" if old else self.refused(name, verb, told, decision)
        what = f"{name}: {verb} {row} ({told.status})"
        if not wanted and self.rng.random() < 0.1:
            self._race(name, row, decision, what)
            return
        done = self._agree(what, wanted, lambda: self.desk.decide(name, row, decision))
        if done is None:
            return
        self.stale[row] = case.content
        self._after(name, verb, told, decision, done)

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

    def refused(self, name: str, verb: str, told: Told, decision: Decision) -> str:
        """Return why the rules refuse a decision; nothing when they admit it."""
        me, detail = self.identity(name), decision.detail
        counted = [1 for who, at in self.decided if who == name and at > self.now - timedelta(hours=1)]
        limit = self.policy.get("hourly_limit", 0)
        asked = detail.get("person", "")
        final = verb in ("approve", "reject")
        checks = {
            "the case is not theirs to see": not self.sees(name, told),
            "it needs another role": not self.works(
                name, *("approver",) if verb == "accept" else ("reviewer", "approver")
            ),
            "the case is closed to it": verb not in ADMITS[told.status],
            "it was escalated": final and told.status == "escalated" and not self.works(name, "approver"),
            "the code is unknown": verb == "reject" and detail["code"] == "no such code",
            "they judged before": verb == "judge" and name in told.judges,
            "the time is past": verb == "snooze" and detail["until"] < self.now.isoformat(),
            "nobody can be asked so": verb == "ask"
            and (
                self.identity(asked) == me
                or not self.works(asked, "reviewer", "approver")
                or not self.sees(asked, told)
            ),
            "somebody else holds it": verb not in ("comment", "ask") and self.holder(told) not in ("", name),
            "it is too fast": final and bool(limit) and len(counted) >= limit,
            "they are to judge first": verb in ("approve", "reject", "edit", "accept")
            and bool(self.policy.get("blind_share"))
            and name not in told.judges,
            "they wrote it": verb in ("approve", "accept") and me in told.editors,
            "nothing is to be accepted": verb == "accept" and not told.flagged,
            "they approved before": verb == "approve" and me in told.endorsers,
            "it says what is not supported": verb == "approve" and told.flagged,
            "the edit changes nothing": verb == "edit" and decision.text == told.text,
            "the edit does not pass": verb == "edit" and CROOK in decision.text and not detail,
        }
        return next((why for why, holds in checks.items() if holds), "")

    def _after(self, name: str, verb: str, told: Told, decision: Decision, done: Case) -> None:
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

    def _race(self, name: str, row: str, decision: Decision, what: str) -> None:
        """Close the account, or give the case to somebody else, between their reading and their writing."""
        closed = replace(self.people[name], active=False)
        free = decision.verb in ("comment", "ask")
        others = [
            each for each in ("eve", "dan") if each != name and self.works(each, "reviewer", "approver")
        ]
        lend = bool(others) and not free and self.cases[row].status in ("open", "escalated")
        lend = lend and self.holder(self.cases[row]) == "" and self.sees(others[0], self.cases[row])

        def meanwhile() -> None:
            if lend:
                self.desk.claim(others[0], row)
            else:
                self.accounts.save(self._administrator(name), closed)

        if not lend and not self._administrator(name):
            return
        self.meanwhile = meanwhile
        self._agree(
            f"{what}, in a race", "it changed meanwhile", lambda: self.desk.decide(name, row, decision)
        )
        if lend:
            self.desk.release(others[0], row)
        else:
            self.accounts.save(self._administrator(name), self.people[name])
            self._end_keys(name)  # they went with the account

    def _end_keys(self, name: str) -> None:
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

    def look(self) -> None:
        name = self.rng.choice(NAMES)
        person = self.people[name]
        row = self._row()
        told = self.cases[row]
        wanted = "" if self.sees(name, told) else "not theirs to see"
        shown = self._agree(f"{name}: look at {row}", wanted, lambda: self.desk.case(name, row))
        if shown is not None:
            blind = bool(self.policy.get("blind_share")) and told.status in ("open", "escalated")
            hidden = blind and self.works(name, "reviewer", "approver") and name not in told.judges
            if shown.hidden is not hidden or shown.case.narrative.text != told.text:
                raise Bypass(f"{name} sees {row} otherwise than they should")
        query = Query(status="all", sort=self.rng.choice(("oldest", "newest", "score", "due")), limit=200)
        wanted = "" if person.active else "the account is closed"
        page = self._agree(f"{name}: queue", wanted, lambda: self.desk.queue(name, query))
        if page is not None and len(self.cases) <= 200:
            seen = {line.id for line in page.lines}
            if seen != {row for row, each in self.cases.items() if self.sees(name, each)}:
                raise Bypass(f"{name} sees other cases than their teams'")

    # People, policy, keys

    def account(self) -> None:
        by, name = self.rng.choice(NAMES), self.rng.choice(NAMES[2:])
        before = self.people[name]
        roles = tuple(self.rng.sample(("viewer", "reviewer", "approver"), self.rng.choice((1, 1, 2))))
        if name == "adas-script":
            roles = ("administrator", "approver")
        teams = self.rng.choice((("north",), (), ("*",)))
        person = Person(
            name=name, roles=roles, teams=teams, owner=before.owner, active=self.rng.random() < 0.9
        )
        own = self.identity(by) in (name, self.identity(name))
        wanted = "" if self.works(by, "administrator") and not own else "they may not change this account"
        before_head = self.store.head()
        self._agree(f"{by}: account {name}", wanted, lambda: self.accounts.save(by, person))
        if not wanted:
            self.people[name] = person
            if not person.active:
                self._end_keys(name)
        elif self.store.head() != before_head:
            raise Bypass(f"{by}: account {name} was refused, and written")

    def plant(self) -> None:
        by = self.rng.choice(NAMES)
        fresh = [row for row, told in self.cases.items() if not told.touched]
        row = self.rng.choice(fresh if fresh and self.rng.random() < 0.7 else [*self.cases])
        told, answer = self.cases[row], self.rng.random() < 0.5
        taken = told.touched or told.status != "open" or self.holder(told) or row in self.planted
        may = "" if self.works(by, "administrator") else "they may not know the answers"
        wanted = may or ("somebody has begun to work on it" if taken else "")
        self._agree(f"{by}: plant {row}", wanted, lambda: self.planting.plant(by, {row: answer}))
        if not wanted:
            self.planted[row] = answer
        seen = self._agree(f"{by}: planted cases", may, lambda: self.planting.answers(by))
        if seen is not None and seen != self.planted:
            raise Bypass("other cases are planted than were")

    def key(self) -> None:
        by, name = self.rng.choice(NAMES), self.rng.choice(NAMES)
        own = self.identity(by) == self.identity(name)
        wanted = (
            "" if own and self.people[by].active and self.people[name].active else "it is not their account"
        )
        secret = self._agree(f"{by}: key of {name}", wanted, lambda: self.accounts.make_key(by, name, 30))
        if secret is not None:
            self.keys[secret] = name
        for secret, whose in self.rng.sample([*self.keys.items()], min(2, len(self.keys))):
            wanted = "" if self.people[whose].active else "the account is closed"
            found = self._agree(f"key of {whose}", wanted, lambda secret=secret: self.accounts.key(secret))
            if found is not None and found.name != whose:
                raise Bypass(f"a key of {whose} is {found.name}'s")
        with suppress(ForetellError):
            self.accounts.key("foretell_" + "x" * 43)
            raise Bypass("a key that nobody made is admitted")
