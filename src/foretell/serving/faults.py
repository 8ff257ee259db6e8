"""Which HTTP status an error has."""

from foretell.errors import (
    AccessError,
    DecisionError,
    ForetellError,
    NotFoundError,
    SpecError,
    StoreError,
    VerdictError,
)
from foretell.serving.security import UnknownPersonError

STATUS_OF: tuple[tuple[type[ForetellError], int], ...] = (
    (UnknownPersonError, 401),
    (AccessError, 403),
    (NotFoundError, 404),
    (DecisionError, 409),
    (VerdictError, 422),
    (SpecError, 422),
    (StoreError, 503),
)
"""The first row that fits an error says its HTTP status."""


def status_of(error: ForetellError) -> int:
    """Return the HTTP status of an error."""
    return next((status for kind, status in STATUS_OF if isinstance(error, kind)), 400)
