"""The check of a whole log: every event that was altered, dropped, inserted or moved is found and named.

What a log cannot show by itself: a rewriting of everything from some event on, with all digests and the
stored head made anew. A head kept elsewhere shows it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from foretell.cases.listing import Listing
from foretell.cases.log import (
    GENESIS,
    STATUS_AFTER,
    CaseRow,
    ContentRow,
    EventRow,
    Head,
    named,
    salted,
    sealed,
)
from foretell.cases.roster import HookRow, KeyRow, PersonRow, Roster
from foretell.cases.tree import Tree

ALTERED = "altered"
DROPPED = "dropped"
INSERTED = "inserted"
REORDERED = "reordered"
NEAR = 3
"""Places to each side at which a moved event is looked for first."""
FAR = 200
"""Further places at which a moved event is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong with a log."""

    seq: int
    """The event it is about; 0 when it is about the list of cases, or a table of people, keys or webhooks."""
    kind: str
    """altered, dropped, inserted or reordered."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """What the check of a log found."""

    events: int
    first: str
    """Digest of the first event: no two logs have the same."""
    head: Head
    """The last event that stands in the log."""
    tree: str
    """Root of the tree over the events up to the head that was given, else over all."""
    erased: int
    """Pieces of content that were erased on request; their events still verify."""
    faults: tuple[Fault, ...]
    models: tuple[str, ...] = ()
    """Digests of the models that were registered."""

    @property
    def passed(self) -> bool:
        return not self.faults


def inspect(
    events: Iterable[EventRow],
    contents: Iterable[ContentRow],
    cases: Iterable[CaseRow],
    head: Head,
    outer: Head | None = None,
    *,
    people: Iterable[PersonRow] = (),
    keys: Iterable[KeyRow] = (),
    hooks: Iterable[HookRow] = (),
    lines: Iterable[Sequence[Any]] = (),
    only: str = "",
) -> LogReport:
    """Check a whole log in one pass; memory grows with the number of cases, not of events.

    Args:
        events: all events, by seq.
        contents: all content, by the seq of the event that names it.
        cases: the list of cases.
        head: the head that the store keeps.
        outer: a head that was kept outside of the store.
        people, keys, hooks: the tables of people, of keys and of webhooks.
        lines: what the list shows of each case: its id and the `listing.COLUMNS`.
        only: check the content and the list for this case alone, and bring no other; the chain is checked
            whole, since an event that was taken out of it may have been this case's.
    """
    links = _Links(head if outer is None else Head(*outer), head)
    pieces = _Pieces(contents)
    story, roster, listing = _Story(), Roster(), Listing()
    tree, until = Tree(), ""
    for row in events:
        body = links.add(row)
        tree.add(str(row.digest))
        until = tree.root() if outer is not None and row.seq == outer.seq else until
        if only and row.case_id != only:
            continue
        if body is None:
            pieces.skip(row)
        else:
            said = pieces.add(row, body)
            story.add(row, body)
            roster.add(row, body, said)
            listing.add(row, body, said)
    faults = links.close()
    # Content that is missing or astray, or another status, may only be the shadow of a broken chain.
    faults += [fault for fault in pieces.close() if not faults or fault.kind == ALTERED]
    if not faults:
        faults += story.close(cases)
        if not only:
            found = chain(roster.close(people, keys, hooks), listing.close(lines))
            faults += [Fault(seq=seq, kind=kind, text=text) for seq, kind, text in found]
    return LogReport(
        events=links.count,
        first=links.first,
        head=Head(links.last.seq, links.last.digest),
        tree=until or tree.root(),
        erased=pieces.num_erased,
        faults=tuple(sorted(faults, key=lambda fault: fault.seq)),
        models=tuple(sorted(story.models)),
    )


def _body(row: EventRow) -> dict[str, Any]:
    body = json.loads(row.body)
    if not isinstance(body, dict) or not isinstance(body.get("contents", {}), dict):
        raise ValueError("an event's body is not an object")
    if not all(isinstance(name, str) for name in chain(named(body).values(), body.get("erased", ()))):
        raise ValueError("an event's body does not name content")
    return body


class _Links:
    """The chain itself: seals, links, gaps and heads."""

    def __init__(self, outer: Head, head: Head) -> None:
        self.count, self.first = 0, ""
        self.last = EventRow(0, "", "", "", "", "", "", GENESIS)
        self._outer, self._head = outer, head
        self._faults: list[Fault] = []
        self._gaps: list[range] = []
        self._suspects: list[EventRow] = []

    def add(self, row: EventRow) -> dict[str, Any] | None:
        """Take the next event; return its body when its own seal holds."""
        self.count += 1
        if row.seq < 1:
            self._fault(row.seq, INSERTED, f"event {row.seq} was inserted: a log begins with event 1")
            return None
        last, self.last = self.last, row
        if row.seq == 1:
            self.first = row.digest
        if row.seq > last.seq + 1:
            self._gaps.append(range(last.seq + 1, row.seq))
        try:
            intact = sealed(row) == row.digest
            body = _body(row) if intact else None
        except (TypeError, ValueError, RecursionError):
            body = None
        if body is None:
            self._suspects.append(row)
        elif row.seq == last.seq + 1 and row.previous != last.digest:
            self._unlinked(last, row)
        self._compare(row, intact=body is not None)
        return body

    def _unlinked(self, last: EventRow, row: EventRow) -> None:
        if self._suspects and self._suspects[-1] is last:
            return  # already suspected, whatever its digest column says
        if last.seq == 0:
            self._fault(row.seq, ALTERED, f"event {row.seq} was rewritten: it does not begin the chain")
        else:
            text = f"event {last.seq} was rewritten or inserted: event {row.seq} follows another one"
            self._fault(last.seq, ALTERED, text)

    def _compare(self, row: EventRow, *, intact: bool) -> None:
        if row.seq > self._head.seq:
            text = f"event {row.seq} was inserted after the head of the log, event {self._head.seq}"
            self._fault(row.seq, INSERTED, text)
        for head, whose in {self._outer: "given", self._head: "kept in the store"}.items():
            if intact and row.seq == head.seq and row.digest != head.digest:
                text = (
                    f"event {row.seq}, or one before it, was rewritten: the head {whose} has another digest"
                )
                self._fault(row.seq, ALTERED, text)

    def close(self) -> list[Fault]:
        for head in (self._head, self._outer):
            if head.seq == 0 and head.digest != GENESIS:
                self._fault(0, ALTERED, "the head of the log was altered: an empty log has no digest")
        end = max(self._head.seq, self._outer.seq)
        if end > self.last.seq:
            self._gaps.append(range(self.last.seq + 1, end + 1))
        found: set[int] = set()
        for row in self._suspects:
            place = self._place(row)
            if place is None:
                self._fault(row.seq, ALTERED, f"event {row.seq} was altered: its digest does not fit")
                continue
            found.add(place)
            if row.seq <= end:
                self._gaps.append(range(row.seq, row.seq + 1))
            self._fault(
                row.seq, REORDERED, f"event {place} was moved: it stands in the place of event {row.seq}"
            )
        for gap in chain.from_iterable(_without(gap, found) for gap in self._gaps):
            which = f"event {gap[0]} was" if len(gap) == 1 else f"events {gap[0]} to {gap[-1]} were"
            self._fault(gap[0], DROPPED, f"{which} dropped")
        return self._faults

    def _place(self, row: EventRow) -> int | None:
        """Return the place at which a suspect's seal would hold."""
        near = range(max(1, row.seq - NEAR), row.seq + NEAR + 1)
        others = (other.seq for other in self._suspects)
        for seq in chain(near, islice(others, FAR), islice(chain.from_iterable(self._gaps), FAR)):
            try:
                if sealed(row, seq) == row.digest:
                    return seq if seq != row.seq else None
            except (TypeError, ValueError):
                return None
        return None

    def _fault(self, seq: int, kind: str, text: str) -> None:
        self._faults.append(Fault(seq=seq, kind=kind, text=text))


