"""Runs that take long to make: made once in a process, and as they were made for each file that asks."""

import atexit
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar

import foretell
from foretell.border import load_spec
from foretell.data.worlds import payments
from foretell.workflow import Run

T = TypeVar("T")


def fresh(make: Callable[[Path], T]) -> T:
    """Return what `make` told of the folder that it filled, which is again as it left it.

    The folder is the same one each time, since a model names the place of its data.
    """
    place, kept, told = _made(make)
    shutil.rmtree(place)
    shutil.copytree(kept, place)
    return told


@cache
def _made(make: Callable[[Path], T]) -> tuple[Path, Path, T]:
    root = Path(mkdtemp(prefix="foretell-tests-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    place, kept = root / "world", root / "kept"
    place.mkdir()
    told = make(place)
    shutil.copytree(place, kept)
    return place, kept, told


def paid() -> Run:
    """Return a run on three months of payments, which lie beside its folder."""
    return fresh(_paid)


def _paid(folder: Path) -> Run:
    path = payments.write(folder, num_customers=150, num_terminals=60, num_days=90, seed=3)
    asked = (f"out={folder / 'run'}", "model.families=[]", "review.capacity=2", "review.audit=3")
    done = foretell.run(load_spec(path, asked))
    assert done.num_cases > 20
    return done
