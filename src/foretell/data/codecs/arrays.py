"""A table's rows as vectors of about unit variance, and back: what families over arrays learn from.

A number stands by the normal score of its rank, beside indicators of values that many rows hold and of a
missing one; a name by an indicator of each value or, where there are many, by the bits of its number.

N: rows, D: entries of a vector, K: values of a column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from foretell.data.codecs.tables import CODER_OF, Floats, Names, Numbers, decimals_of, told_apart
from foretell.data.dataset import Column
from foretell.data.kinds.time import INSTANT
from foretell.records import restore

Vectors = NDArray[np.float32]
HEAVY = 0.05
"""Share of the rows from which a number has an indicator."""
INDICATED = 24
"""Names of a column that have an indicator each; more are told by bits."""
KNOTS = 400
FURTHEST = 3.0
"""Normal scores reach as far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One column's entries."""

    column: Column
    names: Names | None
    """Of a column of names: their tokens."""
    shares: tuple[float, ...]
    """Of each indicator, the share of the rows that have it [K]; empty where bits tell."""
    heavy: tuple[float, ...] = ()
    """Numbers that have indicators, in the order of the shares; then comes missing, then all others."""
    knots: tuple[float, ...] = ()
    """Quantiles of the other numbers."""
    decimals: int = -1
    grain_us: int = 0

    @property
    def bits(self) -> int:
        """How many bits tell a name; 0 where indicators do."""
        return 0 if self.names is None or len(self.shares) else int(self.names.sizes[0] - 1).bit_length()

    @property
    def size(self) -> int:
        return self.bits or len(self.shares) + (self.names is None)

    @property
    def scale(self) -> float:
        """The standard deviation of the indicators, all together."""
        shares = np.array(self.shares)
        return float(np.sqrt((shares * (1 - shares)).mean())) or 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayCodec:
    """Rows as vectors."""

    parts: tuple[Part, ...]

    @classmethod
    def fit(cls, frame: pl.DataFrame, columns: Sequence[Column]) -> Self:
        """Learn from a frame in canonical dtypes."""
        return cls(parts=tuple(_part(frame[column.name], column) for column in columns))

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Self:
        """Return the codec that `records.plain` wrote."""
        return cls(parts=tuple(_restored(each) for each in data["parts"]))

    @property
    def size(self) -> int:
        """How many entries a vector has."""
        return sum(part.size for part in self.parts)

    def encode(self, frame: pl.DataFrame, rng: np.random.Generator) -> Vectors:
        """Return rows as vectors [N, D]; equal numbers are spread over the ranks that they share."""
        return np.concatenate([_encoded(part, frame[part.column.name], rng) for part in self.parts], axis=1)

    def decode(self, x_ND: Vectors, rng: np.random.Generator) -> pl.DataFrame:
        """Return rows in canonical dtypes: of each column what its entries are nearest to."""
        ends = np.cumsum([part.size for part in self.parts])
        told = np.split(x_ND.astype(np.float64), ends[:-1], axis=1)
        return pl.DataFrame(
            [_decoded(part, x, rng).alias(part.column.name) for part, x in zip(self.parts, told, strict=True)]
        )


def _restored(data: Mapping[str, Any]) -> Part:
    told: dict[str, Any] = {
        name: tuple(each) if isinstance(each, list) else each for name, each in data.items()
    }
    if told["names"]:
        told["names"] = Names(**{name: tuple(each) for name, each in told["names"].items()})
    told["column"] = restore(Column, told["column"])
    return Part(**told)


