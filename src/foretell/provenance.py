"""What made a generated file: signed as it is written, and checked without a network.

A file whose format has room for it carries a C2PA manifest (spec 2.2); any other file, and a folder, has a
sidecar `FILE.provenance.json` beside it, signed with the same Ed25519 key (RFC 8032).
"""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foretell import __version__
from foretell.cases.reader import read_case, verify_log
from foretell.cases.signing import key_in
from foretell.errors import DataError, NotFoundError, StoreError
from foretell.files import write_whole
from foretell.lookup import load
from foretell.records import Evidence, canonical, digest
from foretell.training.checkpoint import open_checkpoint
from foretell.units import instant

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from foretell.generation.marks import Found

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's word for what a trained model made."""
FORMAT, LABEL = "foretell provenance 1", "org.foretell.provenance"
SIDECAR, KEY, CERTIFICATE, MARK_KEY = ".provenance.json", "signing.pem", "signing.crt", "mark.key"
CODECS = {
    "characters": "foretell.data.codecs.texts:Characters",
    "bpe": "foretell.data.codecs.texts:BytePairs",
    "selfies": "foretell.data.codecs.texts:Molecules",
}
"""What the texts of a generator are read as."""
EMBEDDED: Mapping[str, str] = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".wav": "audio/wav",
    ".mp4": "video/mp4",
}
"""Formats that carry a manifest."""
VALID_DAYS = 3650
UNALTERED, ALTERED = "unaltered", "altered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What is signed of a file, and whether it still holds."""

    path: Path
    said: Mapping[str, Any]
    """What was signed: see `statement`."""
    signer: str
    """Public key in hexadecimal digits."""
    state: str
    """unaltered, or altered: since it was signed."""
    known: bool
    """Whether the signer is the one whose key lies in the folder of the run, or was named."""


def statement(
    evidence: Evidence,
    *,
    made: Mapping[str, Any],
    spec: str,
    at: datetime,
    mark: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what is to be signed of a set.

    Args:
        evidence: the facts of the set, whose id is that of its case.
        made: seed, count, family and whatever else it takes to draw it again.
        spec: SHA-256 of the generator's spec.
        mark: how the keyed mark of a text is read: context, size of the vocabulary; never the key.
    """
    right = next(iter(evidence.of("licence")), None)
    return {
        "format": FORMAT,
        "digitalSourceType": SOURCE_TYPE,
        "software": f"foretell {__version__}",
        "at": at.astimezone(UTC).isoformat(timespec="seconds"),
        "model": evidence.model,
        "spec": spec,
        "made": dict(made),
        "case": evidence.id,
        "facts": digest(evidence),
        "licence": str(right.value) if right else "unknown",
        **({"mark": dict(mark)} if mark else {}),
    }


def sign(path: Path, said: Mapping[str, Any], folder: Path) -> Path:
    """Sign a file or a folder that was generated, and return what holds the signature.

    Args:
        path: the file; the manifest is written into it where its format has room and `c2pa-python` is there.
        said: what `statement` returns.
        folder: of the run; the key is made in it where there is none, and stays there.

    Raises:
        StoreError: when the key cannot be read or made.
        DataError: when there is no such file, or it is not of the format that its name says.
    """
    if not path.exists():
        raise DataError(f"there is no file '{path}' to sign", "generate it first")
    key = key_in(folder / KEY)
    if path.suffix.lower() in EMBEDDED and path.is_file() and find_spec("c2pa"):
        _embed(path, said, key, folder / CERTIFICATE)
        return path
    body = {**said, "file": path.name, "sha256": contents(path), "key": _public(key)}
    side = path.with_name(path.name + SIDECAR)
    write_whole(side, canonical({**body, "signature": key.sign(canonical(body)).hex()}) + b"\n")
    return side


def contents(path: Path) -> str:
    """Return the SHA-256 of a file, or of the list of a folder's files with theirs."""
    if path.is_dir():
        inside = sorted(each for each in path.rglob("*") if each.is_file())
        return digest({each.relative_to(path).as_posix(): contents(each) for each in inside})
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path, *, folder: Path | None = None, signer: str = "") -> Origin:
    """Return what a file says of its origin, and whether that holds.

    Args:
        folder: of the run that is believed to have made it.
        signer: the public key that is believed to have signed it, in hexadecimal digits.

    Raises:
        DataError: when the file is not there, or nothing was signed of it.
    """
    if not path.exists():
        raise DataError(f"there is no file '{path}'", "check its path")
    own = _public(key_in(folder / KEY)) if folder is not None and (folder / KEY).exists() else ""
    side = path.with_name(path.name + SIDECAR)
    if side.exists():
        return _from_sidecar(path, side, {signer or own} - {""})
    if path.suffix.lower() in EMBEDDED and path.is_file():
        if not find_spec("c2pa"):
            raise DataError(
                f"the manifest in '{path.name}' cannot be read here",
                "install what reads it: pip install foretell[marks]",
            )
        return _from_manifest(path, folder, signer)
    raise DataError(
        f"nothing says what made '{path.name}'", f"put {side.name} beside it, as it came with the file"
    )


