"""Reading: a spec becomes a dataset; what is missing or wrong is repaired or refused by rule."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from foretell.data import acting
from foretell.data.batches import Watch, unwatched
from foretell.data.cells import Found, clipped, example
from foretell.data.dataset import NEVER_US, Column, Dataset, Drawn, Repair, fingerprint
from foretell.data.drawing import held
from foretell.data.inference import GENERATE, missing_column
from foretell.data.kinds import kind
from foretell.data.sources import Raw, load
from foretell.data.target import LEAST_ROWS, coded, labels, outcome, settled
from foretell.errors import DataError
from foretell.spec import Spec
from foretell.units import seconds

WRONG = frozenset({"left missing", "set to missing", "left out", "left unknown", "set to �"})
"""Actions that `data.missing: refuse` does not allow."""
NEEDED = ("input", "time", "id")
"""Roles without which a stored schema cannot be applied."""


def read(spec: Spec, *, columns: tuple[Column, ...] = (), watch: Watch = unwatched) -> Dataset:
    """Return the rows of `spec.data.source`; of a large table, `spec.data.rows` of them that are drawn.

    Args:
        spec: where the data are and what is known of them.
        columns: a stored schema; all rows are then read for prediction: same kinds and roles, the target
            may be absent, and columns that the schema lacks are ignored and reported.
        watch: told how many rows were read, where files are read in batches.

    Raises:
        DataError: when the source cannot be read, lacks a column, has one class only, names two different
            rows alike, or holds wrong values while `data.missing` is `refuse`.
    """
    if columns:
        return rows_of(spec, load(spec.data), columns)
    rows = held(spec, watch=watch)
    schema = rows.schema
    acting.check(schema, spec)
    frame, found = _repaired(rows.raw.frame, schema, rows.numbers, learned=True)
    repairs = [*rows.raw.repairs, *found]
    frame, found = _rows(frame, schema)
    repairs += found
    beyond = np.isin(frame.to_series(0).to_numpy(), rows.numbers[rows.beyond])
    _refuse(spec, repairs)
    predicted = spec.task.name != GENERATE
    outcomes = frame[spec.data.target] if predicted else frame.to_series(0)
    if rows.outcomes is not None and predicted:
        (target,) = (column for column in schema if column.role == "target")
        outcomes = _held(_canonical(rows.outcomes, target)[0], frame[target.name]).rename(target.name)
    schema = tuple(_described(column, frame[column.name], outcomes, spec) for column in schema)
    return _dataset(spec, frame, schema, repairs, beyond, rows.drawn)


def _held(outcomes: pl.Series, drawn: pl.Series) -> pl.Series:
    """Return the outcomes of all rows; of several, those that hardly any drawn row has are unknown."""
    if outcomes.dtype != pl.String or outcomes.drop_nulls().n_unique() <= 2:
        return outcomes
    counts = drawn.drop_nulls().rename("value").value_counts()
    known = counts.filter(pl.col("count") >= LEAST_ROWS)["value"]
    return outcomes.set(~outcomes.is_in(known).fill_null(True), None)


def rows_of(
    spec: Spec, raw: Raw, columns: tuple[Column, ...], *, first: int = 0, as_stored: bool = False
) -> Dataset:
    """Return raw rows as a stored schema reads them, for prediction.

    Args:
        first: the number of the first row in the source.
        as_stored: leave rows in the order of the source, and two that are named alike: of a table each row
            is scored by itself.

    Raises:
        DataError: as `read`.
    """
    schema, repairs = _applied(columns, raw.frame, raw.where)
    numbers = np.arange(first, first + len(raw.frame))
    frame, found = _repaired(raw.frame, schema, numbers, learned=False)
    frame, more = _rows(frame, schema, as_stored=as_stored)
    repairs = [*raw.repairs, *repairs, *found, *more]
    _refuse(spec, repairs)
    return _dataset(spec, frame, schema, repairs, np.zeros(len(frame), np.bool_))


def _applied(
    columns: tuple[Column, ...], frame: pl.DataFrame, where: str
) -> tuple[tuple[Column, ...], list[Repair]]:
    """Return the columns of a stored schema that the data hold, and the data's columns it lacks."""
    for column in columns:
        if column.role in NEEDED and column.name not in frame.columns:
            raise missing_column(column.name, f"{column.role} of the model", frame.columns, where)
    names = {column.name for column in columns}
    ignored = [
        Repair(column=name, rule="unknown column", rows=len(frame), example="", action="ignored")
        for name in frame.columns
        if name not in names
    ]
    return tuple(column for column in columns if column.name in frame.columns), ignored


