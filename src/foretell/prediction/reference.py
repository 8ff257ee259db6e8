"""What later facts are compared with: rows that taught or chose, never test rows."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foretell.data.dataset import Dataset
from foretell.data.split import Split
from foretell.models.family import Floats, Rows
from foretell.prediction.fitted import Reference

BACKGROUND = 64
STORED, COMPARED = 60_000, 24
"""Past rows that are stored for comparison, and the features of theirs that are."""
GRID, SEARCHED = 200, 64
"""Values of a number among which a counterfactual is looked for, and numbers that are searched at most."""
KEPT = 2_000
"""Past rows that are kept whole."""


def reference_of(
    dataset: Dataset,
    parts: Split,
    choose: Rows,
    features: NDArray[np.float32],
    logits: Floats,
    gains: Floats,
    numbers: tuple[str, ...],
    seed: int,
) -> Reference:
    """Return the reference.

    Args:
        choose: the choosing rows.
        features: of all rows.
        logits: raw log-odds of the choosing rows; of several classes [len(choose), C].
    """
    rng = np.random.default_rng(seed)
    order = np.argsort(logits, kind="stable") if logits.ndim == 1 else np.arange(len(logits))
    past = np.concatenate([parts.train, parts.valid])
    stored = np.sort(rng.choice(past, size=min(STORED, len(past)), replace=False))
    typical = rng.choice(parts.train, size=min(BACKGROUND, len(parts.train)), replace=False)
    compared = np.sort(np.argsort(-gains, kind="stable")[:COMPARED])
    quartiles, grids = {}, {}
    # The first features are the numbers themselves.
    strongest = {numbers[f] for f in np.argsort(-gains[: len(numbers)], kind="stable")[:SEARCHED]}
    target = dataset.column("target")
    if dataset.values is not None and target is not None:
        low, high = np.quantile(dataset.values[past], [0.25, 0.75])
        quartiles[target.name] = (float(low), float(high))
    for name in numbers:
        values = dataset.frame[name].to_numpy()[past]
        values = values[np.isfinite(values)]
        if len(values):
            low, high = np.quantile(values, [0.25, 0.75])
            quartiles[name] = (float(low), float(high))
        if len(values) and name in strongest:
            grids[name] = np.unique(np.quantile(values, np.linspace(0.005, 0.995, GRID), method="nearest"))
    return Reference(
        logits=logits[order],
        labels=dataset.target[choose][order],
        base_rate=0.0 if dataset.classes else float(dataset.target[past].mean()),
        choose_from=parts.bounds.get("valid_from", "")[:10],
        choose_until=parts.bounds.get("valid_until", "")[:10],
        num_rows=len(past),
        quartiles=quartiles,
        grids=grids,
        background=features[typical],
        similar=features[stored][:, compared],
        similar_columns=compared,
        similar_labels=dataset.target[stored],
        weights=gains / max(gains.sum(), 1e-12),
        past=_named(dataset, stored),
        rows=dataset.frame[np.sort(rng.choice(past, size=min(KEPT, len(past)), replace=False))].select(
            column.name for column in dataset.inputs() if column.kind in ("number", "category")
        ),
    )


def _named(dataset: Dataset, rows: NDArray[np.int64]) -> pl.DataFrame:
    """Return what a person knows the rows by."""
    table = {
        "id": pl.Series(dataset.ids[rows].tolist(), dtype=pl.String),
        "at_us": dataset.at_us[rows] if dataset.column("time") else np.zeros(len(rows), np.int64),
    }
    for column in dataset.inputs("number")[:1]:
        table["value"] = dataset.frame[column.name][rows]
    return pl.DataFrame(table)
