"""The audit of a split: duplicates, shared groups, target leaks, time travel, shifts. Honest tests need it.

Every check always answers, with severity ok when it found nothing.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from foretell import units
from foretell.data.dataset import Dataset
from foretell.data.kinds.time import EPOCH
from foretell.data.leaks import FEW, auc, leak, sample
from foretell.data.split import Split

OK, WARNING, FAULT = "ok", "warning", "fault"
MANY_TWINS = 0.01
"""Share of a part's rows with twins in an earlier part from which its figures mean nothing."""
NEAR = 0.01
"""Numbers closer than about this share of their standard deviation are nearly equal."""
NEAR_NUMBERS = 4
"""Columns of many different numbers from which near equality is hardly an accident."""
ORDERED = 0.75
"""AUC from which ids are said to predict the target."""
SHIFT_Z = 4.0
SHIFT_RATIO = 1.25
MOST_FACES = 10
"""Classes, the most frequent first, of which a column must tell each to be called a leak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFinding:
    """What one check says of the data and their split."""

    check: str
    severity: str
    """ok, warning or fault."""
    message: str
    rows: int = 0
    """Rows concerned."""
    examples: tuple[str, ...] = ()


def audit(dataset: Dataset, split: Split) -> tuple[AuditFinding, ...]:
    """Return one finding or more per check, faults first."""
    findings = [
        *_duplicates(dataset, split),
        *_shared(dataset, split),
        *_leaks(dataset, split),
        *_order(dataset, split),
        *_from_the_future(dataset, split),
        *_ids(dataset, split),
        *_shift(dataset, split),
    ]
    return tuple(sorted(findings, key=lambda finding: (FAULT, WARNING, OK).index(finding.severity)))


def _duplicates(dataset: Dataset, split: Split) -> list[AuditFinding]:
    """Find validation and test rows whose inputs, time and entities also stand in an earlier part."""
    names = [column.name for column in dataset.columns if column.role in ("input", "time", "group")]
    if not names:
        return []
    frame = dataset.frame.select(names)
    exact = _twins(frame, dataset, split, "duplicate rows", "equal in every input")
    numbers = [c.name for c in dataset.inputs("number") if frame[c.name].n_unique() > FEW]
    if len(numbers) < NEAR_NUMBERS:
        return [exact]
    scales = {name: (frame[name].std() or 1.0) * NEAR for name in numbers}
    rounded = frame.with_columns([(pl.col(name) / scale).round() for name, scale in scales.items()])
    near = _twins(
        rounded, dataset, split, "near duplicates", f"equal but for {units.percent(NEAR)} of a deviation"
    )
    if near.rows == exact.rows:
        return [exact, replace(near, severity=OK, message="no near duplicates beside the exact ones")]
    return [exact, replace(near, severity=WARNING)]


def _twins(frame: pl.DataFrame, dataset: Dataset, split: Split, check: str, how: str) -> AuditFinding:
    found, num_rows, worst = [], 0, 0.0
    earlier = frame[split.train].hash_rows()
    for part in (split.valid, split.test):
        hashes = frame[part].hash_rows()
        twin = hashes.is_in(earlier.implode()).to_numpy()
        found.append(part[twin])
        num_rows += len(part)
        worst = max(worst, twin.mean())
        earlier = earlier.append(hashes)
    rows = np.concatenate(found)
    severity = OK if not len(rows) else FAULT if worst > MANY_TWINS else WARNING
    return AuditFinding(
        check=check,
        severity=severity,
        message=f"{len(rows):,} of {num_rows:,} validation and test rows have earlier twins, {how}",
        rows=len(rows),
        examples=tuple(dataset.ids[rows[:3]]),
    )


def _shared(dataset: Dataset, split: Split) -> list[AuditFinding]:
    """Count groups in two parts (a fault of a split by group) and entities that return (usual in streams)."""
    findings = []
    earlier = np.concatenate([split.train, split.valid])
    group = dataset.column("group")
    for column in ([group] if group else []) + list(dataset.inputs("entity")):
        names = dataset.frame[column.name]
        parts = [(split.train, split.valid)] if column is group else []
        parts.append((earlier, split.test))
        shared, rows = set(), 0
        for before, after in parts:
            both = names[after].is_in(names[before].drop_nulls().unique().implode()).fill_null(False)
            rows += int(both.sum())
            shared |= set(names[after].filter(both).unique().to_list())
        if column is not group:
            severity, note = OK, "as streams do: their history is an input"
        elif not rows:
            severity, note = OK, "as it should be"
        elif split.by == "group":
            severity, note = FAULT, "though the split is by group"
        else:
            severity, note = WARNING, f"since the split is by {split.by}"
        findings.append(
            AuditFinding(
                check="shared groups" if column is group else "shared entities",
                severity=severity,
                message=f"{len(shared):,} values of {column.text} stand in more than one part, {note}",
                rows=rows,
                examples=tuple(sorted(shared)[:3]),
            )
        )
    return findings


def _leaks(dataset: Dataset, split: Split) -> list[AuditFinding]:
    """Find inputs that all but equal the target."""
    used = np.concatenate([split.train, split.valid, split.test])
    findings = []
    faces = list(dataset.faces.values())[:MOST_FACES]
    samples = [(sample(used, face), face) for face in faces]
    for column in dataset.inputs():
        series = dataset.frame[column.name]
        told = [leak(series[rows], column.kind, face[rows]) for rows, face in samples]
        if told and all(told):  # a column that tells one class of several apart is no leak
            found, (rows, face) = told[0], samples[0]
            findings.append(
                AuditFinding(
                    check="target leak",
                    severity=FAULT,
                    message=f"{column.text} ({column.name}) {found}: exclude it unless it is known in time",
                    rows=len(used),
                    examples=_pairs(series[rows], face[rows]),
                )
            )
    message = f"none of {len(dataset.inputs()):,} inputs decides the target alone"
    return findings or [AuditFinding(check="target leak", severity=OK, message=message)]


def _pairs(values: pl.Series, target: np.ndarray) -> tuple[str, ...]:
    """Return the most frequent value under each outcome."""
    shown = []
    for label in (1, 0):
        value = values.filter(pl.Series(target == label)).mode().sort()[0]
        shown.append(f"{'positive' if label else 'negative'}: {'missing' if value is None else value}")
    return tuple(shown)


def _order(dataset: Dataset, split: Split) -> list[AuditFinding]:
    """Find test rows older than those before them, and targets not yet known when the test began."""
    if dataset.column("time") is None:
        return []
    at, fitted = dataset.at_us, np.concatenate([split.train, split.valid])
    early = split.test[at[split.test] < at[fitted].max()]
    timely = split.by == "time"
    findings = [
        AuditFinding(
            check="time travel",
            severity=OK if not len(early) else FAULT if timely else WARNING,
            message=f"{len(early):,} test rows are older than the newest training or validation row"
            + (f": the split is by {split.by}, so the test is kinder than use will be" * (not timely)),
            rows=len(early),
            examples=tuple(dataset.ids[early[:3]]),
        )
    ]
    if timely:
        late = fitted[dataset.known_at_us[fitted] > at[split.test].min()]
        findings.append(
            AuditFinding(
                check="unknown targets",
                severity=FAULT if len(late) else OK,
                message=f"{len(late):,} training or validation rows had no known target when the test began",
                rows=len(late),
                examples=tuple(dataset.ids[late[:3]]),
            )
        )
    ahead = np.flatnonzero(dataset.known_at_us < at)
    if len(ahead):
        message = f"{len(ahead):,} targets were known before their event"
        findings.append(AuditFinding(check="time travel", severity=FAULT, message=message, rows=len(ahead)))
    return findings


def _from_the_future(dataset: Dataset, split: Split) -> list[AuditFinding]:
    """Find inputs that hold instants later than their own row."""
    if dataset.column("time") is None:
        return []
    used = np.concatenate([split.train, split.valid, split.test])
    at_seconds = dataset.at_us[used] / 1e6
    findings = []
    for column in (*dataset.inputs("time"), *dataset.inputs("number")):
        values = dataset.frame[column.name][used]
        if column.kind == "time":
            instants = values.to_physical().cast(pl.Float64).to_numpy() / 1e6
        else:
            instants = values.to_numpy()
            known = instants[~np.isnan(instants)]
            if not len(known) or known.min() < EPOCH[0] or known.max() > EPOCH[1]:
                continue
        late = used[instants > at_seconds]
        findings.append(
            AuditFinding(
                check="inputs from the future",
                severity=WARNING if len(late) else OK,
                message=f"{column.text} ({column.name}) is later than its own row in {len(late):,} rows",
                rows=len(late),
                examples=tuple(dataset.ids[late[:3]]),
            )
        )
    return findings


def _ids(dataset: Dataset, split: Split) -> list[AuditFinding]:
    """Find row names (or, without them, the rows' order) that rank the target."""
    face = next(iter(dataset.faces.values()))
    rows = sample(np.concatenate([split.train, split.valid, split.test]), face)
    names = pl.Series(dataset.ids[rows], dtype=pl.String)
    numbers = names.cast(pl.Float64, strict=False)
    ranked = names.rank("dense").cast(pl.Float64) if numbers.has_nulls() else numbers
    area = auc(ranked.to_numpy(), face[rows])
    strong = max(area, 1 - area) > ORDERED
    return [
        AuditFinding(
            check="telling ids",
            severity=WARNING if strong else OK,
            message=f"the order of the row names ranks the target with an AUC of {area:.2f}"
            + (": the file may be sorted by it" * strong),
            rows=len(rows) if strong else 0,
        )
    ]


def _shift(dataset: Dataset, split: Split) -> list[AuditFinding]:
    """Compare the rate of each outcome in the test rows with that of the rows before them."""
    found = [_shifted(name, face, split, len(dataset.classes)) for name, face in dataset.faces.items()]
    return [max(found, key=lambda finding: finding.rows)]


def _shifted(name: str, face: np.ndarray, split: Split, num_classes: int) -> AuditFinding:
    fitted, test = face[np.concatenate([split.train, split.valid])], face[split.test]
    before, after = float(fitted.mean()), float(test.mean())
    pooled = (fitted.sum() + test.sum()) / (len(fitted) + len(test))
    error = np.sqrt(pooled * (1 - pooled) * (1 / len(fitted) + 1 / len(test)))
    ratio = max(after / before, before / after) if min(before, after) > 0 else np.inf
    shifted = abs(after - before) > SHIFT_Z * error and ratio > SHIFT_RATIO
    which = f"'{name}'" if num_classes else "positive"
    return AuditFinding(
        check="target shift",
        severity=WARNING if shifted else OK,
        message=f"{units.percent(before)} of the training and validation rows are {which}, and "
        f"{units.percent(after)} of the test rows",
        rows=len(test) if shifted else 0,
    )
