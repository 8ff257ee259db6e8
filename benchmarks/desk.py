"""How fast a desk answers with a million cases in its queue, and how many decisions it makes durable.

    python benchmarks/desk.py [--cases 1000000] [--store URL] [--seconds 10] [--rounds 3]

Builds a store and asks for pages without a socket; then opens the desk as a process of its own and asks over
HTTP, in two ways. At once: each of some people asks again as soon as they are answered, which is more than
people do and shows what the desk can take. Thinking: each clicks at random instants, some seconds apart, and
what a click waits is counted from when it was due, whatever the clicks before it did. The clients share the
machine's cores with the desk. The log is checked at the end. The figures go to benchmarks/results/desk.json.
"""

import argparse
import asyncio
import gc
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cases import RESULTS, commit, machine, proposal
from foretell.cases.accounts import Accounts
from foretell.cases.database import connect, url_of
from foretell.cases.desk import Desk
from foretell.cases.entries import opened, opening_texts
from foretell.cases.governance import Governance
from foretell.cases.ledger import Ledger
from foretell.cases.people import Person
from foretell.cases.policy import policy_of
from foretell.cases.store import Store
from foretell.records import canonical
from foretell.serving.app import create
from foretell.serving.queue_page import query_of
from foretell.serving.security import COOKIE

PASSWORD = "a sentence is a good password"
BATCH = 20_000
TEAMS = ("north", "south", "tiny")
POLICY = {
    "rules": [
        {"name": "high", "probability_from": 0.7, "team": "north", "due_hours": 4, "approvals": 2},
        {"name": "few", "probability_below": 0.051, "team": "tiny"},
        {"name": "middle", "probability_from": 0.4, "team": "south", "due_hours": 24},
    ]
}
QUERIES: dict[str, dict[str, str]] = {
    "oldest first": {},
    "highest score first": {"sort": "score"},
    "due soonest first": {"sort": "due"},
    "newest first": {"sort": "newest"},
    "one team": {"sort": "score", "team": "north"},
    "every status": {"status": "all", "sort": "score"},
    "approved": {"status": "approved"},
    "search, a name": {"text": "C0123"},
    "search, one letter": {"text": "c"},
    "held by me": {"mine": "on"},
    "I was asked": {"asked": "on"},
    "flagged texts": {"flagged": "on"},
}
CASE_PAGE, DEPTH = "case page", 20
CROWDS = (1, 16, 50, 128)
"""People who ask at once."""
THINKERS = (50, 128)
THINK_SECONDS = 5.0
"""Between two clicks of one person, on average."""
LONGER = 3
"""People who think are watched so many times as long as those who do not."""


