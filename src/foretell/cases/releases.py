"""Which sentences of their own a house may use: proposed by one administrator, released by another."""

from sqlalchemy.engine import Connection

from foretell.cases.governance import four_eyes, may
from foretell.cases.names import WORDING
from foretell.cases.released import Release, releases
from foretell.cases.store import Store
from foretell.errors import DecisionError, ForetellError
from foretell.records import canonical
from foretell.verification.grammar import GRAMMARS
from foretell.verification.wordings import Wording, fault


class Releases:
    """The sentences of a store's house, and how they come into use. Safe to use from many threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def propose(self, by: str, wording: Wording, language: str = "en") -> int:
        """Propose a sentence; return the number by which it can be released.

        Raises:
            AccessError: when the person may not.
            DecisionError: when the sentence is not harmless, has no licence, or was proposed already.
        """
        wrong = fault(wording, language) if language in GRAMMARS else f"nothing is told in '{language}'"
        if wrong:
            raise DecisionError(f"'{wording.text}' cannot be released: {wrong}", "word it in another way")

        def guard(connection: Connection) -> ForetellError | None:
            if (error := may(by, "promote")(connection)) is not None:
                return error
            known = [each for each in releases(connection) if each.wording == wording]
            if any(each.state != "withdrawn" for each in known):
                return DecisionError(
                    f"the sentence was {known[-1].state} already", "list them: foretell style show"
                )
            return None

        texts = {"wording": canonical({"wording": wording, "language": language}).decode()}
        more = {"wording_name": wording.name}
        return self._store.record(WORDING, "proposed", by, texts, more=more, guard=guard).seq

    def release(self, by: str, seq: int) -> Wording:
        """Put a sentence into use that another administrator proposed.

        Raises:
            AccessError: when the person may not, or proposed it.
            DecisionError: when it is not open any more.
        """
        return self._close(by, seq, "confirmed")

    def withdraw(self, by: str, seq: int) -> Wording:
        """Take a sentence back, whether it was released or not: later texts do not have it.

        Raises:
            AccessError, DecisionError: as for `release`.
        """
        return self._close(by, seq, "withdrawn")

    def all(self) -> tuple[Release, ...]:
        """Return all that was proposed, the newest first."""
        with self._store.reading() as connection:
            return tuple(reversed(releases(connection)))

    def released(self, language: str = "en") -> tuple[Wording, ...]:
        """Return the sentences in use, in the order in which they were proposed."""
        held = reversed(self.all())
        return tuple(each.wording for each in held if (each.state, each.language) == ("confirmed", language))

    def _close(self, by: str, seq: int, kind: str) -> Wording:
        asked = next((each for each in self.all() if each.seq == seq), None)
        if asked is None:
            raise DecisionError(f"there is no proposal {seq}", "list them: foretell style show")

        def guard(connection: Connection) -> ForetellError | None:
            if (error := may(by, "promote")(connection)) is not None:
                return error
            now = next(each for each in releases(connection) if each.seq == seq)
            if now.state == "withdrawn" or (kind, now.state) == ("confirmed", "confirmed"):
                hint = "propose it again" if now.state == "withdrawn" else "use it: foretell style learn"
                return DecisionError(f"proposal {seq} was {now.state} by {now.closed_by}", hint)
            return None if kind == "withdrawn" else four_eyes(connection, now.actor, by, "sentence")

        more = {kind: seq, "wording_name": asked.wording.name}
        self._store.record(WORDING, kind, by, {}, more=more, guard=guard)
        return asked.wording
