"""A bundle: cases with all that proves them, in one file for an auditor who has Python and nothing of ours.

It holds the events and content of its cases and of the desk's people and policies, the proof that these
events stand in the log (roots of the parts of its tree without them, and the head), and the check of it all.
"""

import hashlib
import json
import os
import re
from array import array
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from foretell.cases.case import fold
from foretell.cases.ledger import parts
from foretell.cases.log import STATUS_AFTER, ContentRow, EventRow, named
from foretell.cases.names import MODEL, PEOPLE, PLANTED, POLICY, WORDING
from foretell.cases.pasts import no_case
from foretell.cases.promotion import promotions
from foretell.cases.registry import registered
from foretell.cases.signing import sign, unsigned
from foretell.cases.store import PAGE, Store
from foretell.cases.tables import cases, contents, events
from foretell.cases.tree import proof
from foretell.errors import NotFoundError, SpecError, StoreError
from foretell.records import Case
from foretell.telling import Tell, quiet

CHECK, CHECKER = "bundle_check.py", "checker.py"
SECRETS = frozenset({"answers", "secret"})
"""Kinds of content about the desk that only their digests tell of in a bundle."""
_STEP = 1000
"""Cases after which progress is told."""

_EVENTS = sa.select(events).where(events.c.case_id.in_(sa.bindparam("ids", expanding=True)))
_EVENTS = _EVENTS.where(events.c.seq <= sa.bindparam("last")).order_by(events.c.seq)
_PIECES = (
    sa.select(contents)
    .join(events, events.c.seq == contents.c.seq)
    .where(events.c.case_id.in_(sa.bindparam("ids", expanding=True)), events.c.seq <= sa.bindparam("last"))
    .order_by(contents.c.seq, contents.c.kind)
)
_DIGESTS = sa.select(events.c.digest).order_by(events.c.seq).execution_options(yield_per=PAGE)
_CASES = (cases.c.status != "desk") & (cases.c.opened <= sa.bindparam("last"))

Extra = Callable[[Case], Mapping[str, bytes]]
"""What goes into the folder of a case besides: file -> content; `case` is as it stands."""


def nothing_more(case: Case) -> Mapping[str, bytes]:
    """Add nothing."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which cases go into a bundle: these, or all that something happened to in a period."""

    ids: tuple[str, ...] = ()
    since: str = ""
    """First day, as in 2026-03-01, UTC."""
    until: str = ""
    """Last day."""
    sees: Callable[[str], bool] | None = None
    """Whether who asks sees the cases of a team; None: all."""

    def days(self) -> tuple[str, str]:
        """Return the first day, and the day after the last, as the log writes instants.

        Raises:
            SpecError: when one is no day, or they are in the wrong order.
        """
        try:
            first, last = date.fromisoformat(self.since), date.fromisoformat(self.until)
        except ValueError as error:
            raise SpecError(f"not a day: {error}", "write the first and last day as 2026-03-01") from error
        if last < first:
            raise SpecError(f"the period ends on {last}, before it begins on {first}", "exchange the days")
        return first.isoformat(), (last + timedelta(days=1)).isoformat()


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a bundle holds."""

    num_cases: int
    num_events: int
    num_erased: int
    """Cases whose content was erased: their events are there."""
    key: str
    """Public key that signed the head; empty: it is not signed."""


@dataclass(slots=True)
class _Writer:
    """A zip whose bytes follow from its files: no clock, no owner, the order of writing."""

    zip: ZipFile
    digests: dict[str, str] = field(default_factory=dict)
    seqs: array = field(default_factory=lambda: array("q"))
    erased: int = 0
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Digest of each model -> how many cases it scored, from when to when they were opened."""

    def add(self, name: str, content: bytes) -> None:
        file = ZipInfo(name)
        file.compress_type, file.create_system, file.external_attr = ZIP_DEFLATED, 3, 0o644 << 16
        self.zip.writestr(file, content)
        self.digests[name] = hashlib.sha256(content).hexdigest()


