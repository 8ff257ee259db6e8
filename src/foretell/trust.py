"""From scored test rows to what report and model card say of trust. n: judged rows."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from foretell import report
from foretell.data.dataset import Dataset, told
from foretell.data.groups import Grouping
from foretell.data.split import Split
from foretell.data.target import coded
from foretell.evidence.reasons import codes
from foretell.models.family import Rows
from foretell.prediction.alerts import Alerts, alerts_of
from foretell.prediction.certainty import both
from foretell.prediction.comparison import intervals
from foretell.prediction.faces import reviewed_as
from foretell.prediction.fitted import DELIVERED, Fitted, Scored
from foretell.prediction.watching import clusters_of, comparisons, figures, judged_rows
from foretell.report.document import Document, Section, Table, markdown
from foretell.report.group_blocks import group_blocks
from foretell.report.trust import (
    Certainty,
    Change,
    GroupDifference,
    GroupRow,
    Held,
    Metric,
    Mitigation,
    Share,
    Trust,
    Watched,
    promise,
)
from foretell.tasks import multiclass
from foretell.tasks.fairness import Codes, Comparison, Group, Mask, Rate, rate

FIGURES = {
    "average_precision": "Average precision",
    "log_loss": "Log-loss",
    "ece": "Calibration error (ECE)",
    "precision": "Precision of the alerts",
    "recall": "Recall of the alerts",
    "selection by": "Alerts: greatest difference between groups",
    "recall by": "Recall: greatest difference",
    "false_alarms by": "False alarms: greatest difference",
    "precision by": "Precision: greatest difference",
}
"""What mitigation may change: name, or name before the column's, and what it is called."""


def trust_of(
    fitted: Fitted, dataset: Dataset, scored: Scored, alerts: Alerts, *, exact: bool = False
) -> Trust:
    """Return how sure the predictions of the test rows are, and what each watched group gets.

    Of several classes, positive means here that the class is wrong; sets are of the classes themselves.

    Args:
        dataset: as the review sees it.
        scored: the test rows.
        alerts: those among them.
        exact: whether the figures of all rows get intervals, too.
    """
    places = judged_rows(dataset, scored, alerts)
    metrics = _metrics(fitted, dataset, scored, places) if exact else ()
    if fitted.certainty is None:
        return Trust(metrics=metrics)
    judged = _Judged(fitted, dataset, scored, places)
    everyone = np.ones(len(judged.labels), dtype=np.bool_)
    unpromised = {(column, group) for column, group, _ in fitted.certainty.unpromised()}
    return Trust(
        metrics=metrics,
        certainty=judged.certainty(everyone, promised=None not in fitted.certainty.margins),
        watched=tuple(
            _watched(dataset, judged, grouping, comparison, unpromised)
            for grouping, comparison in comparisons(fitted, dataset, scored, alerts)
        ),
        mitigation=_mitigation(fitted, dataset, scored),
    )


def card(fitted: Fitted, dataset: Dataset, parts: Split, scored: Scored) -> str:
    """Return the model card, Markdown: what it is, what it saw, how it did on rows it never saw.

    Args:
        scored: the test rows.
    """
    spec = fitted.spec
    judged = next(s for s in fitted.standings if s.name == DELIVERED)
    seen = reviewed_as(fitted, dataset, scored)
    trust = trust_of(fitted, seen, scored, alerts_of(spec, seen, scored))
    about: tuple[str | Table, ...] = (
        f"Predicts {_predicted(fitted)} (column {spec.data.target}) of one {spec.data.row_text}.",
        f"Data: {told(dataset)}, fingerprint {dataset.fingerprint}.",
        f"{len(parts.train):,} training, {len(parts.valid):,} validation and {len(parts.test):,} test rows, "
        f"split by {parts.by}.",
        Table(
            caption="Figures of the test rows",
            header=("Figure", "Value"),
            rows=tuple((name, f"{value:.4f}") for name, value in judged.metrics.items()),
        ),
        f"Calibration: {fitted.calibration.method}. Alert threshold: {fitted.threshold:.4f}.",
        promise(trust.certainty, spec.task.positive_text) if trust.certainty.miss else "",
        f"State: {fitted.featurizer.plan.bytes_per_entity} bytes per entity.",
    )
    sections = [Section(title="The model", blocks=about)]
    if trust.watched:
        sections.append(Section(title="Groups", blocks=group_blocks(trust)))
    texts = [factor.text for factor in fitted.factors]
    meant = tuple(zip(codes(fitted.factors).values(), texts, strict=True))
    table = Table(caption="What the codes of reasons mean", header=("Code", "Factor"), rows=meant)
    sections.append(Section(title="Reasons", blocks=(table,)))
    lead = "The card of this model folder; `foretell card` writes that of a run."
    return markdown(Document(title=fitted.name, lead=lead, sections=tuple(sections)))


def _predicted(fitted: Fitted) -> str:
    """Return what the model says of a row: how probable an outcome is, which class, or which number."""
    if fitted.coupling is None and fitted.estimator is None:
        return fitted.spec.task.positive_text
    return next(f"the {c.text}" for c in fitted.featurizer.schema.columns if c.role == "target")


def _metrics(fitted: Fitted, dataset: Dataset, scored: Scored, places: Rows) -> tuple[Metric, ...]:
    rows = scored.rows[places]
    found = intervals(
        dataset.target[rows],
        scored.probabilities[places],
        clusters_of(fitted, dataset, scored, rows),
        seed=fitted.spec.train.seed,
    )
    return tuple(Metric(name=each.name, value=each.value, low=each.low, high=each.high) for each in found)


