"""Planted cases: the true outcome is known and sealed, so that it shows how far people rely on the model.

They are cases that wait like all others, opened by the run that opened the others. Planting leaves no mark on
them: it writes one event about the desk, which names the answers by a salted digest. So whoever reads the log
learns that answers were sealed, but neither of which cases nor how many, and nobody can change them unseen.
"""

import json
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.ledger import parts
from foretell.cases.log import CHECK, named, salted
from foretell.cases.names import PLANTED, nobody
from foretell.cases.people import permitted
from foretell.cases.rules import JUDGEMENTS
from foretell.cases.standing import founded, known_person, stamp
from foretell.cases.store import Store
from foretell.cases.tables import cases, contents, events, leases
from foretell.errors import AccessError, DecisionError, ForetellError, StoreError
from foretell.records import canonical

MOST_PLANTED = 10_000
"""Answers that one event may seal."""

_ANSWERS = (contents.c.seq == events.c.seq) & (contents.c.kind == "answers")
_SEALED = (
    sa.select(events.c.seq, events.c.body, contents.c.salt, contents.c.body.label("text"))
    .outerjoin(contents, _ANSWERS)
    .where(events.c.case_id == PLANTED, events.c.kind == "planted")
    .order_by(events.c.seq)
)
_UNTOUCHED = (
    sa.select(cases.c.id, cases.c.alert)
    .outerjoin(leases, (leases.c.case_id == cases.c.id) & (leases.c.until > sa.bindparam("now")))
    .where(cases.c.status == "open", cases.c.last == cases.c.opened, leases.c.case_id.is_(None))
)


def answers_of(connection: Connection) -> dict[str, bool]:
    """Return whether the true outcome of each planted case is positive. For who may know it alone.

    Raises:
        StoreError: when the answers are not those that were sealed.
    """
    found: dict[str, bool] = {}
    for row in connection.execute(_SEALED):
        name = named(json.loads(row.body)).get("answers")
        if row.text is None or salted("answers", row.salt, row.text) != name:
            raise StoreError(f"the answers that event {row.seq} sealed were altered or dropped", CHECK)
        found.update((case, said == JUDGEMENTS[0]) for case, said in json.loads(row.text).items())
    return found


def planted_ids(connection: Connection) -> frozenset[str]:
    """Return the cases that must neither teach a model nor act on anything outside.

    Raises:
        StoreError: as for `answers_of`; a case is never taken for an ordinary one by accident.
    """
    return frozenset(answers_of(connection))


class Planting:
    """How a store's cases are planted, and who may know which they are. Safe to use from many threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def plantable(self, by: str) -> dict[str, bool]:
        """Return the cases that nobody has touched or planted yet: id -> whether it is an alert.

        Raises:
            AccessError: when the person may not plant.
        """
        with self._store.reading() as connection:
            if (error := self._may(connection, by)) is not None:
                raise error
            waiting = connection.execute(_UNTOUCHED, {"now": stamp(self._store.now())})
            known = planted_ids(connection)
            return {row.id: bool(row.alert) for row in waiting if row.id not in known}

    def plant(self, by: str, answers: Mapping[str, bool]) -> None:
        """Seal the true outcomes of cases that wait: id -> whether it is positive.

        Raises:
            AccessError: when the person may not plant.
            DecisionError: when there is no answer, or a case is not one that nobody has touched yet.
        """
        if not 1 <= len(answers) <= MOST_PLANTED:
            raise DecisionError(
                f"1 to {MOST_PLANTED:,} cases are planted at once, not {len(answers):,}",
                "plant fewer or more",
            )

        def guard(connection: Connection) -> ForetellError | None:
            if (error := self._may(connection, by)) is not None:
                return error
            now = {"now": stamp(self._store.now())}
            free = {
                row.id
                for some in parts(answers)
                for row in connection.execute(_UNTOUCHED.where(cases.c.id.in_(some)), now)
            }
            taken = sorted(answers.keys() - (free - planted_ids(connection)))
            if not taken:
                return None
            return DecisionError(
                f"case '{taken[0]}' cannot be planted: it is not there, planted already, or somebody has "
                "begun to work on it",
                "leave it out",
            )

        said = {case: JUDGEMENTS[0] if answers[case] else JUDGEMENTS[1] for case in sorted(answers)}
        texts = {"answers": canonical(said).decode()}
        self._store.record(PLANTED, "planted", by, texts, guard=guard)

    def answers(self, by: str) -> Mapping[str, bool]:
        """Return the planted cases with their true outcomes.

        Raises:
            AccessError: when the person may not plant.
            StoreError: when the answers are not those that were sealed.
        """
        with self._store.reading() as connection:
            if (error := self._may(connection, by)) is not None:
                raise error
            return answers_of(connection)

    @staticmethod
    def _may(connection: Connection, by: str) -> ForetellError | None:
        if not founded(connection):  # a store without a desk takes a name, as it does for decisions
            return nobody(by)
        try:
            return permitted(known_person(connection, by), "plant")
        except AccessError as error:
            return error
