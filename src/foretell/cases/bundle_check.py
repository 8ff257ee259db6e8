"""Checks a bundle of cases alone: standard library only, with checker.py beside it; made to be read.

    python check.py [bundle.zip] [--key 3b6a27...] [--signed head.txt]

Every file has the digest that the list of files gives it, and the head names that list. Each event's digest
covers its fields; content has the salted digest by which its event names it; all events stand in the tree
whose root the head holds (RFC 9162). A signed head is checked with the key in it (Ed25519), which must be the
one that you were told. What a bundle cannot show: that no other event is about its cases. The log itself can.
Exit code: 0 the bundle holds, 1 it does not, 2 it cannot be read.
"""

import argparse
import hashlib
import json
import struct
import sys
import zipfile
import zlib
from bisect import bisect_left
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from foretell.cases.checker import AFTER, BROKEN, FORMS, quote, seal, sha256, signed_head

UNREADABLE = (OSError, EOFError, RuntimeError, ArithmeticError, LookupError, *BROKEN)
UNREADABLE += (struct.error, zipfile.BadZipFile, zlib.error)
LISTED, HEAD, PROOF = "manifest.json", "head.txt", "proof.json"
BEGIN, END = "-----BEGIN FORETELL LOG HEAD-----", "-----END FORETELL LOG HEAD-----"


