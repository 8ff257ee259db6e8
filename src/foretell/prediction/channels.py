"""Channels: what is looked at in each column, and how far a batch's lies from the pool's.

C: channels (first Q means, then R shares), K: cells of the widest column, M: cells of all, W: watched
columns.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from foretell.prediction.chance import mean_scores, share_scores
from foretell.prediction.sketch import CATEGORY, NUMBER, Counts, Floats, Watched

LEVEL, SPREAD, BEYOND, MISSING, SHARE, UNSEEN = "level", "spread", "beyond", "missing", "share", "unseen"
STAKES: Mapping[str, Mapping[str, float]] = {
    NUMBER: {LEVEL: 0.5, SPREAD: 0.25, BEYOND: 0.125, MISSING: 0.125},
    CATEGORY: {SHARE: 0.5, UNSEEN: 0.25, MISSING: 0.25},
}
"""Kind -> how a column's stake is divided; of other kinds all goes to what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One thing that is looked at."""

    column: int
    kind: str
    stake: float
    """Its part of the evidence that is asked for."""
    part: tuple[int, ...] = ()
    """Cells whose share is looked at; of a mean none."""
    value: str = ""
    """The category, where its share is looked at."""
    due: int = 0
    """Rows that are added to the pool's: a reference has no value beyond its own, yet later rows will."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """The channels of some columns, ready to be compared with a pool."""

    columns: tuple[Watched, ...]
    channels: tuple[Channel, ...]
    starts: NDArray[np.int64]
    """[W + 1] first cell of each column, and M."""
    cells: NDArray[np.int64]
    """[Q, K] the cells that a mean is taken over; M, which is empty, beyond a column's last."""
    values: Floats
    """[Q, K] what a row in each of them counts."""
    parts: Floats
    """[R, M] 1 where a cell is in the share, as is the next in what it is a share of."""
    wholes: Floats
    """[R, M]"""
    due: Counts
    """[R]"""
    seasonal: NDArray[np.bool_]
    """[M] whether a cell's column knows weekdays."""

    @property
    def stakes(self) -> Floats:
        """Logs of the channels' stakes [C]."""
        return np.log([channel.stake for channel in self.channels])

    @property
    def owners(self) -> NDArray[np.int64]:
        """The column of each channel [C]."""
        return np.array([channel.column for channel in self.channels], dtype=np.int64)

    def lines(self, weekday: int) -> NDArray[np.int64]:
        """Return which line of a pool each cell is kept in on a weekday [M]."""
        return np.where(self.seasonal, weekday, 0)

    def compared(self, cells_M: Counts, pool_7M: Counts, weekday: int) -> tuple[Floats, Floats]:
        """Return the normal score of each channel [C], and the size of the comparison: 1 / (1/n + 1/pool)."""
        pool_M = pool_7M[self.lines(weekday), np.arange(len(cells_M))]
        batch, pool = np.append(cells_M, 0)[self.cells], np.append(pool_M, 0)[self.cells]
        # What is rare and does not depend on the day is compared with the pool of all days.
        rare, every_M = self.due > 0, pool_7M.sum(0)
        due = self.due * (self.wholes @ every_M > 0)
        k_R, n_R = self.parts @ cells_M, self.wholes @ cells_M
        pool_k_R = np.where(rare, self.parts @ every_M + due, self.parts @ pool_M)
        pool_n_R = np.where(rare, self.wholes @ every_M + due, self.wholes @ pool_M)
        z_C = np.concatenate(
            [mean_scores(batch, pool, self.values), share_scores(k_R, n_R, pool_k_R, pool_n_R)]
        )
        n_C = np.concatenate([batch.sum(1), n_R]).astype(np.float64)
        pool_n_C = np.concatenate([pool.sum(1), pool_n_R]).astype(np.float64)
        return z_C, n_C * pool_n_C / np.maximum(n_C + pool_n_C, 1.0)


def laid_out(columns: Sequence[Watched], *, kept: float = 0.0) -> Layout:
    """Return the channels of columns.

    Args:
        kept: part of the evidence asked for that is kept for what is watched besides columns.
    """
    starts = np.cumsum([0, *(column.num_cells for column in columns)])
    found = [
        channel
        for index, column in enumerate(columns)
        for channel in _channels(column, index, int(starts[index]), (1 - kept) / len(columns))
    ]
    means = [channel for channel in found if not channel.part]
    shares = [channel for channel in found if channel.part]
    width = max([columns[channel.column].num_cells - 1 for channel in means], default=0)
    cells = np.full((len(means), width), starts[-1], dtype=np.int64)
    values = np.zeros((len(means), width))
    for line, channel in enumerate(means):
        column = columns[channel.column]
        size = column.num_cells - 1
        cells[line, :size] = starts[channel.column] + np.arange(size)
        values[line, :size] = _values(column, channel.kind)
    parts = np.zeros((len(shares), starts[-1]))
    wholes = np.zeros_like(parts)
    for line, channel in enumerate(shares):
        parts[line, list(channel.part)] = 1
        # Of what is missing among all rows, of all else among the known ones.
        last = starts[channel.column + 1] - (channel.kind != MISSING)
        wholes[line, starts[channel.column] : last] = 1
    return Layout(
        columns=tuple(columns),
        channels=(*means, *shares),
        starts=starts,
        cells=cells,
        values=values,
        parts=parts,
        wholes=wholes,
        due=np.array([channel.due for channel in shares], dtype=np.int64),
        seasonal=np.repeat([column.seasonal for column in columns], np.diff(starts)),
    )


def _channels(column: Watched, index: int, start: int, stake: float) -> Iterator[Channel]:
    """Yield the channels of one column."""
    stakes = STAKES.get(column.kind, {MISSING: 1.0})
    last = start + column.num_cells - 1
    if column.kind == NUMBER:
        for kind in (LEVEL, SPREAD):
            yield Channel(column=index, kind=kind, stake=stake * stakes[kind])
        # The lowest and the highest of all rows are as likely to come as to have been: two are due.
        yield Channel(column=index, kind=BEYOND, stake=stake * stakes[BEYOND], part=(start, last - 1), due=2)
    if column.kind == CATEGORY:
        for cell, name in enumerate(column.frequent):
            each = stake * stakes[SHARE] / len(column.frequent)
            yield Channel(column=index, kind=SHARE, stake=each, part=(start + cell,), value=name)
        # As many unseen ones as were seen once (Good, Biometrika 40, 1953).
        due = max(column.rare, 1)
        yield Channel(column=index, kind=UNSEEN, stake=stake * stakes[UNSEEN], part=(last - 1,), due=due)
    yield Channel(column=index, kind=MISSING, stake=stake * stakes[MISSING], part=(last,))


def _values(column: Watched, kind: str) -> Floats:
    """Return normal scores of a number's cells, or their squares: the best for the level and for the spread
    of a normal column, and bounded whatever the column is (van der Waerden, 1952; Klotz, 1962).
    """
    shares = np.array(column.shares)
    # Where the reference has nothing, half a row in a thousand keeps the ranks inside 0 and 1.
    scores = ndtri(np.clip(np.cumsum(shares) - shares / 2, 5e-4, 1 - 5e-4))
    return scores if kind == LEVEL else scores**2
