"""Watching: new rows are held against a model's past, day by day; the evidence is kept with the run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from glob import glob, has_magic
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foretell import champions
from foretell.data.dataset import Dataset, fingerprint
from foretell.data.reading import read as read_rows
from foretell.data.split import EPOCH
from foretell.errors import CheckpointError, DataError
from foretell.files import write_whole
from foretell.prediction.alerts import reviewed
from foretell.prediction.expected import Expected, expected
from foretell.prediction.faces import reviewed_as
from foretell.prediction.fitted import Fitted, Scored
from foretell.prediction.folder import open_fitted
from foretell.prediction.monitor import RECENT, Batch, Monitor, Sketch, weekday_of
from foretell.prediction.monitor_file import plain_monitor, read_monitor
from foretell.prediction.sketch import Placed, Watched, placed, tallied
from foretell.records import canonical
from foretell.tasks.classify import BLOCK, DAY_US, metrics, periods
from foretell.tasks.multiclass import doubts
from foretell.telling import Tell, quiet
from foretell.units import seconds
from foretell.workflow import alone

STATE, FORMAT = "watch.json", 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a look at new rows found."""

    monitor: Monitor
    counted: int
    """Batches that were counted for the first time."""
    known: int
    """Batches that had been counted before, and were not again."""
    judged: int
    """Batches whose outcomes were counted for the first time."""
    expected: Mapping[str, Expected]
    """Metric -> what to expect of the rows of the last RECENT batches that were read, if the probabilities
    hold; empty where they were not scored."""
    came: Mapping[str, float]
    """Metric -> what came, of those of the same rows whose outcome is known."""
    rows: int
    """Rows of those batches."""
    outcomes: int
    """Of these, rows whose outcome is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Rows that make a batch."""

    key: str
    digest: str
    rows: NDArray[np.int64]
    day: int
    """Since 1970; 0 where rows have no time."""


def watch(folder: Path | str, *sources: str | Path, tell: Tell = quiet, now: datetime | None = None) -> Watch:
    """Hold new rows against the past of the model in use, and keep the evidence in `watch.json`.

    Rows with time are counted by whole UTC days, in their order; without time, each source by blocks of about
    a thousand rows. A batch counts once, whoever gives it again. Outcomes are counted when `label_delay` is
    over.

    Args:
        folder: of a run.
        sources: files, globs or SQL URLs of new rows. A model with entities needs all rows since its own
            data ended, since their past is read too.
        tell: told what is left out, and why.
        now: days that are not over by then wait for a later call; the present if not given.

    Raises:
        CheckpointError: when the model was fitted before sketches were kept, or the state cannot be read.
        DataError: when the rows cannot be read, lack a column, or hold no value of its kind.
        StoreError: when another call is writing to the folder.
    """
    folder = Path(folder)
    fitted = open_fitted(champions.settled(folder))
    if fitted.sketch is None:
        raise CheckpointError(
            f"the model of '{folder}' holds no sketch of its past to compare new rows with: it was fitted by "
            "an older version",
            "fit it again",
        )
    with alone(folder):
        monitor = _opened(folder / STATE, fitted, fitted.sketch, tell)
        dataset, ends = _joined(fitted, sources)
        parts = _parts(fitted, dataset, ends, now or datetime.now(UTC), tell)
        scored = _scored(fitted, monitor, dataset, parts, tell)
        found = _watched(fitted, monitor, dataset, parts, scored, now or datetime.now(UTC), tell)
        state = {"format": FORMAT, **plain_monitor(found.monitor)}
        write_whole(folder / STATE, canonical(state) + b"\n")
    return found


def _opened(path: Path, fitted: Fitted, sketch: Sketch, tell: Tell) -> Monitor:
    """Return where the monitoring stood; a new model begins anew."""
    if not path.exists():
        return Monitor.begun(sketch, fitted.digest)
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        if held["model"] == fitted.digest and held["format"] == FORMAT:
            return read_monitor(held, sketch)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"'{path}' cannot be read: {error!r}", "take it away to begin watching anew"
        ) from error
    tell("another model was watched here before: watching begins anew")
    return Monitor.begun(sketch, fitted.digest)


