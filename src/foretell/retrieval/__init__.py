"""Retrieval: the owner's policies and notes as passages to quote, each for those who may read it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foretell.retrieval.citing import changes, cited
    from foretell.retrieval.index import Index

_HOMES = {"Index": "index", "changes": "citing", "cited": "citing"}
__all__ = ["Index", "changes", "cited"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"foretell.retrieval.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'foretell.retrieval' has no attribute '{name}'")
