"""What the model would have said of a row had one input been another, and how far inputs have moved."""

from dataclasses import replace

import numpy as np
import polars as pl

from foretell.data.dataset import Column, Dataset
from foretell.data.kinds import kind
from foretell.errors import DataError
from foretell.evidence.scene import DAY_US, fact
from foretell.lookup import unknown
from foretell.prediction.fitted import Fitted
from foretell.records import Fact, Value

CHANGEABLE = ("number", "category", "text")
"""Kinds of column that a what-if may change: not whose the row is, nor when it happened."""
DRIFT_DAYS = 30
LONGEST_VALUE = 200


def whatif(fitted: Fitted, dataset: Dataset, row_id: str, column: str, value: str) -> Fact:
    """Return what the model says of a row with one input changed; its past stays as it was.

    Raises:
        DataError: when there is no such row or input, or the value cannot be read as one of it.
    """
    row, changed = _row(dataset, row_id), _column(dataset, column)
    cell, values = _cell(changed, value), dataset.frame[changed.name]
    then = dataset.take(np.arange(row + 1))  # what comes later counts for nothing
    new = pl.concat([values[:row], pl.Series(changed.name, [cell], values.dtype)])
    then = replace(then, frame=then.frame.with_columns(new))
    probability = _probability(fitted, dataset, then, row)
    was = values[row]
    detail: dict[str, Value] = {"probability": probability, "known": int(was is not None)}
    detail |= {"was": was} if was is not None else {}
    grid = fitted.reference.grids.get(changed.name)
    if grid is not None and len(grid):
        detail |= {"low": float(grid[0]), "high": float(grid[-1])}
    unit = changed.unit if changed.kind == "number" else "name"
    return fact("whatif", changed.name, changed.text, cell, unit, f"model {fitted.digest[:16]}", detail)


def _probability(fitted: Fitted, dataset: Dataset, then: Dataset, row: int) -> float:
    """Return the probability of the outcome that the row's case is about, with the row as it would be."""
    scored = fitted.score(then, np.array([row]))
    if fitted.coupling is None:
        return float(scored.probabilities[0])
    was = fitted.score(dataset.take(np.arange(row + 1)), np.array([row]))
    return float(fitted.coupling(scored.logits)[0, fitted.coupling(was.logits)[0].argmax()])


def drift(fitted: Fitted, dataset: Dataset, row_id: str) -> list[Fact]:
    """Return per number the share of the days before that lies outside the reference's middle half."""
    if dataset.column("time") is None:
        return []
    row, at_us = _row(dataset, row_id), dataset.at_us
    since = int(np.searchsorted(at_us, at_us[row] - DRIFT_DAYS * DAY_US))
    found = []
    for column in dataset.inputs("number"):
        low, high = fitted.reference.quartiles.get(column.name, (np.nan, np.nan))
        values = dataset.frame[column.name][since:row].drop_nulls().to_numpy()
        if len(values) and low < high:
            outside = float(np.mean((values < low) | (values > high)))
            detail: dict[str, Value] = {"n": len(values), "low": low, "high": high, "days": DRIFT_DAYS}
            source = f"rows of the {DRIFT_DAYS} days before, and training rows"
            found.append(fact("drift", column.name, column.text, outside, "share", source, detail))
    return found


def _row(dataset: Dataset, row_id: str) -> int:
    rows = np.flatnonzero(dataset.ids == row_id)
    if len(rows) == 0:
        raise DataError(f"the data of the run hold no row '{row_id}'", "ask with the data that it was run on")
    return int(rows[0])


def _column(dataset: Dataset, name: str) -> Column:
    columns = {column.name: column for column in dataset.inputs() if column.kind in CHANGEABLE}
    if name not in columns:
        raise DataError(*unknown("input to change", name, columns))
    return columns[name]


def _cell(column: Column, value: str) -> float | str:
    """Return a written value as the column would hold it."""
    if not value.strip() or len(value) > LONGEST_VALUE:
        told = f"a what-if needs a value of 1 to {LONGEST_VALUE} letters"
        raise DataError(told, "as in: what if amount = 20?")
    cell = kind(column.kind).repair(pl.Series(column.name, [value]))[0][0]
    if cell is None:
        raise DataError(f"'{value}' is no {column.kind} for {column.text}", "write it as the data do")
    return cell
