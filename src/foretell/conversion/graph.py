"""Graphs: ONNX nodes added one after the other, each called by what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from foretell.errors import SpecError

if TYPE_CHECKING:
    import onnx

OPSET, TREES_OPSET, IR = 17, 3, 8
"""Old enough for engines of 2022; trees on double precision need the third set of `ai.onnx.ml`."""
TREES = "ai.onnx.ml"
SINGLE, DOUBLE, WHOLE = 1, 11, 7
"""What ONNX calls float32, float64 and int64."""


class Graph:
    """Nodes, the constants that they take, and what goes in and comes out."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, dtype: Any, about: str) -> str:
        """Declare an input, one value a row [rows], and return its name."""
        self._inputs.append(_value(name, dtype, ["rows"], about))
        return name

    def output(self, name: str, value: str, dtype: Any, about: str, *sizes: int) -> None:
        """Declare `value` as an output [rows, *sizes].

        Raises:
            SpecError: when an input bears its name.
        """
        from onnx import helper

        if name in {each.name for each in self._inputs}:
            raise SpecError(
                f"column '{name}' bears the name of what the file says",
                "give the column another name and fit again",
            )
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(_value(name, dtype, ["rows", *sizes], about))

    def add(self, op: str, *inputs: str | NDArray[Any] | np.generic, num: int = 1, **settings: Any) -> Any:
        """Add a node and return the name of what it gives; a tuple of names where `num` is above 1."""
        from onnx import helper, numpy_helper

        # Names inside begin with a slash, as columns' names hardly do.
        names = [f"/{op}/{len(self._nodes)}/{number}" for number in range(num)]
        taken = [each if isinstance(each, str) else self._constant(np.asarray(each)) for each in inputs]
        domain = {"domain": TREES} if op in ("LabelEncoder", "TreeEnsembleRegressor") else {}
        held = {
            name: numpy_helper.from_array(each, name) if isinstance(each, np.ndarray) else each
            for name, each in settings.items()
        }
        self._nodes.append(helper.make_node(op, taken, names, **domain, **held))
        return names[0] if num == 1 else tuple(names)

    def column(self, value: str) -> str:
        """Return one value a row as a column [rows, 1]."""
        return self.add("Reshape", value, np.array([-1, 1]))

    def _constant(self, array: NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"/constant/{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def content(self, about: Mapping[str, str], version: str) -> bytes:
        """Return the file's bytes, the same for the same graph.

        Args:
            about: what stands in the file's metadata.
            version: of Foretell.
        """
        from onnx import checker, helper

        graph = helper.make_graph(
            self._nodes, "foretell", self._inputs, self._outputs, initializer=self._constants
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(TREES, TREES_OPSET)]
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=IR,
            producer_name="foretell",
            producer_version=version,
        )
        helper.set_model_props(model, dict(about))
        checker.check_model(model)
        return model.SerializeToString(deterministic=True)


def _value(name: str, dtype: Any, shape: Sequence[str | int], about: str) -> onnx.ValueInfoProto:
    from onnx import helper

    return helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape, doc_string=about
    )