def write_bundle(
    store: Store,
    target: Path,
    choice: Choice,
    *,
    extra: Extra = nothing_more,
    shared: Mapping[str, bytes] | None = None,
    key_file: Path | None = None,
    tell: Tell = quiet,
) -> Made:
    """Write a bundle, whole or not at all. Memory grows with the number of its files, not with their size.

    Args:
        extra: asked once per case that was not erased, in the order of their opening.
        shared: files that go into it once: file -> content.
        key_file: private key that signs the head, with the list of files; it is not signed if None.

    Raises:
        NotFoundError: when a case is not there, or the period has none.
        SpecError: when the choice names no cases and no period.
        StoreError: when the log does not hold, or the file cannot be written.
    """
    report = store.verify_log()
    last = report.head.seq
    with store.reading() as connection:
        at = str(connection.scalar(sa.select(events.c.at).where(events.c.seq == last)))
        plain = unsigned(report, at)
        ids = _chosen(connection, choice, last)
        with _whole(target) as file, ZipFile(file, "w") as packed:
            writer = _Writer(packed)
            writer.add("README.txt", _readme(len(ids), str(plain.head), signed=key_file is not None))
            for done, (case_id, told, pieces) in enumerate(_histories(connection, ids, last), 1):
                _add_case(writer, case_id, told, pieces, extra)
                if not done % _STEP:
                    tell(f"  {done:,} of {len(ids):,} cases")
            _add_desk(connection, writer, last)
            writer.add("models.json", _models(connection, writer.models.values(), last))
            for name, content in sorted((shared or {}).items()):
                writer.add(name, content)
            with connection.execute(_DIGESTS.where(events.c.seq <= last)) as digests:
                roots = proof(digests.scalars(), last, sorted(writer.seqs))
            writer.add("proof.json", _json({"size": last, "roots": roots}))
            writer.add("check.py", _source(CHECK))
            writer.add("checker.py", _source(CHECKER))
            listed = _json({"format": 1, "files": writer.digests})
            digest = hashlib.sha256(listed).hexdigest()
            head = unsigned(report, at, digest) if key_file is None else sign(report, at, key_file, digest)
            writer.add("manifest.json", listed)
            writer.add("head.txt", f"{head}\n".encode())
    return Made(num_cases=len(ids), num_events=len(writer.seqs), num_erased=writer.erased, key=head.key)


def chosen(store: Store, choice: Choice) -> list[str]:
    """Return the cases that a bundle would hold, in the order of their opening.

    Raises:
        NotFoundError, SpecError: as for `write_bundle`.
    """
    with store.reading() as connection:
        return _chosen(connection, choice, store.head().seq)


def _chosen(connection: Connection, choice: Choice, last: int) -> list[str]:
    """Return the ids of the chosen cases, in the order of their opening."""
    query = sa.select(cases.c.id, cases.c.team, cases.c.opened).where(_CASES)
    if bool(choice.ids) == bool(choice.since or choice.until):
        raise SpecError("a bundle is of some cases, or of a period", "give ids, or the first and last day")
    if choice.ids:
        found = [
            row
            for some in parts(choice.ids)
            for row in connection.execute(query.where(cases.c.id.in_(some)), {"last": last})
        ]
    else:
        first, after = choice.days()
        busy = sa.select(events.c.case_id).where(events.c.at >= first, events.c.at < after)
        found = connection.execute(query.where(cases.c.id.in_(busy)), {"last": last}).all()
    seen = {row.id: row.opened for row in found if choice.sees is None or choice.sees(row.team)}
    for case_id in choice.ids:
        if case_id not in seen:
            raise no_case(case_id)
    if not seen:
        raise NotFoundError(
            f"nothing happened to a case from {choice.since} to {choice.until}", "name another period"
        )
    return sorted(seen, key=lambda case_id: seen[case_id])


def _histories(
    connection: Connection, ids: Sequence[str], last: int
) -> Iterator[tuple[str, list[EventRow], dict[str, ContentRow]]]:
    """Yield each case's events and content, some hundred cases at a time."""
    for some in parts(ids):
        values = {"ids": some, "last": last}
        told: dict[str, list[EventRow]] = {case_id: [] for case_id in some}
        for row in connection.execute(_EVENTS, values):
            told[row.case_id].append(EventRow(*row))
        rows = (ContentRow(*row) for row in connection.execute(_PIECES, values))
        pieces = {seq: [*group] for seq, group in groupby(rows, key=lambda piece: piece.seq)}
        for case_id, mine in told.items():
            if mine:
                yield (
                    case_id,
                    mine,
                    {piece.digest: piece for row in mine for piece in pieces.get(row.seq, ())},
                )


def _add_case(
    writer: _Writer, case_id: str, told: list[EventRow], pieces: dict[str, ContentRow], extra: Extra
) -> None:
    folder = f"cases/{told[0].seq:09d}"
    writer.add(f"{folder}/case.json", _history(writer, case_id, told, pieces))
    if told[-1].kind == "erased":
        writer.erased += 1
        return
    case = fold([row.event() for row in told], {name: piece.body for name, piece in pieces.items()})
    name, at = case.prediction.model, case.opened_at
    scored = writer.models.setdefault(name, {"model": name, "cases": 0, "first": at})
    scored |= {"cases": scored["cases"] + 1, "last": at}
    for name, content in sorted(extra(case).items()):
        writer.add(f"{folder}/{name}", content)


