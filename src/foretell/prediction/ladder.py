"""The ladder: the floor first, then every family, then what is delivered. F: features, C: choosing rows."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from threadpoolctl import threadpool_limits

from foretell.data.dataset import Dataset
from foretell.data.split import Split
from foretell.data.table import fit_schema
from foretell.errors import SpecError, TrainingError
from foretell.lookup import load
from foretell.models import FAMILIES
from foretell.models.boosting import Boosted, Boosting, fit_boosting, knots
from foretell.models.family import Family, Floats, Material, Rows, Sample, lacking, thinned
from foretell.models.suspicion import fit_suspicion
from foretell.prediction.alerts import threshold_of, usual_positives
from foretell.prediction.factors import factors_of
from foretell.prediction.features import Events, Featurizer, Replayed, Snapshot, featurizer
from foretell.prediction.fitted import DELIVERED, Fitted, Scored, Standing, scored_rows
from foretell.prediction.reference import reference_of
from foretell.prediction.support import supported
from foretell.spec import Spec
from foretell.tasks.classify import calibrate, metrics, sigmoid
from foretell.training import loop
from foretell.training.progress import shown
from foretell.units import seconds

Tell = Callable[[str], None]
Families = Mapping[str, type[Family]]
FIRST_TREES, FIRST_RATE = 100, 0.08
"""Trees of the first look, which tells the suspicion where to bend, and their learning rate."""
SUSPICION_KNOTS = 12
ROUNDS = 20
"""Picks of the greedy ensemble (Caruana et al., ICML 2004)."""
NEAR = 0.8
"""Share of the best one's average precision from which a contestant may enter the ensemble: one far behind
would only fit the chance of the choosing rows."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rung:
    """One fitted contestant and how it did on the choosing rows."""

    name: str
    family: Family
    offset: float
    choosing: Floats
    """Corrected log-odds of the choosing rows [C]."""
    fit_cpu_seconds: float
    rows_per_cpu_second: float
    floor: bool = False


def fit(
    spec: Spec, dataset: Dataset, parts: Split, *, folder: Path, tell: Tell, weights: Floats | None = None
) -> tuple[Fitted, Scored]:
    """Fit the floor and the families, choose, calibrate, and score the test rows.

    Args:
        folder: a killed fit left its checkpoints here and goes on from them.
        tell: told of each stage.
        weights: how many rows each row stands for where it teaches [N]; 1 if not given.

    Returns:
        The fitted model, and the test rows as it sees and scores them.

    Raises:
        SpecError: when a family cannot be imported, or is none.
        TrainingError: when a family needs what the data do not have, or its fit diverges.
    """
    families = _families(spec, dataset)
    if not spec.review.capacity:
        spec = replace(spec, review=replace(spec.review, capacity=usual_positives(dataset, parts)))
        tell(
            f"  review.capacity is not stated: taking {spec.review.capacity:,}, the usual number of positives"
        )
    # With one thread, sums of floats have one order: every digit of the model is the same on any day.
    with threadpool_limits(limits=spec.train.threads or None):
        return _fit(spec, dataset, parts, families, folder, tell, weights)


def _families(spec: Spec, dataset: Dataset) -> Families:
    """Return the classes of the spec's families by name: what cannot be fitted is told before anything is."""
    families = {name: load(name, FAMILIES, "model family") for name in spec.model.families}
    for name, family_class in families.items():
        if missing := lacking(family_class):
            raise SpecError(
                f"'{name}' is no model family: it has no {', '.join(missing)}",
                "name a class with the members of `foretell.models.family:Family`",
            )
        if family_class.reads_past and not dataset.inputs("entity"):
            raise TrainingError(
                f"the family '{name}' reads past events, and the data have no entity column",
                "name one under `columns` (kind: entity), or take it off `model.families`",
            )
    return families


