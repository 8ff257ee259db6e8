"""Forests: boosted trees as one node. B: rows, F: features, S: sets of categories, C: outputs.

A split by categories becomes a number of its own, 1 where the row's category goes left, looked up in a table:
so trees need nothing but thresholds, which every engine knows.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from foretell.conversion.graph import DOUBLE, WHOLE, Graph
from foretell.models.boosting import Boosting
from foretell.models.trees import Trees

LEFT = 0.5
"""Between the numbers of those that go left, 1, and of the others, 0."""
NODES = (
    "nodes_treeids", "nodes_nodeids", "nodes_modes", "nodes_featureids", "nodes_values", "nodes_truenodeids",
    "nodes_falsenodeids",
)  # fmt: skip
TARGETS = ("target_treeids", "target_nodeids", "target_ids", "target_weights")
"""What the node takes of each split and leaf, and of each leaf besides."""


class Grown(NamedTuple):
    """Trees, their share in the sum, and the output that they add to."""

    family: Boosting
    weight: float
    code: int


Sets = Mapping[int, Mapping[bytes, int]]
"""Feature -> each of its sets that goes left somewhere -> where the set's number stands."""


def forest(graph: Graph, features: str, num_features: int, grown: Sequence[Grown], num_outputs: int) -> str:
    """Add the trees and return their weighted sum [B, C] in double precision."""
    width = max(each.family.trees.categories.shape[1] for each in grown)
    sets = _sets(grown, num_features, width)
    nodes: dict[str, list[Any]] = {name: [] for name in (*NODES, *TARGETS)}
    number = 0
    for each in grown:
        trees, columns = each.family.trees, each.family.columns
        for root in trees.roots.tolist():
            for row in _walked(trees, root, columns, sets, width):
                _append(nodes, NODES, (number, *row[:-1]))
                if row[-1] is not None:
                    _append(nodes, TARGETS, (number, row[0], each.code, each.weight * row[-1]))
            number += 1
    settings: dict[str, Any] = {"n_targets": num_outputs}
    for name, values in nodes.items():
        double = name in ("nodes_values", "target_weights")
        settings[f"{name}_as_tensor" if double else name] = np.array(values, float) if double else values
    told = graph.add("TreeEnsembleRegressor", _beside(graph, features, sets, width), **settings)
    return graph.add("Cast", told, to=DOUBLE)


def _append(lists: Mapping[str, list[Any]], names: Sequence[str], row: Sequence[Any]) -> None:
    for name, value in zip(names, row, strict=True):
        lists[name].append(value)


def _walked(trees: Trees, root: int, columns: Any, sets: Sets, width: int) -> Iterator[tuple[Any, ...]]:
    """Yield id, mode, feature, threshold, the two children and the leaf's value of a tree's nodes."""
    waiting, given = [(root, 0)], 1
    while waiting:
        node, own = waiting.pop()
        if node < 0:
            yield own, "LEAF", 0, 0.0, 0, 0, float(trees.value[~node])
            continue
        feature, threshold = int(columns[trees.feature[node]]), float(trees.threshold[node])
        low, high = int(trees.left[node]), int(trees.right[node])
        if trees.category[node] >= 0:
            feature = sets[feature][_members(trees, int(trees.category[node]), width)]
            threshold, low, high = LEFT, high, low
        yield own, "BRANCH_LEQ", feature, threshold, given, given + 1, None
        waiting += [(high, given + 1), (low, given)]
        given += 2


def _members(trees: Trees, row: int, width: int) -> bytes:
    """Return a set of categories as float32 [width + 1]: the last is for those beyond, which are in none."""
    held = np.zeros(width + 1, np.float32)
    held[: trees.categories.shape[1]] = trees.categories[row]
    return held.tobytes()


def _sets(grown: Sequence[Grown], num_features: int, width: int) -> Sets:
    found: dict[int, dict[bytes, int]] = {}
    for each in grown:
        trees = each.family.trees
        for node in np.flatnonzero(trees.category >= 0):
            feature = int(each.family.columns[trees.feature[node]])
            found.setdefault(feature, {})[_members(trees, int(trees.category[node]), width)] = 0
    place = num_features
    for feature in sorted(found):
        for held in found[feature]:
            found[feature][held], place = place, place + 1
    return found


def _beside(graph: Graph, features: str, sets: Sets, width: int) -> str:
    """Return the features with the numbers of the sets [B, F + S] in double precision."""
    columns = [features]
    for feature in sorted(sets):
        table = np.stack([np.frombuffer(held, np.float32) for held in sets[feature]], axis=1)
        code = graph.add("Gather", features, np.array(feature), axis=1)
        row = graph.add("Cast", graph.add("Clip", code, np.float32(0), np.float32(width)), to=WHOLE)
        columns.append(graph.add("Gather", table, row, axis=0))
    return graph.add("Cast", graph.add("Concat", *columns, axis=1), to=DOUBLE)