def _from_sidecar(path: Path, side: Path, known: set[str]) -> Origin:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        told = json.loads(side.read_bytes())
        signature, body = told["signature"], {name: told[name] for name in told if name != "signature"}
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(body["key"])).verify(
            bytes.fromhex(signature), canonical(body)
        )
        holds = body["sha256"] == contents(path)
    except InvalidSignature:
        holds = False
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"'{side.name}' is no provenance: {error!r}", "use another copy of it") from error
    state = UNALTERED if holds else ALTERED
    return Origin(path=path, said=body, signer=body["key"], state=state, known=body["key"] in known)


def _embed(path: Path, said: Mapping[str, Any], key: "Ed25519PrivateKey", certificate: Path) -> None:
    """Write a manifest into a file, signed by the key under a certificate that is made for it once."""
    import c2pa
    from cryptography.hazmat.primitives import serialization

    if not certificate.exists():
        write_whole(certificate, _certificates(key))
    actions = {"actions": [{"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE}]}
    manifest = {
        "claim_generator_info": [{"name": "Foretell", "version": __version__}],
        "title": path.name,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": actions},
            {"label": LABEL, "data": {"signed": canonical({**said, "key": _public(key)}).decode()}},
        ],
    }
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    plain = c2pa.Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}})
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"ed25519", certificate.read_bytes(), pem, None))
    from io import BytesIO

    written = BytesIO()
    try:
        with path.open("rb") as source:
            c2pa.Builder(manifest, c2pa.Context(plain)).sign(
                signer, EMBEDDED[path.suffix.lower()], source, written
            )
    except c2pa.C2paError as error:
        raise DataError(
            f"'{path.name}' takes no manifest: {error}", "is it of the format that its name says?"
        ) from error
    write_whole(path, written.getvalue())


def _certificates(key: "Ed25519PrivateKey") -> bytes:
    """Return a certificate of the key, and that of the authority which signed it and is then thrown away."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    authority, now = Ed25519PrivateKey.generate(), datetime.now(UTC)

    def certificate(name: str, public: Any, *, last: bool) -> x509.Certificate:
        named = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Foretell"),
                x509.NameAttribute(NameOID.COMMON_NAME, name),
            ]
        )
        issuer = named if not last else root.subject
        usage = {
            name: (name == "digital_signature") is last and name in ("digital_signature", "key_cert_sign")
            for name in (
                *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
                *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
            )
        }
        made = (
            x509.CertificateBuilder(issuer, named, public, x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=VALID_DAYS))
            .add_extension(x509.BasicConstraints(ca=not last, path_length=None if last else 0), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )
        if last:
            use = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            of = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
            made = made.add_extension(use, critical=False).add_extension(of, critical=False)
        return made.sign(authority, None)

    root = certificate("an authority of this run alone", authority.public_key(), last=False)
    own = certificate(_public(key), key.public_key(), last=True)
    return own.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM)


def _from_manifest(path: Path, folder: Path | None, signer: str) -> Origin:
    import c2pa

    chain = folder / CERTIFICATE if folder is not None else None
    trust: dict[str, Any] = {}
    if chain is not None and chain.exists():
        root = chain.read_text(encoding="ascii").partition("-----END CERTIFICATE-----\n")[2]
        trust = {"trust": {"trust_anchors": root}}
    try:
        with path.open("rb") as source:
            reader = c2pa.Reader(
                EMBEDDED[path.suffix.lower()], source, context=c2pa.Context(c2pa.Settings.from_dict(trust))
            )
        told = reader.get_active_manifest() or {}
        state = reader.get_validation_state()
    except c2pa.C2paError as error:
        raise DataError(
            f"nothing says what made '{path.name}': {error}", "use the file as it was generated"
        ) from error
    held = next((each["data"] for each in told.get("assertions", ()) if each["label"] == LABEL), None)
    if held is None:
        raise DataError(f"'{path.name}' has a manifest of other software", "read it with that")
    said = json.loads(held["signed"])
    # The certificate says whose key signed; what the statement says of it is not believed.
    key = told.get("signature_info", {}).get("common_name", "")
    whole = state in ("Valid", "Trusted")
    return Origin(
        path=path,
        said=said,
        signer=key,
        state=UNALTERED if whole else ALTERED,
        known=state == "Trusted" and signer in ("", key),
    )


def _public(key: "Ed25519PrivateKey") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What people decided about the case of a set."""

    status: str
    """open, approved, rejected, escalated or released; altered: the store no longer holds what was logged."""
    by: tuple[tuple[str, str], ...] = ()
    """Who approved, and when."""

    @property
    def released(self) -> bool:
        return self.status in ("approved", "released")


