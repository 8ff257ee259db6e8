"""Checks the log of a store alone: one file, standard library only, nothing of foretell; made to be read.

    python checker.py cases.db [--head 12:9f86d0...] [--signed head.txt [--key 3b6a27...]]

A log is a chain: each event's digest (SHA-256) covers its fields and the digest before it. Content stands
beside the chain; an event names it by a salted digest. A case's line in the list of cases, a person's in the
table of people and a key's in the table of keys follow from the events. All of this is computed here again,
and every event that was altered, dropped, inserted or moved is named. Whoever rewrites a whole log with its
digests is found by a head that was kept elsewhere: as seq:digest, or signed (Ed25519, RFC 8032).
Exit code: 0 the log holds, 1 it does not, 2 it cannot be checked.
"""

import argparse
import hashlib
import json
import re
import sqlite3
import sys
from contextlib import closing
from itertools import chain, islice, pairwise
from pathlib import Path

GENESIS = "0" * 64
PEOPLE = "foretell:people"
BROKEN = (TypeError, ValueError, KeyError, AttributeError, RecursionError)
WORK = ("endorsed", "edited", "accepted", "judged", "snoozed", "asked", "commented")
DESK = dict.fromkeys(("person", "key", "proposed", "confirmed", "withdrawn", "planted"), "desk")
CLOSING = {"approved": "approved", "rejected": "rejected", "erased": "erased"}
AFTER = {  # status of a case -> event that it admits -> status after it
    "": {"opened": "open", **DESK},
    "open": dict.fromkeys(WORK, "open") | CLOSING | {"escalated": "escalated", "released": "released"},
    "escalated": dict.fromkeys(WORK, "escalated") | CLOSING,
    "approved": {"edited": "open", "commented": "approved", "erased": "erased"},
    "rejected": {"commented": "rejected", "erased": "erased"},
    "released": {"commented": "released", "escalated": "escalated", "erased": "erased"},
    "erased": {},
    "desk": DESK,
}
COLUMNS = {
    "cases": "id, opened, last, status",
    "people": "name, roles, teams, owner, active",
    "keys": "id, person, until",
}


def quote(value):
    return json.dumps(value, ensure_ascii=False)


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def seal(event, seq):
    """Return the digest that an event must carry when it stands at `seq`."""
    _, at, actor, kind, case, body, previous, _ = event
    return sha256(
        f'{{"actor":{quote(actor)},"at":{quote(at)},"body":{body},"case":{quote(case)},'
        f'"kind":{quote(kind)},"previous":{quote(previous)},"seq":{seq}}}'
    )


def trusted(event):
    """Return the body of an event whose seal holds, else None."""
    try:
        if seal(event, event[0]) != event[7]:
            return None
        body = json.loads(event[5])
        names = [*body.get("contents", {}).values(), *body.get("erased", ())]
        return body if all(isinstance(name, str) for name in names) else None
    except BROKEN:
        return None


