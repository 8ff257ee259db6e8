"""Instants, in microseconds UTC: dates, ISO text, or epoch numbers. Text without a zone is read as UTC."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from foretell import units
from foretell.data.cells import Found, example, known, words
from foretell.data.dataset import Column

CATEGORICAL = False
MOSTLY = 0.9
SAMPLE = 1000
"""Values that are looked at to tell whether a column holds instants."""
INSTANT = pl.Datetime("us", "UTC")
FIRST, LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""Years 1 to 9999, in microseconds since the epoch."""
NAMES = frozenset(
    {"time", "date", "datetime", "timestamp", "ts", "at", "epoch", "instant", "when", "created"}
)
EPOCH = (631_152_000.0, 4_102_444_800.0)
"""Years 1990 to 2100, in seconds: what an epoch number must lie in to be taken for an instant."""
FORMATS = (
    *("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M%z", "%Y-%m-%d"),
    *("%Y/%m/%d %H:%M:%S%.f", "%Y/%m/%d %H:%M", "%Y/%m/%d"),
)
DAY_US = 86_400_000_000


def infer(series: pl.Series) -> str:
    if series.dtype in (pl.Date, pl.Datetime):
        return f"it holds {'dates' if series.dtype == pl.Date else 'instants'}"
    if series.dtype.is_float() or series.dtype.is_integer():
        return _infer_epoch(series)
    if series.dtype != pl.String:
        return ""
    values = known(series)[0].drop_nulls()
    sample = values.gather_every(max(1, len(values) // SAMPLE))
    if sample.is_empty():
        return ""
    if _from_text(sample).count() >= MOSTLY * len(sample):
        return f"its values read as instants, as in {units.quoted(sample[0][:40])}"
    numbers = sample.cast(pl.Float64, strict=False)
    return _infer_epoch(numbers) if numbers.count() >= MOSTLY * len(sample) else ""


def _infer_epoch(series: pl.Series) -> str:
    if not NAMES & set(words(series.name)):
        return ""
    instants = _from_epoch(series.cast(pl.Float64)).dt.timestamp("us").drop_nulls() / 1e6
    if instants.is_empty() or not instants.is_between(*EPOCH).all():
        return ""
    return f"its name speaks of time and its numbers count from 1970, as in {series.drop_nulls()[0]}"


def repair(series: pl.Series) -> tuple[pl.Series, Found]:
    """Return Datetime in microseconds UTC; what is no instant of the years 1 to 9999 becomes missing."""
    if series.dtype in (pl.Date, pl.Datetime):
        absent, instants = series.is_null(), _from_dates(series)
    elif series.dtype.is_numeric():
        numbers = series.cast(pl.Float64)
        absent, instants = numbers.is_null() | numbers.is_nan().fill_null(False), _from_epoch(numbers)
    else:
        text, _ = known(series)
        absent, instants = text.is_null(), _from_text(text)
        unread = instants.is_null() & ~absent
        if unread.any():
            numbers = _from_epoch(text.filter(unread).cast(pl.Float64, strict=False))
            instants = instants.scatter(unread.arg_true(), numbers)
    found: Found = []
    if absent.any():
        found.append(("missing", int(absent.sum()), example(series, absent)))
    wrong = instants.is_null() & ~absent
    if wrong.any():
        found.append(("not an instant", int(wrong.sum()), example(series, wrong)))
    return instants.rename(series.name), found


def _from_dates(series: pl.Series) -> pl.Series:
    steps = {"ms": 1e3, "us": 1.0, "ns": 1e-3}
    factor = steps[series.dtype.time_unit] if isinstance(series.dtype, pl.Datetime) else DAY_US
    physical = series.to_physical()
    inside = (physical.cast(pl.Float64) * factor).is_between(FIRST, LAST)
    safe = physical.set(~inside.fill_null(True), None).cast(pl.Int64)
    return (safe // 1000 if factor < 1 else safe * int(factor)).cast(INSTANT)


def _from_epoch(numbers: pl.Series) -> pl.Series:
    """Read seconds, milli-, micro- or nanoseconds since 1970, told apart by their size."""
    size = pl.col("n").abs()
    factor = (
        pl.when(size < 1e11).then(1e6).when(size < 1e14).then(1e3).when(size < 1e17).then(1.0).otherwise(1e-3)
    )
    us = pl.DataFrame({"n": numbers}).select((pl.col("n") * factor).round()).to_series()
    inside = us.is_between(FIRST, LAST).fill_null(False)
    return us.set(~inside, None).cast(pl.Int64).cast(INSTANT)


def _from_text(text: pl.Series) -> pl.Series:
    plain = text.str.replace(r"^(\d{4}\S*)T", "${1} ").str.replace(r"\s*(Z|UTC)$", "+00:00")
    plain = plain.str.replace(r"(:\d\d[+-]\d\d)$", "${1}:00")
    instants = pl.Series(text.name, [None], dtype=INSTANT).new_from_index(0, len(text))
    for pattern in FORMATS:
        left = instants.is_null() & plain.is_not_null()
        if not left.any():
            break
        read = plain.filter(left).str.to_datetime(pattern, time_unit="us", time_zone="UTC", strict=False)
        instants = instants.scatter(left.arg_true(), read)
    inside = instants.to_physical().is_between(FIRST, LAST).fill_null(True)
    return instants.set(~inside, None)


def fit(series: pl.Series) -> dict[str, Any]:
    """Return the first instant, from which days are counted; the event's own time is encoded with {}."""
    first = series.to_physical().min()
    return {} if first is None else {"reference_us": int(str(first))}


def encode(series: pl.Series, state: Mapping[str, Any]) -> np.ndarray:
    """Return hour, weekday, their sine and cosine, and, with a reference, the days since it."""
    # Compiled code loads in some tenths of a second: only what encodes pays them.
    from foretell.data.kinds.clock import WIDTH, clocks

    us = series.to_physical()
    out = np.empty((len(us), WIDTH + bool(state)), np.float32)
    missing = us.is_null().to_numpy()
    clocks(us.fill_null(0).to_numpy(), missing, state.get("reference_us", 0), out)
    return out


def names(column: Column, state: Mapping[str, Any]) -> tuple[str, ...]:
    parts = ["hour", "weekday", "hour_sin", "hour_cos", "weekday_sin", "weekday_cos"]
    return tuple(f"{column.name}.{part}" for part in parts + ["days"] * bool(state))


def show(value: datetime | None, column: Column) -> str:
    return "unknown" if value is None else units.instant(value.astimezone(UTC).isoformat())
