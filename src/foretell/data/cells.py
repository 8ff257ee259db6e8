"""Cells: how raw values become text, and which texts mean that nothing is known."""

import re
from collections.abc import Iterable

import polars as pl

from foretell.errors import DataError

MISSING = ("", "?", "na", "n/a", "nan", "null", "#n/a")
"""Texts, in lower case, that stand for a missing value in a column of any kind."""

Found = list[tuple[str, int, str]]
"""What a repair found: (rule, rows, example)."""

WHOLE = 2.0**53

NAMELESS = "write the column names into its first line"
"""The hint where a first line looks like data."""


def as_text(series: pl.Series) -> pl.Series:
    """Return the series as trimmed String; whole floats lose their '.0', so that 7.0 and 7 are one name."""
    if series.dtype == pl.String:
        return series.str.strip_chars()
    if series.dtype == pl.Null:
        return pl.Series(series.name, [None] * len(series), dtype=pl.String)
    if series.dtype.is_float():
        column = pl.col("value")
        whole = (column == column.floor()) & (column.abs() < WHOLE)
        return (
            pl.DataFrame({"value": series.cast(pl.Float64)})
            .select(
                pl.when(whole)
                .then(pl.when(whole).then(column).cast(pl.Int64).cast(pl.String))
                .otherwise(column.cast(pl.String))
            )
            .to_series()
            .rename(series.name)
        )
    return series.cast(pl.String)


def known(series: pl.Series) -> tuple[pl.Series, Found]:
    """Return the series as text with every missing mark as null, and what was missing."""
    text = as_text(series)
    blank = text.str.to_lowercase().is_in(MISSING).fill_null(True)
    rows = int(blank.sum())
    if not rows:
        return text, []
    return text.set(blank, None), [("missing", rows, example(series, blank))]


def example(series: pl.Series, mask: pl.Series) -> str:
    """Return the first masked raw value as people read it: quoted text, a number, or `null`."""
    value = series.gather(mask.arg_true().head(1)).to_list()[0]
    if value is None:
        return "null"
    return f"'{clipped(value)}'" if isinstance(value, str) else clipped(str(value))


def clipped(text: str, width: int = 40) -> str:
    """Return the text on one line, cut to `width` characters."""
    line = " ".join(text.split()) or text[:1]
    return line if len(line) <= width else line[: width - 1] + "…"


def words(name: str) -> list[str]:
    """Split a column's name into lower-case words.

    >>> words("TX_AMOUNT"), words("customerID"), words("TotalCharges")
    (['tx', 'amount'], ['customer', 'id'], ['total', 'charges'])
    """
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    apart = re.sub(r"([A-Z])([A-Z][a-z])", r"\1 \2", apart)
    return [word.lower() for word in re.split(r"[\W_]+", apart) if word]


def column_names(names: Iterable[str], where: str) -> list[str]:
    """Return the names trimmed; a column without a name is called by its place, as in column_3.

    Raises:
        DataError: naming the first one that appears twice or holds a zero byte.
    """
    trimmed = [name.strip() or f"column_{number + 1}" for number, name in enumerate(names)]
    seen: set[str] = set()
    for name in trimmed:
        if name in seen:
            raise DataError(
                f"column '{clipped(name)}' appears twice in {where}", "give each column a name of its own"
            )
        if "\0" in name:
            raise DataError(f"column {name!r} of {where} has a zero byte in its name", "give it another name")
        seen.add(name)
    return trimmed


def is_number(name: str) -> bool:
    """Whether a column's name reads as a number, as names rarely do and data often."""
    try:
        float(name)
    except ValueError:
        return False
    return True
