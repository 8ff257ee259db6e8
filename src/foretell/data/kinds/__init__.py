"""Kinds of columns: one module each, with the same six functions and one flag.

infer(series) -> reason, or "" when the column is not of the kind
repair(series) -> (series of the canonical dtype, [(rule, rows, example)])
fit(series) -> state, a dict that JSON can hold
encode(series, state) -> float32 [rows, features]
names(column, state) -> one name per feature
show(value, column) -> the value as people read it
CATEGORICAL: whether the features are codes rather than amounts
"""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType

from foretell.errors import SpecError
from foretell.lookup import unknown

KINDS: Mapping[str, str] = {
    "number": "foretell.data.kinds.number",
    "category": "foretell.data.kinds.category",
    "time": "foretell.data.kinds.time",
    "text": "foretell.data.kinds.text",
    "entity": "foretell.data.kinds.entity",
}


def kind(name: str) -> ModuleType:
    """Return the module of a kind.

    Raises:
        SpecError: when `name` is not a row of `KINDS`.
    """
    if name not in KINDS:
        raise SpecError(*unknown("kind", name, KINDS))
    return import_module(KINDS[name])
