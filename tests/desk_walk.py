"""A random walk over a desk beside a plain model of who may do what: the desk must admit and refuse the same.

The model is written from the rules as `docs/desk.md` tells them, not from their code. Each step is one act of
somebody: decide (on what stands, or on a stale page), claim, give back, look, change an account, propose,
confirm or withdraw a policy, an endpoint of webhooks or a model, make and use a key, suggest what a person
permits and a program does, plant and open cases, tell endpoints, let time pass; some happen between another's
reading and writing.
"""

from contextlib import suppress
from datetime import timedelta

from desk_pairs import NAMES, Bypass
from desk_permits import Suggestions
from foretell.cases.people import Person
from foretell.cases.planted import Planting
from foretell.cases.queue import Query
from foretell.errors import ForetellError


class Walk(Suggestions):
    """A desk, the model of it, and one random act after the other."""

    def __init__(self, url: str, seed: int) -> None:
        super().__init__(url, seed)
        self.planting = Planting(self.store)

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
            self.suggestion,
        )
        act = self.rng.choices(acts, (60, 10, 5, 8, 8, 6, 3, 3, 5, 3, 16))[0]
        act()
        if self.rng.random() < 0.02:
            self.now += timedelta(minutes=self.rng.choice((1, 6, 61)))
        if sum(told.status in ("open", "escalated") for told in self.cases.values()) < 4:
            self.open_cases()

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
            if [one.seq for one in shown.suggested] != self.waiting(row, shown.case.content) * (not hidden):
                raise Bypass(f"{name} sees other suggestions for {row} than wait for them")
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
                self._forget(name)
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
