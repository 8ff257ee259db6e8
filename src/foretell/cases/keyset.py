"""Where a page of a list ended, as it stands in the address of the next page."""

import base64
import json
from collections.abc import Sequence
from typing import Any

from foretell.errors import DecisionError

KINDS: dict[str, type | tuple[type, ...]] = {"opened": int, "probability": (int, float), "due_at": str}
"""Column of an order -> what its values are."""


def written(sort: str, place: Sequence[Any]) -> str:
    """Return the text that `place_of` reads."""
    text = json.dumps([sort, *place], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place_of(after: str, sort: str, columns: Sequence[str]) -> tuple[Any, ...]:
    """Return where the page before ended: a value per column of the order; nothing on the first page.

    Raises:
        DecisionError: when the text is of another list, or of none.
    """
    if not after:
        return ()
    error = DecisionError("this is not the next page of this list", "begin with the first page")
    try:
        text = base64.b64decode(after + "=" * (-len(after) % 4), altchars=b"-_", validate=True)
        of, *place = json.loads(text)
    except (ValueError, TypeError) as cause:
        raise error from cause
    if of != sort or len(place) != len(columns):
        raise error
    for value, column in zip(place, columns, strict=True):
        if not isinstance(value, KINDS[column]) or isinstance(value, bool):
            raise error
    return tuple(place)
