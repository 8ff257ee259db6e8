"""From scores to the rows that people look at: by capacity or costs, an entity once a period."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foretell.data.dataset import Dataset
from foretell.prediction.fitted import Scored
from foretell.prediction.reference import reviewed
from foretell.spec import Spec
from foretell.tasks.classify import DAY_SECONDS, Floats, cost_threshold, periods, queue
from foretell.units import seconds

MICRO = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alerts:
    """Rows under review, period by period, the highest score first."""

    rows: NDArray[np.int64]
    thresholds: Floats
    """For each alert the probability from which its period's rows were reviewed."""
    retired: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    """For each scored row, whether its entity had been found positive before (its card is blocked)."""
    precision: float = 0.0
    """Share of the capacity that found a positive entity, averaged over periods."""


def alerts_of(spec: Spec, dataset: Dataset, scored: Scored, *, capacity: int = 0) -> Alerts:
    """Return the alerts among the scored rows.

    Args:
        capacity: reviews per period; the spec's if 0, and then only rows that are worth their cost.
    """
    review = spec.review
    timed = dataset.column("time") is not None
    period = periods(dataset.at_us[scored.rows], timed=timed)
    codes = reviewed(spec, dataset, scored.codes)
    entity = codes[scored.rows]
    retired = (
        _retired(spec, dataset, scored.rows, codes) if timed else np.zeros(len(scored.rows), dtype=np.bool_)
    )
    kept = np.flatnonzero(~retired)
    costs = bool(review.cost_miss) and not capacity
    least = cost_threshold(cost_miss=review.cost_miss, cost_review=review.cost_review) if costs else -np.inf
    filled = queue(
        scored.probabilities[kept],
        dataset.target[scored.rows[kept]],
        period[kept],
        entity[kept],
        capacity=capacity or review.capacity,
        timed=timed,
        retire=review.retire_known,
        least=least,
    )
    return Alerts(
        rows=scored.rows[kept[filled.rows]],
        thresholds=filled.cutoff[filled.rows],
        retired=retired,
        precision=filled.precision,
    )


def _retired(
    spec: Spec, dataset: Dataset, rows: NDArray[np.int64], codes: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which of the rows belong to an entity whose positive was known when the row's day began."""
    retired = np.zeros(len(rows), dtype=np.bool_)
    if not spec.review.retire_known:
        return retired
    positive = np.flatnonzero(dataset.target == 1)
    day_us = DAY_SECONDS * MICRO
    day = dataset.at_us[rows] // day_us
    for number in np.unique(day):
        begins = number * day_us
        known = positive[dataset.known_at_us[positive] <= begins]
        recent = known[dataset.at_us[known] >= begins - seconds(spec.review.retire_for) * MICRO]
        today = day == number
        retired[today] = np.isin(codes[rows[today]], codes[recent])
    return retired
