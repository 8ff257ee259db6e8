"""What takes two administrators, for the random walk over a desk: policies, endpoints of webhooks, models.

Beside each act stands the model of who may do it. What the outbox would tell to whom is held against it, too.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from case_material import numbered
from foretell.cases.accounts import Accounts
from foretell.cases.endpoints import KINDS, MOST_ENDPOINTS, Endpoints
from foretell.cases.governance import Governance
from foretell.cases.outbox import Fault, Outbox
from foretell.cases.people import Person
from foretell.cases.promotion import Promotions
from foretell.cases.store import Store
from foretell.errors import ForetellError

PASSWORD = "a sentence is a good password"
POLICIES: tuple[dict[str, Any], ...] = (
    {},
    {"rules": [{"name": "two", "approvals": 2, "approver": "approver"}]},
    {
        "rules": [
            {"name": "north", "probability_from": 0.5, "team": "north", "approvals": 2},
            {"name": "low", "probability_below": 0.2, "release": "auto"},
        ],
        "audit_share": 0.0,
    },
    {"blind_share": 1.0, "lease_minutes": 5.0},
    {"hourly_limit": 1},
)
ADDRESSES = ("https://example.org/hook", "http://localhost:9/hook", "http://example.org/hook")
MODELS = tuple(digit * 64 for digit in "abcd")
NEVER = datetime(1, 1, 1, tzinfo=UTC)
STAFF = (
    ("root", ("administrator",), (), ""),
    ("ada", ("administrator",), (), ""),
    ("bob", ("reviewer",), ("north",), ""),
    ("cleo", ("reviewer",), (), ""),
    ("dan", ("approver",), ("north",), ""),
    ("eve", ("reviewer", "approver"), ("*",), ""),
    ("vic", ("viewer",), ("north",), ""),
    ("bobs-script", ("reviewer", "approver"), ("north",), "bob"),
    ("adas-script", ("administrator", "approver"), ("north",), "ada"),
)
NAMES = tuple(row[0] for row in STAFF)


@dataclass(slots=True)
class Told:
    """What the model knows of a case."""

    team: str
    probability: float
    status: str = "open"
    touched: bool = False
    text: str = ""
    flagged: bool = False
    editors: set[str] = field(default_factory=set)
    endorsers: set[str] = field(default_factory=set)
    judges: set[str] = field(default_factory=set)
    holder: str = ""
    until: datetime = NEVER


@dataclass(slots=True)
class Asked:
    """What the model knows of a proposal."""

    by: str
    what: Any
    state: str = "proposed"
    place: int = 0
    """Of an endpoint: the last event that it need not be told any more."""
    stopped: bool = False


class Bypass(AssertionError):
    """The desk and the model disagree."""


class Pairs:
    """A desk and its people, and the acts that need two of them."""

    def __init__(self, url: str, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = datetime(2026, 3, 2, 9, tzinfo=UTC)
        self.meanwhile: Callable[[], None] | None = None
        self._numbers = numbered()
        self.store = Store(url, clock=self._clock, salt=self._salt)
        self.accounts, self.governance = Accounts(self.store), Governance(self.store)
        self.endpoints, self.outbox = Endpoints(self.store), Outbox(self.store, self.rng)
        self.promotions = Promotions(self.store)
        self.people: dict[str, Person] = {}
        self.cases: dict[str, Told] = {}
        self.planted: dict[str, bool] = {}
        self.policy: dict[str, Any] = {}
        self.proposals: dict[int, Asked] = {}
        self.hooks: dict[int, Asked] = {}
        self.models: dict[int, Asked] = {}
        self.used: list[str] = []
        self.num_admitted = self.num_refused = 0
        self.accounts.found("root", PASSWORD)
        self.people["root"] = Person(name="root", roles=("administrator",), teams=("*",))
        for name, roles, teams, owner in STAFF[1:]:
            person = Person(name=name, roles=roles, teams=teams, owner=owner)
            self.accounts.save("root", person)
            self.people[name] = person

    def _clock(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def _salt(self) -> str:
        """Return a salt: drawn once a decision was admitted, before it is written; others may act here."""
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        return self._numbers()

    def close(self) -> None:
        self.store.close()

    def _agree(self, what: str, wanted: str, act: Callable[[], Any]) -> Any:
        """Do it, and hold the outcome against the model's: the reason why it is refused, or nothing."""
        try:
            found = act()
        except ForetellError as error:
            self.num_refused += 1
            if not wanted:
                raise Bypass(f"{what} was refused: {error.message}") from error
            return None
        except Exception as error:
            raise Bypass(f"{what} broke the desk: {error!r}") from error
        self.num_admitted += 1
        if wanted:
            raise Bypass(f"{what} was admitted, though {wanted}")
        return found

    def identity(self, name: str) -> str:
        return self.people[name].owner or name

    def works(self, name: str, *roles: str) -> bool:
        return self.people[name].active and not {*roles}.isdisjoint(self.people[name].roles)

    def _asked(self, asked: dict[int, Asked], *open_states: str) -> tuple[str, bool, int]:
        """Return who acts, whether they administer, and on which proposal; 0: they make another one."""
        by = self.rng.choice(NAMES if self.rng.random() < 0.5 else NAMES[:2])
        waiting = [number for number, each in asked.items() if each.state in open_states]
        if not waiting or self.rng.random() < 0.25:
            return by, self.works(by, "administrator"), 0
        number = self.rng.choice(waiting if self.rng.random() < 0.8 else [*asked])
        return by, self.works(by, "administrator"), number

    # Policies

    def govern(self) -> None:
        by, may, seq = self._asked(self.proposals, "proposed")
        if not seq:
            data = self.rng.choice(POLICIES)
            wanted = "" if may else "they may not propose"
            seq = self._agree(f"{by}: propose", wanted, lambda: self.governance.propose(by, data))
            if seq is not None:
                self.proposals[seq] = Asked(by, data)
            return
        asked = self.proposals[seq]
        if self.rng.random() < 0.2:
            wanted = "" if may and asked.state == "proposed" else "they may not withdraw it"
            self._agree(f"{by}: withdraw", wanted, lambda: self.governance.withdraw(by, seq))
            asked.state = asked.state if wanted else "withdrawn"
            return
        later = any(other > seq and each.state == "confirmed" for other, each in self.proposals.items())
        wanted = "they may not confirm it" if later or not self._second(by, may, asked) else ""
        self._agree(f"{by}: confirm", wanted, lambda: self.governance.confirm(by, seq))
        if not wanted:
            asked.state, self.policy = "confirmed", asked.what

    def _second(self, by: str, may: bool, asked: Asked) -> bool:
        """Tell whether somebody is the second pair of eyes that a proposal needs."""
        return may and asked.state == "proposed" and self.identity(asked.by) != self.identity(by)

    # Endpoints of webhooks

    def hook(self) -> None:
        by, may, number = self._asked(self.hooks, "proposed", "confirmed")
        if not number:
            self._propose_hook(by, may)
            return
        asked = self.hooks[number]
        likely = {"proposed": "confirm", "confirmed": "retry" if asked.stopped else "tell"}
        way = self.rng.choice(("confirm", "end", "retry", "tell"))
        way = likely.get(asked.state, way) if self.rng.random() < 0.8 else way
        if way == "tell":
            self._tell(number, asked)
            return
        wanted = {
            "confirm": "" if self._second(by, may, asked) else "they may not confirm it",
            "end": "" if may and asked.state in ("proposed", "confirmed") else "they may not end it",
            "retry": "" if may and asked.state == "confirmed" else "they may not try it again",
        }[way]
        self._agree(
            f"{by}: {way} endpoint {number}", wanted, lambda: getattr(self.endpoints, way)(by, number)
        )
        if wanted:
            return
        if way == "confirm":
            asked.state, asked.place = "confirmed", self.store.head().seq
        elif way == "end":
            asked.state = "withdrawn"
        asked.stopped = False

    def _propose_hook(self, by: str, may: bool) -> None:
        address, team = self.rng.choice(ADDRESSES), self.rng.choice(("", "", "north"))
        kinds = tuple(self.rng.sample(KINDS, self.rng.choice((4, len(KINDS), len(KINDS)))))
        busy = sum(each.state in ("proposed", "confirmed") for each in self.hooks.values())
        wanted = "" if may else "they may not propose"
        wanted = wanted or ("it would be told without encryption" if address == ADDRESSES[2] else "")
        wanted = wanted or ("there are too many" if busy >= MOST_ENDPOINTS else "")
        made = self._agree(
            f"{by}: propose an endpoint", wanted, lambda: self.endpoints.propose(by, address, kinds, team)
        )
        if made is not None:
            self.hooks[made[0]] = Asked(by, (address, kinds, team))

    def _tell(self, number: int, asked: Asked) -> None:
        """Let the outbox send to an endpoint; it takes what it is told, or says that it is gone for good."""
        head = self.store.head().seq
        due = asked.state == "confirmed" and not asked.stopped and asked.place < head
        if (number in self.outbox.due()) is not due:
            raise Bypass(
                f"endpoint {number} ({asked.state}) is told, or not told, otherwise than it should be"
            )
        parcel = self.outbox.take(number)
        if (parcel is not None) is not due:
            raise Bypass(
                f"a parcel for endpoint {number} ({asked.state}) is there, or not, against the rules"
            )
        if parcel is None:
            return
        address, kinds, team = asked.what
        for message in parcel.messages:
            told = json.loads(message.body)["data"]
            right = told["kind"] in kinds and told["case"] not in self.planted
            right = right and asked.place < told["seq"] <= head and parcel.endpoint.url == address
            if not right or team not in ("", self.cases[told["case"]].team):
                raise Bypass(f"endpoint {number} is told of event {told['seq']}, which is not for it")
        if self.rng.random() < 0.3:
            self.outbox.settle(parcel, 0, Fault("gone", gone=True))
            asked.stopped = True
        else:
            self.outbox.settle(parcel, len(parcel.messages))
        if not (asked.stopped and parcel.messages):
            asked.place = parcel.end

    # Models in use

    def model(self) -> None:
        by, may, seq = self._asked(self.models, "proposed")
        if not seq:
            self._propose_model(by, may)
        elif self.rng.random() < 0.2:
            asked = self.models[seq]
            wanted = "" if may and asked.state == "proposed" else "they may not withdraw it"
            self._agree(f"{by}: withdraw a model", wanted, lambda: self.promotions.withdraw(by, seq))
            asked.state = asked.state if wanted else "withdrawn"
        else:
            asked = self.models[seq]
            wanted = "" if self._second(by, may, asked) else "they may not confirm it"
            wanted = wanted or self._unfit(*asked.what)
            self._agree(f"{by}: confirm a model", wanted, lambda: self.promotions.confirm(by, seq))
            if not wanted:
                asked.state, self.used = "confirmed", [*self.used, asked.what[1], asked.what[0]]
        if self.promotions.in_use() != (self.used[-1] if self.used else ""):
            raise Bypass("another model is in use than the one that two confirmed last")

    def _propose_model(self, by: str, may: bool) -> None:
        model, champion = self.rng.choice(MODELS), self.rng.choice(MODELS)
        if self.used and self.rng.random() < 0.8:
            champion = self.used[-1]
        won = {"won": self.rng.random() < 0.8, "champion": champion, "challenger": model}
        figures = self.rng.choice((won, won, {}, {**won, "challenger": "e" * 64}))
        wanted = ("" if may else "they may not propose") or self._unfit(model, champion, figures)
        seq = self._agree(
            f"{by}: propose a model", wanted, lambda: self.promotions.propose(by, model, champion, figures)
        )
        if seq is not None:
            self.models[seq] = Asked(by, (model, champion, figures))

    def _unfit(self, model: str, champion: str, figures: dict[str, Any]) -> str:
        """Return why a model may not take the champion's place."""
        if model == champion:
            return "it is in use already"
        if self.used and champion != self.used[-1]:
            return "another model is in use"
        if figures.get("won") and (figures["champion"], figures["challenger"]) == (champion, model):
            return ""
        return "" if not figures and model in self.used else "it has not won"
