"""Tables: the loss of what Foretell delivers beside that of peers as they come, and the CPU time of both.

    python benchmarks/tables.py DATA [--tables adult telco ...] [--seeds 0 1 2 3 4] [--names LightGBM ...]

DATA is the folder with adult-train.csv, adult-test.csv, telco_churn.csv and german_credit.csv; the other
tables come with scikit-learn. The loss is log-loss, of two outcomes or several classes, or of a number the
root mean squared error. Foretell reads a file of training rows and scores a file of test rows, as a user
would, and its CPU-seconds count all of it: reading, fitting, choosing, calibrating, scoring. Peers get the
same rows with numbers as numbers and categories declared as such, and their CPU-seconds count search, fit and
scoring alone. `benchmarks/rivals.py` tells how peers are tuned, and how AutoGluon is installed, which runs
where `--autogluon` names the interpreter of its environment. adult has its official test rows; of the others
a fifth is drawn by the seed. One thread each. Each cell is stored when it is done, so that a run that was
stopped goes on.
"""

import argparse
import csv
import itertools
import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from sklearn.metrics import log_loss, roc_auc_score  # noqa: E402

import foretell  # noqa: E402
import rivals  # noqa: E402
from cases import RESULTS, commit, machine  # noqa: E402
from foretell.border import load_spec  # noqa: E402
from foretell.data.reading import read as read_rows  # noqa: E402
from foretell.evidence.reasons import reasons  # noqa: E402
from foretell.prediction.live import Live  # noqa: E402

Floats = NDArray[np.float64]


class Found(NamedTuple):
    """What a contestant says of the test rows."""

    told: Floats
    cpu_seconds: float = 0.0
    """Where it counted itself; else all that it took counts."""
    figures: Mapping[str, float] = MappingProxyType({})
    """Further figures of its cell."""


Contestants = dict[str, Callable[..., Found]]
ADULT = [
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation",
    "relationship", "race", "sex", "capital_gain", "capital_loss", "hours_per_week",
    "native_country", "income",
]  # fmt: skip
ADULT_NUMBERS = [
    "age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"
]  # fmt: skip
TARGETS = {
    "adult": "income",
    "telco": "Churn",
    "german": "risk",
    "breast cancer": "malignant",
    "wine": "cultivar",
    "digits": "digit",
    "diabetes": "progression",
}
WARM, PACED, EXPLAINED = 20, 500, 60
"""Rows that come alone and are not counted, that are, and of which reasons are asked."""
OUTCOMES = ("adult", "telco", "german", "breast cancer")
NUMBERS = ("diabetes",)


