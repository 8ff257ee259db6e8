"""Pictures of generated rows beside real ones: each column's values, and how strongly pairs hang together."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from markupsafe import Markup
from numpy.typing import NDArray

from foretell.data.dataset import Column
from foretell.generation.modality import Picture
from foretell.svg import LEFT, RIGHT, WIDTH, Scale, drawing, element, fitted, line, path, share, short, text

COLUMNS = 24
"""Columns that are drawn; of more, the first ones."""
NAMES, BINS, CODES = 8, 24, 6
TOP, BOTTOM = 30, 170
Codes = NDArray[np.int64]


def pictures(real: pl.DataFrame, made: pl.DataFrame, columns: Sequence[Column]) -> tuple[Picture, ...]:
    """Return a picture of each column and one of all pairs.

    Args:
        real: rows in canonical dtypes that taught nothing.
        made: generated rows with the same columns.
    """
    shown = [c for c in columns if real[c.name].count() and made[c.name].count()][:COLUMNS]
    drawn = [_column(real[each.name], made[each.name], each) for each in shown]
    return (*([_pairs(real, made, shown)] if len(shown) > 1 else []), *drawn)


def _column(real: pl.Series, made: pl.Series, column: Column) -> Picture:
    missing = [series.null_count() / len(series) for series in (real, made)]
    lacking = (
        f"; missing: {share(missing[0])} of real, {share(missing[1])} of generated" if any(missing) else ""
    )
    if real.dtype == pl.String:
        return Picture(caption=f"{column.text}{lacking}", markup=_names(real, made, column))
    return Picture(caption=f"{column.text}{lacking}", markup=_numbers(real, made, column))


def _names(real: pl.Series, made: pl.Series, column: Column) -> str:
    held = real.drop_nulls().value_counts(sort=True)[real.name].to_list()
    names = held[:NAMES]
    shares = [(_share_of(real, name), _share_of(made, name)) for name in names]
    if len(held) > NAMES:
        names = [*names, f"{len(held) - NAMES:,} others"]
        shares.append((1 - sum(a for a, _ in shares), 1 - sum(b for _, b in shares)))
    scale = Scale(0, max(max(pair) for pair in shares), 170, RIGHT - 50)
    marks, y = [], 24.0
    for name, pair in zip(names, shares, strict=True):
        marks.append(text(164, y + 14, fitted(str(name), 150), anchor="end"))
        for place, (value, kind) in enumerate(zip(pair, ("bar real", "bar made"), strict=True)):
            width = max(scale(max(value, 0)) - 170, 0.5)
            marks.append(element("rect", x=170, y=y + 9 * place, width=width, height=8, class_=kind))
        marks.append(text(170 + scale(max(pair)) - 170 + 5, y + 14, share(round(pair[1], 3)), kind="tick"))
        y += 27
    label = f"{column.text}: shares of its values among real and generated rows"
    return drawing(label, y + 6, _legend(), *marks)


def _share_of(series: pl.Series, name: str) -> float:
    return int((series == name).sum()) / max(1, series.count())


def _numbers(real: pl.Series, made: pl.Series, column: Column) -> str:
    sides = [series.drop_nulls().to_physical().cast(pl.Float64).to_numpy() for series in (real, made)]
    low, high = np.quantile(sides[0], [0.005, 0.995])
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    shares = [np.histogram(np.clip(side, low, high), edges)[0] / len(side) for side in sides]
    x, y = Scale(float(low), float(high), LEFT, RIGHT), Scale(0, float(np.max(shares)), BOTTOM, TOP)
    marks: list[str] = [line(LEFT, BOTTOM, RIGHT, BOTTOM, "axis")]
    for tick in x.ticks(5):
        shown = _written(tick, real)
        marks += [line(x(tick), BOTTOM, x(tick), TOP, "grid")]
        marks += [text(x(tick), BOTTOM + 17, shown, anchor="middle", kind="tick")]
    for tick in y.ticks(3):
        marks.append(text(LEFT - 6, y(tick) + 4, share(tick), anchor="end", kind="tick"))
    for values, kind in zip(shares, ("steps real", "steps made"), strict=True):
        at = np.repeat(edges, 2)[1:-1]
        marks.append(path([(x(a), y(b)) for a, b in zip(at, np.repeat(values, 2), strict=True)], kind))
    label = f"{column.text}: how often its values occur among real and generated rows"
    unit = f", in {column.unit}" if column.unit else ""
    return drawing(
        label,
        BOTTOM + 40,
        _legend(),
        *marks,
        text(RIGHT, BOTTOM + 35, f"{column.text}{unit}", anchor="end", kind="name"),
    )


def _written(value: float, series: pl.Series) -> str:
    if series.dtype == pl.Float64:
        return short(value)
    return pl.Series([round(value)]).cast(series.dtype).dt.strftime("%b %Y")[0]


def _legend() -> Markup:
    marks = []
    for place, (name, kind) in enumerate((("real", "bar real"), ("generated", "bar made"))):
        marks.append(element("rect", x=LEFT + 70 * place, y=4, width=10, height=10, class_=kind))
        marks.append(text(LEFT + 14 + 70 * place, 13, name, kind="tick"))
    return Markup("").join(marks)


def _pairs(real: pl.DataFrame, made: pl.DataFrame, columns: Sequence[Column]) -> Picture:
    """Draw how strongly pairs of columns hang together: real rows below the diagonal, generated above."""
    coded = [_codes(real[column.name], made[column.name]) for column in columns]
    num, cut = len(columns), len(real)
    side = min(30.0, (WIDTH - 150) / num)
    marks: list[str] = []
    for row in range(num):
        marks.append(text(144, 24 + side * (row + 0.5) + 4, fitted(columns[row].text, 138), anchor="end"))
        for place in range(num):
            if row == place:
                continue
            part = slice(0, cut) if place < row else slice(cut, None)
            tied = association(coded[row][part], coded[place][part])
            where = f"{columns[row].text} and {columns[place].text}: {tied:.2f}"
            marks.append(
                element(
                    "rect",
                    element("title", where),
                    x=150 + side * place,
                    y=24 + side * row,
                    width=side - 1,
                    height=side - 1,
                    class_=f"tied-{min(9, int(10 * tied))}",
                )
            )
    marks.append(text(150, 14, "real below the diagonal, generated above", kind="tick"))
    label = "how strongly pairs of columns hang together among real and generated rows"
    caption = (
        "Pairs of columns: the darker, the more one tells of the other (Cramer's V); "
        "both halves should be alike."
    )
    return Picture(caption=caption, markup=drawing(label, 30 + side * num, *marks))


def _codes(real: pl.Series, made: pl.Series) -> Codes:
    """Return both sides' values as few codes: numbers by the real ones' quantiles, names by frequency."""
    both = pl.concat([real, made.cast(real.dtype)])
    if real.dtype == pl.String:
        most = real.drop_nulls().value_counts(sort=True)[real.name].head(CODES).to_list()
        places = {name: place for place, name in enumerate(most)}
        return np.array([places.get(value, CODES) for value in both.to_list()], np.int64)
    values = both.to_physical().cast(pl.Float64).fill_null(np.nan).to_numpy()
    edges = np.unique(np.nanquantile(values[: len(real)], np.linspace(0, 1, CODES + 1))[1:-1])
    return np.where(np.isnan(values), len(edges) + 1, np.digitize(values, edges))


def association(one: Codes, other: Codes) -> float:
    """Return how much one code tells of another, from 0 to 1, freed of what chance alone would show.

    Source: Bergsma, A bias-correction for Cramer's V and Tschuprow's T (2013).

    >>> association(np.array([0, 1] * 50), np.array([0, 1] * 50))
    1.0
    """
    counts = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(counts, (one, other), 1)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / len(one)
    rows, columns = counts.shape
    if min(rows, columns) < 2 or len(one) < 2:
        return 0.0
    squared = float(((counts - expected) ** 2 / expected).sum()) / len(one)
    squared = max(0.0, squared - (rows - 1) * (columns - 1) / (len(one) - 1))
    least = min(size - (size - 1) ** 2 / (len(one) - 1) for size in (rows, columns)) - 1
    return min(1.0, float(np.sqrt(squared / least))) if least > 0 else 0.0
