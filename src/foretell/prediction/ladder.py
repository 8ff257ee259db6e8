"""The ladder: the floor first, then every family, then what is delivered. F: features, C: choosing rows."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from foretell.models.family import Floats, Material, Rows, Sample, Scorer, lacking, thinned
from foretell.models.suspicion import fit_suspicion
from foretell.models.walks import mixed
from foretell.prediction.evening import reweighed
from foretell.prediction.factors import factors_of
from foretell.prediction.features import Events, Featurizer, Replayed, Snapshot, featurizer
from foretell.prediction.fitted import Fitted, Scored, scored_rows
from foretell.prediction.folds import Fold, folds_of, more_of
from foretell.prediction.judging import judge_of, standings_of
from foretell.prediction.numbers import numbers, scale_of, scores_of
from foretell.prediction.promise import Promise, promised, with_capacity
from foretell.prediction.reference import reference_of
from foretell.prediction.rungs import (
    ORDER,
    PROBABILITY,
    Climbed,
    Families,
    Measure,
    Rung,
    Tell,
    choosing_rows,
    climb,
    greedy,
)
from foretell.prediction.student import ENSEMBLE, STUDENT, taught, with_student
from foretell.prediction.support import HeldOut, supported
from foretell.prediction.watching import sketched, watched
from foretell.spec import Spec
from foretell.tasks.multiclass import Coupling
from foretell.units import seconds

FIRST_TREES, FIRST_RATE = 100, 0.08
"""Trees of the first look, which tells the suspicion where to bend, and their learning rate."""
SUSPICION_KNOTS = 12
NO_ROWS = np.zeros(0, np.int64)
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
    if not dataset.classes:
        spec = with_capacity(spec, dataset, parts.valid, tell)
    # With one thread, sums of floats have one order: every digit of the model is the same on any day.
    with threadpool_limits(limits=spec.train.threads or None):
        return _fit(spec, dataset, parts, families, folder, tell, weights)


def _families(spec: Spec, dataset: Dataset) -> Families:
    """Return the classes of the spec's families by name: what cannot be fitted is told before anything is."""
    suited = "event_stream" if dataset.inputs("entity") else "tabm"
    names = dict.fromkeys(suited if name == SUITED else name for name in spec.model.families)
    families = {name: load(name, FAMILIES, "model family") for name in names}
    if dataset.classes and dataset.inputs("entity"):
        raise TrainingError(
            f"the target has {len(dataset.classes)} classes, and the rows are events of entities",
            "state one class as `task.positive`, or make the entity columns categories",
        )
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
    folds = folds_of(dataset, parts)
    features, events, replayed, samples = _features(spec, dataset, parts, folds, tell, weights)
    scale = scale_of(dataset, replayed.features, features.categorical, folds[0], spec)
    scores, num_classes = scores_of(dataset, scale), len(dataset.classes)
    materials = [
        material_of(features, events, replayed, dataset.target, sample, choose, scores, num_classes)
        for sample, (_, choose) in zip(samples, folds, strict=True)
    ]
    measure = numbers(scale) if scale else ORDER if materials[0].of_events else PROBABILITY
    choose, whole = choosing_rows(materials), None
    if len(folds) > 1:
        tell(f"  {len(folds)} models of each kind, each chosen by rows that it was not taught by")
        sample = _sample(spec, dataset, choose, np.zeros(len(dataset)), weights, parts.more)
        whole = replace(materials[0], teach=sample.rows, weights=sample.weights, offset=sample.offset)
    rungs, boosted = climb(spec, materials, whole, families, measure, folder, tell)
    shares = _delivered(spec, rungs, materials[0].aims[choose], measure)
    mixed = _mixed(rungs, shares)
    climbed = Climbed(
        rungs=rungs,
        boosted=boosted,
        shares=shares,
        measure=measure,
        choose=choose,
        mixed=mixed,
    )
    codes = {name: events.slots[:, e] for e, name in enumerate(features.plan.entities)}
    promise = promised(spec, dataset, parts, choose, mixed, scale, codes, tell)
    fitted = _built(climbed, promise, dataset, parts, features, replayed)
    held_out = [
        _held_out(material, rungs, shares, number, promise.coupling)
        for number, material in enumerate(materials)
    ]
    factors = supported(fitted.factors, held_out, fitted.reference.background, seed=spec.train.seed)
    fitted = replace(watched(fitted, dataset, parts, choose, mixed, codes), factors=factors)
    scored = scored_rows(fitted, events.slots, replayed, parts.test, dataset.frame)
    judge = judge_of(fitted, dataset, choose)
    fitted = replace(fitted, standings=standings_of(climbed, materials[0], judge, scored))
    if spec.model.deliver == ENSEMBLE:
        return fitted, scored
    student = taught(fitted, materials[0], boosted, (choose, mixed), folder / STUDENT)
    fitted = with_student(fitted, student, materials[0], judge, parts.test, tell)
    own = fitted.logits_of(materials[0].features[choose])
    fitted = replace(
        fitted, sketch=sketched(dataset, parts, choose, own, fitted.calibration, fitted.coupling)
    )
    return fitted, scored_rows(fitted, events.slots, replayed, parts.test, dataset.frame)


