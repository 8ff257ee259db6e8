"""Whether outcomes still match the probabilities: what came less what was told, batch by batch.

n: rows. Two things are looked at, in this order: how many outcomes came (`rate`), and whether they rise with
the probability as they should (`order`).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from foretell.prediction.chance import outcome_score
from foretell.prediction.pools import Compared, Variation
from foretell.prediction.sketch import Floats
from foretell.tasks.classify import logit, sigmoid

RATE, ORDER = "rate", "order"
KINDS = (RATE, ORDER)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """Rows whose outcomes came."""

    rows: int
    positives: int
    expected: float
    """Positives, by the probabilities."""
    residuals: Floats
    """[2] sums of outcome - probability, and of the same times the log-odds less their centre."""
    information: Floats
    """[2] the variances of those sums, by the probabilities."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Residuals:
    """What outcomes left over in the past: that of the choosing rows, on which the model was calibrated,
    first.

    A calibration on finitely many rows is a little off. How far off it may be is known from their number, and
    later outcomes are held against it as it is known, not as if it were exact.
    """

    centre: float
    """Log-odds about which the two sums do not depend on each other."""
    residuals: Floats
    """[2]"""
    information: Floats
    """[2]"""
    variation: Variation

    @classmethod
    def of(cls, probabilities: Floats, labels: Floats, days: NDArray[np.int64]) -> "Residuals":
        """Return those of the choosing rows.

        Args:
            probabilities: calibrated on them [n].
            labels: 0 or 1 [n].
            days: day of each row [n]; one day where rows have no time.
        """
        weights = probabilities * (1 - probabilities)
        centre = float((weights * logit(probabilities)).sum() / max(weights.sum(), 1e-12))
        empty = cls(
            centre=centre, residuals=np.zeros(2), information=np.zeros(2), variation=Variation.unknown(2)
        )
        whole = empty.judged(probabilities, labels)
        found = replace(empty, residuals=whole.residuals, information=whole.information)
        each = np.unique(days)
        for day in each if len(each) > 1 else ():
            rows = days == day
            seen = found.compared(probabilities[rows], labels[rows])
            found = replace(
                found, variation=found.variation.after(seen.raw, seen.sizes, np.ones(2, dtype=np.bool_))
            )
        return found

    def judged(self, probabilities: Floats, labels: Floats) -> Judged:
        """Return the sums of rows."""
        values = np.stack([np.ones(len(labels)), logit(probabilities) - self.centre])
        return Judged(
            rows=len(labels),
            positives=int(labels.sum()),
            expected=float(probabilities.sum()),
            residuals=values @ (labels - probabilities),
            information=values**2 @ (probabilities * (1 - probabilities)),
        )

    def compared(self, probabilities: Floats, labels: Floats) -> Compared:
        """Compare a batch with the past: probabilities are moved by what the past left over."""
        moved = self.residuals / np.maximum(self.information, 1e-12)
        deviations = logit(probabilities) - self.centre
        corrected = sigmoid(logit(probabilities) + moved[0] + moved[1] * deviations)
        values = (np.ones(len(labels)), deviations)
        raw = np.array([outcome_score(labels, corrected, each) for each in values])
        weights = corrected * (1 - corrected)
        fresh = np.array([(weights * each**2).sum() for each in values])
        # The past is as uncertain as it is short.
        raw *= np.sqrt(self.information / np.maximum(self.information + fresh, 1e-12))
        sizes = fresh * self.information / np.maximum(fresh + self.information, 1e-12)
        return Compared(scores=self.variation.scores(raw, sizes), raw=raw, sizes=sizes)

    def after(self, batch: Judged, compared: Compared, seen: NDArray[np.bool_]) -> "Residuals":
        """Return the past with a batch in it, in what is not known to have changed [2]."""
        return Residuals(
            centre=self.centre,
            residuals=self.residuals + np.where(seen, batch.residuals, 0.0),
            information=self.information + np.where(seen, batch.information, 0.0),
            variation=self.variation.after(compared.raw, compared.sizes, seen),
        )
