"""Tables: the loss of what Foretell delivers beside that of peers as they come, and the CPU time of both.

    python benchmarks/tables.py DATA [--tables adult telco ...] [--seeds 0 1 2 3 4]

DATA is the folder with adult-train.csv, adult-test.csv, telco_churn.csv and german_credit.csv; the breast
cancer table comes with scikit-learn. Foretell reads a file of training rows and scores a file of test rows,
as a user would, and its CPU-seconds count all of it: reading, fitting, choosing, calibrating, scoring. Peers
get the same rows with numbers as numbers and categories declared as such, and their CPU-seconds count fit and
scoring alone. adult has its official test rows; of the others a fifth is drawn by the seed. One thread each.
Each cell is stored when it is done, so that a run that was stopped goes on.
"""

import argparse
import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from sklearn.metrics import log_loss, roc_auc_score  # noqa: E402

import foretell  # noqa: E402
from cases import RESULTS, commit, machine  # noqa: E402
from foretell.border import load_spec  # noqa: E402

Floats = NDArray[np.float64]
ADULT = [
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation",
    "relationship", "race", "sex", "capital_gain", "capital_loss", "hours_per_week",
    "native_country", "income",
]  # fmt: skip
TARGETS = {"adult": "income", "telco": "Churn", "german": "risk", "breast cancer": "malignant"}


def rows_of(table: str, data: Path, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the training and the test rows of a table; all of a column is of one type."""
    if table == "adult":
        train, test = (_adult(data / f"adult-{part}.csv") for part in ("train", "test"))
        return train, test
    frame = {"telco": _telco, "german": _german, "breast cancer": _breast_cancer}[table](data)
    order = np.random.default_rng(seed).permutation(len(frame))
    cut = round(0.2 * len(frame))
    return frame[np.sort(order[cut:])], frame[np.sort(order[:cut])]


def _adult(path: Path) -> pl.DataFrame:
    frame = pl.read_csv(path, has_header=False, new_columns=ADULT)
    text = pl.col(pl.String).str.strip_chars()
    # The files end with an empty line, and the test file's labels with a dot.
    held = frame.with_columns(text).with_columns(pl.col("income").str.strip_suffix("."))
    return held.filter(pl.col("income").is_not_null())


def _telco(data: Path) -> pl.DataFrame:
    frame = pl.read_csv(data / "telco_churn.csv", infer_schema_length=None).drop("customerID")
    return frame.with_columns(pl.col("TotalCharges").str.strip_chars().cast(pl.Float64, strict=False))


def _german(data: Path) -> pl.DataFrame:
    frame = pl.read_csv(data / "german_credit.csv", has_header=False)
    frame = frame.rename({name: f"a{number}" for number, name in enumerate(frame.columns, 1)})
    return frame.rename({"a21": "risk"}).with_columns(
        pl.when(pl.col("risk") == 2).then(pl.lit("bad")).otherwise(pl.lit("good")).alias("risk")
    )


def _breast_cancer(data: Path) -> pl.DataFrame:
    from sklearn.datasets import load_breast_cancer

    held: Any = load_breast_cancer()
    frame = pl.DataFrame(held.data, schema=[name.replace(" ", "_") for name in held.feature_names])
    return frame.with_columns(pl.Series("malignant", np.where(held.target == 0, "yes", "no")))


def positive(series: pl.Series, train: pl.Series) -> NDArray[np.int8]:
    """Return which rows have the value that is rarer among the training rows, Foretell's positive outcome."""
    return (series == train.value_counts().sort("count")[train.name][0]).cast(pl.Int8).to_numpy()


def by_foretell(families: str) -> Callable[..., Floats]:
    """Return what fits and scores as a user would, from file to file."""

    def fit(train: pl.DataFrame, test: pl.DataFrame, target: str, seed: int) -> Floats:
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{name}.csv" for name in ("train", "test")]
            for frame, path in zip((train, test.drop(target)), paths, strict=True):
                frame.write_csv(path)
            spec = load_spec(
                {"source": str(paths[0]), "target": target},
                # What is no test row here need not be one inside either: as few as there can be.
                (
                    f"out={folder}/run",
                    "split.test_share=0.01",
                    f"train.seed={seed}",
                    f"model.families={families}",
                ),
            )
            found = foretell.predict(foretell.fit(spec), paths[1])
            return found["probability"].to_numpy()

    return fit


def by_peer(name: str) -> Callable[..., Floats]:
    """Return what fits a peer with the settings it comes with, and scores."""

    def fit(train: pl.DataFrame, test: pl.DataFrame, target: str, seed: int) -> Floats:
        labels = positive(train[target], train[target])
        x, asked = (_pandas(frame.drop(target), train.drop(target), name) for frame in (train, test))
        return _peer(name, x, seed).fit(x, labels).predict_proba(asked)[:, 1]

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


def _peer(name: str, x: Any, seed: int) -> Any:
    if name == "LightGBM":
        from lightgbm import LGBMClassifier

        return LGBMClassifier(random_state=seed, n_jobs=1, verbosity=-1)
    if name == "XGBoost":
        from xgboost import XGBClassifier

        return XGBClassifier(random_state=seed, n_jobs=1, enable_categorical=True)
    if name == "CatBoost":
        from catboost import CatBoostClassifier

        categories = [column for column in x.columns if x[column].dtype.kind != "f"]
        return CatBoostClassifier(
            random_seed=seed, thread_count=1, verbose=0, cat_features=categories, allow_writing_files=False
        )
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=seed, categorical_features="from_dtype")


CONTESTANTS: dict[str, Callable[..., Floats]] = {
    "Foretell": by_foretell("[suited]"),
    "Foretell, floor alone": by_foretell("[]"),
    **{name: by_peer(name) for name in ("LightGBM", "XGBoost", "CatBoost", "scikit-learn HGB")},
}


def measured(
    data: Path, tables: list[str], seeds: list[int], done: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield a cell per table, seed and contestant that is not there yet."""
    there = {(cell["table"], cell["seed"], cell["name"]) for cell in done}
    for seed in seeds:
        for table in tables:
            train, test = rows_of(table, data, seed)
            labels = positive(test[TARGETS[table]], train[TARGETS[table]])
            for name, contestant in CONTESTANTS.items():
                if (table, seed, name) in there:
                    continue
                started = time.process_time()
                found = np.clip(contestant(train, test, TARGETS[table], seed), 1e-7, 1 - 1e-7)
                yield {
                    "table": table,
                    "seed": seed,
                    "name": name,
                    "rows": len(train),
                    "log_loss": round(float(log_loss(labels, found)), 6),
                    "auc": round(float(roc_auc_score(labels, found)), 6),
                    "cpu_seconds": round(time.process_time() - started, 2),
                    "commit": commit()[:12],
                }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--tables", nargs="+", default=list(TARGETS), choices=TARGETS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of tables.json")
    arguments = parser.parse_args()
    path = arguments.results / "tables.json"
    cells = json.loads(path.read_text())["cells"] if path.exists() else []
    command = f"python benchmarks/tables.py DATA {shlex.join(sys.argv[2:])}".strip()
    for cell in measured(arguments.data, arguments.tables, arguments.seeds, cells):
        cells.append(cell)
        print(json.dumps(cell), flush=True)
        held = {"command": command, "commit": commit(), "machine": machine(), "cells": cells}
        path.write_text(json.dumps(held, indent=1) + "\n")


if __name__ == "__main__":
    main()
