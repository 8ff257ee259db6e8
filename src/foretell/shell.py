"""What the commands share: where a run and its store are, what is said while they work, how to call again."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from foretell.errors import StoreError

if TYPE_CHECKING:
    from foretell.cases import Store

KEY_VARIABLE = "FORETELL_KEY"
"""The environment variable with the key of whoever acts."""
run_option = click.option(
    "--run", "folder", type=Path, help="Folder of a run; the newest one under runs/ if not given."
)


def say(message: str) -> None:
    """Write one line of progress to stderr."""
    click.echo(message, err=True)


def own_key() -> str:
    """Return the key that the environment holds; empty when it holds none."""
    return os.environ.get(KEY_VARIABLE, "")


def called() -> str:
    """Return how this program can be called again: by name where the shell finds it, else by its path."""
    path, on_path = Path(sys.argv[0]), shutil.which("foretell")
    if path.name != "foretell" or (on_path and path.samefile(on_path)):
        return "foretell"
    return sys.argv[0]


def found(folder: Path | None) -> Path:
    """Return the given run's folder, or the newest one under runs/."""
    if folder is not None:
        return folder
    runs = sorted(Path("runs").glob("*/model/manifest.json"), key=lambda path: path.stat().st_mtime)
    if not runs:
        raise StoreError("there is no run under runs/", "run `foretell run SPEC` first, or give --run FOLDER")
    return runs[-1].parent.parent


def database(folder: Path | None) -> Path:
    """Return the run's case store."""
    return found(folder) / "cases.db"


def store(folder: Path | None) -> Store:
    """Open the run's case store."""
    from foretell.cases import Store as CaseStore

    path = database(folder)
    if not path.exists():
        raise StoreError(
            f"there is no case store at {path}", "run `foretell run SPEC` first, or give --run FOLDER"
        )
    return CaseStore(f"sqlite:///{path}", create=False)
