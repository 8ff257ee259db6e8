"""Which model of a run is in use: its own, or the challenger that two people put in its place."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foretell.cases import Store
from foretell.cases.promotion import Promotions
from foretell.errors import CheckpointError
from foretell.files import write_whole
from foretell.records import canonical
from foretell.training.checkpoint import digest, exists

POINTER, CHALLENGERS, COMPARISON = "champion.json", "challengers", "comparison.json"


def champion(folder: Path) -> Path:
    """Return the model folder that is in use: what the pointer of the run names, else the run's own model.

    Raises:
        CheckpointError: when the pointer cannot be read, or names a model that is not there.
    """
    pointer = folder / POINTER
    if not pointer.exists():
        return folder / "model"
    try:
        held = json.loads(pointer.read_text(encoding="utf-8"))
        return models(folder)[held["model"]]
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"'{pointer}' names no model of this run: {error!r}",
            "write it anew from the log: foretell models list",
        ) from error


def models(folder: Path) -> Mapping[str, Path]:
    """Return the models of a run by their digests, its own first."""
    places = [folder / "model", *sorted(folder.glob(f"{CHALLENGERS}/*/model"))]
    return {digest(place): place for place in places if exists(place)}


def figures_of(place: Path) -> Mapping[str, Any]:
    """Return how a challenger did; empty when it was never compared."""
    told = place.parent / COMPARISON
    return json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}


def settle(folder: Path, store: Store) -> Path:
    """Make the pointer say what the log says, and return the model folder in use.

    The log decides, and the pointer follows: whoever is killed between them settles it the next time.

    Raises:
        CheckpointError: when the log names a model that is not in the folder.
    """
    used = Promotions(store).in_use()
    if used:
        if used not in models(folder):
            raise CheckpointError(
                f"the log says that model {used[:12]} is in use, and '{folder}' does not hold it",
                "bring its folder back under challengers/",
            )
        wanted = canonical({"model": used}) + b"\n"
        pointer = folder / POINTER
        if not pointer.exists() or pointer.read_bytes() != wanted:
            write_whole(pointer, wanted)
    return champion(folder)


def settled(folder: Path) -> Path:
    """Return the model folder in use, after the log of the run's own store was asked."""
    path = folder / "cases.db"
    if not path.exists():
        return champion(folder)
    with Store(f"sqlite:///{path}", create=False) as store:
        return settle(folder, store)
