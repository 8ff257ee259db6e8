"""The tabm family: a small ensemble of networks that share nearly all weights, over the features of a row.

Source: Gorishniy et al., TabM, ICLR 2025 (the mini variant); Gorishniy et al., On embeddings for numerical
features, NeurIPS 2022 (piecewise linear encoding).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from foretell.models.boosting import FEW_POSITIVES, knots
from foretell.models.curves import Curves
from foretell.models.family import EPOCHS, Floats, Loop, Material, Rows
from foretell.models.readout import ReadoutArrays, read_out
from foretell.models.several import Several
from foretell.spec import Spec, TrainSpec

LEAST_STEPS = 1_000
"""Where the spec states no epochs, few rows are passed over until so many steps are taken."""
LOOKS, PATIENCE = 25, 6
"""Looks at the choosing rows along the schedule, and how many without a gain end it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TabM:
    """A fitted network and the features it reads."""

    columns: Rows
    readout: ReadoutArrays
    reads_past: ClassVar[bool] = False
    num_knots: ClassVar[int] = 24
    most_features: ClassVar[int] = 256
    few_features: ClassVar[int] = 256
    """Features that are read at most where positives are few."""
    batch_sizes: ClassVar[tuple[int, int]] = (64, 512)

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

        from foretell.models.readout_network import Readout, batches, export

        boosted = material.boosted
        assert boosted is not None, "the floor is fitted first"
        aims = material.aims[material.teach]
        wanted = cls.few_features if material.num_rare < FEW_POSITIVES else cls.most_features
        columns = np.sort(np.argsort(-boosted.gains, kind="stable")[:wanted])
        x = np.ascontiguousarray(material.features[material.teach][:, columns])
        bends = [knots(x[:, i], boosted.splits[f], num_knots=cls.num_knots) for i, f in enumerate(columns)]
        curves = Curves.of(x, material.categorical[columns], bends)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.train.seed)
            model = Readout(
                int(curves.starts[-1]),
                width=spec.model.width,
                members=spec.model.members,
                base=base_of(material),
                loss="classes"
                if material.num_classes
                else "outcome"
                if material.scores is None
                else "number",
            )
        least, most = cls.batch_sizes
        batch_size = min(spec.train.batch_size, most, max(least, len(x) // 32), len(x))
        batch_at = batches(x, aims, material.weights, curves, batch_size=batch_size, seed=spec.train.seed)
        steps, train = cls.schedule(spec.train, len(x), batch_size)

        def validate(model: Readout) -> float:
            fitted = cls.of(columns, export(model, curves))
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
        return cls.of(columns, export(model, curves))

    @classmethod
    def of(cls, columns: Rows, readouts: tuple[ReadoutArrays, ...]) -> Any:
        """Return the family of a network over some columns; of several outputs, `Several`."""
        members = tuple(cls(columns=columns, readout=readout) for readout in readouts)
        return members[0] if len(members) == 1 else Several(members=members)

    def logits(self, features: NDArray[np.float32]) -> Floats:
        """Return log-odds [B] of feature rows [B, F]."""
        return self.readout.logits(features, self.columns)

    def reader(self) -> Callable[[NDArray[np.float32]], float]:
        """Return what gives the log-odds of one row of features [F]."""
        kernel = self.readout.kernel()
        return lambda features: read_out(features, self.columns, *kernel)

    def score(self, material: Material, rows: Rows) -> Floats:
        """Return log-odds of some rows of the material."""
        return self.logits(material.features[rows])

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return all that `restore` needs."""
        return {"columns": self.columns, **self.readout.arrays()}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the family that `arrays` described."""
        columns = arrays["columns"]
        return cls(
            columns=columns, readout=ReadoutArrays(**{k: v for k, v in arrays.items() if k != "columns"})
        )


def base_of(material: Material) -> tuple[float, ...]:
    """Return what the network says before it has learned: the mean score, or the log-odds of each outcome."""
    aims = material.aims[material.teach]
    if material.num_classes:
        counts = np.bincount(aims, weights=material.weights, minlength=material.num_classes)
        return tuple(np.log(counts / counts.sum()).tolist())
    mean = float(np.average(aims, weights=material.weights))
    return (mean if material.scores is not None else float(np.log(mean / (1 - mean))),)
