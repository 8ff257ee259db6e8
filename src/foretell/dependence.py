"""How scores move with single columns, and how columns work together: the figures of the report's section.

R: rows, G: values of a column, F: features, B: rows of features, P: members of an ensemble, D: draws,
O: outcomes, one or as many as there are classes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from foretell import report
from foretell.data.dataset import Column, Dataset
from foretell.evidence.reasons import parts_of
from foretell.evidence.recourse import Search
from foretell.models.walks import by_rows
from foretell.prediction.fitted import Fitted, Scored
from foretell.prediction.paths import agreement, path_shares
from foretell.prediction.shares import shapley
from foretell.prediction.support import believed
from foretell.tasks.classify import Floats

COLUMNS = 6
"""Columns that are drawn: those whose factors moved scores most on held-out rows."""
ROWS, STEP_ROWS, PAIR_ROWS, AGREED_ROWS = 120, 300, 20, 60
"""Test rows that curves, accumulated effects, pairs, and the second opinion are taken of."""
VALUES, BINS = 12, 24
CLASSES = 3
"""Classes that are drawn: more lines would not be told apart."""
ENDS = ("mean", "low", "high")
DRAWS, MISS = 200, 0.1
"""Resamples of a band, and the share of them outside it."""
ORDERS = 16
"""Sampled orders of the factors for the shares that are looked at a second time."""


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """Rows whose columns can be set to other values, and the model that scores them."""

    search: Search
    scored: Scored
    rows: NDArray[np.int64]
    coded: Floats
    """[R, K] the rows' own values."""

    def take(self, count: int) -> "Board":
        """Return at most so many of the rows, evenly spread."""
        places = _spread(len(self.rows), count)
        return Board(self.search, self.scored, self.rows[places], self.coded[places])

    def features(self, changes: Sequence[tuple[int, Floats]]) -> NDArray[np.float32]:
        """Return each row's features [R * G, F] with some columns set to values [G], or to its own [R, G]."""
        states, made = self.scored.states_of(self.rows), []
        given = [
            (k, np.broadcast_to(values, (len(self.rows), np.shape(values)[-1]))) for k, values in changes
        ]
        for r, row in enumerate(self.rows.tolist()):
            values = np.repeat(self.coded[r][None], given[0][1].shape[1], axis=0)
            for k, column in given:
                values[:, k] = column[r]
            made.append(self.search.features(self.scored.features[row], states[r], values))
        return np.concatenate(made)


def dependence(
    fitted: Fitted, dataset: Dataset, scored: Scored
) -> tuple[tuple[report.Dependence, ...], tuple[report.Interaction, ...]]:
    """Return how the answer moves with the strongest columns, and how far pairs of them work together.

    Sources: Friedman, Ann. Stat. 29 (2001), partial dependence; Apley and Zhu, JRSS B 82 (2020), accumulated
    local effects; Friedman and Popescu, Ann. Appl. Stat. 2 (2008), H.
    """
    if fitted.reference.rows.is_empty() or len(scored.rows) == 0:
        return (), ()
    search = Search(fitted)
    rows = scored.rows
    board = Board(search, scored, rows, search.coded(dataset.frame[rows])).take(STEP_ROWS)
    chosen = strongest(fitted, search)
    columns, names = {column.name: column for column in dataset.columns}, classes_of(fitted)
    banded = [_banded(fitted, *_set(board.take(ROWS), k)) for k in chosen]
    drawn = most_moved([band[0] for band in banded])
    curves = [
        _curve(board, k, columns[search.names[k]], [tuple(part[:, code] for part in band) for code in drawn])
        for k, band in zip(chosen, banded, strict=True)
    ]
    called = [names[code] for code in drawn] if names else []
    curves = [_named(curve, called) for curve in curves]
    pairs = interactions(board.take(PAIR_ROWS), chosen)
    return tuple(curves), tuple(
        report.Interaction(
            first=columns[search.names[a]].text,
            second=columns[search.names[b]].text,
            outcome=names[code] if names else "",
            size=size,
            share=share,
        )
        for (a, b), (size, share, code) in pairs.items()
    )


def answers(fitted: Fitted, logits: Floats) -> Floats:
    """Return what a model says [..., O] of raw log-odds: of two outcomes the probability, of a number what
    it expects, of several classes [..., C] the probability of each."""
    if fitted.coupling is not None:
        return fitted.coupling(logits.reshape(-1, logits.shape[-1])).reshape(logits.shape)
    flat = logits.ravel()
    said = fitted.calibration(flat) if fitted.estimator is None else fitted.estimator.values(flat)
    return said.reshape(*logits.shape, 1)


def classes_of(fitted: Fitted) -> tuple[str, ...]:
    """Return the classes that a model tells; nothing of two outcomes and numbers."""
    return fitted.coupling.names if fitted.coupling is not None else ()


