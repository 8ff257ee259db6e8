"""The monitor on simulated years: false alarms while nothing changes, and days until a change is found.

    python benchmarks/monitor.py [--seeds 0 1 2 3 4] [--plain 0 1] [--years 30] [--trials 40] [--out monitor]

A stream of 30 correlated columns (12 normal, 8 skewed, 2 mostly zero, 8 categories; three have missing
values), a score and outcomes that follow it, in daily batches. In the weekly variant levels, shares and
numbers of rows depend on the weekday, and each day is a little off by itself. The reference is 90 days
before. Peers see the same days: a Kolmogorov-Smirnov (numbers) or chi-square test (categories) a day at 5 %
over all columns, the rule that a population stability index above 0.2 is drift, and Page-Hinkley on the
standardised daily means as `river` sets it, begun anew after an alarm; they are read for the first year
alone. Each figure is stored when it is there.
"""

import argparse
import copy
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from scipy import stats  # noqa: E402

from cases import RESULTS, commit, machine  # noqa: E402
from foretell.data.dataset import Column, Dataset  # noqa: E402
from foretell.data.split import Split  # noqa: E402
from foretell.prediction.monitor import Batch, Monitor, sketch_of, weekday_of  # noqa: E402
from foretell.prediction.sketch import placed, tallied  # noqa: E402
from foretell.spec import DataSpec, Spec  # noqa: E402
from foretell.tasks.classify import DAY_US  # noqa: E402

Floats = NDArray[np.float64]
NORMAL, SKEWED, ZEROS, CATEGORIES = 12, 8, 2, 8
NUMBERS = NORMAL + SKEWED + ZEROS
SHARES = np.array([0.4, 0.3, 0.2, 0.09, 0.01])
NAMES = np.array(["web", "shop", "phone", "letter", "other"])
REFERENCE, CHUNK, PEER_YEARS, LONGEST = 90, 50, 1, 30
SIZES = (200, 500, 2000)
RULES = ("ks", "psi", "page_hinkley")
CHANGES = ("mean", "spread", "share", "missing")


