"""Parity: whether a file of nodes says what the model says. B: rows, C: classes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from foretell.conversion.columns import cells, inputs_of
from foretell.data.dataset import Dataset
from foretell.errors import ForetellError
from foretell.prediction.fitted import Fitted
from foretell.tasks.regress import LOG, Estimator

MOST_ROWS = 2_000
"""Rows of the data that are compared at most; as many are made of them."""
ALONE = 20
"""Rows that are given one by one as well."""
TOLERANCE = 1e-5
"""Of probabilities as it is; of numbers, relative to them."""
SPOILED = 0.15
"""Share of the cells of made rows that are missing, and as large a share that nobody ever saw."""
UNSEEN = "a name that no row has"
TIE = 1e-5
"""Scores so near to an edge may fall on either side of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """What a comparison found."""

    num_rows: int
    largest: float
    """Largest difference: of probabilities, and of numbers relative to them."""


def compared(content: bytes, fitted: Fitted, dataset: Dataset) -> Parity:
    """Run a file on rows of the data and on rows made of them.

    Raises:
        ForetellError: when anything differs by more than `TOLERANCE`.
    """
    rng = np.random.default_rng(fitted.spec.train.seed)
    own = dataset.take(np.sort(rng.permutation(len(dataset))[:MOST_ROWS]))
    made = spoiled(own, fitted, rng)
    tried = [own, made, *(made.take(np.array([row])) for row in range(min(ALONE, len(made))))]
    session = session_of(content)
    largest = max(_difference(session, fitted, each) for each in tried)
    return Parity(num_rows=len(own) + len(made), largest=largest)


def session_of(content: bytes) -> Any:
    """Return onnxruntime's session of a file, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def spoiled(dataset: Dataset, fitted: Fitted, rng: np.random.Generator) -> Dataset:
    """Return the rows with some cells missing, and some as no row had them."""
    frame, time = dataset.frame, dataset.column("time")
    for each in inputs_of(fitted.featurizer):
        drawn = pl.Series(rng.random(len(frame)))
        series = frame[each.name]
        odd = pl.lit(UNSEEN) if each.kind == "category" else -3 * pl.col(each.name)
        if each.kind == "time":
            odd = pl.col(each.name) + pl.duration(days=1001, seconds=77)
        changed = pl.when(drawn < 2 * SPOILED).then(odd).otherwise(pl.col(each.name))
        if time is None or each.name != time.name:  # a row without its instant is no row
            changed = pl.when(drawn < SPOILED).then(None).otherwise(changed)
        frame = frame.with_columns(changed.cast(series.dtype).alias(each.name))
    return replace(dataset, frame=frame)


def feed(fitted: Fitted, dataset: Dataset) -> dict[str, Any]:
    """Return the columns of repaired rows as a file takes them."""
    columns = {column.name: column for column in fitted.featurizer.schema.columns}
    return {
        each.name: cells(columns[each.name], dataset.frame[each.name])
        for each in inputs_of(fitted.featurizer)
    }


def said(fitted: Fitted, logits: Any) -> dict[str, Any]:
    """Return what the model says of raw scores, by the names of a file's outputs."""
    if fitted.coupling is not None:
        told = fitted.coupling(logits)
        names = np.array(fitted.coupling.names, dtype=object)
        return {
            "class": names[told.argmax(axis=1)],
            "probability": told.max(axis=1),
            "probabilities": told,
        }
    return {**fitted.estimates(logits), "probability": fitted.calibration(logits)}


def _difference(session: Any, fitted: Fitted, dataset: Dataset) -> float:
    logits = fitted.score(dataset, np.arange(len(dataset))).logits
    expected = said(fitted, logits)
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(names, feed(fitted, dataset)), strict=True))
    largest = 0.0
    for name, value in expected.items():
        apart = _apart(name, value, found, expected, fitted)
        if fitted.estimator is not None and name in ("low", "high"):
            apart = np.where(_at_an_edge(fitted.estimator, logits), 0.0, apart)
        row = int(apart.argmax())
        if not apart[row] <= TOLERANCE:  # NaN is no agreement either
            raise ForetellError(
                f"the file says another {name} than the model, as in a row like '{dataset.ids[row]}': "
                f"{found[name][row]} instead of {value[row]}",
                "nothing was written; score with `foretell predict`, or fit with model.deliver=student",
            )
        largest = max(largest, float(apart[row]))
    return largest


def _apart(
    name: str, value: Any, found: Mapping[str, Any], expected: Mapping[str, Any], fitted: Fitted
) -> Any:
    """Return how far the file is from the model in each row [B]."""
    if name == "class":
        two = np.sort(expected["probabilities"], axis=1)[:, -2:]
        return np.where((found[name] == value) | (two[:, 1] - two[:, 0] < 2 * TOLERANCE), 0.0, 1.0)
    apart = np.abs(found[name] - value)
    if name == "probabilities":
        return apart.max(axis=1)
    if name == "probability" or fitted.estimator is None:
        return apart
    scale = fitted.estimator.scale
    # Numbers near 0 are measured by what the target usually is away from its centre.
    unit = 1.0 if scale.link == LOG else scale.spread
    return apart / np.maximum(np.abs(value), unit)


def _at_an_edge(estimator: Estimator, scores: Any) -> Any:
    edges = np.array([*estimator.edges, np.inf])
    return np.abs(scores[:, None] - edges).min(axis=1) < TIE
