"""Evidence over time that something has changed: Shiryaev-Roberts e-detectors. C: channels, B: bets."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

Floats = NDArray[np.float64]
SIZES = (0.25, 0.5, 1.0, 1.75, 3.0)
"""Shifts of a batch's normal score that are bet on, each upwards and downwards."""
YEARS, RISK = 30, 0.01
"""A false alarm in this many years of daily batches has at most this chance, over all that is watched."""
LEAST = float(np.log(YEARS * 365.25 / RISK))
"""Log-evidence from which there is an alarm."""

NOTHING = -700.0
"""Logarithm of a sum of nothing; finite, so that it can be written down."""


def _tangents() -> tuple[Floats, Floats, Floats]:
    """Return for each size where its bet becomes convex, its value there, and the log of its mean.

    The likelihood ratio exp(size z - size^2 / 2) is a convex function of the p-value down to some z only;
    below it goes on as the tangent to 0 at p = 1, since mid-p-values need convex bets.
    """
    sizes = np.array(SIZES)
    z = np.zeros(len(sizes))
    for _ in range(60):  # density(z) = size * ndtr(z), by Newton; its left side over the right falls in z
        ratio = np.exp(-0.5 * z * z - log_ndtr(z)) / np.sqrt(2 * np.pi)
        z += (ratio - sizes) / (ratio * (z + ratio))
    value = sizes * z - sizes**2 / 2
    mean = ndtr(sizes - z) + np.exp(value) * ndtr(z) / 2
    return z, value, np.log(mean)


TANGENT, VALUE, LOG_MEAN = _tangents()


def bets(z_C: Floats) -> Floats:
    """Return log e-values [C, B] of normal scores: first the bets on higher values, then those on lower.

    Each is a convex function of the p-value whose mean over uniforms is 1.

    Source: Vovk and Wang, Annals of Statistics 49 (2021), calibrators.
    """
    both = np.stack([z_C, -z_C], axis=1)[:, :, None]
    sizes = np.array(SIZES)
    ratio = sizes * both - sizes**2 / 2
    tangent = VALUE + log_ndtr(both) - log_ndtr(TANGENT)
    return (np.where(both >= TANGENT, ratio, tangent) - LOG_MEAN).reshape(len(z_C), -1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detectors:
    """One e-detector a channel: the sum, over every batch at which a change may have begun, of the evidence
    since.

    Without a change the sum minus the number of batches is a supermartingale, so that the mean time to a
    false alarm at level A is at least A batches, and the chance of one within T batches at most T / A.

    Source: Shin, Ramdas and Rinaldo, New England Journal of Statistics in Data Science 2 (2023).
    """

    sums: Floats
    """[C, B] logs of the sums."""
    runs: Floats
    """[C, B] the CUSUM statistics of the same bets, which tell when a change is likeliest to have begun."""
    starts: NDArray[np.int64]
    """[C, B] number of the batch with which the present run began."""

    @classmethod
    def fresh(cls, num_channels: int) -> "Detectors":
        """Return detectors that saw nothing."""
        shape = (num_channels, 2 * len(SIZES))
        return cls(sums=np.full(shape, NOTHING), runs=np.zeros(shape), starts=np.zeros(shape, dtype=np.int64))

    def after(self, z_C: Floats, number: int) -> "Detectors":
        """Return the detectors after the scores of batch `number`; a score of nan says nothing."""
        seen = ~np.isnan(z_C)[:, None]
        gains = bets(np.nan_to_num(z_C))
        return Detectors(
            sums=np.where(seen, np.logaddexp(self.sums, 0.0) + gains, self.sums),
            starts=np.where(seen & (self.runs <= 0.0), number, self.starts),
            runs=np.where(seen, np.maximum(self.runs, 0.0) + gains, self.runs),
        )

    def evidence(self) -> Floats:
        """Return the log-evidence of each channel [C]: its bets share one stake."""
        top = self.sums.max(1)
        return top + np.log(np.exp(self.sums - top[:, None]).mean(1))

    def since(self) -> NDArray[np.int64]:
        """Return for each channel the batch with which its change is likeliest to have begun [C]."""
        best = np.argmax(self.sums, axis=1)
        return self.starts[np.arange(len(best)), best]
