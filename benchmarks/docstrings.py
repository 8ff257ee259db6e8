"""A corpus that is on every machine: the documentation strings of Python and of the libraries beside it.

Nothing of it is stored here. Licences: Python PSF; NumPy, SciPy, scikit-learn, SymPy, NetworkX, PyTorch BSD;
Polars, SQLAlchemy and LightGBM MIT.
"""

import ast
import sysconfig
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("lightgbm", "networkx", "numpy", "polars", "scipy", "sklearn", "sqlalchemy", "sympy", "torch")
NAMED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def write(folder: Path) -> int:
    """Write a Markdown file for each module with what it says of itself; return their number."""
    standard, more = Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))
    count = 0
    for root in (standard, *(more / name for name in PACKAGES)):
        for path in sorted(root.rglob("*.py")):
            if {"site-packages", "test", "tests"} & {*path.relative_to(root).parts}:
                continue
            told = [*_told(path)]
            if told:
                name = ".".join(path.relative_to(root.parent).with_suffix("").parts)
                (folder / f"{name}.md").write_text("\n\n".join([f"# {name}", *told]), encoding="utf-8")
                count += 1
    return count


def _told(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            said = ast.get_docstring(node)
            if said:
                yield f"## {node.name}\n\n{said}" if isinstance(node, NAMED) else said
