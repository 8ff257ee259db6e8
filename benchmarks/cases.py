"""How fast the case store opens, records decisions and checks its log, each durable on return.

    python benchmarks/cases.py [--store URL] [--cases N]

Without --store a SQLite file in a temporary folder is used. The figures go to benchmarks/results/.
"""

import argparse
import json
import os
import platform
import shlex
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from foretell.cases import Store, draft
from foretell.records import Case, Claim, Decision, Evidence, Fact, Narrative, Prediction, canonical
from foretell.verification import verify

RESULTS = Path(__file__).parent / "results"


def facts(row: str) -> Iterator[Fact]:
    """Yield 40 facts, as many as an alert has."""
    yield Fact(id="f1", kind="term", name="row", text="what a row is called", value="payment")
    yield Fact(id="f2", kind="term", name="outcome", text="what is predicted", value="fraud")
    yield Fact(id="f3", kind="term", name="id", text="identifier", value=row)
    yield Fact(id="f4", kind="score", name="probability", text="probability", value=0.9, unit="probability")
    yield Fact(id="f5", kind="threshold", name="threshold", text="threshold", value=0.5, unit="probability")
    past = {"n": 120, "low": 0.8, "high": 0.93}
    yield Fact(
        id="f6", kind="reliability", name="record", text="record", value=105, unit="count", detail=past
    )
    for number in range(7, 41):
        yield Fact(
            id=f"f{number}",
            kind="history",
            name=f"amount_{number}",
            text=f"mean amount of this customer over {number} days",
            value=231.5 / number,
            unit="EUR",
            source="transactions before 2018-08-08",
            detail={"window_days": number, "n": 3 * number, "low": 12.5, "high": 88.25},
        )


def proposal(row: str) -> Case:
    evidence = Evidence(id=row, facts=tuple(facts(row)), model="0" * 64)
    sentences = (
        f"Payment {row} came up as an alert: the model puts the probability of fraud at 90.0%, above the "
        "threshold of 50.0%.",
        "The record agrees: of 120 past payments scored like this one, 105 (87.5%) were cases of fraud.",
    )
    narrative = Narrative(claims=tuple(Claim(text=text) for text in sentences), writer="benchmark")
    prediction = Prediction(
        id=row,
        at="2018-08-08T14:05:00+00:00",
        entities={"customer": "4711", "terminal": "815"},
        inputs={"amount": 231.5},
        probability=0.9,
        logit=2.2,
        threshold=0.5,
        alert=True,
        abstained=False,
        model="0" * 64,
    )
    return draft(prediction, evidence, narrative, verify(narrative, evidence))


def rate(count: int, work: Callable[[], object]) -> dict[str, float]:
    """Return how many per second, by the clock and by the processor's time."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"count": count, "per_second": round(count / wall, 1), "per_cpu_second": round(count / cpu, 1)}


def measured(store: Store, num_cases: int) -> dict[str, dict[str, float]]:
    proposals = [proposal(f"r{number}") for number in range(num_cases)]
    single, many, rest = proposals[:200], proposals[200 : num_cases // 2], proposals[num_cases // 2 :]
    figures = {
        "verdicts": rate(500, lambda: [verify(case.narrative, case.evidence) for case in proposals[:500]]),
        "opened_one_by_one": rate(len(single), lambda: [store.open_cases([case]) for case in single]),
        "opened_in_one_transaction": rate(len(many) + len(rest), lambda: store.open_cases([*many, *rest])),
    }

    def approve(case: Case) -> None:
        store.decide(case.id, Decision(verb="approve", actor="ann", content=case.content))

    first = many[:500]
    figures["decisions_1_thread"] = rate(len(first), lambda: [*map(approve, first)])
    with ThreadPoolExecutor(32) as pool:
        figures["decisions_32_threads"] = rate(len(rest), lambda: [*pool.map(approve, rest)])
    num_events = store.head().seq
    reports = []
    figures["events_verified"] = rate(num_events, lambda: reports.append(store.verify_log()))
    assert reports[0].passed
    assert reports[0].events == num_events == num_cases + len(first) + len(rest)
    return figures


def fsyncs(folder: Path) -> float:
    """Return how many fsyncs per second the disk under a folder does: the bound of any durable store."""
    with (folder / "probe").open("wb", buffering=0) as file:

        def sync() -> None:
            for _ in range(200):
                file.write(b"x" * 4096)
                os.fsync(file.fileno())

        return rate(200, sync)["per_second"]


def commit() -> str:
    """Return the commit that stands in the working tree."""
    asked = ["git", "-C", str(RESULTS.parent), "rev-parse", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def machine() -> dict[str, str | int | None]:
    models = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    return {
        "processor": models[0].partition(": ")[2] if models else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--store", default="", help="URL of an empty store; SQLite in a temporary folder if empty"
    )
    parser.add_argument("--cases", type=int, default=6000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = arguments.store or f"sqlite:///{folder}/cases.db"
        with Store(url) as store:
            figures = measured(store, arguments.cases)
        syncs = fsyncs(Path(folder))
    database = url.partition(":")[0]
    place = ["--store", f"{database}://..."] if arguments.store else []
    result = {
        "command": shlex.join(["python", *sys.argv[:1], "--cases", str(arguments.cases), *place]),
        "database": database,
        "commit": commit(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "case_bytes": sum(len(canonical(part)) for part in _parts(proposal("r0"))),
        "fsyncs_per_second": syncs,
        "figures": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=2)
    (RESULTS / f"cases_{database}.json").write_text(text + "\n")
    print(text)


def _parts(case: Case) -> tuple[Prediction, Evidence, Narrative]:
    return case.prediction, case.evidence, case.narrative


if __name__ == "__main__":
    main()