class Check:
    """One walk through a log. `faults` are (event, what was done, how it shows); 0 is no event."""

    def __init__(self, head, outer):
        self.head, self.outer = head, outer or head
        self.faults, self.suspects, self.gaps = [], [], []
        self.count, self.first, self.last = 0, "", (0, GENESIS)
        self.cases, self.narratives, self.people, self.keys = {}, {}, {}, {}
        self.absent, self.present, self.erased, self.beside, self.listed = {}, {}, 0, [], []

    def fault(self, seq, kind, text, where=None):
        (self.faults if where is None else where).append((seq, kind, text))

    def walk(self, events, contents):
        """Check chain and content, both in the order of the events."""
        contents = iter(contents)
        piece = next(contents, None)
        for event in events:
            body, mine = self.link(event), {}
            while piece is not None and (type(piece[1]) is not int or piece[1] <= event[0]):
                if type(piece[1]) is str:
                    break  # sorts after all numbers
                if piece[1] == event[0]:
                    mine[piece[0]] = piece
                else:
                    self.stray(piece)
                piece = next(contents, None)
            if body is not None:
                self.tell(event, body, self.content(event, body, mine))
        for rest in chain([piece] if piece is not None else [], contents):
            self.stray(rest)

    def link(self, event):
        """Check an event's seal and place; return its body when the seal holds."""
        seq, previous, digest = event[0], event[6], event[7]
        self.count += 1
        if seq < 1:
            self.fault(seq, "inserted", "a log begins with event 1")
            return None
        last, self.last = self.last, (seq, digest)
        if seq == 1:
            self.first = digest
        if seq > last[0] + 1:
            self.gaps.append(range(last[0] + 1, seq))
        body = trusted(event)
        if body is None:
            self.suspects.append(event)
        elif seq == last[0] + 1 and previous != last[1]:
            if last[0] == 0:
                self.fault(seq, "altered", "it does not begin the chain")
            elif not self.suspects or self.suspects[-1][0] != last[0]:
                self.fault(last[0], "altered", f"event {seq} follows another one: rewritten or inserted")
        if seq > self.head[0]:
            self.fault(seq, "inserted", f"the log ends with event {self.head[0]}")
        for head in {self.head, self.outer}:
            if body is not None and seq == head[0] and digest != head[1]:
                self.fault(seq, "altered", "it, or one before it, was rewritten: the head has another digest")
        return body

    def content(self, event, body, pieces):
        """Check the content that an event names; return kind -> text of what is as it is named."""
        seq, case, found = event[0], event[4], {}
        for kind, name in body.get("contents", {}).items():
            piece = pieces.pop(name, None)
            if piece is None:
                self.absent[name] = (seq, kind)
                continue
            self.present.setdefault(case, set()).add(seq)
            try:
                fits = piece[2] == kind and name == sha256(f"[{quote(kind)},{quote(piece[3])}]{piece[4]}")
            except BROKEN:
                fits = False
            if fits:
                found[kind] = piece[4]
            else:
                self.fault(seq, "altered", f"its {kind} (case {case}) has another digest", self.beside)
        for name in pieces:
            self.fault(seq, "inserted", f"content {name}, which the event does not name", self.beside)
        if event[3] == "erased":
            self.erased += sum(self.absent.pop(name, None) is not None for name in body.get("erased", ()))
            if self.present.get(case, set()) - {seq}:
                self.fault(seq, "inserted", f"content of case {case} that it erased is there", self.beside)
        return found

    def stray(self, piece):
        seq = piece[1] if type(piece[1]) is int else 0
        self.fault(seq, "inserted", f"content {piece[0]} belongs to no event that can be read", self.beside)

    def tell(self, event, body, pieces):
        """Follow what the events make of cases, people and keys."""
        seq, what, case, names = event[0], event[3], event[4], body.get("contents", {})
        opened, _, status = self.cases.get(case, (seq, 0, ""))
        if what not in AFTER[status]:
            text = f"a case that is {status or 'not there'} cannot be {what}"
            self.fault(seq, "inserted", text, self.listed)
        else:
            self.cases[case] = (opened, seq, AFTER[status][what])
            stands = self.narratives.get(case)
            if stands is not None and body.get("on", stands) != stands:
                self.fault(seq, "inserted", f"it is about another narrative of case {case}", self.listed)
            if "narrative" in names:
                self.narratives[case] = names["narrative"]
        if case == PEOPLE and what in pieces:
            try:
                self.roster(what, json.loads(pieces[what]))
            except BROKEN:
                self.fault(seq, "inserted", "no desk tells so of people or keys", self.listed)

    def roster(self, kind, said):
        if kind == "person":
            name = said["name"]
            self.people[name] = ([*said["roles"]], [*said["teams"]], said["owner"], said["active"])
            if not said["active"]:
                self.keys = {key: told for key, told in self.keys.items() if told[0] != name}
        elif said["what"] == "made":
            self.keys[said["id"]] = (said["person"], said["until"])
        else:
            self.keys.pop(said["id"], None)

    def close(self, tables):
        """Name what was dropped and moved, then compare the tables that follow from the events."""
        for seq, digest in (self.head, self.outer):
            if seq == 0 and digest != GENESIS:
                self.fault(0, "altered", "the head: an empty log has no digest")
        end = max(self.head[0], self.outer[0])
        if end > self.last[0]:
            self.gaps.append(range(self.last[0] + 1, end + 1))
        moved = set()
        for event in self.suspects:
            seq, place = event[0], self.place(event)
            if place is None:
                self.fault(seq, "altered", "its digest does not fit")
                continue
            moved.add(place)
            if seq <= end:
                self.gaps.append(range(seq, seq + 1))
            self.fault(seq, "reordered", f"event {place} was moved here")
        for gap in self.gaps:
            holes = sorted({gap.start - 1, gap.stop, *(seq for seq in moved if seq in gap)})
            for before, after in pairwise(holes):
                if after > before + 1:
                    self.fault(before + 1, "dropped", f"events {before + 1} to {after - 1} are missing")
        for name, (seq, kind) in self.absent.items():
            self.fault(seq, "dropped", f"its {kind}: content {name} is not there", self.beside)
        # Missing content may be the shadow of a broken chain; a table's line that of missing content.
        self.faults += [fault for fault in self.beside if not self.faults or fault[1] == "altered"]
        if not self.faults:
            told = {"cases": self.cases, "people": self.people, "keys": self.keys}
            self.faults += self.listed
            for table, lines in tables.items():
                self.compare(table, lines, dict(told[table]))
        self.faults.sort(key=lambda fault: fault[0])

    def place(self, event):
        """Return the place, near by or left empty, at which the seal of a suspect holds."""
        near, others = range(max(1, event[0] - 3), event[0] + 4), (other[0] for other in self.suspects)
        places = chain(near, islice(others, 200), islice(chain.from_iterable(self.gaps), 200))
        try:
            found = next((seq for seq in places if seal(event, seq) == event[7]), None)
        except BROKEN:
            return None
        return found if found != event[0] else None

    def compare(self, table, lines, told):
        for name, *stands in lines:
            expected = told.pop(name, None)
            if expected is None:
                self.fault(0, "inserted", f"{name} in the table of {table}: no event tells of it")
                continue
            try:
                same = [*expected] == (
                    [*map(json.loads, stands[:2]), *stands[2:]] if table == "people" else stands
                )
            except BROKEN:
                same = False
            if not same:
                self.fault(0, "altered", f"{name} in the table of {table}: {stands}, in the log {expected}")
        for name in told:
            self.fault(0, "dropped", f"{name} of the table of {table}")


