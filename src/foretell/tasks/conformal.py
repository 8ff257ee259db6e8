"""Conformal prediction: sets of classes and intervals that miss the truth at most as often as promised.

n: rows, C: classes, K: categories. The promise holds for rows that are exchangeable with those that the
margins were taken of: same world, and none of them taught or chose the model. It is one of all such rows
together, not of a single row.

A category is whatever the promise is to be kept in: a class, a group, or a group's rows of a class (Mondrian
conformal prediction: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005, ch. 4.5).
"""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def margin(scores: Floats, *, miss: float) -> float:
    """Return the score that a new row's own score exceeds at most `miss` of the time.

    Args:
        scores: how badly each held-out row agrees with its truth [n]: `disagreement` of its class, or
            |truth - prediction|, divided by a scale where one is given to `interval` as well.
        miss: accepted miss rate, a fraction strictly between 0 and 1.

    Returns:
        The ceil((n + 1)(1 - miss))-th smallest score; inf when n is too small to promise `miss`.

    Raises:
        ValueError: when `miss` is outside (0, 1).

    Source: Papadopoulos et al., ECML 2002; Lei et al., JASA 113 (2018), Algorithm 2.

    >>> margin(np.array([0.1, 0.4, 0.2, 0.3]), miss=0.2)
    0.4
    """
    if not 0 < miss < 1:
        raise ValueError(f"miss is {miss}, not between 0 and 1")
    place = len(scores) - math.floor((len(scores) + 1) * miss + 1e-9)
    return float(np.partition(scores, place)[place]) if place < len(scores) else math.inf


def fewest(miss: float) -> int:
    """Return how many rows are needed to promise a miss rate.

    >>> fewest(0.1), fewest(0.05)
    (9, 19)
    """
    return math.ceil(1 / miss - 1e-9) - 1


def margins(scores: Floats, categories: Codes, count: int, *, miss: float) -> Floats:
    """Return each category's own margin [K]; inf where it has too few rows.

    Args:
        scores: as for `margin` [n].
        categories: of each row, from 0 to `count` - 1 [n].
        count: K.
    """
    return np.array([margin(scores[categories == number], miss=miss) for number in range(count)])


def disagreement(probabilities: Floats) -> Floats:
    """Return how badly each class would agree with what was said [n, C]: 1 - its probability.

    Of all sets with the same promise these are the smallest on average (Sadinle, Lei and Wasserman, JASA 114,
    2019), and with a margin for each class they keep it in each. Sums of ranked probabilities (Romano, Sesia
    and Candes, NeurIPS 2020) can say no more of two classes: down to the less likely one they are always 1.
    """
    return 1.0 - probabilities


def sets(probabilities: Floats, margin_of: Floats) -> NDArray[np.bool_]:
    """Return which classes cannot be ruled out [n, C]; the likeliest never is, so that no set is empty.

    Args:
        probabilities: of each class [n, C].
        margin_of: the margin of each class, of all rows [C] or of each row [n, C].
    """
    held = disagreement(probabilities) <= margin_of
    held[np.arange(len(held)), np.argmax(probabilities, axis=1)] = True
    return held
