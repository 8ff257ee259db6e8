"""A world that nothing can be learned of, so that every fit on it over-fits, and slow fits of it to kill."""

import time
from functools import cache
from pathlib import Path

import numpy as np

from foretell.lookup import load
from foretell.models import FAMILIES
from foretell.models.boosting import fit_boosting
from foretell.models.family import Family, Material
from foretell.spec import DataSpec, ModelSpec, Spec, TrainSpec
from foretell.training import loop
from foretell.training.loop import FitReport
from foretell.training.progress import Progress, silent

NUM_ROWS, NUM_TEACH = 900, 300


@cache
def noise() -> Material:
    """Return rows of 6 entities whose outcomes are chance; the first teach, the others choose."""
    rng = np.random.default_rng(0)
    labels = (rng.random(NUM_ROWS) < 0.3).astype(np.int8)
    features = rng.normal(size=(NUM_ROWS, 4)).astype(np.float32)
    at = np.arange(NUM_ROWS) * 3600.0
    teach, weights = np.arange(NUM_TEACH), np.ones(NUM_TEACH)
    coded = np.zeros(4, np.bool_)
    return Material(
        features=features,
        categorical=coded,
        own=np.arange(4),
        entities=rng.integers(0, 6, (NUM_ROWS, 1)).astype(np.int32),
        at_seconds=at,
        known_at_seconds=at + 86400.0,
        labels=labels,
        teach=teach,
        weights=weights,
        choose=np.arange(NUM_TEACH, NUM_ROWS),
        offset=0.0,
        boosted=fit_boosting(features[teach], labels[teach], weights, coded, num_trees=40),
    )


def spec_of(patience: int, *, ema: float = 0.0) -> Spec:
    return Spec(
        data=DataSpec(source="rows.csv", target="y"),
        model=ModelSpec(width=32, members=2, context=4),
        train=TrainSpec(
            epochs=25, batch_size=64, learning_rate=0.01, threads=1, evaluate_every=10, checkpoint_every=3,
            patience=patience, ema=ema,
        ),
    )  # fmt: skip


def fitted(
    name: str, material: Material, spec: Spec, folder: Path | None = None, progress: Progress = silent
) -> tuple[Family, FitReport]:
    """Return a fitted family, and what the loop told of the fit."""
    reports: list[FitReport] = []

    def reported(*given, **named) -> None:
        reports.append(loop.fit(*given, **named))

    family = load(name, FAMILIES, "model family").fit(material, spec, reported, folder, progress)
    return family, reports[0]


@cache
def fitted_at_once(name: str, *, patience: int, ema: float = 0.0) -> tuple[Family, FitReport]:
    return fitted(name, noise(), spec_of(patience, ema=ema))


def fit_slowly(name: str, spec: Spec, folder: Path, pause: float) -> None:
    """Fit in a process of its own; the pauses give a kill time to fall between two steps."""
    fitted(name, noise(), spec, folder, lambda advance: time.sleep(pause))
