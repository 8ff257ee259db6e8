"""The protocol of the fraud handbook on its card stream: weeks, retained rows, metrics, hand-made features.

Source: Le Borgne et al., Reproducible Machine Learning for Credit Card Fraud Detection (2022), ch. 3 and 4;
rewritten from the description. n: transactions in order of time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numba
import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

ORIGIN = date(2018, 4, 1)
DAY = 86_400.0
DELAY_DAYS = 7
WEEK_DAYS = 7
TOP = 100
"""Cards that can be reviewed a day."""
WINDOWS_DAYS = (1.0, 7.0, 30.0)
CHOOSING = ("2018-06-13", "2018-06-20", "2018-06-27", "2018-07-04", "2018-07-11")
"""Test weeks on which settings may be chosen."""
JUDGING = ("2018-07-18", "2018-07-25", "2018-08-01", "2018-08-08")
"""Test weeks that are reported; the last is the handbook's."""

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stream:
    """The transactions in order of time; entities are codes from 0."""

    at: Floats
    """Seconds since ORIGIN [n]."""
    customer: Rows
    terminal: Rows
    amount: Floats
    fraud: NDArray[np.int8]
    scenario: NDArray[np.int8]
    """The simulator's truth: for the ceiling alone, never an input."""

    @property
    def day(self) -> Rows:
        """Days since ORIGIN [n]."""
        return (self.at // DAY).astype(np.int64)


def read(path: Path) -> Stream:
    """Return the stream; ties keep their order in the file, as in the product's reader."""
    frame = pl.read_parquet(path).sort("TX_DATETIME", maintain_order=True)
    since = frame["TX_DATETIME"] - pl.Series([ORIGIN]).cast(frame.schema["TX_DATETIME"])[0]
    return Stream(
        at=since.dt.total_microseconds().to_numpy() / 1e6,
        customer=frame["CUSTOMER_ID"].rank("dense").to_numpy().astype(np.int64) - 1,
        terminal=frame["TERMINAL_ID"].rank("dense").to_numpy().astype(np.int64) - 1,
        amount=frame["TX_AMOUNT"].to_numpy().astype(np.float64),
        fraud=frame["TX_FRAUD"].to_numpy().astype(np.int8),
        scenario=frame["TX_FRAUD_SCENARIO"].to_numpy().astype(np.int8),
    )


def first_day(week: str) -> int:
    """Return the day of an ISO date."""
    return (date.fromisoformat(week) - ORIGIN).days


def training_rows(stream: Stream, week: str, labels: str) -> Rows:
    """Return the rows whose label is known when the test week starts.

    Args:
        labels: "all" of them, or "book" for the handbook's 7 days of them.
    """
    end = first_day(week) - DELAY_DAYS
    start = end - WEEK_DAYS if labels == "book" else 0
    return np.flatnonzero((stream.day >= start) & (stream.day < end))


def test_rows(stream: Stream, week: str) -> Rows:
    """Return the test week's rows of cards that are not known to be compromised (get_train_test_set).

    Known are the cards with a fraud in the training week, and day by day those whose fraud became known.
    """
    start, day = first_day(week), stream.day
    end, fraud = start - DELAY_DAYS, stream.fraud == 1
    known = np.zeros(stream.customer.max() + 1, dtype=np.bool_)
    known[stream.customer[fraud & (day >= end - WEEK_DAYS) & (day < end)]] = True
    kept = []
    for offset in range(WEEK_DAYS):
        known[stream.customer[fraud & (day == end + offset - 1)]] = True
        rows = np.flatnonzero(day == start + offset)
        kept.append(rows[~known[stream.customer[rows]]])
    return np.concatenate(kept)


def card_precision(stream: Stream, rows: Rows, scores: Floats, *, forget: bool) -> float:
    """Return the mean over days of the share of compromised cards among the TOP that score highest.

    Args:
        forget: leave out a card once it was found (the handbook's default).
    """
    found: set[int] = set()
    shares = []
    for day in np.unique(stream.day[rows]):
        today = stream.day[rows] == day
        columns = {"card": stream.customer[rows], "score": scores, "fraud": stream.fraud[rows]}
        frame = pl.DataFrame({name: values[today] for name, values in columns.items()})
        if forget:
            frame = frame.filter(~pl.col("card").is_in(list(found)))
        best = frame.group_by("card").max().sort("score", "card", descending=[True, False]).head(TOP)
        hits = best.filter(pl.col("fraud") == 1)["card"].to_list()
        shares.append(len(hits) / TOP)
        found.update(hits)
    return float(np.mean(shares))


def measure(stream: Stream, rows: Rows, scores: Floats) -> Mapping[str, float]:
    """Return AP, AUC and card precision of the retained rows' scores."""
    truth = stream.fraud[rows]
    return {
        "ap": float(average_precision_score(truth, scores)),
        "auc": float(roc_auc_score(truth, scores)),
        "cp": card_precision(stream, rows, scores, forget=True),
        "cp_kept": card_precision(stream, rows, scores, forget=False),
    }


@numba.njit(cache=True)
def _window(entity, at, value, seconds):
    """Return count and sum of `value` over the rows of the same entity in (at - seconds, at]."""
    count, total = np.zeros(entity.max() + 1), np.zeros(entity.max() + 1)
    counts, totals = np.zeros(len(at)), np.zeros(len(at))
    tail = 0
    for row in range(len(at)):
        count[entity[row]] += 1
        total[entity[row]] += value[row]
        while at[tail] <= at[row] - seconds:
            count[entity[tail]] -= 1
            total[entity[tail]] -= value[tail]
            tail += 1
        counts[row], totals[row] = count[entity[row]], total[entity[row]]
    return counts, totals


def handmade(stream: Stream) -> NDArray[np.float32]:
    """Return the handbook's 15 features [n, 15].

    Amount, weekend, night; the customer's count and mean amount over 1, 7, 30 days; the terminal's count and
    share of frauds over 1, 7, 30 days that end 7 days earlier, when their labels are known.
    """
    weekend = (stream.day + ORIGIN.weekday()) % 7 >= 5
    night = stream.at % DAY // 3600 <= 6
    columns = [stream.amount, weekend, night]
    for days in WINDOWS_DAYS:
        count, total = _window(stream.customer, stream.at, stream.amount, days * DAY)
        columns += [count, total / np.maximum(count, 1)]
    fraud = stream.fraud.astype(np.float64)
    late, late_frauds = _window(stream.terminal, stream.at, fraud, DELAY_DAYS * DAY)
    for days in WINDOWS_DAYS:
        both, both_frauds = _window(stream.terminal, stream.at, fraud, (DELAY_DAYS + days) * DAY)
        columns += [both - late, (both_frauds - late_frauds) / np.maximum(both - late, 1)]
    return np.column_stack(columns).astype(np.float32)


def raw(stream: Stream) -> NDArray[np.float32]:
    """Return the raw columns [n, 5]: amount, second of the day, day of the week, customer, terminal."""
    weekday = (stream.day + ORIGIN.weekday()) % 7
    columns = [stream.amount, stream.at % DAY, weekday, stream.customer, stream.terminal]
    return np.column_stack(columns).astype(np.float32)