def _joined(fitted: Fitted, sources: Sequence[str | Path]) -> tuple[Dataset, list[int]]:
    """Return the rows of all sources, in order of time where they have one, and where each source ends.

    A source that holds just what another does is read over, and so are rows of an id that came before.
    """
    found: dict[str, Dataset] = {}
    for source in dict.fromkeys(file for given in sources for file in _files(str(given))):
        spec = replace(fitted.spec, data=replace(fitted.spec.data, source=source))
        dataset = read_rows(spec, columns=fitted.featurizer.schema.columns)
        _check_kinds(dataset, source)
        found.setdefault(dataset.fingerprint, dataset)
    each = list(found.values())
    if len(each) == 1:
        return each[0], [len(each[0])]
    frame = pl.concat([dataset.frame for dataset in each], how="diagonal")
    joined = replace(
        max(each, key=lambda dataset: len(dataset.columns)),
        frame=frame,
        **{
            name: np.concatenate([getattr(dataset, name) for dataset in each])
            for name in ("target", "at_us", "known_at_us", "ids", "beyond")
        },
    )
    kept = np.arange(len(joined))
    if joined.column("id") is not None:
        kept = np.sort(np.unique(joined.ids.astype(str), return_index=True)[1])
    ends = np.searchsorted(kept, np.cumsum([len(dataset) for dataset in each])).tolist()
    if joined.column("time") is not None:
        kept = kept[np.argsort(joined.at_us[kept], kind="stable")]
    return joined.take(kept), ends


def _files(source: str) -> list[str]:
    """Return the files of a glob, which may differ in whether they hold outcomes; else what was given."""
    if "://" in source or not has_magic(source):
        return [source]
    return sorted(glob(source, recursive=True)) or [source]  # noqa: PTH207 - takes any pattern


def _check_kinds(dataset: Dataset, source: str) -> None:
    """Refuse columns that hold values, but none of their kind: a slip that is no drift."""
    for column in dataset.inputs():
        wrong = [r for r in dataset.repairs if r.column == column.name and r.rule != "missing"]
        if wrong and not dataset.frame[column.name].count():
            seen = wrong[0].example
            raise DataError(
                f"no value of column '{column.name}' in {source} is a {column.kind}, as in {seen}",
                "give the columns as the model's data had them",
            )


def _parts(fitted: Fitted, dataset: Dataset, ends: Sequence[int], now: datetime, tell: Tell) -> list[_Part]:
    """Return the batches: whole days after the model's own, or blocks."""
    kept = [column.name for column in dataset.columns if column.role in ("input", "time", "id", "group")]
    frame = dataset.frame.select(kept)
    if dataset.column("time") is None:
        return [_block(frame, rows) for rows in _blocks(ends)]
    days = dataset.at_us // DAY_US
    found = []
    for day in np.unique(days).tolist():
        key, rows = _date(day), np.flatnonzero(days == day)
        if key < fitted.reference.choose_until:
            tell(f"left out: {key}, which the model was fitted on")
        elif _end(day) > now:
            tell(f"not counted yet: {key}, which is not over")
        else:
            found.append(_Part(key=key, digest=fingerprint(frame[rows])[:16], rows=rows, day=day))
    return found


def _blocks(ends: Sequence[int]) -> list[NDArray[np.int64]]:
    """Return the rows of each source in equal blocks of about BLOCK."""
    found = []
    for start, end in zip([0, *ends], ends, strict=False):
        found += np.array_split(np.arange(start, end), max(1, round((end - start) / BLOCK)))
    return [rows for rows in found if len(rows)]


def _block(frame: pl.DataFrame, rows: NDArray[np.int64]) -> _Part:
    digest = fingerprint(frame[rows])[:16]
    return _Part(key=digest, digest=digest, rows=rows, day=0)


def _date(day: int) -> str:
    return (EPOCH + timedelta(days=day)).date().isoformat()


def _end(day: int) -> datetime:
    return EPOCH + timedelta(days=day + 1)


def _scored(
    fitted: Fitted, monitor: Monitor, dataset: Dataset, parts: Sequence[_Part], tell: Tell
) -> Scored | None:
    """Return the scores; None where the past of entities was not given, which a score would need."""
    missing = {batch.key for batch in monitor.batches} - {part.key for part in parts}
    if dataset.inputs("entity") and missing:
        tell(
            f"the score and the outcomes are not watched this time: the rows of {len(missing):,} counted "
            "batches were not given, and the model needs them for the past of its entities"
        )
        return None
    return fitted.score(dataset, np.arange(len(dataset)), after=fitted.snapshot)


