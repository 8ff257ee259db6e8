"""The Merkle tree over a log's events (RFC 9162, section 2.1): one root for all, short proofs for some.

A leaf is an event's digest, as its 64 hexadecimal digits; the leaves stand in the order of the events. With
the root in a signed head, some events can be shown to stand in the log without the others being shown.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence


def leaf(digest: str) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\0" + digest.encode(errors="replace")).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """A tree that grows leaf by leaf; what it keeps grows with the logarithm of its leaves."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []
        """Roots of the full trees side by side, the largest first: one for each bit of `size`."""

    def add(self, digest: str) -> None:
        """Add an event's digest as the next leaf."""
        found, self.size = leaf(digest), self.size + 1
        rest = self.size
        while not rest & 1:
            found, rest = node(self._peaks.pop(), found), rest >> 1
        self._peaks.append(found)

    def root(self) -> str:
        """Return the root over all leaves, in hexadecimal digits."""
        if not self._peaks:
            return hashlib.sha256().hexdigest()
        found = self._peaks[-1]
        for peak in self._peaks[-2::-1]:
            found = node(peak, found)
        return found.hex()


def proof(digests: Iterable[str], size: int, shown: Sequence[int]) -> list[str]:
    """Return what proves that some events stand in a log: the roots of all parts without any of them.

    Args:
        digests: of all events, in order; at least `size`.
        size: events that the tree covers.
        shown: numbers of the events to be proved, from 1 on, ascending.
    """
    left, roots = iter(digests), []

    def passed(size: int) -> bytes:
        part = Tree()
        for _ in range(size):
            part.add(next(left))
        roots.append(part.root())
        return bytes.fromhex(roots[-1])

    _folded(0, size, shown, lambda: leaf(next(left)), passed)
    return roots


def proved_root(size: int, shown: Sequence[int], digests: Iterable[str], roots: Iterable[str]) -> str:
    """Return the root that a proof leads to; it is the tree's when the events stand in it.

    Args:
        size, shown: as for `proof`.
        digests: of the shown events, in order.
        roots: what `proof` returned.

    Raises:
        ValueError: when the proof has too few or too many parts.
    """
    mine, others = iter(digests), iter(roots)
    try:
        found = _folded(0, size, shown, lambda: leaf(next(mine)), lambda _: bytes.fromhex(next(others)))
    except StopIteration:
        raise ValueError("the proof is too short") from None
    if next(others, None) is not None or next(mine, None) is not None:
        raise ValueError("the proof is too long")
    return found.hex()


def _folded(
    start: int,
    size: int,
    shown: Sequence[int],
    at_leaf: Callable[[], bytes],
    at_part: Callable[[int], bytes],
) -> bytes:
    """Walk the tree from left to right; parts without a shown event are asked for whole."""
    first = bisect_left(shown, start + 1)
    if first == len(shown) or shown[first] > start + size:
        return at_part(size)
    if size == 1:
        return at_leaf()
    split = 1 << (size - 1).bit_length() - 1
    left = _folded(start, split, shown, at_leaf, at_part)
    return node(left, _folded(start + split, size - split, shown, at_leaf, at_part))