def most_moved(means: Sequence[Floats]) -> list[int]:
    """Return the codes of the outcomes that columns move most: CLASSES at most, the same in all pictures.

    Args:
        means: for each column, the mean of each outcome at its values [G, O].
    """
    if not means:
        return []
    moved = np.sum([np.ptp(mean, axis=0) for mean in means], axis=0)
    return np.sort(np.argsort(-moved, kind="stable")[:CLASSES]).tolist()


def _named(curve: report.Dependence, called: Sequence[str]) -> report.Dependence:
    """Return a curve of several classes with their names."""
    if not called:
        return curve
    others = [replace(level, name=name) for level, name in zip(curve.others, called[1:], strict=True)]
    return replace(curve, name=called[0], others=tuple(others), accumulated=())


def strongest(fitted: Fitted, search: Search) -> list[int]:
    """Return the columns whose factors moved scores most on held-out rows."""
    sizes = dict.fromkeys(search.names, 0.0)
    for factor in fitted.factors:
        column = factor.name.partition("@")[0]
        if column in sizes:
            sizes[column] += factor.size
    order = sorted(range(len(search.names)), key=lambda k: -sizes[search.names[k]])
    return [k for k in order if sizes[search.names[k]] > 0 and len(_values(search, k)) > 1][:COLUMNS]


def _values(search: Search, k: int) -> Floats:
    """Return the values of a column that are drawn: quantiles of the numbers, the usual categories."""
    if k >= search.num_numbers:
        return search.usual(k)
    grid = search.model.reference.grids.get(search.names[k], np.zeros(0))
    return grid[_spread(len(grid), VALUES)] if len(grid) else grid


def _set(board: Board, k: int) -> tuple[NDArray[np.float32], int]:
    """Return the rows' features with a column set to each of its values, and how many rows they are."""
    return board.features([(k, _values(board.search, k))]), len(board.rows)


