"""What people said of rows, put into the data: outcomes, classes, or numbers. n: rows, C: classes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from foretell.cases.feedback import Label
from foretell.cases.truths import number_of
from foretell.data.dataset import Dataset
from foretell.data.target import coded
from foretell.models.family import Floats, Rows
from foretell.prediction.fitted import Fitted, Scored


def many(dataset: Dataset) -> bool:
    """Return whether a target is no outcome: yes and no do not say what it was."""
    return bool(dataset.classes) or dataset.values is not None


def named(dataset: Dataset, said: Sequence[Label]) -> tuple[Label, ...]:
    """Return the labels that say what the target was: all of two outcomes, else those that name it."""
    if dataset.classes:
        return tuple(label for label in said if label.truth in dataset.classes)
    if dataset.values is not None:
        return tuple(label for label in said if np.isfinite(number_of(label.truth)))
    return tuple(said)


def with_answers(dataset: Dataset, rows: Rows, said: Sequence[Label]) -> Dataset:
    """Return the data with what was said of some rows as their outcomes.

    Args:
        said: labels that `named` let pass, one a row [n].
    """
    target, column = dataset.target.copy(), dataset.column("target")
    if column is None or not many(dataset):
        target[rows] = np.array([label.label for label in said], dtype=np.int8)
        return replace(dataset, target=target)
    if dataset.classes:
        answers = pl.Series(column.name, [label.truth for label in said], dtype=pl.String)
    else:
        answers = pl.Series(column.name, [number_of(label.truth) for label in said], dtype=pl.Float64)
    target[rows] = coded(answers, column.facts)
    held = dataset.frame[column.name].scatter(rows, answers)
    return replace(dataset, target=target, frame=dataset.frame.with_columns(held))


def probabilities(fitted: Fitted, scored: Scored, classes: Sequence[str]) -> Floats:
    """Return what a model says of the classes of some data [n, C]; of those that it does not know, 0."""
    assert fitted.coupling is not None, "classes are compared between models of classes"
    told, found = fitted.coupling(scored.logits), np.zeros((len(scored.rows), len(classes)))
    for code, name in enumerate(classes):
        if name in fitted.coupling.names:
            found[:, code] = told[:, fitted.coupling.names.index(name)]
    return found