def check(path, outer=None):
    """Return the finished check of a store; `outer` is (seq, digest), kept elsewhere."""
    if not Path(path).is_file():
        raise ValueError(f"there is no file {path}")
    connection = sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)
    connection.isolation_level = None
    connection.text_factory = lambda text: text.decode(errors="surrogateescape")
    ask = connection.execute
    with closing(connection):
        ask("BEGIN")  # all is read as it stands at one instant
        head = ask("SELECT seq, digest FROM heads").fetchone()
        if head is None or [*map(type, head)] != [int, str]:
            raise ValueError("the head of the log was dropped or altered")
        done = Check(head, outer)
        fields = "seq, at, actor, kind, case_id, body, previous, digest"
        events = ask(f"SELECT {fields} FROM events ORDER BY seq")
        done.walk(events, ask("SELECT digest, seq, kind, salt, body FROM contents ORDER BY seq"))
        there = {name for (name,) in ask("SELECT name FROM sqlite_master WHERE type = 'table'")}
        done.close(
            {name: ask(f"SELECT {COLUMNS[name]} FROM {name}") if name in there else () for name in COLUMNS}
        )
    return done


# Ed25519: points (x, y) of the curve as (x, y, 1, xy), so that adding needs no division.
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(one, other):
    a, b = (one[1] - one[0]) * (other[1] - other[0]), (one[1] + one[0]) * (other[1] + other[0])
    c, d = 2 * one[3] * other[3] * D, 2 * one[2] * other[2]
    e, f, g, h = (value % P for value in (b - a, d - c, d + c, b + a))
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number, point):
    found = (0, 1, 1, 0)
    while number:
        found = add(found, point) if number & 1 else found
        number, point = number >> 1, add(point, point)
    return found


