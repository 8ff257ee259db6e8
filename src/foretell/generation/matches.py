"""The longest stretches that texts share, by a suffix array. P: places of the reference, T: of a text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numba
import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]
Letters = NDArray[np.int32]
APART = 0
"""Stands between two texts of the reference; no text holds it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matches:
    """Texts in which stretches of others are found."""

    letters: Letters
    order: NDArray[np.int32]
    """Places by the text that begins there."""

    @classmethod
    def fit(cls, texts: Sequence[str]) -> Self:
        """Order all places of the texts: by their first letters, then twice as many, until none are alike.

        Source: Manber and Myers, Suffix arrays (SIAM Journal on Computing 22, 1993).
        """
        letters_P = np.concatenate([_letters(text + "\0") for text in texts] or [np.zeros(1, np.int32)])
        rank_P, length = np.unique(letters_P, return_inverse=True)[1].astype(np.int64), 1
        while True:
            later_P = np.concatenate((rank_P[length:] + 1, np.zeros(min(length, len(rank_P)), np.int64)))
            key_P = rank_P * (len(rank_P) + 1) + later_P
            order_P = np.argsort(key_P)
            steps = np.diff(key_P[order_P]) > 0
            rank_P[order_P] = np.concatenate(([0], np.cumsum(steps)))
            length *= 2
            if steps.all() or length > len(rank_P):
                return cls(letters=letters_P, order=order_P.astype(np.int32))

    def lengths(self, text: str) -> Places:
        """Return, for each place of a text, how many letters from there on stand in the reference [T]."""
        return _lengths(_letters(text), self.letters, self.order)

    def longest(self, text: str) -> int:
        """Return how many letters of a text stand in the reference in one stretch."""
        return int(self.lengths(text).max(initial=0))


def _letters(text: str) -> Letters:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.int32)


@numba.njit(cache=True)
def _alike(text, at, letters, place):
    """Return how many letters are alike from two places on."""
    length = 0
    most = min(len(text) - at, len(letters) - place)
    while length < most and text[at + length] == letters[place + length] and letters[place + length] != APART:
        length += 1
    return length


@numba.njit(cache=True)
def _lengths(text, letters, order):
    found = np.zeros(len(text), np.int64)
    for at in range(len(text)):
        low, high, best = 0, len(order), 0
        while low < high:
            middle = (low + high) // 2
            place = order[middle]
            length = _alike(text, at, letters, place)
            best = max(best, length)
            if at + length == len(text) or (
                place + length < len(letters) and letters[place + length] >= text[at + length]
            ):
                high = middle
            else:
                low = middle + 1
        found[at] = best
    return found