def _built(
    climbed: Climbed,
    promise: Promise,
    dataset: Dataset,
    parts: Split,
    features: Featurizer,
    replayed: Replayed,
) -> Fitted:
    """Return the model before its factors are measured and its rungs are judged."""
    spec, members = promise.spec, _members(climbed.rungs, climbed.shares)
    reference = reference_of(
        *(dataset, parts, climbed.choose, replayed.features, climbed.mixed, climbed.boosted.gains),
        *(features.plan.numbers, spec.train.seed),
    )
    return Fitted(
        spec=spec,
        featurizer=features,
        # In the order of their names: a sum of floats depends on its order, and JSON sorts its keys.
        families={name: members[name][2] for name in sorted(members)},
        weights={name: share for name, (share, _, _) in members.items()},
        offsets={name: offset for name, (_, offset, _) in members.items()},
        calibration=promise.calibration,
        threshold=promise.threshold,
        coupling=promise.coupling,
        estimator=promise.estimator,
        factors=factors_of(spec, dataset, features, climbed.boosted.gains),
        reference=reference,
        snapshot=replayed.after,
        sketch=sketched(dataset, parts, climbed.choose, climbed.mixed, promise.calibration, promise.coupling),
    )


def _mixed(rungs: Sequence[Rung], shares: Mapping[str, float]) -> Floats:
    """Return the log-odds of the choosing rows of what is delivered [C]."""
    return np.sum([shares[rung.name] * rung.choosing for rung in rungs if rung.name in shares], axis=0)


def _members(rungs: Sequence[Rung], shares: Mapping[str, float]) -> Mapping[str, tuple[float, float, Scorer]]:
    """Return share, offset and model of all that is delivered, by name."""
    return {
        f"{rung.name}/{number}" if len(rung.delivered) > 1 else rung.name: (
            shares[rung.name] / len(rung.delivered),
            rung.delivered_offsets[number],
            scorer,
        )
        for rung in rungs
        if rung.name in shares
        for number, scorer in enumerate(rung.delivered)
    }


def _held_out(
    material: Material,
    rungs: Sequence[Rung],
    shares: Mapping[str, float],
    number: int,
    coupling: Coupling | None,
) -> HeldOut:
    """Return the choosing rows of a fold, and what scores them without having been taught by them."""
    used = [(shares[r.name], r.offsets[number], r.members[number]) for r in rungs if r.name in shares]

    each = mixed(used)

    def against_others(x_RF: NDArray[np.float32], starts_PF: NDArray[np.float32], steps_PF: Rows) -> Floats:
        told = each(x_RF, starts_PF, steps_PF)
        if coupling is None:
            return told
        return np.stack([coupling.against(told, code) for code in range(told.shape[-1])], axis=-1)

    return HeldOut(
        walk=against_others,
        features=material.features[material.choose],
        aims=material.aims[material.choose],
        numeric=material.scores is not None,
        num_classes=material.num_classes,
    )