def _curve(board: Board, k: int, column: Column, bands: Sequence[tuple[Floats, ...]]) -> report.Dependence:
    """Return partial dependence with its band, and for a number its accumulated effects.

    Args:
        bands: of each drawn outcome, its means at the column's values and the ends of their band.
    """
    search, values = board.search, _values(board.search, k)
    (mean, low, high), *others = bands
    is_number = k < search.num_numbers
    kept = search.near.rows[:, k]
    kept = kept[np.isfinite(kept)]
    if is_number:
        edges = np.linspace(values[0], values[-1], BINS + 1)
        counts = np.histogram(np.clip(kept, values[0], values[-1]), edges)[0]
    else:
        counts = np.array([(kept == value).sum() for value in values])
    alone = is_number and search.model.coupling is None
    return report.Dependence(
        text=column.text,
        unit=column.unit,
        values=tuple(values.tolist()) if is_number else (),
        names=() if is_number else tuple(str(search.shown(k, value)) for value in values),
        mean=tuple(mean.tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        accumulated=tuple(_accumulated(board, k, values, mean).tolist()) if alone else (),
        others=tuple(
            report.Level(
                name="", **{name: tuple(part.tolist()) for name, part in zip(ENDS, band, strict=True)}
            )
            for band in others
        ),
        shares=tuple((counts / max(len(kept), 1)).tolist()),
    )


def _banded(fitted: Fitted, features: NDArray[np.float32], num_rows: int) -> tuple[Floats, Floats, Floats]:
    """Return mean answers [G, O] and the ends of their band: over resampled rows and folds.

    Members of one family but of different folds were taught by different rows; drawn again with replacement,
    all families alike, they tell how far the curve is owed to these rows.
    """
    rng, folds = np.random.default_rng(fitted.spec.train.seed), parts_of(fitted)
    parts_PRG = np.stack(
        [
            sum(weight * (family.logits(features) + offset) for weight, offset, family in members)
            for members in folds.values()
        ]
    )
    parts_PRG = parts_PRG.reshape(len(folds), num_rows, -1, *parts_PRG.shape[2:])
    mean = answers(fitted, parts_PRG.mean(0)).mean(0)
    drawn = []
    for _ in range(DRAWS):
        picked = rng.integers(len(folds), size=len(folds))
        rows = rng.integers(num_rows, size=num_rows)
        drawn.append(answers(fitted, parts_PRG[picked].mean(0)[rows]).mean(0))
    low, high = np.quantile(drawn, [MISS / 2, 1 - MISS / 2], axis=0)
    return mean, low, high


def _accumulated(board: Board, k: int, values: Floats, mean: Floats) -> Floats:
    """Return accumulated local effects at a number's values, as high on average as the curve beside it.

    Each row moves only to the ends of the bin that it lies in, so no row is asked about that is unlike all.
    """
    own = board.coded[:, k]
    places = np.clip(np.searchsorted(values, own, side="right") - 1, 0, len(values) - 2)
    known = np.isfinite(own)
    inside = Board(board.search, board.scored, board.rows[known], board.coded[known])
    if not known.any():
        return mean.copy()
    ends = np.stack([values[places[known]], values[places[known] + 1]], axis=1)
    model = board.search.model
    logits = model.logits_of(inside.features([(k, ends)]))
    steps = np.diff(answers(model, logits).reshape(-1, 2), axis=1)[:, 0]
    counts = np.bincount(places[known], minlength=len(values) - 1)
    effects = np.bincount(places[known], steps, minlength=len(values) - 1) / np.maximum(counts, 1)
    curve = np.append(0.0, np.cumsum(effects))
    return (
        curve
        - np.average((curve[:-1] + curve[1:]) / 2, weights=counts)
        + np.average((mean[:-1] + mean[1:]) / 2, weights=counts)
    )


def interactions(board: Board, columns: Sequence[int]) -> Mapping[tuple[int, int], tuple[float, float, int]]:
    """Return for each pair what is no sum in its joint effect: in log-odds, and as a share of its variance.

    The largest first. Effects are those of setting columns to the values that rows have, so a score that is a
    sum of its columns has none, to rounding. Of several classes it is the score of the one where it is
    largest, whose code comes third.
    """
    alone = {k: _joint(board, (k,)) for k in columns}
    found = {}
    for a, b in combinations(columns, 2):
        joint_RO = _joint(board, (a, b))
        left_RO = joint_RO - alone[a] - alone[b]
        code = int((left_RO**2).mean(0).argmax())
        left, joint = left_RO[:, code], joint_RO[:, code]
        found[a, b] = (
            float(np.sqrt((left**2).mean())),
            float(min(1.0, (left**2).sum() / max((joint**2).sum(), 1e-12))),
            code,
        )
    return dict(sorted(found.items(), key=lambda item: -item[1][0]))


def _joint(board: Board, columns: tuple[int, ...]) -> Floats:
    """Return the centred mean log-odds with some columns as each row has them [R, O].

    Of several classes they are calibrated, and centred over the classes: only differences count.
    """
    model, features = board.search.model, board.features([(k, board.coded[:, k]) for k in columns])
    logits = model.logits_of(features)
    if model.coupling is not None:
        logits = model.coupling.sharpness * (logits - logits.mean(axis=1, keepdims=True))
    means = logits.reshape(len(board.rows), len(features) // len(board.rows), -1).mean(0)
    return means - means.mean(0)


def agreed(fitted: Fitted, scored: Scored) -> report.Agreement:
    """Return how far a second way of sharing scores out agrees with the first, on some of the test rows.

    Of several classes it is the score of each row's most probable one, against all others.
    """
    rows = scored.rows[_spread(len(scored.rows), AGREED_ROWS)]
    if len(rows) == 0:
        return report.Agreement()
    x, coupling = scored.features[rows], fitted.coupling
    if coupling is None:
        return _agreed(fitted, x, fitted.logits_of)
    likeliest = coupling(fitted.logits_of(x)).argmax(axis=1)
    parts = [
        _agreed(
            fitted,
            x[likeliest == code],
            lambda x_BF, code=code: coupling.against(fitted.logits_of(x_BF), code),
        )
        for code in np.unique(likeliest).tolist()
    ]
    return report.Agreement(
        rows=sum(part.rows for part in parts),
        same=sum(part.same for part in parts),
        told=sum(part.told for part in parts),
        told_same=sum(part.told_same for part in parts),
        ranks=float(np.average([part.ranks for part in parts], weights=[part.rows for part in parts])),
        missed=max(part.missed for part in parts),
    )


def _agreed(
    fitted: Fitted, x: NDArray[np.float32], score: Callable[[NDArray[np.float32]], Floats]
) -> report.Agreement:
    """Return the same of one score and the features of some rows."""
    background = fitted.reference.background
    columns, seed = [factor.columns for factor in fitted.factors], fitted.spec.train.seed
    shares = shapley(by_rows(score), x, background, columns, num_permutations=ORDERS, seed=seed)
    signs = np.minimum(shares.sign_stability, believed(fitted.factors, shares.values, seed=seed)[0])
    missed = np.abs(shares.base + shares.values.sum(1) - score(x)).max()

    def again(asked: NDArray[np.int64]) -> Floats:
        picked = [columns[g] for g in asked.tolist()]
        return path_shares(score, x, background, picked, fitted.featurizer.categorical, seed=seed + 1)

    found = agreement(shares.values, signs, again)
    return report.Agreement(
        rows=found.rows,
        same=round(found.signs * found.rows),
        told=found.num_told,
        told_same=round(found.told * found.num_told),
        ranks=found.ranks,
        missed=float(missed),
    )


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """Return at most so many of `count` places, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))
