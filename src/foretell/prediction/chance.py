"""How far a batch lies from a pool of earlier rows, on the scale of a standard normal.

C: channels, K: cells. A batch and its pool are compared given what they hold together: if their rows can be
swapped, the batch is a random part of the whole, whatever the distribution is. So the pool's own sampling
error is accounted for, and nothing about the distribution is assumed.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtri_exp, stdtr

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
FARTHEST = 37.0
"""Where the tail of a normal leaves the range of floats."""
STEPS = 25
MANY, TERMS = 25.0, 128
"""Expected count from which a saddle point is used, and the terms of a tail that are summed below it."""
LOG_HALF = float(np.log(0.5))


def share_scores(k_C: Floats, n_C: Floats, pool_k_C: Floats, pool_n_C: Floats) -> Floats:
    """Return the normal scores of the mid-p-values of k among n, given the pool's (Fisher's conditional
    test).

    0 where there is nothing to compare. A mid-p-value is the mean of a randomised p-value, which is uniform:
    any convex function of it has a mean of at most that function's over uniforms. Where many are expected a
    saddle point stands for the exact sum.

    Source: Lancaster, JASA 56 (1961); Rubin-Delanchy, Heard and Lawson, JASA 114 (2019).
    """
    whole, all_k = n_C + pool_n_C, k_C + pool_k_C
    idle = (n_C == 0) | (pool_n_C == 0) | (all_k == 0) | (all_k == whole)
    few, common = n_C <= pool_n_C, 2 * all_k > whole
    # The smaller of batch and pool is the sample, and the rarer of the two outcomes is counted.
    n = np.where(few, n_C, pool_n_C)
    k = np.where(few, k_C, pool_k_C)
    k, all_k = np.where(common, n - k, k), np.where(common, whole - all_k, all_k)
    n, whole, all_k = (np.where(idle, 1.0 + one, array) for one, array in ((0, n), (1, whole), (0, all_k)))
    k = np.where(idle, 0.0, k)
    expected = n * all_k / whole
    exact = expected < MANY
    z_C = _bernoulli(np.clip(k / n, 0.5 / n, 1 - 0.5 / n), all_k / whole, n, whole - n)
    z_C[exact] = _fisher(k[exact], n[exact], all_k[exact], whole[exact])
    signed = np.where(few == common, -z_C, z_C)
    return np.where(idle, 0.0, np.clip(signed, -FARTHEST, FARTHEST))


def _bernoulli(share: Floats, expected: Floats, n: Floats, rest: Floats) -> Floats:
    """Return r* of a share of n rows that were drawn from n + rest."""
    tilt = np.log(share) - np.log1p(-share) - np.log(expected) + np.log1p(-expected)
    gain = share * np.log(share / expected) + (1 - share) * np.log1p((expected - share) / (1 - expected))
    size = n * (1 + n / rest)
    plain = (share - expected) * np.sqrt(size / (expected * (1 - expected)))
    return plain + (1 - n / rest) * (starred(tilt, gain, share * (1 - share), size, plain) - plain)


def _fisher(k: Floats, n: Floats, all_k: Floats, whole: Floats) -> Floats:
    """Return the normal scores of hypergeometric mid-p-values of small counts."""
    point = (
        _choices(all_k, k) + _choices(whole - all_k, n - k) - _choices(whole, n)
    )  # log of the chance of just k
    steps = np.arange(TERMS)
    x = k[:, None] + steps
    rest = (whole - all_k - n)[:, None]
    up = (all_k[:, None] - x) * (n[:, None] - x) / ((x + 1) * (rest + x + 1))
    y = k[:, None] - steps
    down = y * (rest + y) / ((all_k[:, None] - y + 1) * (n[:, None] - y + 1))
    above = np.cumprod(np.maximum(up, 0.0), axis=1).sum(1) + 0.5
    below = np.cumprod(np.maximum(down, 0.0), axis=1).sum(1) + 0.5
    # The smaller tail tells, to all its digits.
    tail = point + np.log(np.minimum(above, below))
    return np.where(above < below, -1.0, 1.0) * ndtri_exp(np.minimum(tail, LOG_HALF))


def _choices(n: Floats, k: Floats) -> Floats:
    """Return log(n over k)."""
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


def mean_scores(cells_CK: Counts, pool_CK: Counts, values_CK: Floats) -> Floats:
    """Return the normal scores of the means of cell values, each row of a batch having its cell's value.

    The tails are saddle-point ones, since those of a normal are wrong for rare cells and small batches. The
    smaller of batch and pool counts as the sample, and its size is raised by what was drawn without
    replacement.

    Source: Barndorff-Nielsen, Biometrika 73 (1986), r*; Robinson, JASA 77 (1982), finite populations.
    """
    n_C, pool_n_C = cells_CK.sum(1), pool_CK.sum(1)
    whole_CK = cells_CK + pool_CK
    few = n_C <= pool_n_C
    sample_CK = np.where(few[:, None], cells_CK, pool_CK)
    size, rest = np.minimum(n_C, pool_n_C), np.maximum(n_C, pool_n_C)
    idle = size == 0
    size, rest = np.maximum(size, 1), np.maximum(rest, 1)
    shares = whole_CK / np.maximum(whole_CK.sum(1, keepdims=True), 1)
    centred = values_CK - (shares * values_CK).sum(1, keepdims=True)
    mean = (sample_CK * centred).sum(1) / size
    spread = np.sqrt((shares * centred**2).sum(1))
    idle |= spread < 1e-12
    shares[idle] = 1.0  # whatever stands here is not returned
    spread = np.where(idle, 1.0, spread)
    plain = mean / spread * np.sqrt(size * (1 + size / rest))
    r_C = _signed_root(shares, centred / spread[:, None], mean / spread, size * (1 + size / rest))
    r_C = plain + (1 - size / rest) * (r_C - plain)  # halves of one whole differ without skewness
    return np.where(idle, 0.0, np.clip(np.where(few, r_C, -r_C), -FARTHEST, FARTHEST))


def _signed_root(shares_CK: Floats, values_CK: Floats, mean_C: Floats, size_C: Floats) -> Floats:
    """Return r* of a mean of values with mean 0 and variance 1 under the shares."""
    limit = 40.0 / np.maximum(np.abs(values_CK).max(1), 1e-12)
    tilt = np.clip(mean_C, -limit, limit)
    values_CK = np.where(shares_CK > 0, values_CK, 0.0)  # an empty cell must not set the scale
    for _ in range(STEPS):
        top = (tilt[:, None] * values_CK).max(1, keepdims=True)
        weights = shares_CK * np.exp(tilt[:, None] * values_CK - top)
        total = weights.sum(1)
        slope = (weights * values_CK).sum(1) / total
        bend = np.maximum((weights * values_CK**2).sum(1) / total - slope**2, 1e-12)
        step = np.clip((mean_C - slope) / bend, -1.0, 1.0)
        tilt = np.clip(tilt + step, -limit, limit)
        if np.abs(step).max(initial=0.0) < 1e-9:
            break
    cumulant = np.log(total) + top[:, 0]
    return starred(tilt, tilt * mean_C - cumulant, bend, size_C, np.sqrt(size_C) * mean_C)


def outcome_score(labels: Floats, probabilities: Floats, values: Floats) -> float:
    """Return the normal score of sum(values * (labels - probabilities)) of independent outcomes [n].

    0 where it tells nothing: all values 0, or all outcomes alike and the values not.
    """
    gain_of = np.log1p(-probabilities)
    if np.ptp(values) == 0 and labels.min() == labels.max():  # a saddle point lies at infinity here
        alike = np.log(probabilities).sum() if labels[0] else gain_of.sum()
        return float((-1.0, 1.0)[int(labels[0])] * -ndtri_exp(np.minimum(alike + LOG_HALF, LOG_HALF)))
    variance = (probabilities * (1 - probabilities) * values**2).sum()
    if variance < 1e-12 or labels.min() == labels.max():
        return 0.0
    total = (values * labels).sum()
    logits = np.log(probabilities) - gain_of
    limit = 20.0 / np.abs(values).max()
    tilt = 0.0
    for _ in range(STEPS):
        tilted = 1 / (1 + np.exp(-(logits + tilt * values)))
        bend = max(float((tilted * (1 - tilted) * values**2).sum()), 1e-12)
        step = float(np.clip((total - (tilted * values).sum()) / bend, -limit / 10, limit / 10))
        tilt = float(np.clip(tilt + step, -limit, limit))
        if abs(step) < 1e-9 * limit:
            break
    cumulant = (np.logaddexp(gain_of, logits + gain_of + tilt * values)).sum()
    plain = (total - (probabilities * values).sum()) / np.sqrt(variance)
    one = np.ones(1)
    found = starred(one * tilt, one * (tilt * total - cumulant), one * bend, one, one * plain)
    return float(np.clip(found[0], -FARTHEST, FARTHEST))


def starred(tilt: Floats, gain: Floats, bend: Floats, size: Floats, plain: Floats) -> Floats:
    """Return r* = r + log(q / r) / r of a saddle point; the plain score where both are near 0.

    Args:
        tilt: the saddle point.
        gain: what the tilt gains in log-likelihood, per row.
        bend: second derivative of the cumulant there, per row.
        plain: the standardised sum.
    """
    r = np.sign(tilt) * np.sqrt(2 * size * np.maximum(gain, 0.0))
    q = tilt * np.sqrt(size * bend)
    near = (np.abs(plain) < 0.1) | (r * q <= 0)
    safe_r, safe_q = np.where(near, 1.0, r), np.where(near, 1.0, q)
    return np.where(near, plain, safe_r + np.log(safe_q / safe_r) / safe_r)


def widened(z: Floats, factor: Floats, days: Floats) -> Floats:
    """Return normal scores of deviations whose variance is `factor` times that of rows drawn at random.

    Args:
        days: how many batches told the factor: few make it uncertain, and their tails Student's.

    Source: Quesenberry, Journal of Quality Technology 23 (1991), Q charts.
    """
    t = np.abs(z) / np.sqrt(factor)
    tail = stdtr(days, -t)
    return np.sign(z) * np.clip(-ndtri_exp(np.log(np.maximum(tail, 1e-300))), 0.0, FARTHEST)
