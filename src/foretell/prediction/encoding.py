"""One row at a time: a schema compiled into one reader per column, so that an event needs no data frame.

Usual cells (numbers, names, instants) are read by a few lines of plain Python; any other cell goes through
the kind's own repair and encoding, as a column of one row, so that both ways agree by construction. Free text
always does, and costs some hundred microseconds.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from foretell.data.cells import MISSING
from foretell.data.dataset import Column
from foretell.data.kinds import kind
from foretell.data.kinds.clock import clock
from foretell.data.sources import readable
from foretell.data.table import Schema
from foretell.errors import DataError
from foretell.lookup import nearest

CACHED = 65_536
"""Unusual cells per column whose reading is remembered."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAIVE_EPOCH = datetime(1970, 1, 1)
"""Instants without a zone are UTC."""
EPOCH_SECONDS = 9_000_000_000
"""Whole numbers below it count seconds since 1970, and in microseconds stay exact in a double."""
DECIMAL = re.compile(r"[+-]?[0-9]{1,17}(\.[0-9]{1,17})?").fullmatch
INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z?").fullmatch
NAME = re.compile(r"[!-~]([ -~]*[!-~])?").fullmatch
"""Printable ASCII without white space at its ends."""
LONGEST = max(map(len, MISSING))
Features = NDArray[np.float32]


Read = Callable[[Any], Any]


class RowEncoder:
    """Reads raw rows as `data.read` and `data.table.encode` would read a file of just that row."""

    def __init__(self, schema: Schema, entities: tuple[str, ...], numbers: tuple[str, ...]) -> None:
        columns = {column.name: column for column in schema.columns}
        roles = {column.role: column.name for column in schema.columns}
        self._id, self._time = roles.get("id", ""), roles.get("time", "")
        self._read_id: Read = _name_reader(columns[self._id]) if self._id else str
        self.instant: Read = _instant_reader(columns[self._time]) if self._time else str
        self._entities = [(name, _name_reader(columns[name])) for name in entities]
        self._numbers = [(name, index, _number_reader(columns[name])) for index, name in enumerate(numbers)]
        self._own: list[tuple[str, slice, Read]] = []
        self._clock = slice(0, 0)
        start = 0
        for name, state in schema.states.items():
            read, width = _own_reader(columns[name], state)
            if name == self._time:
                self._clock, self._write_clock = slice(start, start + width), _clock(state)
            elif width:
                self._own.append((name, slice(start, start + width), read))
            start += width

    def __call__(
        self, row: Mapping[str, Any], numbers: NDArray[np.float64], own: NDArray[np.float32]
    ) -> tuple[str, int, list[str]]:
        """Write the numbers [N] and own features [F - stream's] of a row of raw cells.

        Returns:
            Its id (empty when it has none), its instant in microseconds since 1970 (0 when rows have no
            time), and the names of its entities.

        Raises:
            DataError: when a column is absent, the row has no instant, or a cell is no plain value.
        """
        try:
            for name, index, read in self._numbers:
                numbers[index] = read(row[name])
            for name, where, read in self._own:
                own[where] = read(row[name])
            entities = [read(row[name]) for name, read in self._entities]
            row_id = self._read_id(row[self._id]) if self._id else ""
            if not self._time:
                return row_id, 0, entities
            at_us = self.instant(row[self._time])
        except KeyError as error:
            near = nearest(str(error.args[0]), row)
            hint = f"did you mean '{near}'?" if near else "give every input; null where it is not known"
            raise DataError(f"the event has no column '{error.args[0]}'", hint) from error
        if at_us is None:
            raise DataError(f"the event has no instant in '{self._time}': {row[self._time]!r}", "give it one")
        self._write_clock(at_us, own[self._clock])
        return row_id, at_us, entities


def _repaired(column: Column, value: Any) -> pl.Series:
    """Return the cell as a column of one row, repaired by its kind."""
    try:
        frame, left_out = readable(pa.table({column.name: [value]}), "the event")
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
        raise DataError(
            f"'{column.name}' of the event cannot be read: {error}", "give a plain value"
        ) from error
    if left_out:
        raise DataError(f"'{column.name}' of the event holds {left_out[0].example}", "give one plain value")
    return kind(column.kind).repair(frame[column.name])[0]


def _remembered(read: Read) -> Read:
    """Return `read` with its latest answers remembered; 1, 1.0 and True are different cells."""
    cached = lru_cache(maxsize=CACHED, typed=True)(read)

    def ask(value: Any) -> Any:
        return cached(value) if value.__hash__ is not None else read(value)

    return ask


def _number_reader(column: Column) -> Callable[[Any], float]:
    def slowly(value: Any) -> float:
        number = _repaired(column, value)[0]
        return np.nan if number is None else number

    ask = _remembered(slowly)

    def read(value: Any) -> float:
        if type(value) is float:
            return value if abs(value) < np.inf else np.nan
        if type(value) is int and abs(value) < 2**53:
            return float(value)
        if type(value) is str and DECIMAL(value):
            return float(value)
        return np.nan if value is None else ask(value)

    return read


def _name_reader(column: Column) -> Callable[[Any], str]:
    def slowly(value: Any) -> str:
        return _repaired(column, value)[0] or ""

    ask = _remembered(slowly)

    def read(value: Any) -> str:
        if type(value) is str and NAME(value) and (len(value) > LONGEST or value.lower() not in MISSING):
            return value
        return str(value) if type(value) is int and abs(value) < 2**63 else ask(value)

    return read


def _instant_reader(column: Column) -> Callable[[Any], int | None]:
    """Return what gives an instant in microseconds since 1970, None where there is none."""

    def slowly(value: Any) -> int | None:
        return _repaired(column, value).to_physical()[0]

    ask = _remembered(slowly)

    def read(value: Any) -> int | None:
        if type(value) is int and abs(value) < EPOCH_SECONDS:
            return value * 1_000_000
        try:
            if type(value) is str and INSTANT(value):
                value = datetime.fromisoformat(value)
        except ValueError:
            return ask(value)
        if type(value) is datetime:
            apart = value - (NAIVE_EPOCH if value.tzinfo is None else EPOCH)
            return (apart.days * 86_400 + apart.seconds) * 1_000_000 + apart.microseconds
        return ask(value)

    return read


def _own_reader(column: Column, state: Mapping[str, Any]) -> tuple[Read, int]:
    """Return what gives a cell's own features, and how many those are."""
    if column.kind == "entity" or (column.kind == "number" and not column.facts.get("missing")):
        return str, 0
    if column.kind == "number":
        number = _number_reader(column)
        return (lambda value: np.isnan(number(value))), 1
    if column.kind == "time":
        return _time_reader(column, state), len(kind("time").names(column, state))

    def slowly(value: Any) -> Features:
        return np.nan_to_num(kind(column.kind).encode(_repaired(column, value), state)[0], nan=0.0)

    width = len(kind(column.kind).names(column, state))
    return (_remembered(slowly) if column.kind == "category" else slowly), width


def _time_reader(column: Column, state: Mapping[str, Any]) -> Read:
    """Return what gives the features of an instant; 0 where it is missing."""
    instant, clock = _instant_reader(column), _clock(state)
    features = np.empty(len(kind("time").names(column, state)), np.float32)

    def read(value: Any) -> Any:
        us = instant(value)
        if us is None:
            return 0.0
        clock(us, features)
        return features

    return read


def _clock(state: Mapping[str, Any]) -> Callable[[int, Features], None]:
    """Return what writes the features of microseconds since 1970, as `kinds.time.encode` makes them."""
    reference_us = state.get("reference_us", 0)
    return lambda us, out: clock(us, reference_us, out)