def _fit(
    spec: Spec,
    dataset: Dataset,
    parts: Split,
    families: Families,
    folder: Path,
    tell: Tell,
    weights: Floats | None,
) -> tuple[Fitted, Scored]:
    started = time.process_time()
    features, events, replayed, sample = _features(spec, dataset, parts, tell, weights)
    tell(f"  {len(events.at_seconds):,} events replayed twice, {time.process_time() - started:.1f} CPU-s")
    material = material_of(features, events, replayed, dataset.target, sample, parts.valid)
    rungs, boosted = _climb(spec, material, families, folder, tell)
    shares = _delivered(spec, rungs, dataset.target[parts.valid])
    by_name = {rung.name: rung for rung in rungs}
    mixed = sum(
        (share * by_name[name].choosing for name, share in shares.items()), np.zeros(len(parts.valid))
    )
    codes = {name: events.slots[:, e] for e, name in enumerate(features.plan.entities)}
    calibration = calibrate(mixed, dataset.target[parts.valid], seed=spec.train.seed)
    fitted = Fitted(
        spec=spec,
        featurizer=features,
        # In the order of their names: a sum of floats depends on its order, and JSON sorts its keys.
        families={name: by_name[name].family for name in sorted(shares)},
        weights=shares,
        offsets={name: by_name[name].offset for name in shares},
        calibration=calibration,
        threshold=threshold_of(spec, dataset, parts.valid, calibration(mixed), codes),
        factors=factors_of(spec, dataset, features),
        reference=reference_of(
            dataset, parts, material, mixed, boosted.gains, features.plan.numbers, spec.train.seed
        ),
        snapshot=replayed.after,
        standings=(),
    )
    fitted = replace(
        fitted,
        factors=supported(
            fitted.factors, fitted.logits_of, replayed.features[parts.valid], dataset.target[parts.valid],
            fitted.reference.background, seed=spec.train.seed,
        ),
    )  # fmt: skip
    scored = scored_rows(fitted, events.slots, replayed, parts.test)
    return replace(fitted, standings=_standings(rungs, shares, material, fitted, scored)), scored


def _features(
    spec: Spec, dataset: Dataset, parts: Split, tell: Tell, weights: Floats | None
) -> tuple[Featurizer, Events, Replayed, Sample]:
    """Replay without suspicion, learn it from a first look at the teaching rows, and replay with it."""
    half_lives = tuple(seconds(text) for text in spec.model.half_lives)
    features = featurizer(fit_schema(dataset, parts.train), dataset, parts.train, half_lives)
    before = Snapshot.empty(features.plan)
    events = features.events(dataset, before.register)
    replayed = features.replay(events, before, keep=parts.test)
    quiet = np.zeros(len(parts.train))
    sample = _weighted(thinned(dataset.target, parts.train, quiet, seed=spec.train.seed), weights)
    if len(features.plan.entities) < 2:
        return features, events, replayed, sample
    tell("learning what each entity's own past explains")
    x, labels = replayed.features[sample.rows], dataset.target[sample.rows]
    first = fit_boosting(
        x, labels, sample.weights, features.categorical,
        num_trees=FIRST_TREES, learning_rate=FIRST_RATE, threads=spec.train.threads, seed=spec.train.seed,
    )  # fmt: skip
    bends = [
        knots(x[:, f], first.splits[f], num_knots=SUSPICION_KNOTS) for f in range(features.plan.num_features)
    ]
    true_weights = np.where(labels == 1, 1.0, sample.weights / np.exp(sample.offset))
    suspicion = fit_suspicion(x, labels, true_weights, features.plan.blocks, first.gains, np.stack(bends))
    features = features.with_suspicion(suspicion)
    replayed = features.replay(events, before, keep=parts.test)
    excused = replayed.excused[parts.train]
    suspected = 1.0 - np.prod(1.0 - excused.astype(np.float64), axis=1) if excused.size else quiet
    sample = _weighted(thinned(dataset.target, parts.train, suspected, seed=spec.train.seed), weights)
    return features, events, replayed, sample


def _weighted(sample: Sample, weights: Floats | None) -> Sample:
    return sample if weights is None else replace(sample, weights=sample.weights * weights[sample.rows])


def material_of(
    features: Featurizer,
    events: Events,
    replayed: Replayed,
    labels: NDArray[np.int8],
    sample: Sample,
    choose: Rows,
) -> Material:
    """Return what families are fitted on: all rows as replayed, and which of them teach and which choose.

    Args:
        labels: of all rows; -1 where unknown.
    """
    return Material(
        features=replayed.features,
        categorical=features.categorical,
        own=features.own,
        entities=events.slots.astype(np.int32),
        at_seconds=events.at_seconds,
        known_at_seconds=events.known_at_seconds,
        labels=labels,
        teach=sample.rows,
        weights=sample.weights,
        choose=choose,
        offset=sample.offset,
    )


