"""The tree over a log: its root is the standard's, and a proof holds for the events of this log alone."""

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.cases.tree import Tree, leaf, node, proof, proved_root


def digests(size: int, log: str = "a") -> list[str]:
    return [hashlib.sha256(f"{log}{number}".encode()).hexdigest() for number in range(size)]


def rooted(leaves: list[bytes]) -> bytes:
    """The root by RFC 9162's own recursion, all leaves at once."""
    if len(leaves) == 1:
        return leaves[0]
    split = max(1 << bit for bit in range(8) if 1 << bit < len(leaves))
    return node(rooted(leaves[:split]), rooted(leaves[split:]))


def root(leaves: list[str]) -> str:
    tree = Tree()
    for digest in leaves:
        tree.add(digest)
    return tree.root()


@pytest.mark.parametrize("size", range(1, 71))
def test_a_tree_that_grows_has_the_root_of_the_standard_and_proves_each_of_its_events(size):
    leaves = digests(size)
    assert root(leaves) == rooted([leaf(digest) for digest in leaves]).hex()
    for seq in range(1, size + 1):
        parts = proof(leaves, size, [seq])
        assert len(parts) <= (size - 1).bit_length()
        assert proved_root(size, [seq], [leaves[seq - 1]], parts) == root(leaves)


def test_an_empty_log_has_the_root_of_nothing():
    assert Tree().root() == hashlib.sha256().hexdigest()


@settings(max_examples=150, deadline=None)
@given(size=st.integers(1, 70), data=st.data())
def test_no_event_of_another_log_and_no_event_at_another_place_is_proved(size, data):
    leaves = digests(size)
    shown = sorted(data.draw(st.sets(st.integers(1, size), min_size=1)))
    mine = [leaves[seq - 1] for seq in shown]
    parts = proof(leaves, size, shown)
    assert proved_root(size, shown, mine, parts) == root(leaves)
    place = data.draw(st.integers(0, len(mine) - 1))
    forged = [*mine]
    forged[place] = digests(size, "b")[place]
    assert proved_root(size, shown, forged, parts) != root(leaves)
    elsewhere = sorted({*shown, data.draw(st.integers(1, size))} ^ {shown[place]})
    if elsewhere != shown:
        with suppress(ValueError):
            assert proved_root(size, elsewhere, mine, parts) != root(leaves)
    if parts:
        with pytest.raises(ValueError, match="too short"):
            proved_root(size, shown, mine, parts[:-1])
    with pytest.raises(ValueError, match="too long"):
        proved_root(size, shown, mine, [*parts, "00" * 32])
