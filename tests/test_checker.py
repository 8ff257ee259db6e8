"""The check that stands alone: it says what the store's own check says, of a whole log and of any edit."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from case_material import texts
from desk_material import House
from foretell.cases import checker
from foretell.cases.endpoints import Endpoints
from foretell.cases.people import Person

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from tampering import Tampered, said_by_checker, said_by_reader

RAW = serialization.Encoding.Raw, serialization.PublicFormat.Raw
# RFC 8032, section 7.1: secret key, public key, message, signature.
VECTORS = [
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
     "d25bf5f0595bbe24655141438e7a100b"),
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
     "387b2eaeb4302aeeb00d291612bb0c00"),
]  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    """A store in which everything happened that an event tells of."""
    path = tmp_path_factory.mktemp("checker") / "cases.db"
    house = House(f"sqlite:///{path}")
    house.accounts.make_key("cleo", "cleo", 30)
    house.accounts.save("root", Person(name="vic", roles=("viewer",), active=False))
    house.policy({"rules": [{"name": "all", "approvals": 2}]})
    endpoints = Endpoints(house.store)
    for number in range(3):
        endpoints.propose("root", f"https://example.org/{number}", ("approved",))
    first, second, _ = (each.id for each in endpoints.endpoints())
    endpoints.confirm("ada", first)
    endpoints.end("ada", second)
    house.open("r1", "r2", "r3", "r4")
    house.decide("bob", "r1", "approve")
    house.decide("cleo", "r1", "approve")
    house.decide("bob", "r2", "edit", text=texts("r2")[1])
    house.decide("cleo", "r2", "comment", reason="seen")
    house.decide("bob", "r3", "reject", reason="known to the bank")
    house.decide("dan", "r4", "escalate", reason="look")
    house.store.erase("r3", "ada")
    house.store.close()
    return str(path)


def test_the_checker_is_one_file_that_needs_the_standard_library_alone():
    source = Path(checker.__file__).read_text(encoding="utf-8")
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported <= sys.stdlib_module_names


def test_the_checker_is_short_enough_to_be_read():
    assert len(Path(checker.__file__).read_text(encoding="utf-8").splitlines()) < 300


def test_the_checker_runs_alone_where_foretell_is_not_installed(path, tmp_path):
    alone = tmp_path / "checker.py"
    alone.write_bytes(Path(checker.__file__).read_bytes())
    done = subprocess.run(
        [sys.executable, "-I", "-S", alone, path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("the log holds; ")
    missing = subprocess.run(
        [sys.executable, "-I", alone, "none.db"], capture_output=True, text=True, check=False
    )
    assert missing.returncode == 2 and "No such file" in missing.stderr


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 3))])
def test_both_checks_find_every_edit_and_name_the_same_event_first(path, tmp_path, seed):
    assert said_by_reader(path) == said_by_checker(path) == (True, None)
    ways: Counter[str] = Counter()
    tampered = Tampered(path, tmp_path, seed)
    for edit, _ in zip(tampered.edits(), range(400), strict=False):
        one = said_by_reader(tampered.path)
        other = one if edit.shown else said_by_checker(tampered.path)
        assert one == other, edit
        assert not one[0], edit
        ways[f"{edit.way} {edit.table}"] += 1
    assert len(ways) > 20


@pytest.mark.parametrize(("secret", "public", "message", "signature"), VECTORS)
def test_signatures_of_the_standard_are_known(secret, public, message, signature):
    key, text, signed = (bytes.fromhex(part) for part in (public, message, signature))
    assert checker.signed_by(key, text, signed)
    assert not checker.signed_by(key, text + b"x", signed)
    assert Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)).sign(text) == signed


@settings(max_examples=60, deadline=None)
@given(secret=st.binary(min_size=32, max_size=32), message=st.binary(max_size=80), data=st.data())
def test_a_signature_is_known_until_a_bit_of_anything_changes(secret, message, data):
    private = Ed25519PrivateKey.from_private_bytes(secret)
    parts = [private.public_key().public_bytes(*RAW), message, private.sign(message)]
    assert checker.signed_by(*parts)
    part = data.draw(st.sampled_from([0, 2] + [1] * bool(message)))
    changed = bytearray(parts[part])
    bit = data.draw(st.integers(0, 8 * len(changed) - 1))
    changed[bit // 8] ^= 1 << bit % 8
    parts[part] = bytes(changed)
    assert not checker.signed_by(*parts)
