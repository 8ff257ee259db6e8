"""One day of a desk over HTTP: SQLite and PostgreSQL keep the same bytes, and each check of the log holds."""

import hashlib
import os
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from case_material import behind, numbered, proposal, rows, texts
from desk_material import PASSWORD, Clock, form
from foretell.cases import checker
from foretell.cases.accounts import Accounts
from foretell.cases.log import STATUS_AFTER
from foretell.cases.registry import Entry, Registry
from foretell.cases.store import Store
from foretell.cases.tables import metadata
from foretell.cli import main
from foretell.serving.app import create

pytest_plugins = ("case_fixtures",)

POLICY = {
    "rules": [
        {"name": "north", "probability_from": 0.95, "team": "north", "approvals": 2, "approver": "approver"},
        {"name": "pairs", "probability_from": 0.8, "approvals": 2, "due_hours": 4},
        {"name": "low", "probability_below": 0.2, "release": "auto"},
    ],
    "audit_share": 0.5,
    "salt": "day",
}
STAFF: tuple[dict[str, Any], ...] = (
    {"name": "ada", "roles": ["administrator"], "password": PASSWORD},
    {"name": "bob", "roles": ["reviewer"], "password": PASSWORD},
    {"name": "cleo", "roles": ["reviewer"], "password": PASSWORD},
    {"name": "dan", "roles": ["approver"], "teams": ["north"], "password": PASSWORD},
    {"name": "bobs-script", "roles": ["reviewer"], "owner": "bob"},
)
CROOK = " The customer is a known crook."
TABLES = tuple(sorted(metadata.tables))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what lets the randomness of a day begin anew: the same keys, salts and sessions every time."""

    def again() -> None:
        numbers = count()

        def same(size: int | None = None) -> bytes:
            return hashlib.shake_256(str(next(numbers)).encode()).digest(size or 32)

        monkeypatch.setattr(secrets, "token_bytes", same)
        monkeypatch.setattr(os, "urandom", same)

    return again


class Day:
    """A desk and the people in front of it: every act is a request, and is answered as it must be."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self.clock, self._app = store, clock, create(store)
        self._clients: dict[str, TestClient] = {}

    def ask(self, name: str, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = self._client(name).request(method, path, json=body)
        assert answer.status_code == status, (name, method, path, answer.text)
        return answer.json()

    def key(self, name: str, secret: str) -> None:
        """Let a program come in by its key."""
        client = TestClient(self._app, headers={"authorization": f"Bearer {secret}"})
        self._clients[name] = client

    def decide(self, name: str, row: str, verb: str, status: int = 200, **more: Any) -> Any:
        body = {"verb": verb, "content": self.store.case(row).content, **more}
        return self.ask(name, "POST", f"/api/case/decisions?id={row}", body, status)

    def press(self, name: str, row: str, **fields: str) -> str:
        """Send a form of a case's page; return the page that comes back."""
        client = self._client(name)
        answer = client.post(f"/case?id={row}", data=form(client, **fields))
        assert answer.status_code == 200, answer.text
        return answer.text

    def _client(self, name: str) -> TestClient:
        if name not in self._clients:
            self._clients[name] = TestClient(self._app)
            self.ask(name, "POST", "/api/session", {"name": name, "password": PASSWORD})
        return self._clients[name]


def morning(day: Day) -> None:
    """Accounts, a policy by two people, a model, cases, some of them released by it."""
    for person in STAFF:
        day.ask("root", "PUT", "/api/people", person)
    day.ask("bob", "PUT", "/api/people", STAFF[3], 403)
    withdrawn = day.ask("ada", "POST", "/api/proposals", {"policy": {}})["proposal"]
    day.ask("ada", "POST", f"/api/proposals/withdraw?proposal={withdrawn}")
    seq = day.ask("root", "POST", "/api/proposals", {"policy": POLICY, "reason": "the first one"})["proposal"]
    day.ask("root", "POST", f"/api/proposals/confirm?proposal={seq}", status=403)
    day.ask("ada", "POST", f"/api/proposals/confirm?proposal={seq}")
    made = Entry(
        model="a" * 64, how="run", target="fraud", data="b" * 64, spec="c" * 64, figures={"auc": 0.9}
    )
    Registry(day.store).register([made], by="ada")
    some = [("r1", 0.9), ("r2", 0.9), ("ρ3", 0.6), ("r4", 0.6), ("r5", 0.6), ("r6", 0.97)]
    low = [(f"low{number}", 0.1) for number in range(6)]
    day.store.open_cases([proposal(row, probability) for row, probability in some + low])
    kinds = [event.kind for event in day.store.events()]
    assert 0 < kinds.count("released") < 6


def noon(day: Day) -> None:
    """Claims, judgements, comments, questions, sleep, four eyes, a flagged text and its acceptance."""
    assert day.ask("bob", "POST", "/api/next")["id"] == "r1"
    day.ask("cleo", "POST", "/api/case/claim?id=r1", status=409)
    day.decide("bob", "r1", "judge", detail={"judgement": "positive"})
    day.decide("cleo", "r1", "comment", reason="Größe \u2028 “so”")
    assert day.decide("bob", "r1", "approve")["status"] == "open"
    day.decide("bob", "r1", "approve", 409)
    assert day.decide("cleo", "r1", "approve")["status"] == "approved"
    day.decide("bob", "r2", "edit", 422, text=texts("r2")[0] + CROOK)
    day.decide("bob", "r2", "edit", text=texts("r2")[0] + CROOK, detail={"unsupported": "keep"})
    day.decide("dan", "r2", "approve", 409)
    day.decide("bob", "r2", "accept", 403)
    day.decide("dan", "r2", "accept", reason="on the list")
    day.decide("bob", "r2", "approve", 409)
    day.decide("cleo", "r2", "approve")
    assert day.decide("dan", "r2", "approve")["status"] == "approved"
    until = (day.clock.at.replace(microsecond=0)).isoformat().replace("T09", "T15")
    day.decide("cleo", "ρ3", "snooze", detail={"until": until})
    day.decide("cleo", "r4", "ask", detail={"person": "dan"})
    day.decide("cleo", "r4", "escalate", reason="beyond me")
    day.decide("cleo", "r4", "approve", 409)
    day.ask("cleo", "GET", "/api/case?id=r6", status=404)


def afternoon(day: Day) -> None:
    """Escalations, a program's key, roles that change, an approval that an edit voids, erasure."""
    day.clock.move(minutes=20)
    assert day.decide("dan", "r4", "reject", detail={"code": "false_alarm"})["status"] == "rejected"
    secret = day.ask("bob", "POST", "/api/keys", {"person": "bobs-script", "days": 30})["secret"]
    day.key("bobs-script", secret)
    assert day.decide("bobs-script", "r5", "approve")["status"] == "approved"
    day.ask("root", "PUT", "/api/people", {"name": "cleo", "roles": ["approver"], "teams": ["north"]})
    suggested(day)
    day.decide("cleo", "r5", "edit", text=texts("r5", 0.6)[1])
    assert day.decide("bob", "r5", "approve")["status"] == "approved"
    day.decide("cleo", "r6", "approve")
    assert day.decide("dan", "r6", "approve")["status"] == "approved"
    day.ask("bob", "PUT", "/api/views", {"name": "mine", "query": "mine=true"})
    kept = day.ask("bob", "GET", "/api/keys")
    day.ask("bob", "DELETE", f"/api/keys?key={kept[0]['id']}")
    day.ask("bobs-script", "GET", "/api/me", status=401)
    day.ask("bob", "POST", "/api/case/claim?id=%CF%813")
    day.ask("root", "PUT", "/api/people", {"name": "dan", "roles": ["approver"], "active": False})
    day.ask("dan", "GET", "/api/me", status=401)
    day.ask("bob", "DELETE", "/api/case/content?id=r1", status=403)
    day.ask("ada", "DELETE", "/api/case/content?id=r1")
    day.ask("bob", "DELETE", "/api/session")
    day.ask("ada", "GET", "/api/log/check")


def suggested(day: Day) -> None:
    """A program suggests; a person permits one act and declines another; the program acts with its token."""
    content = day.store.case("r5").content
    wanted = {"verb": "comment", "content": content, "reason": "The customer was abroad."}
    first, second = (
        day.ask("bobs-script", "POST", "/api/case/suggestions?id=r5", {**wanted, "reason": reason})[
            "suggestion"
        ]
        for reason in (wanted["reason"], "Größe")
    )
    assert day.press("cleo", "r5", verb="decline", suggestion=str(second), content=content)
    page = day.press("cleo", "r5", verb="permit", suggestion=str(first), content=content)
    token = re.search(r"permit_[\w-]+", page)
    assert token is not None
    day.ask("bobs-script", "POST", "/api/case/acts?id=r5", {**wanted, "token": "permit_"}, 403)
    day.ask("bobs-script", "POST", "/api/case/acts?id=r5", {**wanted, "token": token[0]})
    day.ask("bobs-script", "POST", "/api/case/acts?id=r5", {**wanted, "token": token[0]}, 403)


def scripted(url: str) -> dict[str, list[tuple]]:
    """Let the day pass; return every row of every table after it."""
    clock = Clock()
    with Store(url, clock=clock, salt=numbered()) as store:
        Accounts(store).found("root", PASSWORD)
        day = Day(store, clock)
        for part in (morning, noon, afternoon):
            part(day)
        head = str(store.head())
        assert store.verify_log(head).passed
    done = CliRunner().invoke(main, ["log", "verify", "--store", url, "--head", head])
    assert done.exit_code == 0 and "the log holds" in done.output, done.output
    return {table: sorted(rows(url, f"SELECT * FROM {table}"), key=repr) for table in TABLES}


def copied(tables: dict[str, list[tuple]], like: str, path: Path) -> str:
    """Return a SQLite store, made like another one, that holds these rows."""
    with closing(sqlite3.connect(like)) as there, closing(sqlite3.connect(path)) as here:
        there.backup(here)
        for (trigger,) in here.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            here.execute(f"DROP TRIGGER {trigger}")
        for table, lines in tables.items():
            here.execute(f"DELETE FROM {table}")
            for line in lines:
                here.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(line))})", line)
        here.commit()
    return str(path)


