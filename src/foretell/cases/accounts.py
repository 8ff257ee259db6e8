"""Accounts: who may come in, how they prove it, and what the log tells of that (never a secret)."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases import people as rules
from foretell.cases.ledger import Guard
from foretell.cases.names import PEOPLE
from foretell.cases.people import KEY_PREFIX, Person, fingerprint, hashed, matches, permitted, person_of
from foretell.cases.standing import founded, known_person, stamp
from foretell.cases.store import Store
from foretell.cases.tables import keys, people, sessions
from foretell.errors import AccessError, DecisionError, ForetellError
from foretell.records import canonical

IDLE = timedelta(minutes=30)
LONGEST_SESSION = timedelta(hours=12)
SEEN_EVERY = timedelta(minutes=1)
"""A session's sign of life is written no oftener."""
FREE_FAILURES = 5
"""Wrong passwords before an account must wait; each further one doubles the wait."""
SHORTEST_WAIT, LONGEST_WAIT = timedelta(seconds=15), timedelta(minutes=15)
LONGEST_KEY_DAYS = 366

_ACCOUNT = sa.select(people).where(people.c.name == sa.bindparam("name"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of a program, without its secret."""

    id: str
    person: str
    made_at: str
    until: str


class Accounts:
    """The accounts of a store. Safe to use from many threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # People

    def empty(self) -> bool:
        """Tell whether nobody has an account yet."""
        with self._store.reading() as connection:
            return not founded(connection)

    def found(self, name: str, password: str) -> None:
        """Make the first account, an administrator's.

        Raises:
            DecisionError: when there are accounts, or the name or password cannot stand.
        """
        first = rules.checked(Person(name=name, roles=("administrator",), teams=("*",)))

        def guard(connection: Connection) -> ForetellError | None:
            if founded(connection):
                return DecisionError("this desk has accounts already", "ask an administrator for one")
            return None

        self._write(first, name, hashed(password, self._store.salt()), guard, new=True)

    def people(self, by: str) -> tuple[Person, ...]:
        """Return everybody, for an administrator."""
        with self._store.reading() as connection:
            self._permitted(connection, by, "people")
            rows = connection.execute(sa.select(people).order_by(people.c.name))
            return tuple(person_of(row) for row in rows)

    def person(self, name: str) -> Person:
        """Return one person as the store knows them now.

        Raises:
            AccessError: when there is none of this name.
        """
        with self._store.reading() as connection:
            return known_person(connection, name)

    def save(self, by: str, person: Person, password: str = "") -> None:
        """Make an account, or change its roles, teams, owner, or whether it is open.

        Args:
            by: the administrator who does it.
            password: a new one; empty keeps the old one, or admits keys alone.

        Raises:
            AccessError: when `by` may not, or changes their own account.
            DecisionError: when the record cannot stand, or would leave no administrator.
        """
        person = rules.checked(person)
        secret = hashed(password, self._store.salt()) if password else ""
        with self._store.reading() as connection:
            new = connection.execute(_ACCOUNT, {"name": person.name}).one_or_none() is None

        def guard(connection: Connection) -> ForetellError | None:
            try:
                administrator = self._permitted(connection, by, "people")
                if person.owner:
                    known_person(connection, person.owner)
            except AccessError as error:
                return error
            accounts = {row.name: person_of(row) for row in connection.execute(sa.select(people))}
            before = accounts.get(person.name)
            if new is not (before is None):
                return _meanwhile(person.name)
            if administrator.identity in (person.name, person.identity, before and before.identity):
                return AccessError(f"{by} cannot change their own account", "let another administrator do it")
            alike = [name for name in accounts if name.casefold() == person.name.casefold()]
            if before is None and alike:
                return DecisionError(f"there is an account '{alike[0]}' already", "choose another name")
            if before is not None and before.owner != person.owner:
                return DecisionError(
                    f"the owner of '{person.name}' is '{before.owner}'", "make another account"
                )
            return None

        self._write(person, by, secret, guard, new=new)

    def set_password(self, name: str, old: str, new: str) -> None:
        """Change one's own password; all other sessions of the account end.

        Raises:
            AccessError: when the old one is wrong.
            DecisionError: when the new one cannot stand.
        """
        secret = hashed(new, self._store.salt())
        proved = self._prove(name, old)

        def guard(connection: Connection) -> ForetellError | None:
            stands = connection.execute(_ACCOUNT, {"name": name}).one()
            same = person_of(stands) == person_of(proved) and stands.password == proved.password
            return None if same else _meanwhile(name)

        self._write(person_of(proved), name, secret, guard)

    def _write(self, person: Person, by: str, secret: str, guard: Guard, *, new: bool = False) -> None:
        row = rules.row_of(person)

        def also(connection: Connection, _rows: object) -> None:
            changed = {**row, **({"password": secret} if secret else {})}
            if new:
                fresh = {"password": "", "failures": 0, "locked_until": "", **changed}
                connection.execute(sa.insert(people), [fresh])
            else:
                connection.execute(sa.update(people).where(people.c.name == person.name).values(**changed))
            if secret or not person.active:
                connection.execute(sa.delete(sessions).where(sessions.c.person == person.name))
            if not person.active:
                connection.execute(sa.delete(keys).where(keys.c.person == person.name))

        texts = {"person": canonical(person).decode()}
        if new or secret:  # of an account without a password, too, so that none can be set unseen
            texts["secret"] = canonical(fingerprint(secret)).decode()
        self._store.record(PEOPLE, "person", by, texts, guard=guard, also=also)

    # Sessions

    def sign_in(self, name: str, password: str) -> str:
        """Return the token of a new session.

        Raises:
            AccessError: when name and password do not fit, or the account must wait; it does not say which of
                the two is wrong.
        """
        self._prove(name, password)
        return self._begun(name)

    def begin(self, name: str) -> str:
        """Return the token of a new session for somebody whom a provider vouches for.

        Raises:
            AccessError: when there is no such account, or it is closed.
        """
        if not self.person(name).active:
            raise AccessError(f"the account '{name}' is closed", "ask an administrator")
        return self._begun(name)

    def _begun(self, name: str) -> str:
        secret, now = rules.token(), self._store.now()
        row = {
            "digest": fingerprint(secret),
            "person": name,
            "made_at": stamp(now),
            "seen_at": stamp(now),
            "until": stamp(now + LONGEST_SESSION),
        }
        with self._store.alone() as connection:
            connection.execute(sa.delete(sessions).where(sessions.c.until < stamp(now)))
            connection.execute(sa.insert(sessions), [row])
        return secret

    def session(self, secret: str) -> Person:
        """Return whose session a token is, and keep the session alive.

        Raises:
            AccessError: when it is nobody's, or has ended.
        """
        person, silent = self.look_up(secret)
        if silent:
            self.stay(secret)
        return person

    def look_up(self, secret: str) -> tuple[Person, bool]:
        """Return whose session a token is, and whether it gave no sign of life for long; nothing is written.

        Raises:
            AccessError: when it is nobody's, or has ended.
        """
        now, name = self._store.now(), sessions.c.digest == fingerprint(secret)
        with self._store.reading() as connection:
            row = connection.execute(sa.select(sessions).where(name)).one_or_none()
            live = row is not None and row.until > stamp(now) and row.seen_at > stamp(now - IDLE)
            person = known_person(connection, row.person) if row is not None and live else None
        if row is None or person is None or not person.active:
            raise AccessError("the session has ended", "sign in again")
        return person, row.seen_at < stamp(now - SEEN_EVERY)

    def stay(self, secret: str) -> None:
        """Write a session's sign of life."""
        seen = {"seen_at": stamp(self._store.now())}
        with self._store.alone() as connection:
            connection.execute(
                sa.update(sessions).where(sessions.c.digest == fingerprint(secret)).values(**seen)
            )

    def sign_out(self, secret: str) -> None:
        """End a session; nothing happens when there is none."""
        with self._store.alone() as connection:
            connection.execute(sa.delete(sessions).where(sessions.c.digest == fingerprint(secret)))

    def _prove(self, name: str, password: str) -> sa.Row[Any]:
        now = self._store.now()
        with self._store.reading() as connection:
            row = connection.execute(_ACCOUNT, {"name": name}).one_or_none()
        if row is not None and row.locked_until > stamp(now):
            raise AccessError(
                "there were too many wrong passwords for this account", "wait some minutes, then try again"
            )
        right = matches(password, row.password if row is not None and row.active else "")
        if row is not None and (row.failures or not right):
            # Counted from what stands then, so that guesses made at the same time count each.
            failures = people.c.failures + 1 if not right else 0
            until = stamp(now + _wait(row.failures + 1)) if not right else ""
            with self._store.alone() as connection:
                connection.execute(
                    sa.update(people)
                    .where(people.c.name == name)
                    .values(failures=failures, locked_until=until)
                )
        if row is None or not right:
            raise AccessError("name and password do not fit", "try again, or ask an administrator")
        return row

    # Keys

    def make_key(self, by: str, name: str, days: int) -> str:
        """Make a key for one's own account, or a program that one owns; return its secret, shown this once.

        Raises:
            AccessError: when the account is somebody else's.
            DecisionError: when it would hold too long.
        """
        if not 1 <= days <= LONGEST_KEY_DAYS:
            raise DecisionError(f"a key holds 1 to {LONGEST_KEY_DAYS} days, not {days}", "make it anew then")
        secret, now = KEY_PREFIX + rules.token(), self._store.now()
        row = {
            "id": fingerprint(secret)[:12],
            "person": name,
            "digest": fingerprint(secret),
            "made_at": stamp(now),
            "until": stamp(now + timedelta(days=days)),
        }

        def also(connection: Connection, _rows: object) -> None:
            connection.execute(sa.insert(keys), [row])

        told = {"id": row["id"], "person": name, "until": row["until"], "what": "made"}
        texts = {
            "key": canonical(told).decode(),
            "secret": canonical(fingerprint(row["digest"])).decode(),
        }
        self._store.record(PEOPLE, "key", by, texts, guard=self._owner(by, name), also=also)
        return secret

    def keys(self, by: str) -> tuple[Key, ...]:
        """Return the keys of a person and of the programs they own; an administrator sees all."""
        with self._store.reading() as connection:
            person = known_person(connection, by)
            rows = connection.execute(sa.select(keys).order_by(keys.c.made_at)).all()
            owners = {row.name: person_of(row).identity for row in connection.execute(sa.select(people))}
        return tuple(
            Key(id=row.id, person=row.person, made_at=row.made_at, until=row.until)
            for row in rows
            if person.may("people") or owners[row.person] == person.identity
        )

    def keyed(self, by: str) -> tuple[str, ...]:
        """Return the accounts for which a person may make keys: their own, then the programs they own."""
        owned = sa.select(people.c.name).where(people.c.owner == by, people.c.active == 1)
        with self._store.reading() as connection:
            return (by, *connection.scalars(owned.order_by(people.c.name)))

    def revoke_key(self, by: str, key_id: str) -> None:
        """End a key of one's own, or, as an administrator, anybody's.

        Raises:
            AccessError: when there is none, or it is somebody else's.
        """
        found = next((key for key in self.keys(by) if key.id == key_id), None)
        if found is None:
            raise AccessError(f"there is no key '{key_id}'", "list the keys")

        def also(connection: Connection, _rows: object) -> None:
            connection.execute(sa.delete(keys).where(keys.c.id == key_id))

        text = canonical({"id": key_id, "person": found.person, "what": "revoked"}).decode()
        self._store.record(PEOPLE, "key", by, {"key": text}, also=also)

    def key(self, secret: str) -> Person:
        """Return whose key a secret is.

        Raises:
            AccessError: when it is nobody's, or has run out.
        """
        with self._store.reading() as connection:
            row = connection.execute(
                sa.select(keys).where(keys.c.digest == fingerprint(secret))
            ).one_or_none()
            live = row is not None and row.until > stamp(self._store.now())
            person = known_person(connection, row.person) if row is not None and live else None
        if person is None or not person.active:
            raise AccessError("the key is not known, or has run out", "make another one")
        return person

    def _owner(self, by: str, name: str) -> Guard:
        def guard(connection: Connection) -> ForetellError | None:
            try:
                maker, account = known_person(connection, by), known_person(connection, name)
            except AccessError as error:
                return error
            if not maker.active or not account.active:
                return AccessError(f"the account '{name}' is closed", "ask an administrator")
            if account.identity != maker.identity:
                return AccessError(f"'{name}' is not an account of {by}", "make keys for your own accounts")
            return None

        return guard

    @staticmethod
    def _permitted(connection: Connection, by: str, what: str) -> Person:
        person = known_person(connection, by)
        if (error := permitted(person, what)) is not None:
            raise error
        return person


def _meanwhile(name: str) -> ForetellError:
    return AccessError(f"the account '{name}' was changed just now", "try again")


def _wait(failures: int) -> timedelta:
    """Return how long an account waits after so many wrong passwords in a row."""
    if failures < FREE_FAILURES:
        return timedelta(0)
    return min(SHORTEST_WAIT * 2 ** min(failures - FREE_FAILURES, 20), LONGEST_WAIT)
