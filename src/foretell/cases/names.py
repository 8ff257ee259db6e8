"""What can name a case or a person in the log."""

import unicodedata

from foretell.errors import DecisionError
from foretell.records import OWN

RESERVED = frozenset({"foretell", OWN})
"""What the log and the narratives call the software itself; nobody decides under these names."""
DESK_PREFIX = "foretell:"
"""What the log's own subjects are called, as in foretell:people. No case is named so."""
PEOPLE, POLICY, PLANTED = DESK_PREFIX + "people", DESK_PREFIX + "policy", DESK_PREFIX + "planted"
WEBHOOKS, MODEL = DESK_PREFIX + "webhooks", DESK_PREFIX + "model"
WORDING = DESK_PREFIX + "wording"
CLOSERS = ("confirmed", "withdrawn")
"""How a proposal about the desk itself ends."""


def nobody(actor: str) -> DecisionError | None:
    """Return why a text cannot stand in the log for a person, or None when it can."""
    if not is_name(actor):
        return DecisionError(
            f"'{actor}' is not the name of a person who decides", "say who decides, in 1 to 200 letters"
        )
    plain = unicodedata.normalize("NFKC", actor).casefold()
    if plain in RESERVED or plain.startswith(DESK_PREFIX):
        return DecisionError(
            f"'{actor}' is the software's own name in the log, and only people decide",
            "say which person decides",
        )
    return None


def is_name(text: str) -> bool:
    """Tell whether a text can name a case or a person: 1 to 200 printable characters, none at the ends blank.

    >>> is_name("4711"), is_name(""), is_name("ann\\n")
    (True, False, False)
    """
    return 0 < len(text) <= 200 and text.isprintable() and text == text.strip()
