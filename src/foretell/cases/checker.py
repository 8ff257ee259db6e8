"""Checks the log of a store alone: one file, standard library only, nothing of foretell; made to be read.

    python checker.py cases.db [--head 12:9f86d0...] [--signed head.txt [--key 3b6a27...]]

Each event's digest (SHA-256) covers its fields and the digest before it; content is named by salted digests;
the lists of cases, people, keys and webhooks follow from the events. All of it is computed again, and every
event that was altered, dropped, inserted or moved is named. Whoever rewrites a log with all its digests is
found by a head that was kept elsewhere: seq:digest, or signed (Ed25519, RFC 8032) with the root of the tree
over all events (RFC 9162). Exit code: 0 the log holds, 1 it does not, 2 it cannot be checked.
"""

import argparse
import hashlib
import json
import re
import sqlite3
import sys
from contextlib import closing
from functools import reduce
from itertools import chain, islice, pairwise
from pathlib import Path

GENESIS, HEX, PEOPLE, HOOKS = "0" * 64, "[0-9a-f]{64}", "foretell:people", "foretell:webhooks"
BROKEN = (TypeError, ValueError, KeyError, AttributeError, RecursionError)
TALK = ("commented", "suggested", "permitted", "declined")
WORK = ("endorsed", "edited", "accepted", "judged", "snoozed", "asked", *TALK)
DESK = dict.fromkeys(("person", "key", "proposed", "confirmed", "withdrawn", "planted", "registered"), "desk")
ENDS = {"approved": "approved", "rejected": "rejected", "erased": "erased"}
AFTER = {  # status of a case -> event that it admits -> status after it
    "": {"opened": "open", **DESK},
    "open": dict.fromkeys(WORK, "open") | ENDS | {"escalated": "escalated", "released": "released"},
    "escalated": dict.fromkeys(WORK, "escalated") | ENDS,
    "approved": {"edited": "open", "erased": "erased"} | dict.fromkeys(TALK, "approved"),
    "rejected": {"erased": "erased"} | dict.fromkeys(TALK, "rejected"),
    "released": {"escalated": "escalated", "erased": "erased"} | dict.fromkeys(TALK, "released"),
    "desk": DESK,
}
EVENTS = "SELECT seq, at, actor, kind, case_id, body, previous, digest FROM events ORDER BY seq"
PIECES = "SELECT digest, kind, salt, body FROM contents WHERE seq = ?"
ASTRAY = "SELECT c.digest, c.seq FROM contents c LEFT JOIN events e USING (seq) WHERE e.seq IS NULL"
TABLES = {"cases": "id, opened, last, status", "keys": "id, person, until, digest"}
TABLES |= {"people": "name, roles, teams, owner, active, password", "webhooks": "id, secret"}
FORMS = {"log": HEX, "head": rf"\d{{1,18}}:{HEX}", "tree": HEX, "bundle": HEX, "at": "[0-9T:.+-]+"}
FORMS |= {"key": HEX, "signature": "[0-9a-f]{128}"}  # of what a signed head tells, line by line
quote = json.JSONEncoder(ensure_ascii=False, default=repr).encode


def sha256(*parts):
    texts = (part.encode(errors="surrogatepass") if isinstance(part, str) else part for part in parts)
    return hashlib.sha256(b"".join(texts)).digest()


def seal(event, seq):
    """Return the digest that an event must carry when it stands at `seq`."""
    _, at, actor, kind, case, body, previous, _ = event
    return sha256(
        f'{{"actor":{quote(actor)},"at":{quote(at)},"body":{body},"case":{quote(case)},'
        f'"kind":{quote(kind)},"previous":{quote(previous)},"seq":{seq}}}'
    ).hex()


def named(event):
    """Return the body of an event, which names its content; None when its seal does not hold."""
    try:
        body = json.loads(event[5])
        names = [*body.get("contents", {}).values(), *body.get("erased", ())]
        return body if seal(event, event[0]) == event[7] and {*map(type, names)} <= {str} else None
    except BROKEN:
        return None