def _without(gap: range, found: set[int]) -> Iterator[range]:
    start = gap.start
    for seq in sorted(seq for seq in found if seq in gap):
        if seq > start:
            yield range(start, seq)
        start = seq + 1
    if start < gap.stop:
        yield range(start, gap.stop)


class _Pieces:
    """The content beside the chain: altered, missing, back after its erasure, or named by no event."""

    def __init__(self, contents: Iterable[ContentRow]) -> None:
        self.num_erased = 0
        self._contents = iter(contents)
        self._ahead = next(self._contents, None)
        self._faults: list[Fault] = []
        self._absent: dict[str, tuple[int, str]] = {}
        self._present: dict[str, set[int]] = {}

    def add(self, row: EventRow, body: dict[str, Any]) -> dict[str, str]:
        """Take the next event's content; return what of it is as the event names it."""
        pieces = {piece.digest: piece for piece in self._until(row.seq)}
        found: dict[str, str] = {}
        for kind, name in named(body).items():
            piece = pieces.pop(name, None)
            if piece is None:
                self._absent[name] = (row.seq, kind)
                continue
            self._present.setdefault(row.case_id, set()).add(row.seq)
            try:
                intact = piece.kind == kind and salted(kind, piece.salt, piece.body) == name
            except (TypeError, ValueError):
                intact = False
            if intact:
                found[kind] = piece.body
            else:
                self._fault(
                    row.seq, ALTERED, f"the {kind} of event {row.seq} (case {row.case_id}) was altered"
                )
        for piece in pieces.values():
            self._fault(
                row.seq, INSERTED, f"content {piece.digest} was inserted: event {row.seq} does not name it"
            )
        if row.kind == "erased":
            gone = [name for name in body.get("erased", ()) if self._absent.pop(name, None) is not None]
            self.num_erased += len(gone)
            if self._present.get(row.case_id, set()) - {row.seq}:
                self._fault(
                    row.seq,
                    INSERTED,
                    f"content of case {row.case_id} is there though event {row.seq} erased it",
                )
        return found

    def skip(self, row: EventRow) -> None:
        """Pass over the content of an event that cannot be trusted to name it."""
        for _ in self._until(row.seq):
            pass

    def _until(self, seq: int) -> Iterator[ContentRow]:
        # SQLite keeps what is no number in a column of numbers, before them (nothing) or after them (texts).
        while self._ahead is not None and (self._ahead.seq is None or _reached(self._ahead.seq, seq)):
            if self._ahead.seq == seq:
                yield self._ahead
            else:
                self._stray(self._ahead)
            self._ahead = next(self._contents, None)

    def _stray(self, piece: ContentRow) -> None:
        text = f"content {piece.digest} belongs to event {piece.seq}, which cannot be read"
        self._fault(piece.seq if type(piece.seq) is int else 0, INSERTED, text)

    def close(self) -> list[Fault]:
        for piece in chain(() if self._ahead is None else (self._ahead,), self._contents):
            self._stray(piece)
        for name, (seq, kind) in self._absent.items():
            self._fault(seq, DROPPED, f"the {kind} of event {seq} was dropped: content {name} is not there")
        return self._faults

    def _fault(self, seq: int, kind: str, text: str) -> None:
        self._faults.append(Fault(seq=seq, kind=kind, text=text))


