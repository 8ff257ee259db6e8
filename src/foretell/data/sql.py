"""SQL: one table or SELECT of any database that SQLAlchemy reaches."""

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from foretell.errors import DataError
from foretell.lookup import nearest
from foretell.spec import DataSpec

SHOWN = 10
"""Tables that a hint names; it counts the rest."""


def read_sql(spec: DataSpec) -> tuple[pa.Table, str]:
    """Return the rows of `spec.table` at the URL `spec.source`, and the source in words.

    Raises:
        DataError: when the database cannot be reached, or the table or statement cannot be read.
    """
    try:
        url = sa.make_url(spec.source)
    except ArgumentError as error:
        raise DataError(
            f"'{spec.source.partition('://')[0]}://...' is no SQL URL",
            "write sqlite:///file.db or postgresql://user@host/database",
        ) from error
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    file = url.database or ""
    if url.get_backend_name() == "sqlite" and file not in ("", ":memory:") and not Path(file).is_file():
        raise DataError(f"there is no database {file}", "check the path in `data.source`")
    where = url.render_as_string(hide_password=True)
    try:
        engine = sa.create_engine(url)
    except (SQLAlchemyError, ImportError) as error:
        raise DataError(f"{where} cannot be opened: {error}", "install the database's driver") from error
    try:
        with engine.connect() as connection:
            names, rows = _rows(connection, spec.table, where)
    except SQLAlchemyError as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{where} cannot be read: {reason}", "check `data.source` and `data.table`"
        ) from error
    finally:
        engine.dispose()
    if not rows:
        raise DataError(f"{spec.table} of {where} holds no rows", "name a table or SELECT that has rows")
    columns = [_column(list(values)) for values in zip(*rows, strict=True)]
    return pa.Table.from_arrays(columns, names=names), f"{spec.table} of {where}"


def _rows(connection: sa.Connection, table: str, where: str) -> tuple[list[str], list[Any]]:
    if re.match(r"\s*(select|with)\b", table, re.IGNORECASE):
        result = connection.execution_options(no_parameters=True).exec_driver_sql(table)
        return list(result.keys()), list(result.fetchall())
    schema, _, name = table.rpartition(".")
    looked = sa.inspect(connection)
    names = sorted([*looked.get_table_names(schema or None), *looked.get_view_names(schema or None)])
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    listed = f"{', '.join(names[:SHOWN])}{more}" if names else "none is there"
    if not table:
        raise DataError(
            f"{where} is a database, and `data.table` does not say what to read of it",
            f"set `data.table` to a SELECT, or to one of its tables: {listed}",
        )
    if name not in names:
        near = nearest(name, names)
        hint = f"did you mean '{near}'?" if near else f"use one of its tables: {listed}"
        raise DataError(f"there is no table '{table}' in {where}", hint)
    source = sa.table(name, schema=schema or None)
    result = connection.execute(sa.select(sa.text("*")).select_from(source))
    return list(result.keys()), list(result.fetchall())


def _column(values: list[Any]) -> pa.Array:
    """Return values of one type as they are; a column of several types becomes text."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds and kinds <= {int, float, Decimal} and kinds != {int}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if kinds == {datetime}:
        return pa.array([_utc(value) for value in values], pa.timestamp("us", "UTC"))
    if kinds == {timedelta}:
        return pa.array([None if value is None else value.total_seconds() for value in values], pa.float64())
    if kinds in ({int}, {bool}, {str}, {date}, {time}, set()):
        try:
            return pa.array(values)
        except (pa.ArrowException, OverflowError, UnicodeEncodeError):
            pass  # whole numbers beyond 64 bits and lone surrogates are told as text
    return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _utc(value: datetime | None) -> datetime | None:
    if value is None or value.tzinfo is not None:
        return value
    return value.replace(tzinfo=UTC)


def _text(value: Any) -> str:
    raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
    return raw.decode("utf-8", "replace")