@pytest.fixture
def day(server: Callable[[], str], drawn: Callable[[], None], tmp_path: Path) -> Iterator[tuple[Any, ...]]:
    urls = server(), f"sqlite:///{tmp_path}/cases.db"
    found = []
    for url in urls:
        drawn()
        found.append(scripted(url))
    yield (*urls, *found)


def test_a_desks_day_leaves_the_same_bytes_in_both_databases(day, tmp_path):
    _, url, postgresql, sqlite = day
    for table in TABLES:
        assert postgresql[table] == sqlite[table], table
    kinds = {kind for after in STATUS_AFTER.values() for kind in after} - {"planted"}  # a run plants
    assert {row[3] for row in sqlite["events"]} == kinds
    path = url.removeprefix("sqlite:///")
    for each in (path, copied(postgresql, path, tmp_path / "copy.db")):
        assert checker.check(each).faults == []


def test_the_head_of_a_postgresql_store_is_signed_and_holds_while_the_log_grows(server, tmp_path):
    url, file = server(), tmp_path / "head.txt"
    with Store(url, clock=Clock(), salt=numbered()) as store:
        store.open_cases([proposal("r1")])
        refused = CliRunner().invoke(main, ["log", "sign", "--store", url])
        assert refused.exit_code != 0 and "give --key-file" in refused.output
        signed = CliRunner().invoke(
            main, ["log", "sign", "--store", url, "--key-file", str(tmp_path / "key")]
        )
        assert signed.exit_code == 0, signed.output
        file.write_text(signed.stdout)
        store.open_cases([proposal("r2")])
    held = ["log", "verify", "--store", url, "--head-file", str(file)]
    assert CliRunner().invoke(main, held).exit_code == 0
    with Store(other := server(), clock=Clock(), salt=numbered()) as store:
        store.open_cases([proposal("r1", 0.7)])
    done = CliRunner().invoke(main, [*held[:3], other, *held[4:]])
    assert done.exit_code != 0 and "another log's" in done.output
    behind(url, "UPDATE events SET actor = 'eve' WHERE seq = 1")
    assert "event 1 was altered" in CliRunner().invoke(main, held).output
