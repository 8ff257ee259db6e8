"""What programs suggest and people permit, for the random walk over a desk, beside the model of who may.

Whoever sees a case suggests; a person who could decide so permits it, or a reviewer declines it. The token is
for the account that suggested, for one act on the content that was seen, once and for a time; it ends with
either account.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from desk_decisions import VERBS, Decisions, first
from desk_pairs import NAMES, NEVER
from foretell.cases.permits import Permits
from foretell.records import Decision

MOST_WAITING = 10
LONGEST = 24 * 60
TWO_PAIRS = ("approve", "accept", "edit")
"""What nobody permits to an account that works for themselves."""
WAYS = {
    "as permitted": 8,
    "late": 1,
    "after an edit": 2,
    "after something by hand": 3,
    "after a closing": 1,
    "after a demotion": 2,
    "on another case": 1,
    "another act": 1,
    "with another reason": 1,
    "with other details": 2,
    "by another account": 1,
}
"""How a token is used, and how often."""


@dataclass(slots=True, eq=False, kw_only=True)
class Suggested:
    """What the model knows of a suggestion."""

    seq: int
    row: str
    decision: Decision
    state: str = "suggested"
    until: datetime = NEVER


@dataclass(slots=True, kw_only=True)
class Token:
    """What the model knows of a token."""

    secret: str
    one: Suggested
    by: str
    until: datetime
    ended: str = ""
    """Why it is of no use any more, whatever the time."""


class Suggestions(Decisions):
    """A desk to which programs suggest, and the model of what may come of it."""

    def __init__(self, url: str, seed: int) -> None:
        super().__init__(url, seed)
        self.permits = Permits(self.store)
        self.suggested: dict[int, Suggested] = {}
        self.tokens: list[Token] = []

    def suggestion(self) -> None:
        """Let somebody suggest, permit, decline or act."""
        answers = 6 if self._unanswered() else min(1, len(self.suggested))
        acts = 6 if self._live() else min(1, len(self.tokens))
        self.rng.choices((self.suggest, self.answer, self.act), (4, answers, acts))[0]()

    def _mostly(self, some: list[Any], every: list[Any]) -> Any:
        """Return a late one of some, or now and then any other."""
        return self.rng.choice(some[-6:] if some and self.rng.random() < 0.85 else every[-20:])

    def waits(self, one: Suggested) -> bool:
        return one.state == "suggested" or (one.state == "permitted" and one.until <= self.now)

    def waiting(self, row: str, content: str) -> list[int]:
        """Return what waits for an answer about a case as it stands, the newest first."""
        found = (one for one in self.suggested.values() if one.row == row and self.waits(one))
        return sorted((one.seq for one in found if one.decision.content == content), reverse=True)

    def _forget(self, name: str) -> None:
        super()._forget(name)
        for token in self.tokens:
            if name in (token.by, token.one.decision.actor):
                token.ended = "an account was closed"

    # Suggesting

    def suggest(self) -> None:
        name, row, verb = self._program(), self._row(), self.rng.choice(VERBS)
        told, content = self.cases[row], self.store.case(row).content
        several = self._rule(told.probability).get("approvals", 1) > 1 or "hourly_limit" in self.policy
        verb = "approve" if several and self.rng.random() < 0.4 else verb
        seen = self.stale.get(row, content) if self.rng.random() < 0.08 else content
        decision = self._decision(name, verb, told, seen)
        if verb == "edit" and self.rng.random() < 0.8:
            decision = replace(decision, detail={})
        wanted = self._unwelcome(name, row, decision, content)
        what = f"{name}: suggest to {verb} {row} ({told.status})"
        if not wanted and self.rng.random() < 0.1:
            self._close(what, name, lambda: self.permits.suggest(name, row, decision))
            return
        seq = self._agree(what, wanted, lambda: self.permits.suggest(name, row, decision))
        if seq is not None:
            told.touched = True
            self.suggested[seq] = Suggested(seq=seq, row=row, decision=decision)
            if self.rng.random() < 0.5:
                self.answer(self.suggested[seq])

    def _program(self) -> str:
        """Return who suggests: whose key it is, a program, or anybody."""
        if self.keys and self.rng.random() < 0.3:
            secret, name = self.rng.choice([*self.keys.items()])
            wanted = "" if self.people[name].active else "the account is closed"
            found = self._agree(f"key of {name}", wanted, lambda: self.accounts.key(secret))
            return name if found is None else found.name
        return self.rng.choice(NAMES if self.rng.random() < 0.5 else NAMES[-2:])

    def _unwelcome(self, name: str, row: str, decision: Decision, content: str) -> str:
        """Return why somebody may not suggest this; nothing when they may."""
        told, waiting = self.cases[row], self.waiting(row, content)
        checks = {
            "the case is not theirs to see": not self.sees(name, told),
            "a judgement is one's own": decision.verb == "judge",
            "the page was stale": decision.content != content,
            "it says what is not supported": "unsupported" in decision.detail,
            "it waits already": any(self.suggested[seq].decision == decision for seq in waiting),
            "enough waits": len(waiting) >= MOST_WAITING,
        }
        return first(checks) or self.unfit(name, told, decision)

    # Permitting and declining

    def answer(self, one: Suggested | None = None) -> None:
        one = one or self._mostly(self._unanswered(), [*self.suggested.values()])
        row = one.row if self.rng.random() < 0.97 else self._row()
        if self.rng.random() < 0.1:
            self._decline(one, row)
            return
        told, content = self.cases[one.row], self.store.case(one.row).content
        minutes = self.rng.choices((60, 1, LONGEST + 1, 0), (40, 10, 1, 1))[0]
        by = self._who_answers(one, content)
        wanted = "it is another case's" if row != one.row else self._forbidden(by, one, content, minutes)
        what = f"{by}: permit {one.decision.actor} to {one.decision.verb} {row} ({told.status})"
        before = self.now
        secret = self._agree(what, wanted, lambda: self.permits.permit(by, row, one.seq, minutes))
        if secret is not None:
            one.state, one.until = "permitted", before + timedelta(minutes=minutes)
            self.tokens.append(Token(secret=secret, one=one, by=by, until=one.until))
            if self.rng.random() < 0.5:
                self.act(self.tokens[-1])

    def _unanswered(self) -> list[Suggested]:
        return [one for one in self.suggested.values() if self.waits(one) and self._open(one)]

    def _open(self, one: Suggested) -> bool:
        """Tell whether the case of a suggestion waits and says what it said then."""
        told = self.cases[one.row]
        return told.status in ("open", "escalated") and (
            one.decision.verb != "edit" or one.decision.text != told.text
        )

    def _who_answers(self, one: Suggested, content: str) -> str:
        """Return somebody who may, who could decide so by hand, for whom the program works, or anybody."""
        told, draw = self.cases[one.row], self.rng.random()
        able = [name for name in NAMES if not self._forbidden(name, one, content)]
        could = [name for name in NAMES if not self.refused(name, told, replace(one.decision, actor=name))]
        owner = [self.identity(one.decision.actor)]
        some = able if draw < 0.55 else could if draw < 0.8 else owner if draw < 0.87 else NAMES
        return self.rng.choice(some or NAMES)

    def _forbidden(self, by: str, one: Suggested, content: str, minutes: int = 60) -> str:
        """Return why somebody may not permit a suggestion; nothing when they may."""
        told, proposer = self.cases[one.row], one.decision.actor
        checks = {
            "that is no time": not 1 <= minutes <= LONGEST,
            "the case is not theirs to see": not self.sees(by, told),
            "it does not wait": not self.waits(one),
            "programs permit nothing": bool(self.people[by].owner),
            "the account that suggested it is closed": not self.people[proposer].active,
            "it would be one pair of eyes": one.decision.verb in TWO_PAIRS
            and self.identity(by) == self.identity(proposer),
            "they are to judge first": bool(self.policy.get("blind_share"))
            and told.status in ("open", "escalated")
            and by not in told.judges,
            "the text has changed since": one.decision.content != content,
        }
        return first(checks) or self.refused(by, told, replace(one.decision, actor=by))

    def _decline(self, one: Suggested, row: str) -> None:
        by = self.rng.choice(NAMES)
        checks = {
            "it is another case's": row != one.row,
            "the case is not theirs to see": not self.sees(by, self.cases[row]),
            "it needs another role": not self.works(by, "reviewer", "approver"),
            "it does not wait": not self.waits(one),
        }
        wanted = first(checks)
        self._agree(f"{by}: decline {one.seq}", wanted, lambda: self.permits.decline(by, row, one.seq))
        one.state = one.state if wanted else "declined"

    # Acting

    def act(self, token: Token | None = None) -> None:
        """Let a program use a token, one way or another."""
        token = token or self._mostly(self._live(), self.tokens)
        one, way = token.one, self.rng.choices([*WAYS], [*WAYS.values()])[0]
        if (
            "hourly_limit" in self.policy
            and one.decision.verb in ("approve", "reject")
            and self.rng.random() < 0.5
        ):
            way = "after something by hand"
        if way == "late":
            self.now += timedelta(minutes=61)
        elif way == "after an edit":
            self._edit(one.row)
        elif way == "after something by hand":
            self._by_hand(token)
        elif way == "after a closing":
            self._reopen(self.rng.choice((token.by, one.decision.actor)))
        elif way == "after a demotion":
            self._demote(token.by)
        by, row, decision = self._otherwise(one, way)
        mine = replace(decision, actor=token.by)
        wanted = self._unusable(token, by, row, decision)
        what = f"{by}: {decision.verb} {row} {way}, permitted by {token.by}"
        if not self._attempt(
            what, wanted, row, mine, lambda: self.permits.act(by, row, decision, token.secret), by, token.by
        ):
            return
        one.state, token.ended = "done", "it was used"
        if self.rng.random() < 0.4:
            self._agree(
                f"{what}, again", token.ended, lambda: self.permits.act(by, row, decision, token.secret)
            )

    def _live(self) -> list[Token]:
        live = (token for token in self.tokens if not token.ended and token.until > self.now)
        return [token for token in live if self._open(token.one)]

    def _by_hand(self, token: Token) -> None:
        """Let who permitted it do the same at the desk, or reject another case."""
        name, one = token.by, token.one
        decision, row = replace(one.decision, actor=name), one.row
        if "hourly_limit" in self.policy or self.rng.random() < 0.3:
            decision = Decision(
                verb="reject", actor=name, content="", reason="seen", detail={"code": "false_alarm"}
            )
            rows = [each for each, told in self.cases.items() if not self.refused(name, told, decision)]
            row = self.rng.choice(rows or [row])
            decision = replace(decision, content=self.store.case(row).content)
        stale = self.store.case(row).content != decision.content
        wanted = "the page was stale" if stale else self.refused(name, self.cases[row], decision)
        self._decide(row, decision, wanted)

    def _demote(self, name: str) -> None:
        """Leave somebody the right to look."""
        administrator, person = self._administrator(name), replace(self.people[name], roles=("viewer",))
        if administrator and name in NAMES[2:]:
            self.accounts.save(administrator, person)
            self.people[name] = person

    def _edit(self, row: str) -> None:
        """Let somebody who can edit a case do so."""
        told, content = self.cases[row], self.store.case(row).content
        edits = (self._decision(name, "edit", told, content) for name in self.rng.sample(NAMES, len(NAMES)))
        edit = next((each for each in edits if not self.refused(each.actor, told, each)), None)
        if edit is not None:
            self._decide(row, edit, "")

    def _otherwise(self, one: Suggested, way: str) -> tuple[str, str, Decision]:
        """Return who acts on which case, and how."""
        rng, decision, row = self.rng, one.decision, one.row
        by = decision.actor
        if way == "by another account":
            by = rng.choice(NAMES)
        elif way == "another act":
            verb = "escalate" if decision.verb == "comment" else "comment"
            decision = replace(decision, verb=verb, text="", detail={})
        elif way == "with another reason":
            decision = replace(decision, reason="heard")
        elif way == "with other details":
            told = self.cases[row]
            others = [self._decision(by, decision.verb, told, decision.content) for _ in range(4)]
            fit = [each for each in others if each != decision and not self.unfit(by, told, each)]
            decision = (fit or others)[0]
        elif way == "on another case":
            row = rng.choice([*self.cases])
        if way in ("after an edit", "on another case") and rng.random() < 0.6:
            decision = replace(decision, content=self.store.case(row).content)
        return by, row, replace(decision, actor=by)

    def _unusable(self, token: Token, by: str, row: str, decision: Decision) -> str:
        """Return why a token does not permit this; nothing when it does."""
        one, told = token.one, self.cases[row]
        checks = {
            "the case is not theirs to see": not self.sees(by, told),
            "it was permitted for another case": row != one.row,
            "it was permitted to another account": by != one.decision.actor,
            "it was permitted otherwise": decision != one.decision,
            "the token has run out": token.until <= self.now,
            "the text has changed since": self.store.case(row).content != one.decision.content,
        }
        return token.ended or first(checks) or self.refused(token.by, told, replace(decision, actor=token.by))
