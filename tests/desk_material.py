"""What the tests of the desk stand on: a clock moved by hand, a store with people of every role, a client."""

from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from case_material import decision, numbered, proposal
from foretell.cases import accounts
from foretell.cases.accounts import Accounts
from foretell.cases.desk import Desk
from foretell.cases.governance import Governance
from foretell.cases.people import Person
from foretell.cases.store import Store
from foretell.serving.app import create
from foretell.serving.security import COOKIE, form_token

PASSWORD = "a sentence is a good password"
accounts.hashed, accounts.matches = cache(accounts.hashed), cache(accounts.matches)
"""Made to take long; the answer to one password, salt and hash is always the same."""
STAFF = (
    ("ada", ("administrator",), ""),
    ("bob", ("reviewer",), ""),
    ("cleo", ("reviewer",), ""),
    ("dan", ("approver",), ""),
    ("vic", ("viewer",), ""),
    ("bobs-script", ("reviewer", "approver"), "bob"),
)


class Clock:
    """A clock that is moved by hand; every reading is a millisecond later."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 2, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


class House:
    """A store with two administrators, two reviewers, an approver, a viewer, and a program of bob's."""

    def __init__(self, url: str, data: Path | None = None) -> None:
        self.data = data
        self.clock = Clock()
        self.store = Store(url, clock=self.clock, salt=numbered())
        self.accounts, self.desk = Accounts(self.store), Desk(self.store)
        self.governance = Governance(self.store)
        self.accounts.found("root", PASSWORD)
        for name, roles, owner in STAFF:
            person = Person(name=name, roles=roles, owner=owner)
            self.accounts.save("root", person, "" if owner else PASSWORD)

    def policy(self, data: dict[str, Any]) -> None:
        self.governance.confirm("ada", self.governance.propose("root", data))

    def open(self, *rows: str, probability: float = 0.9) -> None:
        self.store.open_cases([proposal(row, probability) for row in rows])

    def decide(self, name: str, row: str, verb: str, **more: Any):
        case = self.store.case(row)
        detail = {"code": "false_alarm"} if verb == "reject" else {}
        asked = decision(case, verb, name, **{"detail": detail, **more})
        return self.desk.decide(name, row, asked)

    @cached_property
    def app(self) -> FastAPI:
        """The desk, which all clients of the house talk to."""
        return create(self.store, data=self.data)

    def client(self, name: str = "") -> TestClient:
        """Return a client whose requests carry the session of an account; of nobody when it has no name."""
        client = TestClient(self.app, raise_server_exceptions=False)
        if name:
            answer = client.post("/api/session", json={"name": name, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
        return client


def form(client: TestClient, **fields: str) -> dict[str, str]:
    """Return the fields of a form as a page of the client's session would send them."""
    cookie = f"{COOKIE}={client.cookies.get(COOKIE, '')}".encode()
    return {"token": form_token(Request({"type": "http", "headers": [(b"cookie", cookie)]})), **fields}
