"""The models of a run: which is in use, its own or the one that people chose, and where each comes from."""

import hashlib
import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from foretell.border import load_spec
from foretell.cases import Store
from foretell.cases.promotion import Promotions
from foretell.cases.registry import LEARNED, RUN, Entry, Registry, author
from foretell.errors import CheckpointError
from foretell.files import write_whole
from foretell.records import canonical
from foretell.training.checkpoint import digest, exists, open_checkpoint

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
    url = store_in(folder)
    if not url:
        return champion(folder)
    with Store(url, create=False) as store:
        return settle(folder, store)


def store_in(folder: Path) -> str:
    """Return the URL of a run's own store; empty where there is none yet."""
    path = folder / "cases.db"
    return f"sqlite:///{path}" if path.exists() else ""


def register(url: str, key: str = "", told: Iterable[Entry] = ()) -> None:
    """Register models in a store, made where there is none; with no URL nothing happens.

    Args:
        key: of whom registers them.

    Raises:
        AccessError: when the key is nobody's there.
        StoreError: when the store cannot be opened or written.
    """
    if url:
        with Store(url) as store:
            Registry(store).register(told, author(store, key))


def entries(folder: Path, model: str, *, how: str = RUN, made_now: bool = False) -> list[Entry]:
    """Return what a registry is told of a model of a run, and before it of those that it came from.

    Args:
        model: its digest.
        how: how the run's own model came about, `registry.RUN` or `registry.FIT`.
        made_now: whether this very process fitted the model: the code of others is not known.

    Raises:
        CheckpointError: when one of the folders is incomplete or altered.
    """
    there, found = dict(models(folder)), []
    while model in there:
        place = there.pop(model)
        code = code_digest() if made_now and not found else ""
        found.append(_entry(place, LEARNED if place.parent != folder else how, code))
        model = found[-1].parent
    return found[::-1]


def _entry(place: Path, how: str, code: str) -> Entry:
    checkpoint, compared = open_checkpoint(place), figures_of(place)
    shown = {name: each for name, each in compared.items() if isinstance(each, dict)}
    tested = checkpoint.json("metrics.json")[-1]["metrics"]  # of what is delivered, which stands last
    return Entry(
        model=checkpoint.digest,
        how=how,
        target=load_spec(place / "spec.yaml").data.target,
        data=checkpoint.manifest["data"],
        spec=checkpoint.manifest["files"]["spec.yaml"]["sha256"],
        code=code,
        versions=checkpoint.manifest["versions"],
        parent=compared.get("champion", ""),
        num_decided=compared.get("num_decided", 0),
        since=compared.get("until", ""),
        figures={name: each["challenger"] for name, each in shown.items()} or _finite(tested),
        parent_figures={name: each["champion"] for name, each in shown.items()},
        won=compared.get("won", False),
    )


def _finite(figures: Mapping[str, float]) -> Mapping[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}


@cache
def code_digest() -> str:
    """Return the SHA-256 over the names and digests of Foretell's source files, sorted by name."""
    root = Path(__file__).parent
    files = sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix())
    sums = {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()) for path in files}
    return hashlib.sha256(canonical({name: each.hexdigest() for name, each in sums.items()})).hexdigest()


def faults(folder: Path, known: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with the models of a run that are registered, where their folders are still there.

    A folder that is gone is no fault, nor is a challenger that nobody registered, as long as it is not used.

    Args:
        known: digests of the registered models; with none nothing is wrong.
    """
    if not known:
        return
    used = champion(folder)
    for place in [folder / "model", *sorted(folder.glob(f"{CHALLENGERS}/*/model"))]:
        named = place.parent.name if place.parent != folder else ""
        fitting = {model for model in known if named and model.startswith(named)}
        there = place.is_dir() or exists(place)
        if not there or not (fitting or place == used or not named):
            continue
        try:
            held = open_checkpoint(place).digest
        except CheckpointError as error:
            yield error.message
            continue
        if fitting and held not in fitting:
            yield f"'{place}' holds model {held[:12]}, not {named}, which is registered"
        elif held not in known:
            yield f"'{place}' holds model {held[:12]}, which nobody registered"
