"""Differential privacy: what noisy answers about rows reveal of any one of them, all taken together.

Neighbouring tables differ by one row that is there or not. What each mechanism reveals is a Rényi divergence
at several orders, which simply add up; the sum tells epsilon for a delta.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from foretell.errors import SpecError

Floats = NDArray[np.float64]
ORDERS = (*range(2, 65), 72, 80, 96, 112, 128, 160, 192, 256, 384, 512)
LEAST_NOISE, MOST_NOISE = 0.3, 1e4


@cache
def gaussian_divergence(noise: float, rate: float = 1.0) -> tuple[float, ...]:
    """Return the Rényi divergences, at `ORDERS`, of a sum to which a row adds at most 1 in length.

    Args:
        noise: standard deviation of the normal noise on each coordinate.
        rate: chance with which each row is in the sum, each by itself.

    Source: Mironov, Talwar, Zhang, Rényi differential privacy of the sampled Gaussian mechanism (2019).

    >>> [round(each, 4) for each in gaussian_divergence(2.0)[:3]]
    [0.25, 0.375, 0.5]
    """
    if rate >= 1:
        return tuple(order / (2 * noise**2) for order in ORDERS)
    found = []
    for order in ORDERS:
        k = np.arange(order + 1)
        ways = gammaln(order + 1) - gammaln(k + 1) - gammaln(order - k + 1)
        terms = ways + k * math.log(rate) + (order - k) * math.log1p(-rate) + (k * k - k) / (2 * noise**2)
        found.append(max(float(logsumexp(terms)), 0.0) / (order - 1))
    return tuple(found)


def epsilon_of(divergences: Sequence[float] | Floats, delta: float) -> float:
    """Return epsilon for a delta, by Rényi divergences at `ORDERS`.

    Source: Canonne, Kamath, Steinke, The discrete Gaussian for differential privacy (2020), prop. 12.
    """
    orders = np.array(ORDERS, np.float64)
    told = np.asarray(divergences) + np.log1p(-1 / orders) - np.log(delta * orders) / (orders - 1)
    return max(float(told.min()), 0.0)


def noise_for(
    epsilon: float, delta: float, *, rate: float = 1.0, times: int = 1, spent: Floats | None = None
) -> float:
    """Return the least noise at which so many sums together keep epsilon.

    Args:
        spent: divergences, at `ORDERS`, of what was told before.

    Raises:
        SpecError: when no noise is enough.
    """
    before = np.zeros(len(ORDERS)) if spent is None else spent

    def told(noise: float) -> float:
        return epsilon_of(before + times * np.array(gaussian_divergence(noise, rate)), delta)

    low, high = LEAST_NOISE, MOST_NOISE
    if told(high) > epsilon:
        raise SpecError(f"no noise keeps epsilon {epsilon:g} at delta {delta:g}", "raise epsilon or delta")
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if told(middle) <= epsilon else (middle, high)
    return high
