"""Boosted trees as arrays: fitted by LightGBM, read out one row at a time without it. B rows, F features.

One row costs some microseconds here and some hundred through the Python interface of LightGBM, and serving
does not load that library. Batch and single rows run through the same function and agree bit for bit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

NEVER_MISSING, ZERO_IS_MISSING, NAN_IS_MISSING = 0, 1, 2
MISSING = {"None": NEVER_MISSING, "Zero": ZERO_IS_MISSING, "NaN": NAN_IS_MISSING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """Nodes of all trees, in one row of arrays; a negative child ~k is leaf k."""

    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    default_left: NDArray[np.bool_]
    missing: NDArray[np.int8]
    category: NDArray[np.int32]
    """Row of `categories` that holds the categories going left; -1 for a numeric split."""
    categories: NDArray[np.bool_]
    value: NDArray[np.float64]
    """Log-odds of each leaf."""
    gain: NDArray[np.float64]
    """What each split gained when it was made."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name: what a checkpoint stores."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def kernel(self) -> tuple[Any, ...]:
        """Return what `sum_rows` takes after the rows: whether all splits are plain, children, the arrays."""
        plain = bool((self.category < 0).all() and (self.missing == NEVER_MISSING).all())
        child = np.stack([self.right, self.left], axis=1)
        return plain, child, *(array for name, array in self.arrays().items() if name != "gain")

    def logits(self, x_BF: NDArray[Any]) -> NDArray[np.float64]:
        """Return the summed leaves [B] of rows [B, F]."""
        out = np.empty(len(x_BF))
        sum_rows(np.ascontiguousarray(x_BF), out, *self.kernel())
        return out


def from_booster(booster: Any) -> Trees:
    """Return the arrays of a LightGBM booster (its `dump_model()`)."""
    nodes = _Nodes()
    for tree in booster.dump_model()["tree_info"]:
        nodes.roots.append(nodes.add(tree["tree_structure"]))
    return nodes.trees()


class _Nodes:
    """Collects nodes while the nested dictionaries of a dump are walked."""

    def __init__(self) -> None:
        self.roots: list[int] = []
        self.splits: list[Mapping[str, Any]] = []
        self.children: list[tuple[int, int]] = []
        self.values: list[float] = []

    def add(self, node: Mapping[str, Any]) -> int:
        if "split_feature" not in node:
            self.values.append(node["leaf_value"])
            return ~(len(self.values) - 1)
        index = len(self.splits)
        self.splits.append(node)
        self.children.append((0, 0))
        self.children[index] = self.add(node["left_child"]), self.add(node["right_child"])
        return index

    def trees(self) -> Trees:
        sets = [_categories(node) for node in self.splits]
        width = 1 + max((max(codes, default=0) for codes in sets), default=0)
        categories = np.zeros((sum(bool(codes) for codes in sets), width), dtype=np.bool_)
        category = np.full(len(sets), -1, dtype=np.int32)
        row = 0
        for index, codes in enumerate(sets):
            if codes:
                categories[row, list(codes)] = True
                category[index] = row
                row += 1
        numeric = [
            0.0 if codes else float(node["threshold"]) for node, codes in zip(self.splits, sets, strict=True)
        ]
        children = np.array(self.children, dtype=np.int32).reshape(-1, 2)
        return Trees(
            roots=np.array(self.roots, dtype=np.int32),
            feature=np.array([node["split_feature"] for node in self.splits], dtype=np.int32),
            threshold=np.array(numeric, dtype=np.float64),
            left=np.ascontiguousarray(children[:, 0]),
            right=np.ascontiguousarray(children[:, 1]),
            default_left=np.array([node["default_left"] for node in self.splits], dtype=np.bool_),
            missing=np.array([MISSING[node["missing_type"]] for node in self.splits], dtype=np.int8),
            category=category,
            categories=categories,
            value=np.array(self.values, dtype=np.float64),
            gain=np.array([node["split_gain"] for node in self.splits], dtype=np.float64),
        )


def _categories(node: Mapping[str, Any]) -> Sequence[int]:
    if node["decision_type"] != "==":
        return ()
    return tuple(int(code) for code in str(node["threshold"]).split("||"))


@numba.njit(cache=True)
def sum_leaves(
    x_F, roots, feature, threshold, left, right, default_left, missing, category, categories, value
):
    """Return the log-odds of one row: the sum of the leaf it reaches in every tree."""
    total = 0.0
    for node in roots:
        while node >= 0:
            x = x_F[feature[node]]
            if category[node] >= 0:
                known = x >= 0 and x < categories.shape[1]
                goes_left = known and categories[category[node], int(x)]
            else:
                if np.isnan(x) and missing[node] != NAN_IS_MISSING:
                    x = 0.0
                absent = np.isnan(x) or (missing[node] == ZERO_IS_MISSING and abs(x) <= 1e-35)
                goes_left = default_left[node] if absent else x <= threshold[node]
            node = left[node] if goes_left else right[node]
        total += value[~node]
    return total


@numba.njit(cache=True)
def sum_plain_leaves(x_F, roots, feature, threshold, child, value):
    """Return what `sum_leaves` returns, of rows that miss nothing and trees that are plain.

    Which way a row goes is unforeseeable: four trees are walked at a time and the child is looked up rather
    than branched to, so that the processor never waits for a wrong guess.
    """
    total = 0.0
    last = len(roots) - len(roots) % 4
    for t in range(0, last, 4):
        a, b, c, d = roots[t], roots[t + 1], roots[t + 2], roots[t + 3]
        while a >= 0 or b >= 0 or c >= 0 or d >= 0:
            if a >= 0:
                a = child[a, int(x_F[feature[a]] <= threshold[a])]
            if b >= 0:
                b = child[b, int(x_F[feature[b]] <= threshold[b])]
            if c >= 0:
                c = child[c, int(x_F[feature[c]] <= threshold[c])]
            if d >= 0:
                d = child[d, int(x_F[feature[d]] <= threshold[d])]
        total += value[~a]
        total += value[~b]
        total += value[~c]
        total += value[~d]
    for t in range(last, len(roots)):
        a = roots[t]
        while a >= 0:
            a = child[a, int(x_F[feature[a]] <= threshold[a])]
        total += value[~a]
    return total


@numba.njit(cache=True)
def sum_rows(
    x_BF, out, plain, child, roots, feature, threshold, left, right, default_left, missing, category,
    categories, value,
):  # fmt: skip
    """Write the log-odds of each row: the sum of the leaf it reaches in every tree."""
    for b in range(len(x_BF)):
        misses = False
        for x in x_BF[b]:
            misses |= x != x
        if plain and not misses:
            out[b] = sum_plain_leaves(x_BF[b], roots, feature, threshold, child, value)
        else:
            out[b] = sum_leaves(
                x_BF[b], roots, feature, threshold, left, right, default_left, missing, category, categories,
                value,
            )  # fmt: skip