def point(data):
    sign, y = divmod(int.from_bytes(data, "little"), 2**255)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or x * x % P != square or (x == 0 and sign):
        raise ValueError("not a point of the curve")
    x = x if x % 2 == sign else P - x
    return x, y, 1, x * y % P


def signed_by(key, message, signature):
    """Tell whether a signature of 64 bytes is the key's (32 bytes)."""
    base = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    try:
        x, y, z, t = point(key)
    except ValueError:
        return False
    drawn, scale = signature[:32], int.from_bytes(signature[32:], "little")
    asked = int.from_bytes(hashlib.sha512(drawn + key + message).digest(), "little") % ORDER
    x, y, z, _ = add(times(scale, base), times(asked, (P - x, y, z, P - t)))
    x, y = x * pow(z, -1, P) % P, y * pow(z, -1, P) % P
    return scale < ORDER and (y | (x & 1) << 255).to_bytes(32, "little") == drawn


def signed_head(text, trusted_key=""):
    """Return (first digest of the log, (seq, digest)) of a signed head; ValueError when it was altered."""
    forms = {"log": "[0-9a-f]{64}", "head": r"\d{1,18}:[0-9a-f]{64}", "at": r"[0-9T:.+-]+"}
    forms |= {"key": "[0-9a-f]{64}", "signature": "[0-9a-f]{128}"}
    found = {name: re.search(rf"^[> \t]*{name}: ({form})\s*$", text, re.M) for name, form in forms.items()}
    said = {name: match[1] for name, match in found.items() if match}
    if said.keys() != forms.keys():
        raise ValueError("this is not a signed head")
    told = [f"{name}: {said[name]}\n" for name in ("log", "head", "at", "key")]
    message = "".join(["foretell log head 1\n", *told]).encode()
    if not signed_by(bytes.fromhex(said["key"]), message, bytes.fromhex(said["signature"])):
        raise ValueError("the signature does not fit: the head was altered after it was signed")
    if trusted_key not in ("", said["key"]):
        raise ValueError(f"the head was signed with another key: {said['key']}")
    seq, _, digest = said["head"].partition(":")
    return said["log"], (int(seq), digest)


def main():
    parser = argparse.ArgumentParser(description="Check the log of a store.")
    parser.add_argument("store", help="the store's file, as in cases.db")
    parser.add_argument("--head", default="", help="seq:digest, kept elsewhere")
    parser.add_argument("--signed", default="", help="file of a signed head, kept elsewhere")
    parser.add_argument("--key", default="", help="the public key that must have signed it")
    given = parser.parse_args()
    try:
        seq, _, digest = given.head.partition(":")
        log, outer = "", (int(seq), digest) if given.head else None
        if given.signed:
            log, outer = signed_head(Path(given.signed).read_text(encoding="utf-8"), given.key)
        done = check(given.store, outer)
    except (OSError, ValueError, sqlite3.Error) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    if log not in ("", done.first):
        done.fault(1, "altered", "the signed head is another log's, or this log was rewritten from its begin")
    lines = [f"{kind}: event {seq}: {text}" if seq else f"{kind}: {text}" for seq, kind, text in done.faults]
    result = f"does not hold: {len(lines)} faults" if lines else "holds"
    erased = f", {done.erased} pieces of content erased on request"
    end = f"{done.count} events{erased}; head {done.last[0]}:{done.last[1]}"
    shown = "\n".join([*lines[:20], f"the log {result}; {end}", ""])
    sys.stdout.write(shown.encode(errors="backslashreplace").decode())
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
