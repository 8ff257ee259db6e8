"""Telling: what hears, message by message, how far work has come."""

from collections.abc import Callable

Tell = Callable[[str], None]


def quiet(message: str) -> None:
    """Tell nobody."""
