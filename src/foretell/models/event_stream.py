"""The event_stream family: a neural readout of the features that gained the floor most."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from foretell.models.boosting import FEW_POSITIVES, knots
from foretell.models.family import Floats, Loop, Material, Rows
from foretell.models.readout import ReadoutArrays, read_out
from foretell.spec import Spec

NUM_KNOTS = 12
NUM_FEATURES, NUM_FEATURES_FEW = 24, 16
SMALLEST_BATCH = 128
"""Few rows come in smaller batches, so that a pass is still some thirty steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStream:
    """A fitted readout and the features it reads."""

    columns: Rows
    readout: ReadoutArrays
    reads_past: ClassVar[bool] = False

    @classmethod
    def fit(cls, material: Material, spec: Spec, loop: Loop, folder: Path | None, progress: Any) -> Self:
        """Fit the readout on the teaching rows; needs `material.boosted`."""
        # What is fitted is served as arrays: opening a model must not load torch.
        import torch

        from foretell.models.readout_network import Readout, batches, export

        boosted = material.boosted
        assert boosted is not None, "the floor is fitted first"
        labels = material.labels[material.teach]
        wanted = NUM_FEATURES_FEW if labels.sum() < FEW_POSITIVES else NUM_FEATURES
        columns = np.sort(np.argsort(-boosted.gains, kind="stable")[:wanted])
        x = np.ascontiguousarray(material.features[material.teach][:, columns])
        bends = [knots(x[:, i], boosted.splits[f], num_knots=NUM_KNOTS) for i, f in enumerate(columns)]
        knots_FK = np.stack(bends)
        base = float(np.average(labels, weights=material.weights))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.train.seed)
            model = Readout(
                knots_FK.size - len(knots_FK),
                width=spec.model.width,
                members=spec.model.members,
                base_logit=float(np.log(base / (1 - base))),
            )
        batch_size = min(spec.train.batch_size, max(SMALLEST_BATCH, len(x) // 32), len(x))
        batch_at = batches(x, labels, material.weights, knots_FK, batch_size=batch_size, seed=spec.train.seed)
        steps = max(1, round(spec.train.epochs * len(x) / batch_size))

        def validate(model: Readout) -> float:
            fitted = cls(columns=columns, readout=export(model, knots_FK))
            return material.validation_loss(fitted.score(material, material.choose))

        loop(
            model,
            batch_at,
            spec.train,
            steps=steps,
            folder=folder,
            validate=validate if spec.train.patience else None,
            progress=progress,
        )
        return cls(columns=columns, readout=export(model, knots_FK))

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