def _watched(
    fitted: Fitted,
    monitor: Monitor,
    dataset: Dataset,
    parts: Sequence[_Part],
    scored: Scored | None,
    now: datetime,
    tell: Tell,
) -> Watch:
    """Count the batches that are new, and the outcomes that are."""
    columns = monitor.layout.columns
    dataset, placed_in = _placed(fitted, columns, dataset, scored)
    held = {batch.key: batch for batch in monitor.batches}
    counted = known = judged = 0
    delay = timedelta(seconds=seconds(fitted.spec.data.label_delay))
    for part in parts:
        if part.key in held:
            known += 1
            if held[part.key].digest != part.digest:
                tell(f"{part.key} was counted before, with other rows: it counts as it was then")
                continue
        elif part.day and monitor.batches and part.key < monitor.batches[-1].key:
            tell(f"left out: {part.key}, since later days were counted before it")
            continue
        else:
            counted += 1
            batch = Batch(key=part.key, digest=part.digest, rows=len(part.rows))
            weekday = weekday_of(part.day) if part.day else 0
            monitor = monitor.after(batch, tallied(columns, placed_in, part.rows), weekday)
            held[part.key] = batch
        rows = part.rows[dataset.target[part.rows] >= 0]
        due = not part.day or _end(part.day) + delay <= now
        if scored is not None and len(rows) and due and not held[part.key].outcomes:
            labels = dataset.target[rows].astype(np.float64)
            monitor = monitor.judged(part.key, scored.probabilities[rows], labels)
            judged += 1
    late = np.concatenate([part.rows for part in parts[-RECENT:]]) if parts else np.zeros(0, np.int64)
    seen = late[dataset.target[late] >= 0]
    return Watch(
        monitor=monitor.brought_up(),
        counted=counted,
        known=known,
        judged=judged,
        expected={} if scored is None else _expected(fitted, dataset, scored, late),
        came={} if scored is None or not len(seen) else _came(fitted, dataset, scored, seen),
        rows=len(late),
        outcomes=len(seen),
    )


def _placed(
    fitted: Fitted, columns: Sequence[Watched], dataset: Dataset, scored: Scored | None
) -> tuple[Dataset, Placed]:
    """Return the rows as they are counted, and the data as the review sees it."""
    if scored is None:
        nothing = np.full(len(dataset), np.nan)
        return dataset, placed(columns, dataset, nothing, nothing)
    if fitted.coupling is None:
        return dataset, placed(columns, dataset, scored.logits, scored.probabilities)
    each = fitted.coupling(scored.logits)
    told = pl.Series(np.array(fitted.coupling.names)[each.argmax(axis=1)])
    seen = placed(columns, dataset, doubts(each), scored.probabilities, told)
    return reviewed_as(fitted, dataset, scored), seen


def _expected(
    fitted: Fitted, dataset: Dataset, scored: Scored, rows: NDArray[np.int64]
) -> Mapping[str, Expected]:
    """Return the metrics to expect; of several classes how often the told one is right."""
    timed = dataset.column("time") is not None
    if fitted.sketch is None or not len(rows):
        return {}
    found = expected(
        scored.probabilities[rows],
        fitted.sketch.residuals,
        period=periods(dataset.at_us[rows], timed=timed),
        entity=reviewed(fitted.spec, dataset, scored.codes)[rows],
        capacity=fitted.spec.review.capacity,
        timed=timed,
        seed=fitted.spec.train.seed,
    )
    if fitted.coupling is None:
        return found
    wrong = found["positives"]
    accuracy = [1 - count / len(rows) for count in (wrong.value, wrong.high, wrong.low)]
    return {"accuracy": Expected(value=accuracy[0], low=accuracy[1], high=accuracy[2])}


def _came(fitted: Fitted, dataset: Dataset, scored: Scored, rows: NDArray[np.int64]) -> Mapping[str, float]:
    labels = dataset.target[rows]
    if fitted.coupling is not None:
        return {"accuracy": float((labels == 0).mean())}
    return {"positives": float(labels.sum()), **metrics(scored.probabilities[rows], labels)}
