"""Steering: which values of a row may still be drawn, so that all constraints hold and no row is rejected.

Columns that constraints speak of are drawn first. Where the truth of a constraint changes along a column,
given what is known of the others, its line is cut; the pieces on which all constraints may hold decide which
tokens are allowed, and from which part of a bin a number is then drawn. What the masks take away of a row's
probability is its weight, so that rows can be resampled as if they had been drawn and rejected.

N: rows, P: points (names, exact numbers, a missing value), M: fine bins, J: pieces of a line, T: tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from foretell.data.codecs.tables import Names, Numbers, TableCodec, Tokens
from foretell.data.kinds.time import INSTANT
from foretell.errors import DataError
from foretell.generation.constraints import Constraint, read_constraints, stated
from foretell.generation.pieces import Pieces, beside, bins_of, first_token, from_steps, in_steps, tokens_of
from foretell.generation.spans import ABSENT, ANY, Bools, Name, Span, Value

ROUNDS = 20
"""Times that columns may narrow each other before it is taken as settled."""
PROBES = 100
"""Rows drawn without a net to see whether there is any."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steer:
    """Constraints against the columns of a codec."""

    codec: TableCodec
    constraints: tuple[Constraint, ...]
    domains: Mapping[str, Value]
    """Column -> what it may be at all, given the constraints."""

    @classmethod
    def of(
        cls, codec: TableCodec, constraints: Sequence[str] = (), given: Mapping[str, Any] | None = None
    ) -> "Steer":
        """Return what keeps these constraints.

        Args:
            given: column -> its value, a list of values, or its ends as {"from": 18, "to": 65}; None is a
                missing value.

        Raises:
            SpecError: for what is no constraint on these columns.
            DataError: when no row can satisfy all of them; it names those that contradict each other.
        """
        kinds = {c.name: _kind(codec, c.name) for c in codec.columns}
        asked = [stated(name, value, kinds.get(name, "")) for name, value in (given or {}).items()]
        texts = [*asked, *constraints]
        read = read_constraints(texts, kinds, _names(codec))
        whole = {name: _whole(codec, name, each.codes) for each in read for name in each.columns}
        steer = cls(codec=codec, constraints=read, domains=whole)
        possible = steer.narrowed()
        if possible is not None:
            return possible
        guilty = list(read)
        for each in read:
            fewer = tuple(other for other in guilty if other is not each)
            if fewer and replace(steer, constraints=fewer).narrowed() is None:
                guilty = list(fewer)
        told = " and ".join(f"`{each.text}`" for each in guilty)
        held = "; ".join(_told(codec, name) for name in dict.fromkeys(c for g in guilty for c in g.columns))
        raise DataError(f"no row of this table can satisfy {told}: {held}", "loosen one of them")

    @property
    def first(self) -> tuple[str, ...]:
        """The drawn columns that constraints speak of, as they are drawn: before all others."""
        spoken = {self.codec.twins[name][0] if name in self.codec.twins else name for name in self.domains}
        return tuple(name for name in self.codec.drawn if name in spoken)

    @property
    def order(self) -> list[int]:
        """The places of all tokens in the order in which they are drawn."""
        rest = [name for name in self.codec.drawn if name not in self.first]
        spans = [self.codec.span(name) for name in (*self.first, *rest)]
        return [place for span in spans for place in range(span.start, span.stop)]

    def holds(self, frame: pl.DataFrame) -> Bools:
        """Return which rows, in canonical dtypes, satisfy all constraints [N]."""
        values = {name: self.exact(frame[name]) for name in self.domains}
        told = [each.truth(values)[0][:, 0] for each in self.constraints]
        return np.all([np.ones(len(frame), bool), *told], axis=0)

    def exact(self, series: pl.Series) -> Value:
        """Return a column's values as what is known exactly [N, 1]."""
        if series.dtype == pl.String:
            codes = {None: ABSENT, **self.codes}
            told = np.array([codes.get(value, len(self.codes)) for value in series.to_list()], np.int64)
            return Name(told[:, None], np.zeros(len(self.codes) + 1, bool))
        held = series.to_physical() if series.dtype == INSTANT else series
        return Span.of(held.cast(pl.Float64).fill_null(np.nan).to_numpy()[:, None])

    @property
    def codes(self) -> Mapping[str, int]:
        return self.constraints[0].codes if self.constraints else {}

    def narrowed(self) -> "Steer | None":
        """Return this with what each column may be, all constraints taken together; None: there is no row."""
        domains = dict(self.domains)
        for _ in range(ROUNDS):
            before = {name: _ends(value) for name, value in domains.items()}
            for name in self.first:
                points, pieces, bins = self.options(name, domains)
                if not points.any() and not bins.any():
                    return None
                domains |= self._held(name, points[0], pieces, bins[0])
            if before == {name: _ends(value) for name, value in domains.items()}:
                break
        found = replace(self, domains=domains)
        free = np.full((PROBES, len(self.codec.sizes)), -1, np.int64)
        return found if Course(found, free, None, np.random.default_rng(0)).probed() else None

    def options(self, name: str, values: Mapping[str, Value]) -> tuple[Bools, Pieces, Bools]:
        """Return which points, pieces and bins of a drawn column are allowed, given the others' values."""
        coder = self.codec.coders[name]
        mine = [name, *(twin for twin, (of, _) in self.codec.twins.items() if of == name)]
        spoken = [each for each in self.constraints if set(mine) & set(each.columns)]
        points = {own: self.points(own, name) for own in mine if own in self.domains}
        allowed = _together(spoken, {**values, **points}, len(tokens_of(coder)))
        if isinstance(coder, Names) or not coder.edges:
            nothing = np.zeros((1, 0))
            return allowed, Pieces(nothing, nothing, nothing > 0), np.zeros((1, 0), bool)
        pieces = self._pieces(name, coder, spoken, values)
        low, high = bins_of(coder)
        bins = np.zeros((len(pieces.low), len(low)), bool)
        for j in range(pieces.low.shape[1]):
            meets = np.maximum(pieces.low[:, j : j + 1], low) <= np.minimum(pieces.high[:, j : j + 1], high)
            bins = bins | (meets & pieces.allowed[:, j : j + 1])
        return allowed, pieces, bins

    def points(self, own: str, name: str) -> Value:
        """Return what a column is at each point of the drawn column `name`: itself, or its twin [1, P]."""
        coder, tokens = self.codec.coders[own], tokens_of(self.codec.coders[name])
        if own != name:
            pairs = self.codec.twins[own][1]
            tokens = np.array([pairs.get(token, 0) for token in tokens.tolist()], np.int64)
        if isinstance(coder, Names):
            words = [*coder.values, *coder.rare] if own == name else [coder.values[t] for t in tokens]
            codes = [ABSENT if word is None else self.codes[word] for word in words]
            return Name(np.array([codes], np.int64), np.zeros(len(self.codes) + 1, bool))
        atoms = np.array([*coder.atoms, *[np.nan] * coder.missing]) * (coder.grain_us or 1)
        return Span.of(atoms[None, tokens])

    def _pieces(
        self, name: str, coder: Numbers, spoken: Sequence[Constraint], values: Mapping[str, Value]
    ) -> Pieces:
        """Return the line of a column, cut where a constraint may change."""
        low, high = bins_of(coder)
        least, most = low.min(), high.max()
        turns = [np.reshape(turn, (-1, 1)) for each in spoken for turn in each.turns(name, values)]
        rows = max([1, *(len(turn) for turn in turns)])
        cuts = [np.broadcast_to(turn, (rows, 1)) for turn in turns]
        cut = np.concatenate([*cuts, np.full((rows, 1), least - 1), np.full((rows, 1), most + 1)], axis=1)
        if cuts:
            inner = in_steps(coder, cut[:, :-2]) if coder.steps else cut[:, :-2]
            cut[:, :-2] = np.clip(np.nan_to_num(inner, nan=least - 1), least - 1, most + 1)
        cut.sort(axis=1)
        after, before = beside(coder, cut)
        lows = np.stack([cut, np.concatenate([after[:, :-1], cut[:, -1:]], axis=1)], axis=2)
        highs = np.stack([cut, np.concatenate([before[:, 1:], cut[:, -1:]], axis=1)], axis=2)
        shape = (rows, -1)
        lows, highs = np.maximum(lows.reshape(shape), least), np.minimum(highs.reshape(shape), most)
        if coder.steps:
            lows, highs = np.ceil(lows), np.floor(highs)
        middle = (lows + highs) / 2
        point = Span.of(from_steps(coder, np.floor(middle) if coder.steps else middle))
        truth = _together(spoken, {**values, name: point}, middle.shape[1])
        return Pieces(*np.broadcast_arrays(lows, highs, truth & (lows <= highs)))

    def _held(self, name: str, points: Bools, pieces: Pieces, bins: Bools) -> dict[str, Value]:
        """Return what a drawn column and its twins may be, where these points and bins are left."""
        found: dict[str, Value] = {}
        for own in (name, *(twin for twin, (of, _) in self.codec.twins.items() if of == name)):
            if own not in self.domains:
                continue
            value = self.points(own, name)
            if isinstance(value, Name):
                members = np.zeros(len(self.codes) + 1, bool)
                members[value.codes[0][points]] = True
                found[own] = Name(np.full((1, 1), ANY), members)
                continue
            held = value.low[0][points & value.present[0]]
            coder = self.codec.coders[own]
            if bins.any() and isinstance(coder, Numbers):
                low, high = (
                    from_steps(coder, each[0][pieces.allowed[0]]) for each in (pieces.low, pieces.high)
                )
                held = np.concatenate([held, low, high])
            absent, present = (points & value.absent[0]).any(), len(held) > 0
            low, high = (held.min(), held.max()) if present else (0.0, 0.0)
            found[own] = Span(*(np.full((1, 1), each) for each in (low, high, absent, present)))
        return found


