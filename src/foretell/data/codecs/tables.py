"""Codecs: a table's columns as tokens of small vocabularies, and back. N: rows, T: tokens of a row.

A frequent value is a token of its own, so that it comes back exactly; what is left of a number stands by the
quantile in which it lies, told by a coarse token and a fine one. A number that hardly any row holds never
comes back as such: only its quantile is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foretell.data.dataset import Column
from foretell.data.kinds.time import INSTANT

Tokens = NDArray[np.int64]
Floats = NDArray[np.float64]
FREQUENT = 5
"""Rows that hold a number before it may come back exactly."""
ATOMS = 256
"""Numbers of one column that come back exactly at most: the most frequent."""
NAMED = 1_000
"""Names of one column that have tokens of their own; the rest share one."""
COARSE, FINE = 32, 32
PER_BIN = 4
"""Rows in a fine bin at least."""
DECIMALS = 6
GRAINS_US = (86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000, 1_000, 1)
"""Day, hour, minute, second, millisecond and microsecond."""


class Coder(Protocol):
    """One column's values as tokens."""

    kind: ClassVar[str]

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many values each of its tokens may have."""
        ...

    def encode(self, series: pl.Series) -> Tokens:
        """Return the tokens of a canonical series [N, len(sizes)]."""
        ...

    def decode(self, tokens: Tokens, rng: np.random.Generator) -> pl.Series:
        """Return values that have these tokens."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Categories: frequent names have tokens of their own, the rest share one."""

    values: tuple[str | None, ...]
    """By frequency; None is a missing value."""
    rare: tuple[str, ...] = ()
    """Names that share a token; each is drawn as often as it was there."""
    shares: tuple[float, ...] = ()
    kind: ClassVar[str] = "names"

    @classmethod
    def fit(cls, series: pl.Series) -> Self:
        """Learn the names of a String series."""
        counts = series.value_counts().sort(["count", series.name], descending=[True, False], nulls_last=True)
        names, numbers = counts[series.name].to_list(), counts["count"].to_numpy()
        rest = [(name, count) for name, count in zip(names[NAMED:], numbers[NAMED:], strict=True) if name]
        total = sum(count for _, count in rest)
        return cls(
            values=tuple(names[:NAMED]),
            rare=tuple(name for name, _ in rest),
            shares=tuple(float(count / total) for _, count in rest),
        )

    @property
    def vague(self) -> bool:
        """Whether some token does not tell the value."""
        return bool(self.rare)

    @property
    def sizes(self) -> tuple[int, ...]:
        return (len(self.values) + bool(self.rare),)

    def encode(self, series: pl.Series) -> Tokens:
        """Return the tokens [N, 1]; a name that was never seen is a rare one, or the least frequent."""
        places = {value: place for place, value in enumerate(self.values)}
        return np.array([[places.get(value, self.sizes[0] - 1)] for value in series.to_list()], np.int64)

    def decode(self, tokens: Tokens, rng: np.random.Generator) -> pl.Series:
        names = np.array([*self.values, *[None] * bool(self.rare)], dtype=object)[tokens[:, 0]]
        if self.rare:
            shared = tokens[:, 0] == len(self.values)
            names[shared] = rng.choice(np.array(self.rare, dtype=object), shared.sum(), p=self.shares)
        return pl.Series(names.tolist(), dtype=pl.String)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Numbers and instants: exact values, a missing one, and quantiles told by a coarse and a fine token."""

    atoms: tuple[float, ...]
    """Ascending; they come first among the tokens."""
    missing: bool
    """Whether a token stands for a missing value; it follows the atoms."""
    edges: tuple[float, ...] = ()
    """Ends of the fine bins of what is no atom, ascending; as many per coarse one."""
    fine: int = 1
    """Fine bins in a coarse one."""
    decimals: int = -1
    """To which drawn values are rounded; -1: they are not."""
    grain_us: int = 0
    """Of instants: microseconds of which each is a multiple; 0 for numbers."""
    kind: ClassVar[str] = "numbers"

    @classmethod
    def fit(cls, series: pl.Series) -> Self:
        """Learn the values of a Float64 or Datetime series."""
        grain = 0
        if series.dtype == INSTANT:
            held = series.drop_nulls().to_physical().to_numpy()
            grain = next(size for size in GRAINS_US if not (held % size).any())
        values = _numbers(series.drop_nulls(), grain)
        distinct, counts = np.unique(values, return_counts=True)
        most = np.argsort(-counts, kind="stable")[:ATOMS]
        atoms = np.sort(distinct[most[counts[most] >= FREQUENT]])
        rest = values[~np.isin(values, atoms)]
        rest = rest[: len(rest) * (not told_apart(rest, atoms))]
        coarse = max(1, min(COARSE, len(rest) // (4 * PER_BIN))) if len(rest) else 0
        fine = max(1, min(FINE, len(rest) // (coarse * PER_BIN))) if coarse else 1
        edges = np.quantile(rest, np.linspace(0, 1, coarse * fine + 1)) if coarse else np.empty(0)
        return cls(
            atoms=tuple(atoms.tolist()),
            missing=bool(series.has_nulls()),
            edges=tuple(edges.tolist()),
            fine=fine,
            decimals=decimals_of(values),
            grain_us=grain,
        )

    @property
    def vague(self) -> bool:
        """Whether some token does not tell the value."""
        return bool(self.edges)

    @property
    def first_bin(self) -> int:
        """The first of the coarse tokens."""
        return len(self.atoms) + self.missing

    @property
    def steps(self) -> bool:
        """Whether drawn values are multiples of a step: of the grain, or of a power of ten."""
        return self.decimals >= 0 or self.grain_us > 0

    @property
    def sizes(self) -> tuple[int, ...]:
        coarse = (len(self.edges) - 1) // self.fine if self.edges else 0
        return (self.first_bin + coarse, self.fine) if self.fine > 1 else (self.first_bin + coarse,)

    def encode(self, series: pl.Series) -> Tokens:
        """Return the tokens [N, 1 or 2]; a value outside what was seen stands in the nearest bin or atom."""
        absent = series.is_null().to_numpy()
        values = np.nan_to_num(_numbers(series, self.grain_us))
        found = np.zeros((len(values), len(self.sizes)), np.int64)
        atoms = np.array(self.atoms)
        if self.edges:
            inner = np.array(self.edges[1:-1])
            bins = np.searchsorted(inner, values, side="right")
            found[:, 0] = self.first_bin + bins // self.fine
            if self.fine > 1:
                found[:, 1] = bins % self.fine
        if len(atoms):
            place = np.clip(np.searchsorted(atoms, values), 0, len(atoms) - 1)
            left = np.maximum(place - 1, 0)
            nearer = np.where(np.abs(values - atoms[left]) < np.abs(values - atoms[place]), left, place)
            exact = (atoms[place] == values) | (not self.edges)
            found[exact] = 0
            found[exact, 0] = nearer[exact]
        if self.missing:
            found[absent] = 0
            found[absent, 0] = len(atoms)
        return found

    def decode(self, tokens: Tokens, rng: np.random.Generator) -> pl.Series:
        first = tokens[:, 0]
        values = np.array([*self.atoms, *[np.nan] * (self.sizes[0] - len(self.atoms))])[first]
        binned = first >= self.first_bin
        if binned.any():
            place = (first[binned] - self.first_bin) * self.fine
            place += tokens[binned, 1] if self.fine > 1 else 0
            edges = np.array(self.edges)
            low, high = edges[place], edges[place + 1]
            drawn = low + (high - low) * rng.random(len(place))
            values[binned] = drawn if self.decimals < 0 else np.round(drawn, self.decimals)
        series = pl.Series(values).fill_nan(None)
        if not self.grain_us:
            return series
        return (series.round(0).cast(pl.Int64) * self.grain_us).cast(INSTANT)


def told_apart(rest: Floats, atoms: Floats) -> bool:
    """Return whether numbers are so few that they would come back as they are; the nearest atom, or a missing
    value, then stands for them."""
    return len(rest) < FREQUENT and (len(atoms) > 0 or len(np.unique(rest)) < 2)


def decimals_of(values: Floats) -> int:
    """Return to how many decimals all values are rounded; -1 if to none."""
    return next((d for d in range(DECIMALS + 1) if np.array_equal(values, np.round(values, d))), -1)


def _numbers(series: pl.Series, grain_us: int) -> Floats:
    """Return a series as numbers, instants in grains; NaN where missing."""
    if grain_us:
        series = series.to_physical() // grain_us
    return series.cast(pl.Float64).fill_null(np.nan).to_numpy().copy()


CODERS: Mapping[str, type[Names] | type[Numbers]] = {each.kind: each for each in (Names, Numbers)}
CODER_OF = {"number": Numbers, "time": Numbers, "category": Names, "entity": Names, "text": Names}


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCodec:
    """A table's columns as tokens, in the order in which a row is drawn."""

    columns: tuple[Column, ...]
    coders: Mapping[str, Names | Numbers]
    """Column -> its coder."""
    twins: Mapping[str, tuple[str, Mapping[int, int]]]
    """Column -> the one that tells it, and its token for each of that one's: they go together one to one."""

    @classmethod
    def fit(cls, frame: pl.DataFrame, columns: Sequence[Column]) -> Self:
        """Learn the values of a frame in canonical dtypes, of the columns that are to be drawn."""
        coders = {column.name: CODER_OF[column.kind].fit(frame[column.name]) for column in columns}
        tokens = {name: coder.encode(frame[name]) for name, coder in coders.items()}
        twins = {}
        for place, column in enumerate(columns):
            for earlier in columns[:place]:
                alike = (coders[earlier.name], coders[column.name])
                if earlier.name in twins or column.name in twins or any(each.vague for each in alike):
                    continue
                pairs = _one_to_one(tokens[earlier.name], tokens[column.name])
                if pairs:
                    twins[column.name] = (earlier.name, pairs)
        return cls(columns=tuple(columns), coders=coders, twins=twins)

    @property
    def drawn(self) -> tuple[str, ...]:
        """The columns that have tokens of their own, in the order of the table."""
        return tuple(column.name for column in self.columns if column.name not in self.twins)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many values each token may have [T]."""
        return tuple(size for name in self.drawn for size in self.coders[name].sizes)

    def dtype(self, name: str) -> pl.DataType:
        """Return the canonical dtype of a column."""
        coder = self.coders[name]
        if isinstance(coder, Names):
            return pl.String()
        return INSTANT if coder.grain_us else pl.Float64()

    def span(self, name: str) -> slice:
        """Return the places of a drawn column's tokens."""
        before = self.drawn[: self.drawn.index(name)]
        start = sum(len(self.coders[each].sizes) for each in before)
        return slice(start, start + len(self.coders[name].sizes))

    def encode(self, frame: pl.DataFrame) -> Tokens:
        """Return the tokens of canonical rows [N, T]."""
        return np.concatenate([self.coders[name].encode(frame[name]) for name in self.drawn], axis=1)

    def decode(self, tokens_NT: Tokens, rng: np.random.Generator) -> pl.DataFrame:
        """Return rows that have these tokens, in canonical dtypes and the columns' order."""
        found = {}
        for column in self.columns:
            name = column.name
            if name in self.twins:
                of, pairs = self.twins[name]
                own = tokens_NT[:, self.span(of)][:, :1]
                table = np.zeros(self.coders[of].sizes[0], np.int64)
                table[list(pairs)] = list(pairs.values())
                tokens = table[own]
            else:
                tokens = tokens_NT[:, self.span(name)]
            found[name] = self.coders[name].decode(tokens, rng).alias(name)
        return pl.DataFrame(found)


def _one_to_one(one: Tokens, other: Tokens) -> dict[int, int]:
    """Return the token of the other column for each of one, where each tells the other; else nothing."""
    if one.shape[1] > 1 or other.shape[1] > 1:
        return {}
    pairs = np.unique(np.column_stack([one, other]), axis=0)
    distinct = len(np.unique(pairs[:, 0]))
    if distinct < 2 or len(pairs) != distinct or len(np.unique(pairs[:, 1])) != distinct:
        return {}
    return dict(pairs.tolist())
