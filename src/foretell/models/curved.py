"""Families that are networks over curves: how they are fitted; what they are is the subclass.

B: rows, F: features, C: outputs.
"""

from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from foretell.models.boosting import FEW_POSITIVES, knots
from foretell.models.curves import Curves
from foretell.models.family import EPOCHS, Floats, Loop, Material, Rows
from foretell.spec import Spec, TrainSpec

if TYPE_CHECKING:
    from foretell.models.base import Model

LEAST_STEPS = 1_000
"""Where the spec states no epochs, few rows are passed over until so many steps are taken."""
LOOKS, PATIENCE = 25, 6
"""Looks at the choosing rows along the schedule, and how many without a gain end it."""


class Curved(ABC):
    """A fitted network over the curves of the features that gained the first trees most."""

    reads_past: ClassVar[bool] = False
    num_knots: ClassVar[int] = 24
    most_features: ClassVar[int] = 256
    few_features: ClassVar[int] = 256
    """Features that are read at most where positives are few."""
    batch_sizes: ClassVar[tuple[int, int]] = (64, 512)

    @classmethod
    @abstractmethod
    def network(cls, curves: Curves, spec: Spec, base: tuple[float, ...], loss: str) -> "Model":
        """Return a network that takes inputs of the curves and says `base` before it has learned.

        Args:
            loss: a row of `readout_network.LOSSES`.
        """

    @classmethod
    @abstractmethod
    def of_network(cls, columns: Rows, curves: Curves, model: Any) -> Any:
        """Return the family of a network over the curves of some columns."""

    @abstractmethod
    def logits(self, features: NDArray[np.float32]) -> Floats:
        """Return log-odds [B] of feature rows [B, F]; of classes, [B, C]."""

    @classmethod
    def schedule(cls, train: TrainSpec, num_rows: int, batch_size: int) -> tuple[int, TrainSpec]:
        """Return how many steps to take, and how."""
        least = 1 if train.epochs else LEAST_STEPS
        steps = max(least, round((train.epochs or EPOCHS) * num_rows / batch_size))
        looks = {} if train.patience else {"patience": PATIENCE, "evaluate_every": max(1, steps // LOOKS)}
        return steps, replace(train, **looks)

    @classmethod
    def fit(cls, material: Material, spec: Spec, loop: Loop, folder: Path | None, progress: Any) -> Any:
        """Fit the network on the teaching rows; needs `material.boosted`, which tells where features bend."""
        # What is fitted is served as arrays: opening a model must not load torch.
        import torch

        from foretell.models.readout_network import batches

        boosted = material.boosted
        assert boosted is not None, "the floor is fitted first"
        wanted = cls.few_features if material.num_rare < FEW_POSITIVES else cls.most_features
        columns = np.sort(np.argsort(-boosted.gains, kind="stable")[:wanted])
        x = np.ascontiguousarray(material.features[material.teach][:, columns])
        bends = [knots(x[:, i], boosted.splits[f], num_knots=cls.num_knots) for i, f in enumerate(columns)]
        curves = Curves.of(x, material.categorical[columns], bends)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.train.seed)
            model = cls.network(curves, spec, base_of(material), loss_of(material))
        least, most = cls.batch_sizes
        batch_size = min(spec.train.batch_size, most, max(least, len(x) // 32), len(x))
        aims, seed = material.aims[material.teach], spec.train.seed
        batch_at = batches(x, aims, material.weights, curves, batch_size=batch_size, seed=seed)
        steps, train = cls.schedule(spec.train, len(x), batch_size)

        def validate(model: "Model") -> float:
            fitted = cls.of_network(columns, curves, model)
            return material.validation_loss(fitted.score(material, material.choose))

        loop(
            model,
            batch_at,
            train,
            steps=steps,
            folder=folder,
            validate=validate if train.patience else None,
            progress=progress,
        )
        return cls.of_network(columns, curves, model)

    def score(self, material: Material, rows: Rows) -> Floats:
        """Return log-odds of some rows of the material."""
        return self.logits(material.features[rows])


def base_of(material: Material) -> tuple[float, ...]:
    """Return what the network says before it has learned: the mean score, or the log-odds of each outcome."""
    aims = material.aims[material.teach]
    if material.num_classes:
        counts = np.bincount(aims, weights=material.weights, minlength=material.num_classes)
        return tuple(np.log(counts / counts.sum()).tolist())
    mean = float(np.average(aims, weights=material.weights))
    return (mean if material.scores is not None else float(np.log(mean / (1 - mean))),)


def loss_of(material: Material) -> str:
    """Return the row of `readout_network.LOSSES` that suits what is learned."""
    if material.num_classes:
        return "classes"
    return "outcome" if material.scores is None else "number"
