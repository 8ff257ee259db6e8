"""From scores to the rows that people look at: by capacity or costs, an entity once a period."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foretell.data.dataset import Dataset
from foretell.models.family import Rows
from foretell.prediction.evening import own_cutoffs
from foretell.prediction.fitted import Scored
from foretell.spec import Spec
from foretell.tasks.classify import BLOCK, DAY_US, Floats, Queue, cost_threshold, periods, queue
from foretell.units import seconds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alerts:
    """Rows under review, period by period, the highest score first."""

    rows: Rows
    thresholds: Floats
    """For each alert the probability from which its period's rows were reviewed."""
    retired: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    """For each scored row, whether its entity had been found positive before (its card is blocked)."""
    precision: float = 0.0
    """Share of the capacity that found a positive entity, averaged over periods."""
    cutoffs: Floats = field(default_factory=lambda: np.zeros(0))
    """For each scored row, the probability from which its period's rows were reviewed; inf where none was."""
    shares: Floats = field(default_factory=lambda: np.zeros(0))
    """For each row, the share with which it was drawn at random; 0 for an alert. Empty: nothing was drawn."""
    pool: int = 0
    """Rows from which those were drawn."""


def alerts_of(spec: Spec, dataset: Dataset, scored: Scored, *, capacity: int = 0) -> Alerts:
    """Return the alerts among the scored rows.

    Args:
        capacity: reviews per period; the spec's if 0, and then only rows that are worth their cost.
    """
    least = _worth(spec) if spec.review.cost_miss and not capacity else -np.inf
    scores = scored.evened if len(scored.evened) else scored.probabilities
    retired, filled = _reviews(
        spec, dataset, scored.rows, scores, scored.codes, capacity=capacity, least=least
    )  # fmt: skip
    cutoffs = np.full(len(scored.rows), np.inf)
    cutoffs[~retired] = filled.cutoff
    if len(scored.evened):
        cutoffs = own_cutoffs(scores, scored.probabilities, scored.groups, cutoffs)
    return Alerts(
        rows=scored.rows[~retired][filled.rows],
        thresholds=cutoffs[~retired][filled.rows],
        retired=retired,
        precision=filled.precision,
        cutoffs=cutoffs,
    )


def threshold_of(
    spec: Spec, dataset: Dataset, choose: Rows, probabilities: Floats, codes: Mapping[str, Rows]
) -> float:
    """Return the probability that fills the review capacity on the choosing rows, and is worth the cost."""
    _, filled = _reviews(spec, dataset, choose, probabilities, codes)
    # A period in which every entity was retired has no cut-off.
    cutoffs = filled.cutoff[np.isfinite(filled.cutoff)]
    worth = _worth(spec) if spec.review.cost_miss else 0.0
    return max(float(np.median(cutoffs)), worth) if len(cutoffs) else 1.0


def usual_positives(dataset: Dataset, rows: Rows) -> int:
    """Return how many positives a review period of some rows holds on average, at least one."""
    num_positives = int((dataset.target[rows] == 1).sum())
    if dataset.column("time") is not None:
        num_periods = len(np.unique(periods(dataset.at_us[rows], timed=True)))
        return max(1, round(num_positives / num_periods))
    return max(1, round(BLOCK * num_positives / len(rows)))


def reviewed(spec: Spec, dataset: Dataset, codes: Mapping[str, Rows]) -> Rows:
    """Return the code of what is reviewed for each row: its `review.entity`, else the row itself.

    Args:
        codes: entity column -> code of each row's entity [n], 0 or more.
    """
    rows = np.arange(len(dataset), dtype=np.int64)
    if not spec.review.entity:
        return rows
    # Rows whose card nobody knows are not one card.
    unknown = dataset.frame[spec.review.entity].is_null().to_numpy()
    return np.where(unknown, -1 - rows, codes[spec.review.entity])


def _worth(spec: Spec) -> float:
    return cost_threshold(cost_miss=spec.review.cost_miss, cost_review=spec.review.cost_review)


def _reviews(
    spec: Spec,
    dataset: Dataset,
    rows: Rows,
    probabilities: Floats,
    codes: Mapping[str, Rows],
    *,
    capacity: int = 0,
    least: float = -np.inf,
) -> tuple[NDArray[np.bool_], Queue]:
    """Return which of the rows are retired from the start, and the queue of the others.

    Args:
        probabilities: of the rows.
        codes: entity column -> code of each of the data set's rows.
        capacity: reviews per period; the spec's if 0.
        least: lowest probability worth a review.
    """
    timed = dataset.column("time") is not None
    codes_of = reviewed(spec, dataset, codes)
    away_until = _away_until(spec, dataset, timed=timed) if spec.review.retire_known else None
    retired = np.zeros(len(rows), dtype=np.bool_)
    if away_until is not None and timed:
        retired = _retired(dataset, rows, codes_of, away_until)
    kept = rows[~retired]
    return retired, queue(
        probabilities[~retired],
        dataset.target[kept],
        periods(dataset.at_us[kept], timed=timed),
        codes_of[kept],
        capacity=capacity or spec.review.capacity,
        timed=timed,
        away_until=None if away_until is None else away_until[kept],
        least=least,
    )


def _away_until(spec: Spec, dataset: Dataset, *, timed: bool) -> Rows:
    """Return for each row the last period without its entity, once the row is known to be positive."""
    if not timed:
        return np.full(len(dataset), np.iinfo(np.int64).max)
    return periods(dataset.at_us + round(seconds(spec.review.retire_for) * 1e6), timed=True)


def _retired(dataset: Dataset, rows: Rows, codes: Rows, away_until: Rows) -> NDArray[np.bool_]:
    """Return which of the rows belong to an entity whose positive was known when the row's day began."""
    retired = np.zeros(len(rows), dtype=np.bool_)
    positive = np.flatnonzero(dataset.target == 1)
    day = periods(dataset.at_us[rows], timed=True)
    for number in np.unique(day):
        known = positive[dataset.known_at_us[positive] <= number * DAY_US]
        away = known[away_until[known] >= number]
        today = day == number
        retired[today] = np.isin(codes[rows[today]], codes[away])
    return retired
