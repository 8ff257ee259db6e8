"""Who may come in, and where events go, as the log tells it, against the tables; standard library only.

Of passwords, keys and webhooks' secrets the log names digests of what the tables hold. It has no sessions.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from foretell.cases.log import EventRow
from foretell.cases.names import PEOPLE, WEBHOOKS

_SAID = {"roles": "the roles", "teams": "the teams", "owner": "the owner", "active": "the state"}
_NAMED_BY = {"person": "name", "key": "id"}


class PersonRow(NamedTuple):
    """A line of the table of people: `roles` and `teams` JSON lists, `active` 1 or 0, `password` hashed."""

    name: str
    roles: str
    teams: str
    owner: str
    active: int
    password: str


class KeyRow(NamedTuple):
    """A line of the table of keys; `digest` is that of its secret."""

    id: str
    person: str
    until: str
    digest: str


class HookRow(NamedTuple):
    """A line of the table of webhooks; `id` is the event that proposed the endpoint."""

    id: int
    secret: str


class Roster:
    """What the events make of people, keys and endpoints of webhooks."""

    def __init__(self) -> None:
        self._people: dict[str, dict[str, Any]] = {}
        self._keys: dict[str, tuple[str, str]] = {}
        self._hooks: dict[int, str | None] = {}
        self._secrets: dict[tuple[str, str], str] = {}
        self._odd: list[int] = []

    def add(self, row: EventRow, body: Mapping[str, Any], pieces: Mapping[str, str]) -> None:
        """Take an event with its content, which its seal covers.

        Args:
            pieces: kind -> canonical JSON text.
        """
        try:
            secret = json.loads(pieces.get("secret", "null"))  # older events told of none
            if row.case_id == PEOPLE and row.kind in pieces:
                said = json.loads(pieces[row.kind])
                self._told(row.kind, said)
                if secret is not None:
                    self._secrets[row.kind, said[_NAMED_BY[row.kind]]] = secret
            elif row.case_id == WEBHOOKS and row.kind == "proposed":
                self._hooks[row.seq] = secret
            elif row.case_id == WEBHOOKS and row.kind == "withdrawn":
                self._hooks.pop(body["withdrawn"], None)
        except (KeyError, TypeError, ValueError, RecursionError):
            self._odd.append(row.seq)

    def _told(self, kind: str, said: Any) -> None:
        if kind == "person":
            self._people[said["name"]] = {field: said[field] for field in _SAID}
            if not said["active"]:
                self._keys = {name: key for name, key in self._keys.items() if key[0] != said["name"]}
        elif said["what"] == "made":
            self._keys[said["id"]] = (said["person"], said["until"])
        else:
            self._keys.pop(said["id"], None)

    def close(
        self, people: Iterable[PersonRow], keys: Iterable[KeyRow], hooks: Iterable[HookRow]
    ) -> Iterator[tuple[int, str, str]]:
        """Yield what stands otherwise in the tables: the event (0: none), what was done, and to what."""
        for seq in self._odd:
            yield seq, "inserted", f"event {seq} was inserted: no desk tells so of people, keys or webhooks"
        yield from self._of_people(people)
        yield from self._of_keys(keys)
        for hook in hooks:
            if hook.id not in self._hooks:
                yield (
                    0,
                    "inserted",
                    f"endpoint {hook.id} was inserted into the table of webhooks: no event proposed it",
                )
            elif _another(self._hooks.pop(hook.id), hook.secret):
                yield 0, "altered", f"the secret of endpoint {hook.id} was altered in the table of webhooks"
        for seq in self._hooks:
            yield 0, "dropped", f"endpoint {seq} was dropped from the table of webhooks"

    def _of_people(self, people: Iterable[PersonRow]) -> Iterator[tuple[int, str, str]]:
        for person in people:
            told = self._people.pop(person.name, None)
            if told is None:
                yield (
                    0,
                    "inserted",
                    f"{person.name} was inserted into the table of people: no event tells of it",
                )
                continue
            for field, words in _SAID.items():
                stands = _stands(person, field)
                if stands != told[field]:
                    verb = "were" if field in ("roles", "teams") else "was"
                    yield (
                        0,
                        "altered",
                        f"{words} of {person.name} {verb} altered in the table of people: "
                        f"{_shown(stands)}, in the log {_shown(told[field])}",
                    )
            if _another(self._secrets.get(("person", person.name)), person.password):
                yield 0, "altered", f"the password of {person.name} was altered in the table of people"
        for name in self._people:
            yield 0, "dropped", f"{name} was dropped from the table of people"

    def _of_keys(self, keys: Iterable[KeyRow]) -> Iterator[tuple[int, str, str]]:
        for key in keys:
            told = self._keys.pop(key.id, None)
            if told is None:
                yield 0, "inserted", f"key {key.id} of {key.person} was inserted: no event made it"
            elif (key.person, key.until) != told:
                text = f"key {key.id} was altered: {key.person} until {key.until}, in the log "
                yield 0, "altered", text + " until ".join(told)
            elif _another(self._secrets.get(("key", key.id)), key.digest):
                yield 0, "altered", f"the secret of key {key.id} of {key.person} was altered"
        for name, (person, _) in self._keys.items():
            yield 0, "dropped", f"key {name} of {person} was dropped"


def _another(told: str | None, stands: str) -> bool:
    """Tell whether another secret stands in a table than the log tells of, if it tells of one."""
    text = str(stands).encode(errors="surrogatepass")
    return told is not None and hashlib.sha256(text).hexdigest() != told


def _stands(person: PersonRow, field: str) -> Any:
    value = getattr(person, field)
    if field == "active":
        return bool(value) if value in (0, 1) else value
    if field == "owner":
        return value
    try:
        said = json.loads(value)
    except (TypeError, ValueError):
        return value
    return said if value == json.dumps(said) else value


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "open" if value else "closed"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value) or "none"
    return repr(value) if value != "" else "none"
