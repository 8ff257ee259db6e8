"""Pieces of a column's line, and the line itself: points that tokens tell exactly, and bins of numbers.

N: rows, P: points (names, exact numbers, a missing value), M: fine bins, J: pieces, K: values of a token.
"""

from dataclasses import dataclass

import numpy as np

from foretell.data.codecs.tables import Names, Numbers, Tokens
from foretell.generation.spans import Bools, Floats


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Closed stretches of a line, in order, in a column's own steps where it has steps [N or 1, J]."""

    low: Floats
    high: Floats
    allowed: Bools


def tokens_of(coder: Names | Numbers) -> Tokens:
    """Return the token of each point of a column [P]."""
    if isinstance(coder, Numbers):
        return np.arange(coder.first_bin)
    return np.array([*range(len(coder.values)), *[len(coder.values)] * len(coder.rare)], np.int64)


def first_token(coder: Names | Numbers, points: Bools, bins: Bools) -> Bools:
    """Return which values the first token of a column may have [N or 1, K]."""
    if isinstance(coder, Names):
        own = points[:, : len(coder.values)]
        return np.column_stack([own, points[:, len(coder.values) :].any(axis=1)]) if coder.rare else own
    rows = max(len(points), len(bins))
    coarse = bins.reshape(len(bins), -1, coder.fine).any(axis=2)
    return np.concatenate([np.broadcast_to(x, (rows, x.shape[1])) for x in (points, coarse)], axis=1)


def bins_of(coder: Numbers) -> tuple[Floats, Floats]:
    """Return the least and the largest of what each fine bin holds, in steps where there are steps [M]."""
    edges = np.array(coder.edges)
    if coder.steps:
        edges = np.rint(edges if coder.grain_us else edges * 10.0**coder.decimals)
    return edges[:-1], edges[1:]


def in_steps(coder: Numbers, values: Floats) -> Floats:
    """Return values in steps of a column; what is hardly off a step is on it."""
    steps = values / coder.grain_us if coder.grain_us else values * 10.0**coder.decimals
    whole = np.rint(steps)
    return np.where(np.abs(steps - whole) <= np.clip(1e-9 * np.abs(whole), 1e-9, 1e-3), whole, steps)


def from_steps(coder: Numbers, steps: Floats) -> Floats:
    """Return what steps of a column stand for."""
    if coder.grain_us:
        return steps * coder.grain_us
    return steps / 10.0**coder.decimals if coder.steps else steps


def beside(coder: Numbers, cut: Floats) -> tuple[Floats, Floats]:
    """Return what comes directly after and before numbers."""
    if coder.steps:
        return np.floor(cut) + 1, np.ceil(cut) - 1
    return np.nextafter(cut, np.inf), np.nextafter(cut, -np.inf)
