"""Groups compared: what the model does in each, against the rest, and what chance alone would explain.

n: rows. Everything is counted of rows with known outcome. Of more than two classes, or of any answer that can
be right or wrong, ask class by class: `labels` says which rows are of it, `selected` which were said to be.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, fisher_exact

from foretell.tasks.classify import NUM_BINS, Floats, Labels, expected_calibration_error, wilson

Mask = NDArray[np.bool_]
Codes = NDArray[np.int64]
DRAWS = 200
"""Draws of outcomes that tell what calibration error chance alone shows."""
SURE = 0.05
"""Share of all comparisons together that may be called a difference by chance."""
MEASURES = ("selection", "recall", "false_alarms", "precision")
"""What is compared with the rest: the share of alerts among all rows, among positives (true positive rate),
among negatives (false positive rate), and the share of positives among alerts."""
CALIBRATION = "calibration"
"""What is compared with what was said: the observed share less the mean probability."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share of rows, with its 95 % interval; nothing is known of it where there are none."""

    value: float | None
    low: float
    high: float
    n: float
    """Rows among which it was counted; fewer where rows of a cluster say the same."""

    @property
    def hits(self) -> float:
        return self.n * self.value if self.value is not None else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What was said of a group's rows, and what came."""

    name: str
    n: int
    rates: Mapping[str, Rate]
    """`base_rate`, and each of `MEASURES`."""
    mean_probability: float
    ece: float
    """Expected calibration error."""
    ece_by_chance: float
    """What it would stay under 19 times in 20, were every probability right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a group differs from the rest in one measure."""

    group: str
    other: str
    """The one other group, or empty: all other rows. Of `CALIBRATION`: what was said of the group."""
    measure: str
    value: float
    """The group's share less that of the others."""
    low: float
    high: float
    ratio: float | None
    """The group's share over that of the others; None where theirs is 0."""
    p: float
    """How often chance alone would show at least as much, if there were no difference."""
    adjusted: float
    """The same with all comparisons of the table counted."""

    @property
    def sure(self) -> bool:
        return self.adjusted < SURE


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The groups of one column."""

    groups: tuple[Group, ...]
    differences: tuple[Difference, ...]

    def spread(self, measure: str) -> float | None:
        """Return the greatest difference between two groups in a measure; None where fewer have one.

        Of `selection` this is the demographic parity difference.
        """
        found = [value for group in self.groups if (value := group.rates[measure].value) is not None]
        return max(found) - min(found) if len(found) > 1 else None

    @property
    def equalized_odds(self) -> float | None:
        """The greater of the spreads of `recall` and `false_alarms`.

        Source: Hardt, Price and Srebro, NeurIPS 2016; as fairlearn's equalized_odds_difference.
        """
        found = [spread for name in ("recall", "false_alarms") if (spread := self.spread(name)) is not None]
        return max(found, default=None)


def rate(hits: Mask, among: Mask, clusters: Codes | None = None) -> Rate:
    """Return the share of hits among rows.

    Args:
        hits: which rows count [n].
        among: which rows they are counted of [n].
        clusters: rows of one code vary together [n]; every row by itself if None.

    Source: Wilson, JASA 22 (1927). Of clusters, with as many rows as tell as much: the variance of the share
    is that between clusters (Korn and Graubard, Survey Methodology 24, 1998).

    >>> rate(np.array([True, False, True]), np.array([True, True, False])).value
    0.5
    """
    n, k = float(among.sum()), float((hits & among).sum())
    if not n:
        return Rate(value=None, low=0.0, high=1.0, n=0.0)
    share, told = k / n, n
    if clusters is not None:
        _, code = np.unique(clusters[among], return_inverse=True)
        own = np.bincount(code, hits[among] - share)
        between = float((own**2).sum()) / n**2
        told = min(n, share * (1 - share) / between) if between else float(len(own))
    low, high = wilson(share * told, told)
    return Rate(value=share, low=low, high=high, n=told)


def compare_groups(
    labels: Labels,
    probabilities: Floats,
    selected: Mask,
    codes: Codes,
    names: Sequence[str],
    *,
    clusters: Codes | None = None,
    seed: int = 0,
) -> Comparison:
    """Compare what the model does in each group.

    Args:
        labels: outcomes, 0 or 1 [n].
        probabilities: calibrated [n].
        selected: whether the row is an alert [n].
        codes: each row's group, its place in `names` [n]. Groups without rows are left out.
        names: what the groups are called.
        clusters: as for `rate`.

    Returns:
        The groups in the order of their names, and each one's difference to all other rows: of two groups,
        once. `adjusted` counts the comparisons of this column; see `adjusted_together` for several.
    """
    rng = np.random.default_rng(seed)
    whole = _rates(labels, selected, clusters)
    there = [number for number in range(len(names)) if (codes == number).any()]
    groups, found = [], []
    for number in there:
        own = codes == number
        group = _group(names[number], labels, probabilities, own, whole, rng)
        groups.append(group)
        found.append(_calibration(group))
        if len(there) < 2 or (len(there) == 2 and number == there[1]):
            continue
        other = names[there[1]] if len(there) == 2 else ""
        for measure in MEASURES:
            rest = whole(measure, ~own)
            difference = _difference(group.name, other, measure, group.rates[measure], rest)
            found += [difference] if difference is not None else []
    (compared,) = adjusted_together([Comparison(groups=tuple(groups), differences=tuple(found))])
    return compared


def adjusted_together(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return the comparisons with each p-value adjusted for all of theirs together.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    flat = holm(np.array([each.p for found in comparisons for each in found.differences]))
    taken = iter(flat.tolist())
    return [
        replace(found, differences=tuple(replace(each, adjusted=next(taken)) for each in found.differences))
        for found in comparisons
    ]


def holm(p: Floats) -> Floats:
    """Return p-values of m comparisons, such that those below a level are chance at most that often [m].

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    steps = p[order] * (len(p) - np.arange(len(p)))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(p) else steps
    return adjusted


