"""In which cases of a store a name stands: what is erased with a person, and what still names them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from foretell.cases.names import DESK_PREFIX
from foretell.cases.store import Store
from foretell.cases.tables import contents, events
from foretell.records import canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The cases in which a name stands, each in the order of their opening."""

    about: tuple[str, ...]
    """An entity of theirs bears the name."""
    others: tuple[str, ...]
    """It stands in their evidence or text, or in what people said of them."""


def naming(store: Store, name: str) -> Named:
    """Return the cases in which a name stands as a whole, written exactly so. Reads all content once.

    Raises:
        StoreError: when the store cannot be read.
    """
    # The same characters as in the canonical JSON of the content, without its quotes.
    written = canonical(name).decode()[1:-1]
    query = (
        sa.select(events.c.case_id, contents.c.kind, contents.c.body)
        .join(events, events.c.seq == contents.c.seq)
        .where(contents.c.body.contains(written, autoescape=True))
        .where(~events.c.case_id.startswith(DESK_PREFIX, autoescape=True))
        .order_by(contents.c.seq)
    )
    whole = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    about: dict[str, None] = {}
    found: dict[str, None] = {}
    with store.reading() as connection:
        for row in connection.execute(query):
            body = json.loads(row.body)
            if row.kind == "prediction" and name in body["entities"].values():
                about[row.case_id] = None
            if any(whole.search(text) for text in _texts(body)):
                found[row.case_id] = None
    return Named(about=tuple(about), others=tuple(case for case in found if case not in about))


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in plain data, names of fields among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in (*value, *value.values()):
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
