"""Names to objects: literal tables `name -> "module:Object"`, dotted paths, and the nearest valid name."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from foretell.errors import SpecError


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return the valid name most like `name`, or an empty string when none is close.

    >>> nearest("amout", ["amount", "time"])
    'amount'
    """
    choices = {choice.lower(): choice for choice in valid}
    close = get_close_matches(name.lower(), list(choices), n=1, cutoff=0.6)
    return choices[close[0]] if close else ""


def unknown(what: str, name: str, valid: Iterable[str]) -> tuple[str, str]:
    """Return (message, hint) for a name that is not among the valid ones."""
    choices = sorted(valid)
    near = nearest(name, choices)
    hint = f"did you mean '{near}'?" if near else f"use one of: {', '.join(choices)}"
    return f"unknown {what} '{name}'", hint


def load(name: str, table: Mapping[str, str], what: str) -> Any:
    """Return the object a row of `table`, or a dotted path `package.module:Object`, stands for.

    Raises:
        SpecError: when the name is neither a row nor an importable path.
    """
    path = table.get(name, name)
    if ":" not in path:
        raise SpecError(*unknown(what, name, table))
    module, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise SpecError(
            f"{what} '{name}' cannot be imported: {error}",
            "write `package.module:Object`, of a package that is installed or whose folder is in PYTHONPATH",
        ) from error
