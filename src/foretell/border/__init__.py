"""The border: where specs come in, checked as a whole, and go out as YAML, JSON Schema and documentation."""

from foretell.border.parsing import load_spec
from foretell.border.writing import Described, DescribedColumn, document, dump_spec, initial_spec, json_schema

__all__ = [
    "Described",
    "DescribedColumn",
    "document",
    "dump_spec",
    "initial_spec",
    "json_schema",
    "load_spec",
]