class Check:
    """One walk through a log. `faults` are (event, what was done, how it shows); 0 is no event."""

    def __init__(self, head, outer):
        self.head, self.outer, self.last, self.first = head, outer or head, (0, GENESIS), ""
        self.count, self.erased, self.peaks, self.tree = 0, 0, [], ""
        self.tables, self.narratives = {name: {} for name in TABLES}, {}
        self.absent, self.present, self.suspects, self.gaps = {}, set(), [], []
        self.faults, self.beside, self.listed = [], [], []  # of the chain, of content, of what it tells

    def fault(self, seq, kind, text, where=None):
        (self.faults if where is None else where).append((seq, kind, text))

    def link(self, event):
        """Check an event's seal and place; return its body when the seal holds."""
        (seq, *_, previous, digest), self.count = event, self.count + 1
        size, found = self.count, sha256("\0", str(digest))  # peaks: roots of the tree's full parts
        while not size & 1:
            size, found = size >> 1, sha256("\1", self.peaks.pop(), found)
        self.peaks.append(found)
        if seq == self.outer[0]:
            self.tree = reduce(lambda right, left: sha256("\1", left, right), reversed(self.peaks)).hex()
        if seq < 1:
            return self.fault(seq, "inserted", "a log begins with event 1")
        (last, before), self.last = self.last, (seq, digest)
        self.first = digest if seq == 1 else self.first
        self.gaps += [range(last + 1, seq)] * (seq > last + 1)
        body = named(event)
        if body is None:
            self.suspects.append(event)
        elif seq == last + 1 and previous != before and last not in [it[0] for it in self.suspects[-1:]]:
            self.fault(last or seq, "altered", f"event {seq} follows another one: rewritten or inserted")
        if seq > self.head[0]:
            self.fault(seq, "inserted", f"the log ends with event {self.head[0]}")
        if body is not None and any(seq == head[0] and digest != head[1] for head in (self.head, self.outer)):
            self.fault(seq, "altered", "it, or one before it, was rewritten: the head has another digest")
        return body

    def content(self, event, body, pieces):
        """Check the content that an event names; return kind -> text of what is as it is named."""
        seq, case, found = event[0], event[4], {}
        if event[3] == "erased":
            self.erased += sum(self.absent.pop(name, None) is not None for name in body.get("erased", ()))
            if case in self.present:
                self.fault(seq, "inserted", f"content of case {case} that it erased is there", self.beside)
        for kind, name in body.get("contents", {}).items():
            if name not in pieces:
                self.absent[name] = (seq, kind)
                continue
            stored, salt, text = pieces.pop(name)
            self.present.add(case)
            if stored == kind and sha256(f"[{quote(kind)},{quote(salt)}]{text}").hex() == name:
                found[kind] = text
            else:
                self.fault(seq, "altered", f"its {kind} (case {case}) has another digest", self.beside)
        for name in pieces:
            self.fault(seq, "inserted", f"content {name}, which the event does not name", self.beside)
        return found

    def tell(self, event, body, pieces):
        """Follow what the events make of cases, people, keys and webhooks; () is a line that went."""
        seq, what, case = event[0], *event[3:5]
        opened, _, status = self.tables["cases"].get(case, (seq, 0, ""))
        if what not in AFTER.get(status, {}):
            return self.fault(seq, "inserted", f"no case that is '{status}' can be {what}", self.listed)
        self.tables["cases"][case] = (opened, seq, AFTER[status][what])
        stands = self.narratives.get(case)
        if stands is not None and body.get("on", stands) != stands:
            self.fault(seq, "inserted", f"it is about another narrative of case {case}", self.listed)
        self.narratives[case] = body.get("contents", {}).get("narrative", stands)
        try:
            secret = json.loads(pieces.get("secret", "null"))  # None: older events told of none
            if case == PEOPLE and what in pieces:
                self.roster(what, json.loads(pieces[what]), secret)
            elif case == HOOKS and what in ("proposed", "withdrawn"):
                self.tables["webhooks"][body.get("withdrawn", seq)] = (secret,) if what == "proposed" else ()
        except BROKEN:
            self.fault(seq, "inserted", "no desk tells so of people, keys or webhooks", self.listed)

    def roster(self, kind, said, secret):
        people, keys = self.tables["people"], self.tables["keys"]
        if kind == "person":
            lists = json.dumps(said["roles"]), json.dumps(said["teams"])
            secret = secret or people.get(said["name"], (None,))[-1]
            people[said["name"]] = (*lists, said["owner"], said["active"], secret)
            keys.update({key: () for key in keys if keys[key][:1] == (said["name"],) and not said["active"]})
        else:
            keys[said["id"]] = (said["person"], said["until"], secret) if said["what"] == "made" else ()

    def close(self, lines):
        """Name what was dropped and moved, then compare the tables that follow from the events."""
        if any(head[0] == 0 and head[1] != GENESIS for head in (self.head, self.outer)):
            self.fault(0, "altered", "the head: an empty log has no digest")
        end, moved = max(self.head[0], self.outer[0]), set()
        self.gaps.append(range(self.last[0] + 1, end + 1))
        for event in self.suspects:
            seq, place = event[0], self.place(event)
            if place is None:
                self.fault(seq, "altered", "its digest does not fit")
                continue
            moved.add(place)
            self.gaps.append(range(seq, min(seq, end) + 1))
            self.fault(seq, "reordered", f"event {place} was moved here")
        for gap in filter(None, self.gaps):
            holes = sorted({gap.start - 1, gap.stop, *(seq for seq in moved if seq in gap)})
            missing = [(before + 1, after - 1) for before, after in pairwise(holes) if after > before + 1]
            self.faults += [(a, "dropped", f"events {a} to {b} are missing") for a, b in missing]
        for name, (seq, kind) in self.absent.items():
            self.fault(seq, "dropped", f"its {kind}: content {name} is not there", self.beside)
        # Missing content may be the shadow of a broken chain; a table's line that of missing content.
        self.faults += [fault for fault in self.beside if not self.faults or fault[1] == "altered"]
        if not self.faults:
            self.faults += self.listed
            for table, name, *stands in lines:
                told = self.tables[table].pop(name, ())
                if told and table != "cases":  # the log tells of secrets by their digests
                    stands[-1] = told[-1] and sha256(str(stands[-1])).hex()
                if not told:
                    self.fault(0, "inserted", f"{name} in the table of {table}: no event tells of it")
                elif stands != [*told]:
                    self.fault(0, "altered", f"{name} in the table of {table}: {stands}, in the log {told}")
            for table, it in self.tables.items():
                self.faults += [(0, "dropped", f"{name} of the table of {table}") for name in it if it[name]]
        self.faults.sort(key=lambda fault: fault[0])

    def place(self, event):
        """Return the other place, near by or left empty, at which the seal of a suspect holds."""
        near, others = range(max(1, event[0] - 3), event[0] + 4), (other[0] for other in self.suspects)
        places = chain(near, islice(others, 200), islice(chain.from_iterable(self.gaps), 200))
        return next((seq for seq in places if seq != event[0] and seal(event, seq) == event[7]), None)


