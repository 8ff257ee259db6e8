"""The linear floor: a penalised logistic or linear regression on curves, so one function per column.

n: rows, F: features, K: knots, I: inputs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numba
import numpy as np
from numpy.typing import NDArray

from foretell.models.curves import Curves, spaced
from foretell.models.family import Floats, Loop, Material, Rows
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
    def fit(cls, material: Material, spec: Spec, loop: Loop, folder: Path | None, progress: Any) -> Any:
        """Fit on the teaching rows, with the penalty under which the choosing rows lose least."""
        from sklearn.linear_model import LogisticRegression, Ridge

        rng = np.random.default_rng(spec.train.seed)
        few = np.sort(rng.permutation(len(material.teach))[:MOST_ROWS])
        rows, weights = material.teach[few], material.weights[few]
        x = material.features[rows]
        curves = Curves.of(x, material.categorical, [spaced(x[:, f], NUM_KNOTS) for f in range(x.shape[1])])
        inputs = curves.inputs(x)
        best: tuple[float, Any] | None = None
        for strength in STRENGTHS:
            model = (
                LogisticRegression(C=strength, max_iter=500, tol=1e-4)
                if material.scores is None
                else Ridge(1 / strength)
            )
            model.fit(inputs, material.aims[rows], sample_weight=weights)
            biases = np.atleast_1d(model.intercept_).astype(np.float64)
            outputs = [
                cls(
                    columns=np.arange(x.shape[1]),
                    knots=curves.knots,
                    table=curves.table(weights_I[:, None])[..., 0].astype(np.float64),
                    bias=bias[None],
                )
                for weights_I, bias in zip(np.atleast_2d(model.coef_), biases, strict=True)
            ]
            tried = Several(members=tuple(outputs)) if material.num_classes else outputs[0]
            loss = material.validation_loss(tried.score(material, material.choose))
            if best is None or loss < best[0]:
                best = loss, tried
        assert best is not None
        return best[1]

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


@numba.njit(cache=True)
def sum_curves(x_F, columns, knots_FK, table_FK, bias):
    """Return the log-odds of one row."""
    total, num_knots = bias[0], knots_FK.shape[1]
    for f in range(len(columns)):
        x, passed = x_F[columns[f]], 0
        for k in range(num_knots):
            passed += knots_FK[f, k] <= x
        low = min(max(passed - 1, 0), num_knots - 2)
        left, right, share = knots_FK[f, low], knots_FK[f, low + 1], 0.0
        if right < np.inf:
            share = min(max((x - left) / (right - left), 0.0), 1.0)
        total += (1.0 - share) * table_FK[f, low] + share * table_FK[f, low + 1]
    return total


@numba.njit(cache=True)
def sum_curves_rows(x_BF, out, columns, knots_FK, table_FK, bias):
    """Write the log-odds of each row."""
    for b in range(len(x_BF)):
        out[b] = sum_curves(x_BF[b], columns, knots_FK, table_FK, bias)
