"""Regression: the scale on which a number is learned, honest intervals around estimates, metrics.

n: rows, K: bins. Scores are what models learn and sum: the target on its scale, centred, in its standard
deviations. Values are in the target's own unit.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PLAIN, LOG = "plain", "log"
LARGEST_SCORE = 30.0
"""Scores further from the centre are held there: one wild sum must not become an infinite number."""
EACH, MOST_BINS = 200, 8
"""Held-out rows from which a bin has an interval of its own, and bins at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A strictly increasing map from values to scores."""

    link: str
    """plain; or log, of 1 + value: for amounts and counts with a long tail."""
    centre: float
    spread: float

    @classmethod
    def of(cls, values: Floats, link: str = PLAIN) -> "Scale":
        """Return the scale on which these values [n] have mean 0 and standard deviation 1."""
        linked = np.log1p(values) if link == LOG else values
        return cls(link=link, centre=float(linked.mean()), spread=float(linked.std()) or 1.0)

    def scores(self, values: Floats) -> Floats:
        """Return the scores [n] of values [n]; NaN stays NaN."""
        if self.link == PLAIN:
            return (values - self.centre) / self.spread
        with np.errstate(invalid="ignore", divide="ignore"):
            return (np.log1p(values) - self.centre) / self.spread

    def values(self, scores: Floats) -> Floats:
        """Return the values [n] of scores [n]: what `scores` undoes."""
        linked = self.centre + self.spread * np.clip(scores, -LARGEST_SCORE, LARGEST_SCORE)
        return np.expm1(linked) if self.link == LOG else linked


def smearing(scale: Scale, scores: Floats, values: Floats) -> float:
    """Return what turns the typical value of a score into the mean one: 1 on a plain scale.

    The mean of a value is more than what the mean of its logarithm stands for.

    Source: Duan, JASA 78 (1983), smearing; here as the ratio of the means, which large residuals move less.
    """
    if scale.link == PLAIN:
        return 1.0
    return float((1 + values).mean() / (1 + scale.values(scores)).mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimator:
    """From scores to estimates with intervals: what `estimator` fits."""

    scale: Scale
    smear: float
    level: float
    """Share of the true values that intervals are to hold."""
    edges: tuple[float, ...]
    """Scores between the bins, ascending [K - 1]."""
    low: tuple[float, ...]
    """Of each bin, what is added to a score for the interval's lower end [K]; empty where too few rows were
    held out to promise the level."""
    high: tuple[float, ...]

    def values(self, scores: Floats) -> Floats:
        """Return the estimates [n]: expected values, in the target's unit."""
        typical = self.scale.values(scores)
        return (1 + typical) * self.smear - 1 if self.scale.link == LOG else typical

    def intervals(self, scores: Floats) -> tuple[Floats, Floats] | None:
        """Return the ends [n], [n] of the intervals; None where the level could not be promised."""
        if not self.low:
            return None
        bins = np.searchsorted(np.array(self.edges), scores, side="right")
        low, high = (np.array(ends)[bins] for ends in (self.low, self.high))
        return self.scale.values(scores + low), self.scale.values(scores + high)


def estimator(scale: Scale, scores: Floats, values: Floats, level: float) -> Estimator:
    """Fit the intervals: split conformal prediction within bins of the score.

    Each bin's ends are the order statistics of its residuals that hold `level` of new ones drawn like them,
    half of the misses on either side, so that wide and narrow ranges of the estimate keep the promise alike.

    Args:
        scores: of rows that the models were not fitted on [n].
        values: their true values [n].
        level: share that the intervals are to hold, between 0 and 1.

    Source: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005), Mondrian predictors.
    """
    num_bins = int(np.clip(len(scores) // EACH, 1, MOST_BINS))
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, num_bins + 1)[1:-1]))
    bins = np.searchsorted(edges, scores, side="right")
    residuals = scale.scores(values) - scores
    low, high = [], []
    for number in range(len(edges) + 1):
        held = np.sort(residuals[bins == number])
        place = int(np.floor((len(held) + 1) * (1 - level) / 2 + 1e-9))
        if place < 1:
            low, high, edges = [], [], edges[:0]
            break
        low.append(float(held[place - 1]))
        high.append(float(held[-place]))
    return Estimator(
        scale=scale,
        smear=smearing(scale, scores, values),
        level=level,
        edges=tuple(edges.tolist()),
        low=tuple(low),
        high=tuple(high),
    )


def rmse(scale: Scale, scores: Floats, values: Floats) -> float:
    """Return the root mean squared error of what scores say, in the target's unit."""
    typical = scale.values(scores)
    if scale.link == LOG:
        typical = (1 + typical) * smearing(scale, scores, values) - 1
    return float(np.sqrt(np.mean((typical - values) ** 2)))


def metrics(fitted: Estimator, scores: Floats, values: Floats) -> Mapping[str, float]:
    """Return rmse, mae and median_width in the target's unit, r2, and coverage of the intervals."""
    estimates = fitted.values(scores)
    errors = estimates - values
    spread = float(((values - values.mean()) ** 2).mean())
    found = {
        "rmse": float(np.sqrt((errors**2).mean())),
        "mae": float(np.abs(errors).mean()),
    }
    if spread > 0:
        found["r2"] = 1 - float((errors**2).mean()) / spread
    ends = fitted.intervals(scores)
    if ends is not None:
        low, high = ends
        found["coverage"] = float(((low <= values) & (values <= high)).mean())
        found["median_width"] = float(np.median(high - low))
    return found