def check(path, outer=None):
    """Return the finished check of a store; `outer` is (seq, digest), kept elsewhere."""
    uri = f"{Path(path).resolve(strict=True).as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    connection.text_factory = lambda text: text.decode(errors="surrogateescape")
    ask = connection.execute
    with closing(connection):
        ask("BEGIN")  # all is read as it stands at one instant
        head = ask("SELECT seq, digest FROM heads").fetchone()
        if head is None or [*map(type, head)] != [int, str]:
            raise ValueError("the head of the log was dropped or altered")
        done = Check(head, outer)
        for event in ask(EVENTS):
            if (body := done.link(event)) is not None:
                pieces = {name: piece for name, *piece in ask(PIECES, event[:1])}
                done.tell(event, body, done.content(event, body, pieces))
        for name, seq in ask(ASTRAY):
            done.fault(seq if type(seq) is int else 0, "inserted", f"content {name} of no event", done.beside)
        there = [name for (name,) in ask("SELECT name FROM sqlite_master") if name in TABLES]
        done.close(chain(*(ask(f"SELECT '{name}', {TABLES[name]} FROM {name}") for name in there)))
    return done


# Ed25519: the curve -x*x + y*y = 1 + D*x*x*y*y over the numbers modulo P; J is a root of -1.
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, J = -121665 * pow(121666, -1, P) % P, pow(2, (P - 1) // 4, P)


def add(one, other):
    (a, b), (c, d) = one, other
    f = pow(1 - (e := D * a * b * c * d % P) * e, -1, P)
    return (a * d + b * c) * (1 - e) * f % P, (b * d + a * c) * (1 + e) * f % P


def times(count, point):
    half = times(count // 2, add(point, point)) if count else (0, 1)
    return add(half, point) if count % 2 else half


def point(data):  # None when the 32 bytes write none
    sign, y = divmod(int.from_bytes(data, "little"), 2**255)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    roots = (root, P - root, root * J % P, -root * J % P)
    return next(((x, y) for x in roots if x * x % P == square and x % 2 == sign and max(x, y) < P), None)


def signed_by(key, message, signature):
    """Tell whether a signature of 64 bytes is the key's (32 bytes)."""
    base, public = point((4 * pow(5, -1, P) % P).to_bytes(32, "little")), point(key)
    drawn, scale = signature[:32], int.from_bytes(signature[32:], "little")
    asked = int.from_bytes(hashlib.sha512(drawn + key + message).digest(), "little") % ORDER
    x, y = add(times(scale, base), times(asked, (P - public[0], public[1]))) if public else (0, 0)
    return public is not None and scale < ORDER and (y | (x & 1) << 255).to_bytes(32, "little") == drawn


def signed_head(text, trusted_key=""):
    """Return what a signed head says, by name; ValueError when it was altered."""
    found = {name: re.search(rf"^[> \t]*{name}: ({form})\s*$", text, re.M) for name, form in FORMS.items()}
    said = {name: match[1] for name, match in found.items() if match}
    if not said.keys() >= FORMS.keys() - {"tree", "bundle"}:  # older heads tell of no tree
        raise ValueError("this is not a signed head")
    told = [f"{name}: {value}\n" for name, value in said.items() if name != "signature"]
    message = "".join([f"foretell log head {1 + ('tree' in said)}\n", *told]).encode()
    if not signed_by(bytes.fromhex(said["key"]), message, bytes.fromhex(said["signature"])):
        raise ValueError("the signature does not fit: the head was altered after it was signed")
    if trusted_key not in ("", said["key"]):
        raise ValueError(f"the head was signed with another key: {said['key']}")
    return said


def main():
    parser = argparse.ArgumentParser(description="Check the log of a store.")
    parser.add_argument("store", help="the store's file, as in cases.db")
    parser.add_argument("--head", default="", help="seq:digest, kept elsewhere")
    parser.add_argument("--signed", default="", help="file of a signed head, kept elsewhere")
    parser.add_argument("--key", default="", help="the public key that must have signed it")
    given = parser.parse_args()
    try:
        said = signed_head(Path(given.signed).read_text("utf-8"), given.key) if given.signed else {}
        seq, _, digest = said.get("head", given.head).partition(":")
        done = check(given.store, (int(seq), digest) if seq else None)
    except (OSError, ValueError, sqlite3.Error) as error:
        parser.exit(2, f"error: {error}\n")
    if said and (said["log"] != done.first or said.get("tree", done.tree) != done.tree):
        done.fault(1, "altered", "the signed head is another log's, or this log was rewritten from its begin")
    lines = [f"{kind}: event {seq}: {text}" if seq else f"{kind}: {text}" for seq, kind, text in done.faults]
    result = f"does not hold: {len(lines)} faults" if lines else "holds"
    end = f"{done.count} events, {done.erased} pieces of content erased on request; head "
    shown = "\n".join([*lines[:20], f"the log {result}; {end}{done.last[0]}:{done.last[1]}", ""])
    sys.stdout.write(shown.encode(errors="backslashreplace").decode())
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