def reweighing(codes: Codes, labels: Labels) -> Floats:
    """Return weights of rows with which group and outcome are independent [n]; of frequent pairs below 1.

    Args:
        codes: each row's group [n].
        labels: outcomes, of any number of classes [n].

    Source: Kamiran and Calders, Knowledge and Information Systems 33 (2012), algorithm 3.

    >>> reweighing(np.array([0, 0, 0, 1]), np.array([1, 0, 0, 1], dtype=np.int8)).tolist()
    [1.5, 0.75, 0.75, 0.5]
    """
    _, group, in_group = np.unique(codes, return_inverse=True, return_counts=True)
    _, outcome, of_outcome = np.unique(labels, return_inverse=True, return_counts=True)
    both = np.zeros((len(in_group), len(of_outcome)))
    np.add.at(both, (group, outcome), 1.0)
    return in_group[group] * of_outcome[outcome] / (len(codes) * both[group, outcome])


def _rates(labels: Labels, selected: Mask, clusters: Codes | None) -> Callable[[str, Mask], Rate]:
    """Return what gives a measure of some of the rows."""
    positive = labels == 1
    masks = {
        "base_rate": (positive, np.ones(len(labels), dtype=np.bool_)),
        "selection": (selected, np.ones(len(labels), dtype=np.bool_)),
        "recall": (selected, positive),
        "false_alarms": (selected, ~positive),
        "precision": (positive, selected),
    }

    def measured(measure: str, rows: Mask) -> Rate:
        hits, among = masks[measure]
        return rate(hits, among & rows, clusters)

    return measured


def _group(
    name: str,
    labels: Labels,
    probabilities: Floats,
    own: Mask,
    whole: Callable[[str, Mask], Rate],
    rng: np.random.Generator,
) -> Group:
    said = probabilities[own]
    return Group(
        name=name,
        n=int(own.sum()),
        rates={measure: whole(measure, own) for measure in ("base_rate", *MEASURES)},
        mean_probability=float(said.mean()),
        ece=expected_calibration_error(said, labels[own]),
        ece_by_chance=float(np.quantile(_chance(np.sort(said), rng), 0.95)),
    )


def _chance(said: Floats, rng: np.random.Generator) -> list[float]:
    """Return calibration errors of outcomes that come as often as ascending probabilities say [DRAWS].

    The bins are those of `reliability`: half by rows, half by positives.
    """
    found = []
    for _ in range(DRAWS):
        came = rng.random(len(said)) < said
        weight = np.cumsum(came + came.mean())
        bins = np.minimum(NUM_BINS * weight / max(weight[-1], 1e-300), NUM_BINS - 1).astype(np.int64)
        found.append(float(np.abs(np.bincount(bins, said - came)).sum()) / len(said))
    return found


def _calibration(group: Group) -> Difference:
    """Return how the observed share differs from what was said of the group on average.

    Were every probability right, hits would vary less than in a binomial of their mean (Hoeffding, Annals of
    Mathematical Statistics 27, 1956), so its tails promise too much rather than too little.
    """
    came, said = group.rates["base_rate"], group.mean_probability
    assert came.value is not None
    n, k = round(came.n), round(came.hits)
    tails = binom.cdf(k, n, said), binom.sf(k - 1, n, said)
    return Difference(
        group=group.name,
        other="",
        measure=CALIBRATION,
        value=came.value - said,
        low=came.low - said,
        high=came.high - said,
        ratio=came.value / said if said else None,
        p=min(1.0, 2 * float(min(tails))),
        adjusted=1.0,
    )


def _difference(group: str, other: str, measure: str, own: Rate, rest: Rate) -> Difference | None:
    """Return how two shares differ; None where one of them has no rows.

    Fisher's exact test holds the number of alerts as given, as the capacity of the queue does. The interval
    is Newcombe's (Statistics in Medicine 17, 1998, method 10), from those of both shares.
    """
    if own.value is None or rest.value is None:
        return None
    counts = [[round(each.hits), round(each.n) - round(each.hits)] for each in (own, rest)]
    value = own.value - rest.value
    return Difference(
        group=group,
        other=other,
        measure=measure,
        value=value,
        low=value - float(np.hypot(own.value - own.low, rest.high - rest.value)),
        high=value + float(np.hypot(own.high - own.value, rest.value - rest.low)),
        ratio=own.value / rest.value if rest.value else None,
        p=float(fisher_exact(counts).pvalue),
        adjusted=1.0,
    )
