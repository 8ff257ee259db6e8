"""The linear floor: a penalised logistic or linear regression on curves, so one function per column.

n: rows, F: features, K: knots, I: inputs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numba
import numpy as np
from numpy.typing import NDArray

from foretell.models.curves import Curves, Lines, spaced
from foretell.models.family import Floats, Loop, Material, Rows, Scorer
from foretell.models.several import Several
from foretell.spec import Spec

NUM_KNOTS = 10
STRENGTHS = (0.03, 0.3, 3.0)
"""Inverse strengths of the penalty that are tried; the choosing rows decide."""
MOST_ROWS = 50_000
"""Teaching rows that are read at most: further ones would cost memory and change next to nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """A fitted sum of curves."""

    columns: Rows
    knots: NDArray[np.float32]
    """[F, K]"""
    table: NDArray[np.float64]
    """What each feature adds to the log-odds at each knot [F, K]."""
    bias: NDArray[np.float64]
    """[1]"""
    reads_past: ClassVar[bool] = False

    @classmethod
    def fit(cls, material: Material, spec: Spec, loop: Loop, folder: Path | None, progress: Any) -> Scorer:
        """Fit on the teaching rows, with the penalty under which the choosing rows lose least."""
        return fit_linear([material], seed=spec.train.seed)[0][0]

    def logits(self, features: NDArray[np.float32]) -> Floats:
        """Return log-odds [B] of feature rows [B, F]."""
        out = np.empty(len(features))
        sum_curves_rows(np.ascontiguousarray(features), out, self.columns, self.knots, self.table, self.bias)
        return out

    def reader(self) -> Callable[[NDArray[np.float32]], float]:
        """Return what gives the log-odds of one row of features [F]."""
        arrays = (self.columns, self.knots, self.table, self.bias)
        return lambda x_F: sum_curves(x_F, *arrays)

    def score(self, material: Material, rows: Rows) -> Floats:
        """Return log-odds of some rows of the material."""
        return self.logits(material.features[rows])

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return all that `restore` needs."""
        return {name: getattr(self, name) for name in ("columns", "knots", "table", "bias")}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the family that `arrays` described."""
        return cls(**arrays)


def curved(x_BF: NDArray[np.float32], categorical: NDArray[np.bool_]) -> Curves:
    """Return curves that bend at quantiles."""
    bends = [spaced(x_BF[:, f], NUM_KNOTS) for f in range(x_BF.shape[1])]
    return Curves.of(x_BF, categorical, bends, gaps=True)


Basis = Callable[[NDArray[np.float32], NDArray[np.bool_]], Curves | Lines]
"""From rows [B, F], and which features are categories, to what curves are made of."""
SUMS: Mapping[str, Basis] = {"linear": curved, "straight": Lines.of}
"""Kinds of sums of curves for the rows of a table: those that bend freely, and straight ones."""


def fit_linear(
    materials: Sequence[Material],
    basis: Basis = curved,
    *,
    whole: Material | None = None,
    seed: int = 0,
) -> tuple[tuple[Scorer, ...], Scorer | None]:
    """Fit a sum of curves per fold, with the one penalty under which all choosing rows lose least.

    Args:
        materials: of each fold.
        basis: what the curves are made of.
        whole: all rows teach.

    Returns:
        The sums of each fold, and that of all rows.
    """
    tried: list[list[Scorer]] = []
    for each in materials:  # one fold's inputs are held at a time
        posed = _Posed.of(each, basis, seed)
        tried.append([posed.fitted(strength) for strength in STRENGTHS])
    losses = [
        [each.validation_loss(scorer.score(each, each.choose)) for scorer in scorers]
        for each, scorers in zip(materials, tried, strict=True)
    ]
    sizes = [len(each.choose) for each in materials]
    best = int(np.argmin(np.average(losses, axis=0, weights=sizes)))
    last = None if whole is None else _Posed.of(whole, basis, seed).fitted(STRENGTHS[best])
    return tuple(scorers[best] for scorers in tried), last


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Posed:
    """The inputs of the teaching rows, whatever the penalty."""

    curves: Curves | Lines
    inputs: NDArray[np.float32]
    aims: NDArray[Any]
    weights: Floats
    material: Material

    @classmethod
    def of(cls, material: Material, basis: Basis, seed: int) -> Self:
        few = np.sort(np.random.default_rng(seed).permutation(len(material.teach))[:MOST_ROWS])
        x = material.features[material.teach[few]]
        curves = basis(x, material.categorical)
        return cls(
            curves=curves,
            inputs=curves.inputs(x),
            aims=material.aims[material.teach[few]],
            weights=material.weights[few],
            material=material,
        )

    def fitted(self, strength: float) -> Scorer:
        from sklearn.linear_model import LogisticRegression, Ridge

        model = (
            LogisticRegression(C=strength, max_iter=500, tol=1e-4)
            if self.material.scores is None
            else Ridge(1 / strength)
        )
        model.fit(self.inputs, self.aims, sample_weight=self.weights)
        outputs = tuple(
            Linear(
                columns=np.arange(len(self.curves.knots)),
                knots=self.curves.knots,
                table=self.curves.table(weights_I[:, None])[..., 0].astype(np.float64),
                bias=np.array([bias], dtype=np.float64),
            )
            for weights_I, bias in zip(
                np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_), strict=True
            )
        )
        return Several(members=outputs) if self.material.num_classes else outputs[0]


@numba.njit(cache=True, inline="always")
def _term(x, knots_K, table_K):
    """Return what a feature's value adds."""
    passed, num_knots = 0, len(knots_K)
    for k in range(num_knots):
        passed += knots_K[k] <= x
    low = min(max(passed - 1, 0), num_knots - 2)
    left, right, share = knots_K[low], knots_K[low + 1], 0.0
    if right < np.inf:
        share = min(max((x - left) / (right - left), 0.0), 1.0)
    return (1.0 - share) * table_K[low] + share * table_K[low + 1]


@numba.njit(cache=True)
def sum_curves(x_F, columns, knots_FK, table_FK, bias):
    """Return the log-odds of one row."""
    total = bias[0]
    for f in range(len(columns)):
        total += _term(x_F[columns[f]], knots_FK[f], table_FK[f])
    return total


@numba.njit(cache=True)
def sum_curves_rows(x_BF, out, columns, knots_FK, table_FK, bias):
    """Write the log-odds of each row."""
    for b in range(len(x_BF)):
        out[b] = sum_curves(x_BF[b], columns, knots_FK, table_FK, bias)


@numba.njit(cache=True)
def walk_curves(x_RF, begun_PF, steps_PF, out_PSR, columns, knots_FK, table_FK, bias):
    """Write the log-odds after each step of walks from rows `begun_PF` to rows `x_RF`."""
    num_stops = out_PSR.shape[1]
    own_RF = np.empty((len(x_RF), len(columns)))
    for r in range(len(x_RF)):
        for f in range(len(columns)):
            own_RF[r, f] = _term(x_RF[r, columns[f]], knots_FK[f], table_FK[f])
    for p in range(len(steps_PF)):
        total = bias[0]
        out_PSR[p] = 0.0
        for f in range(len(columns)):
            c = columns[f]
            begun, stop = _term(begun_PF[p, c], knots_FK[f], table_FK[f]), steps_PF[p, c] + 1
            total += begun
            for r in range(len(x_RF)):
                out_PSR[p, stop, r] += own_RF[r, f] - begun
        out_PSR[p, 0] = total
        for s in range(1, num_stops):
            out_PSR[p, s] += out_PSR[p, s - 1]
