"""Signed heads: where a log ended at an instant, as a short text to be printed or mailed and kept elsewhere.

The signature is Ed25519 (RFC 8032). What it is worth depends on where key and text are kept: whoever can
rewrite the store and read the key beside it can sign another head, but not change the text kept elsewhere.
"""

import os
import re
import stat
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from foretell.cases.inspection import LogReport
from foretell.cases.log import Head, head_of
from foretell.errors import StoreError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_DIGEST = "[0-9a-f]{64}"
_FORMS = {
    "log": _DIGEST,
    "head": r"\d{1,18}:[0-9a-f]{64}",
    "tree": _DIGEST,
    "bundle": _DIGEST,
    "at": r"[0-9T:.+-]+",
    "key": _DIGEST,
    "signature": "[0-9a-f]{128}",
}
_MAY_LACK = {"tree", "bundle"}
"""What heads do not tell that were signed before there was a tree, or that go with no bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """Where a log ended, signed."""

    log: str
    """Digest of the log's first event."""
    head: Head
    tree: str = ""
    """Root of the tree over the log's events; empty in heads that were signed before there was one."""
    bundle: str = ""
    """Digest of the list of files of the bundle that the head goes with; empty: it goes with none."""
    at: str
    key: str = ""
    """Public key, 32 bytes in hexadecimal digits; empty, as the signature is, while it is not signed."""
    signature: str = ""

    def __str__(self) -> str:
        signed = [f"signature: {self.signature}"] if self.signature else []
        lines = ["-----BEGIN FORETELL LOG HEAD-----", *_lines(self), *signed]
        return "\n".join([*lines, "-----END FORETELL LOG HEAD-----"])


def _lines(head: SignedHead) -> list[str]:
    told = {name: str(getattr(head, name)) for name in _FORMS if name != "signature"}
    return [f"{name}: {value}" for name, value in told.items() if value]


def _message(head: SignedHead) -> bytes:
    form = 2 if head.tree else 1
    return "\n".join([f"foretell log head {form}", *_lines(head), ""]).encode()


def unsigned(report: LogReport, at: datetime | str, bundle: str = "") -> SignedHead:
    """Return the head of a log that was checked, to be signed or held against a signed one.

    Args:
        at: when it is signed.
        bundle: digest of the list of files that the head goes with.

    Raises:
        StoreError: when the log does not hold or is empty.
    """
    if not report.passed:
        raise StoreError("a log that does not hold is not signed", "see what is wrong: foretell log verify")
    if not report.head.seq:
        raise StoreError("an empty log has no head to sign", "open cases first")
    return SignedHead(
        log=report.first,
        head=report.head,
        tree=report.tree,
        bundle=bundle,
        at=at if isinstance(at, str) else at.isoformat(timespec="microseconds"),
    )


def sign(report: LogReport, at: datetime | str, key_file: Path, bundle: str = "") -> SignedHead:
    """Sign the head of a log that was checked; the key is made where there is none.

    Args:
        report, at, bundle: as for `unsigned`.

    Raises:
        StoreError: when the log does not hold or is empty, or the key cannot be used.
    """
    told = unsigned(report, at, bundle)
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = key_in(key_file)
    head = replace(told, key=key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex())
    return replace(head, signature=key.sign(_message(head)).hex())


def key_in(file: Path) -> "Ed25519PrivateKey":
    """Return the key that a file holds, made where there is none.

    Raises:
        StoreError: when it cannot be read or made, others can read it, or it is no such key.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        if not file.exists():
            fresh = Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            # Never readable by others, not even for a moment; a key that came meanwhile is kept.
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as writer:
                writer.write(fresh)
        if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise StoreError(f"others can read the key {file}", f"chmod 600 {file}")
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        raise StoreError(
            f"the key {file} cannot be read or made: {error}", "give another --key-file"
        ) from error
    except ValueError as error:
        raise StoreError(f"{file} is not a key", "give another --key-file, or none") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise StoreError(f"{file} is not an Ed25519 key", "give another --key-file, or none")
    return key


def signed_head_of(text: str, key: str = "") -> SignedHead:
    """Return the head that a text tells of, whose signature fits.

    Args:
        text: as printed; quoted mail is read as well.
        key: the public key that must have signed it; any when empty.

    Raises:
        StoreError: when it is not one, was altered, or was signed with another key.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    found = {
        name: re.search(rf"^[> \t]*{name}: ({form})\s*$", text, re.MULTILINE) for name, form in _FORMS.items()
    }
    said = {name: match[1] for name, match in found.items() if match is not None}
    if not said.keys() >= _FORMS.keys() - _MAY_LACK:
        raise StoreError("this is not a signed head", "give the file that `foretell log sign` printed")
    head = SignedHead(head=head_of(said.pop("head")), **said)
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(head.key))
        public.verify(bytes.fromhex(head.signature), _message(head))
    except (InvalidSignature, ValueError) as error:
        raise StoreError(
            "the signature does not fit: the head was altered after it was signed", "use another copy of it"
        ) from error
    if key not in ("", head.key):
        raise StoreError(f"the head was signed with another key, {head.key}", "ask whose key it is")
    return head


def same_log(report: LogReport, signed: SignedHead) -> None:
    """Refuse a signed head of another log; `report` is the check against this head.

    Raises:
        StoreError: when the log begins with another event, or its events make another tree.
    """
    if report.first != signed.log or (report.passed and signed.tree not in ("", report.tree)):
        raise StoreError(
            "the signed head is another log's, or this log was rewritten from its first event on",
            "compare the store with a backup",
        )