def _reached(place: Any, seq: int) -> bool:
    return isinstance(place, int | float) and place <= seq


class _Story:
    """What the events make of each case, against the list that people page through."""

    def __init__(self) -> None:
        self.models: set[str] = set()
        self._cases: dict[str, CaseRow] = {}
        self._narratives: dict[str, str] = {}
        self._faults: list[Fault] = []

    def add(self, row: EventRow, body: dict[str, Any]) -> None:
        case = self._cases.get(row.case_id) or CaseRow(row.case_id, row.seq, 0, "")
        status = STATUS_AFTER[case.status].get(row.kind)
        if status is None:
            now = case.status or "not there"
            text = f"event {row.seq} was inserted: a case that is {now} cannot be {row.kind}"
            self._faults.append(Fault(seq=row.seq, kind=INSERTED, text=text))
            return
        self._cases[row.case_id] = case._replace(last=row.seq, status=status)
        if row.kind == "registered":
            self.models.add(str(body.get("model")))
        stands = self._narratives.get(row.case_id)
        if stands is not None and body.get("on", stands) != stands:
            text = f"event {row.seq} was inserted: it is about another narrative than case {row.case_id} had"
            self._faults.append(Fault(seq=row.seq, kind=INSERTED, text=text))
        if "narrative" in named(body):
            self._narratives[row.case_id] = named(body)["narrative"]

    def close(self, cases: Iterable[CaseRow]) -> list[Fault]:
        for listed in cases:
            told = self._cases.pop(listed.id, None)
            if told is None:
                self._fault(
                    INSERTED, f"case {listed.id} was inserted into the list of cases: no event opened it"
                )
            elif told != listed:
                text = (
                    f"case {listed.id} was altered in the list of cases: {listed[1:]}, in the log {told[1:]}"
                )
                self._fault(ALTERED, text)
        for case in self._cases.values():
            self._fault(DROPPED, f"case {case.id} was dropped from the list of cases")
        return self._faults

    def _fault(self, kind: str, text: str) -> None:
        self._faults.append(Fault(seq=0, kind=kind, text=text))
