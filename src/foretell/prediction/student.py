"""The student: one small network taught what the whole ensemble says, also of rows that never were.

N: rows it is taught by, F: features, C: classes.

Of a table a few thousand rows say little of what the ensemble does between them. So it is also asked about
rows made of two: some factors of one row, the others of another.

Source: Bucila, Caruana and Niculescu-Mizil, Model compression, KDD 2006; Hinton et al., Distilling the
knowledge in a neural network (2015).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from foretell.models.boosting import Boosted, knots
from foretell.models.curves import Curves
from foretell.models.family import Floats, Material, Rows, Scorer
from foretell.models.tabm import TabM
from foretell.prediction.fitted import Factor, Fitted
from foretell.prediction.judging import Judge
from foretell.spec import Spec
from foretell.tasks.classify import sigmoid
from foretell.training import loop
from foretell.training.progress import shown

STUDENT, ENSEMBLE = "student", "ensemble"
"""What `model.deliver` may be."""
MOST_PARAMETERS = 50_000
WIDTHS = (96, 64, 48, 32, 24, 16, 8)
MEMBERS, NUM_KNOTS = 4, 16
MADE, MOST_MADE = 20, 60_000
"""Rows made for each real one, and in all."""
SWAPPED = 0.3
"""Share of the factors that a made row takes from another row."""
STEPS, BATCH = 3_000, 512
LARGEST = 8.0
"""Log-odds beyond which the ensemble is not followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """A student and what it cost."""

    family: Scorer
    num_parameters: int
    fit_cpu_seconds: float


def taught(
    fitted: Fitted, material: Material, boosted: Boosted, mixed: tuple[Rows, Floats], folder: Path
) -> Taught:
    """Fit the student on the rows that taught and chose.

    Args:
        fitted: the ensemble that teaches it.
        material: of the first fold; all folds have the same rows.
        boosted: trees that tell where features bend.
        mixed: the choosing rows, and what models that they did not teach said of them: kinder to truth than
            what the ensemble says of rows that it knows.
        folder: where a killed fit goes on from.
    """
    started, spec = time.process_time(), fitted.spec
    rows = np.union1d(material.teach, np.union1d(material.choose, mixed[0]))
    x_NF, said = _lesson(spec, fitted, material, rows, mixed)
    order = np.sort(np.argsort(-boosted.gains, kind="stable")[: TabM.most_features])
    bends = [knots(x_NF[:, f], boosted.splits[f], num_knots=NUM_KNOTS) for f in order]
    x = np.ascontiguousarray(x_NF[:, order])
    curves = Curves.of(x[: len(rows)], material.categorical[order], bends)
    outputs = said.shape[1] if said.ndim > 1 else 1
    width = next((w for w in WIDTHS if _size(curves, w, outputs) <= MOST_PARAMETERS), WIDTHS[-1])
    family = _fitted(spec, material, x, _aims(fitted, said), curves, order, width, folder)
    spent = time.process_time() - started
    return Taught(family=family, num_parameters=_size(curves, width, outputs), fit_cpu_seconds=spent)


def _lesson(
    spec: Spec, fitted: Fitted, material: Material, rows: Rows, mixed: tuple[Rows, Floats]
) -> tuple[NDArray[np.float32], Floats]:
    """Return the rows that teach [N, F], real ones first, and what the ensemble says of them."""
    rng = np.random.default_rng(spec.train.seed)
    real = material.features[rows]
    made = min(MADE * len(rows), MOST_MADE)
    x = np.concatenate([real, swapped(real, fitted.factors, made, rng)])
    said = fitted.logits_of(x)
    choose, honest = mixed
    said[np.searchsorted(rows, choose)] = honest
    return x, said


def swapped(
    real: NDArray[np.float32], factors: Sequence[Factor], made: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return rows [made, F] of which some factors are another row's; a factor is never torn apart."""
    own, other = real[rng.integers(len(real), size=made)], real[rng.integers(len(real), size=made)]
    for factor in factors:
        taken = np.flatnonzero(rng.random(made) < SWAPPED)
        own[np.ix_(taken, factor.columns)] = other[np.ix_(taken, factor.columns)]
    return own


def _aims(fitted: Fitted, said: Floats) -> Floats:
    """Return what the student is to say: probabilities, or a number's scores."""
    if fitted.estimator is not None:
        return said
    if fitted.coupling is not None:
        return softmax(said, axis=1)
    return sigmoid(np.clip(said, -LARGEST, LARGEST))


def _size(curves: Curves, width: int, outputs: int) -> int:
    """Return how many parameters a network of this width has."""
    inputs = int(curves.starts[-1])
    shared = (inputs + 1) * (width + outputs) + (width + 1) * width
    return shared + MEMBERS * (2 * width + outputs * (width + 1))


def _fitted(
    spec: Spec,
    material: Material,
    x: NDArray[np.float32],
    aims: Floats,
    curves: Curves,
    columns: Rows,
    width: int,
    folder: Path,
) -> Any:
    # What is fitted is served as arrays: opening a model must not load torch.
    import torch

    from foretell.models.readout_network import Readout, batches, export

    loss = "classes" if material.num_classes else "outcome" if material.scores is None else "number"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.train.seed)
        mean = aims.mean(axis=0)
        base = mean if loss == "number" else np.log(mean) - (np.log(1 - mean) if loss == "outcome" else 0)
        model = Readout(
            int(curves.starts[-1]),
            width=width,
            members=MEMBERS,
            base=tuple(np.atleast_1d(base).tolist()),
            loss=loss,
            dropout=0.0,
        )
    size = min(BATCH, len(x))
    batch_at = batches(x, aims, np.ones(len(x)), curves, batch_size=size, seed=spec.train.seed)
    train = replace(spec.train, patience=0)
    with shown(f"  {STUDENT}") as progress:
        loop.fit(model, batch_at, train, steps=STEPS, folder=folder, progress=progress)
    return TabM.of(columns, export(model, curves))


def with_student(
    fitted: Fitted,
    student: Taught,
    material: Material,
    judge: Judge,
    test: Rows,
    tell: Callable[[str], None],
) -> Fitted:
    """Return the model with the student in the ensemble's place, and both on the leaderboard.

    What makes scores honest stays the ensemble's, and so does what it was chosen by: those rows taught the
    student.

    Args:
        test: the test rows.
    """
    *others, ensemble = fitted.standings
    fitted = replace(
        fitted, families={STUDENT: student.family}, weights={STUDENT: 1.0}, offsets={STUDENT: 0.0}
    )
    known = test[material.labels[test] >= 0]
    started = time.process_time()
    scores = fitted.logits_of(material.features[known])
    pace = len(known) / max(time.process_time() - started, 1e-9)
    delivered = replace(
        ensemble,
        family=STUDENT,
        metrics=judge(scores, known, None),
        fit_cpu_seconds=ensemble.fit_cpu_seconds + student.fit_cpu_seconds,
        rows_per_cpu_second=pace,
    )
    name = "rmse" if ensemble.measure == "rmse" else "log_loss"
    was, now = ensemble.metrics[name], delivered.metrics[name]
    tell(
        f"  {STUDENT}: {student.num_parameters:,} parameters, {name.replace('_', '-')} {now:.4f} on the test "
        f"rows against the ensemble's {was:.4f} ({now / was - 1:+.1%}), {student.fit_cpu_seconds:.1f} CPU-s"
    )
    standings = (*others, replace(ensemble, name=ENSEMBLE, weight=0.0), delivered)
    return replace(fitted, standings=standings)
