"""What the tests of cases stand on: rows with evidence and true texts, clocks, salts, a PostgreSQL."""

import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from foretell.cases import Store, draft
from foretell.cases.people import Person
from foretell.cases.policy import Handling
from foretell.cases.rules import Standing
from foretell.records import Case, Claim, Decision, Evidence, Fact, Narrative, Prediction
from foretell.units import name, percent
from foretell.verification import verify

BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin/postgres"), default=Path("/none")).parent


def evidence(row: str, probability: float = 0.9) -> Evidence:
    return Evidence(
        id=row,
        facts=(
            Fact(id="f1", kind="term", name="row", text="what a row is called", value="payment"),
            Fact(id="f2", kind="term", name="outcome", text="what is predicted", value="fraud"),
            Fact(id="f3", kind="term", name="id", text="identifier", value=row),
            Fact(
                id="f4",
                kind="score",
                name="probability",
                text="probability",
                value=probability,
                unit="probability",
                detail={"low": 0.8, "high": 0.95},
            ),
        ),
        model="0" * 64,
    )


def texts(row: str, probability: float = 0.9) -> list[str]:
    """Return different texts that the evidence supports."""
    estimates = (percent(probability), f"{percent(probability)} (interval 80.0% to 95.0%)")
    return [
        *(f"For payment {name(row)}, the model puts the probability of fraud at {it}." for it in estimates),
        *(
            f"The model considers fraud very likely for payment {name(row)}: it puts the probability at {it}."
            for it in estimates
        ),
    ]


def proposal(row: str, probability: float = 0.9, text: str = "", *, alert: bool = True) -> Case:
    facts = evidence(row, probability)
    narrative = Narrative(
        claims=(Claim(text=text or texts(row, probability)[0]),), writer="test", length="short"
    )
    prediction = Prediction(
        id=row,
        at="2018-08-08T14:05:00+00:00",
        entities={"customer": "Maria Muster"},
        inputs={"amount": 231.5, "note": "naïve\u2028“text”\x00"},
        probability=probability,
        logit=2.0,
        threshold=0.5,
        alert=alert,
        abstained=False,
        model="0" * 64,
    )
    return draft(prediction, facts, narrative, verify(narrative, facts))


def decision(case: Case, verb: str, actor: str = "ann", **more: str) -> Decision:
    return Decision(verb=verb, actor=actor, content=case.content, **more)


def around(name: str = "ann", **more: Any) -> Standing:
    """What holds around a decision where nothing else is said."""
    person = Person(name=name, roles=("reviewer", "approver"), teams=("*",))
    now = datetime(2024, 1, 1, tzinfo=UTC)
    return Standing(**{"person": person, "handling": Handling(rule=""), "now": now, **more})


def ticking() -> Callable[[], datetime]:
    """A clock that moves on by 1.000001 seconds whenever it is read."""
    ticks = count()
    return lambda: datetime(2024, 1, 1, tzinfo=UTC) + next(ticks) * timedelta(seconds=1, microseconds=1)


def numbered() -> Callable[[], str]:
    """Salts that repeat from run to run."""
    numbers = count()
    return lambda: f"{next(numbers):032x}"


@contextmanager
def postgresql(*settings: str) -> Iterator[Callable[[], str]]:
    """Run a server of its own in a temporary folder; yield a source of URLs of empty schemas."""
    folder = Path(tempfile.mkdtemp(prefix="foretell-pg-"))
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def ask(*command: str) -> None:
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        subprocess.run([*user, *command], check=True, capture_output=True, cwd=folder, env=environment)

    data = str(folder / "data")
    ask(f"{BINARIES}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder}"
    ask(
        f"{BINARIES}/pg_ctl",
        "-D",
        data,
        "-l",
        f"{folder}/log",
        "-w",
        "-o",
        " ".join((options, *settings)),
        "start",
    )
    base = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    numbers = count()

    def fresh() -> str:
        schema = f"s{next(numbers)}"
        with psycopg.connect(base) as connection:
            connection.execute(f"CREATE SCHEMA {schema}")
        return f"{base}?options=-csearch_path%3D{schema}"

    try:
        yield fresh
    finally:
        ask(f"{BINARIES}/pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


def behind(url: str, *statements: str) -> None:
    """Do what no store does: write past its triggers and foreign keys."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        for trigger in ("events_stay", "events_remain", "events_grow", "contents_stay"):
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    else:
        connection = psycopg.connect(url)
        connection.execute("SET session_replication_role = replica")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def told(store: Store, head: str = "") -> str:
    return "\n".join(f"{fault.kind} {fault.text}" for fault in store.verify_log(head).faults)


def rows(url: str, query: str) -> list[tuple]:
    connection = sqlite3.connect(url.removeprefix("sqlite:///")) if "sqlite" in url else psycopg.connect(url)
    found = connection.execute(query).fetchall()
    connection.close()
    return found


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
