"""`kill -9` over the deciding server: what was acknowledged is there, once, whenever the process dies."""

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from case_material import proposal
from foretell.cases.accounts import Accounts
from foretell.cases.people import Person
from foretell.cases.store import Store

PASSWORD = "a sentence is a good password"
PEOPLE = ("p0", "p1", "p2", "p3")


@contextmanager
def desk(url: str) -> Iterator[tuple[subprocess.Popen, int]]:
    """Open a desk as a process of its own; yield it and its port; it is gone afterwards."""
    command = [sys.executable, "-m", "foretell", "desk", "--store", url, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = next(line for line in process.stderr if "http://" in line)
            yield process, int(line.split("http://127.0.0.1:")[1].split("/")[0])
        finally:
            process.kill()


def ask(port: int, method: str, path: str, body: object, cookie: str) -> tuple[int, bytes, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"content-type": "application/json", "cookie": cookie}
    connection.request(method, path, json.dumps(body), headers)
    answer = connection.getresponse()
    text, given = answer.read(), (answer.getheader("set-cookie") or "").split(";")[0]
    connection.close()
    return answer.status, text, given


def founded(url: str, num_cases: int) -> dict[str, str]:
    """Fill a store; return what each case's content is named."""
    with Store(url) as store:
        accounts = Accounts(store)
        accounts.found("root", PASSWORD)
        for name in PEOPLE:
            accounts.save("root", Person(name=name, roles=("reviewer",)), PASSWORD)
        store.open_cases(proposal(f"r{number}") for number in range(num_cases))
        return {case.id: case.content for case in store.all_cases()}


def work(port: int, cookie: str, waiting: list[tuple[str, str]], acknowledged: list[str]) -> None:
    """Decide one case after the other until the server is gone."""
    with suppress(OSError, http.client.HTTPException):
        while waiting:
            case_id, content = waiting.pop()
            body = {"verb": "approve", "content": content}
            status, text, _ = ask(port, "POST", f"/api/case/decisions?id={case_id}", body, cookie)
            # One that was written but not acknowledged before the last kill is refused as a second one.
            assert status in (200, 409), text
            if status == 200:
                acknowledged.append(case_id)


def killed(url: str, contents: dict[str, str], rounds: int, seed: int) -> tuple[int, int]:
    """Kill the server that often while people decide; return how many decisions stand, and were answered."""
    rng = random.Random(seed)
    waiting, acknowledged = [*contents.items()], list[str]()
    cookies: dict[str, str] = {}
    for _ in range(rounds):
        with desk(url) as (process, port):
            for name in PEOPLE:
                if name not in cookies:
                    body = {"name": name, "password": PASSWORD}
                    cookies[name] = ask(port, "POST", "/api/session", body, "")[2]
            workers = [
                threading.Thread(target=work, args=(port, cookies[name], waiting, acknowledged))
                for name in PEOPLE
            ]
            for worker in workers:
                worker.start()
            time.sleep(rng.random() * 0.25)
            process.send_signal(signal.SIGKILL)
            for worker in workers:
                worker.join()
    with Store(url) as store:
        approvals: dict[str, int] = {}
        for event in store.events():
            if event.kind == "approved":
                approvals[event.case] = approvals.get(event.case, 0) + 1
        assert set(approvals.values()) <= {1}, "no decision is doubled"
        assert {*acknowledged} <= {*approvals}, "no acknowledged decision is lost"
        assert len(acknowledged) == len({*acknowledged})
        assert store.verify_log().passed
    return len(approvals), len(acknowledged)


def test_what_a_desk_acknowledged_outlives_its_death(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/cases.db"
    stand, answered = killed(url, founded(url, 300), 3, seed=0)
    assert stand >= answered


@pytest.mark.slow
def test_what_a_desk_acknowledged_outlives_three_hundred_deaths(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/cases.db"
    rounds = int(os.environ.get("KILLS", "300"))
    stand, answered = killed(url, founded(url, 40 * rounds), rounds, seed=1)
    assert answered > rounds
    assert stand >= answered