class Course:
    """One draw of some rows under constraints: what is known of them so far."""

    def __init__(
        self, steer: Steer, known_NT: Tokens, held: pl.DataFrame | None, rng: np.random.Generator
    ) -> None:
        """Begin with the rows' known tokens, -1 where there are none, and the values behind them."""
        self.steer, self.rng, self.count = steer, rng, len(known_NT)
        self.kept = np.zeros(self.count)
        """Logarithm of the share of each row's drawn bins and shared tokens that was allowed [N]."""
        self.known: dict[str, Bools] = {}
        self.values: dict[str, Value] = dict(steer.domains)
        self.options: dict[str, tuple[Bools, Pieces, Bools]] = {}
        codec = steer.codec
        for name in steer.domains:
            of = codec.twins[name][0] if name in codec.twins else name
            self.known[name] = known_NT[:, codec.span(of).start, None] >= 0
            if held is not None and self.known[name].any():
                exact = steer.exact(held[name])
                self.values[name] = _mixed(self.known[name], exact, self.values[name])

    def allowed(self, place: int, tokens_NT: Tensor) -> Tensor | None:
        """Return which values a token may have, given those drawn before [N or 1, K]; None: all."""
        codec = self.steer.codec
        name = next((n for n in self.steer.first if codec.span(n).start <= place < codec.span(n).stop), "")
        self.settle(tokens_NT.numpy(), but=name)
        if not name:
            return None
        coder, span = codec.coders[name], codec.span(name)
        if place == span.start:
            self.options[name] = self.steer.options(name, self.values)
        points, _, bins = self.options[name]
        if place == span.start:
            return torch.from_numpy(first_token(coder, points, bins))
        assert isinstance(coder, Numbers), "names are one token"
        first = tokens_NT[:, span.start].numpy() - coder.first_bin
        fine = np.broadcast_to(bins, (self.count, bins.shape[1])).reshape(self.count, -1, coder.fine)
        inside = fine[np.arange(self.count), np.maximum(first, 0)]
        return torch.from_numpy(inside | (first < 0)[:, None])

    def settle(self, tokens_NT: Tokens, *, but: str = "") -> None:
        """Draw the values of the columns whose tokens are drawn, all but one."""
        for name, (points, pieces, _) in list(self.options.items()):
            if name == but:
                continue
            del self.options[name]
            codec = self.steer.codec
            tokens = tokens_NT[:, codec.span(name)]
            coder = codec.coders[name]
            for own in (name, *(twin for twin, (of, _) in codec.twins.items() if of == name)):
                if own in self.steer.domains:
                    drawn = self._drawn(own, name, tokens, points)
                    if own == name and isinstance(coder, Numbers) and isinstance(drawn, Span):
                        drawn = self._placed(coder, tokens, drawn, pieces)
                    self.values[own] = _mixed(self.known[own], self.values[own], drawn)

    def _drawn(self, own: str, name: str, tokens: Tokens, points: Bools) -> Value:
        """Return the point of each row's token; where several share it, one that is allowed."""
        held = tokens_of(self.steer.codec.coders[name])
        if not len(held):
            return Span.of(np.zeros((self.count, 1)))
        places = {token: place for place, token in enumerate(held.tolist())}
        place = np.array([places.get(token, 0) for token in tokens[:, 0].tolist()], np.int64)
        coder = self.steer.codec.coders[name]
        if isinstance(coder, Names) and coder.rare:
            shared = np.flatnonzero(tokens[:, 0] == len(coder.values))
            chance = np.broadcast_to(points, (self.count, points.shape[1]))[shared, len(coder.values) :]
            reached = (chance * np.array(coder.shares)).cumsum(axis=1)
            if own == name:
                self.kept[shared] += np.log(reached[:, -1].clip(min=np.finfo(float).tiny))
            aim = self.rng.random((len(shared), 1)) * reached[:, -1:]
            place[shared] = len(coder.values) + (reached <= aim).sum(axis=1).clip(max=len(coder.rare) - 1)
        value = self.steer.points(own, name)
        if isinstance(value, Name):
            return Name(value.codes[0][place][:, None], value.members)
        return Span(
            *(each[0][place][:, None] for each in (value.low, value.high, value.absent, value.present))
        )

    def _placed(self, coder: Numbers, tokens: Tokens, points: Span, pieces: Pieces) -> Span:
        """Return the points, and where the token is a bin a number of it that is allowed."""
        binned = tokens[:, 0] >= coder.first_bin
        if not binned.any():
            return points
        fine = tokens[binned, 1] if coder.fine > 1 else 0
        place = (tokens[binned, 0] - coder.first_bin) * coder.fine + fine
        low, high = (each[place][:, None] for each in bins_of(coder))
        rows = np.flatnonzero(binned) if len(pieces.low) > 1 else np.zeros(binned.sum(), np.int64)
        lows, highs = np.maximum(pieces.low[rows], low), np.minimum(pieces.high[rows], high)
        least = 1.0 if coder.steps else np.finfo(float).tiny
        room = np.where(pieces.allowed[rows] & (lows <= highs), highs - lows + least, 0.0)
        reached = room.cumsum(axis=1)
        self.kept[binned] += np.log((reached[:, -1:] / (high - low + least)).clip(np.finfo(float).tiny, 1.0))[
            :, 0
        ]
        aim = self.rng.random((len(place), 1)) * reached[:, -1:]
        piece = (reached <= aim).sum(axis=1, keepdims=True).clip(max=room.shape[1] - 1)
        least, most = (np.take_along_axis(each, piece, axis=1) for each in (lows, highs))
        along = self.rng.random((len(place), 1))
        drawn = least + (np.floor(along * (most - least + 1)) if coder.steps else along * (most - least))
        values = np.where(points.absent, np.nan, points.low)
        values[binned] = from_steps(coder, np.clip(drawn, least, most))
        return Span.of(values)

    def probed(self) -> bool:
        """Return whether any row is left when each token is one of those allowed, whichever is likely."""
        tokens_NT = torch.full((self.count, len(self.steer.codec.sizes)), -1)
        alive = np.ones(self.count, bool)
        for place in self.steer.order:
            mask = self.allowed(place, tokens_NT)
            if mask is not None:
                chance = np.broadcast_to(mask.numpy(), (self.count, mask.shape[1]))
                alive &= chance.any(axis=1)
                chosen = np.where(chance, self.rng.random(chance.shape), -1.0).argmax(axis=1)
                tokens_NT[:, place] = torch.from_numpy(chosen)
        return bool(alive.any())

    def written(self, tokens_NT: Tokens) -> pl.DataFrame:
        """Return the values of the columns that constraints speak of, when all tokens are drawn."""
        self.settle(tokens_NT)
        words = np.array([*self.steer.codes, None, None], dtype=object)
        found = []
        for name, value in self.values.items():
            if isinstance(value, Name):
                found.append(pl.Series(name, words[value.codes[:, 0]].tolist(), dtype=pl.String))
                continue
            series = pl.Series(name, np.where(value.absent, np.nan, value.low)[:, 0]).fill_nan(None)
            instant = self.steer.codec.dtype(name) == INSTANT
            found.append(series.round(0).cast(pl.Int64).cast(INSTANT) if instant else series)
        return pl.DataFrame(found)


