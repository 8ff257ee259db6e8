"""Learning from decisions: labelled rows and text pairs, a challenger, how it does against the champion."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from foretell import champions, trust, truths, units
from foretell.cases import Store, approved_texts, labelled_rows
from foretell.cases.feedback import Label, effective_size
from foretell.champions import CHALLENGERS, COMPARISON
from foretell.data.dataset import NEVER_US, Dataset
from foretell.data.split import Split, split
from foretell.errors import DataError, SpecError
from foretell.files import write_whole
from foretell.models.family import Rows
from foretell.prediction import ladder
from foretell.prediction.alerts import reviewed
from foretell.prediction.comparison import Comparison, compare, compare_classes, compare_numbers
from foretell.prediction.fitted import Fitted
from foretell.prediction.folder import open_fitted, write_fitted
from foretell.records import canonical, plain
from foretell.tasks.classify import DAY_US, Floats
from foretell.telling import Tell, quiet
from foretell.workflow import alone
from foretell.workflow import read as read_rows

SOURCES = ("source", "decisions")
"""Whose word counts first on a row's outcome: the data's where they know it by then, or people's."""
MIDNIGHT = "T00:00:00+00:00"
LABELS, PAIRS = "labels.parquet", "pairs.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What people's decisions brought."""

    num_labels: int
    num_positives: int
    num_true: int
    """Those of which people said which class or which number they were."""
    num_pairs: int
    effective_rows: float
    """How many labels of equal weight tell as much."""
    folder: Path
    """Where labels.parquet and pairs.jsonl are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A challenger, and how it did."""

    taught: Taught
    champion: str
    """Digest of the model that was to be beaten."""
    challenger: str
    folder: Path
    """Of the challenger: model and comparison.json."""
    labels: str
    """Whose word counted first: source or decisions."""
    until: str
    """Instant before which rows taught the challenger, and from which on rows compared."""
    num_decided: int
    """Decided rows that taught it, and whose outcome they got from people."""
    comparison: Comparison


def learn(
    folder: Path | str,
    *,
    labels: str = "source",
    until: str = "",
    store: str = "",
    key: str = "",
    tell: Tell = quiet,
) -> Learned:
    """Refit a run's model on what people decided, and compare it with the present one on later rows.

    The challenger is left beside the champion, whatever comes out: only people put it in its place.

    Args:
        folder: of the run.
        labels: `source`: decisions stand in where the data do not know the outcome by `until`; `decisions`:
            they also overrule the data, and the models are compared on decided rows alone.
        until: instant before which rows teach and from which on they compare. If not given: the end of the
            run's test rows where the data go on after it, else the middle of the decided rows.
        store: URL of the store; the run's own if not given.
        key: of whom registers the challenger there.

    Raises:
        AccessError: when the key is nobody's.
        SpecError: when `labels` is neither, or `until` no instant.
        DataError: when nothing was decided, or there are no later rows to compare on.
    """
    folder = Path(folder)
    if labels not in SOURCES:
        raise SpecError(f"unknown source of labels '{labels}'", f"write {' or '.join(SOURCES)}")
    with alone(folder):
        url = store or f"sqlite:///{folder / 'cases.db'}"
        said, taught = _told(folder, url)
        champions.register(url, key)  # a key that is nobody's is told before the fit
        tell(_words(taught))
        champion = open_fitted(champions.settled(folder))
        dataset = read_rows(champion.spec)
        _timed(dataset)
        rows, found = _placed(dataset, truths.named(dataset, said))
        seen = _seen(champion)
        at = (
            _instant(until) if until else _middle(dataset, champion, rows[dataset.at_us[rows] > seen], labels)
        )
        if at <= seen:
            raise DataError(
                f"the model in use was fitted on rows until {_iso(seen)}: it cannot be judged on them",
                "give a later --until",
            )
        learned = _climbed(folder, champion, dataset, (rows, found), labels, at, taught, tell)
        champions.register(url, key, champions.entries(folder, learned.challenger, made_now=True))
        return learned