class _Judged:
    """The judged rows with their sets of outcomes."""

    def __init__(self, fitted: Fitted, dataset: Dataset, scored: Scored, places: Rows) -> None:
        assert fitted.certainty is not None
        rows = scored.rows[places]
        self.miss = fitted.certainty.miss
        self.frame = dataset.frame[rows]
        self.labels: NDArray[np.int8] = dataset.target[rows]
        self.clusters: Codes | None = clusters_of(fitted, dataset, scored, rows)
        self.names = fitted.coupling.names if fitted.coupling is not None else ()
        each = both(scored.probabilities[places])
        self.came: NDArray[np.int8] = self.labels
        if fitted.coupling is not None:
            each, self.came = fitted.coupling(scored.logits[places]), classes_of(dataset, rows)
        self.sets: Mask = fitted.certainty.sets(self.frame, each)

    def certainty(self, among: Mask, *, promised: bool) -> Certainty:
        """Return what the sets of some rows held."""
        hits, sizes = self.sets[np.arange(len(self.came)), self.came], self.sets.sum(1)

        def held(rows: Mask) -> Share:
            return _share(rate(hits, among & rows, self.clusters))

        found = Certainty(miss=self.miss, single=float((sizes[among] == 1).mean()), promised=promised)
        if not self.names:
            return replace(found, positives=held(self.came == 1), negatives=held(self.came == 0))
        return replace(
            found,
            whole=held(self.came >= 0),
            classes=tuple(
                Held(name=name, share=held(self.came == code)) for code, name in enumerate(self.names)
            ),
            size=float(sizes[among].mean()),
        )


def classes_of(dataset: Dataset, rows: Rows) -> NDArray[np.int8]:
    """Return the classes of some rows [n], -1 where unknown, whatever the data set's target says of them."""
    target = dataset.column("target")
    assert target is not None, "what several classes are told of has a target"
    return coded(dataset.frame[target.name][rows], target.facts)


def classes_told(fitted: Fitted, dataset: Dataset, scored: Scored) -> tuple[report.Classes, ...]:
    """Return how good the told classes of the test rows are; nothing of two outcomes and numbers."""
    target, coupling = dataset.column("target"), fitted.coupling
    if coupling is None or target is None:
        return ()
    came = classes_of(dataset, scored.rows)
    known = np.flatnonzero(came >= 0)
    came, each = came[known], coupling(scored.logits[known])
    told, frame = each.argmax(axis=1), dataset.frame[scored.rows[known]]
    sets = fitted.certainty.sets(frame, each) if fitted.certainty is not None else None
    right, every = told == came, np.arange(len(came))
    rows = [
        report.ClassRow(
            name=name,
            told=tuple(np.bincount(told[came == code], minlength=len(coupling.names)).tolist()),
            recall=_share(rate(right, came == code)),
            precision=_share(rate(right, told == code)),
            held=Share() if sets is None else _share(rate(sets[every, came], came == code)),
        )
        for code, name in enumerate(coupling.names)
    ]
    found = multiclass.metrics(each, came)
    usual = float((came == int(np.argmax(coupling.rates))).mean())
    return (
        report.Classes(
            text=target.text,
            rows=tuple(rows),
            accuracy=found["accuracy"],
            log_loss=found["log_loss"],
            usual=usual,
        ),
    )


def _share(found: Rate) -> Share:
    return Share(value=found.value, low=found.low, high=found.high)


def _watched(
    dataset: Dataset,
    judged: _Judged,
    grouping: Grouping,
    comparison: Comparison,
    unpromised: set[tuple[str, str]],
) -> Watched:
    codes, names = grouping.codes(judged.frame), list(grouping.names)
    base = {group.name: group for group in comparison.groups}

    def own(group: str, measure: str) -> float:
        measured = base[group].rates["base_rate" if measure == "calibration" else measure].value
        assert measured is not None  # else there would be no difference
        return measured

    def row(group: Group) -> GroupRow:
        shares = {name: _share(found) for name, found in group.rates.items()}
        promised = (grouping.column, group.name) not in unpromised
        return GroupRow(
            name=group.name,
            rows=group.n,
            base_rate=shares["base_rate"],
            alerts=shares["selection"],
            recall=shares["recall"],
            false_alarms=shares["false_alarms"],
            precision=shares["precision"],
            said=group.mean_probability,
            ece=group.ece,
            ece_by_chance=group.ece_by_chance,
            certainty=judged.certainty(codes == names.index(group.name), promised=promised),
        )

    return Watched(
        column=grouping.column,
        text=grouping.text,
        seen=grouping.column in {column.name for column in dataset.inputs()},
        groups=tuple(map(row, comparison.groups)),
        differences=tuple(
            GroupDifference(
                group=each.group,
                other=each.other,
                measure=each.measure,
                value=each.value,
                low=each.low,
                high=each.high,
                own=own(each.group, each.measure),
                ratio=each.ratio,
                p=each.adjusted,
                sure=each.sure,
            )
            for each in comparison.differences
        ),
    )


def _mitigation(fitted: Fitted, dataset: Dataset, scored: Scored) -> Mitigation:
    how, before = fitted.spec.review.mitigate, fitted.unmitigated
    if how == "none" or not before or fitted.certainty is None:
        return Mitigation()
    grouping = fitted.certainty.groupings[0]
    after = figures(fitted, dataset, scored)
    changes = []
    for name, text in FIGURES.items():
        key = f"{name} {grouping.column}" if name.endswith(" by") else name
        if key in before and key in after:
            changes.append(Change(name=key, text=text, before=before[key], after=after[key]))
    return Mitigation(how=how, text=grouping.text, changes=tuple(changes))