def canonical(value):
    """Return the one text of a value that digests cover."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Bundle:
    """One check of a bundle. `faults` are (file, what was done, how it shows)."""

    def __init__(self, names, read):
        self.names, self.read = sorted(names), read
        self.faults, self.seen, self.links = [], {}, {}
        self.cases = self.contents = self.erased = 0

    def fault(self, file, kind, text):
        self.faults.append((file, kind, text))

    def check(self, key="", outer=""):
        """Check everything; return what the head says."""
        self.listing()
        said = self.head(key, outer)
        for name in self.names:
            if name.endswith("/case.json") or name.startswith("desk/"):
                try:
                    self.history(name, json.loads(self.read(name)))
                except UNREADABLE as error:
                    self.fault(name, "altered", f"it cannot be read: {error!r}")
        for seq, (previous, name) in self.links.items():
            if self.seen.get(seq - 1, previous) != previous:
                self.fault(name, "altered", f"event {seq} does not follow event {seq - 1}")
        self.proof(said)
        return said

    def listing(self):
        """Compare the files with the list of files."""
        for name, following in pairwise(self.names):
            if name == following:
                self.fault(name, "inserted", "it is there twice")
        there = {*self.names}
        try:
            listed = dict(json.loads(self.read(LISTED))["files"])
        except UNREADABLE as error:
            return self.fault(LISTED, "altered", f"it cannot be read: {error!r}")
        for name in sorted(there - {LISTED, HEAD} - {*listed}):
            self.fault(name, "inserted", "it is not in the list of files")
        for name, digest in listed.items():
            try:
                found = hashlib.sha256(self.read(name)).hexdigest() if name in there else None
            except UNREADABLE:
                found = ""
            if found is None:
                self.fault(name, "dropped", "it is in the list of files, but not there")
            elif found != digest:
                self.fault(name, "altered", "its digest is not the one in the list of files")
        return None

    def head(self, key, outer):
        """Return what the head says by name, of which `outer` is a copy that was kept elsewhere."""
        try:
            text = self.read(HEAD).decode()
            told = dict(line.split(": ") for line in text.splitlines()[1:-1])
            lines = [f"{name}: {told[name]}" for name in FORMS if name in told]
            if text != "\n".join([BEGIN, *lines, END, ""]) or not {"log", "head", "tree", "bundle"} <= {
                *told
            }:
                raise ValueError("it is not written as a head is")
            if "signature" in told or key:
                signed_head(text, key)
            if told["bundle"] != hashlib.sha256(self.read(LISTED)).hexdigest():
                self.fault(LISTED, "altered", "its digest is not the one in the head")
            other = signed_head(outer, key) if outer else told
        except UNREADABLE as error:
            self.fault(HEAD, "altered", str(error))
            return {}
        if other["log"] != told["log"]:
            self.fault(HEAD, "altered", "it is the head of another log than the one that was kept elsewhere")
        elif (at := other["head"].partition(":")[0]) != told["head"].partition(":")[0]:
            self.fault(
                HEAD, "unproved", f"the head that was kept elsewhere is of event {at}: ask for that one"
            )
        elif any(other.get(name, told[name]) != told[name] for name in ("head", "tree")):
            self.fault(HEAD, "altered", "the one that was kept elsewhere has another digest or tree")
        return told

    def history(self, name, told):
        """Check the events of one case, or of one subject of the desk, and their content."""
        status, last, erased = "", 0, set()
        events = told["events"]
        for event in events:
            erased |= {*event["body"].get("erased", ())}
        withheld = {*told["withheld"]} if name.startswith("desk/") else set()
        self.cases += not name.startswith("desk/")
        for event in events:
            seq, kind, body = event["seq"], event["kind"], event["body"]
            row = (seq, event["at"], event["actor"], kind, event["case"], canonical(body))
            if seal((*row, event["previous"], ""), seq) != event["digest"]:
                self.fault(name, "altered", f"the digest of event {seq} does not fit")
            if event["case"] != told["about"]:
                self.fault(name, "inserted", f"event {seq} is about something else")
            if seq <= last or seq in self.seen:
                self.fault(name, "reordered", f"event {seq} stands behind event {last}, or twice")
            if kind not in AFTER.get(status, {}):
                self.fault(name, "inserted", f"event {seq}: no case that is '{status}' can be {kind}")
            status, last = AFTER.get(status, {}).get(kind, status), seq
            self.seen[seq], self.links[seq] = event["digest"], (event["previous"], name)
            self.pieces(name, event, erased, withheld)
        if status != told["status"]:
            self.fault(name, "altered", f"its status is {status}, not {told['status']}")

    def pieces(self, name, event, erased, withheld):
        """Check the content of one event."""
        there = {piece["digest"]: piece for piece in event["contents"]}
        for kind, digest in event["body"].get("contents", {}).items():
            piece = there.pop(digest, None)
            if piece is None:
                self.erased += digest in erased
                if digest not in erased | withheld:
                    self.fault(name, "dropped", f"the {kind} of event {event['seq']}")
                continue
            self.contents += 1
            salted = f"[{quote(kind)},{quote(piece['salt'])}]{canonical(piece['body'])}"
            if piece["kind"] != kind or sha256(salted).hex() != digest:
                self.fault(name, "altered", f"the {kind} of event {event['seq']} has another digest")
            if digest in erased:
                self.fault(name, "inserted", f"the {kind} of event {event['seq']}, which was erased")
        for digest in there:
            self.fault(name, "inserted", f"content {digest} of event {event['seq']}, which does not name it")

    def proof(self, said):
        """Fold the events and the roots of all parts without them to the root of the tree."""
        if not said:
            return None  # it was told that the head cannot be trusted
        shown, size = sorted(self.seen), int(said["head"].partition(":")[0])
        try:
            told = json.loads(self.read(PROOF))
            roots = iter([bytes.fromhex(root) for root in told["roots"]])
            root = folded(0, size, shown, self.seen, roots).hex()
            if told["size"] != size or next(roots, None) is not None or max(shown, default=0) > size:
                raise ValueError("it is of another size")
        except (StopIteration, *UNREADABLE) as error:
            return self.fault(PROOF, "altered", f"it proves nothing: {error!r}")
        if root != said["tree"]:
            self.fault(
                PROOF, "altered", "it or an event is another log's: they do not lead to the head's tree"
            )
        if self.seen.get(size, said["head"].partition(":")[2]) != said["head"].partition(":")[2]:
            self.fault(HEAD, "altered", f"event {size} has another digest")
        return None


def folded(start, size, shown, digests, roots):
    """Return the root of one part of the tree (RFC 9162), from left to right."""
    first = bisect_left(shown, start + 1)
    if first == len(shown) or shown[first] > start + size:
        return next(roots)
    if size == 1:
        return sha256("\0", digests[start + 1])
    half = 1 << (size - 1).bit_length() - 1
    left = folded(start, half, shown, digests, roots)
    return sha256("\1", left, folded(start + half, size - half, shown, digests, roots))


def checked(place, key="", outer=""):
    """Return the finished check of a bundle, packed or unpacked, and what its head says."""
    if Path(place).is_dir():
        files = {path.relative_to(place).as_posix(): path for path in Path(place).rglob("*")}
        files = {name: path for name, path in files.items() if path.is_file() and "__pycache__" not in name}
        bundle = Bundle(files, lambda name: files[name].read_bytes())
        return bundle, bundle.check(key, outer)
    with closing(zipfile.ZipFile(place)) as packed:
        if any(file.compress_type not in (0, zipfile.ZIP_DEFLATED) for file in packed.infolist()):
            raise ValueError("it is packed in another way than bundles are")
        bundle = Bundle(packed.namelist(), packed.read)
        return bundle, bundle.check(key, outer)


def main():
    parser = argparse.ArgumentParser(description="Check a bundle of cases.")
    parser.add_argument("bundle", nargs="?", default=str(Path(__file__).parent), help="zip, or its folder")
    parser.add_argument("--key", default="", help="the public key that must have signed its head")
    parser.add_argument("--signed", default="", help="file of a signed head that was kept elsewhere")
    given = parser.parse_args()
    try:
        outer = Path(given.signed).read_text("utf-8") if given.signed else ""
        bundle, said = checked(given.bundle, given.key, outer)
    except UNREADABLE as error:
        parser.exit(2, f"error: {given.bundle} cannot be read as a bundle: {error}\n")
    lines = [f"{kind}: {file}: {text}" for file, kind, text in bundle.faults]
    told = "1 case" if bundle.cases == 1 else f"{bundle.cases} cases"
    told += f", {len(bundle.seen)} events, {bundle.contents} pieces of content"
    told += f", {bundle.erased} erased" if bundle.erased else ""
    signed = (
        f"signed with key {said['key']}" if "key" in said else "not signed: hold it against a signed head"
    )
    result = f"does not hold: {len(lines)} faults" if lines else f"holds: {told}; the head is {signed}"
    shown = "\n".join([*lines[:20], f"the bundle {result}", ""])
    sys.stdout.write(shown.encode(errors="backslashreplace").decode())
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
