"""Foretell: predict, and tell why. The verbs are loaded when first used, so importing costs nothing."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foretell.learning import learn
    from foretell.workflow import decide, evaluate, explain, fit, narrate, predict, read, run, verify

__version__ = "0.1.0"
__all__ = ["decide", "evaluate", "explain", "fit", "learn", "narrate", "predict", "read", "run", "verify"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        home = "learning" if name == "learn" else "workflow"
        return getattr(import_module(f"foretell.{home}"), name)
    raise AttributeError(f"module 'foretell' has no attribute '{name}'")
