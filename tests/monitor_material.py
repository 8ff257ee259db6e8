"""Simulated days for the tests of the monitor, and a monitor that knows a reference of them."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from foretell.data.dataset import Column, Dataset
from foretell.data.split import Split
from foretell.prediction.monitor import Batch, Monitor, sketch_of, weekday_of
from foretell.prediction.sketch import placed, tallied
from foretell.spec import DataSpec, Spec
from foretell.tasks.classify import DAY_US, sigmoid

KINDS = {"amount": "number", "age": "number", "channel": "category", "note": "text"}
CHANNELS = np.array(["web", "shop", "phone"])


def days_of(
    rng: np.random.Generator,
    days: Iterable[int],
    *,
    rows: int = 300,
    amount: float = 0.0,
    age_spread: float = 1.0,
    web: float = 0.5,
    missing: float = 0.0,
    weekly: float = 0.0,
    daily: float = 0.0,
    slope: float = 1.0,
    timed: bool = True,
) -> tuple[Dataset, np.ndarray]:
    """Return days of rows and their log-odds.

    Args:
        amount: shift of its logarithm, in standard deviations.
        missing: share of ages that are missing.
        weekly: size of what depends on the weekday, and `daily` of what each day has by itself.
        slope: of the outcomes' log-odds on those told.
    """
    day = np.repeat(np.array(list(days)), rows)
    n = len(day)
    own = dict(zip(np.unique(day).tolist(), rng.standard_normal(len(np.unique(day))), strict=True))
    x = rng.standard_normal((2, n))
    x[0] += amount + weekly * np.sin(2 * np.pi * day / 7) + daily * np.array([own[d] for d in day.tolist()])
    logits = -2 + x[0] + 0.5 * x[1]
    age = 40 + 10 * age_spread * x[1]
    frame = {
        "amount": pl.Series(np.exp(3 + 0.5 * x[0])),
        "age": pl.Series(np.where(rng.random(n) < missing, np.nan, age), nan_to_null=True),
        "channel": pl.Series(rng.choice(CHANNELS, n, p=[web, 0.8 - web, 0.2])),
        "note": pl.Series(["paid"] * n),
    }
    columns = [
        Column(name=name, kind=kind, role="input", text=name, reason="") for name, kind in KINDS.items()
    ]
    if timed:
        columns.append(Column(name="at", kind="time", role="time", text="at", reason=""))
    dataset = Dataset(
        spec=Spec(data=DataSpec(source="simulated", target="y")),
        frame=pl.DataFrame(frame),
        columns=tuple(columns),
        repairs=(),
        fingerprint="",
        target=(rng.random(n) < sigmoid(-2 + slope * (logits + 2))).astype(np.int8),
        at_us=day * DAY_US,
        known_at_us=day * DAY_US,
        ids=np.arange(n).astype(str).astype(object),
        beyond=np.zeros(n, np.bool_),
    )
    return dataset, logits


def begun(dataset: Dataset, logits: np.ndarray, *, folds: bool = False) -> Monitor:
    """Return a monitor whose reference is all of the rows; their second half has chosen, or all in folds."""
    rows, none = np.arange(len(dataset)), np.zeros(0, dtype=np.int64)
    train, choose = np.split(rows, [len(rows) // 2])
    parts = Split(by="time", train=train, valid=choose, test=none, history=none, reason="")
    choose = rows if folds else choose
    sketch = sketch_of(dataset, parts, choose, logits[choose], sigmoid(logits[choose]))
    return Monitor.begun(sketch, "simulated")


def watched(monitor: Monitor, dataset: Dataset, logits: np.ndarray, *, outcomes: bool = False) -> Monitor:
    """Return the monitor after the days of a data set."""
    rows = placed(monitor.layout.columns, dataset, logits, sigmoid(logits))
    days = dataset.at_us // DAY_US
    for day in np.unique(days).tolist():
        chosen = np.flatnonzero(days == day)
        batch = Batch(key=f"day {day}", digest="", rows=len(chosen))
        monitor = monitor.after(batch, tallied(monitor.layout.columns, rows, chosen), weekday_of(day))
        if outcomes:
            labels = dataset.target[chosen].astype(np.float64)
            monitor = monitor.judged(batch.key, sigmoid(logits[chosen]), labels)
    return monitor.brought_up()