def _add_desk(connection: Connection, writer: _Writer, last: int) -> None:
    """Add what the log tells of the desk itself. The one place that says what is kept of planted cases."""
    for subject, told, pieces in _histories(connection, (PEOPLE, POLICY, MODEL, WORDING, PLANTED), last):
        kept = {name: piece for name, piece in pieces.items() if piece.kind not in SECRETS}
        withheld = pieces.keys() - kept.keys()
        writer.add(f"desk/{subject.rpartition(':')[2]}.json", _history(writer, subject, told, kept, withheld))


def _models(connection: Connection, scored: Iterable[Mapping[str, Any]], last: int) -> bytes:
    """Return which model scored how many of the cases, where models come from, and who put which in use."""
    known = [asdict(each) for each in registered(connection, until=last)]
    proposed = [asdict(each) for each in promotions(connection, until=last)]
    return _json({"scored": [*scored], "registered": known, "proposed": proposed})


def _history(
    writer: _Writer,
    about: str,
    told: Iterable[EventRow],
    pieces: Mapping[str, ContentRow],
    withheld: Iterable[str] = (),
) -> bytes:
    status, found = "", []
    for row in told:
        status = STATUS_AFTER[status][row.kind]
        event = row.event()
        mine = [pieces[name] for name in named(event.body).values() if name in pieces]
        texts = [
            {"kind": piece.kind, "digest": piece.digest, "salt": piece.salt, "body": json.loads(piece.body)}
            for piece in sorted(mine, key=lambda piece: piece.kind)
        ]
        fields = {name: getattr(event, name) for name in ("seq", "at", "actor", "kind", "case", "body")}
        found.append({**fields, "previous": row.previous, "digest": row.digest, "contents": texts})
        writer.seqs.append(row.seq)
    return _json({"about": about, "status": status, "withheld": sorted(withheld), "events": found})


def _json(record: Any) -> bytes:
    return (json.dumps(record, ensure_ascii=False, indent=1) + "\n").encode()


def _source(name: str) -> bytes:
    """Return a file of the check as it stands beside the other in a bundle, where there is no package."""
    text = resources.files("foretell.cases").joinpath(name).read_text(encoding="utf-8")
    return re.sub(r"^from foretell\.cases\.checker import", "from checker import", text, flags=re.M).encode()


@contextmanager
def _whole(target: Path) -> Generator[Path, None, None]:
    """Write aside, flush to the disk, then rename: who looks sees no half bundle."""
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        yield aside
        for path in (aside, aside.parent):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            if path == aside:
                aside.replace(target)
    except OSError as error:
        raise StoreError(
            f"{target} cannot be written: {error.strerror}", "free space, or choose another --out"
        ) from error
    finally:
        aside.unlink(missing_ok=True)


def _readme(num_cases: int, head: str, *, signed: bool) -> bytes:
    count = "1 case" if num_cases == 1 else f"{num_cases:,} cases"
    sure = (
        "head.txt is signed. Ask for the public key by another way than this file, and compare:\n"
        "    python check.py --key KEY"
        if signed
        else "head.txt is not signed. Ask for the head of the log at this event, signed, and compare:\n"
        "    python check.py --signed FILE"
    )
    return f"""{count} of a Foretell store, with all that proves them; the log stood at
{head}

To check everything, with Python 3.11 or later and nothing else, unpack this file and run in its folder
    python check.py
{sure}
The checks are short, and made to be read: check.py and checker.py. If you do not trust them because they
came with the bundle, take them from the project: src/foretell/cases/bundle_check.py and checker.py.

cases/NUMBER/case.json   one case: each event in its log, and the content that the events name by digests:
                         prediction, evidence, narrative, verdict, reasons. A case that was erased has its
                         events alone. NUMBER is the case's first event.
cases/NUMBER/page.html   the same case to be read in a browser. It needs no network.
cases/NUMBER/rows.json   rows of the data from which score, evidence and text come out again byte by byte:
                         foretell replay --bundle FILE.zip
desk/                    who had an account with which roles, the policies, the models in use, and what was
                         sealed of planted cases. Of passwords, keys and sealed answers there are digests at
                         most.
models.json              which model scored how many of these cases, from when to when; what each model was
                         made of and which one it came from; and which were proposed with which figures,
                         confirmed or withdrawn, by whom.
models/                  the models that scored, without the names of the entities they had seen.
proof.json               roots of the parts of the log's tree (RFC 9162) that hold no event of this bundle.
manifest.json            the SHA-256 of each file.
head.txt                 where the log ended, the root of its tree, the SHA-256 of manifest.json.

What this shows: each content is what its event names, each event is what its digest covers, all of them
stand in the log whose head you hold, and no file here was changed. What it cannot show: that nothing else
happened to these cases. For that, check the log itself: foretell log verify.
""".encode()
