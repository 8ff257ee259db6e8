"""Mechanisms: how declared causes move a number, as past rows show it. C: rows, K: columns, P: terms.

The owner states what causes what; here only the strength is fitted. A changed row keeps what its causes do
not explain: abduction (the row's residual), action (the change), prediction (the effect with that residual).

Source: Pearl, Causality (2009), 7.1; for recourse: Karimi, Schölkopf and Valera, FAccT (2021).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from foretell.tasks.classify import Floats

RIDGE = 1.0
"""Pull of each standardised term towards none, in rows."""
FEWEST = 30
"""Past rows from which a mechanism can be fitted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mechanism:
    """One effect as a sum over its causes: numbers, their squares and products, and categories."""

    effect: int
    causes: tuple[int, ...]
    codes: tuple[Floats, ...]
    """Of each cause the codes that get a term; none for a number."""
    centers: Floats
    """[causes]"""
    scales: Floats
    weights: Floats
    """[P]"""
    low: float
    """The least and the greatest value of the effect that occurred."""
    high: float
    whole: bool
    """Whether only whole numbers occur."""
    explained: float
    """Share of the effect's variance that its causes explain in past rows."""

    def __call__(self, rows_CK: Floats) -> Floats:
        """Return what the causes alone let the effect be [C]."""
        return self.terms(rows_CK) @ self.weights

    def terms(self, rows_CK: Floats) -> Floats:
        x = np.nan_to_num((rows_CK[:, self.causes] - self.centers) / self.scales)
        numbers = [i for i, codes in enumerate(self.codes) if not len(codes)]
        terms = [np.ones(len(rows_CK)), *(x[:, i] for i in numbers)]
        terms += [x[:, i] * x[:, j] for place, i in enumerate(numbers) for j in numbers[place:]]
        for i, codes in enumerate(self.codes):
            terms += [(rows_CK[:, self.causes[i]] == code).astype(np.float64) for code in codes]
        return np.column_stack(terms)


def fitted(effect: int, causes: Sequence[int], rows_MK: Floats, num_numbers: int) -> Mechanism | None:
    """Return the mechanism of an effect, by ridge regression; None where too few rows know all of it."""
    numbers = [effect, *(k for k in causes if k < num_numbers)]
    rows = rows_MK[np.isfinite(rows_MK[:, numbers]).all(1)]
    if len(rows) < FEWEST:
        return None
    values = rows[:, effect]
    x = rows[:, list(causes)]
    blank = Mechanism(
        effect=effect,
        causes=tuple(causes),
        codes=tuple(np.unique(rows[:, k]) if k >= num_numbers else np.zeros(0) for k in causes),
        centers=x.mean(0),
        scales=np.maximum(x.std(0), 1e-12),
        weights=np.zeros(0),
        low=float(values.min()),
        high=float(values.max()),
        whole=bool((values == np.round(values)).all()),
        explained=0.0,
    )
    terms, level = blank.terms(rows), values.mean()
    pull = np.diag(np.append(1e-9, np.full(terms.shape[1] - 1, RIDGE)))
    weights = np.linalg.solve(terms.T @ terms + pull, terms.T @ (values - level))
    weights[0] += level
    left = values - terms @ weights
    explained = 1.0 - float(left.var() / max(values.var(), 1e-300))
    return replace(blank, weights=weights, explained=max(0.0, explained))


def ordered(causes: Mapping[int, Iterable[int]]) -> list[int]:
    """Return the effects, each behind those of its causes that are effects themselves.

    >>> ordered({2: [1], 1: [0], 5: [0]})
    [1, 5, 2]
    """
    left, order = {effect: {*above} for effect, above in causes.items()}, []
    while left:
        ready = sorted(effect for effect, above in left.items() if not above & left.keys())
        assert ready, "the spec's causes go round in a circle"
        order += ready
        for effect in ready:
            del left[effect]
    return order
