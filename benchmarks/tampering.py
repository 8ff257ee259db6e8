"""How many of the random edits of a store behind its back the checks of its log find.

    python benchmarks/tampering.py [--edits N] [--store]

Each edit changes one thing that the log tells: a byte, a value, a row that goes, comes twice or changes
places, an event that is forged with a fitting digest. Both checks are asked: the store's own, and the one
that stands alone. With --store the figures go to benchmarks/results/.
"""

import argparse
import json
import random
import shlex
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cases import RESULTS, commit, machine, proposal
from foretell.cases import Store, checker, listing, reader
from foretell.cases.accounts import Accounts
from foretell.cases.endpoints import Endpoints
from foretell.cases.log import EventRow, sealed
from foretell.cases.people import Person
from foretell.errors import StoreError
from foretell.records import Decision

KEYS = {
    "events": "seq",
    "contents": "digest",
    "cases": "id",
    "people": "name",
    "keys": "id",
    "webhooks": "id",
    "heads": "id",
}
COLUMNS = {
    "events": ("seq", "at", "actor", "kind", "case_id", "body", "previous", "digest"),
    "contents": ("digest", "seq", "kind", "salt", "body"),
    "cases": ("id", "opened", "last", "status", *listing.COLUMNS),
    "people": ("name", "roles", "teams", "owner", "active", "password"),
    "keys": ("id", "person", "until", "digest"),
    "webhooks": ("id", "secret"),
    "heads": ("seq", "digest"),
}
"""What the log tells; the other columns are work in progress, which it does not."""
ALONE = {**COLUMNS, "cases": ("id", "opened", "last", "status")}
"""What of it the check that stands alone looks at."""
WAYS = ("byte", "byte", "byte", "value", "drop", "copy", "swap", "forge", "kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change of one table."""

    way: str
    table: str
    statements: tuple[tuple[str, tuple[Any, ...]], ...]
    shown: bool = False
    """It changes only what the list shows of a case, of which the check that stands alone does not know."""


class Tampered:
    """A copy of a store to which one edit at a time is done, and undone."""

    def __init__(self, source: str, folder: Path, seed: int) -> None:
        self.path = str(folder / "tampered.db")
        with closing(sqlite3.connect(source)) as there, closing(sqlite3.connect(self.path)) as here:
            there.backup(here)
            here.execute("PRAGMA journal_mode = DELETE")
            for kind, name in here.execute(
                "SELECT type, name FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall():
                here.execute(f"DROP {kind} {name}")
            here.commit()
        self.whole = str(folder / "whole.db")
        shutil.copyfile(self.path, self.whole)
        self.draw = random.Random(seed)

    def edits(self) -> Iterator[Edit]:
        """Yield random edits, each of which changes something; one is done while it is looked at."""
        while True:
            with closing(sqlite3.connect(self.path)) as connection:
                connection.text_factory = lambda text: text.decode(errors="surrogateescape")
                before, told = contents_of(connection), contents_of(connection, ALONE)
                edit = self._edit(connection)
                if edit is None:
                    continue
                try:
                    for statement, values in edit.statements:
                        connection.execute(statement, values)
                    connection.commit()
                except (sqlite3.IntegrityError, UnicodeEncodeError, OverflowError):
                    connection.rollback()  # the database itself refused
                    continue
                changed = contents_of(connection) != before
                shown = contents_of(connection, ALONE) == told
            if changed:
                yield replace(edit, shown=shown)
            shutil.copyfile(self.whole, self.path)

    def _edit(self, connection: sqlite3.Connection) -> Edit | None:
        draw, way = self.draw, self.draw.choice(WAYS)
        table = draw.choices([*KEYS], weights=[8, 5, 2, 2, 1, 1, 1])[0]
        rows = connection.execute(f"SELECT rowid, {', '.join(COLUMNS[table])} FROM {table}").fetchall()
        if not rows:
            return None
        number, *row = draw.choice(rows)
        place = draw.randrange(len(row))
        column = COLUMNS[table][place]
        if way == "drop":
            done = [(f"DELETE FROM {table} WHERE rowid = ?", (number,))]
        elif way == "copy":
            done = self._copy(connection, table, number)
        elif way == "swap":
            other = draw.choice(rows)
            done = [
                (f"UPDATE {table} SET {column} = NULL WHERE rowid = ?", (number,)),
                (f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (row[place], other[0])),
                (f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (other[place + 1], number)),
            ]
            if column in ("seq", "digest", "id", "name") or table != "heads":
                spare = -(10**6) if isinstance(row[place], int) else "spare"
                done[0] = (f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (spare, number))
                done[2] = (f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (other[place + 1], spare))
        elif way == "forge" and table == "events":
            forged = EventRow(*row)._replace(**{draw.choice(("actor", "at")): "2031 eve"})
            done = [("UPDATE events SET actor = ?, at = ?, digest = ? WHERE rowid = ?",
                     (forged.actor, forged.at, sealed(forged), number))]  # fmt: skip
        else:
            way = "byte" if way == "forge" else way
            done = [
                (f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (self._other(way, row[place]), number))
            ]
        return Edit(way=way, table=table, statements=tuple(done))

    def _copy(
        self, connection: sqlite3.Connection, table: str, number: int
    ) -> list[tuple[str, tuple[Any, ...]]]:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        fresh = self.draw.choice((0, -1, 10**6, self.draw.randrange(1, 60)))
        value = fresh if table in ("events", "heads", "webhooks") else f"copy {fresh}"
        picked = ", ".join("?" if name == KEYS[table] else name for name in names)
        if table == "keys":
            picked = picked.replace("digest", "digest || 'x'")
        return [(f"INSERT INTO {table} ({', '.join(names)}) SELECT {picked} FROM {table} WHERE rowid = ?",
                 (value, number))]  # fmt: skip

    def _other(self, way: str, value: Any) -> Any:
        draw = self.draw
        if way == "kind":
            return draw.choice((None, "", 7, 1.5, -3, b"\xff", "text", "[" * 50, "\x00"))
        if isinstance(value, int):
            return draw.choice((value + 1, value - 1, 0, 10**9, draw.randrange(100)))
        if not isinstance(value, str) or not value:
            return "x"
        data = bytearray(value.encode(errors="surrogateescape"))
        place = draw.randrange(len(data))
        if way == "value":
            data[place : place + 1] = draw.choice((b"", b" ", data[place : place + 1] * 2))
        else:
            data[place] = draw.choice([byte for byte in range(1, 256) if byte != data[place]])
        try:
            return data.decode()
        except UnicodeDecodeError:
            return bytes(data)


def contents_of(
    connection: sqlite3.Connection, tables: Mapping[str, Sequence[str]] = COLUMNS
) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1, 2").fetchall()
        for table, columns in tables.items()
    }


def said_by_reader(path: str) -> tuple[bool, int | None]:
    """Return whether the log holds, and the first event that is wrong; None when the head cannot be read."""
    try:
        report = reader.verify_log(path)
    except StoreError:
        return False, None
    return report.passed, report.faults[0].seq if report.faults else None


def said_by_checker(path: str) -> tuple[bool, int | None]:
    """Return the same, by the check that stands alone."""
    try:
        done = checker.check(path)
    except ValueError:
        return False, None
    return not done.faults, done.faults[0][0] if done.faults else None


def filled(path: Path) -> str:
    """Make a store with people, keys, an endpoint, and decided, edited and erased cases; return its path."""
    with Store(f"sqlite:///{path}") as store:
        store.open_cases([proposal(f"r{number}") for number in range(6)])
        for number, verb in enumerate(("approve", "escalate", "comment", "reject")):
            case = store.case(f"r{number}")
            store.decide(case.id, Decision(verb=verb, actor="ann", content=case.content, reason="seen"))
        store.erase("r3", "dpo")
        accounts = Accounts(store)
        accounts.found("root", "a sentence is a good password")
        accounts.save("root", Person(name="bob", roles=("reviewer",), teams=("north",)))
        accounts.make_key("root", "root", 30)
        Endpoints(store).propose("root", "https://example.org/hook", ("approved",))
        assert store.verify_log().passed
    return str(path)


def measured(num_edits: int, seed: int) -> dict[str, Any]:
    """Return how many of the edits were found, by what was done to what, and where the checks differ."""
    done: Counter[str] = Counter()
    missed: list[str] = []
    differ: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        tampered = Tampered(filled(Path(name) / "cases.db"), Path(name), seed)
        for edit, _ in zip(tampered.edits(), range(num_edits), strict=False):
            one = said_by_reader(tampered.path)
            other = one if edit.shown else said_by_checker(tampered.path)
            done[f"{edit.table}: {edit.way}"] += 1
            missed += [str(edit)] * (one[0] or other[0])
            differ += [f"{edit}: {one}, {other}"] * (one != other)
    return {
        "edits": sum(done.values()),
        "missed": len(missed),
        "checks_differ": len(differ),
        "by_way": dict(sorted(done.items())),
        "examples": [*missed[:5], *differ[:5]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--edits", type=int, default=100_000)
    parser.add_argument("--store", action="store_true", help="write the figures to benchmarks/results/")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.perf_counter()
    figures = measured(arguments.edits, arguments.seed)
    result = {
        "command": shlex.join(["python", *sys.argv]),
        "commit": commit(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "seconds": round(time.perf_counter() - start, 1),
        "figures": figures,
    }
    text = json.dumps(result, indent=2)
    if arguments.store:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "tampering.json").write_text(text + "\n")
    print(text)
    sys.exit(bool(figures["missed"] or figures["checks_differ"]))


if __name__ == "__main__":
    main()
