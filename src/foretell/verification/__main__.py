"""Verify texts again with the standard library alone.

python -m foretell.verification case.json            {"evidence": ..., "narrative": ...}
python -m foretell.verification cases.db [CASE_ID]   one case of a SQLite store, or all of them

Prints every span with its status, facts and fault. Exit code 0 when all texts pass, 6 when one does not. It
reads the stored evidence and text only; that nobody altered them is what `foretell log verify` proves.
"""

import argparse
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from foretell.errors import DataError, ForetellError, StoreError, VerdictError
from foretell.records import Evidence, Narrative, restore
from foretell.verification.verdict import lines, verify

Told = tuple[str, Narrative, Evidence]

_IDS = "SELECT id FROM cases WHERE status != 'erased' ORDER BY opened"
_PIECE = """
SELECT contents.body FROM contents JOIN events ON contents.seq = events.seq
WHERE events.case_id = ? AND contents.kind = ? ORDER BY contents.seq DESC LIMIT 1
"""


def told(path: Path, case_id: str) -> Iterator[Told]:
    """Yield (case, narrative, evidence) of a JSON file or a SQLite store.

    Raises:
        DataError: when the file is missing, or is neither.
        StoreError: when the store lacks the case.
    """
    try:
        store = path.read_bytes()[:16] == b"SQLite format 3\0"
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}", "name a JSON file or a case store"
        ) from error
    if not store:
        yield _record(path.name, path.read_bytes())
        return
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            ids = [case_id] if case_id else [row[0] for row in connection.execute(_IDS)]
            for case in ids:
                pieces = {
                    kind: connection.execute(_PIECE, (case, kind)).fetchone()
                    for kind in ("evidence", "narrative")
                }
                if None in pieces.values():
                    raise StoreError(f"{path} holds no text of a case '{case}'", "list them: foretell cases")
                body = ",".join(f'"{kind}":{piece[0]}' for kind, piece in pieces.items())
                yield _record(case, f"{{{body}}}".encode())
        except sqlite3.Error as error:
            raise StoreError(f"{path} is no case store: {error}", "name the file of a store") from error


def _record(name: str, data: bytes) -> Told:
    try:
        body = json.loads(data, parse_constant=_refuse)
        return name, restore(Narrative, body["narrative"]), restore(Evidence, body["evidence"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{name} is not a narrative with its evidence: {error}",
            'write {"evidence": {...}, "narrative": {...}}, the plain form of both records',
        ) from error


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a number that evidence can hold")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m foretell.verification", description=__doc__)
    parser.add_argument("path", type=Path, help="a JSON file or a SQLite case store")
    parser.add_argument("case", nargs="?", default="", help="the case; all of the store's when left out")
    options = parser.parse_args(arguments)
    code = 0
    for name, narrative, evidence in told(options.path, options.case):
        verdict = verify(narrative, evidence)
        sys.stdout.write(f"{name}: {'passed' if verdict.passed else 'DENIED'}\n")
        sys.stdout.writelines(f"  {line}\n" for line in lines(narrative, verdict))
        if not verdict.passed:
            code = VerdictError.exit_code
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ForetellError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
