"""One event at a time against the batch: the same numbers, and how fast each way is.

    python benchmarks/live.py

Fits on the card data where they are at hand, else on a simulated world; replays all events in batch, then
plays them one by one with their late labels, stopping half-way and going on from the snapshot on the disk.
The figures go to benchmarks/results/live.json.
"""

import json
import os
import platform
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from foretell.border import load_spec
from foretell.data.dataset import Dataset
from foretell.data.reading import read
from foretell.data.sources import load
from foretell.data.split import split
from foretell.data.worlds import payments
from foretell.prediction import ladder
from foretell.prediction.features import Replayed, Snapshot
from foretell.prediction.fitted import Fitted
from foretell.prediction.folder import open_fitted, write_fitted
from foretell.prediction.live import Live
from foretell.prediction.resting import open_snapshot, store_snapshot
from foretell.spec import Spec

ROOT = Path(__file__).parents[1]
DATA = ROOT / "../shared/data/fraud/transactions.parquet"
WARM = 1000
"""First events, whose times are not counted."""


def fitted_on(spec: Spec, dataset: Dataset, folder: Path) -> Fitted:
    """Return a model as serving has it: written to a folder and opened again."""
    fitted, _ = ladder.fit(spec, dataset, split(dataset), folder=folder / "training", tell=print)
    write_fitted(fitted, folder / "model", fingerprint=dataset.fingerprint, card="")
    opened = open_fitted(folder / "model")
    assert opened.logits_of(fitted.reference.background).tolist() == (
        fitted.logits_of(fitted.reference.background).tolist()
    )
    return replace(opened, standings=fitted.standings)


def replayed(fitted: Fitted, dataset: Dataset) -> tuple[Replayed, np.ndarray, dict[str, float]]:
    """Return the batch's features and log-odds of all rows, and its paces."""
    features = fitted.featurizer
    before = Snapshot.empty(features.plan)
    events = features.events(dataset, before.register)
    started = time.process_time()
    batch = features.replay(events, before, keep=np.zeros(0, np.int64))
    replay = time.process_time() - started
    started = time.process_time()
    logits = fitted.logits_of(batch.features)
    scoring = time.process_time() - started
    return batch, logits, {
        "replay_events_per_cpu_second": round(len(dataset) / replay),
        "delivered_rows_per_cpu_second": round(len(dataset) / scoring),
    }  # fmt: skip


@dataclass(slots=True)
class Played:
    """What one pass, one event at a time, gave."""

    logits: list[float] = field(default_factory=list)
    event_ns: list[int] = field(default_factory=list)
    event_cpu_ns: list[int] = field(default_factory=list)
    label_ns: list[int] = field(default_factory=list)
    restart_exact: bool = False


def played(fitted: Fitted, dataset: Dataset, folder: Path) -> Played:
    """Play the raw rows in the data set's order, each after the labels that had arrived by its instant."""
    live, done = Live(fitted, Snapshot.empty(fitted.featurizer.plan)), Played()
    raw = load(dataset.spec.data).frame
    time_column = dataset.column("time")
    assert time_column is not None, "events have instants"
    rows = raw.sort(time_column.name, maintain_order=True).iter_rows(named=True)
    waiting: deque[tuple[str, bool, datetime, int]] = deque()
    for number, row in enumerate(rows):
        now = int(dataset.at_us[number])
        while waiting and waiting[0][3] <= now:
            name, positive, at, _ = waiting.popleft()
            started = time.perf_counter_ns()
            live.label(name, positive, at)
            done.label_ns.append(time.perf_counter_ns() - started)
        cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
        answer = live.event(row)
        done.event_ns.append(time.perf_counter_ns() - wall)
        done.event_cpu_ns.append(time.thread_time_ns() - cpu)
        done.logits.append(answer.logit)
        known_at = int(dataset.known_at_us[number])
        at = datetime.fromtimestamp(known_at / 1e6, UTC)
        waiting.append((answer.id, bool(dataset.target[number]), at, known_at))
        if number == len(dataset) // 2:
            before = live.snapshot()
            store_snapshot(before, folder / "snapshot", model="")
            live = Live(fitted, open_snapshot(folder / "snapshot", model=""))
            done.restart_exact = same(before, live.snapshot())
    return done


def same(one: Snapshot, other: Snapshot) -> bool:
    """Return whether two snapshots hold the same bits."""
    arrays = all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("state", "touched", "slots", "happened_at", "arrives_at", "labels", "excused")
    )
    events = all(
        np.array_equal(getattr(one.remembered, name), getattr(other.remembered, name))
        for name in ("ids", "slots", "happened_at", "excused", "labels", "counted_at")
    )
    return arrays and events and one.register.equals(other.register)


def percentiles(ns: list[int]) -> dict[str, float]:
    low, high = np.percentile(np.array(ns[WARM:]) / 1e3, [50, 99])
    return {"p50_us": round(float(low), 1), "p99_us": round(float(high), 1)}


def measured(spec: Spec, folder: Path) -> dict[str, Any]:
    """Return the figures of one machine and one data set."""
    dataset = read(spec)
    fitted = fitted_on(spec, dataset, folder)
    batch, logits, paces = replayed(fitted, dataset)
    wall, cpu = time.perf_counter(), time.process_time()
    live = played(fitted, dataset, folder)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    gap = np.abs(np.array(live.logits) - logits)
    return {
        "events": len(dataset),
        "delivered": dict(fitted.weights),
        "features": int(batch.features.shape[1]),
        "bytes_per_entity": fitted.featurizer.plan.bytes_per_entity,
        "batch": {
            **paces,
            **{
                f"{s.name}_rows_per_cpu_second_at_fit": round(s.rows_per_cpu_second) for s in fitted.standings
            },
        },
        "one_event": {
            "wall": percentiles(live.event_ns),
            "cpu": percentiles(live.event_cpu_ns),
            "label_wall": percentiles(live.label_ns),
            "events_and_labels_per_cpu_second": round((len(dataset) + len(live.label_ns)) / cpu),
            "wall_seconds": round(wall, 1),
        },
        "stream_against_batch": {
            "largest_logit_difference": float(gap.max()),
            "events_that_differ": int((gap > 0).sum()),
        },
        "restart_exact": live.restart_exact,
        "most_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def machine() -> dict[str, str | int | float | None]:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line for line in lines if line.startswith("model name")]
    return {
        "processor": names[0].partition(": ")[2] if names else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = ROOT / "examples/fraud.yaml" if DATA.exists() else payments.write(folder / "world")
        spec = load_spec(path, ("train.threads=1",))
        figures = measured(spec, folder)
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    data = "card fraud" if DATA.exists() else "payments world"
    result = {
        "command": shlex.join(["python", *sys.argv]),
        "commit": commit,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "data": data,
        **figures,
    }
    results = ROOT / "benchmarks" / "results"
    results.mkdir(exist_ok=True)
    text = json.dumps(result, indent=2)
    (results / "live.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