def rows_of(table: str, data: Path, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the training and the test rows of a table; all of a column is of one type."""
    if table == "adult":
        train, test = (_adult(data / f"adult-{part}.csv") for part in ("train", "test"))
        return train, test
    frame = {"telco": _telco, "german": _german}.get(table, lambda _: _bundled(table))(data)
    order = np.random.default_rng(seed).permutation(len(frame))
    cut = round(0.2 * len(frame))
    return frame[np.sort(order[cut:])], frame[np.sort(order[:cut])]


def _adult(path: Path) -> pl.DataFrame:
    frame = pl.read_csv(path, has_header=False, new_columns=ADULT)
    text = pl.col(pl.String).str.strip_chars()
    # The files end with an empty line, and the test file's labels with a dot.
    held = frame.with_columns(text).with_columns(pl.col("income").str.strip_suffix("."))
    held = held.filter(pl.col("income").is_not_null())
    # The numbers have a space before them, and would else be names to the peers.
    return held.with_columns(pl.col(name).cast(pl.Float64) for name in ADULT_NUMBERS)


def _telco(data: Path) -> pl.DataFrame:
    frame = pl.read_csv(data / "telco_churn.csv", infer_schema_length=None).drop("customerID")
    return frame.with_columns(pl.col("TotalCharges").str.strip_chars().cast(pl.Float64, strict=False))


def _german(data: Path) -> pl.DataFrame:
    frame = pl.read_csv(data / "german_credit.csv", has_header=False)
    frame = frame.rename({name: f"a{number}" for number, name in enumerate(frame.columns, 1)})
    return frame.rename({"a21": "risk"}).with_columns(
        pl.when(pl.col("risk") == 2).then(pl.lit("bad")).otherwise(pl.lit("good")).alias("risk")
    )


def _bundled(table: str) -> pl.DataFrame:
    """Return a table that comes with scikit-learn."""
    from sklearn import datasets

    held: Any = getattr(datasets, f"load_{table.replace(' ', '_')}")(
        **({"scaled": False} if table == "diabetes" else {})
    )
    frame = pl.DataFrame(held.data, schema=[name.replace(" ", "_") for name in held.feature_names])
    values = {
        "breast cancer": np.where(held.target == 0, "yes", "no"),
        "diabetes": held.target.astype(np.float64),
    }.get(table, np.array([f"c{code}" for code in held.target]))
    return frame.with_columns(pl.Series(TARGETS[table], values))


def aims(table: str, series: pl.Series, train: pl.Series) -> Floats:
    """Return what is learned of each row: a number, or the place of its class.

    Of two outcomes the rarer among the training rows is 1, Foretell's positive outcome; of several classes
    they stand by name.
    """
    if table in NUMBERS:
        return series.to_numpy()
    if table in OUTCOMES:
        return (series == train.value_counts().sort("count")[train.name][0]).cast(pl.Int8).to_numpy()
    return np.searchsorted(sorted(train.unique().to_list()), series.to_list())


def loss(table: str, truth: Floats, told: Floats) -> float:
    """Return the log-loss of probabilities, or the root mean squared error of numbers."""
    if table in NUMBERS:
        return float(np.sqrt(np.mean((told - truth) ** 2)))
    return float(log_loss(truth, np.clip(told, 1e-7, 1 - 1e-7)))


def by_foretell(families: str, deliver: str = "ensemble") -> Callable[..., Found]:
    """Return what fits and scores as a user would, from file to file."""

    def fit(table: str, train: pl.DataFrame, test: pl.DataFrame, seed: int) -> Found:
        target, started = TARGETS[table], time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{name}.csv" for name in ("train", "test")]
            for frame, path in zip((train, test.drop(target)), paths, strict=True):
                frame.write_csv(path)
            spec = load_spec(
                {"source": str(paths[0]), "target": target},
                # What is no test row here need not be one inside either: as few as there can be.
                (
                    f"out={folder}/run",
                    f"split.test_share={max(0.01, 4 / len(train)):.3f}",
                    f"train.seed={seed}",
                    f"model.families={families}",
                    f"model.deliver={deliver}",
                ),
            )
            fitted = foretell.fit(spec)
            found = foretell.predict(fitted, paths[1])
            spent = time.process_time() - started
            paced = paces(fitted, paths[1]) if table in OUTCOMES else {}
        if table in NUMBERS:
            return Found(found["estimate"].to_numpy(), spent)
        if table in OUTCOMES:
            return Found(found["probability"].to_numpy(), spent, paced)
        names = sorted(train[target].unique().to_list())
        return Found(found.select(f"p_{name}" for name in names).to_numpy(), spent)

    return fit


def paces(fitted: Any, path: Path) -> dict[str, float]:
    """Return the median CPU-milliseconds that a row alone takes: scored from its cells, and with reasons."""
    with path.open() as file:
        rows = list(itertools.islice(csv.DictReader(file), WARM + PACED))
    live, alone = Live(fitted), []
    for row in rows:
        started = time.thread_time_ns()
        live.event(row)
        alone.append(time.thread_time_ns() - started)
    spec = replace(fitted.spec, data=replace(fitted.spec.data, source=str(path)))
    dataset = read_rows(spec, columns=fitted.featurizer.schema.columns)
    explained = []
    features = fitted.score(dataset, np.arange(len(dataset)), after=fitted.snapshot).features
    for row_F in features[: WARM + EXPLAINED]:
        started = time.thread_time_ns()
        reasons(fitted, row_F[None], np.array([True]))
        explained.append(time.thread_time_ns() - started)
    return {
        "row_ms": round(float(np.median(alone[WARM:])) / 1e6, 4),
        "reasons_ms": round(float(np.median(explained[WARM:])) / 1e6, 3),
    }


def by_peer(name: str, *, tuned: bool = False) -> Callable[..., Found]:
    """Return what fits a peer with the settings it comes with, or with tuned ones, and scores."""

    def fit(table: str, train: pl.DataFrame, test: pl.DataFrame, seed: int) -> Found:
        target = TARGETS[table]
        labels = aims(table, train[target], train[target])
        x, asked = (_pandas(frame.drop(target), train.drop(target), name) for frame in (train, test))

        def make(settings: dict[str, Any]) -> Any:
            return _peer(name, x, seed, settings, number=table in NUMBERS)

        def told(model: Any, rows: Any) -> Floats:
            if table in NUMBERS:
                return model.predict(rows)
            found = model.predict_proba(rows)
            return found[:, 1] if table in OUTCOMES else found

        def judged(model: Any, rows: Any, truth: Any) -> float:
            return loss(table, truth, told(model, rows))

        fitted = rivals.tuned(name, make, x, labels, judged, seed) if tuned else make({}).fit(x, labels)
        return Found(told(fitted, asked))

    return fit


def _pandas(frame: pl.DataFrame, train: pl.DataFrame, name: str) -> Any:
    """Return a frame as the peers ask for it; what the training rows lack is missing, as is what is null."""
    import pandas as pd

    held = {}
    for series in frame:
        if series.dtype != pl.String:
            held[series.name] = series.cast(pl.Float64).to_numpy()
        elif name == "CatBoost":
            held[series.name] = series.fill_null("").to_list()
        else:
            known = sorted(train[series.name].drop_nulls().unique().to_list())
            held[series.name] = pd.Categorical(series.to_list(), categories=known)
    return pd.DataFrame(held)


def _peer(name: str, x: Any, seed: int, settings: dict[str, Any], *, number: bool) -> Any:
    if name == "LightGBM":
        from lightgbm import LGBMClassifier, LGBMRegressor

        family = LGBMRegressor if number else LGBMClassifier
        return family(random_state=seed, n_jobs=1, verbosity=-1, **settings)
    if name == "XGBoost":
        from xgboost import XGBClassifier, XGBRegressor

        return (XGBRegressor if number else XGBClassifier)(
            random_state=seed, n_jobs=1, enable_categorical=True, **settings
        )
    if name == "CatBoost":
        from catboost import CatBoostClassifier, CatBoostRegressor

        categories = [column for column in x.columns if x[column].dtype.kind != "f"]
        fixed = {"random_seed": seed, "thread_count": 1, "verbose": 0, "allow_writing_files": False}
        return (CatBoostRegressor if number else CatBoostClassifier)(
            cat_features=categories, **fixed, **settings
        )
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    family = HistGradientBoostingRegressor if number else HistGradientBoostingClassifier
    return family(random_state=seed, categorical_features="from_dtype")


CONTESTANTS: Contestants = {
    "Foretell": by_foretell("[suited]"),
    "Foretell, floor alone": by_foretell("[]"),
    "Foretell, student": by_foretell("[suited]", "student"),
    **{name: by_peer(name) for name in ("LightGBM", "XGBoost", "CatBoost", "scikit-learn HGB")},
}
TUNED = {f"{name}, tuned": by_peer(name, tuned=True) for name in rivals.FAMILIES}
AUTOGLUON = {"AutoGluon medium": "medium_quality", "AutoGluon best": "best_quality"}


def by_autogluon(python: str, preset: str, limit: float) -> Callable[..., Found]:
    """Return what asks AutoGluon, which counts its own CPU-seconds."""
    ask = rivals.by_autogluon(python, preset, limit)

    def fit(table: str, train: pl.DataFrame, test: pl.DataFrame, seed: int) -> Found:
        kind = "number" if table in NUMBERS else "outcome" if table in OUTCOMES else "classes"
        return Found(*ask(train, test, TARGETS[table], seed, kind))

    return fit


def measured(
    data: Path, contestants: Contestants, tables: list[str], seeds: list[int], done: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield a cell per table, seed and contestant that is not there yet."""
    there = {(cell["table"], cell["seed"], cell["name"]) for cell in done}
    for seed in seeds:
        for table in tables:
            train, test = rows_of(table, data, seed)
            truth = aims(table, test[TARGETS[table]], train[TARGETS[table]])
            for name, contestant in contestants.items():
                if (table, seed, name) in there:
                    continue
                started = time.process_time()
                found = contestant(table, train, test, seed)
                told, spent, figures = found
                spent = spent or time.process_time() - started
                yield {
                    "table": table,
                    "seed": seed,
                    "name": name,
                    "rows": len(train),
                    "loss": round(loss(table, truth, told), 6),
                    **({"auc": round(float(roc_auc_score(truth, told)), 6)} if table in OUTCOMES else {}),
                    "cpu_seconds": round(spent, 2),
                    **figures,
                    "commit": commit()[:12],
                }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--tables", nargs="+", default=list(TARGETS), choices=TARGETS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument(
        "--names", nargs="+", help="contestants; all of Foretell and all defaults if not given"
    )
    parser.add_argument("--autogluon", default="", help="interpreter of AutoGluon's environment")
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds that AutoGluon's fit may take")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of tables.json")
    arguments = parser.parse_args()
    path = arguments.results / "tables.json"
    cells = json.loads(path.read_text())["cells"] if path.exists() else []
    command = f"python benchmarks/tables.py DATA {shlex.join(sys.argv[2:])}".strip()
    offered: Contestants = {**CONTESTANTS, **TUNED}
    for name, preset in AUTOGLUON.items() if arguments.autogluon else ():
        offered[name] = by_autogluon(arguments.autogluon, preset, arguments.limit)
    if unknown := set(arguments.names or ()) - set(offered):
        parser.error(f"no contestant is called {', '.join(sorted(unknown))}; there are {', '.join(offered)}")
    contestants = {name: offered[name] for name in arguments.names or CONTESTANTS}
    for cell in measured(arguments.data, contestants, arguments.tables, arguments.seeds, cells):
        cells.append(cell)
        print(json.dumps(cell), flush=True)
        held = {"command": command, "commit": commit(), "machine": machine(), "cells": cells}
        path.write_text(json.dumps(held, indent=1) + "\n")


if __name__ == "__main__":
    main()
