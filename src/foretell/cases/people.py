"""Who works at a desk: roles and what they may do, identities, passwords, sessions and keys as values."""

import hashlib
import json
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from foretell.cases.names import nobody
from foretell.errors import AccessError, DecisionError, ForetellError
from foretell.lookup import unknown

if TYPE_CHECKING:
    from argon2 import PasswordHasher

ROLES = ("viewer", "reviewer", "approver", "administrator")
_WORKERS = frozenset({"reviewer", "approver"})
PERMISSIONS: Mapping[str, frozenset[str]] = {
    "read": frozenset(ROLES),
    "claim": _WORKERS,
    "judge": _WORKERS,
    "comment": _WORKERS,
    "edit": _WORKERS,
    "approve": _WORKERS,
    "reject": _WORKERS,
    "escalate": _WORKERS,
    "snooze": _WORKERS,
    "ask": _WORKERS,
    "accept": frozenset({"approver"}),
    "export": frozenset({"approver", "administrator"}),
    "erase": frozenset({"administrator"}),
    "people": frozenset({"administrator"}),
    "policy": frozenset({"administrator"}),
    "webhooks": frozenset({"administrator"}),
    "plant": frozenset({"administrator"}),
    "promote": frozenset({"administrator"}),
    "generate": frozenset({"administrator"}),
}
"""What is done -> the roles that may do it. Who administers a desk does not decide its cases by that."""
_WORDS: Mapping[str, str] = {
    "read": "look",
    "export": "see the figures and the log, or hand out cases",
    "people": "see or change accounts",
    "policy": "change the policy",
    "webhooks": "see or change webhooks",
    "plant": "plant cases",
    "promote": "put models or sentences in use",
    "generate": "draw sets",
}
"""What is done, in words, where its name is not the verb."""
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1000
KEY_PREFIX = "foretell_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody, or some program, that works at a desk."""

    name: str
    roles: tuple[str, ...] = ("viewer",)
    teams: tuple[str, ...] = ()
    """Teams whose cases are seen, besides the cases that belong to no team; ("*",): all."""
    owner: str = ""
    """The person on whose behalf a program, or a second account, works; empty: this is a person itself."""
    active: bool = True

    @property
    def identity(self) -> str:
        """Whose eyes these are: two accounts of one owner are one pair."""
        return self.owner or self.name

    def may(self, what: str) -> bool:
        """Tell whether a role of theirs permits it."""
        return self.active and not PERMISSIONS[what].isdisjoint(self.roles)

    def sees(self, team: str) -> bool:
        """Tell whether a case of this team is theirs to see."""
        return self.active and (not team or team in self.teams or "*" in self.teams)


def permitted(person: Person, what: str) -> ForetellError | None:
    """Return why a person may not do something, or None when they may."""
    if not person.active:
        return AccessError(f"the account '{person.name}' is closed", "ask an administrator")
    if person.may(what):
        return None
    roles = " or ".join(sorted(PERMISSIONS[what]))
    return AccessError(f"{person.name} may not {_WORDS.get(what, what)}", f"this needs the role {roles}")


def checked(person: Person) -> Person:
    """Return the person when the record can stand, with roles and teams sorted.

    Raises:
        DecisionError: when a name, a role, a team or the owner cannot stand.
    """
    if (error := nobody(person.name)) is not None:
        raise error
    if unicodedata.normalize("NFKC", person.name) != person.name:
        raise DecisionError(f"'{person.name}' can be mistaken for another name", "write it in plain letters")
    for role in person.roles:
        if role not in ROLES:
            raise DecisionError(*unknown("role", role, ROLES))
    for team in person.teams:
        if not team.isprintable() or not team.strip() or len(team) > 200:
            raise DecisionError(f"'{team}' cannot name a team", "use 1 to 200 printable characters")
    if person.owner == person.name:
        raise DecisionError(f"'{person.name}' cannot be their own owner", "leave the owner empty")
    return Person(
        name=person.name,
        roles=tuple(sorted({*person.roles}, key=ROLES.index)),
        teams=tuple(sorted({*person.teams})),
        owner=person.owner,
        active=person.active,
    )


def person_of(row: Any) -> Person:
    """Return the person that a row of the table of people tells of."""
    return Person(
        name=row.name,
        roles=tuple(json.loads(row.roles)),
        teams=tuple(json.loads(row.teams)),
        owner=row.owner,
        active=bool(row.active),
    )


def row_of(person: Person) -> dict[str, Any]:
    """Return the columns that tell of a person."""
    return {
        "name": person.name,
        "roles": json.dumps(person.roles),
        "teams": json.dumps(person.teams),
        "owner": person.owner,
        "active": int(person.active),
    }


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # RFC 9106's second recommended setting: 64 MiB would cost the server

    return PasswordHasher(time_cost=3, memory_cost=19 * 1024, parallelism=1)


def hashed(password: str, salt: str) -> str:
    """Return the argon2id hash of a password.

    Args:
        salt: drawn for this one hash.

    Raises:
        DecisionError: when it is too short or too long.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise DecisionError(
            f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters, not {len(password)}",
            "choose a longer one; a sentence is good",
        )
    return _hasher().hash(password, salt=hashlib.sha256(salt.encode()).digest()[:16])


@cache
def _decoy() -> str:
    return _hasher().hash(secrets.token_hex(16))


def matches(password: str, stored: str) -> bool:
    """Tell whether a password is the one that was stored; takes as long where none was."""
    from argon2.exceptions import Argon2Error, InvalidHashError

    try:
        return _hasher().verify(stored or _decoy(), password[: LONGEST_PASSWORD + 1]) and bool(stored)
    except (Argon2Error, InvalidHashError):
        return False


def token() -> str:
    """Return a fresh secret of 256 bits."""
    return secrets.token_urlsafe(32)


def fingerprint(secret: str) -> str:
    """Return what is stored of a secret of full entropy: enough to know it again, not to use it."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
