"""What every published table has: rows, what is missing, and where its figures come from."""

from collections.abc import Iterable, Mapping
from typing import Any

MISSING = "–"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table; all columns but the first are figures."""
    head = list(head)
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def source(results: Mapping[str, Any]) -> str:
    """Return where the figures come from."""
    machine = results["machine"]
    if isinstance(machine, Mapping):
        load = f", load {machine['load']}" if "load" in machine else ""
        machine = f"{machine['processor']}, {machine['cores']} cores{load}"
    return f"`{results['command']}` at {results['commit'][:12]} on {machine}."
