"""What MLflow loads: a file of nodes as a model of pandas frames; a copy stands in the model's folder.

Needs onnxruntime and pandas, and nothing of Foretell.
"""

import json
from typing import Any

import onnxruntime
import pandas as pd


class Served:
    """Takes frames as pandas reads them: whole numbers as numbers, NaN or None where a cell is missing."""

    def __init__(self, path: str) -> None:
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        about = self._session.get_modelmeta().custom_metadata_map
        self._inputs, self._classes = json.loads(about["inputs"]), json.loads(about["classes"])

    def predict(self, data: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Return the outputs as columns, the probability of each class as `p_` and its name."""
        fed = {each["name"]: READ[each["kind"]](data[each["name"]]) for each in self._inputs}
        names = [output.name for output in self._session.get_outputs()]
        given: Any = self._session.run(names, fed)
        found = dict(zip(names, given, strict=True))
        apart = found.pop("probabilities", None)
        told = {f"p_{name}": apart[:, code] for code, name in enumerate(self._classes)}
        return pd.DataFrame({**found, **told}, index=data.index)


def _numbers(column: Any) -> Any:
    return pd.to_numeric(column).astype("float64").to_numpy()


def _names(column: Any) -> Any:
    return column.map(_name).to_numpy().astype(object)


def _name(cell: Any) -> str:
    if cell is None or cell is pd.NA or cell != cell:  # NaN differs from itself
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip() if isinstance(cell, str) else str(cell).lower()


def _instants(column: Any) -> Any:
    if pd.api.types.is_numeric_dtype(column):
        return _numbers(column)
    since = pd.to_datetime(column, utc=True) - pd.Timestamp(0, tz="UTC")
    return since.dt.total_seconds().to_numpy()


READ = {"number": _numbers, "category": _names, "time": _instants}


def _load_pyfunc(path: str) -> Served:
    return Served(path)
