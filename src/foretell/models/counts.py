"""Counts as a prior: interpolated modified Kneser-Ney over tokens (Chen and Goodman, 1999).

Contexts are rows of a trie that grows to the left: a row's children are the longer contexts, by the token
before it. P: positions, V: vocabulary, R: rows, F: followers (a row and a token that was seen after it).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numba
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
LEAST = 0.02
"""Least share of a discount, so that no token is impossible."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counts:
    """How often each token followed each context, and what that makes probable."""

    num_tokens: int
    order: int
    """Longest context plus one."""
    before: NDArray[np.int32]
    """The token by which a context is longer than its parent's; row 0 is the empty context."""
    child: NDArray[np.int32]
    """Its first child; the children are the rows from there to the next row's first child [R + 1]."""
    first: NDArray[np.int32]
    """Its first follower [R + 1]."""
    token: NDArray[np.int32]
    count: NDArray[np.int32]
    """Occurrences after the longest contexts; of a shorter one, how many tokens it was seen after."""
    discounts: NDArray[np.float32]
    """Of counts 0, 1, 2, and 3 or more, for each length of context [order, 4]."""

    @classmethod
    def fit(cls, tokens_P: Ints, num_tokens: int, *, order: int = 7) -> Self:
        """Count a text.

        Args:
            tokens_P: token numbers below `num_tokens`; the first ones are contexts alone.
            order: tokens that are looked at together, 1 or more; a shorter text lowers it.
        """
        return cls.folds(tokens_P, num_tokens, order=order, parts=0)[0]

    @classmethod
    def folds(cls, tokens_P: Ints, num_tokens: int, *, order: int = 7, parts: int = 8) -> tuple[Self, ...]:
        """Count a text, and for each of its parts all the rest: what those say who have not read it.

        What learns on top of counts must not see what they make of a text that they know by heart. Parts are
        whole stretches, `np.array_split` of the positions, since neighbours know too much of each other.

        Returns:
            The counts of the whole, then those without each part.
        """
        order = max(1, min(order, len(tokens_P) - 1))
        follows_P = tokens_P[order - 1 :].astype(np.int64)
        row_P = np.zeros(len(follows_P), np.int64)
        before, parents, starts = [np.zeros(1, np.int64)], [], [0, 1]
        for length in range(1, order):
            key = row_P * num_tokens + tokens_P[order - 1 - length : len(tokens_P) - length]
            found, row_P = np.unique(key, return_inverse=True)
            before.append(found % num_tokens)
            parents.append(found // num_tokens)
            starts.append(starts[-1] + len(found))
        keys, shorter = [], []
        key, at_P = np.unique(row_P * num_tokens + follows_P, return_inverse=True)
        keys.append(key)
        for parent_R in reversed(parents):
            row, token = np.divmod(key, num_tokens)
            key, shorter_F = np.unique(parent_R[row] * num_tokens + token, return_inverse=True)
            keys.insert(0, key)
            shorter.append(shorter_F)
        rows = np.concatenate([key // num_tokens + start for key, start in zip(keys, starts, strict=False)])
        above = np.concatenate(
            [parent + start for parent, start in zip(parents, starts, strict=False)] or [[]]
        )
        whole = cls(
            num_tokens=num_tokens,
            order=order,
            before=np.concatenate(before).astype(np.int32),
            child=(1 + np.searchsorted(above, np.arange(starts[-1] + 1))).astype(np.int32),
            first=np.searchsorted(rows, np.arange(starts[-1] + 1)).astype(np.int32),
            token=np.concatenate([key % num_tokens for key in keys]).astype(np.int32),
            **_counted(at_P, shorter, len(keys[-1])),
        )
        stretches = np.array_split(np.arange(len(tokens_P)), parts) if parts else []
        kept = [np.delete(at_P, part[part >= order - 1] - order + 1) for part in stretches]
        return whole, *(replace(whole, **_counted(each, shorter, len(keys[-1]))) for each in kept)

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray], num_tokens: int) -> Self:
        """Return the counts whose `arrays` these are."""
        return cls(num_tokens=num_tokens, order=len(arrays["discounts"]), **arrays)

    def arrays(self) -> dict[str, NDArray]:
        """Return all that was counted, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)[2:]}

    def logits(self, tokens_BL: Ints, *, last: int = 0) -> Floats:
        """Return the log-probability of the token after each [B, L, V], by those up to it in its row.

        Args:
            last: only of so many places, those at the end; 0: of all.
        """
        first = tokens_BL.shape[1] - last if last else 0
        found = np.empty((len(tokens_BL), tokens_BL.shape[1] - first, self.num_tokens), np.float32)
        _tell(
            tokens_BL,
            first,
            self.order,
            self.before,
            self.child,
            self.first,
            self.token,
            self.count,
            self.discounts,
            found,
        )
        return np.log(found, out=found)


def _counted(at_P: Ints, shorter: Sequence[Ints], num_longest: int) -> dict[str, NDArray]:
    """Return counts and discounts of the positions' followers, from the longest contexts to the empty one."""
    counts = [np.bincount(at_P, minlength=num_longest)]
    for shorter_F in shorter:
        counts.insert(0, np.bincount(shorter_F[counts[0] > 0], minlength=shorter_F.max() + 1))
    return {
        "count": np.concatenate(counts).astype(np.int32),
        "discounts": np.stack([_discounts(count) for count in counts]),
    }


def _discounts(count_F: Ints) -> Floats:
    """Return what is taken from counts of 0, 1, 2, and 3 or more."""
    ones, twos, threes, fours = (max(int((count_F == number).sum()), 1) for number in (1, 2, 3, 4))
    share = ones / (ones + 2 * twos)
    told = [1 - 2 * share * twos / ones, 2 - 3 * share * threes / twos, 3 - 4 * share * fours / threes]
    held = [min(max(each, LEAST), most - LEAST) for each, most in zip(told, (1, 2, 3), strict=True)]
    return np.array([0.0, *held], np.float32)


@numba.njit(cache=True, boundscheck=False, fastmath=True)
def _tell(tokens, start_at, order, before, child, first, token, count, discounts, out):
    num_tokens = out.shape[2]
    for b in range(tokens.shape[0]):
        for t in range(start_at, tokens.shape[1]):
            told = out[b, t - start_at]
            told[:] = 1.0 / num_tokens
            row = 0
            for depth in range(order):
                start, end = first[row], first[row + 1]
                total, spare = 0, 0.0
                for f in range(start, end):
                    total += count[f]
                    spare += discounts[depth, min(count[f], 3)]
                if total == 0:
                    break
                scale = np.float32(1.0 / total)
                told *= np.float32(spare * scale)
                for f in range(start, end):
                    told[token[f]] += scale * (count[f] - discounts[depth, min(count[f], 3)])
                if depth == t + 1 or depth == order - 1:
                    break
                wanted = tokens[b, t - depth]
                low, end = child[row], child[row + 1]
                high = end
                while low < high:
                    middle = (low + high) // 2
                    if before[middle] < wanted:
                        low = middle + 1
                    else:
                        high = middle
                if low == end or before[low] != wanted:
                    break
                row = low
