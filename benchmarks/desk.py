"""How fast a desk answers with a million cases in its queue, and how many decisions it makes durable.

    python benchmarks/desk.py [--cases 1000000] [--store URL] [--seconds 20]

Builds a store, opens the desk as a process of its own, and asks it over HTTP as 1, 16, 50 and 128 people do
at once. The log is checked at the end. The figures go to benchmarks/results/desk.json.
"""

import argparse
import http.client
import json
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from cases import machine, proposal
from foretell.cases.accounts import Accounts
from foretell.cases.database import connect, url_of
from foretell.cases.desk import Desk
from foretell.cases.entries import opened, opening_texts
from foretell.cases.ledger import Ledger
from foretell.cases.people import Person
from foretell.cases.policy import policy_of
from foretell.cases.queue import Query
from foretell.cases.store import Store

RESULTS = Path(__file__).parent / "results"
PASSWORD = "a sentence is a good password"
PEOPLE = 128
BATCH = 20_000
TEAMS = ("north", "south", "tiny")
POLICY = {
    "rules": [
        {"name": "high", "probability_from": 0.7, "team": "north", "due_hours": 4},
        {"name": "few", "probability_below": 0.051, "team": "tiny"},
        {"name": "middle", "probability_from": 0.4, "team": "south", "due_hours": 24},
    ]
}
QUERIES = {
    "oldest": Query(),
    "score": Query(sort="score"),
    "due": Query(sort="due"),
    "newest": Query(sort="newest"),
    "one team": Query(sort="score", team="north"),
    "every status": Query(status="all", sort="score"),
    "approved": Query(status="approved"),
    "search, a name": Query(text="C0123"),
    "search, one letter": Query(text="c"),
    "own claims": Query(mine=True),
    "asked": Query(asked=True),
    "flagged": Query(flagged=True),
}


def build(store: Store, url: str, num_cases: int) -> None:
    """Fill a store: real events, chained and sealed; every case has the verified text of one alert."""
    ledger = Ledger(connect(url_of(url), create=True), url_of(url), lambda: datetime.now(UTC))
    accounts, policy, rng = Accounts(store), policy_of(POLICY), random.Random(0)
    accounts.found("root", PASSWORD)
    for number in range(PEOPLE):
        person = Person(name=f"p{number}", roles=("reviewer", "approver"), teams=TEAMS)
        accounts.save("root", person, PASSWORD)
    base = proposal("r1")
    texts = opening_texts(base)

    def salt() -> str:
        return f"{rng.getrandbits(128):032x}"

    for start in range(0, num_cases, BATCH):
        drafts = []
        for number in range(start, min(start + BATCH, num_cases)):
            name, probability = f"tx{number:07}", round(0.05 + 0.9 * rng.random(), 4)
            entities = {"customer": f"C{rng.randrange(100_000):05}"}
            prediction = replace(base.prediction, id=name, probability=probability, entities=entities)
            case = replace(base, id=name, prediction=prediction)
            own = {kind: text.replace('"r1"', f'"{name}"') for kind, text in texts.items()}
            drafts += opened(
                case, own, policy.handling(prediction), "foretell", lambda: f"{rng.random():.17f}"
            )
        ledger.append(drafts)
        print(f"  {start + len(drafts):,} of {num_cases:,} cases", file=sys.stderr, flush=True)


def spread(seconds: list[float]) -> dict[str, float]:
    """Return the median and the 99th percentile, in milliseconds."""
    ranked = sorted(seconds)
    at = [ranked[min(len(ranked) - 1, int(share * len(ranked)))] * 1e3 for share in (0.5, 0.99)]
    return {"count": len(ranked), "p50_ms": round(at[0], 2), "p99_ms": round(at[1], 2)}


