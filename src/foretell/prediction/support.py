"""Support: what a factor's shares are worth on rows that did not teach the model.

R: rows explained, V: held-out rows, G: factors, D: draws.

Held-out outcomes are regressed on the factors' shares: a share that tells the truth has slope 1, one that is
too timid more, and a factor that the model learned from chance, or as the shadow of another, has none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.models.walks import AT_ONCE, Walk
from foretell.prediction.fitted import Factor, Floats
from foretell.prediction.shares import ranks_kept, sampled, signs_kept

EACH = 400
"""Most held-out rows of each outcome."""
ORDERS = 16
"""Sampled orders of the factors."""
LOOKS = 600_000
"""Rows that may be scored to see what factors of several classes are worth, divided by the classes."""
RIDGE = 1e-3
"""Holds the slope of a factor that never moves the score."""
DRAWS = 400
BEYOND = 2.5
"""Times the size of idle factors' shares by which those of others may be wrong: models look there more."""
HEEDED = 2.0
"""Standard errors by which the slope of a factor lies above 0 that the model has reason to heed."""
DOUBT = 1.6
"""Times the standard error with which slopes are drawn: the rows also chose and calibrated the model."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldOut:
    """Rows that did not teach what scores them."""

    walk: Walk
    """Of their raw log-odds; of several classes [..., C], of each against all others."""
    features: NDArray[np.float32]
    """[V, F]"""
    aims: NDArray[Any]
    """Their outcomes [V], -1 where unknown; of several classes codes; or the scores of their numbers."""
    numeric: bool = False
    """Whether `aims` are scores."""
    num_classes: int = 0
    """Where there are several."""


def supported(
    factors: Sequence[Factor],
    held_out: Sequence[HeldOut],
    background_MF: NDArray[np.float32],
    *,
    seed: int = 0,
) -> tuple[Factor, ...]:
    """Return the factors with the slopes and the sizes of their shares.

    Args:
        held_out: of each fold.
    """
    rng = np.random.default_rng(seed)
    columns, shares, aims = [factor.columns for factor in factors], [], []
    numeric, num_classes = held_out[0].numeric, held_out[0].num_classes
    for part in held_out:
        rows = _asked(part, len(held_out), len(factors), rng)
        told = part.aims[rows].astype(np.float64)
        _, found = sampled(
            [part.walk], part.features[rows], background_MF, columns, ORDERS, np.random.default_rng(seed)
        )
        values = found.mean(0)
        if num_classes:
            shares += [values[..., code] for code in range(num_classes)]
            aims += [(told == code).astype(np.float64) for code in range(num_classes)]
        else:
            shares.append(values)
            aims.append(told)
    shares_VG = np.concatenate(shares)
    slopes, errors = (linear_slopes if numeric else slopes_of)(shares_VG, np.concatenate(aims))
    if num_classes:
        # A row's outcome is told once for each class: of two classes twice, of many hardly more than once.
        errors = errors * np.sqrt(num_classes / (num_classes - 1))
    sizes = np.sqrt((shares_VG**2).mean(0)) if len(shares_VG) else np.zeros(len(factors))
    each = zip(factors, slopes.tolist(), errors.tolist(), sizes.tolist(), strict=True)
    return tuple(replace(factor, slope=b, error=error, size=size) for factor, b, error, size in each)


def _asked(part: HeldOut, num_parts: int, num_factors: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the rows that are explained, as many of either outcome where there are two."""
    most = -(-EACH // num_parts)
    if part.num_classes:
        affordable = LOOKS // (part.num_classes * ORDERS * (num_factors + 1) * num_parts)
        return rng.permutation(len(part.aims))[: max(part.num_classes, min(2 * most, affordable))]
    if part.numeric:
        return rng.permutation(len(part.aims))[: 2 * most]
    chosen = [rng.permutation(np.flatnonzero(part.aims == label))[:most] for label in (0, 1)]
    return np.concatenate(chosen)


def slopes_of(shares_VG: Floats, labels: Floats) -> tuple[Floats, Floats]:
    """Return the coefficients of a logistic regression on the shares, and their standard errors.

    The intercept takes up how many rows of each outcome were drawn (Prentice and Pyke, Biometrika 66, 1979).
    """
    x = np.column_stack([np.ones(len(labels)), shares_VG])
    pull = np.append(1e-6, np.full(shares_VG.shape[1], RIDGE))
    slopes = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ slopes, -30, 30)))
        curvature = (x * (p * (1 - p))[:, None]).T @ x + np.diag(pull)
        step = np.linalg.solve(curvature, x.T @ (labels - p) - pull * slopes)
        slopes += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-6:
            break
    errors = np.sqrt(np.diag(np.linalg.inv(curvature)))
    return slopes[1:], errors[1:]


def linear_slopes(shares_VG: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """Return the coefficients of a linear regression of scores on the shares, and their standard errors."""
    x = np.column_stack([np.ones(len(scores)), shares_VG])
    inverse = np.linalg.inv(x.T @ x + np.diag(np.append(1e-6, np.full(shares_VG.shape[1], RIDGE))))
    slopes = inverse @ (x.T @ scores)
    noise = ((scores - x @ slopes) ** 2).sum() / max(len(scores) - x.shape[1], 1)
    return slopes[1:], np.sqrt(noise * np.diag(inverse))[1:]


def believed(factors: Sequence[Factor], values_RG: Floats, *, seed: int = 0) -> tuple[Floats, Floats]:
    """Return in which share of draws each factor keeps its sign [R, G], and its rank [R, G].

    A draw takes slopes as uncertain as they are, and adds to each share what the model moves scores by for
    factors that it should not heed.
    """
    found = [(signs_kept(*each), ranks_kept(*each)) for each in _drawn(factors, values_RG, seed)]
    signs, ranks = zip(*found, strict=True)
    return np.concatenate(signs), np.concatenate(ranks)


def signs_believed(factors: Sequence[Factor], values_RG: Floats, *, seed: int = 0) -> Floats:
    """Return the first of what `believed` does, for less."""
    return np.concatenate([signs_kept(*each) for each in _drawn(factors, values_RG, seed)])


def _drawn(factors: Sequence[Factor], values_RG: Floats, seed: int) -> Iterator[tuple[Floats, Floats]]:
    """Yield draws [DRAWS, R, G] of parts of the rows, and the shares they are drawn about [R, G]."""
    slopes, errors, sizes = np.array([(f.slope, f.error, f.size) for f in factors]).reshape(-1, 3).T
    idle = slopes < HEEDED * errors
    noise = BEYOND * np.sqrt((sizes[idle] ** 2).mean()) if idle.any() else 0.0
    drawn_D2G = _normals(len(factors), seed)
    slopes_DG, noise_DG = slopes + DOUBT * errors * drawn_D2G[:, 0], noise * drawn_D2G[:, 1]
    at_once = max(1, AT_ONCE // (DRAWS * max(len(factors), 1)))
    for start in range(0, max(len(values_RG), 1), at_once):
        part = values_RG[start : start + at_once]
        yield part * slopes_DG[:, None] + noise_DG[:, None], part


@lru_cache(maxsize=8)
def _normals(num_factors: int, seed: int) -> Floats:
    """Return the same noise for every row, so that a row is told alike alone and among others."""
    found = np.random.default_rng(seed).standard_normal((DRAWS, 2, num_factors))
    found.flags.writeable = False
    return found
