"""Inference: kind and role of each column, from spec, dtype, values and name, each with its reason."""

from collections.abc import Iterable
from dataclasses import replace

import polars as pl

from foretell.data.cells import NAMELESS, as_text, clipped, is_number, known, words
from foretell.data.dataset import Column
from foretell.data.kinds import kind as kind_of
from foretell.data.kinds.entity import IDENTIFIERS
from foretell.data.target import numeric
from foretell.errors import DataError
from foretell.lookup import unknown
from foretell.spec import ColumnSpec, Spec

ROW_NAMES = IDENTIFIERS | {"number", "index", "row", "rownames"}
STATED = "stated in the spec"
GENERATE = "generate"
"""The task that predicts no column: all of them are inputs."""


def infer(frame: pl.DataFrame, spec: Spec, where: str) -> tuple[Column, ...]:
    """Return what each column of the raw frame is.

    Raises:
        DataError: when the spec names a column that the data lack.
        SpecError: when the spec states an unknown kind.
    """
    data = spec.data
    nameless = not data.target and spec.task.name != GENERATE
    if nameless or (data.target and data.target in {data.id, data.time, data.group, *data.exclude}):
        raise DataError(
            f"column '{data.target}' cannot be the target and something else"
            if data.target
            else "no target is named",
            "name the column to predict, and no other, in `data.target`",
        )
    named = _named(spec)
    for name, what in named.items():
        if name not in frame.columns:
            raise missing_column(name, what, frame.columns, where)
    time, time_reason = _time(frame, spec)
    row_id, id_reason = _row_id(frame, spec, {*named, time})
    columns = []
    for series in frame.get_columns():
        stated = spec.columns.get(series.name, ColumnSpec())
        if series.name == time:
            kind, role, reason = "time", "time", time_reason
        elif series.name == row_id:
            kind, role, reason = "entity", "id", id_reason
        else:
            kind, role, reason = _one(series, spec, stated.kind, timed=bool(time))
        if series.name == spec.review.entity and (kind, role) != ("entity", "input"):
            raise DataError(
                f"alerts cannot be counted per '{series.name}' (review.entity): "
                f"its kind is {kind}, its role {role}",
                "name a column of kind entity that the model may see",
            )
        columns.append(
            Column(
                name=series.name,
                kind=kind,
                role=role,
                unit=stated.unit,
                text=stated.text or readable_name(series.name),
                reason=reason,
            )
        )
    return _without_copies(frame, columns, spec)


def _without_copies(frame: pl.DataFrame, columns: list[Column], spec: Spec) -> tuple[Column, ...]:
    """Return the columns with those excluded that repeat an earlier one: they would share its credit."""
    first: dict[tuple[str, int, int], str] = {}
    found = []
    for column in columns:
        copy = ""
        if column.role == "input" and column.kind != "entity" and column.name not in spec.columns:
            series = frame[column.name]
            key = (str(series.dtype), int(series.hash(0).sum()), int(series.hash(1).sum()))
            original = first.setdefault(key, column.name)
            copy = original if original != column.name and series.equals(frame[original]) else ""
        reason = f"it repeats column '{copy}' in every row"
        found.append(replace(column, role="excluded", reason=reason) if copy else column)
    return tuple(found)


def _named(spec: Spec) -> dict[str, str]:
    """Return every column that the spec names, with the field that names it."""
    data = spec.data
    named = dict.fromkeys(data.exclude, "data.exclude") | dict.fromkeys(spec.columns, "columns")
    named |= dict.fromkeys(spec.review.groups, "review.groups")
    single = {
        "data.group": data.group,
        "data.time": data.time,
        "data.id": data.id,
        "data.target": data.target,
        "review.entity": spec.review.entity,
    }
    return named | {name: what for what, name in single.items() if name}


