"""Suspicion: how likely an event is positive, judged by one entity's own state alone; it excuses the others.

Per entity an additive model: the log-odds are a sum of piecewise-linear functions of a few features. n: rows,
E: entities, M: features of one entity's model, K: knots, F: features.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """One additive model per entity column."""

    columns: NDArray[np.int64]
    """[E, M] features read."""
    knots: NDArray[np.float32]
    """[E, M, K] ascending, padded with inf."""
    values: NDArray[np.float32]
    """[E, M, K] log-odds at the knots."""
    bias: NDArray[np.float64]
    """[E]; -inf: suspects nothing."""

    @classmethod
    def silent(cls, num_entities: int) -> "Suspicion":
        """Return models that suspect nothing."""
        shape = (num_entities, 0, 2)
        return cls(
            columns=np.zeros(shape[:2], np.int64),
            knots=np.zeros(shape, np.float32),
            values=np.zeros(shape, np.float32),
            bias=np.full(num_entities, -np.inf),
        )

    def arrays(self) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Return the arrays in the order the kernel takes them."""
        return self.columns, self.knots, self.values, self.bias


@numba.njit(cache=True)
def additive(features_F, columns_M, knots_MK, values_MK, bias):
    """Return the probability that one entity's model gives to a row of features."""
    if bias == -np.inf:
        return 0.0
    total = bias
    for m in range(len(columns_M)):
        x = features_F[columns_M[m]]
        low, high = 0, knots_MK.shape[1] - 1
        if x <= knots_MK[m, 0]:
            total += values_MK[m, 0]
            continue
        while high - low > 1:
            middle = (low + high) // 2
            if knots_MK[m, middle] <= x:
                low = middle
            else:
                high = middle
        left, right = knots_MK[m, low], knots_MK[m, high]
        if right == np.inf:
            total += values_MK[m, low]
        elif x >= right:
            total += values_MK[m, high]
        else:
            share = (x - left) / (right - left)
            total += values_MK[m, low] + share * (values_MK[m, high] - values_MK[m, low])
    return 1.0 / (1.0 + math.exp(-total))


def fit_suspicion(
    x_nF: NDArray[np.float32],
    labels: NDArray[np.int8],
    weights: NDArray[np.float64],
    blocks: Sequence[NDArray[np.int64]],
    gains: NDArray[np.float64],
    knots_FK: NDArray[np.float32],
    *,
    num_columns: int = 10,
    ridge: float = 1.0,
) -> Suspicion:
    """Fit one additive model per entity, on the features of its block that gained a first floor most.

    Args:
        x_nF: features read without any suspicion.
        labels: outcomes [n].
        weights: row weights [n].
        blocks: per entity the features that its model may read: the event's own and those of its state.
        gains: what each feature gained the floor [F].
        knots_FK: where each feature's function bends, padded with inf.
        num_columns: features a model reads.
        ridge: penalty on the squared values at the knots.

    Source: additive logistic regression on hat functions; Hastie and Tibshirani, Generalized Additive Models
    (1990).
    """
    fitted = []
    for block in blocks:
        columns = block[np.argsort(-gains[block], kind="stable")[:num_columns]]
        knots_MK = knots_FK[columns]
        fitted.append((columns, knots_MK, *_fit_additive(x_nF[:, columns], labels, weights, knots_MK, ridge)))
    return Suspicion(
        columns=np.stack([part[0] for part in fitted]),
        knots=np.stack([part[1] for part in fitted]),
        values=np.stack([part[2] for part in fitted]),
        bias=np.array([part[3] for part in fitted]),
    )


def _fit_additive(
    x_nM: NDArray[np.float32],
    labels: NDArray[np.int8],
    weights: NDArray[np.float64],
    knots_MK: NDArray[np.float32],
    ridge: float,
) -> tuple[NDArray[np.float32], float]:
    used = np.isfinite(knots_MK)
    basis = np.concatenate(
        [hats(x, knots[np.isfinite(knots)]) for x, knots in zip(x_nM.T, knots_MK, strict=True)], 1
    )
    base = np.average(labels, weights=weights)
    start = np.append(np.zeros(basis.shape[1]), math.log(base / (1 - base)))

    def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = basis @ theta[:-1].astype(np.float32) + theta[-1]
        cross_entropy = np.sum(weights * (np.logaddexp(0, logits) - labels * logits))
        residual = weights * (1 / (1 + np.exp(-logits)) - labels)
        gradient = np.append(basis.T @ residual.astype(np.float32) + ridge * theta[:-1], residual.sum())
        return float(cross_entropy + 0.5 * ridge * np.sum(theta[:-1] ** 2)), gradient

    theta = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 80}).x
    values = np.zeros(knots_MK.shape, dtype=np.float32)
    values[used] = theta[:-1]
    return values, float(theta[-1])


def hats(x: NDArray[np.float32], knots: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the piecewise-linear basis [n, K]: how `x` [n] mixes its two neighbouring knots."""
    out = np.zeros((len(x), len(knots)), dtype=np.float32)
    if len(knots) == 1:
        out[:] = 1
        return out
    held = np.clip(x, knots[0], knots[-1])
    low = np.clip(np.searchsorted(knots, held, side="right") - 1, 0, len(knots) - 2)
    share = (held - knots[low]) / (knots[low + 1] - knots[low])
    rows = np.arange(len(x))
    out[rows, low] = 1 - share
    out[rows, low + 1] += share
    return out
