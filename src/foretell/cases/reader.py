"""Reads a SQLite store and checks its log with the standard library alone.

python -m foretell.cases.reader runs/latest/cases.db --head 12:9f86d0...
"""

import argparse
import os
import sqlite3
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from foretell.cases.case import fold
from foretell.cases.inspection import LogReport, inspect
from foretell.cases.listing import COLUMNS
from foretell.cases.log import CaseRow, ContentRow, EventRow, Head, head_of
from foretell.cases.printing import legible
from foretell.cases.roster import HookRow, KeyRow, PersonRow
from foretell.errors import ForetellError, StoreError
from foretell.records import Case

SHOWN = 20
"""Faults that the stand-alone check prints; it counts the rest."""

EVENTS = "SELECT seq, at, actor, kind, case_id, body, previous, digest FROM events"
CONTENTS = "SELECT contents.digest, contents.seq, contents.kind, contents.salt, contents.body FROM contents"
OF_CASE = " JOIN events ON contents.seq = events.seq WHERE events.case_id = ?"
LISTED = "SELECT id, opened, last, status FROM cases"
PEOPLE = "SELECT name, roles, teams, owner, active, password FROM people"
KEYS = "SELECT id, person, until, digest FROM keys"
HOOKS = "SELECT id, secret FROM webhooks"
LINES = f"SELECT id, {', '.join(COLUMNS)} FROM cases"
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"


@contextmanager
def reading(path: str) -> Generator[sqlite3.Connection, None, None]:
    """Open a store read-only, as it stands at one instant.

    Raises:
        StoreError: when there is none, or it cannot be read.
    """
    if not Path(path).is_file():
        raise StoreError(
            f"there is no case store at {path}", "name the file of a store, as in runs/latest/cases.db"
        )
    file = Path(path).resolve()
    # A store at rest in a folder that nobody can write is read without the journal that cannot be made there.
    at_rest = not Path(f"{file}-wal").exists() and not os.access(file.parent, os.W_OK)
    mode = "mode=ro&immutable=1" if at_rest else "mode=ro"
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?{mode}", uri=True)) as connection:
            connection.isolation_level = None
            # Bytes that are no text must be named as an alteration, not end the check.
            connection.text_factory = lambda text: text.decode(errors="surrogateescape")
            connection.execute("BEGIN")
            yield connection
    except sqlite3.Error as error:
        raise StoreError(
            f"{path} cannot be read as a case store: {error}", "name the file of a store"
        ) from error


def read_case(path: str, case_id: str) -> Case:
    """Return one case of a SQLite store.

    Raises:
        StoreError: when there is no such case, it was erased, or the store cannot be read.
    """
    with reading(path) as connection:
        rows = connection.execute(f"{EVENTS} WHERE case_id = ? ORDER BY seq", (case_id,)).fetchall()
        found = connection.execute(f"{CONTENTS}{OF_CASE}", (case_id,)).fetchall()
    if not rows:
        raise StoreError(f"there is no case '{case_id}' in {path}", "list the cases: foretell cases")
    pieces = (ContentRow(*row) for row in found)
    return fold([EventRow(*row).event() for row in rows], {piece.digest: piece.body for piece in pieces})


def verify_log(path: str, head: str = "", only: str = "") -> LogReport:
    """Check the whole log of a SQLite store; see `inspection.inspect`.

    Args:
        path: the store's file.
        head: `seq:digest` as it was printed earlier and kept elsewhere.
        only: a case; the chain is checked whole, content and list for this case alone.

    Raises:
        StoreError: when `head` is not one, or the store cannot be read.
    """
    outer = head_of(head) if head else None
    with reading(path) as connection:
        stored = connection.execute("SELECT seq, digest FROM heads").fetchone()
        if stored is None:
            raise StoreError(f"the head of the log in {path} was dropped", "restore the store from a backup")
        if [*map(type, stored)] != [int, str]:
            raise StoreError(f"the head of the log in {path} was altered", "restore the store from a backup")
        tables = {name for (name,) in connection.execute(TABLES)}  # a store that had no desk yet lacks some
        of_case, listed, values = ("", "", ()) if not only else (OF_CASE, " WHERE id = ?", (only,))
        return inspect(
            map(EventRow._make, connection.execute(f"{EVENTS} ORDER BY seq")),
            map(ContentRow._make, connection.execute(f"{CONTENTS}{of_case} ORDER BY contents.seq", values)),
            map(CaseRow._make, connection.execute(f"{LISTED}{listed}", values)),
            Head(*stored),
            outer,
            people=map(PersonRow._make, connection.execute(PEOPLE) if "people" in tables else ()),
            keys=map(KeyRow._make, connection.execute(KEYS) if "keys" in tables else ()),
            hooks=map(HookRow._make, connection.execute(HOOKS) if "webhooks" in tables else ()),
            lines=connection.execute(LINES) if not only and _shows(connection) else (),
            only=only,
        )


def _shows(connection: sqlite3.Connection) -> bool:
    """Tell whether the list of cases shows more than their status; a store that had no desk yet does not."""
    return {*COLUMNS} <= {column[1] for column in connection.execute("PRAGMA table_info(cases)")}


def lines(report: LogReport) -> Iterator[str]:
    """Say what the check of a log found, for people."""
    for fault in report.faults[:SHOWN]:
        yield legible(f"{fault.kind}: {fault.text}")
    if len(report.faults) > SHOWN:
        yield f"... and {len(report.faults) - SHOWN} more"
    erased = f", {report.erased} pieces of content erased on request" if report.erased else ""
    count = "1 fault" if len(report.faults) == 1 else f"{len(report.faults)} faults"
    result = "the log holds" if report.passed else f"the log does not hold: {count}"
    yield f"{result}; {report.events} events{erased}; head {report.head}"


def main() -> int:
    """Check the log of the store named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m foretell.cases.reader", description="Check the log of a store."
    )
    parser.add_argument("store", help="the store's file, as in runs/latest/cases.db")
    parser.add_argument(
        "--head", default="", help="seq:digest, printed by an earlier check and kept elsewhere"
    )
    arguments = parser.parse_args()
    try:
        report = verify_log(arguments.store.removeprefix("sqlite:///"), arguments.head)
    except ForetellError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    sys.stdout.write("\n".join([*lines(report), ""]))
    return 0 if report.passed else StoreError.exit_code


if __name__ == "__main__":
    sys.exit(main())
