"""The peers: logistic regression, LightGBM and XGBoost, with the settings they come with, on one thread.

Settings depart from the defaults only where the defaults would handicap them: a histogram of 256 bins puts
the rare tail of a feature into one bin, so each boosting peer also runs with fine or exact splits.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

from handbook import Floats

FINE = 4095
"""Bins of a fine histogram."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One model on one set of features."""

    name: str
    features: str
    """raw, handmade or states."""
    kind: str
    """logistic, lightgbm or xgboost."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    slow: bool = False
    """Minutes on the long label history: runs last."""

    def model(self) -> Any:
        """Return the unfitted model; none of them draws at random with these settings."""
        if self.kind == "logistic":
            return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
        if self.kind == "lightgbm":
            return LGBMClassifier(n_jobs=1, verbose=-1, **self.settings)
        return XGBClassifier(n_jobs=1, **self.settings)


FINE_LIGHTGBM = {"max_bin": FINE, "min_data_in_bin": 1}
FINE_XGBOOST = {"tree_method": "hist", "max_bin": FINE}
PEERS = (
    Peer(name="logistic regression, raw", features="raw", kind="logistic"),
    Peer(name="LightGBM fine, raw", features="raw", kind="lightgbm", settings=FINE_LIGHTGBM),
    Peer(name="XGBoost fine, raw", features="raw", kind="xgboost", settings=FINE_XGBOOST),
    Peer(name="logistic regression, hand-made", features="handmade", kind="logistic"),
    Peer(name="LightGBM, hand-made", features="handmade", kind="lightgbm"),
    Peer(name="LightGBM fine, hand-made", features="handmade", kind="lightgbm", settings=FINE_LIGHTGBM),
    Peer(name="XGBoost, hand-made", features="handmade", kind="xgboost"),
    Peer(name="XGBoost fine, hand-made", features="handmade", kind="xgboost", settings=FINE_XGBOOST),
    Peer(
        name="XGBoost exact, hand-made",
        features="handmade",
        kind="xgboost",
        settings={"tree_method": "exact"},
        slow=True,
    ),
)
ON_STATES = Peer(name="XGBoost fine, our states", features="states", kind="xgboost", settings=FINE_XGBOOST)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """Scores of the test rows, and what they cost."""

    scores: Floats
    fit_cpu_seconds: float
    rows_per_cpu_second: float


def judged(
    peer: Peer,
    x: NDArray[np.float32],
    labels: NDArray[np.int8],
    test: NDArray[np.float32],
    weights: Floats | None = None,
) -> Judged:
    """Fit a peer on rows [n, F] and score the test rows [R, F]."""
    model, started = peer.model(), time.process_time()
    if weights is None:
        model.fit(x, labels)
    else:
        model.fit(x, labels, sample_weight=weights)
    fitted = time.process_time()
    scores = model.predict_proba(test)[:, 1]
    spent = time.process_time() - fitted
    return Judged(
        scores=scores.astype(np.float64),
        fit_cpu_seconds=fitted - started,
        rows_per_cpu_second=len(test) / max(spent, 1e-9),
    )
