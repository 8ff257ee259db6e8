"""Card fraud by the handbook's protocol: peers, the product and a Bayes ceiling, side by side in one run.

    python benchmarks/fraud.py [--weeks 2018-08-08 ...] [--seeds 0 1 2] [--labels all book] [--quick]

Every figure is stored as soon as it is known; a run that was killed goes on from what it had. Settings were
chosen on the weeks of `handbook.CHOOSING`; the weeks reported here are later.
"""

import argparse
import json
import os
import platform
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

import handbook
from ceiling import ceiling
from foretell.border import load_spec
from foretell.cases import Store
from foretell.data.dataset import Dataset
from foretell.data.reading import read
from foretell.data.split import Split, split
from foretell.models.family import thinned
from foretell.prediction import ladder
from foretell.prediction.fitted import DELIVERED, Fitted, Scored
from handbook import Floats, Rows, Stream
from leaks import leaks
from peers import ON_STATES, PEERS, Peer, judged

ROOT = Path(__file__).parents[1]
DATA = ROOT / "../shared/data/fraud/transactions.parquet"
SPEC = ROOT / "examples/fraud.yaml"
LABELS = ("all", "book")
LIBRARIES = ("numpy", "numba", "polars", "lightgbm", "xgboost-cpu", "xgboost", "scikit-learn", "torch")
CEILING = "Bayes filter that knows the simulator"
NAMES = {"floor": "ours: floor, raw", "boosting": "ours: boosting", "event_stream": "ours: neural readout",
         DELIVERED: "ours: delivered"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bench:
    """The data in both readings, and what is known so far."""

    stream: Stream
    dataset: Dataset
    results: dict[str, Any]
    out: Path | None

    def missing(self, week: str, labels: str, contestant: str, seed: int) -> bool:
        """Return whether a figure is still to be found."""
        key = (week, labels, contestant, seed)
        return all(key != tuple(cell[k] for k in KEY) for cell in self.results["cells"])

    def add(self, week: str, labels: str, contestant: str, seed: int, figures: Mapping[str, Any]) -> None:
        """Keep and store the figures of one contestant on one week."""
        cell = {"week": week, "labels": labels, "contestant": contestant, "seed": seed, "commit": commit()}
        self.results["cells"].append(cell | {name: rounded(value) for name, value in figures.items()})
        self.results["means"] = means(self.results["cells"])
        self.store()
        shown = " ".join(f"{name} {figures[name]:.4f}" for name in METRICS if figures[name] is not None)
        print(f"{week} {labels:4} {seed} {contestant:40} {shown}", flush=True)

    def once(self, name: str, find: Callable[[], Any]) -> None:
        """Find and store what is not yet in the results."""
        if name not in self.results:
            self.results[name] = find()
            print(name, json.dumps(self.results[name]), flush=True)
            self.store()

    def store(self) -> None:
        """Write the results aside and rename them, so that a kill leaves the older or the newer ones."""
        if self.out is not None:
            aside = self.out.with_suffix(".part")
            aside.write_text(json.dumps(self.results, indent=1) + "\n")
            aside.replace(self.out)


KEY = ("week", "labels", "contestant", "seed")
METRICS = ("ap", "auc", "cp", "cp_kept")


def windows(week: str, labels: str) -> tuple[str, ...]:
    """Return the overrides that make the example's spec judge a week."""
    start = date.fromisoformat(week)
    end = start - timedelta(days=handbook.DELAY_DAYS)
    bounds: dict[str, object] = {
        "test_from": start,
        "test_until": start + timedelta(days=handbook.WEEK_DAYS),
        "train_until": end,
    }
    if labels == "book":
        # Of a week, a day must choose; fewer rows hold too few frauds to choose by.
        bounds |= {"train_from": end - timedelta(days=handbook.WEEK_DAYS), "valid_share": 0.15}
    return tuple(f"split.{name}={value}" for name, value in bounds.items())


def judging(bench: Bench, week: str, labels: str, *overrides: str) -> Dataset:
    """Return the rows up to the end of a test week, with the example's spec set to judge it."""
    source = f"data.source={bench.dataset.spec.data.source}"
    last = np.searchsorted(bench.stream.day, handbook.first_day(week) + handbook.WEEK_DAYS)
    spec = load_spec(SPEC, (*windows(week, labels), source, "train.threads=1", *overrides))
    return replace(bench.dataset.take(np.arange(last)), spec=spec)


def fitted_on(bench: Bench, week: str, labels: str, seed: int) -> tuple[Fitted, Scored, Split, float]:
    """Return the product's fit for a week, its scores of the retained rows, and its CPU-seconds."""
    dataset = judging(bench, week, labels, f"train.seed={seed}")
    parts, rows = split(dataset), handbook.test_rows(bench.stream, week)
    assert np.isin(rows, parts.test).all(), "the product's test part holds the week"
    parts, started = replace(parts, test=rows), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        fitted, scored = ladder.fit(
            dataset.spec, dataset, parts, folder=Path(folder), tell=lambda message: None
        )
    return fitted, scored, parts, time.process_time() - started


def ours(bench: Bench, week: str, labels: str, seed: int) -> None:
    """Judge every rung of the product's ladder and what it delivers; and a peer on its states."""
    if not bench.missing(week, labels, NAMES[DELIVERED], seed):
        return
    fitted, scored, parts, spent = fitted_on(bench, week, labels, seed)
    if (labels, seed) == ("all", 0) and bench.missing(week, labels, ON_STATES.name, 0):
        bench.add(week, labels, ON_STATES.name, 0, on_states(bench, week, labels, scored))
    for standing in fitted.standings:
        figures = {"ap": standing.metrics["average_precision"], "auc": standing.metrics["auc"]}
        if standing.name == DELIVERED:
            found = handbook.measure(bench.stream, parts.test, scored.probabilities)
        elif standing.name in fitted.families:
            logits = fitted.families[standing.name].logits(scored.features[parts.test])
            found = handbook.measure(bench.stream, parts.test, logits)
        else:  # a rung that is not delivered leaves no scores, only its metrics
            found = {"cp": None, "cp_kept": None}
        found = figures | dict(found)
        found["fit_cpu_seconds"] = spent if standing.name == DELIVERED else standing.fit_cpu_seconds
        found["rows_per_cpu_second"] = standing.rows_per_cpu_second
        found["weight"] = standing.weight
        if standing.name == DELIVERED:
            found["ece"] = standing.metrics["ece"]
        bench.add(week, labels, NAMES[standing.name], seed, found)


def on_states(bench: Bench, week: str, labels: str, scored: Scored) -> Mapping[str, Any]:
    """Judge a peer on the states that the product carries, with all rows of the label history thinned."""
    rows, truth = handbook.training_rows(bench.stream, week, labels), bench.stream.fraud
    suspected = 1.0 - np.prod(1.0 - scored.excused[rows].astype(np.float64), axis=1)
    sample = thinned(truth, rows, suspected)
    return peer_figures(bench, week, ON_STATES, scored.features, sample.rows, sample.weights)


def peer_figures(
    bench: Bench, week: str, peer: Peer, features: Any, rows: Rows, weights: Floats | None = None
) -> Mapping[str, Any]:
    """Fit a peer on some rows and judge it on the week's retained rows."""
    test, truth = handbook.test_rows(bench.stream, week), bench.stream.fraud
    found = judged(peer, features[rows], truth[rows], features[test], weights)
    figures = handbook.measure(bench.stream, test, found.scores)
    return {
        **figures,
        "fit_cpu_seconds": found.fit_cpu_seconds,
        "rows_per_cpu_second": found.rows_per_cpu_second,
    }


def others(bench: Bench, weeks: Iterable[str], labels: Iterable[str], *, slow: bool) -> None:
    """Judge the peers; no seed changes them."""
    started = time.process_time()
    features = {"raw": handbook.raw(bench.stream), "handmade": handbook.handmade(bench.stream)}
    spent = time.process_time() - started
    bench.once("handmade_rows_per_cpu_second", lambda: round(len(bench.stream.at) / spent))
    for name in labels:
        for peer in (peer for peer in PEERS if peer.slow == slow):
            for week in weeks:
                if bench.missing(week, name, peer.name, 0):
                    rows = handbook.training_rows(bench.stream, week, name)
                    bench.add(
                        week,
                        name,
                        peer.name,
                        0,
                        peer_figures(bench, week, peer, features[peer.features], rows),
                    )


def ceilings(bench: Bench, weeks: list[str]) -> None:
    """Judge the filter that knows the simulator; the label history is all that had arrived."""
    if any(bench.missing(week, "all", CEILING, 0) for week in weeks):
        tests = [handbook.test_rows(bench.stream, week) for week in weeks]
        scores = np.split(
            ceiling(bench.stream, np.concatenate(tests)), np.cumsum([len(t) for t in tests])[:-1]
        )
        for week, rows, score in zip(weeks, tests, scores, strict=True):
            if bench.missing(week, "all", CEILING, 0):
                bench.add(week, "all", CEILING, 0, handbook.measure(bench.stream, rows, score))


def road(data: Path, *, cold: bool) -> dict[str, float]:
    """Run the command line on the raw file in a fresh process.

    Args:
        cold: compile the kernels anew.

    Returns:
        CPU-seconds and wall-seconds from the raw file to the verified cases in the store, and their number.
    """
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "run"
        environment = (
            os.environ | ({"NUMBA_CACHE_DIR": f"{name}/numba"} if cold else {}) | {"OMP_NUM_THREADS": "1"}
        )
        overrides = (f"data.source={data.resolve()}", f"out={out}", "train.threads=1")
        command = [sys.executable, "-m", "foretell", "run", str(SPEC)]
        command += [part for override in overrides for part in ("--set", override)]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        with Store(f"sqlite:///{out / 'cases.db'}", create=False) as store:
            cases = list(store.cases(limit=10_000))
        assert all(case.verdict.passed for case in cases)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"cpu_seconds": round(spent, 1), "wall_seconds": round(wall, 1), "narratives": len(cases)}