def _told(folder: Path, url: str) -> tuple[tuple[Label, ...], Taught]:
    """Write what people said beside the run: labelled rows, and pairs of evidence and text."""
    with Store(url, create=False) as store:
        said = labelled_rows(store)
        pairs = [*approved_texts(store)]
    place = folder / "learning"
    place.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame([plain(row) for row in said], schema=_schema())
    frame.write_parquet(place / LABELS)
    write_whole(place / PAIRS, b"".join(canonical(pair) + b"\n" for pair in pairs))
    return said, Taught(
        num_labels=len(said),
        num_positives=sum(row.label for row in said),
        num_true=sum(bool(row.truth) for row in said),
        num_pairs=len(pairs),
        effective_rows=effective_size(row.weight for row in said),
        folder=place,
    )


def _schema() -> Mapping[str, Any]:
    kinds = {"label": pl.Int8(), "inclusion": pl.Float64(), "weight": pl.Float64()}
    return {name: kinds.get(name, pl.String()) for name in Label.__dataclass_fields__}


def _words(taught: Taught) -> str:
    named = f"; of {taught.num_true:,} it was said what they were" if taught.num_true else ""
    decided = f"{taught.num_labels:,} rows were decided, {taught.num_positives:,} of them positive{named}"
    weighted = f"weighted for all rows they tell as much as {taught.effective_rows:,.0f}"
    return f"{decided}; {weighted}; {taught.num_pairs:,} texts were approved"


def _timed(dataset: Dataset) -> None:
    if dataset.column("time") is None or dataset.spec.split.by not in ("", "time"):
        raise DataError(
            "models are compared on later rows, and these rows have no time or are not split by it",
            "the labels and texts are written; refit on them with your own split",
        )


def _placed(dataset: Dataset, said: tuple[Label, ...]) -> tuple[Rows, tuple[Label, ...]]:
    """Return the decided rows that are in the data, in their order, and what was said of each."""
    place = {str(name): row for row, name in enumerate(dataset.ids)}
    pairs = sorted(
        ((place[label.id], label) for label in said if label.id in place), key=lambda pair: pair[0]
    )
    if not pairs:
        where = dataset.spec.data.source
        drawn = "the rows that were drawn from " * (dataset.drawn is not None)
        raise DataError(
            f"nothing to learn from: of {len(said):,} decided rows, none is in {drawn}{where}",
            "raise `data.rows`" if drawn else "decide cases first: foretell desk",
        )
    return np.array([row for row, _ in pairs], dtype=np.int64), tuple(label for _, label in pairs)


def _instant(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise SpecError(f"'{text}' is no instant", "write it as 2018-08-08 or 2018-08-08T14:00") from error
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()) * 1_000_000


def _seen(champion: Fitted) -> int:
    """Return the instant until which rows taught or chose a model."""
    chosen, tested = champion.reference.choose_until, champion.spec.split.test_from
    return max(_instant(chosen), _instant(tested) - 1 if tested else 0)


