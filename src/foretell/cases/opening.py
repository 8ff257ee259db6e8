"""How the cases of a run come into the store of its folder."""

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

from foretell.cases.registry import Entry, Registry, author
from foretell.cases.store import Store
from foretell.errors import StoreError
from foretell.records import Case


def open_in(
    folder: Path,
    cases: tuple[Case, ...],
    tell: Callable[[str], None],
    entries: Sequence[Entry],
    *,
    key: str = "",
    goes_on: bool = False,
) -> None:
    """Register a model and open its cases; a store that holds another model's is kept beside the new one.

    Args:
        entries: what is said of the models that it came from, and last of itself.
        key: of whom registers it.
        goes_on: whether the store goes on although it holds another model's cases: people put the new one
            in use, and rows that have a case of the model before keep it; or no row is two models'.
    """
    path, model = folder / "cases.db", entries[-1].model
    other = "" if goes_on else others(path, model)
    if other:
        names = (f"cases-{other[:12]}{f'-{number}' * bool(number)}.db" for number in count())
        aside = next(place for place in map(path.with_name, names) if not place.exists())
        path.rename(aside)
        tell(f"  the store held another model's cases; it is kept as {aside}")
    with Store(f"sqlite:///{path}") as store:
        Registry(store).register(entries, author(store, key))
        if goes_on:
            held = {case.id for case in store.all_cases() if case.prediction.model != model}
            kept = sum(case.id in held for case in cases)
            cases = tuple(case for case in cases if case.id not in held)
            if kept:
                tell(f"  cases scored by another model, which stay as they are: {kept:,}")
        known = len(cases) - store.open_cases(cases)
    if known:
        tell(f"  {known:,} of {len(cases):,} cases were there already; what people decided on them stays")


def others(path: Path, model: str) -> str:
    """Return whose cases a store holds, when they are not this model's; empty when there are none.

    Raises:
        StoreError: when what is there is no store.
    """
    if not path.exists():
        return ""
    try:
        with Store(f"sqlite:///{path}", create=False) as store:
            models = [case.prediction.model for case in store.cases(limit=1)]
    except StoreError as error:
        raise StoreError(error.message, "move it away, or choose another folder in `out`") from error
    return next((name for name in models if name != model), "")