def _repaired(
    frame: pl.DataFrame, schema: Sequence[Column], numbers: np.ndarray, *, learned: bool
) -> tuple[pl.DataFrame, list[Repair]]:
    """Return the frame in canonical dtypes with a first column of row numbers, and each repair by rule."""
    repaired, repairs = [pl.Series(_free_name(frame), numbers)], []
    for column in schema:
        raw = frame[column.name]
        series, found = _canonical(raw, column)
        if learned and column.role in ("input", "time") and not series.count():
            seen = example(raw, raw.is_not_null()) if raw.count() else "null"
            raise DataError(
                f"no value of column '{column.name}' is of kind {column.kind}, as in {seen}",
                f"state another kind under `columns.{column.name}.kind`, or exclude the column",
            )
        repaired.append(series.rename(column.name))
        if column.role != "excluded":
            repairs += [
                Repair(column=column.name, rule=rule, rows=count, example=seen, action=_action(rule, column))
                for rule, count, seen in found
            ]
    return pl.DataFrame(repaired), repairs


def _canonical(raw: pl.Series, column: Column) -> tuple[pl.Series, Found]:
    """Return a column in its canonical dtype, and what was repaired."""
    if column.role == "target" and column.kind != "number":
        return labels(raw)
    return kind(column.kind).repair(raw)


def _free_name(frame: pl.DataFrame) -> str:
    """Return a name for the row numbers that no column bears."""
    return "row" + "_" * (1 + max(len(name) for name in frame.columns))


def _action(rule: str, column: Column) -> str:
    if rule == "trailing dot":
        return "taken off"
    if column.role == "target":
        return "left unknown"
    if column.role == "id":
        return "named by its row number"
    return "left missing" if rule == "missing" else "set to missing"


def _rows(
    frame: pl.DataFrame, schema: Sequence[Column], *, as_stored: bool = False
) -> tuple[pl.DataFrame, list[Repair]]:
    """Return the rows that have an instant, sorted by it, each name once; or in the order they are stored."""
    repairs: list[Repair] = []
    roles = {column.role: column.name for column in schema}
    if "time" in roles:
        repairs += _without_time(frame, roles["time"])
        frame = frame.filter(pl.col(roles["time"]).is_not_null())
        if frame.is_empty() and not as_stored:
            raise DataError(f"no row has an instant in column '{roles['time']}'", "check `data.time`")
    if "id" in roles:
        rows = frame.columns[0]
        numbered = pl.lit("row ") + pl.col(rows).cast(pl.String)
        frame = frame.with_columns(pl.col(roles["id"]).fill_null(numbered))
        if not as_stored:
            frame, found = _without_twins(frame, roles["id"])
            repairs += found
    if "time" in roles and not as_stored:
        repairs += _late_and_future(frame[roles["time"]])
        frame = frame.sort(roles["time"], maintain_order=True)
    return frame, repairs


def _without_time(frame: pl.DataFrame, time: str) -> list[Repair]:
    absent = frame[time].is_null()
    if not absent.any():
        return []
    row = f"row {frame.filter(absent)[0, 0] + 1:,}"
    return [Repair(column=time, rule="no instant", rows=int(absent.sum()), example=row, action="left out")]


def _without_twins(frame: pl.DataFrame, name: str) -> tuple[pl.DataFrame, list[Repair]]:
    """Return the frame without later rows that repeat an id and all else.

    Raises:
        DataError: when rows of the same id differ.
    """
    if frame[name].n_unique() == len(frame):
        return frame, []
    values = frame.columns[1:]
    twins = frame.filter(pl.col(name).is_duplicated())
    different = twins.unique(values, keep="first", maintain_order=True)
    clash = different.filter(pl.col(name).is_duplicated())
    if len(clash):
        first = clash.filter(pl.col(name) == clash[0, name])
        odd = next(column for column in values if first[column].n_unique() > 1)
        seen = " and ".join(
            f"'{clipped(str(value))}'" for value in first[odd].unique(maintain_order=True)[:2]
        )
        raise DataError(
            f"'{clipped(clash[0, name])}' in column '{name}' names rows that differ: {odd} is {seen}",
            "name each row once, or choose another `data.id`",
        )
    kept = frame.unique(name, keep="first", maintain_order=True)
    return kept, [
        Repair(
            column=name,
            rule="repeated row",
            rows=len(frame) - len(kept),
            example=f"'{clipped(twins[0, name])}'",
            action="left out",
        )
    ]