def means(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Return by labels and contestant the mean over weeks and seeds, and how far weeks and seeds spread."""
    found: dict[str, Any] = {}
    for labels, contestant in dict.fromkeys((cell["labels"], cell["contestant"]) for cell in cells):
        mine = [c for c in cells if (c["labels"], c["contestant"]) == (labels, contestant)]
        line: dict[str, Any] = {"cells": len(mine), "seeds": len({c["seed"] for c in mine})}
        for name in (*METRICS, "fit_cpu_seconds", "rows_per_cpu_second", "ece"):
            if any(cell.get(name) is None for cell in mine):
                continue
            by_week = [np.mean([c[name] for c in mine if c["week"] == w]) for w in weeks_of(mine)]
            by_seed = [np.mean([c[name] for c in mine if c["seed"] == s]) for s in {c["seed"] for c in mine}]
            line[name] = rounded(float(np.mean(by_week)))
            if name in METRICS:
                line[f"{name}_weeks"] = [rounded(float(value)) for value in by_week]
                line[f"{name}_seeds_std"] = rounded(float(np.std(by_seed)))
        found.setdefault(labels, {})[contestant] = line
    return found


def weeks_of(cells: list[dict[str, Any]]) -> list[str]:
    return sorted({cell["week"] for cell in cells})


def rounded(value: float | None) -> float | None:
    """Return a figure with the digits that mean something."""
    return None if value is None else round(float(value), 4 if abs(value) < 10 else 1)


@cache
def commit() -> str:
    """Return the commit that this run was started at."""
    shown = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return shown.stdout.strip()


def machine() -> dict[str, Any]:
    info = Path("/proc/cpuinfo")
    names = (
        [line for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    return {
        "processor": names[0].partition(": ")[2] if names else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def started(options: argparse.Namespace) -> dict[str, Any]:
    """Return the results so far, with this run's head."""
    held = json.loads(options.out.read_text()) if options.out and options.out.exists() else {"cells": []}
    installed = {}
    for library in LIBRARIES:
        try:
            installed[library] = version(library)
        except ImportError:
            continue
    head = {
        "command": shlex.join(["python", "benchmarks/fraud.py", *sys.argv[1:]]),
        "commit": commit(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": installed,
    }
    return held | head


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--weeks", nargs="+", default=list(handbook.JUDGING), metavar="DATE")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--labels", nargs="+", choices=LABELS, default=list(LABELS))
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument(
        "--quick", action="store_true", help="the published week once, nothing slow, nothing stored"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/fraud.json")
    options = parser.parse_args()
    if options.quick:
        options.weeks, options.seeds, options.out = [handbook.JUDGING[-1]], [0], None
    if not options.data.exists():
        sys.exit(f"error: there is no {options.data}\nhint: give the handbook's transactions with --data")
    torch.set_num_threads(1)
    source = f"data.source={options.data.resolve()}"
    bench = Bench(
        stream=handbook.read(options.data),
        dataset=read(load_spec(SPEC, (source,))),
        results=started(options),
        out=options.out,
    )
    assert (bench.dataset.target == bench.stream.fraud).all(), "both readings have one order"
    ceilings(bench, options.weeks)
    if options.peers:
        others(bench, options.weeks, options.labels, slow=False)
    for seed in options.seeds:
        for labels in options.labels:
            for week in options.weeks:
                ours(bench, week, labels, seed)
    if not options.quick:
        week = options.weeks[-1]
        bench.once(
            "leaks", lambda: leaks(judging(bench, week, "all", "model.families=[]"), bench.stream, week)
        )
        bench.once("road_warm", lambda: road(options.data, cold=False))
        bench.once("road_cold", lambda: road(options.data, cold=True))
        if options.peers:
            others(bench, options.weeks, options.labels, slow=True)


if __name__ == "__main__":
    main()
