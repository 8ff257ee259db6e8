"""From what a run found to its report."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import foretell
from foretell import judged, report, units
from foretell.border import dump_spec
from foretell.data.audit import AuditFinding
from foretell.data.dataset import Dataset
from foretell.data.split import Split
from foretell.dependence import agreed, dependence
from foretell.evidence.history import Past
from foretell.evidence.scene import iso, share_unit, stamps
from foretell.prediction.alerts import Alerts, alerts_of
from foretell.prediction.faces import outcome_text
from foretell.prediction.fitted import Fitted, Scored
from foretell.records import Case
from foretell.spec import TaskSpec
from foretell.tasks.classify import BLOCK, periods, reliability, room
from foretell.trust import classes_told, trust_of

EXAMPLES = 5
TIMELINE = 40
SECOND_US = 1_000_000
SEVERITY = {"ok": "ok", "warning": "warning", "fault": "error"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """All that a report is made of."""

    fitted: Fitted
    dataset: Dataset
    parts: Split
    findings: tuple[AuditFinding, ...]
    scored: Scored
    alerts: Alerts
    metrics: Mapping[str, float]
    cases: tuple[Case, ...]
    num_sentences: int
    cpu_seconds: float


def write(folder: Path, material: Material) -> None:
    """Write report.html, and report.json from which it can be drawn again."""
    report.write(report_of(material), folder / "report.html")


def report_of(material: Material) -> report.RunReport:
    """Return the report as a record."""
    fitted, spec = material.fitted, material.fitted.spec
    kept = np.flatnonzero(~material.alerts.retired)
    known = kept[material.dataset.target[material.scored.rows[kept]] >= 0]
    labels = material.dataset.target[material.scored.rows[known]]
    probabilities = material.scored.probabilities[known]
    curves, pairs = dependence(fitted, material.dataset, material.scored)
    return report.RunReport(
        title=_title(material),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        spec_yaml=dump_spec(spec),
        row_text=spec.data.row_text,
        outcome_text=spec.task.positive_text,
        summary=_summary(material, labels),
        data=_data(material.dataset),
        parts=_parts(material),
        audit=tuple(
            report.AuditFinding(check=f.check, severity=SEVERITY[f.severity], message=f.message)
            for f in material.findings
        ),
        leaderboard=judged.leaderboard(fitted, material.metrics),
        curves=judged.curves(fitted, material.scored, known, labels, _threshold(material)),
        workload=_workload(material, labels),
        estimates=judged.estimates(fitted, material.dataset, material.scored),
        classes=classes_told(fitted, material.dataset, material.scored),
        share_unit=share_unit(fitted),
        reliability=tuple(
            report.ReliabilityBin(predicted=b.predicted, observed=b.observed, n=b.n, low=b.low, high=b.high)
            for b in reliability(probabilities, labels)
        ),
        ece=material.metrics["ece"],
        trust=trust_of(fitted, material.dataset, material.scored, material.alerts, exact=True),
        factors=_factors(material.cases),
        dependence=curves,
        interactions=pairs,
        agreement=agreed(fitted, material.scored),
        examples=_examples(material),
        limits=_limits(material),
        provenance={
            "foretell": foretell.__version__,
            "model": fitted.digest,
            "data": material.dataset.fingerprint,
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
        },
    )


def _title(material: Material) -> str:
    """Return what was looked for, and where: the class or the number, or the outcome.

    An outcome without a name is told by its column's value.
    """
    fitted, target = material.fitted, material.dataset.column("target")
    rows = units.plural(fitted.spec.data.row_text)
    if target is not None and (fitted.coupling is not None or fitted.estimator is not None):
        return f"{target.text[:1].upper() + target.text[1:]} of {rows}"
    task = fitted.spec.task
    named = task.positive_text != TaskSpec().positive_text or target is None
    what = (
        task.positive_text[:1].upper() + task.positive_text[1:]
        if named
        else f"{target.name} = {target.facts['positive']}"
    )
    return f"{what} among {rows}"


def _summary(material: Material, labels: NDArray[np.int8]) -> report.Summary:
    spec = material.fitted.spec
    positive = material.dataset.target[material.alerts.rows] == 1
    entity = next((c.text for c in material.dataset.columns if c.name == spec.review.entity), "")
    return report.Summary(
        scored=len(material.scored.rows),
        positives=int(labels.sum()),
        alerts=len(material.alerts.rows),
        cases=len(material.cases),
        sentences=material.num_sentences,
        threshold=_threshold(material),
        abstained=sum(case.prediction.abstained for case in material.cases),
        capacity=float(spec.review.capacity),
        per="day"
        if material.dataset.column("time") is not None
        else f"thousand {units.plural(spec.data.row_text)}",
        alert_entity=entity,
        average_precision=material.metrics.get("average_precision"),
        precision=float(positive.mean()) if len(positive) else None,
        recall=float(positive.sum() / labels.sum()) if labels.sum() else None,
        cpu_seconds=material.cpu_seconds,
        by_cost=bool(spec.review.cost_miss) and len(material.alerts.rows) < _reviews(material),
    )


def _threshold(material: Material) -> float:
    """Return the probability from which a row typically became an alert."""
    thresholds = material.alerts.thresholds
    return float(np.median(thresholds)) if len(thresholds) else material.fitted.threshold


def _reviews(material: Material) -> int:
    """Return how many reviews the capacity allows over the test rows."""
    dataset, rows = material.dataset, material.scored.rows
    timed = dataset.column("time") is not None
    sizes = np.unique(periods(dataset.at_us[rows], timed=timed), return_counts=True)[1]
    return sum(room(material.fitted.spec.review.capacity, size, timed=timed) for size in sizes.tolist())


def _data(dataset: Dataset) -> report.DataSummary:
    return report.DataSummary(
        source=_shown(dataset.spec.data.source),
        rows=len(dataset) if dataset.drawn is None else dataset.drawn.plain,
        source_rows=len(dataset) if dataset.drawn is None else dataset.drawn.rows,
        fingerprint=dataset.fingerprint,
        columns=tuple(
            report.Column(name=c.name, kind=c.kind, role=c.role, unit=c.unit, reason=c.reason)
            for c in dataset.columns
        ),
        repairs=tuple(
            report.Repair(column=r.column, fault=r.rule, action=r.action, count=r.rows)
            for r in dataset.repairs
        ),
    )


def _shown(source: str) -> str:
    """Return a path as seen from the working folder, or the source as it stands when it is elsewhere."""
    path = Path(source)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else source


def _parts(material: Material) -> tuple[report.Part, ...]:
    dataset, parts = material.dataset, material.parts
    timed = dataset.column("time") is not None
    found = []
    for name in ("history", "train", "valid", "test"):
        rows: NDArray[np.int64] = getattr(parts, name)
        if len(rows) == 0:
            continue
        # The end is exclusive, to the second; the last row is inside.
        span = (iso(dataset.at_us[rows[0]]), iso(dataset.at_us[rows[-1]] + SECOND_US)) if timed else ("", "")
        found.append(
            report.Part(
                name=name,
                rows=len(rows),
                positives=None if dataset.classes else int((dataset.target[rows] == 1).sum()),
                from_at=span[0],
                until_at=span[1],
                reason=parts.reason if name == "test" else "",
            )
        )
    return tuple(found)


def _workload(material: Material, labels: NDArray[np.int8]) -> report.Workload:
    """Try every workload up to three times the stated capacity on the test rows."""
    spec, dataset = material.fitted.spec, material.dataset
    top = max(3 * spec.review.capacity, 3)
    sizes = np.unique([*np.linspace(1, top, 30).round().astype(int), spec.review.capacity])
    precision, recall, cost, alerts_each = [], [], [], []
    timed = dataset.column("time") is not None
    scored = material.scored.rows
    num_periods = len(np.unique(periods(dataset.at_us[scored], timed=True))) if timed else len(scored) / BLOCK
    for size in sizes.tolist():
        rows = alerts_of(spec, dataset, material.scored, capacity=size).rows
        hits = int((dataset.target[rows] == 1).sum())
        precision.append(hits / max(len(rows), 1))
        recall.append(hits / max(int(labels.sum()), 1))
        alerts_each.append(len(rows) / num_periods)
        missed = int(labels.sum()) - hits
        cost.append((len(rows) * spec.review.cost_review + missed * spec.review.cost_miss) / num_periods)
    return report.Workload(
        alerts=tuple(alerts_each),
        precision=tuple(precision),
        recall=tuple(recall),
        cost=tuple(cost) if spec.review.cost_miss else (),
    )


def _factors(cases: tuple[Case, ...]) -> tuple[report.Factor, ...]:
    """Return how much each factor moved the scores of the cases, the strongest first."""
    moves: dict[str, list[float]] = {}
    for case in cases:
        for fact in case.evidence.of("attribution"):
            if isinstance(fact.value, float):
                moves.setdefault(fact.text, []).append(fact.value)
    factors = [
        report.Factor(
            name=name, strength=float(np.mean(np.abs(values))), raises=float(np.mean(np.array(values) > 0))
        )
        for name, values in moves.items()
    ]
    return tuple(sorted(factors, key=lambda factor: -factor.strength))


def _examples(material: Material) -> tuple[report.Example, ...]:
    """Return cases from the highest score to the lowest, evenly spread."""
    if not material.cases:
        return ()
    order = np.argsort([-case.prediction.probability for case in material.cases], kind="stable")
    picked = order[np.unique(np.linspace(0, len(order) - 1, EXAMPLES).round().astype(int))]
    pasts = {name: Past(codes) for name, codes in material.scored.codes.items()}
    outcomes = {1: "positive", 0: "negative", -1: "unknown"}
    alerts = material.alerts.rows.tolist()
    row_of = {str(name): row for name, row in zip(material.dataset.ids[alerts], alerts, strict=True)}
    chosen = [(material.cases[index], row_of[material.cases[index].id]) for index in picked.tolist()]
    return tuple(
        report.Example(
            case=case,
            timelines=_timelines(material, case, row, pasts),
            outcome=outcomes[int(material.dataset.target[row])],
            truth=_truth(material, row),
        )
        for case, row in chosen
    )


def _truth(material: Material, row: int) -> str:
    """Return the class or the number that a row turned out to be, where it is known."""
    fitted, dataset = material.fitted, material.dataset
    target = dataset.column("target")
    held = dataset.frame[target.name][row] if target is not None else None
    if held is None or target is None:
        return ""
    if fitted.estimator is not None:
        return units.write(held, target.unit)
    return outcome_text(fitted, str(held)) if fitted.coupling is not None else ""


def _timelines(
    material: Material, case: Case, row: int, pasts: Mapping[str, Past]
) -> tuple[report.Timeline, ...]:
    dataset = material.dataset
    numbers = dataset.inputs("number")
    if dataset.column("time") is None:
        return ()
    values = dataset.frame[numbers[0].name].to_numpy() if numbers else None
    stamp = stamps(dataset.at_us)
    shares = {fact.name: fact.value for fact in case.evidence.of("past_event")}
    labels = {1: "positive", 0: "negative", -1: "unknown"}

    def event(index: int, *, past: bool) -> report.PastEvent:
        known = past and bool(dataset.known_at_us[index] <= dataset.at_us[row])
        share = shares.get(str(dataset.ids[index])) if past else None
        value = None if values is None or not np.isfinite(values[index]) else float(values[index])
        return report.PastEvent(
            at=stamp(dataset.at_us[index]),
            value=value,
            label=labels[int(dataset.target[index])] if past else "unknown",
            known=known,
            share=share if isinstance(share, float) else None,
        )

    earlier = {column.name: pasts[column.name].before(row) for column in dataset.inputs("entity")}
    return tuple(
        report.Timeline(
            role=column.text,
            entity=case.prediction.entities[column.name],
            alert=event(row, past=False),
            events=tuple(event(i, past=True) for i in earlier[column.name][-TIMELINE:].tolist()),
            this="alert",
            chosen="the latest" if len(earlier[column.name]) > TIMELINE else "",
            value_text=numbers[0].text if numbers else "",
            unit=numbers[0].unit if numbers else "",
        )
        for column in dataset.inputs("entity")
        if column.name in case.prediction.entities
    )


def _limits(material: Material) -> tuple[str, ...]:
    spec, reference = material.fitted.spec, material.fitted.reference
    rows = units.plural(spec.data.row_text)
    limits = [
        "A factor says what moved the model's score, not what caused the outcome.",
        f"Probabilities were calibrated on {len(reference.labels):,} {rows}; what changed in the world since "
        "is not in them.",
        "A counterfactual changes a row's own values and leaves the past as it was; it advises nobody.",
    ]
    if spec.data.label_delay not in ("0s", ""):
        limits.append(
            f"Outcomes become known {spec.data.label_delay} late; what happened since is not known."
        )
    if spec.review.retire_known:
        limits.append(
            f"{int(material.alerts.retired.sum()):,} {rows} were left out of the queue: their entity had "
            f"been found positive in the {spec.review.retire_for} before."
        )
    return tuple(limits)