def missing_column(name: str, what: str, columns: Iterable[str], where: str) -> DataError:
    """Return the error for a column that the data lack, with the nearest name or what the data look like."""
    there = list(columns)
    looks_like_data = [column for column in there if is_number(column)]
    if looks_like_data:
        first = clipped(", ".join(there), 60)
        return DataError(
            f"there is no column '{name}' ({what}) in {where}, whose first line looks like data: {first}",
            NAMELESS,
        )
    message, hint = unknown("column", name, there)
    return DataError(f"{message} ({what}) in {where}", hint)


def _time(frame: pl.DataFrame, spec: Spec) -> tuple[str, str]:
    """Return the column with each row's instant, or two empty strings."""
    if spec.data.time:
        return spec.data.time, f"{STATED} as the instant of each row"
    taken = {spec.data.target, spec.data.id, spec.data.group, *spec.data.exclude}
    for series in frame.get_columns():
        stated = spec.columns.get(series.name, ColumnSpec()).kind
        if series.name in taken or stated not in ("", "time"):
            continue
        reason = f"{STATED} as a time" if stated else kind_of("time").infer(series)
        if reason:
            return series.name, f"the first column of instants: {reason}"
    return "", ""


def _row_id(frame: pl.DataFrame, spec: Spec, taken: set[str]) -> tuple[str, str]:
    """Return the column that names the rows, or two empty strings."""
    if spec.data.id:
        return spec.data.id, f"{STATED} as the name of each row"
    for series in frame.get_columns():
        parts = words(series.name)
        named = bool(parts) and parts[-1] in ROW_NAMES and series.name not in taken
        if named and not series.dtype.is_float() and _unique(series):
            return (
                series.name,
                f"its name ends in '{parts[-1]}' and each of {len(series):,} rows has its own value",
            )
    return "", ""


def _unique(series: pl.Series) -> bool:
    return len(series) > 1 and not series.has_nulls() and series.n_unique() == len(series)


def _one(series: pl.Series, spec: Spec, stated: str, *, timed: bool) -> tuple[str, str, str]:
    """Return (kind, role, reason) of a column that is neither the rows' time nor their id."""
    data = spec.data
    if series.name == data.target and spec.task.name != GENERATE:
        number = numeric(series, spec)
        reason = f"{STATED} as the target"
        return ("number", "target", f"{reason}; {number}") if number else ("category", "target", reason)
    if series.name == data.group:
        return "entity", "group", f"{STATED} as the group that no two parts of a split share"
    if stated:
        kind, reason = stated, f"{STATED} as {stated}"
        kind_of(kind)
    else:
        kind, reason = _kind(series, spec, timed=timed)
    if series.name in data.exclude:
        return kind, "excluded", "the spec excludes it"
    values = (known(series)[0] if series.dtype == pl.String else series).drop_nulls()
    distinct = values.n_unique()
    if distinct == 0:
        return kind, "excluded", f"none of its {len(series):,} values is known"
    if distinct == 1 and not series.has_nulls():
        return kind, "excluded", f"it is '{clipped(str(series[0]))}' in each of {len(series):,} rows"
    if not stated and kind == "category" and distinct == len(series) and len(series) > 20:
        return (
            kind,
            "excluded",
            f"each of {len(series):,} rows has its own value, which says nothing of others",
        )
    return kind, "input", reason


def _kind(series: pl.Series, spec: Spec, *, timed: bool) -> tuple[str, str]:
    if series.name == spec.review.entity:
        return "entity", "the spec counts alerts per value of it"
    for kind in ("time", *["entity"] * timed, "number", "text", "category"):
        reason = kind_of(kind).infer(series)
        if reason:
            return kind, reason
    distinct = as_text(series).n_unique()
    return (
        "category",
        f"{distinct:,} different values in {len(series):,} rows that are no numbers and no prose",
    )


def readable_name(name: str) -> str:
    """Return a column's name as it reads in a sentence.

    >>> readable_name("TX_AMOUNT"), readable_name("CUSTOMER_ID"), readable_name("TotalCharges")
    ('tx amount', 'customer', 'total charges')
    """
    parts = words(name)
    if len(parts) > 1 and parts[-1] in ("id", "uuid", "guid"):
        parts = parts[:-1]
    return " ".join(parts) or name
