"""Members: what the families of a model say of features, as nodes.

B: rows, F: features, I: inputs of curves, W: width of a network, M: members of a network, C: outputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.conversion.forest import Grown, forest
from foretell.conversion.graph import DOUBLE, Graph
from foretell.errors import SpecError
from foretell.models.boosting import Boosting
from foretell.models.family import Scorer
from foretell.models.linear import Linear
from foretell.models.readout import ReadoutArrays
from foretell.models.several import Several
from foretell.models.tabm import TabM
from foretell.prediction.fitted import Fitted

Floats = NDArray[np.float64]


def scores(graph: Graph, fitted: Fitted, features: str) -> str:
    """Add the delivered families and return their weighted sum [B, C] in double precision.

    Raises:
        SpecError: when a family is none that nodes can stand for.
    """
    num_outputs = len(fitted.coupling.names) if fitted.coupling else 1
    trees: list[Grown] = []
    sums: list[tuple[float, tuple[Linear, ...]]] = []
    parts: list[str] = []
    for name, family in fitted.families.items():
        weight, members = fitted.weights[name], _members(family)
        if all(isinstance(each, Boosting) for each in members):
            trees += [Grown(each, weight, code) for code, each in enumerate(members)]
        elif all(isinstance(each, Linear) for each in members):
            sums.append((weight, members))
        elif all(isinstance(each, TabM) for each in members):
            told = _network(graph, features, members[0].columns, [each.readout for each in members])
            parts.append(graph.add("Mul", told, np.float64(weight)))
        else:
            raise SpecError(
                f"the model delivers '{name}', which nodes cannot stand for",
                "fit with model.deliver=student: one network that says what all families say",
            )
    if trees:
        parts.append(forest(graph, features, len(fitted.featurizer.names), trees, num_outputs))
    if sums:
        parts.append(_sums(graph, features, sums))
    total = sum(fitted.weights[name] * fitted.offsets[name] for name in fitted.families)
    for part in parts:
        total = graph.add("Add", part, np.float64(total) if not isinstance(total, str) else total)
    return str(total)


def _members(family: Scorer) -> tuple[Any, ...]:
    return family.members if isinstance(family, Several) else (family,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curved:
    """The inputs of curves, each the share of one interval between knots that lies below a feature."""

    columns: NDArray[np.int64]
    """[I] the feature of each."""
    lows: NDArray[np.float32]
    widths: NDArray[np.float32]
    rows: NDArray[np.int64]
    """[I] its row in the table of knots."""
    places: NDArray[np.int64]
    """[I] the knot that its interval begins at."""

    @classmethod
    def of(cls, columns: NDArray[np.int64], knots: NDArray[np.float32]) -> "Curved":
        """Return the inputs of features `columns` [F] that bend at knots [F, K]."""
        rows, places = np.nonzero(np.isfinite(knots[:, 1:]))
        lows = knots[rows, places]
        return cls(
            columns=columns[rows], lows=lows, widths=knots[rows, places + 1] - lows, rows=rows, places=places
        )

    def rises(self, table: NDArray[Any]) -> Floats:
        """Return by how much a table [F, K, ...] rises over each interval [I, ...]."""
        held = table.astype(np.float64)
        return held[self.rows, self.places + 1] - held[self.rows, self.places]


def _shares(graph: Graph, features: str, columns: Any, lows: Any, widths: Any) -> str:
    """Return the inputs of curves [B, I]."""
    x_BI = graph.add("Gather", features, columns, axis=1)
    share = graph.add("Div", graph.add("Sub", x_BI, lows), widths)
    return graph.add("Clip", share, np.float32(0), np.float32(1))


def _sums(graph: Graph, features: str, sums: Sequence[tuple[float, tuple[Linear, ...]]]) -> str:
    """Return the weighted sum [B, C] of sums of curves: all of them are one product."""
    curved, rises, bases = [], [], []
    for weight, members in sums:
        curved.append(Curved.of(members[0].columns, members[0].knots))
        rises.append(weight * np.stack([curved[-1].rises(each.table) for each in members], axis=1))
        bases.append([weight * (each.bias[0] + each.table[:, 0].sum()) for each in members])
    named = ("columns", "lows", "widths")
    share = _shares(
        graph, features, *(np.concatenate([getattr(each, name) for each in curved]) for name in named)
    )
    told = graph.add("MatMul", graph.add("Cast", share, to=DOUBLE), np.concatenate(rises))
    return graph.add("Add", told, np.sum(bases, axis=0))


def _network(
    graph: Graph, features: str, columns: NDArray[np.int64], readouts: Sequence[ReadoutArrays]
) -> str:
    """Return what a network says [B, C]; its outputs share all but the last layer and the bypass."""
    shared, width = readouts[0], len(readouts[0].enter) - 1
    curved = Curved.of(columns, shared.knots)
    share = _shares(graph, features, curved.columns, curved.lows, curved.widths)
    tables = np.concatenate([shared.table[..., :width], *(each.table[..., width:] for each in readouts)], -1)
    enter = np.concatenate([shared.enter[:width], *(each.enter[width:] for each in readouts)])
    base = enter + tables[:, 0].astype(np.float64).sum(axis=0)
    first = graph.add("Gemm", share, _single(curved.rises(tables)), _single(base))
    units, bypass = graph.add("Split", first, np.array([width, len(readouts)]), axis=1, num=2)
    units_BMW = graph.add("Mul", graph.add("Unsqueeze", units, np.array([1])), shared.scale)
    units_BMW = graph.add("Relu", graph.add("Add", units_BMW, shared.shift))
    units_BMW = graph.add("Add", graph.add("MatMul", units_BMW, shared.middle), shared.middle_bias)
    hidden = graph.add("Unsqueeze", graph.add("Relu", units_BMW), np.array([2]))
    head_MWC = np.stack([each.head for each in readouts], axis=-1)
    told = graph.add("Squeeze", graph.add("MatMul", hidden, head_MWC), np.array([2]))
    told = graph.add("Add", told, np.stack([each.bias for each in readouts], axis=-1))
    told = graph.add("Add", told, graph.add("Unsqueeze", bypass, np.array([1])))
    told_BMC = graph.add("Cast", told, to=DOUBLE)
    if shared.plain[0]:
        return graph.add("ReduceMean", told_BMC, axes=[1], keepdims=0)
    held = graph.add("Sigmoid", graph.add("Clip", told_BMC, np.float64(-40), np.float64(40)))
    mean = graph.add("ReduceMean", held, axes=[1], keepdims=0)
    mean = graph.add("Clip", mean, np.float64(1e-9), np.float64(1 - 1e-9))
    return graph.add("Log", graph.add("Div", mean, graph.add("Sub", np.float64(1), mean)))


def _single(array: Floats) -> NDArray[np.float32]:
    return array.astype(np.float32)
