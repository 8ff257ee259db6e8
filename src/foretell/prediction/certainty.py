"""Certainty: which outcomes cannot be ruled out, and how often that may miss in every watched group.

n: rows, C: outcomes, K: groups of a column.

The margins are taken of the choosing rows, each scored by a model that it did not teach. These rows also
chose and calibrated the model, and the world goes on after them: what is promised is held against the test
rows, and both are told.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foretell.data.groups import Grouping
from foretell.tasks import conformal
from foretell.tasks.classify import Floats

Margins = tuple[float | None, ...]
"""Of categories; None: too few rows to promise anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certainty:
    """Margins of the outcomes, of all rows and of watched groups."""

    miss: float
    """Share of each outcome's rows, in each watched group, that sets may miss."""
    margins: Margins
    """Of each outcome [C]."""
    groupings: tuple[Grouping, ...] = ()
    own: tuple[Margins, ...] = ()
    """For each grouping, of each group's outcomes, group by group [K * C]."""

    def sets(self, frame: pl.DataFrame, probabilities: Floats) -> NDArray[np.bool_]:
        """Return which outcomes cannot be ruled out [n, C].

        A row has the widest margins of its groups, so that the promise is kept in all of them. A group that
        is too small to promise anything by itself has those of all rows, which promise nothing of it.

        Args:
            frame: the rows, with the watched columns.
            probabilities: of each outcome [n, C].
        """
        whole = _endless(self.margins)
        margins = np.repeat(whole[None], len(frame), axis=0)
        if self.groupings:
            margins = np.full((len(frame), len(whole)), -math.inf)
        for grouping, own in zip(self.groupings, self.own, strict=True):
            held = _endless(own).reshape(-1, len(whole))
            held = np.where(np.isfinite(held), held, whole)
            margins = np.maximum(margins, held[grouping.codes(frame)])
        return conformal.sets(probabilities, margins)

    def unpromised(self) -> Iterator[tuple[str, str, int]]:
        """Yield column, group and outcome where a group has too few rows for a margin of its own."""
        for grouping, own in zip(self.groupings, self.own, strict=True):
            for place, margin in enumerate(own):
                if margin is None:
                    group, outcome = divmod(place, len(self.margins))
                    yield grouping.column, grouping.names[group], outcome


def certainty_of(
    groupings: tuple[Grouping, ...],
    frame: pl.DataFrame,
    probabilities: Floats,
    labels: NDArray[np.int8],
    *,
    miss: float,
) -> Certainty:
    """Return the margins that some held-out rows give.

    Args:
        frame: these rows, with the watched columns.
        probabilities: of each outcome [n, C].
        labels: their outcomes, 0 to C - 1 [n].
    """
    num = probabilities.shape[1]
    scores = conformal.disagreement(probabilities)[np.arange(len(labels)), labels]
    outcomes = labels.astype(np.int64)
    own = [
        conformal.margins(
            scores, grouping.codes(frame) * num + outcomes, len(grouping.names) * num, miss=miss
        )
        for grouping in groupings
    ]
    return Certainty(
        miss=miss,
        margins=_told(conformal.margins(scores, outcomes, num, miss=miss)),
        groupings=groupings,
        own=tuple(map(_told, own)),
    )


def both(probabilities: Floats) -> Floats:
    """Return the probabilities of both outcomes of a binary target [n, 2], the negative one first."""
    return np.column_stack([1.0 - probabilities, probabilities])


def _told(margins: Floats) -> Margins:
    return tuple(margin if math.isfinite(margin) else None for margin in margins.tolist())


def _endless(margins: Margins) -> Floats:
    return np.array([math.inf if margin is None else margin for margin in margins])
