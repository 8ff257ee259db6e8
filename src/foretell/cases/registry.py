"""Which models a store knows: what each was made of, which one it came from, and whether it is in use.

A fold of the log: `registered` events stand among those by which two people put models in use, so that
nothing that was said of a model is altered unseen.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.accounts import Accounts
from foretell.cases.entries import SOFTWARE
from foretell.cases.names import MODEL
from foretell.cases.promotion import in_use_of, promotions
from foretell.cases.store import Store
from foretell.cases.tables import events
from foretell.errors import ForetellError, NotFoundError
from foretell.records import plain

CHAMPION, CHALLENGER, RETIRED = "champion", "challenger", "retired"
RUN, FIT, LEARNED = "run", "fit", "learn"
FIGURES = {
    "average_precision": "average precision",
    "rmse": "RMSE",
    "accuracy": "accuracy",
    "log_loss": "log-loss",
    "mae": "MAE",
    "auc": "AUC",
    "r2": "R2",
    "macro_f1": "macro F1",
    "brier": "Brier score",
    "ece": "calibration error",
    "coverage": "share in the interval",
}
"""Metric -> its name where a model is told of, in the order in which they are told."""

_TOLD = sa.select(events).where(events.c.case_id == MODEL, events.c.kind == "registered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is said of a model as it is registered; all but the code can be read from its folder."""

    model: str
    """Digest of the manifest of its folder, which holds the digest of every file."""
    how: str
    """run: it scores the cases of a run; fit: it was fitted, and no more; learn: decisions taught it."""
    target: str
    """Column that it predicts."""
    data: str
    """Fingerprint of the rows that it was fitted on."""
    spec: str
    """SHA-256 of its spec.yaml."""
    code: str = ""
    """Digest of Foretell's source files as they were when it was fitted; empty: not known."""
    versions: Mapping[str, str] = field(default_factory=dict)
    parent: str = ""
    """Digest of the model that it was to beat, by whose spec it was fitted; empty: it comes from none."""
    num_decided: int = 0
    """Rows that taught it, and whose outcome people decided."""
    since: str = ""
    """Instant from which on the rows are later ones that neither it nor its parent saw; empty: test rows."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """How it did on these rows."""
    parent_figures: Mapping[str, float] = field(default_factory=dict)
    """How its parent did on the same rows."""
    won: bool = False
    """Whether it won the comparison with its parent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(Entry):
    """A model of the registry, as the log tells of it up to now."""

    seq: int
    """Number of the event that registered it first."""
    at: str
    actor: str
    """Whose key it was registered with; foretell: nobody's."""
    state: str
    """champion: in use; retired: in use before; challenger: never."""

    @property
    def told(self) -> Mapping[str, float]:
        """Its figures by their names, in the order of `FIGURES`; what has no name there is left out."""
        return {name: self.figures[key] for key, name in FIGURES.items() if key in self.figures}

    @property
    def parent_told(self) -> Mapping[str, float]:
        """The same of its parent, on the same rows."""
        return {name: self.parent_figures[key] for key, name in FIGURES.items() if key in self.parent_figures}


class _KnownError(ForetellError):
    """Somebody was faster in registering the model."""


class Registry:
    """The registry of a store. Safe to use from many threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def register(self, entries: Iterable[Entry], by: str = SOFTWARE) -> None:
        """Register the models that are not there yet, in this order.

        A model that was only fitted is told of once more when a run uses it; nothing else is said twice.

        Raises:
            StoreError: when the store cannot be written.
        """
        with self._store.reading() as connection:
            new = [entry for entry in entries if _known(entry, connection) is None]
        for entry in new:
            with suppress(_KnownError):
                self._store.record(
                    MODEL, "registered", by, {}, more=plain(entry), guard=partial(_known, entry)
                )

    def models(self) -> tuple[Model, ...]:
        """Return all models, the newest first."""
        with self._store.reading() as connection:
            return tuple(reversed(registered(connection)))

    def find(self, digest: str) -> Model | None:
        """Return the model of a digest, if it is registered."""
        return next((each for each in self.models() if each.model == digest), None)

    def lineage(self, digest: str) -> tuple[Model, ...]:
        """Return a model and those that it came from, the oldest last, as far as they are registered.

        Args:
            digest: its digest, or enough of the first digits to tell it from others.

        Raises:
            NotFoundError: when no model begins so, or more than one does.
        """
        known = {each.model: each for each in self.models()}
        fitting = [name for name in known if digest and name.startswith(digest)]
        if len(fitting) != 1:
            count = f"{len(fitting)} models begin" if fitting else "no model begins"
            raise NotFoundError(f"{count} with '{digest[:64]}' in the registry", "foretell models list")
        found = [known[fitting[0]]]
        while (parent := known.get(found[-1].parent)) is not None and parent not in found:
            found.append(parent)
        return tuple(found)


def author(store: Store, key: str) -> str:
    """Return who registers: whose key it is, where the store has accounts; else the software itself.

    Raises:
        AccessError: when the key is nobody's, or has run out.
    """
    accounts = Accounts(store)
    return accounts.key(key).name if key and not accounts.empty() else SOFTWARE


def registered(connection: Connection, until: int = 0) -> list[Model]:
    """Return all models of the registry, the oldest first.

    Args:
        until: the last event that is read; 0: all are.
    """
    told = _TOLD.where(events.c.seq <= until) if until else _TOLD
    rows = [(row, _entry(row.body)) for row in connection.execute(told.order_by(events.c.seq))]
    proposals = promotions(connection, until)
    ran = [entry.model for _, entry in rows if entry.how == RUN]
    used = {*ran}
    for each in proposals:
        used |= {each.model, each.champion} if each.state == "confirmed" else set()
    present = in_use_of(proposals) or (ran[-1] if ran else "")
    found: dict[str, Model] = {}
    for row, entry in rows:
        state = CHAMPION if entry.model == present else RETIRED if entry.model in used else CHALLENGER
        said = {each.name: getattr(entry, each.name) for each in fields(Entry)}
        found.setdefault(entry.model, Model(**said, seq=row.seq, at=row.at, actor=row.actor, state=state))
    return [*found.values()]


def _entry(body: str) -> Entry:
    """Return what an event says of a model; what a later release says besides is passed over."""
    held = json.loads(body)
    return Entry(**{each.name: held[each.name] for each in fields(Entry) if each.name in held})


def _known(entry: Entry, connection: Connection) -> ForetellError | None:
    """Return an error where nothing new would be said; a run says again whose model stands in its folder."""
    told = [
        _entry(body)
        for body in connection.scalars(_TOLD.with_only_columns(events.c.body).order_by(events.c.seq))
    ]
    held = [each for each in told if each.how == entry.how]
    if any(each.model == entry.model for each in (held[-1:] if entry.how == RUN else held)):
        return _KnownError(f"model {entry.model[:12]} is registered", "list the models")
    return None