def _together(spoken: Sequence[Constraint], values: Mapping[str, Value], width: int) -> Bools:
    """Return where all of these may be true [N or 1, width]."""
    found = np.ones((1, width), bool)
    for each in spoken:
        found = found & each.truth(values)[0]
    return found


def _mixed(known: Bools, exact: Value, other: Value) -> Value:
    if isinstance(exact, Name) and isinstance(other, Name):
        return Name(np.where(known, exact.codes, other.codes), other.members)
    assert isinstance(exact, Span), "a column is of one kind"
    assert isinstance(other, Span), "a column is of one kind"
    parts = ("low", "high", "absent", "present")
    return Span(*(np.where(known, getattr(exact, part), getattr(other, part)) for part in parts))


def _kind(codec: TableCodec, name: str) -> str:
    coder = codec.coders[name]
    return "name" if isinstance(coder, Names) else "time" if coder.grain_us else "number"


def _names(codec: TableCodec) -> list[str]:
    held = [coder for coder in codec.coders.values() if isinstance(coder, Names)]
    return [word for coder in held for word in (*coder.values, *coder.rare) if word is not None]


def _whole(codec: TableCodec, name: str, codes: Mapping[str, int]) -> Value:
    """Return all that a column may be."""
    coder = codec.coders[name]
    if isinstance(coder, Names):
        members = np.zeros(len(codes) + 1, bool)
        members[[ABSENT if word is None else codes[word] for word in (*coder.values, *coder.rare)]] = True
        return Name(np.full((1, 1), ANY), members)
    held = np.array([*coder.atoms, *coder.edges]) * (coder.grain_us or 1)
    ends = (held.min(), held.max()) if len(held) else (0.0, 0.0)
    return Span(*(np.full((1, 1), each) for each in (*ends, coder.missing, len(held) > 0)))


def _ends(value: Value) -> tuple[Any, ...]:
    """Return what tells whether a column was narrowed."""
    if isinstance(value, Name):
        return (value.members.tobytes(),)
    return tuple(each.item() for each in (value.low, value.high, value.absent, value.present))


def _told(codec: TableCodec, name: str) -> str:
    """Return what a column holds, in words."""
    coder = codec.coders[name]
    if isinstance(coder, Names):
        words = [str(word) for word in coder.values]
        return f"'{name}' is " + ", ".join(words[:6]) + f" or one of {len(words) - 6} more" * (len(words) > 6)
    held = [*coder.atoms, *coder.edges]
    if not held:
        return f"'{name}' is always missing"
    least, most = min(held), max(held)
    if coder.grain_us:
        ends = pl.Series([least, most]).cast(pl.Int64) * coder.grain_us
        first, last = (f"{each:%Y-%m-%d %H:%M}" for each in ends.cast(INSTANT))
        return f"'{name}' is {first} to {last}"
    return f"'{name}' is {least:g} to {most:g}"
