"""Walks: how scores move while rows' features come step by step, each in place of a typical row's.

R: rows, P: walks, F: features, S: steps, C: classes.

A step changes few features, so a family that can goes on from the step before instead of scoring whole rows.
"""

from collections.abc import Callable, Sequence
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from foretell.models.boosting import Boosting
from foretell.models.family import Floats, Rows, Scorer
from foretell.models.linear import Linear, walk_curves
from foretell.models.readout import walk_out
from foretell.models.several import Several
from foretell.models.tabm import TabM
from foretell.models.trees import walk_masked

Features = NDArray[np.float32]
Walk = Callable[[Features, Features, Rows], Floats]
"""As `walked` of some score: from rows [R, F], where walks start [P, F] and steps [P, F]."""
AT_ONCE = 4_000_000
"""Values of rows that are mixed and scored in one call."""


def by_rows(score: Callable[[Features], Floats]) -> Walk:
    """Return the walk of any score of feature rows [B, F], each step scored as a row of its own."""

    def walk(x_RF: Features, starts_PF: Features, steps_PF: Rows) -> Floats:
        num_stops = int(steps_PF.max(initial=-1)) + 2
        at_once, walks = max(1, AT_ONCE // max(x_RF.size, 1)), []
        for start_F, steps_F in zip(starts_PF, steps_PF, strict=True):
            parts = []
            for first in range(0, num_stops, at_once):
                stops = np.arange(first, min(first + at_once, num_stops))
                come = steps_F < stops[:, None]
                mixed = np.where(come[:, None], x_RF, start_F).reshape(-1, x_RF.shape[1])
                found = score(mixed)
                parts.append(found.reshape(len(stops), len(x_RF), *found.shape[1:]))
            walks.append(np.concatenate(parts))
        return np.stack(walks)

    return walk


@singledispatch
def walked(family: Scorer, x_RF: Features, starts_PF: Features, steps_PF: Rows) -> Floats:
    """Return a family's log-odds [P, S + 1, R], of several classes [P, S + 1, R, C], after each step.

    Args:
        x_RF: where walks end; finite.
        starts_PF: where they start.
        steps_PF: the step at which each feature comes, from 0 on; each step of a walk has one.
    """
    return by_rows(family.logits)(x_RF, starts_PF, steps_PF)


@walked.register
def _(family: Several, x_RF: Features, starts_PF: Features, steps_PF: Rows) -> Floats:
    return np.stack([walked(member, x_RF, starts_PF, steps_PF) for member in family.members], axis=-1)


@walked.register
def _(family: Boosting, x_RF: Features, starts_PF: Features, steps_PF: Rows) -> Floats:
    trees = family.trees
    if not trees.masked:
        return by_rows(family.logits)(x_RF, starts_PF, steps_PF)
    out = _stops(x_RF, steps_PF)
    walk_masked(x_RF, starts_PF, steps_PF, family.columns, out, *trees.reads, *trees.masked)
    return out


@walked.register
def _(family: Linear, x_RF: Features, starts_PF: Features, steps_PF: Rows) -> Floats:
    out = _stops(x_RF, steps_PF)
    walk_curves(x_RF, starts_PF, steps_PF, out, family.columns, family.knots, family.table, family.bias)
    return out


@walked.register
def _(family: TabM, x_RF: Features, starts_PF: Features, steps_PF: Rows) -> Floats:
    out = _stops(x_RF, steps_PF)
    walk_out(x_RF, starts_PF, steps_PF, family.columns, out, *family.readout.kernel())
    return out


def mixed(members: Sequence[tuple[float, float, Scorer]]) -> Walk:
    """Return the walk of a weighted sum of families: a weight, what is added to its log-odds, and each."""

    def walk(x_RF: Features, starts_PF: Features, steps_PF: Rows) -> Floats:
        total = np.zeros(())
        for weight, offset, family in members:
            total = total + weight * (walked(family, x_RF, starts_PF, steps_PF) + offset)
        return total

    return walk


def _stops(x_RF: Features, steps_PF: Rows) -> Floats:
    return np.empty((len(steps_PF), int(steps_PF.max(initial=-1)) + 2, len(x_RF)))
