"""Which model is in use: proposed by one administrator with its figures, confirmed by another."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.governance import four_eyes
from foretell.cases.names import CLOSERS, MODEL
from foretell.cases.people import permitted
from foretell.cases.standing import known_person
from foretell.cases.store import Store
from foretell.cases.tables import events
from foretell.errors import AccessError, DecisionError, ForetellError
from foretell.records import canonical

_TOLD = sa.select(events).where(events.c.case_id == MODEL).order_by(events.c.seq)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A model that somebody proposed to use."""

    seq: int
    at: str
    actor: str
    model: str
    """Digest of the model that is to be used."""
    champion: str
    """Digest of the model that was in use when it was proposed."""
    figures: Mapping[str, Any]
    """How both did on later rows, as comparison.json has it; empty where an earlier champion comes back."""
    state: str
    """proposed, confirmed or withdrawn."""
    closed_by: str = ""
    closed_at: int = 0
    """Number of the event that closed it."""


class Promotions:
    """The models of a store's cases, and how one takes another's place. Safe to use from many threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def propose(
        self, by: str, model: str, champion: str, figures: Mapping[str, Any], reason: str = ""
    ) -> int:
        """Propose to use a model; return the number by which it can be confirmed.

        Args:
            model: digest of the model to use.
            champion: digest of the model in use.
            figures: its win over that very model; empty for a model that was in use before.

        Raises:
            AccessError: when the person may not.
            DecisionError: when the model has not won against the one in use, nor was in use before.
        """

        def guard(connection: Connection) -> ForetellError | None:
            if (error := _may(connection, by)) is not None:
                return error
            return _against(promotions(connection), model, champion, figures)

        texts = {"reason": canonical(reason).decode()} if reason else {}
        more = {"model": model, "champion": champion, "figures": dict(figures)}
        return self._store.record(MODEL, "proposed", by, texts, more=more, guard=guard).seq

    def confirm(self, by: str, seq: int) -> str:
        """Put a proposed model in use; return its digest.

        Raises:
            AccessError: when the person may not, or proposed it.
            DecisionError: when it is not open any more, or another model came into use meanwhile.
        """
        return self._close(by, seq, "confirmed")

    def withdraw(self, by: str, seq: int) -> str:
        """Take a proposal back: one's own, or anybody's as an administrator.

        Raises:
            AccessError, DecisionError: as for `confirm`.
        """
        return self._close(by, seq, "withdrawn")

    def proposals(self) -> tuple[Promotion, ...]:
        """Return all proposals, the newest first."""
        with self._store.reading() as connection:
            return tuple(reversed(promotions(connection)))

    def in_use(self) -> str:
        """Return the digest of the model that was confirmed last; empty when none ever was."""
        with self._store.reading() as connection:
            return _in_use(connection)

    def _close(self, by: str, seq: int, kind: str) -> str:
        asked = next((each for each in self.proposals() if each.seq == seq), None)
        if asked is None:
            raise DecisionError(f"there is no proposal {seq}", "list the models: foretell models list")

        def guard(connection: Connection) -> ForetellError | None:
            if (error := _may(connection, by)) is not None:
                return error
            told = promotions(connection)
            now = next(each for each in told if each.seq == seq)
            if now.state != "proposed":
                return DecisionError(f"proposal {seq} was {now.state} by {now.closed_by}", "propose it again")
            if kind == "withdrawn":
                return None
            error = _against([each for each in told if each.seq != seq], now.model, now.champion, now.figures)
            return error or four_eyes(connection, now.actor, by, "model")

        self._store.record(MODEL, kind, by, {}, more={kind: seq, "model": asked.model}, guard=guard)
        return asked.model


def _against(
    told: list[Promotion], model: str, champion: str, figures: Mapping[str, Any]
) -> ForetellError | None:
    """Return why a model may not take the champion's place, or None."""
    if model == champion:
        return DecisionError(f"model {model[:12]} is in use already", "propose another one")
    used = [each for each in told if each.state == "confirmed"]
    present = in_use_of(told)
    if present and champion != present:
        return DecisionError(
            f"model {champion[:12]} is not in use, but {present[:12]} is", "compare with that: foretell learn"
        )
    if not figures and model in {digest for each in used for digest in (each.model, each.champion)}:
        return None
    won = figures.get("won") is True and (figures.get("champion"), figures.get("challenger")) == (
        champion,
        model,
    )
    if won:
        return None
    return DecisionError(
        f"model {model[:12]} has not won against {champion[:12]}, the model in use, nor was it in use before",
        "only a model that won on later rows is promoted: foretell learn",
    )


def in_use_of(told: list[Promotion]) -> str:
    """Return the model that was confirmed last, which need not be that of the last proposal; else nothing."""
    used = [each for each in told if each.state == "confirmed"]
    return max(used, key=lambda each: each.closed_at).model if used else ""


def _may(connection: Connection, by: str) -> ForetellError | None:
    try:
        return permitted(known_person(connection, by), "promote")
    except AccessError as error:
        return error


def _in_use(connection: Connection) -> str:
    return in_use_of(promotions(connection))


def promotions(connection: Connection, until: int = 0) -> list[Promotion]:
    """Return all proposals as the log tells them, the oldest first.

    Args:
        until: the last event that is read; 0: all are.
    """
    told = _TOLD.where(events.c.seq <= until) if until else _TOLD
    rows = [(row, json.loads(row.body)) for row in connection.execute(told)]
    closed = {body[row.kind]: row for row, body in rows if row.kind in CLOSERS}
    return [
        Promotion(
            seq=row.seq,
            at=row.at,
            actor=row.actor,
            model=body["model"],
            champion=body["champion"],
            figures=body["figures"],
            state=closed[row.seq].kind if row.seq in closed else "proposed",
            closed_by=closed[row.seq].actor if row.seq in closed else "",
            closed_at=closed[row.seq].seq if row.seq in closed else 0,
        )
        for row, body in rows
        if row.kind == "proposed"
    ]
