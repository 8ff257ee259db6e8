"""The audit sample: rows that are no alerts and yet reviewed, so that feedback is not about alerts alone."""

import hashlib
from dataclasses import replace

import numpy as np

from foretell.data.dataset import Dataset
from foretell.models.family import Rows
from foretell.prediction.alerts import Alerts
from foretell.prediction.fitted import Fitted, Scored
from foretell.tasks.classify import BLOCK, periods


def with_sample(fitted: Fitted, dataset: Dataset, scored: Scored, alerts: Alerts) -> Alerts:
    """Return the alerts, and after them the rows drawn from what was not alerted.

    A row can be drawn when it scored below the cut-off of its period and its entity was not retired. All of
    them are drawn with the same share, by the digest of seed and id: nobody can choose what is drawn, and
    anybody can check it.
    """
    pool = np.flatnonzero(~alerts.retired & (scored.probabilities < alerts.cutoffs))
    per_period = fitted.spec.review.audit
    if not per_period or not len(pool):
        return alerts
    timed = dataset.column("time") is not None
    at = periods(dataset.at_us[scored.rows[pool]], timed=timed)
    num_periods = len(np.unique(at)) if timed else len(pool) / BLOCK
    share = min(1.0, per_period * num_periods / len(pool))
    picked = pool[falls(dataset, scored.rows[pool], share, fitted.spec.train.seed)]
    cutoffs = alerts.cutoffs[picked]
    usual = fitted.thresholds(dataset.frame[scored.rows[picked]])
    return replace(
        alerts,
        rows=np.concatenate([alerts.rows, scored.rows[picked]]),
        thresholds=np.concatenate(
            [alerts.thresholds, np.where(np.isfinite(cutoffs), cutoffs, np.minimum(usual, 1.0))]
        ),
        shares=np.concatenate([np.zeros(len(alerts.rows)), np.full(len(picked), share)]),
        pool=len(pool),
    )


def falls(dataset: Dataset, rows: Rows, share: float, seed: int) -> np.ndarray:
    """Return for each row whether it falls into a sample of this share [len(rows)]."""
    below = share * 2**64
    drawn = (hashlib.sha256(f"{seed}\naudit\n{name}".encode()).digest()[:8] for name in dataset.ids[rows])
    return np.fromiter((int.from_bytes(digest, "big") < below for digest in drawn), np.bool_, len(rows))
