"""What a model family is given and what it must offer. n: rows in order of time, F: features, E: entities."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from foretell.models.boosting import Boosted
from foretell.spec import Spec

if TYPE_CHECKING:
    from foretell.models.base import Batch, Model

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

NEGATIVES = 40_000
"""Rows of the common outcome that teach at most; hard ones stay, easy ones are thinned and weigh more."""
BALANCE = 40.0
"""The common outcome weighs at most so many times the rare one; scores are corrected for it."""


EPOCHS = 8.0
"""Passes over the teaching rows where the spec states none."""


class Loop(Protocol):
    """The one training loop, `foretell.training.loop.fit`."""

    def __call__(
        self,
        model: "Model",
        batch_at: "Callable[[int], Batch]",
        spec: Any,
        *,
        steps: int,
        folder: Path | None,
        validate: "Callable[[Any], float] | None",
        progress: Any,
    ) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """All rows as arrays, and which of them teach and which choose."""

    features: NDArray[np.float32]
    """[n, F]: the row's own columns, then the states of its entities; finite."""
    categorical: NDArray[np.bool_]
    """[F] whether a feature is a code."""
    own: Rows
    """Features that are the row's own columns: what a model without states would see."""
    entities: NDArray[np.int32]
    """[n, E] entity codes."""
    at_seconds: Floats
    known_at_seconds: Floats
    labels: NDArray[np.int8]
    """1, 0, or -1 where unknown; of several classes, their codes."""
    teach: Rows
    """Rows that teach; the common outcome may be thinned."""
    weights: Floats
    """Weights of the teaching rows."""
    choose: Rows
    """Rows that choose, all of known outcome and none thinned: where early stopping takes its loss."""
    offset: float
    """Added to a family's log-odds to undo thinning and weighting."""
    boosted: Boosted | None = None
    """Boosting on these features: tells other families which features matter and where they bend."""
    num_classes: int = 0
    """Where several classes are learned: how many; labels are their codes, and log-odds are one column for
    each class [B, C], of which only differences count."""
    scores: Floats | None = None
    """Where a number is learned: the scores of all rows [n], NaN where unknown; see `tasks.regress`."""

    @property
    def aims(self) -> NDArray[Any]:
        """What is learned of each row [n]: its label, or its score where a number is learned."""
        return self.labels if self.scores is None else self.scores

    @property
    def of_events(self) -> bool:
        """Whether the rows are events of entities, whose past is among their features."""
        return self.entities.shape[1] > 0

    @property
    def num_rare(self) -> int:
        """How many teaching rows tell of what is rare: the positives, else all rows."""
        binary = self.scores is None and not self.num_classes
        return int(self.labels[self.teach].sum()) if binary else len(self.teach)

    def validation_loss(self, logits: Floats) -> float:
        """Return the cross-entropy of a family's log-odds of the choosing rows [len(choose)].

        The common outcome weighs as much less as it does among the teaching rows, whose odds a family learns.
        Where a number is learned, the mean squared error of its scores.
        """
        if self.scores is not None:
            return float(np.mean((logits - self.scores[self.choose]) ** 2))
        if self.num_classes:
            own = np.take_along_axis(logits, self.labels[self.choose].astype(np.int64)[:, None], axis=1)[:, 0]
            return float(np.mean(logsumexp(logits, axis=1) - own))
        losses = np.logaddexp(0.0, logits) - self.labels[self.choose] * logits
        return float(np.average(losses, weights=self.choose_weights))

    @property
    def choose_weights(self) -> Floats:
        """Weights of the choosing rows under which their odds are those of the teaching rows."""
        if self.scores is not None or self.num_classes:
            return np.ones(len(self.choose))
        return np.where(self.labels[self.choose] == 1, 1.0, np.exp(self.offset))


class Scorer(Protocol):
    """A fitted model: read out on rows, stored as arrays.

    One that reads the past has neither `logits` nor `reader`.
    """

    reads_past: ClassVar[bool]
    """Whether it reads past events themselves (then it is scored on material), or one row of features."""

    def logits(self, features: NDArray[np.float32]) -> Floats:
        """Return log-odds [B] of feature rows [B, F]; of a number, scores [B]; of classes, [B, C]."""
        ...

    def reader(self) -> Callable[[NDArray[np.float32]], Any]:
        """Return what gives the log-odds of one row of features [F]; bit for bit what `logits` gives."""
        ...

    def score(self, material: Material, rows: Rows) -> Floats:
        """Return log-odds of some rows of the material."""
        ...

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return all that `restore` of its family needs."""
        ...


class Family(Scorer, Protocol):
    """One kind of model: fitted on material, restored from arrays."""

    @classmethod
    def fit(cls, material: Material, spec: Spec, loop: Loop, folder: Path | None, progress: Any) -> Scorer:
        """Fit on the teaching rows; `folder` is where a killed fit goes on from."""
        ...

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model that `arrays` described."""
        ...


OF_ROWS = ("logits", "reader")
"""Members of a family that scores one row of features."""


def lacking(candidate: Any) -> list[str]:
    """Return the members that an object lacks to be a family."""
    named = (*Scorer.__annotations__, *vars(Scorer), *vars(Family))
    asked = [name for name in named if not name.startswith("_")]
    missing = [name for name in asked if not hasattr(candidate, name)]
    if "reads_past" not in missing and candidate.reads_past:
        return [name for name in missing if name not in OF_ROWS]
    return missing


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Teaching rows after thinning."""

    rows: Rows
    weights: Floats
    offset: float


def thinned(labels: NDArray[np.int8], rows: Rows, suspicion: Floats, *, seed: int = 0) -> Sample:
    """Thin the common outcome: keep its hard rows, and few of its easy ones with more weight.

    A negative row is kept with a probability that grows with its suspicion and weighs the inverse of it, so
    that sums over the sample estimate sums over all rows (Horvitz and Thompson, 1952).

    Args:
        labels: 0 or 1 of all rows [n].
        rows: teaching rows.
        suspicion: how likely each teaching row looked beforehand, 0 to 1 [len(rows)].
    """
    negative = labels[rows] == 0
    num_negatives, num_positives = int(negative.sum()), int((~negative).sum())
    share = min(1.0, BALANCE * num_positives / max(num_negatives, 1))
    keep = np.ones(len(rows))
    if num_negatives > NEGATIVES:
        wish = 0.04 + 5.0 * np.maximum(suspicion[negative] - 0.01, 0.0)
        scale = NEGATIVES / wish.sum()
        for _ in range(8):
            scale *= NEGATIVES / np.minimum(1.0, scale * wish).sum()
        keep[negative] = np.minimum(1.0, scale * wish)
    kept = np.random.default_rng(seed).random(len(rows)) < keep
    weights = np.where(negative, share / keep, 1.0)
    return Sample(rows=rows[kept], weights=weights[kept], offset=float(np.log(share)))