def _features(
    spec: Spec, dataset: Dataset, parts: Split, folds: Sequence[Fold], tell: Tell, weights: Floats | None
) -> tuple[Featurizer, Events, Replayed, list[Sample]]:
    """Replay without suspicion, learn it from a first look at the teaching rows, and replay with it."""
    started = time.process_time()
    half_lives = tuple(seconds(text) for text in spec.model.half_lives)
    rows = parts.train if len(folds) == 1 else np.sort(np.concatenate([parts.train, parts.valid]))
    features = featurizer(fit_schema(dataset, rows), dataset, rows, half_lives)
    before = Snapshot.empty(features.plan)
    events = features.events(dataset, before.register)
    replayed = features.replay(events, before, keep=parts.test)
    quiet = np.zeros(len(dataset))
    samples = [
        _sample(spec, dataset, teach, quiet, weights, more_of(dataset, parts.more, choose))
        for teach, choose in folds
    ]
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
    tell(f"  {len(events.at_seconds):,} events replayed twice, {time.process_time() - started:.1f} CPU-s")
    suspected = 1.0 - np.prod(1.0 - excused.astype(np.float64), axis=1) if excused.size else quiet
    return features, events, replayed, [_sample(spec, dataset, parts.train, suspected, weights)]


def _sample(
    spec: Spec,
    dataset: Dataset,
    teach: Rows,
    suspected: Floats,
    weights: Floats | None,
    more: Rows = NO_ROWS,
) -> Sample:
    """Return the rows that teach, thinned, with the weights that feedback gave them.

    Args:
        more: rows of the rare outcome that teach besides; the odds among all of them are corrected for it.
    """
    if dataset.values is None and not dataset.classes:
        usual = int((dataset.target[teach] == 1).sum())
        teach = np.sort(np.concatenate([teach, more]))
        sample = thinned(dataset.target, teach, suspected[teach], seed=spec.train.seed)
        sample = replace(sample, offset=sample.offset + float(np.log(usual / (usual + len(more)))))
    else:
        sample = Sample(rows=teach, weights=np.ones(len(teach)), offset=0.0)
    return sample if weights is None else replace(sample, weights=sample.weights * weights[sample.rows])


def material_of(
    features: Featurizer,
    events: Events,
    replayed: Replayed,
    labels: NDArray[np.int8],
    sample: Sample,
    choose: Rows,
    scores: Floats | None = None,
    num_classes: int = 0,
) -> Material:
    """Return what families are fitted on: all rows as replayed, and which of them teach and which choose.

    Args:
        labels: of all rows; -1 where unknown.
        scores: of all rows, where a number is learned.
        num_classes: where several are learned.
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
        scores=scores,
        num_classes=num_classes,
    )


def _delivered(
    spec: Spec, rungs: Sequence[Rung], aims: NDArray[Any], measure: Measure
) -> Mapping[str, float]:
    """Return shares that sum to 1: the best rung on the choosing rows, or a greedy ensemble if better.

    Families that read the past themselves compete, but are not delivered: the evidence could not name factors
    of their scores.
    """
    eligible = [rung for rung in rungs if not rung.members[0].reads_past]
    quality = {rung.name: measure(aims, rung.choosing) for rung in eligible}
    best = max(eligible, key=lambda rung: quality[rung.name])
    if not spec.model.ensemble:
        return {best.name: 1.0}
    if measure is ORDER:
        eligible = [rung for rung in eligible if quality[rung.name] >= NEAR * quality[best.name]]
    shares = greedy({rung.name: rung.choosing for rung in eligible}, aims, measure)
    mixed = _mixed(eligible, shares)
    return shares if measure(aims, mixed) > quality[best.name] else {best.name: 1.0}