def _late_and_future(at: pl.Series) -> list[Repair]:
    repairs = []
    # the physical numbers carry the order; cum_max is not defined for instants
    numbers = at.to_physical()
    late = numbers < numbers.cum_max()
    if late.any():
        repairs.append(
            Repair(
                column=at.name,
                rule="unsorted time",
                rows=int(late.sum()),
                example=_shown(at, late),
                action="sorted",
            )
        )
    future = at > datetime.now(UTC) + timedelta(days=1)
    if future.any():
        repairs.append(
            Repair(
                column=at.name,
                rule="future time",
                rows=int(future.sum()),
                example=_shown(at, future),
                action="kept",
            )
        )
    return repairs


def _shown(at: pl.Series, mask: pl.Series) -> str:
    return at.filter(mask)[0].isoformat()


def _refuse(spec: Spec, repairs: Sequence[Repair]) -> None:
    wrong = [repair for repair in repairs if repair.action in WRONG]
    if spec.data.missing == "refuse" and wrong:
        first = wrong[0]
        column = f"column '{first.column}': " if first.column else ""
        more = f", and {len(wrong) - 1} more faults" if len(wrong) > 1 else ""
        raise DataError(
            f"{column}{first.rule} in {first.rows:,} rows, as in {first.example}{more}",
            "mend the data, or set `data.missing` to repair",
        )


def _described(column: Column, series: pl.Series, outcomes: pl.Series, spec: Spec) -> Column:
    shown = {"missing": series.null_count()}
    if column.role not in ("id", "time"):  # nearly every row has its own: counting them tells nothing
        shown["distinct"] = series.drop_nulls().n_unique()
    if column.role == "target":
        found, reason = outcome(outcomes, spec, column.unit)
        return replace(column, facts={**shown, **found}, reason=f"{column.reason}; {reason}")
    return replace(column, facts=shown)


def _dataset(
    spec: Spec,
    frame: pl.DataFrame,
    schema: tuple[Column, ...],
    repairs: list[Repair],
    beyond: np.ndarray,
    drawn: Drawn | None = None,
) -> Dataset:
    by_role = {column.role: column for column in schema}
    numbers = frame.to_series(0)
    frame = frame.drop(numbers.name)
    target = np.full(len(frame), -1, np.int8)
    if "target" in by_role:
        column = by_role["target"]
        spec = settled(spec, column.facts, column.text, column.unit)
        target = coded(frame[column.name], column.facts)
        odd = int((target == -1).sum()) - frame[column.name].null_count()
        if odd:
            repairs.append(_unknown_label(frame[column.name], target, odd))
    at_us = np.arange(len(frame), dtype=np.int64)
    known_at_us = np.full(len(frame), NEVER_US)
    if "time" in by_role:
        at_us = frame[by_role["time"].name].to_physical().to_numpy()
        known_at_us = at_us + round(1e6 * seconds(spec.data.label_delay))
    ids = frame[by_role["id"].name] if "id" in by_role else numbers.cast(pl.String)
    return Dataset(
        spec=spec,
        frame=frame,
        columns=schema,
        repairs=tuple(repairs),
        fingerprint=fingerprint(frame),
        target=target,
        at_us=at_us,
        known_at_us=known_at_us,
        ids=ids.to_numpy(),
        drawn=drawn,
        beyond=beyond,
    )


def _unknown_label(text: pl.Series, target: np.ndarray, rows: int) -> Repair:
    odd = pl.Series(target == -1) & text.is_not_null()
    return Repair(
        column=text.name,
        rule="unknown outcome",
        rows=rows,
        example=example(text, odd),
        action="left unknown",
    )