def pages(store: Store, rounds: int = 40) -> dict[str, dict[str, float]]:
    """Return what a page and its count cost the server, without HTTP; every query several pages deep."""
    desk, found = Desk(store), {}
    for name, query in QUERIES.items():
        seconds, going = [], query
        for _ in range(rounds):
            started = time.perf_counter()
            page = desk.queue("p0", going)
            desk.count("p0", going)
            seconds.append(time.perf_counter() - started)
            going = replace(query, after=page.next)
        found[name] = spread(seconds)
    return found


@contextmanager
def served(url: str) -> Iterator[tuple[int, int]]:
    """Open the desk as its own process; yield its port and process id."""
    command = [sys.executable, "-m", "foretell", "desk", "--store", url, "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        port = next(
            int(line.rsplit(":", 1)[1].split()[0].strip("/")) for line in process.stderr if "http://" in line
        )
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


class Client:
    """One person at the desk, over one connection."""

    def __init__(self, port: int, name: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._cookie = ""
        self.ask("POST", "/api/session", {"name": name, "password": PASSWORD})
        # The server would close it before all others have signed in; it opens again by itself.
        self._connection.close()

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Return the answer, which must be a good one."""
        headers = {"content-type": "application/json", "cookie": self._cookie}
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.status == 200, (answer.status, text[:300])
        if cookie := answer.getheader("set-cookie"):
            self._cookie = cookie.split(";")[0]
        return json.loads(text) if answer.getheader("content-type") == "application/json" else {}


def together(clients: list[Client], work: Callable[[Client], float], seconds: float) -> dict[str, Any]:
    """Let all clients work for some seconds; return pace and spread of what each call took."""
    until = time.perf_counter() + seconds

    def one(client: Client) -> list[float]:
        took = []
        while time.perf_counter() < until:
            took.append(work(client))
        return took

    started = time.perf_counter()
    with ThreadPoolExecutor(len(clients)) as pool:
        took = [each for part in pool.map(one, clients) for each in part]
    return {**spread(took), "per_second": round(len(took) / (time.perf_counter() - started), 1)}


def load(port: int, seconds: float) -> dict[str, Any]:
    """Return decisions and pages under 1, 16 and 128 people at once."""
    found: dict[str, Any] = {}
    numbers, turns = count(), count()

    def decide(client: Client) -> float:
        path = f"?id=tx{next(numbers):07}"
        content = client.ask("GET", f"/api/case{path}")["case"]["content"]
        started = time.perf_counter()
        client.ask("POST", f"/api/case/decisions{path}", {"verb": "approve", "content": content})
        return time.perf_counter() - started

    def look(client: Client) -> float:
        sort = ("oldest", "score", "due", "newest")[next(turns) % 4]
        started = time.perf_counter()
        client.ask("GET", f"/?sort={sort}")
        return time.perf_counter() - started

    for people in (1, 16, 50, 128):
        clients = [Client(port, f"p{number}") for number in range(people)]
        found[f"decisions, {people} at once"] = together(clients, decide, seconds)
        found[f"queue pages, {people} at once"] = together(clients, look, seconds)
    return found


def memory_mb(pid: int) -> float:
    """Return the most memory that a process has held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return round(int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024, 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument(
        "--store", default="", help="URL of an empty store; SQLite in a temporary folder if empty"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each load lasts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = arguments.store or f"sqlite:///{folder}/cases.db"
        with Store(url) as store:
            build(store, url, arguments.cases)
            direct = pages(store)
        with served(url) as (port, pid):
            under_load = load(port, arguments.seconds)
            memory = memory_mb(pid)
        with Store(url) as store:
            report = store.verify_log()
            assert report.passed, report.faults[:3]
    result = {
        "command": shlex.join(["python", *sys.argv]),
        "commit": subprocess.run(
            ["git", "-C", str(RESULTS.parent), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "database": url.partition(":")[0],
        "cases": arguments.cases,
        "events": report.events,
        "server_memory_mb": memory,
        "pages_and_their_count": direct,
        "load": under_load,
    }
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=2)
    (RESULTS / "desk.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
