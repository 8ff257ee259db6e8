"""Boosted trees as arrays: fitted by LightGBM, read out one row at a time without it. B rows, F features.

One row costs a few microseconds here and some hundred through the Python interface of LightGBM, and serving
does not load that library. Batch and single rows run through the same function and agree bit for bit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

NEVER_MISSING, ZERO_IS_MISSING, NAN_IS_MISSING = 0, 1, 2
MOST_LEAVES = 64
ALL_LEAVES = np.uint64((1 << MOST_LEAVES) - 1)
DE_BRUIJN, SHIFT = np.uint64(0x03F79D71B4CB0A89), np.uint64(58)
"""Times a power of two its highest six bits name that power: Leiserson et al., Using de Bruijn sequences to
index a 1 in a computer word (1998)."""
BIT = np.zeros(MOST_LEAVES, np.int64)
BIT[[(int(DE_BRUIJN) << bit & int(ALL_LEAVES)) >> 58 for bit in range(MOST_LEAVES)]] = np.arange(MOST_LEAVES)
MOST_STRUCK = 2_000_000
"""Masks of values of categories at most: beyond, trees are walked."""
MISSING = {"None": NEVER_MISSING, "Zero": ZERO_IS_MISSING, "NaN": NAN_IS_MISSING}


@dataclass(frozen=True, kw_only=True)
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

    def kernel(self) -> tuple[NDArray[Any], ...]:
        """Return the arrays that `sum_leaves` takes."""
        return tuple(array for name, array in self.arrays().items() if name != "gain")

    @cached_property
    def masked(self) -> tuple[NDArray[Any], ...]:
        """The splits as masks over leaves, sorted by feature and threshold: what `sum_masked` takes.

        Returns:
            starts [F + 1] (where each feature's splits begin), thresholds, trees and masks [splits]; for
            categories the first run of each feature (-1 for numbers) and then how many values there are
            [F + 1], and starts [runs + 1], trees and masks of each value's run, a feature's last one for
            unknown values; and the log-odds [T, L] of each
            tree's leaves from left to right. Nothing where some split can be missed, or a tree has too many
            leaves.

        Source: Lucchese et al., QuickScorer: a fast algorithm to rank documents with additive ensembles of
        regression trees (2015).
        """
        if (self.missing[self.category < 0] != NEVER_MISSING).any():
            return ()
        leaves: list[list[int]] = []
        splits: list[tuple[int, float, int, int, int]] = []
        for tree, root in enumerate(self.roots.tolist()):
            leaves.append([])
            self._walk(root, tree, leaves[-1], splits)
        most = max(map(len, leaves), default=0)
        if most > MOST_LEAVES:
            return ()
        struck = self._struck([split for split in splits if split[4] >= 0])
        splits = sorted(split for split in splits if split[4] < 0)
        features, thresholds, trees, masks, _ = zip(*splits, strict=True) if splits else ((),) * 5
        if len(struck[3]) > MOST_STRUCK:
            return ()
        values = np.zeros((len(leaves), most))
        for tree, ids in enumerate(leaves):
            values[tree, : len(ids)] = self.value[ids]
        num_features = int(self.feature.max(initial=-1)) + 1
        return (
            np.searchsorted(features, np.arange(num_features + 1)),
            np.array(thresholds, dtype=np.float64),
            np.array(trees, dtype=np.int32),
            np.array(masks, dtype=np.uint64),
            *struck,
            values,
        )

    @cached_property
    def reads(self) -> tuple[NDArray[Any], ...]:
        """Which trees read each feature: with `masked`, what `walk_masked` takes.

        Returns:
            Where each feature's reads begin [F + 1], the tree of each [E], and the read of each mask of
            `masked`, of numbers and of categories.
        """
        starts, _, trees, _, firsts, value_starts, value_trees, _, values = self.masked
        features = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        runs = np.repeat(np.arange(len(value_starts) - 1), np.diff(value_starts))
        coded = np.flatnonzero(firsts[:-1] >= 0)
        value_features = coded[np.searchsorted(firsts[coded], runs, side="right") - 1]
        pairs = np.concatenate([features * len(values) + trees, value_features * len(values) + value_trees])
        found, places = np.unique(pairs, return_inverse=True)
        return (
            np.searchsorted(found, np.arange(len(starts)) * len(values)),
            found % len(values),
            places[: len(trees)],
            places[len(trees) :],
        )

    def _struck(self, splits: Sequence[tuple[int, float, int, int, int]]) -> tuple[NDArray[Any], ...]:
        """Return which leaves each value of each category strikes out."""
        width = self.categories.shape[1]
        firsts = np.full(int(self.feature.max(initial=-1)) + 2, -1, dtype=np.int64)
        features = sorted({split[0] for split in splits})
        firsts[features], firsts[-1] = np.arange(len(features)) * (width + 1), width
        masks: dict[tuple[int, int], int] = {}
        for feature, _, tree, mask, row in splits:
            for value in (*np.flatnonzero(~self.categories[row]).tolist(), width):
                run = (int(firsts[feature]) + value, tree)
                masks[run] = masks.get(run, int(ALL_LEAVES)) & mask
        runs = sorted(masks)
        return (
            firsts,
            np.searchsorted([run for run, _ in runs], np.arange(len(features) * (width + 1) + 1)),
            np.array([tree for _, tree in runs], dtype=np.int32),
            np.array([masks[run] for run in runs], dtype=np.uint64),
        )

    def _walk(
        self, node: int, tree: int, leaves: list[int], splits: list[tuple[int, float, int, int, int]]
    ) -> None:
        """Append a subtree's leaves from left to right, and its splits with the leaves right of each."""
        if node < 0:
            leaves.append(~node)
            return
        first = len(leaves)
        self._walk(int(self.left[node]), tree, leaves, splits)
        cut = ((1 << (len(leaves) - first)) - 1) << first
        mask, category = int(ALL_LEAVES) & ~cut, int(self.category[node])
        splits.append((int(self.feature[node]), float(self.threshold[node]), tree, mask, category))
        self._walk(int(self.right[node]), tree, leaves, splits)

    def logits(self, x_BF: NDArray[Any], columns: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Return the summed leaves [B] of rows [B, F], or of some of their columns."""
        out = np.empty(len(x_BF))
        x_BF = np.ascontiguousarray(x_BF)
        columns = np.arange(x_BF.shape[1]) if columns is None else columns
        if self.masked and not np.isnan(x_BF.sum()):
            sum_masked_rows(x_BF, columns, out, *self.masked)
        else:
            sum_rows(x_BF, columns, out, *self.kernel())
        return out

    def reader(self, columns: NDArray[np.int64]) -> Callable[[NDArray[np.float32]], float]:
        """Return what sums the leaves of one row of finite features; bit for bit what `logits` gives."""
        masked, kernel = self.masked, self.kernel()
        if masked:
            return lambda x_F: sum_masked(x_F, columns, *masked)
        return lambda x_F: sum_leaves(x_F, columns, *kernel)


def by_output(booster: Any) -> tuple[Trees, ...]:
    """Return the arrays of each output of a LightGBM booster, which takes turns with its classes."""
    dumped, num_outputs = booster.dump_model()["tree_info"], booster.num_model_per_iteration()
    return tuple(_gathered(dumped[code::num_outputs]) for code in range(num_outputs))


def no_trees() -> Trees:
    """Return what says nothing of any row."""
    return _gathered(())


def _gathered(dumped: Sequence[Mapping[str, Any]]) -> Trees:
    nodes = _Nodes()
    for tree in dumped:
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
    x_F, columns, roots, feature, threshold, left, right, default_left, missing, category, categories, value
):
    """Return the log-odds of one row: the sum of the leaf it reaches in every tree."""
    total = 0.0
    for node in roots:
        while node >= 0:
            x = x_F[columns[feature[node]]]
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
def sum_rows(
    x_BF, columns, out, roots, feature, threshold, left, right, default_left, missing, category, categories,
    value,
):  # fmt: skip
    """Write the log-odds of each row."""
    for b in range(len(x_BF)):
        out[b] = sum_leaves(
            x_BF[b], columns, roots, feature, threshold, left, right, default_left, missing, category,
            categories, value,
        )  # fmt: skip


@numba.njit(cache=True)
def sum_masked(
    x_F, columns, starts, thresholds, trees, masks, firsts, value_starts, value_trees, value_masks, values
):
    """Return what `sum_leaves` returns, of a row that misses nothing.

    Every split that sends the row to the right strikes out the leaves on its left; the first leaf that
    remains is the row's. Nothing waits for a guess of which way a row goes.
    """
    remaining = np.full(len(values), ALL_LEAVES)
    for f in range(len(starts) - 1):
        _strike(
            x_F[columns[f]], f, remaining, trees, starts, thresholds, masks, firsts, value_starts,
            value_trees, value_masks,
        )  # fmt: skip
    total = 0.0
    for t in range(len(values)):
        total += values[t, _first(remaining[t])]
    return total


@numba.njit(cache=True, inline="always")
def _first(leaves):
    """Return which leaf of a mask is the first."""
    lowest = leaves & (~leaves + np.uint64(1))
    return BIT[(lowest * DE_BRUIJN) >> SHIFT]


@numba.njit(cache=True)
def _strike(
    x, f, remaining, places, starts, thresholds, masks, firsts, value_starts, value_places, value_masks
):
    """Strike out the leaves that a value of a feature leads past, each mask at its place."""
    for k in range(starts[f], starts[f + 1]):
        if x <= thresholds[k]:
            break
        remaining[places[k]] &= masks[k]
    if firsts[f] >= 0:
        run = firsts[f] + (int(x) if 0 <= x < firsts[-1] else firsts[-1])
        for k in range(value_starts[run], value_starts[run + 1]):
            remaining[value_places[k]] &= value_masks[k]


@numba.njit(cache=True)
def sum_masked_rows(
    x_BF, columns, out, starts, thresholds, trees, masks, firsts, value_starts, value_trees, value_masks,
    values,
):  # fmt: skip
    """Write the log-odds of each row."""
    for b in range(len(x_BF)):
        out[b] = sum_masked(
            x_BF[b], columns, starts, thresholds, trees, masks, firsts, value_starts, value_trees,
            value_masks, values,
        )  # fmt: skip


@numba.njit(cache=True)
def walk_masked(
    x_RF, begun_PF, steps_PF, columns, out_PSR, reads, read_trees, places, value_places, starts, thresholds,
    trees, masks, firsts, value_starts, value_trees, value_masks, values,
):  # fmt: skip
    """Write the log-odds after each step of walks from rows `begun_PF` to rows `x_RF`; none misses a value.

    E: reads, a tree and a feature that it splits by. A step changes trees that read its features; of their
    leaves remain those that the features that came leave, and those that are to come.
    """
    num_features, num_reads = len(reads) - 1, len(read_trees)
    begun_PE = np.full((len(begun_PF), num_reads), ALL_LEAVES)
    for p in range(len(begun_PF)):
        for f in range(num_features):
            _strike(
                begun_PF[p, columns[f]], f, begun_PE[p], places, starts, thresholds, masks, firsts,
                value_starts, value_places, value_masks,
            )  # fmt: skip
    own_E, later_E = np.empty(num_reads, np.uint64), np.empty(num_reads, np.uint64)
    came_T, value_T = np.empty(len(values), np.uint64), np.empty(len(values))
    for r in range(len(x_RF)):
        own_E[:] = ALL_LEAVES
        for f in range(num_features):
            _strike(
                x_RF[r, columns[f]], f, own_E, places, starts, thresholds, masks, firsts, value_starts,
                value_places, value_masks,
            )  # fmt: skip
        for p in range(len(steps_PF)):
            order = np.argsort(steps_PF[p][columns[:num_features]])
            came_T[:] = ALL_LEAVES
            for f in order[::-1]:
                for e in range(reads[f], reads[f + 1]):
                    later_E[e] = came_T[read_trees[e]]
                    came_T[read_trees[e]] &= begun_PE[p, e]
            total = 0.0
            for t in range(len(values)):
                value_T[t] = values[t, _first(came_T[t])]
                total += value_T[t]
            came_T[:] = ALL_LEAVES
            stop = 0
            for f in order:
                while stop <= steps_PF[p, columns[f]]:
                    out_PSR[p, stop, r] = total
                    stop += 1
                for e in range(reads[f], reads[f + 1]):
                    t = read_trees[e]
                    came_T[t] &= own_E[e]
                    value = values[t, _first(came_T[t] & later_E[e])]
                    total += value - value_T[t]
                    value_T[t] = value
            out_PSR[p, stop:, r] = total
