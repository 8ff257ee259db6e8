"""The search: other shapes of trees are tried while time is left, and the best join the ladder.

Trials are chosen by a tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011) and given up when the
first fold does worse than most did (the median rule of Golovin et al., Vizier, KDD 2017). Each is written
down when it is done, so that a search that was stopped goes on.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foretell.errors import SpecError
from foretell.models.boosting import MOST_TREES, fit_table, trained
from foretell.models.family import Material
from foretell.prediction.floor import Grown, of_trees
from foretell.spec import Spec
from foretell.units import seconds

KEPT = 2
"""Best trials that join the ladder: one more would hardly differ from them."""
TRIALS = 10_000
"""Trials at most, however short."""


def searched(
    spec: Spec,
    materials: Sequence[Material],
    whole: Material | None,
    until: float,
    folder: Path,
    tell: Callable[[str], None],
) -> Iterator[Grown]:
    """Yield the trees of the best trials.

    Args:
        materials: of each fold.
        whole: all rows teach; None where what the folds taught is delivered.
        until: instant of `time.monotonic` after which no trial begins.
        folder: where the trials are written down.

    Raises:
        SpecError: when Optuna is not installed.
    """
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise SpecError(
            "model.budget searches with Optuna, which is not installed", "pip install 'foretell[search]'"
        ) from error
    optuna.logging.set_verbosity(logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / "trials.jsonl")))
    study = optuna.create_study(
        study_name="trees",
        storage=storage,
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=6),
    )
    before = len(study.trials)
    # What came before seeds what comes: a search that goes on does not draw the same again.
    study.sampler = optuna.samplers.TPESampler(seed=spec.train.seed + before, multivariate=True)
    threads, seed = spec.train.threads, spec.train.seed
    study.optimize(
        lambda trial: _loss(trial, materials, threads, seed), n_trials=TRIALS, callbacks=[_until(until)]
    )
    done = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    tried = f"{len(study.trials):,} shapes of trees tried" + (
        f", {before:,} of them before" if before else ""
    )
    tell(f"  search: {tried}; {len(done):,} of them to the end")
    best = sorted(done, key=lambda trial: trial.value)[:KEPT]
    for place, trial in enumerate(best, 1):
        folds, last = fit_table(materials, shape_of(trial.params), whole=whole, threads=threads, seed=seed)
        yield of_trees(f"tuned_{place}", folds, last)


def left(spec: Spec, started: float) -> float:
    """Return until when a search may begin trials, as an instant of `time.monotonic`; 0 without a budget."""
    return started + seconds(spec.model.budget) if spec.model.budget else 0.0


def _until(end: float) -> Callable[[Any, Any], None]:
    def stop(study: Any, trial: Any) -> None:
        if time.monotonic() >= end:
            study.stop()

    return stop


def _loss(trial: Any, materials: Sequence[Material], threads: int, seed: int) -> float:
    """Return the loss on the choosing rows, each with as many trees as suit its own fold."""
    import optuna

    shape = shape_of(suggested(trial))
    losses = []
    for number, material in enumerate(materials):
        _, curve = trained(material, shape, threads=threads, seed=seed)
        losses.append(float(curve.min()))
        trial.report(float(np.mean(losses)), number)
        if number + 1 < len(materials) and trial.should_prune():
            raise optuna.TrialPruned
    return float(np.average(losses, weights=[len(each.choose) for each in materials]))


def suggested(trial: Any) -> Mapping[str, Any]:
    """Draw one shape of trees."""
    return {
        "num_leaves": trial.suggest_int("num_leaves", 3, 64, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.15, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.25, 1.0),
        "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
        "min_child_samples": trial.suggest_int("min_child_samples", 2, 80, log=True),
        "lambda_l2": trial.suggest_float("lambda_l2", 0.01, 50.0, log=True),
        "extra_trees": trial.suggest_categorical("extra_trees", [False, True]),
        "cat_smooth": trial.suggest_float("cat_smooth", 1.0, 100.0, log=True),
    }


def shape_of(drawn: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of LightGBM for a shape: slow learners may have more trees."""
    most = round(MOST_TREES * max(1.0, 0.03 / drawn["learning_rate"]))
    return {**drawn, "cat_l2": drawn["cat_smooth"], "num_trees": most}