def standing(said: Mapping[str, Any], store: Path) -> Standing | None:
    """Return what became of the case that a statement names; None where the store has no such case.

    Raises:
        StoreError: when there is no store, or it cannot be read.
    """
    name = str(said["case"])
    try:
        faults = verify_log(str(store), only=name).faults
        case = read_case(str(store), name)
    except NotFoundError:
        return None
    except StoreError as error:
        if error.message.startswith("there is no case '"):
            return None
        raise
    if faults or digest(case.evidence) != said["facts"]:
        return Standing(status=ALTERED)
    since = max((at for at, event in enumerate(case.events) if event.kind in ("opened", "edited")), default=0)
    approvals = [each for each in case.events[since:] if each.kind in ("endorsed", "approved", "released")]
    return Standing(status=case.status, by=tuple((each.actor, each.at) for each in approvals))


def look(origin: Origin, folder: Path) -> "Found | None":
    """Look for the keyed mark in a text; None where none was signed, or the key or the codec is not there."""
    if "mark" not in origin.said or not (folder / MARK_KEY).exists() or origin.path.is_dir():
        return None
    from foretell.generation.marks import detect

    files = open_checkpoint(folder / "model").files
    codec = load(json.loads(files["text.json"])["codec"], CODECS, "codec").unpack(files["codec.json"])
    tokens = []
    for text in _texts(origin.path):
        with suppress(DataError):  # a character that taught nothing stands in no text of the model
            tokens.append(codec.encode(text).tolist())
    return detect(tokens, mark_key(folder), len(codec))


def _texts(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8", errors="replace")
    return [_told(line) for line in text.split("\n")] if path.suffix == ".jsonl" else [text]


def _told(line: str) -> str:
    """Return the text of a line of JSON; of one that was altered and holds none, the line itself."""
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(line)["text"])
    return line


def mark_key(folder: Path) -> bytes:
    """Return the secret of a run's keyed marks, made where there is none.

    Raises:
        OSError: when it cannot be read or made.
    """
    path = folder / MARK_KEY
    with suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32))
    return bytes.fromhex(path.read_text(encoding="ascii"))


def lines(origin: Origin, stands: Standing | None = None, found: "Found | None" = None) -> list[str]:
    """Say what is known of a file, for people."""
    said, made = origin.said, origin.said["made"]
    whose = "the key of this run" if origin.known else "a key that nobody here vouches for"
    known = {name: made[name] for name in ("count", "item", "family", "seed") if name in made}
    told = [
        f"{origin.path.name}: {origin.state} since it was signed on {instant(said['at'])}",
        f"  signed with {origin.signer[:16]}…, {whose}",
        f"  generated by model {said['model'][:12]}: {', '.join(f'{name} {known[name]}' for name in known)}",
        f"  licence of the data that taught it: {said['licence']}",
    ]
    if stands is not None:
        names = " and ".join(f"{name} on {instant(at)}" for name, at in stands.by)
        told.append(
            f"  case {said['case']}: {stands.status}{f' by {names}' if names and stands.released else ''}"
        )
    if found is not None:
        told.append(f"  keyed mark: z = {found.z:.1f} from {found.n:,} tokens (p = {found.p:.1e})")
    return told
