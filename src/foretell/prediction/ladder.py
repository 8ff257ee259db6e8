"""The ladder: the floor first, then every family, then what is delivered. F: features, C: choosing rows."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from foretell.data.dataset import Dataset
from foretell.data.split import Split
from foretell.data.table import fit_schema
from foretell.errors import SpecError, TrainingError
from foretell.lookup import load
from foretell.models import FAMILIES, SUITED
from foretell.models.boosting import fit_boosting, knots
from foretell.models.family import Floats, Material, Rows, Sample, lacking, thinned
from foretell.models.suspicion import fit_suspicion
from foretell.prediction.alerts import threshold_of, usual_positives
from foretell.prediction.evening import reweighed
from foretell.prediction.factors import factors_of
from foretell.prediction.features import Events, Featurizer, Replayed, Snapshot, featurizer
from foretell.prediction.fitted import DELIVERED, Fitted, Scored, Standing, scored_rows
from foretell.prediction.folds import Fold, folds_of
from foretell.prediction.reference import reference_of
from foretell.prediction.rungs import ORDER, PROBABILITY, Families, Measure, Rung, Tell, choosing_rows, climb
from foretell.prediction.support import HeldOut, supported
from foretell.prediction.watching import watched
from foretell.spec import Spec
from foretell.tasks.classify import calibrate, metrics, sigmoid
from foretell.units import seconds

FIRST_TREES, FIRST_RATE = 100, 0.08
"""Trees of the first look, which tells the suspicion where to bend, and their learning rate."""
SUSPICION_KNOTS = 12
ROUNDS = 20
"""Picks of the greedy ensemble (Caruana et al., ICML 2004)."""
NEAR = 0.8
"""Share of the best one's average precision from which a contestant may enter the ensemble: one far behind
would only fit the chance of the choosing rows."""


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
    weights = reweighed(spec, dataset, parts, weights)
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
    suited = "event_stream" if dataset.inputs("entity") else "tabm"
    names = dict.fromkeys(suited if name == SUITED else name for name in spec.model.families)
    families = {name: load(name, FAMILIES, "model family") for name in names}
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
    started, streamed = time.process_time(), bool(dataset.inputs("entity"))
    folds = folds_of(dataset, parts)
    measure = ORDER if streamed else PROBABILITY
    features, events, replayed, samples = _features(spec, dataset, parts, folds, tell, weights)
    if streamed:
        tell(f"  {len(events.at_seconds):,} events replayed twice, {time.process_time() - started:.1f} CPU-s")
    materials = [
        material_of(features, events, replayed, dataset.target, sample, choose)
        for sample, (_, choose) in zip(samples, folds, strict=True)
    ]
    choose = choosing_rows(materials)
    if len(folds) > 1:
        tell(f"  few rows: {len(folds)} models of each kind, each chosen by rows that it was not taught by")
    rungs, gains = climb(spec, materials, families, measure, folder, tell, streamed=streamed)
    shares = _delivered(spec, rungs, dataset.target[choose], measure)
    mixed = _mixed(rungs, shares)
    members = {
        _member(rung, number): (share / len(rung.members), rung.offsets[number], member)
        for rung in rungs
        if (share := shares.get(rung.name, 0.0))
        for number, member in enumerate(rung.members)
    }
    codes = {name: events.slots[:, e] for e, name in enumerate(features.plan.entities)}
    calibration = calibrate(mixed, dataset.target[choose], seed=spec.train.seed)
    fitted = Fitted(
        spec=spec,
        featurizer=features,
        # In the order of their names: a sum of floats depends on its order, and JSON sorts its keys.
        families={name: members[name][2] for name in sorted(members)},
        weights={name: share for name, (share, _, _) in members.items()},
        offsets={name: offset for name, (_, offset, _) in members.items()},
        calibration=calibration,
        threshold=threshold_of(spec, dataset, choose, calibration(mixed), codes),
        factors=factors_of(spec, dataset, features),
        reference=reference_of(
            dataset, parts, choose, replayed.features, mixed, gains, features.plan.numbers, spec.train.seed
        ),
        snapshot=replayed.after,
        standings=(),
    )
    fitted = replace(
        watched(fitted, dataset, parts, choose, mixed, codes),
        factors=supported(
            fitted.factors,
            [_held_out(material, rungs, shares, number) for number, material in enumerate(materials)],
            fitted.reference.background,
            seed=spec.train.seed,
        ),
    )
    scored = scored_rows(fitted, events.slots, replayed, parts.test, dataset.frame)
    return replace(fitted, standings=_standings(rungs, shares, materials[0], choose, measure, scored)), scored


def _mixed(rungs: Sequence[Rung], shares: Mapping[str, float]) -> Floats:
    """Return the log-odds of the choosing rows of what is delivered [C]."""
    return np.sum([shares[rung.name] * rung.choosing for rung in rungs if rung.name in shares], axis=0)


def _member(rung: Rung, number: int) -> str:
    return f"{rung.name}/{number}" if len(rung.members) > 1 else rung.name


def _held_out(material: Material, rungs: Sequence[Rung], shares: Mapping[str, float], number: int) -> HeldOut:
    """Return the choosing rows of a fold, and what scores them without having been taught by them."""
    used = [(shares[r.name], r.members[number], r.offsets[number]) for r in rungs if r.name in shares]

    def score(x_BF: NDArray[np.float32]) -> Floats:
        return np.sum([share * (member.logits(x_BF) + offset) for share, member, offset in used], axis=0)

    return HeldOut(
        score=score, features=material.features[material.choose], labels=material.labels[material.choose]
    )


def _features(
    spec: Spec, dataset: Dataset, parts: Split, folds: Sequence[Fold], tell: Tell, weights: Floats | None
) -> tuple[Featurizer, Events, Replayed, list[Sample]]:
    """Replay without suspicion, learn it from a first look at the teaching rows, and replay with it."""
    half_lives = tuple(seconds(text) for text in spec.model.half_lives)
    rows = parts.train if len(folds) == 1 else np.sort(np.concatenate([parts.train, parts.valid]))
    features = featurizer(fit_schema(dataset, rows), dataset, rows, half_lives)
    before = Snapshot.empty(features.plan)
    events = features.events(dataset, before.register)
    replayed = features.replay(events, before, keep=parts.test)
    quiet = np.zeros(len(dataset))
    samples = [_sample(spec, dataset, teach, quiet, weights) for teach, _ in folds]
    if len(features.plan.entities) < 2:
        return features, events, replayed, samples
    tell("learning what each entity's own past explains")
    (sample,) = samples
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
    excused = replayed.excused
    suspected = 1.0 - np.prod(1.0 - excused.astype(np.float64), axis=1) if excused.size else quiet
    return features, events, replayed, [_sample(spec, dataset, parts.train, suspected, weights)]


def _sample(spec: Spec, dataset: Dataset, teach: Rows, suspected: Floats, weights: Floats | None) -> Sample:
    """Return the rows that teach, thinned, with the weights that feedback gave them."""
    sample = thinned(dataset.target, teach, suspected[teach], seed=spec.train.seed)
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


def _delivered(
    spec: Spec, rungs: Sequence[Rung], labels: NDArray[np.int8], measure: Measure
) -> Mapping[str, float]:
    """Return shares that sum to 1: the best rung on the choosing rows, or a greedy ensemble if better.

    Families that read the past themselves compete, but are not delivered: the evidence could not name factors
    of their scores.
    """
    eligible = [rung for rung in rungs if not rung.members[0].reads_past]
    quality = {rung.name: measure(labels, rung.choosing) for rung in eligible}
    best = max(eligible, key=lambda rung: quality[rung.name])
    if not spec.model.ensemble:
        return {best.name: 1.0}
    if measure is ORDER:
        eligible = [rung for rung in eligible if quality[rung.name] >= NEAR * quality[best.name]]
    total, picks = np.zeros(len(labels)), dict.fromkeys((rung.name for rung in eligible), 0)
    for picked in range(ROUNDS):
        scores = {rung.name: measure(labels, (total + rung.choosing) / (picked + 1)) for rung in eligible}
        name = max(scores, key=lambda key: scores[key])
        picks[name] += 1
        total += next(rung.choosing for rung in eligible if rung.name == name)
    if measure(labels, total / ROUNDS) <= quality[best.name]:
        return {best.name: 1.0}
    return {name: count / ROUNDS for name, count in picks.items() if count}


def _standings(
    rungs: Sequence[Rung],
    shares: Mapping[str, float],
    material: Material,
    choose: Rows,
    measure: Measure,
    scored: Scored,
) -> tuple[Standing, ...]:
    """Judge every rung, and last what is delivered, once on the test rows with known outcome."""
    choosing, known = material.labels[choose], material.labels[scored.rows] >= 0
    labels, rows = material.labels[scored.rows][known], scored.rows[known]
    standings = [
        Standing(
            name=rung.name,
            family=type(rung.members[0]).__name__,
            metrics=metrics(sigmoid(rung.score(material, rows)), labels),
            choosing=measure(choosing, rung.choosing),
            measure=measure.name,
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
            family="+".join(sorted(shares)),
            metrics=metrics(scored.probabilities[known], labels),
            choosing=measure(choosing, _mixed(rungs, shares)),
            measure=measure.name,
            fit_cpu_seconds=sum(rung.fit_cpu_seconds for rung in delivered),
            rows_per_cpu_second=1 / sum(1 / rung.rows_per_cpu_second for rung in delivered),
            weight=1.0,
        )
    )
    return tuple(standings)