def _part(series: pl.Series, column: Column) -> Part:
    if CODER_OF[column.kind] is Names:
        names = Names.fit(series)
        size = names.sizes[0]
        counts = np.bincount(names.encode(series)[:, 0], minlength=size) / len(series)
        return Part(column=column, names=names, shares=tuple(counts.tolist()) if size <= INDICATED else ())
    grain = Numbers.fit(series).grain_us
    values = _plain(series, grain)
    known = values[~np.isnan(values)]
    distinct, counts = np.unique(known, return_counts=True)
    many = counts >= HEAVY * len(values)
    rest = known[~np.isin(known, distinct[many])]
    rest = rest[: len(rest) * (not told_apart(rest, distinct[many]))]
    lacking = len(values) - len(known)
    shares = [*(counts[many] / len(values)), lacking / len(values), len(rest) / len(values)]
    return Part(
        column=column,
        names=None,
        shares=tuple(map(float, shares)),
        heavy=tuple(distinct[many].tolist()),
        knots=tuple(np.quantile(rest, np.linspace(0, 1, KNOTS)).tolist()) if len(rest) else (),
        decimals=decimals_of(known),
        grain_us=grain,
    )


def _encoded(part: Part, series: pl.Series, rng: np.random.Generator) -> Vectors:
    if part.names is not None:
        tokens = part.names.encode(series)
        if part.bits:
            return ((tokens >> np.arange(part.bits)) % 2 * 2.0 - 1).astype(np.float32)
        return _indicated(part, tokens[:, 0])
    values = _plain(series, part.grain_us)
    state = np.full(len(values), len(part.heavy) + 1)
    for place, value in enumerate(part.heavy):
        state[values == value] = place
    state[np.isnan(values)] = len(part.heavy)
    if not part.knots:
        away = np.abs(values[:, None] - np.array([*part.heavy, np.inf]))
        beyond = state == len(part.heavy) + 1
        state[beyond] = away[beyond].argmin(axis=1)  # the nearest of the heavy ones, or missing
    score = rng.standard_normal(len(values))  # where no rank tells, so that nothing is to be learned there
    ranked = state == len(part.heavy) + 1
    if len(part.knots):
        grid = np.linspace(0, 1, len(part.knots))
        low = np.searchsorted(part.knots, values[ranked], side="left")
        high = np.searchsorted(part.knots, values[ranked], side="right")
        inside = np.interp(values[ranked], part.knots, grid)
        tied = (low + (high - low) * rng.random(len(low)) - 0.5).clip(0, len(grid) - 1) / (len(grid) - 1)
        score[ranked] = ndtri(np.where(high > low + 1, tied, inside).clip(ndtr(-FURTHEST), ndtr(FURTHEST)))
    return np.column_stack([_indicated(part, state), score.clip(-FURTHEST, FURTHEST)]).astype(np.float32)


def _decoded(part: Part, x_ND: Floats, rng: np.random.Generator) -> pl.Series:
    if part.names is not None:
        if part.bits:
            token = ((x_ND > 0) << np.arange(part.bits)).sum(axis=1).clip(max=part.names.sizes[0] - 1)
        else:
            token = (x_ND * part.scale + np.array(part.shares)).argmax(axis=1)
        return part.names.decode(token[:, None], rng)
    shares = np.array(part.shares)
    near = np.where(shares > 0, x_ND[:, :-1] * part.scale + shares, -np.inf)  # what no row is, none becomes
    state = near.argmax(axis=1)
    values = np.array([*part.heavy, np.nan, np.nan])[state]
    ranked = state == len(part.heavy) + 1
    if len(part.knots):
        grid = np.linspace(0, 1, len(part.knots))
        told = np.interp(ndtr(x_ND[ranked, -1]), grid, part.knots)
        values[ranked] = told if part.decimals < 0 else np.round(told, part.decimals)
    series = pl.Series(values).fill_nan(None)
    return (series.round(0).cast(pl.Int64) * part.grain_us).cast(INSTANT) if part.grain_us else series


def _indicated(part: Part, state: NDArray[np.int64]) -> Vectors:
    """Return indicators of states, centred and in one scale [N, K]."""
    return ((np.eye(len(part.shares))[state] - np.array(part.shares)) / part.scale).astype(np.float32)


def _plain(series: pl.Series, grain_us: int) -> Floats:
    if grain_us:
        series = series.to_physical() // grain_us
    return series.cast(pl.Float64).fill_null(np.nan).to_numpy()