def build(store: Store, url: str, num_cases: int, people: int) -> None:
    """Fill a store: real events, chained and sealed; every case has the verified text of one alert."""
    governance = Governance(store)
    ledger = Ledger(connect(url_of(url), create=True), url_of(url), lambda: datetime.now(UTC))
    accounts, policy, rng = Accounts(store), policy_of(POLICY), random.Random(0)
    accounts.found("root", PASSWORD)
    accounts.save("root", Person(name="other", roles=("administrator",)), PASSWORD)
    governance.confirm("other", governance.propose("root", POLICY))
    for number in range(people):
        person = Person(name=f"p{number}", roles=("reviewer", "approver"), teams=TEAMS)
        accounts.save("root", person, PASSWORD)
    base = proposal("r1")
    texts = opening_texts(base)

    for start in range(0, num_cases, BATCH):
        drafts = []
        for number in range(start, min(start + BATCH, num_cases)):
            name, probability = f"tx{number:07}", round(0.05 + 0.9 * rng.random(), 4)
            entities = {"customer": f"C{rng.randrange(100_000):05}"}
            prediction = replace(base.prediction, id=name, probability=probability, entities=entities)
            case = replace(base, id=name, prediction=prediction)
            own = {kind: text.replace('"r1"', f'"{name}"') for kind, text in texts.items()}
            own["prediction"] = canonical(prediction).decode()
            drafts += opened(
                case, own, policy.handling(prediction), "foretell", lambda: f"{rng.random():.17f}"
            )
        ledger.append(drafts)
        print(f"  {start + len(drafts):,} of {num_cases:,} cases", file=sys.stderr, flush=True)


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return the median and the 99th percentile, in milliseconds."""
    ranked = sorted(seconds)
    at = [ranked[min(len(ranked) - 1, int(share * len(ranked)))] * 1e3 for share in (0.5, 0.99)]
    return {"count": len(ranked), "p50_ms": round(at[0], 2), "p99_ms": round(at[1], 2)}


class Caller:
    """One person at the desk, over one connection; as light as it can be, since it runs beside the desk."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.cookie = ""

    async def ask(self, method: str, path: str, body: object = None) -> str:
        """Return the headers of the answer, which must be a good one."""
        if self._reader is None or self._writer is None or self._reader.at_eof():
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        text = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: desk\r\ncookie: {self.cookie}\r\naccept-encoding: gzip\r\n"
            f"content-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
        )
        self._writer.write(head.encode() + text)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        found = await self._reader.readexactly(int(answer.split("content-length: ")[1].split("\r")[0]))
        assert answer.split(" ", 2)[1] == "200", (answer, found[:300])
        return answer

    async def sign_in(self, name: str) -> None:
        answer = await self.ask("POST", "/api/session", {"name": name, "password": PASSWORD})
        self.cookie = answer.split("set-cookie: ")[1].split(";")[0]

    def close(self) -> None:
        """Leave the connection; the next question opens another."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


class Waiting:
    """The cases that nobody has decided yet, each with the digest that a decision names."""

    def __init__(self, store: Store, num_cases: int) -> None:
        self._store = store
        order = random.Random(0).sample(range(num_cases), num_cases)
        self._names = (f"tx{number:07}" for number in order)
        self._ready: deque[tuple[str, str]] = deque()

    def fill(self, size: int) -> None:
        """Have so many at hand, so that a load does not wait for them."""
        names = islice(self._names, max(0, size - len(self._ready)))
        self._ready.extend((name, self._store.case(name).content) for name in names)

    def take(self) -> tuple[str, str]:
        assert self._ready, "all cases are decided: give more --cases, or fewer --seconds"
        return self._ready.popleft()


def decide_on(case: tuple[str, str]) -> tuple[str, str, object]:
    """Return the request that approves a case."""
    name, content = case
    return "POST", f"/api/case/decisions?id={name}", {"verb": "approve", "content": content}


def both(costs: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Return the spread of what was waited, and of the processor's time in it."""
    waited, spent = (spread(each) for each in zip(*costs, strict=True))
    return {**waited, "cpu_p50_ms": spent["p50_ms"], "cpu_p99_ms": spent["p99_ms"]}


