"""Watching: what a model keeps of the choosing rows, and the figures of groups that mitigation changes."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from foretell.data.dataset import Dataset
from foretell.data.groups import Grouping, groupings
from foretell.data.split import Split, groups_of
from foretell.models.family import Floats, Rows
from foretell.prediction.alerts import Alerts, alerts_of, reviewed, threshold_of
from foretell.prediction.certainty import both, certainty_of
from foretell.prediction.evening import SHARED, evening_of
from foretell.prediction.faces import doubted
from foretell.prediction.fitted import Fitted, Scored
from foretell.prediction.monitor import Sketch, sketch_of
from foretell.tasks.classify import Calibration, metrics
from foretell.tasks.fairness import Comparison, adjusted_together, compare_groups
from foretell.tasks.multiclass import Coupling, doubts


def watched(
    fitted: Fitted, dataset: Dataset, parts: Split, choose: Rows, logits: Floats, codes: Mapping[str, Rows]
) -> Fitted:
    """Return the model with its certainty, and with a threshold for each group where the spec asks for it.

    Args:
        choose: the choosing rows [C].
        logits: their raw log-odds [C], of several classes [C, K].
        codes: entity column -> code of each row's entity.
    """
    spec = fitted.spec
    found = groupings(dataset, np.sort(np.concatenate([parts.train, parts.valid])))
    frame, labels = dataset.frame[choose], dataset.target[choose]
    if fitted.coupling is None:
        seen, probabilities = dataset, fitted.calibration(logits)
        each = both(probabilities)
    else:
        each = fitted.coupling(logits)
        seen, probabilities = doubted(dataset, choose, each), fitted.calibration(doubts(each))
    certainty = certainty_of(found, frame, each, labels, miss=spec.review.miss)
    fitted = replace(fitted, certainty=certainty)
    if spec.review.mitigate not in SHARED:
        return fitted
    evening = evening_of(spec.review.mitigate, found[0], frame, probabilities, seen.target[choose])
    threshold = threshold_of(spec, seen, choose, evening.scores(frame, probabilities), codes)
    return replace(fitted, evening=replace(evening, threshold=threshold), threshold=threshold)


def sketched(
    dataset: Dataset,
    parts: Split,
    choose: Rows,
    logits: Floats,
    calibration: Calibration,
    coupling: Coupling | None,
) -> Sketch:
    """Return what later rows are watched against; of several classes the told one, and the doubt about it.

    Args:
        logits: raw log-odds of the choosing rows [C], of several classes [C, K].
    """
    if coupling is None:
        return sketch_of(dataset, parts, choose, logits, calibration(logits))
    each = coupling(logits)
    doubt, told = doubts(each), np.array(coupling.names)[each.argmax(axis=1)]
    return sketch_of(doubted(dataset, choose, each), parts, choose, doubt, calibration(doubt), told.tolist())


def judged_rows(dataset: Dataset, scored: Scored, alerts: Alerts) -> Rows:
    """Return which of the scored rows have a known outcome and were not retired: their places [n]."""
    return np.flatnonzero(~alerts.retired & (dataset.target[scored.rows] >= 0))


def comparisons(
    fitted: Fitted, dataset: Dataset, scored: Scored, alerts: Alerts
) -> list[tuple[Grouping, Comparison]]:
    """Return how the groups of each watched column compare on the scored rows, adjusted together."""
    certainty = fitted.certainty
    if certainty is None or not certainty.groupings:
        return []
    places = judged_rows(dataset, scored, alerts)
    rows = scored.rows[places]
    found = [
        compare_groups(
            dataset.target[rows],
            scored.probabilities[places],
            np.isin(rows, alerts.rows),
            grouping.codes(dataset.frame[rows]),
            grouping.names,
            clusters=clusters_of(fitted, dataset, scored, rows),
            seed=fitted.spec.train.seed,
        )
        for grouping in certainty.groupings
    ]
    return list(zip(certainty.groupings, adjusted_together(found), strict=True))


def clusters_of(fitted: Fitted, dataset: Dataset, scored: Scored, rows: Rows) -> Rows | None:
    """Return the codes of what some rows share and vary by: a patient, a card; None where they are single."""
    group = dataset.column("group")
    if group is not None:
        return groups_of(dataset.frame[group.name])[rows].astype(np.int64)
    if not fitted.spec.review.entity:
        return None
    return reviewed(fitted.spec, dataset, scored.codes)[rows]


def figures(fitted: Fitted, dataset: Dataset, scored: Scored) -> Mapping[str, float]:
    """Return what mitigation may change, of the scored rows: losses, what alerts find, how groups differ.

    Args:
        dataset: as the review sees it.
    """
    alerts = alerts_of(fitted.spec, dataset, scored)
    places = judged_rows(dataset, scored, alerts)
    labels = dataset.target[scored.rows[places]]
    positive = int((dataset.target[alerts.rows] == 1).sum())
    found = {
        **metrics(scored.probabilities[places], labels),
        "precision": positive / max(len(alerts.rows), 1),
        "recall": positive / max(int((labels == 1).sum()), 1),
    }
    for grouping, comparison in comparisons(fitted, dataset, scored, alerts)[:1]:
        for measure in ("selection", "recall", "false_alarms", "precision"):
            spread = comparison.spread(measure)
            found |= {f"{measure} by {grouping.column}": spread} if spread is not None else {}
    return found