def _middle(dataset: Dataset, champion: Fitted, rows: Rows, labels: str) -> int:
    """Return from when on rows compare: behind the run's test rows where there are any, else amid them."""
    ended = champion.spec.split.test_until
    end = _instant(ended) if ended else NEVER_US
    later = dataset.target[dataset.at_us >= end]
    if labels == "source" and (later >= 0 if truths.many(dataset) else later == 1).any():
        return end
    if not len(rows):
        raise DataError("no decided row is newer than those of the model in use", "decide newer cases first")
    middle = int(dataset.at_us[rows[len(rows) // 2]])
    day = middle - middle % DAY_US
    return day if day > dataset.at_us[rows[0]] else middle


def _climbed(
    folder: Path,
    champion: Fitted,
    dataset: Dataset,
    decided: tuple[Rows, tuple[Label, ...]],
    labels: str,
    at: int,
    taught: Taught,
    tell: Tell,
) -> Learned:
    """Fit the challenger on what was known by an instant, and compare it from there on."""
    told, parts, weights, teaching = _material(champion, dataset, decided, labels, at)
    until = parts.bounds["test_from"]
    known = f"of {len(teaching):,} of them people said the outcome"
    tell(f"refitting on rows before {units.instant(until.removesuffix(MIDNIGHT))}; {known}")
    training = folder / CHALLENGERS / "training"
    shutil.rmtree(training, ignore_errors=True)  # what a killed refit left may be of other rows
    challenger, scored = ladder.fit(told.spec, told, parts, folder=training, tell=tell, weights=weights)
    shutil.rmtree(training, ignore_errors=True)
    comparison = _compared(champion, challenger, *_later_rows(told, parts, decided, labels, at))
    # A model without comparison.json won nothing: whoever is killed here leaves none that could be promoted.
    place = folder / CHALLENGERS / "new"
    shutil.rmtree(place, ignore_errors=True)
    card = trust.card(challenger, told, parts, scored)
    digest = write_fitted(challenger, place / "model", fingerprint=told.fingerprint, card=card)
    learned = Learned(
        taught=taught,
        champion=champion.digest,
        challenger=digest,
        folder=folder / CHALLENGERS / digest[:12],
        labels=labels,
        until=until,
        num_decided=len(teaching),
        comparison=comparison,
    )
    shutil.rmtree(learned.folder, ignore_errors=True)
    place.rename(learned.folder)
    write_whole(learned.folder / COMPARISON, canonical(figures(learned)) + b"\n")
    return learned


def figures(learned: Learned) -> Mapping[str, Any]:
    """Return what comparison.json says, and what people agree to when they promote the challenger."""
    found = learned.comparison
    return {
        "champion": learned.champion,
        "challenger": learned.challenger,
        "until": learned.until,
        "labels": learned.labels,
        "num_decided": learned.num_decided,
        "won": found.won,
        **{name: value for name, value in plain(found).items() if value is not None},
    }


def _material(
    champion: Fitted, dataset: Dataset, decided: tuple[Rows, tuple[Label, ...]], labels: str, at: int
) -> tuple[Dataset, Split, Floats, Rows]:
    """Return the data with what people said in them, their parts, all rows' weights, and the decided rows.

    When an outcome reaches the states of later rows does not change: in use it would not come sooner either.
    """
    rows, said = decided
    taken = dataset.at_us[rows] < at
    if labels == "source":
        taken &= (dataset.target[rows] < 0) | (dataset.known_at_us[rows] > at)
    teaching = rows[taken]
    weights = np.ones(len(dataset))
    taught = truths.with_answers(
        dataset, teaching, [label for label, kept in zip(said, taken, strict=True) if kept]
    )
    asked = champion.spec.split
    until = asked.test_until if asked.test_until and _instant(asked.test_until) > at else ""
    asked = replace(asked, train_until="", test_from=_iso(at), test_until=until)
    told = replace(taught, spec=replace(champion.spec, split=asked))
    parts = split(told)
    # Of these the data do not know the outcome yet, so that only those who were asked about can teach.
    alone_known = np.isin(teaching, parts.history)
    weights[teaching[alone_known]] = np.array([label.weight for label in said])[taken][alone_known]
    added = teaching[alone_known]
    parts = replace(parts, train=np.union1d(parts.train, added), history=np.setdiff1d(parts.history, added))
    return told, parts, weights, teaching


def _later_rows(
    told: Dataset, parts: Split, decided: tuple[Rows, tuple[Label, ...]], labels: str, at: int
) -> tuple[Dataset, Rows, Floats]:
    """Return the data with the outcomes to compare by, the rows, and how many rows each stands for."""
    if labels == "source":
        return told, parts.test, np.ones(len(parts.test))
    rows, said = decided
    after = (told.at_us[rows] >= at) & ~told.beyond[rows]
    kept = [label for label, later in zip(said, after, strict=True) if later]
    return (
        truths.with_answers(told, rows[after], kept),
        rows[after],
        np.array([1 / x.inclusion for x in kept]),
    )


def _compared(champion: Fitted, challenger: Fitted, told: Dataset, rows: Rows, behind: Floats) -> Comparison:
    scored = [model.score(told, rows) for model in (champion, challenger)]
    clusters, seed = reviewed(champion.spec, told, scored[0].codes)[rows], champion.spec.train.seed
    if told.classes:
        each = [
            truths.probabilities(model, one, told.classes)
            for model, one in zip((champion, challenger), scored, strict=True)
        ]
        return compare_classes(told.target[rows], *each, behind, clusters, seed=seed)
    if told.values is not None:
        numbers = [
            model.estimates(one.logits)["estimate"]
            for model, one in zip((champion, challenger), scored, strict=True)
        ]
        return compare_numbers(told.values[rows], *numbers, behind, clusters, seed=seed)
    one, other = (each.probabilities for each in scored)
    return compare(told.target[rows], one, other, behind, clusters, seed=seed)


def _iso(at_us: int) -> str:
    return (datetime.fromtimestamp(0, tz=UTC) + timedelta(microseconds=at_us)).isoformat()
