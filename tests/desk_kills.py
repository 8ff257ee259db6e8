"""`kill -9` over a deciding server: people decide over HTTP while its process dies, again and again."""

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import NoReturn

import uvicorn  # noqa: F401, here so that a forked desk need not load it

from case_material import proposal
from foretell.cases.accounts import Accounts
from foretell.cases.people import Person
from foretell.cases.store import Store
from foretell.serving.app import create  # noqa: F401, for the same reason
from foretell.serving.server import bound, serve

PASSWORD = "a sentence is a good password"
PEOPLE = ("p0", "p1", "p2", "p3")
LONGEST_LIFE_SECONDS = 0.25


@contextmanager
def commanded(url: str) -> Iterator[tuple[int, int]]:
    """Open a desk by its command; yield its process and its port; it is gone afterwards."""
    command = [sys.executable, "-m", "foretell", "desk", "--store", url, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = next(line for line in process.stderr if "http://" in line)
            yield process.pid, int(line.split("http://127.0.0.1:")[1].split("/")[0])
        finally:
            process.kill()


@contextmanager
def forked(url: str) -> Iterator[tuple[int, int]]:
    """Open a desk in a process that has its imports behind it; yield as `commanded` does."""
    with bound("127.0.0.1", 0) as listening:
        listening.listen()
        port = listening.getsockname()[1]
        process = os.fork()
        if process == 0:
            _serve(url, listening)
    try:
        ask(port, "GET", "/health", None, "")
        yield process, port
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def _serve(url: str, listening: object) -> NoReturn:
    try:
        with Store(url, create=False) as store:
            serve(store, listening, tell=lambda line: None)
    finally:
        os._exit(1)  # the parent's own ends are not the child's


def ask(port: int, method: str, path: str, body: object, cookie: str) -> tuple[int, bytes, str]:
    headers = {"content-type": "application/json", "cookie": cookie}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request(method, path, json.dumps(body), headers)
        answer = connection.getresponse()
        text, given = answer.read(), (answer.getheader("set-cookie") or "").split(";")[0]
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


def killed(
    url: str,
    contents: dict[str, str],
    rounds: int,
    seed: int,
    desk: Callable[[str], AbstractContextManager[tuple[int, int]]] = commanded,
) -> tuple[int, int]:
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
            time.sleep(rng.random() * LONGEST_LIFE_SECONDS)
            os.kill(process, signal.SIGKILL)
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
