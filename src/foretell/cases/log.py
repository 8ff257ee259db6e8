"""The log's bytes: how an event is sealed into the chain, and how content stays outside of it.

Each event's digest covers its other fields and the digest before it, so that no event can change, leave, come
or move unseen. Content (what is known of persons) is not in the chain: an event names it by a salted digest,
and the salt stands beside the content. Erasing both leaves a chain that still verifies and a digest that
tells nothing.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from foretell.errors import StoreError
from foretell.records import Event

NO_CLOCK = "~"
"""Stands for when a case is due that is never due; sorts after every instant."""
GENESIS = "0" * 64
"""What the first event names as the digest before it."""

CHECK = "check the log: foretell log verify"
"""The one thing to do when what is stored cannot be."""

_TALK = ("commented", "suggested", "permitted", "declined")
_WORK = ("endorsed", "edited", "accepted", "judged", "snoozed", "asked", *_TALK)
_ENDS = {"approved": "approved", "rejected": "rejected", "erased": "erased"}
_DESK = dict.fromkeys(
    ("person", "key", "proposed", "confirmed", "withdrawn", "planted", "registered"), "desk"
)
STATUS_AFTER: Mapping[str, Mapping[str, str]] = {
    "": {"opened": "open", **_DESK},
    "open": {**dict.fromkeys(_WORK, "open"), **_ENDS, "escalated": "escalated", "released": "released"},
    "escalated": {**dict.fromkeys(_WORK, "escalated"), **_ENDS},
    "approved": {"edited": "open", **dict.fromkeys(_TALK, "approved"), "erased": "erased"},
    "rejected": {**dict.fromkeys(_TALK, "rejected"), "erased": "erased"},
    "released": {**dict.fromkeys(_TALK, "released"), "escalated": "escalated", "erased": "erased"},
    "erased": {},
    "desk": _DESK,
}
"""Status of a case -> event it admits -> status after it. Editing an approved case voids the approval."""

_quote = json.JSONEncoder(ensure_ascii=False).encode


class EventRow(NamedTuple):
    """An event as it is stored: `body` is canonical JSON text."""

    seq: int
    at: str
    actor: str
    kind: str
    case_id: str
    body: str
    previous: str
    digest: str

    def event(self) -> Event:
        """Return the event.

        Raises:
            StoreError: when the stored body is no JSON.
        """
        try:
            body = json.loads(self.body)
        except (TypeError, ValueError) as error:
            raise StoreError(f"event {self.seq} of the log was altered: {error}", CHECK) from error
        return Event(
            seq=self.seq,
            at=self.at,
            actor=self.actor,
            kind=self.kind,
            case=self.case_id,
            body=body,
            previous=self.previous,
            digest=self.digest,
        )


class ContentRow(NamedTuple):
    """One piece of content as it is stored: `body` is canonical JSON text, `seq` the event that names it."""

    digest: str
    seq: int
    kind: str
    salt: str
    body: str


class CaseRow(NamedTuple):
    """A line of the list of cases: what can be told from the log, kept at hand."""

    id: str
    opened: int
    last: int
    status: str


class Head(NamedTuple):
    """Where the log ends. Kept outside the store, it proves later that nothing before it was touched."""

    seq: int
    digest: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event before it has its place in the chain."""

    case: str
    kind: str
    actor: str
    body: str
    """Canonical JSON text."""
    follows: int
    """The case's last event as its author saw it; 0: there is no case yet, -1: the same call brings it."""
    status: str
    """Status of the case after the event."""
    pieces: tuple[tuple[str, str, str, str], ...] = ()
    """New content: (salted digest, kind, salt, canonical JSON text)."""
    erases: tuple[str, ...] = field(default=())
    """Salted digests of the content that goes."""
    listing: Mapping[str, Any] = field(default_factory=dict)
    """Columns of the list of cases that the event sets, besides its status."""
    terms: tuple[str, ...] = ()
    """Words by which the case is to be found."""
    due_hours: float = 0.0
    """Hours after its opening at which the case is due; 0: no clock."""


def sealed(row: EventRow, seq: int | None = None) -> str:
    """Return the digest that a stored event must carry, at its own place or at `seq`.

    The bytes are those of `records.canonical` for the event without its digest.

    Raises:
        TypeError, ValueError: when a column holds what no event can hold.
    """
    text = (
        f'{{"actor":{_quote(row.actor)},"at":{_quote(row.at)},"body":{row.body},"case":{_quote(row.case_id)},'
        f'"kind":{_quote(row.kind)},"previous":{_quote(row.previous)},'
        f'"seq":{row.seq if seq is None else seq}}}'
    )
    return hashlib.sha256(text.encode()).hexdigest()


def chained(draft: Draft, head: Head, at: str) -> EventRow:
    """Return the row that puts a draft after `head`."""
    row = EventRow(head.seq + 1, at, draft.actor, draft.kind, draft.case, draft.body, head.digest, "")
    return row._replace(digest=sealed(row))


def salted(kind: str, salt: str, body: str) -> str:
    """Return the digest by which an event names a piece of content."""
    return hashlib.sha256(f"[{_quote(kind)},{_quote(salt)}]{body}".encode()).hexdigest()


def named(body: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the content an event brings: kind -> salted digest."""
    return body.get("contents", {})


def head_of(text: str) -> Head:
    """Return the head that `seq:digest` writes.

    Raises:
        StoreError: when it is not a head.
    """
    match = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text.strip())
    if match is None:
        raise StoreError(
            f"'{text}' is not a head of a log", "write seq:digest, as the log's check printed it"
        )
    return Head(int(match[1]), match[2])
