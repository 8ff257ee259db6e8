"""Cases: what people decide on, in an append-only store whose log proves itself. Loaded when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foretell.cases.case import draft, fold, narrative_from
    from foretell.cases.feedback import approved_texts, labelled_rows
    from foretell.cases.store import Store

_HOMES = {
    "Store": "store",
    "approved_texts": "feedback",
    "draft": "case",
    "fold": "case",
    "labelled_rows": "feedback",
    "narrative_from": "case",
}
__all__ = ["Store", "approved_texts", "draft", "fold", "labelled_rows", "narrative_from"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"foretell.cases.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'foretell.cases' has no attribute '{name}'")
