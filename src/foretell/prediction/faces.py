"""Faces: a model of several classes seen as one of two outcomes. n: rows, C: classes.

People are asked about the rows whose most probable class may be wrong: for the queue, positive means wrong.
About each of these rows the evidence speaks of its own class: positive means that class, against all others.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from foretell import wording
from foretell.data.dataset import Dataset
from foretell.models.family import Floats, Rows
from foretell.prediction.fitted import Fitted, Lead, OneClass, Reference, Scored
from foretell.tasks.classify import LARGEST_LOGIT, Calibration
from foretell.tasks.multiclass import Coupling

AS_IT_IS = Calibration(
    raw=(-LARGEST_LOGIT, LARGEST_LOGIT), calibrated=(-LARGEST_LOGIT, LARGEST_LOGIT), method="coupling"
)
"""What is coupled is calibrated already."""


def doubted(dataset: Dataset, rows: Rows, probabilities_nC: Floats) -> Dataset:
    """Return the data set whose target says of some rows whether their most probable class is wrong.

    Args:
        probabilities_nC: of the classes, for these rows.
    """
    target = np.full(len(dataset), -1, np.int8)
    known = dataset.target[rows] >= 0
    wrong = probabilities_nC.argmax(axis=1) != dataset.target[rows]
    target[rows[known]] = wrong[known]
    return replace(dataset, target=target)


def reviewed_as(fitted: Fitted, dataset: Dataset, scored: Scored) -> Dataset:
    """Return the data set as the review sees it: with two outcomes it is itself."""
    if fitted.coupling is None:
        return dataset
    return doubted(dataset, scored.rows, fitted.coupling(scored.logits))


def codes_of(fitted: Fitted, scored: Scored) -> NDArray[np.int64] | None:
    """Return the most probable class of each scored row; None where there are two outcomes, or a number."""
    if fitted.coupling is None:
        return None
    return fitted.coupling(scored.logits).argmax(axis=1)


def outcome_text(fitted: Fitted, name: str) -> str:
    """Return what a class is called in sentences."""
    target = next(column for column in fitted.featurizer.schema.columns if column.role == "target")
    return wording.text("class", fitted.spec.narrate.language, column=target.text, value=name)


def face(fitted: Fitted, dataset: Dataset, scored: Scored, code: int) -> tuple[Fitted, Dataset, Scored]:
    """Return model, data and scores with one class as the positive outcome.

    Args:
        scored: rows as the model of several classes scored them.
    """
    coupling = fitted.coupling
    assert coupling is not None, "a face is one of several classes"
    logits = coupling.against(scored.logits, code)
    seen = OneClass(
        **{name: getattr(fitted, name) for name in Fitted.__dataclass_fields__ if name != "coupling"},
        whole=fitted,
        code=code,
    )
    seen = replace(
        seen,
        spec=replace(
            fitted.spec,
            task=replace(fitted.spec.task, positive_text=outcome_text(fitted, coupling.names[code])),
        ),
        calibration=AS_IT_IS,
        reference=_reference(fitted.reference, coupling, code),
    )
    target = np.where(dataset.target < 0, -1, dataset.target == code).astype(np.int8)
    return (
        seen,
        replace(dataset, target=target),
        replace(scored, logits=logits, probabilities=AS_IT_IS(logits)),
    )


def lead(face: OneClass) -> Lead:
    """Return the model that tells how far a face's class is ahead: an even chance is where another leads."""
    held = {name: getattr(face, name) for name in Fitted.__dataclass_fields__}
    return Lead(**held, whole=face.whole, code=face.code)


def _reference(reference: Reference, coupling: Coupling, code: int) -> Reference:
    logits = coupling.against(reference.logits, code)
    order = np.argsort(logits, kind="stable")
    return replace(
        reference,
        logits=logits[order],
        labels=(reference.labels[order] == code).astype(np.int8),
        base_rate=coupling.rates[code],
        similar_labels=(reference.similar_labels == code).astype(np.int8),
    )
