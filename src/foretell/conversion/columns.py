"""Columns: from raw cells to the features that models read, as nodes.

B: rows, N: numbers, F: features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from foretell.conversion.graph import SINGLE, Graph
from foretell.data.cells import MISSING
from foretell.data.dataset import Column
from foretell.data.kinds.time import DAY_US
from foretell.errors import SpecError
from foretell.prediction.features import Featurizer

LARGEST = np.finfo(np.float64).max
NUMBER, CATEGORY, TIME = "number", "category", "time"
ABOUT = {
    NUMBER: "number; NaN where it is missing",
    CATEGORY: "text without white space at its ends; empty where it is missing",
    TIME: "seconds since 1970-01-01 UTC; NaN where it is missing",
}
"""What a cell of each kind is to the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A column that the file takes."""

    name: str
    kind: str
    """A row of `ABOUT`."""


def inputs_of(featurizer: Featurizer) -> tuple[Input, ...]:
    """Return the columns that a model needs, in the order of the data.

    Raises:
        SpecError: when rows have a past, or a column is free text.
    """
    entities = featurizer.plan.entities
    if entities:
        raise SpecError(
            f"the model reads the past of '{entities[0]}', and a file of nodes keeps no past",
            "score events with `foretell predict`, or fit a model of rows alone: name it in data.exclude",
        )
    found = []
    for column in featurizer.schema.columns:
        state = featurizer.schema.states.get(column.name)
        if state is None or (column.kind == "text" and not state["words"]):
            continue
        if column.kind not in ABOUT:
            raise SpecError(
                f"column '{column.name}' is free text, which the nodes of other engines cannot read",
                "fit again without it: name it in data.exclude",
            )
        found.append(Input(name=column.name, kind=column.kind))
    return tuple(found)


def features(graph: Graph, featurizer: Featurizer) -> str:
    """Add the inputs and return the features [B, F] in float32, as `Featurizer.replay` gives them."""
    taken = {}
    for each in inputs_of(featurizer):
        dtype = np.str_ if each.kind == CATEGORY else np.float64
        taken[each.name] = graph.column(graph.input(each.name, dtype, ABOUT[each.kind]))
    blocks, numbers = [], featurizer.plan.numbers
    missing = ""
    if numbers:
        x_BN = graph.add("Concat", *(taken[name] for name in numbers), axis=1)
        known = graph.add("LessOrEqual", graph.add("Abs", x_BN), LARGEST)
        blocks.append(_sizes(graph, x_BN, known, np.array(featurizer.plan.scales)))
        missing = graph.add("Cast", graph.add("Not", known), to=SINGLE)
    columns = {column.name: column for column in featurizer.schema.columns}
    for name, state in featurizer.schema.states.items():
        column = columns[name]
        if column.kind == NUMBER and column.facts.get("missing"):
            blocks.append(graph.add("Gather", missing, np.array([numbers.index(name)]), axis=1))
        elif column.kind == CATEGORY:
            blocks.append(_codes(graph, taken[name], state))
        elif column.kind == TIME:
            blocks.append(_clock(graph, taken[name], state))
    return graph.add("Concat", *blocks, axis=1)


def _sizes(graph: Graph, x_BN: str, known: str, scales: Any) -> str:
    """Return the signed logarithms of numbers in units of their usual magnitudes."""
    held = graph.add("Where", known, x_BN, np.float64(0))
    grown = graph.add(
        "Log", graph.add("Add", graph.add("Div", graph.add("Abs", held), scales), np.float64(1))
    )
    return graph.add("Cast", graph.add("Mul", grown, graph.add("Sign", held)), to=SINGLE)


def _codes(graph: Graph, text: str, state: Mapping[str, Any]) -> str:
    """Return the code of each name; 0 for names that fitting did not see."""
    codes = {value: float(code) for code, value in enumerate(state["values"], 1)}
    if "" in codes:
        codes |= dict.fromkeys(_marks(), codes[""])
    return graph.add(
        "LabelEncoder", text, keys_strings=list(codes), values_floats=list(codes.values()), default_float=0.0
    )


def _marks() -> tuple[str, ...]:
    """Return all texts that stand for a missing value, in upper and lower case letters."""
    cases = [product(*({letter.lower(), letter.upper()} for letter in mark)) for mark in MISSING]
    return tuple(sorted("".join(letters) for each in cases for letters in each))


def _clock(graph: Graph, seconds: str, state: Mapping[str, Any]) -> str:
    """Return the features of instants, as `kinds.clock` gives them; 0 where they are missing."""
    us = graph.add("Floor", graph.add("Add", graph.add("Mul", seconds, np.float64(1e6)), np.float64(0.5)))
    known = graph.add("LessOrEqual", graph.add("Abs", us), LARGEST)
    days = graph.add("Div", graph.add("Where", known, us, np.float64(0)), np.float64(DAY_US))
    whole = graph.add("Floor", days)
    hour = graph.add("Mul", graph.add("Sub", days, whole), np.float64(24))
    later = graph.add("Add", whole, np.float64(3))  # 1970-01-01 was a Thursday
    weeks = graph.add("Floor", graph.add("Div", later, np.float64(7)))
    weekday = graph.add("Sub", later, graph.add("Mul", weeks, np.float64(7)))
    parts = [hour, weekday]
    for amount, turn in ((hour, np.pi / 12), (weekday, np.pi * 2 / 7)):
        angle = graph.add("Mul", amount, np.float64(turn))
        # not every engine has a cosine of double precision
        parts += [graph.add("Sin", graph.add("Add", angle, np.float64(ahead))) for ahead in (0, np.pi / 2)]
    if state:
        parts.append(graph.add("Sub", days, np.float64(state["reference_us"] / DAY_US)))
    stacked = graph.add("Where", known, graph.add("Concat", *parts, axis=1), np.float64(0))
    return graph.add("Cast", stacked, to=SINGLE)


def cells(column: Column, series: Any) -> Any:
    """Return a repaired column [B] as the file takes it."""
    if column.kind == CATEGORY:
        return series.fill_null("").to_numpy().astype(object)
    if column.kind == TIME:
        us = series.to_physical()
        return np.where(us.is_null().to_numpy(), np.nan, us.fill_null(0).to_numpy() / 1e6)
    return series.cast(float).fill_null(np.nan).to_numpy()
