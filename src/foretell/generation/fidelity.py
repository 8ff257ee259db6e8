"""How like real rows generated ones are.

Every figure stands beside the same figure of real rows that taught nothing (the floor): what tells real from
real cannot be asked of a generator. Frames are canonical: String, Float64, or instants.

N: rows, C: columns.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl

from foretell.generation.novelty import (
    Codes,
    Floats,
    Share,
    auc,
    is_number,
    numbers,
)
from foretell.records import Fact, Value

BINS = 10
"""Bins of a number in a table of pairs."""
DECIMALS = 14
"""To which numbers are rounded before their distributions are compared."""
HUGE = 1e100
"""Numbers from here on are measured in shares of the largest."""
FOLDS = 3
LEAST = 60
"""Rows of each side at least, for trees to be asked."""
TREES: Mapping[str, Any] = {
    "num_leaves": 16,
    "learning_rate": 0.05,
    "min_child_samples": 50,
    "subsample": 0.7,
    "subsample_freq": 1,
    "colsample_bytree": 0.7,
    "n_estimators": 150,
    "n_jobs": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
ALLOWED = {"shapes": 0.005, "trends": 0.01, "discriminator": 0.03, "utility": 0.01}
"""How far from what real rows reach a figure may lie."""
MANY = 1 << 20
"""Pairs of values, above which those that no row holds are left out of the count."""


def shapes(real: pl.DataFrame, other: pl.DataFrame) -> dict[str, float]:
    """Return how like each column's values are, missing ones left out: 1 where their shares are the same.

    For numbers and instants 1 less the Kolmogorov-Smirnov distance (KSComplement), for names 1 less the total
    variation (TVComplement); nan where a side has no value.

    Source: SDMetrics, Column Shapes.
    """
    return {name: _shape(real[name].drop_nulls(), other[name].drop_nulls()) for name in real.columns}


def trends(real: pl.DataFrame, other: pl.DataFrame) -> dict[tuple[str, str], float]:
    """Return how like each pair of columns hangs together: 1 where it does so in the same way.

    Of two numbers half the difference of their correlations is taken off 1 (CorrelationSimilarity), of other
    pairs the total variation of their joint shares (ContingencySimilarity), numbers in ten equal bins of each
    side's own range, missing values as one more; nan where a correlation is of a constant.

    Source: SDMetrics 0.32, Column Pair Trends with its thresholds at 0: all pairs count.
    """
    held, codes = {}, {}
    for name in real.columns:
        if is_number(real[name]):
            held[name] = (_tamed(numbers(real[name])), _tamed(numbers(other[name])))
            codes[name] = tuple(_binned(side) for side in held[name])
        else:
            codes[name] = _named(real[name], other[name])
    return {
        (one, two): _correlated(held[one], held[two])
        if one in held and two in held
        else _contingent(codes[one], codes[two])
        for one, two in itertools.combinations(real.columns, 2)
    }


def average(found: Mapping[Any, float]) -> float:
    """Return the mean of the figures that there are; nan where there is none."""
    held = [value for value in found.values() if not np.isnan(value)]
    return float(np.mean(held)) if held else float("nan")


def discriminator(real: pl.DataFrame, other: pl.DataFrame, *, seed: int = 0) -> Share:
    """Return the AUC of boosted trees that tell other rows from real ones, each by trees that never saw it.

    Args:
        real: rows that taught nothing; against training rows, copying would count as likeness.
        other: as many rows.
    """
    import lightgbm
    from sklearn.model_selection import StratifiedKFold

    x, categories = _matrix(pl.concat([real, other.select(real.columns)]))
    truth = np.repeat([0, 1], [len(real), len(other)])
    found = []
    for teach, held_out in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(x, truth):
        trees = lightgbm.LGBMClassifier(random_state=seed, **TREES)
        trees.fit(x[teach], truth[teach], categorical_feature=categories)
        told = np.asarray(trees.predict_proba(x[held_out]))[:, 1]
        found.append(auc(told[truth[held_out] == 1], told[truth[held_out] == 0]))
    value = float(np.mean([each.value for each in found]))
    spread = float(np.sqrt(sum((each.high - each.low) ** 2 for each in found)) / (2 * FOLDS))
    return Share(value, max(0.0, value - spread), min(1.0, value + spread))


def utility(teach: pl.DataFrame, real: pl.DataFrame, target: str, *, seed: int = 0) -> float:
    """Return how well trees that these rows taught predict a column of real rows.

    Returns:
        R2 of a number; the AUC of names, with several the mean of each against the rest; nan where the
        teaching rows hold one value only.
    """
    import lightgbm
    from sklearn.metrics import r2_score, roc_auc_score

    teach, real = (
        frame.filter(pl.col(target).is_not_null()) for frame in (teach, real.select(teach.columns))
    )
    x, categories = _matrix(pl.concat([teach, real]).drop(target))
    cut = len(teach)
    if is_number(teach[target]):
        model = lightgbm.LGBMRegressor(random_state=seed, **TREES)
        model.fit(x[:cut], numbers(teach[target]), categorical_feature=categories)
        return float(r2_score(numbers(real[target]), np.asarray(model.predict(x[cut:]))))
    names = teach[target].unique().sort().to_list()
    truth = real[target].to_numpy()
    if len(names) < 2 or not cut:
        return float("nan")
    model = lightgbm.LGBMClassifier(random_state=seed, **TREES)
    model.fit(x[:cut], np.searchsorted(names, teach[target].to_list()), categorical_feature=categories)
    told = np.asarray(model.predict_proba(x[cut:]))
    places = [place for place, name in enumerate(names) if 0 < (truth == name).sum() < len(truth)]
    return float(np.mean([roc_auc_score(truth == names[place], told[:, place]) for place in places]))


def facts(
    drawn: pl.DataFrame,
    teach: pl.DataFrame,
    holdout: pl.DataFrame,
    *,
    target: str = "",
    seed: int = 0,
) -> tuple[Fact, ...]:
    """Return how like real rows generated ones are; equally many rows of each kind are compared.

    Args:
        drawn: generated rows.
        teach: rows that taught the generator.
        holdout: rows that taught nothing and chose nothing.
        target: column that drawn rows teach to predict from the others; none, where empty.
        seed: of the choice of rows, and of the trees.
    """
    n = min(len(drawn), len(teach), len(holdout))
    if not n:
        return ()
    few, taught, unseen = (f.select(drawn.columns).sample(n, seed=seed) for f in (drawn, teach, holdout))
    found = [
        _likeness(
            "shapes", "likeness of the columns to those of the training rows", shapes, teach, few, unseen
        ),
        _likeness("trends", "likeness of the pairs of columns", trends, teach, few, unseen),
    ]
    if n >= LEAST:
        found.append(_discriminator(few, taught, unseen, seed))
        if target:
            found.append(_utility(few, taught, unseen, target, seed))
    return tuple(found)


def _likeness(
    name: str,
    text: str,
    measure: Callable[[pl.DataFrame, pl.DataFrame], Mapping[Any, float]],
    teach: pl.DataFrame,
    few: pl.DataFrame,
    unseen: pl.DataFrame,
) -> Fact:
    real = teach.select(few.columns)
    value, floor = (average(measure(real, side)) for side in (few, unseen))
    return _fact(name, text, value, len(few), floor=floor, goal=floor - ALLOWED[name])


def _discriminator(few: pl.DataFrame, taught: pl.DataFrame, unseen: pl.DataFrame, seed: int) -> Fact:
    told, floor, against = (
        discriminator(real, other, seed=seed)
        for real, other in ((unseen, few), (unseen, taught), (taught, few))
    )
    return _fact(
        "discriminator",
        "how well boosted trees tell generated rows from real ones that taught nothing (AUC)",
        told,
        len(few),
        floor=floor.value,
        goal=max(0.5, floor.value) + ALLOWED["discriminator"],
        # Alone it would count copies as likeness.
        against_training=against.value,
    )


def _utility(few: pl.DataFrame, taught: pl.DataFrame, unseen: pl.DataFrame, target: str, seed: int) -> Fact:
    value, floor = (utility(rows, unseen, target, seed=seed) for rows in (few, taught))
    measure = "R2" if is_number(few[target]) else "AUC"
    text = f"how well {target} of real rows is predicted by trees that generated rows taught ({measure})"
    return _fact("utility", text, value, len(few), floor=floor, goal=floor - ALLOWED["utility"])


def _fact(name: str, text: str, value: Share | float, n: int, **detail: Value) -> Fact:
    ends: Mapping[str, Value] = {}
    if isinstance(value, Share):
        ends = {"low": value.low, "high": value.high}
        value = value.value
    return Fact(id="", kind="fidelity", name=name, text=text, value=value, detail={**detail, "n": n, **ends})


def _shape(real: pl.Series, other: pl.Series) -> float:
    if not len(real) or not len(other):
        return float("nan")
    if is_number(real):
        ours, theirs = (np.sort(numbers(side).round(DECIMALS)) for side in (real, other))
        points = np.concatenate([ours, theirs])
        reached = [np.searchsorted(side, points, side="right") / len(side) for side in (ours, theirs)]
        return 1 - float(np.abs(reached[0] - reached[1]).max())
    return _common(*_named(real, other))


def _common(ours: Codes, theirs: Codes) -> float:
    """Return what two shares of codes have in common: 1 less their total variation."""
    size = int(max(ours.max(), theirs.max())) + 1
    shares = [np.bincount(side, minlength=size) / len(side) for side in (ours, theirs)]
    return float(np.minimum(*shares).sum())


def _named(*sides: pl.Series) -> tuple[Codes, ...]:
    """Return names as codes that mean the same on all sides; a missing one is the last."""
    held = pl.concat([side.cast(pl.String) for side in sides])
    names = {name: code for code, name in enumerate(held.drop_nulls().unique(maintain_order=True))}
    return tuple(np.array([names.get(v, len(names)) for v in side.to_list()], np.int64) for side in sides)


def _binned(values: Floats) -> Codes:
    known = values[~np.isnan(values)]
    if not len(known) or known.min() == known.max():
        return np.where(np.isnan(values), BINS + 1, 1 + BINS // 2)
    return np.digitize(values, np.linspace(known.min(), known.max(), BINS + 1))


def _tamed(values: Floats) -> Floats:
    """Return numbers whose squares are numbers too; bins and correlations know no scale."""
    most = np.abs(values).max(initial=0.0, where=~np.isnan(values))
    return values / most if most > HUGE else values


def _correlated(one: tuple[Floats, Floats], two: tuple[Floats, Floats]) -> float:
    found = []
    for x, y in zip(one, two, strict=True):
        known = ~np.isnan(x) & ~np.isnan(y)
        x, y = x[known], y[known]
        if len(x) < 2 or x.min() == x.max() or y.min() == y.max():
            return float("nan")
        found.append(float(np.corrcoef(x, y)[0, 1]))
    return 1 - abs(found[0] - found[1]) / 2


def _contingent(one: tuple[Codes, Codes], two: tuple[Codes, Codes]) -> float:
    size = 1 + max(int(side.max()) for side in two)
    joint = [a * size + b for a, b in zip(one, two, strict=True)]
    if size * (1 + max(int(side.max()) for side in one)) > MANY:
        _, places = np.unique(np.concatenate(joint), return_inverse=True)
        joint = [places[: len(joint[0])], places[len(joint[0]) :]]
    return _common(*joint)


def _matrix(frame: pl.DataFrame) -> tuple[Floats, list[int]]:
    """Return rows as trees read them [N, C], names as codes, and the places of the names."""
    columns = [numbers(s) if is_number(s) else _named(s)[0].astype(np.float64) for s in frame]
    return np.column_stack(columns), [place for place, s in enumerate(frame) if not is_number(s)]
