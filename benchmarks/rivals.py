"""Rivals with more time: peers tuned by Optuna, and AutoGluon in an environment of its own.

A tuned peer is searched for as practitioners do: settings by the tree-structured Parzen estimator, judged by
five folds of the training rows (one held-out fifth where rows are many), with early stopping; the first trial
is the library's own settings. What is delivered is fitted on all training rows, with as many trees as the
folds stopped at in the mean.

AutoGluon runs as `PYTHON benchmarks/rivals.py FOLDER`, where PYTHON has `autogluon.tabular` and no Foretell:

    python -m venv ag && ag/bin/pip install "autogluon.tabular[lightgbm,catboost,xgboost,fastai,realmlp,tabm]"
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
TRIALS, LIMIT = 40, 300.0
"""Trials of a search, and CPU-seconds after which no other begins."""
MOST_TREES, STILL = 2000, 50
FOLDS, MANY = 5, 20_000
FAMILIES = ("LightGBM", "XGBoost", "CatBoost")


def _settings(name: str, trial: Any) -> dict[str, Any]:
    """Return the settings that a trial asks for, under the peer's own names."""

    def rate(key: str, low: float, high: float) -> float:
        return trial.suggest_float(key, low, high, log=True)

    def share(key: str) -> float:
        return trial.suggest_float(key, 0.4, 1.0)

    if name == "LightGBM":
        return {
            "learning_rate": rate("learning_rate", 0.01, 0.2),
            "num_leaves": trial.suggest_int("num_leaves", 4, 128, log=True),
            "min_child_samples": trial.suggest_int("min_child_samples", 2, 100, log=True),
            "colsample_bytree": share("colsample_bytree"),
            "subsample": share("subsample"),
            "subsample_freq": 1,
            "reg_lambda": rate("reg_lambda", 1e-3, 30.0),
            "cat_smooth": rate("cat_smooth", 1.0, 100.0),
        }
    if name == "XGBoost":
        return {
            "learning_rate": rate("learning_rate", 0.01, 0.2),
            "max_depth": trial.suggest_int("max_depth", 2, 10),
            "min_child_weight": rate("min_child_weight", 0.1, 30.0),
            "colsample_bytree": share("colsample_bytree"),
            "subsample": share("subsample"),
            "reg_lambda": rate("reg_lambda", 1e-2, 30.0),
        }
    return {
        "learning_rate": rate("learning_rate", 0.02, 0.2),
        "depth": trial.suggest_int("depth", 3, 8),
        "l2_leaf_reg": rate("l2_leaf_reg", 0.3, 30.0),
        "random_strength": rate("random_strength", 0.1, 10.0),
        "bagging_temperature": trial.suggest_float("bagging_temperature", 0.0, 1.0),
    }


def _stopped(name: str, model: Any, rows: tuple[Any, Any], held_out: tuple[Any, Any]) -> int:
    """Fit until the held-out rows lose no more, and return the number of trees."""
    if name == "LightGBM":
        import lightgbm

        stop = lightgbm.early_stopping(STILL, verbose=False)
        return int(model.fit(*rows, eval_set=[held_out], callbacks=[stop]).best_iteration_)
    if name == "XGBoost":
        model.set_params(early_stopping_rounds=STILL)
        return int(model.fit(*rows, eval_set=[held_out], verbose=False).best_iteration) + 1
    return int(model.fit(*rows, eval_set=held_out, early_stopping_rounds=STILL).best_iteration_) + 1


def tuned(
    name: str,
    make: Callable[[dict[str, Any]], Any],
    x: Any,
    labels: NDArray[Any],
    loss: Callable[[Any, Any, NDArray[Any]], float],
    seed: int,
) -> Any:
    """Return a peer fitted on all rows with the settings that lose least of what was tried.

    Args:
        make: builds the peer from settings.
        x: a frame of pandas [n, columns].
        loss: of a fitted model on held-out rows and their labels.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    trees = {"LightGBM": "n_estimators", "XGBoost": "n_estimators", "CatBoost": "iterations"}[name]
    started, parts = time.process_time(), list(_folds(labels, seed))

    def judged(trial: Any) -> float:
        own = trial.number == 0
        settings = {} if own else {**_settings(name, trial), trees: MOST_TREES}
        losses, stops = [], []
        for teach, choose in parts:
            model, held_out = make(settings), (x.iloc[choose], labels[choose])
            rows = (x.iloc[teach], labels[teach])
            if own:
                model.fit(*rows)
            else:
                stops.append(_stopped(name, model, rows, held_out))
            losses.append(loss(model, *held_out))
        trial.set_user_attr("settings", settings | ({trees: round(np.mean(stops))} if stops else {}))
        return float(np.mean(losses))

    def late(study: Any, trial: Any) -> None:
        if time.process_time() - started > LIMIT:
            study.stop()

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(judged, n_trials=TRIALS, callbacks=[late])
    return make(study.best_trial.user_attrs["settings"]).fit(x, labels)


def _folds(labels: NDArray[Any], seed: int) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    from sklearn.model_selection import KFold, StratifiedKFold

    family = KFold if labels.dtype.kind == "f" else StratifiedKFold
    for number, part in enumerate(family(FOLDS, shuffle=True, random_state=seed).split(labels, labels)):
        if number and len(labels) > MANY:
            return
        yield part


def by_autogluon(python: str, preset: str, limit: float) -> Callable[..., tuple[Floats, float]]:
    """Return what fits and scores by AutoGluon in its own environment; it gives back its CPU-seconds too.

    Args:
        python: interpreter of that environment.
        preset: `medium_quality` or `best_quality`.
        limit: seconds that its fit may take.
    """

    def fit(train: Any, test: Any, target: str, seed: int, kind: str) -> tuple[Floats, float]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            train.write_parquet(folder / "train.parquet")
            test.drop(target).write_parquet(folder / "test.parquet")
            asked = {"target": target, "preset": preset, "limit": limit, "seed": seed, "kind": kind}
            (folder / "asked.json").write_text(json.dumps(asked))
            environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
            subprocess.run([python, __file__, name], check=True, env=environment, stdout=subprocess.DEVNULL)
            found = np.load(folder / "found.npz", allow_pickle=False)
            return found["told"], float(found["cpu_seconds"])

    return fit


def _autogluon(folder: Path) -> None:
    """Fit and score in AutoGluon's own environment; the columns of several classes stand by name."""
    import pandas as pd
    from autogluon.tabular import TabularPredictor

    asked = json.loads((folder / "asked.json").read_text())
    train, test = (pd.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
    number, target = asked["kind"] == "number", asked["target"]
    predictor = TabularPredictor(
        label=target,
        path=str(folder / "models"),
        eval_metric="root_mean_squared_error" if number else "log_loss",
        problem_type="regression" if number else None,
        verbosity=0,
    )
    started = time.process_time()
    predictor.fit(
        train,
        presets=asked["preset"],
        time_limit=asked["limit"],
        num_cpus=1,
        num_gpus=0,
        # One process, whose CPU-seconds can be counted.
        ag_args_ensemble={"fold_fitting_strategy": "sequential_local"},
        dynamic_stacking=False,
    )
    if number:
        told = predictor.predict(test).to_numpy()
    else:
        found = predictor.predict_proba(test)
        rare = train[target].value_counts(ascending=True).index[0]
        told = found[rare].to_numpy() if asked["kind"] == "outcome" else found[sorted(found)].to_numpy()
    np.savez(folder / "found.npz", told=told, cpu_seconds=time.process_time() - started)


if __name__ == "__main__":
    _autogluon(Path(sys.argv[1]))
