"""Several classes: their probabilities made honest, how sure they are, metrics. n: rows, C: classes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.metrics import f1_score

from foretell.tasks.classify import LARGEST_LOGIT, expected_calibration_error, logit

Floats = NDArray[np.float64]
LEAST = 1e-7
PULL = 2.0
"""How many rows' worth of doubt holds the calibration at what the models say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupling:
    """From raw log-odds of classes to calibrated probabilities that sum to 1."""

    names: tuple[str, ...]
    """The classes, by their codes."""
    rates: tuple[float, ...]
    """Share of each class among the rows that taught and chose."""
    sharpness: float
    """Factor of all log-odds: below 1 where models are too sure."""
    biases: tuple[float, ...]
    """Added to each class's log-odds then."""

    def __call__(self, logits_nC: Floats) -> Floats:
        """Return probabilities [n, C]."""
        return softmax(self.sharpness * logits_nC + np.array(self.biases), axis=1)

    def against(self, logits_nC: Floats, code: int) -> Floats:
        """Return the calibrated log-odds [n] of one class against all others; of [..., C], [...]."""
        held = self.sharpness * logits_nC + np.array(self.biases)
        rest = np.delete(held, code, axis=-1)
        most = rest.max(axis=-1)
        others = most + np.log(np.exp(rest - most[..., None]).sum(axis=-1))
        return np.clip(held[..., code] - others, -LARGEST_LOGIT, LARGEST_LOGIT)

    def ahead(self, logits_nC: Floats, code: int) -> Floats:
        """Return by how many log-odds [n] one class is ahead of the next; of [..., C], [...]."""
        held = self.sharpness * logits_nC + np.array(self.biases)
        others = np.delete(held, code, axis=-1).max(axis=-1)
        return np.clip(held[..., code] - others, -LARGEST_LOGIT, LARGEST_LOGIT)


def couple(logits_nC: Floats, codes: NDArray[np.int8], names: tuple[str, ...], rates: Floats) -> Coupling:
    """Fit sharpness and biases on rows that the models were not fitted on.

    A gentle pull holds both at what the models say, so that few rows move them little.

    Source: Guo et al., ICML 2017 (temperature and vector scaling).
    """
    own = codes.astype(np.int64)[:, None]

    def loss(free: Floats) -> float:
        held = np.exp(free[0]) * logits_nC + free[1:]
        told = np.take_along_axis(log_softmax(held, axis=1), own, axis=1)
        return float(-told.sum() + PULL * (free**2).sum())

    found = minimize(loss, np.zeros(1 + logits_nC.shape[1]), method="L-BFGS-B").x
    return Coupling(
        names=names,
        rates=tuple(rates.tolist()),
        sharpness=float(np.exp(found[0])),
        biases=tuple(found[1:].tolist()),
    )


def doubts(probabilities_nC: Floats) -> Floats:
    """Return the log-odds [n] that the most probable class is wrong."""
    return -logit(probabilities_nC.max(axis=1))


def metrics(probabilities_nC: Floats, codes: NDArray[np.int8]) -> Mapping[str, float]:
    """Return log_loss, accuracy, macro_f1, and ece of the most probable class.

    Classes of which the rows hold none count for nothing in macro_f1.
    """
    held = np.clip(probabilities_nC, LEAST, 1.0)
    held = held / held.sum(axis=1, keepdims=True)
    own = np.take_along_axis(held, codes.astype(np.int64)[:, None], axis=1)[:, 0]
    best = probabilities_nC.argmax(axis=1)
    right = (best == codes).astype(np.int8)
    return {
        "log_loss": float(-np.log(own).mean()),
        "accuracy": float(right.mean()),
        "macro_f1": float(f1_score(codes, best, labels=np.unique(codes), average="macro", zero_division=0)),
        "ece": expected_calibration_error(probabilities_nC.max(axis=1), right),
    }
