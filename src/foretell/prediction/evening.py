"""Evening out: what is done about differences between groups, and what it changes. n: rows, N: all rows.

Either alerts are shared out, by a threshold for each group, or rows teach with weights by which group and
outcome are independent. Both are of the first column in `review.groups`.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foretell.data.dataset import Dataset
from foretell.data.groups import Grouping, groupings
from foretell.data.split import Split
from foretell.models.family import Rows
from foretell.spec import Spec
from foretell.tasks.classify import Floats, Labels
from foretell.tasks.fairness import reweighing

SHARED = ("selection", "recall")
"""Rates that are made equal by sharing out the alerts."""
FEW = 10
"""Counted rows of a group up to which it is ranked among all rows: its own ranks would be chance."""
KNOTS = 1000
"""Places at which a group's ranks are kept."""

Ranks = tuple[tuple[float, float], ...]
"""Probabilities, ascending, each with the share of counted rows below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evening:
    """A threshold for each group: each is as high as leaves the same share of its counted rows above it.

    A row counts by its rank in its group, told as the probability of the same rank among all rows. One
    threshold for that is a threshold for each group, whatever the capacity.

    Source: Hardt, Price and Srebro, NeurIPS 2016, without their random part: rank, which the queue needs, is
    made equal instead of the answer.
    """

    grouping: Grouping
    whole: Ranks
    own: tuple[Ranks, ...]
    """Of each group; empty where it is too small."""
    threshold: float
    """The probability of rank in all rows from which a new row is an alert."""

    def scores(self, frame: pl.DataFrame, probabilities: Floats) -> Floats:
        """Return what rows count by [n]: rising with the probability within a group."""
        codes = self.grouping.codes(frame)
        found = probabilities.copy()
        for number, ranks in enumerate(self.own):
            mine = codes == number
            if ranks and mine.any():
                found[mine] = _to(self.whole, _from(ranks, probabilities[mine]))
        return found

    def thresholds(self, frame: pl.DataFrame) -> Floats:
        """Return the probability from which each row is an alert, as a new row [n]."""
        rank = _from(self.whole, np.array([self.threshold]))
        each = [_to(ranks, rank)[0] if ranks else self.threshold for ranks in self.own]
        return np.array(each)[self.grouping.codes(frame)]


def evening_of(
    rate: str, grouping: Grouping, frame: pl.DataFrame, probabilities: Floats, labels: Labels
) -> Evening:
    """Return what makes a rate equal in all groups, as some held-out rows show it; its threshold is 1.

    Args:
        rate: `selection`, which counts all rows, or `recall`, which counts positive ones.
        frame: these rows, with the watched column.
        probabilities: calibrated [n].
        labels: outcomes [n].
    """
    codes = grouping.codes(frame)
    counted = np.ones(len(labels), dtype=np.bool_) if rate == "selection" else labels == 1
    own = [probabilities[counted & (codes == number)] for number in range(len(grouping.names))]
    return Evening(
        grouping=grouping,
        whole=_ranks(probabilities[counted]),
        own=tuple(_ranks(found) if len(found) > FEW else () for found in own),
        threshold=1.0,
    )


def own_cutoffs(evened: Floats, probabilities: Floats, codes: NDArray[np.int64], cutoffs: Floats) -> Floats:
    """Return for each row the lowest probability that is reviewed in its group and period [n]; inf for none.

    Args:
        evened: what rows count by [n].
        codes: their groups [n].
        cutoffs: what rows of their period must count by [n].
    """
    _, period = np.unique(cutoffs, return_inverse=True)
    _, place = np.unique(period * (codes.max(initial=0) + 1) + codes, return_inverse=True)
    lowest = np.full(place.max(initial=-1) + 1, np.inf)
    reviewed = (evened >= cutoffs) & np.isfinite(cutoffs)
    np.minimum.at(lowest, place[reviewed], probabilities[reviewed])
    return lowest[place]


def reweighed(spec: Spec, dataset: Dataset, parts: Split, weights: Floats | None) -> Floats | None:
    """Return how many rows each row stands for where it teaches [N], after `review.mitigate`.

    Args:
        weights: the same before [N]; 1 if not given.
    """
    if spec.review.mitigate != "reweigh":
        return weights
    rows: Rows = np.sort(np.concatenate([parts.train, parts.valid]))
    codes = groupings(dataset, rows)[0].codes(dataset.frame[rows])
    found = np.ones(len(dataset)) if weights is None else weights.copy()
    found[rows] *= reweighing(codes, dataset.target[rows])
    return found


def _ranks(probabilities: Floats) -> Ranks:
    """Return the ranks of rows among themselves, from nobody at 0 to everybody at 1."""
    values, counts = np.unique(probabilities, return_counts=True)
    shares = (np.cumsum(counts) - counts / 2) / max(len(probabilities), 1)
    if len(values) > KNOTS:
        # Close together at the top, where thresholds lie.
        kept = np.unique([*np.linspace(0, len(values) - 1, KNOTS // 2).round(), *range(len(values))[-500:]])
        values, shares = values[kept.astype(int)], shares[kept.astype(int)]
    inside = (values > 0) & (values < 1)
    return ((0.0, 0.0), *zip(values[inside].tolist(), shares[inside].tolist(), strict=True), (1.0, 1.0))


def _from(ranks: Ranks, probabilities: Floats) -> Floats:
    values, shares = zip(*ranks, strict=True)
    return np.interp(probabilities, values, shares)


def _to(ranks: Ranks, shares: Floats) -> Floats:
    values, known = zip(*ranks, strict=True)
    return np.interp(shares, known, values)