def _climb(
    spec: Spec, material: Material, families: Families, folder: Path, tell: Tell
) -> tuple[list[Rung], Boosted]:
    """Fit the floor on the row's own columns and on all features, then the families."""
    labels = material.labels[material.teach]
    rungs = []
    boosted: Boosted | None = None
    everything = np.arange(material.features.shape[1])
    stages = {"floor": material.own} | (
        {"boosting": everything} if len(material.own) < len(everything) else {}
    )
    for name, columns in stages.items():
        started = time.process_time()
        x = np.ascontiguousarray(material.features[material.teach][:, columns])
        boosted = fit_boosting(
            x,
            labels,
            material.weights,
            material.categorical[columns],
            threads=spec.train.threads,
            seed=spec.train.seed,
        )
        family = Boosting(columns=columns.astype(np.int64), trees=boosted.trees)
        spent = time.process_time() - started
        rungs.append(_rung(name, family, material, spent, floor=True))
        _told(rungs[-1], material, tell)
    assert boosted is not None
    material = replace(material, boosted=boosted)
    for name, family_class in families.items():
        started = time.process_time()
        try:
            with shown(f"  {name}") as progress:
                family = family_class.fit(material, spec, loop.fit, folder / name, progress)
        except TrainingError as error:
            raise TrainingError(f"{name}: {error.message}", error.hint) from error
        rungs.append(_rung(name, family, material, time.process_time() - started))
        _told(rungs[-1], material, tell)
    return rungs, boosted


def _rung(name: str, family: Family, material: Material, spent: float, *, floor: bool = False) -> Rung:
    family.score(material, material.choose[:1])
    started = time.process_time()
    logits = family.score(material, material.choose) + material.offset
    pace = len(material.choose) / max(time.process_time() - started, 1e-9)
    return Rung(
        name=name,
        family=family,
        offset=material.offset,
        choosing=logits,
        fit_cpu_seconds=spent,
        rows_per_cpu_second=pace,
        floor=floor,
    )


def _told(rung: Rung, material: Material, tell: Tell) -> None:
    labels = material.labels[material.choose]
    found = f"average precision {average_precision_score(labels, rung.choosing):.4f} on the validation rows"
    tell(f"  {rung.name}: {found}, {rung.fit_cpu_seconds:.1f} CPU-s")


def _delivered(spec: Spec, rungs: list[Rung], labels: NDArray[np.int8]) -> Mapping[str, float]:
    """Return shares that sum to 1: the best family on the choosing rows, or a greedy ensemble if better.

    Families that read the past themselves compete, but are not delivered: the evidence could not name factors
    of their scores.
    """
    eligible = [rung for rung in rungs if not rung.family.reads_past]

    def quality(logits: Floats) -> float:
        return float(average_precision_score(labels, logits))

    best = max(eligible, key=lambda rung: quality(rung.choosing))
    if not spec.model.ensemble:
        return {best.name: 1.0}
    eligible = [rung for rung in eligible if quality(rung.choosing) >= NEAR * quality(best.choosing)]
    total, picks = np.zeros(len(labels)), dict.fromkeys((rung.name for rung in eligible), 0)
    for picked in range(ROUNDS):
        scores = {rung.name: quality((total + rung.choosing) / (picked + 1)) for rung in eligible}
        name = max(scores, key=lambda key: scores[key])
        picks[name] += 1
        total += next(rung.choosing for rung in eligible if rung.name == name)
    if quality(total) <= quality(best.choosing):
        return {best.name: 1.0}
    return {name: count / ROUNDS for name, count in picks.items() if count}


def _standings(
    rungs: list[Rung],
    shares: Mapping[str, float],
    material: Material,
    fitted: Fitted,
    scored: Scored,
) -> tuple[Standing, ...]:
    """Judge every rung, and last what is delivered, once on the test rows with known outcome."""
    choosing, known = material.labels[material.choose], material.labels[scored.rows] >= 0
    labels, rows = material.labels[scored.rows][known], scored.rows[known]
    mixed = sum((share * rung.choosing for rung in rungs if (share := shares.get(rung.name, 0.0))), 0.0)
    standings = [
        Standing(
            name=rung.name,
            family=type(rung.family).__name__,
            metrics=metrics(sigmoid(rung.family.score(material, rows) + rung.offset), labels),
            choosing=float(average_precision_score(choosing, rung.choosing)),
            fit_cpu_seconds=rung.fit_cpu_seconds,
            rows_per_cpu_second=rung.rows_per_cpu_second,
            weight=shares.get(rung.name, 0.0),
            floor=rung.floor,
        )
        for rung in rungs
    ]
    delivered = [rung for rung in rungs if rung.name in shares]
    standings.append(
        Standing(
            name=DELIVERED,
            family=fitted.name,
            metrics=metrics(scored.probabilities[known], labels),
            choosing=float(average_precision_score(choosing, mixed)),
            fit_cpu_seconds=sum(rung.fit_cpu_seconds for rung in delivered),
            rows_per_cpu_second=1 / sum(1 / rung.rows_per_cpu_second for rung in delivered),
            weight=1.0,
        )
    )
    return tuple(standings)
