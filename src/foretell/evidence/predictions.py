"""Predictions as records: what the model says of each row that people look at."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foretell.data.dataset import Dataset
from foretell.evidence.scene import stamps
from foretell.prediction.alerts import Alerts
from foretell.prediction.fitted import Fitted, Scored
from foretell.records import Prediction, Value


def predictions_of(
    fitted: Fitted, dataset: Dataset, scored: Scored, alerts: Alerts
) -> tuple[Prediction, ...]:
    """Return the alerts as records."""
    spec, coupling = fitted.spec, fitted.coupling
    timed = dataset.column("time") is not None
    place = {row: index for index, row in enumerate(scored.rows.tolist())}
    stamp, frame = stamps(dataset.at_us), dataset.frame[alerts.rows]
    entities = {column.name: frame[column.name] for column in dataset.inputs("entity")}
    inputs = {
        c.name: _values(dataset.frame[c.name], alerts.rows) for c in dataset.inputs() if c.kind != "entity"
    }
    found = []
    for index, (row, threshold) in enumerate(
        zip(alerts.rows.tolist(), alerts.thresholds.tolist(), strict=True)
    ):
        at = place[row]
        probability, logit = float(scored.probabilities[at]), float(scored.logits[at].flat[0])
        alert, abstained = probability >= threshold, abs(probability - threshold) < spec.review.abstain
        if coupling is not None:  # a row is looked at where its class is doubtful, and told as of that class
            told, code = coupling(scored.logits[at : at + 1]), 0
            code, abstained, threshold = int(told.argmax()), alert, 1 - threshold
            probability = float(told[0, code])
            logit = float(coupling.against(scored.logits[at : at + 1], code)[0])
        found.append(
            Prediction(
                id=str(dataset.ids[row]),
                at=stamp(dataset.at_us[row]) if timed else "",
                entities={name: known[index] for name, known in entities.items() if known[index] is not None},
                inputs={name: values[index] for name, values in inputs.items()},
                probability=probability,
                logit=logit,
                threshold=threshold,
                alert=alert,
                abstained=abstained,
                model=fitted.digest,
            )
        )
    return tuple(found)


def _values(series: pl.Series, rows: NDArray[np.int64]) -> list[Value]:
    """Return what a column holds in some rows; instants as ISO 8601."""
    if series.dtype != pl.Datetime:
        return series[rows].to_list()
    stamp = stamps(series.drop_nulls().to_physical().to_numpy())
    return [None if at is None else stamp(at) for at in series.to_physical()[rows].to_list()]