class World:
    """A stream of days."""

    def __init__(self, seed: int, size: int, *, weekly: bool) -> None:
        self.rng = np.random.default_rng([seed, size, weekly])
        self.size, self.weekly = size, weekly
        self.loadings = self.rng.uniform(-0.7, 0.7, NUMBERS + CATEGORIES)
        self.weekdays = self.rng.normal(0, 0.3, (7, NUMBERS + CATEGORIES)) * weekly
        self.spreads = self.rng.uniform(0.4, 0.9, SKEWED)

    def days(self, first: int, num_days: int, change: str = "", column: int = 0) -> tuple[Dataset, Floats]:
        """Return the rows of some days, and their log-odds.

        Args:
            change: what is changed on all of them, in one column.
        """
        rng = self.rng
        weekdays = np.array([weekday_of(day) for day in range(first, first + num_days)])
        counts = np.full(num_days, self.size)
        if self.weekly:
            counts = np.where(weekdays >= 5, self.size // 2, counts)
        day = np.repeat(np.arange(num_days), counts)
        own = 0.02 * self.weekly * rng.standard_normal((NUMBERS + CATEGORIES, num_days))
        level = self.weekdays[weekdays].T + own
        x = self.loadings[:, None] * rng.standard_normal(len(day))
        x += np.sqrt(1 - self.loadings**2)[:, None] * rng.standard_normal(x.shape) + level[:, day]
        if change == "mean" and column < NORMAL:
            x[column] += 0.2
        if change == "spread":
            x[column] *= 1.2
        numbers = x[:NUMBERS].copy()
        skewed = slice(NORMAL, NORMAL + SKEWED)
        numbers[skewed] = np.exp(self.spreads[:, None] * x[skewed])
        numbers[NORMAL + SKEWED :] = np.maximum(x[NORMAL + SKEWED : NUMBERS] - 1, 0)
        if change == "mean" and column >= NORMAL:
            s2 = self.spreads[column - NORMAL] ** 2
            numbers[column] += 0.2 * np.sqrt(np.expm1(s2) * np.exp(s2))
        numbers[:3, rng.random(len(day)) < 0.03] = np.nan
        if change == "missing":
            numbers[column, rng.random(len(day)) < 0.02] = np.nan
        bounds = stats.norm.ppf(np.cumsum(SHARES)[:-1])
        codes = [np.searchsorted(bounds, each) for each in x[NUMBERS:]]
        if change == "share":
            moved = rng.random(len(day)) < 0.05
            codes[column] = np.where(moved, 2, codes[column])
        logits = -2.5 + 0.6 * x[0] + 0.4 * x[NORMAL] + 0.3 * x[NUMBERS]
        return self._dataset(numbers, codes, logits, first + day), logits

    def _dataset(self, numbers: Floats, codes: list[Any], logits: Floats, day: Any) -> Dataset:
        frame = {f"n{i}": pl.Series(column, nan_to_null=True) for i, column in enumerate(numbers)}
        frame |= {f"c{i}": pl.Series(NAMES[column]) for i, column in enumerate(codes)}
        columns = [
            Column(
                name=name, kind="number" if name[0] == "n" else "category", role="input", text=name, reason=""
            )
            for name in frame
        ]
        columns.append(Column(name="at", kind="time", role="time", text="at", reason=""))
        return Dataset(
            spec=Spec(data=DataSpec(source="simulated", target="y")),
            frame=pl.DataFrame(frame),
            columns=tuple(columns),
            repairs=(),
            fingerprint="",
            target=(self.rng.random(len(day)) < chances(logits)).astype(np.int8),
            at_us=day * DAY_US,
            known_at_us=day * DAY_US,
            ids=np.zeros(0),
            beyond=np.zeros(len(day), np.bool_),
        )


def chances(logits: Floats) -> Floats:
    return 1 / (1 + np.exp(-logits))


def begun(world: World) -> tuple[Monitor, Dataset]:
    """Return a monitor that knows the reference, and the reference."""
    dataset, logits = world.days(0, REFERENCE)
    later, none = dataset.at_us >= REFERENCE // 2 * DAY_US, np.zeros(0, dtype=np.int64)
    train, choose = np.flatnonzero(~later), np.flatnonzero(later)
    parts = Split(by="time", train=train, valid=choose, test=none, history=none, reason="")
    sketch = sketch_of(dataset, parts, choose, logits[choose], chances(logits[choose]))
    return Monitor.begun(sketch, "simulated"), dataset


def watched(monitor: Monitor, dataset: Dataset, logits: Floats) -> Iterator[tuple[int, Monitor]]:
    """Yield each day and the monitor after it."""
    columns = monitor.layout.columns
    rows = placed(columns, dataset, logits, chances(logits))
    days = dataset.at_us // DAY_US
    for day in np.unique(days).tolist():
        chosen = np.flatnonzero(days == day)
        key = f"{day:06d}"
        counted = tallied(columns, rows, chosen)
        monitor = monitor.after(Batch(key=key, digest="", rows=len(chosen)), counted, weekday_of(day))
        labels = dataset.target[chosen].astype(np.float64)
        monitor = monitor.judged(key, chances(logits[chosen]), labels)
        yield day, monitor


class Peers:
    """What is usually done, each told of a day's rows."""

    def __init__(self, reference: Dataset) -> None:
        self.frame = reference.frame
        self.sorted = [np.sort(reference.frame[f"n{i}"].drop_nulls().to_numpy()) for i in range(NUMBERS)]
        self.shares = [self._shares(reference.frame[f"c{i}"]) for i in range(CATEGORIES)]
        self.edges = [np.unique(np.quantile(each, np.linspace(0, 1, 11)[1:-1])) for each in self.sorted]
        self.binned = [self._binned(i, each) for i, each in enumerate(self.sorted)]
        self.scales = [(each.mean(), each.std()) for each in self.sorted]
        self.hinkleys = [_hinkley() for _ in range(NUMBERS)]

    def alarms(self, frame: pl.DataFrame) -> Mapping[str, set[str]]:
        """Return the columns that each rule says have drifted today."""
        found: dict[str, set[str]] = {rule: set() for rule in RULES}
        for i in range(NUMBERS):
            values = frame[f"n{i}"].drop_nulls().to_numpy()
            if stats.kstwobign.sf(_distance(self.sorted[i], values)) < 0.05 / (NUMBERS + CATEGORIES):
                found["ks"].add(f"n{i}")
            if _psi(self.binned[i], self._binned(i, values)) > 0.2:
                found["psi"].add(f"n{i}")
            mean, scale = self.scales[i]
            self.hinkleys[i].update((values.mean() - mean) / (scale / np.sqrt(len(values))))
            if self.hinkleys[i].drift_detected:
                found["page_hinkley"].add(f"n{i}")
        for i in range(CATEGORIES):
            shares, size = self._shares(frame[f"c{i}"]), len(frame)
            table = np.stack([shares * size, self.shares[i] * len(self.frame)])
            if stats.chi2_contingency(table[:, table.sum(0) > 0])[1] < 0.05 / (NUMBERS + CATEGORIES):
                found["ks"].add(f"c{i}")
            if _psi(self.shares[i], shares) > 0.2:
                found["psi"].add(f"c{i}")
        return found

    def _shares(self, values: pl.Series) -> Floats:
        counted = values.value_counts()
        held = dict(zip(counted[values.name].to_list(), counted["count"].to_list(), strict=True))
        return np.array([held.get(name, 0) for name in NAMES]) / len(values)

    def _binned(self, i: int, values: Floats) -> Floats:
        places = np.searchsorted(self.edges[i], values)
        return np.bincount(places, minlength=len(self.edges[i]) + 1) / len(values)


def _hinkley() -> Any:
    from river.drift import PageHinkley

    return PageHinkley()


def _distance(reference: Floats, values: Floats) -> float:
    """Return the two-sample Kolmogorov-Smirnov distance, scaled; `reference` is sorted."""
    ordered = np.sort(values)
    high = np.searchsorted(reference, ordered, side="right") / len(reference)
    low = np.searchsorted(reference, ordered, side="left") / len(reference)
    steps = np.searchsorted(ordered, ordered, side="right") / len(values)
    before = np.searchsorted(ordered, ordered, side="left") / len(values)
    size = len(values) * len(reference) / (len(values) + len(reference))
    return float(max(np.abs(steps - high).max(), np.abs(low - before).max()) * np.sqrt(size))


def _psi(was: Floats, now: Floats) -> float:
    was, now = np.maximum(was, 1e-4), np.maximum(now, 1e-4)
    return float(((now - was) * np.log(now / was)).sum())


def quiet_years(seed: int, years: int, *, weekly: bool) -> Mapping[str, Any]:
    """Return the alarms of years in which nothing changes."""
    world = World(seed, 500, weekly=weekly)
    monitor, reference = begun(world)
    peers, told = Peers(reference), dict.fromkeys(RULES, 0)
    days, started, first, largest, own = round(365.25 * years), time.process_time(), REFERENCE, -np.inf, 0.0
    peer_days = min(days, round(365.25 * PEER_YEARS))
    while first < REFERENCE + days:
        dataset, logits = world.days(first, min(CHUNK, REFERENCE + days - first))
        begin = time.process_time()
        for _, monitor in watched(monitor, dataset, logits):  # noqa: B020 - goes on from itself
            largest = max(largest, float(monitor.evidence().max()), monitor.outcome_evidence())
        own += time.process_time() - begin
        for frame in _by_day(dataset) if first - REFERENCE < peer_days else ():
            found = peers.alarms(frame)
            for rule, columns in found.items():
                told[rule] += bool(columns)
            for column in found["page_hinkley"]:
                peers.hinkleys[int(column[1:])] = _hinkley()
        first += CHUNK
    return {
        "seed": seed,
        "weekly": weekly,
        "years": years,
        "false_alarms": len(monitor.alarms),
        "largest_log_evidence": largest,
        "peer_days": min(days, -(-peer_days // CHUNK) * CHUNK),
        "peer_alarm_days": told,
        "ms_a_day": 1000 * own / days,
        "cpu_seconds": time.process_time() - started,
    }


def found_after(size: int, change: str, trials: int, *, weekly: bool, peers: bool) -> Mapping[str, Any]:
    """Return the days until a change in one column is found, in as many streams as trials are tens."""
    delays: dict[str, list[float]] = {"foretell": []}
    wrong, named = 0, 0
    for part in range(max(1, trials // 10)):
        world = World(1000 + part, size, weekly=weekly)
        before, reference = begun(world)
        usual = Peers(reference) if peers else None
        start = REFERENCE + int(world.rng.integers(20, 60))
        dataset, logits = world.days(REFERENCE, start - REFERENCE)
        *_, (_, before) = watched(before, dataset, logits)
        if usual is not None:
            for frame in _by_day(dataset):
                usual.alarms(frame)
        for _ in range(min(10, trials)):
            changed = int(world.rng.integers(CATEGORIES if change == "share" else NORMAL + SKEWED))
            name = f"c{changed}" if change == "share" else f"n{changed}"
            dataset, logits = world.days(start, LONGEST, change, changed)
            delay, alarms = _delay(before, dataset, logits, start, name)
            delays["foretell"].append(delay)
            wrong += sum(alarm.column != name for alarm in alarms)
            named += any(alarm.column == name and alarm.kind == _kind(change) for alarm in alarms)
            if usual is not None:
                for rule, each in _peer_delays(usual, dataset, name).items():
                    delays.setdefault(rule, []).append(each)
    return {
        "size": size,
        "change": change,
        "weekly": weekly,
        "days": delays,
        "alarms_in_other_columns": wrong,
        "named_for_what_changed": named,
    }


def _kind(change: str) -> str:
    return {"mean": "level"}.get(change, change)


def _delay(
    monitor: Monitor, dataset: Dataset, logits: Floats, start: int, name: str
) -> tuple[float, tuple[Any, ...]]:
    """Return the days until the column was told, 1 for the first, and the alarms by then; inf if it never
    was."""
    for day, seen in watched(monitor, dataset, logits):
        if any(alarm.column == name for alarm in seen.alarms):
            return day - start + 1, seen.alarms
    return float("inf"), seen.alarms


def _peer_delays(peers: Peers, dataset: Dataset, name: str) -> Mapping[str, float]:
    delays: dict[str, float] = dict.fromkeys(RULES, float("inf"))
    warm = copy.deepcopy(peers.hinkleys)
    for day, frame in enumerate(_by_day(dataset), start=1):
        for rule, columns in peers.alarms(frame).items():
            if name in columns:
                delays[rule] = min(delays[rule], day)
    peers.hinkleys = warm
    return delays


def _by_day(dataset: Dataset) -> Iterator[pl.DataFrame]:
    days = dataset.at_us // DAY_US
    for day in np.unique(days).tolist():
        yield dataset.frame.filter(pl.Series(days == day))


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    asked.add_argument("--plain", type=int, nargs="*", default=[0, 1], help="Seeds without weekdays.")
    asked.add_argument("--years", type=int, default=30)
    asked.add_argument("--trials", type=int, default=40)
    asked.add_argument("--out", default="monitor", help="Name of the results; `publish.py` joins monitor_*.")
    given = asked.parse_args()
    results: dict[str, Any] = {"quiet": [], "changes": []}

    def store(part: str, work: Callable[[], Mapping[str, Any]]) -> None:
        results[part].append(work())
        print(json.dumps(results[part][-1], default=str)[:300], flush=True)
        about = {"command": shlex.join(["python", "benchmarks/monitor.py", *sys.argv[1:]])}
        about |= {"commit": commit(), "machine": machine()}
        (RESULTS / f"{given.out}.json").write_text(json.dumps(about | results, indent=1) + "\n")

    for size in SIZES if given.trials else ():
        store("changes", lambda size=size: found_after(
            size, "mean", given.trials, weekly=False, peers=size == 500))  # fmt: skip
    for change in CHANGES if given.trials else ():
        store("changes", lambda change=change: found_after(
            500, change, given.trials, weekly=True, peers=False))  # fmt: skip
    for seeds, weekly in ((given.seeds, True), (given.plain, False)):
        for seed in seeds:
            store("quiet", lambda seed=seed, weekly=weekly: quiet_years(seed, given.years, weekly=weekly))


if __name__ == "__main__":
    main()
