"""Foretell: predict, and tell why. The verbs are loaded when first used, so importing costs nothing."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foretell.launching import launch
    from foretell.learning import learn
    from foretell.studio import generate
    from foretell.watching import watch
    from foretell.workflow import decide, evaluate, explain, fit, narrate, predict, read, run, verify

__version__ = "0.1.0"
__all__ = [
    "decide",
    "evaluate",
    "explain",
    "fit",
    "generate",
    "launch",
    "learn",
    "narrate",
    "predict",
    "read",
    "run",
    "verify",
    "watch",
]
HOMES = {"generate": "studio", "launch": "launching", "learn": "learning", "watch": "watching"}
"""Verbs that have a module of their own; all others stand in `workflow`."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"foretell.{HOMES.get(name, 'workflow')}"), name)
    raise AttributeError(f"module 'foretell' has no attribute '{name}'")