async def pages(store: Store, rounds: int, num_cases: int) -> dict[str, list[dict[str, float]]]:
    """Return what a page costs the server, from request to packed answer without a socket.

    Each kind of queue is read `DEPTH` pages deep; case pages are of cases drawn at random.
    """
    app, token = create(store), Accounts(store).sign_in("p0", PASSWORD)
    headers = [(b"cookie", f"{COOKIE}={token}".encode()), (b"accept-encoding", b"gzip"), (b"host", b"desk")]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in (*QUERIES, CASE_PAGE)}
    rng = random.Random(0)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def asked(path: str, query: str) -> tuple[float, float]:
        """Return the seconds that the answer took, and those of the processor."""

        async def send(message: dict[str, Any]) -> None:
            assert message.get("status", 200) == 200, message

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
            "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
            "headers": headers, "root_path": "", "server": ("desk", 80), "client": ("desk", 1),
        }  # fmt: skip
        started, spent = time.perf_counter(), time.process_time()
        await app(scope, receive, send)
        return time.perf_counter() - started, time.process_time() - spent

    await asked("/case", "id=tx0000000")  # templates are read once
    gc.collect()
    gc.freeze()  # as the desk does once it is open
    for turn in range(rounds):
        for name, query in QUERIES.items():
            costs, after = [], ""
            for _ in range(DEPTH):
                costs.append(await asked("/", urlencode({**query, **({"after": after} if after else {})})))
                after = further(store, query, after)
            found[name].append(both(costs))
        drawn = rng.sample(range(num_cases), min(num_cases, len(QUERIES) * DEPTH))
        found[CASE_PAGE].append(both([await asked("/case", f"id=tx{number:07}") for number in drawn]))
        print(f"  pages without a socket, round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
    return found


def further(store: Store, query: dict[str, str], after: str) -> str:
    """Return where the page after this one begins."""
    return Desk(store).queue("p0", replace(query_of(urlencode(query)), after=after)).next


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


async def at_once(
    callers: Sequence[Caller], work: Callable[[Caller], Awaitable[object]], seconds: float, pid: int
) -> dict[str, float]:
    """Let all ask again once they are answered; return pace, waits, and what a request cost the desk."""
    took: list[float] = []
    started, before = time.perf_counter(), cpu_seconds(pid)

    async def one(caller: Caller) -> None:
        while time.perf_counter() < started + seconds:
            asked = time.perf_counter()
            await work(caller)
            took.append(time.perf_counter() - asked)

    await asyncio.gather(*map(one, callers))
    wall, spent = time.perf_counter() - started, cpu_seconds(pid) - before
    pace = {"per_second": round(len(took) / wall, 1), "server_cpu_ms": round(spent / len(took) * 1e3, 2)}
    return {**spread(took), **pace}


async def thinking(
    callers: Sequence[Caller], waiting: Waiting, seconds: float, rng: random.Random
) -> dict[str, dict[str, float]]:
    """Let all click through queue, case and decision at random instants; return what each click waited."""
    took: dict[str, list[float]] = {"queue page": [], "case page": [], "decision": []}
    started = time.perf_counter()

    async def one(caller: Caller) -> None:
        due, case = started, ("", "")
        for turn in count(rng.randrange(3)):
            due += rng.expovariate(1 / THINK_SECONDS)
            if due > started + seconds:
                return
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            what = [*took][turn % 3]
            case = waiting.take() if what == "case page" or not case[0] else case
            asked = {
                "queue page": ("GET", "/", None),
                "case page": ("GET", f"/case?id={case[0]}", None),
                "decision": decide_on(case),
            }[what]
            await caller.ask(*asked)
            took[what].append(time.perf_counter() - due)
            case = case if what == "case page" else ("", "")

    await asyncio.gather(*map(one, callers))
    return {what: spread(waits) for what, waits in took.items()}


async def load(
    store: Store, port: int, pid: int, sizes: argparse.Namespace
) -> dict[str, list[dict[str, Any]]]:
    """Return pages and decisions under many people, by kind of load, a figure per round."""
    found: dict[str, list[dict[str, Any]]] = {}
    callers, turns, waiting = (
        [Caller(port) for _ in range(sizes.people)],
        count(),
        Waiting(store, sizes.cases),
    )
    seconds, rounds = sizes.seconds, sizes.rounds
    for number, caller in enumerate(callers):
        await caller.sign_in(f"p{number}")
        caller.close()

    def look(caller: Caller) -> Awaitable[object]:
        return caller.ask("GET", f"/?sort={('oldest', 'score', 'due', 'newest')[next(turns) % 4]}")

    def decide(caller: Caller) -> Awaitable[object]:
        return caller.ask(*decide_on(waiting.take()))

    for turn in range(rounds):
        for people in [size for size in CROWDS if size <= sizes.people]:
            crowd = callers[:people]
            for what, work in (("decisions", decide), ("queue pages", look)):
                waiting.fill(int(500 * seconds) + people)
                figure = await at_once(crowd, work, seconds, pid)
                found.setdefault(f"{what}, {people} at once", []).append(figure)
            for caller in crowd:
                caller.close()
        for people in [size for size in THINKERS if size <= sizes.people]:
            waiting.fill(int(people * seconds * LONGER / THINK_SECONDS) + people)
            rng = random.Random(100 * turn + people)
            figures = await thinking(callers[:people], waiting, seconds * LONGER, rng)
            for what, figure in figures.items():
                found.setdefault(f"{what}, {people} people who think", []).append(figure)
            for caller in callers:
                caller.close()
        held = {"memory_mb": memory_mb(pid, "VmRSS"), "most_memory_mb": memory_mb(pid, "VmHWM")}
        found.setdefault("server", []).append(held)
        print(f"  load over HTTP, round {turn + 1} of {rounds}: {held}", file=sys.stderr, flush=True)
    return found


def memory_mb(pid: int, what: str) -> float:
    """Return the memory that a process holds (VmRSS) or has held at most (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return round(int(next(line for line in lines if line.startswith(what)).split()[1]) / 1024, 1)


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument(
        "--store",
        default="",
        help="URL of a store: empty, or built here and not used since; temporary if empty",
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each load lasts")
    parser.add_argument("--people", type=int, default=max(CROWDS), help="larger crowds are left out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of desk.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = arguments.store or f"sqlite:///{folder}/cases.db"
        started = time.perf_counter()
        with Store(url) as store:
            if not (there := store.head().seq):
                build(store, url, arguments.cases, arguments.people)
            built = None if there else round(time.perf_counter() - started, 1)
            direct = asyncio.run(pages(store, arguments.rounds, arguments.cases))
            with served(url) as (port, pid):
                under_load = asyncio.run(load(store, port, pid, arguments))
            print("  checking the log", file=sys.stderr, flush=True)
            report = store.verify_log()
            assert report.passed, report.faults[:3]
    result = {
        "command": shlex.join(["python", *sys.argv]),
        "commit": commit(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "database": url.partition(":")[0],
        "cases": arguments.cases,
        "events": report.events,
        "seconds_to_build": built,
        "server": under_load.pop("server"),
        "pages": direct,
        "load": under_load,
    }
    arguments.results.mkdir(exist_ok=True)
    text = json.dumps(result, indent=2)
    (arguments.results / "desk.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
