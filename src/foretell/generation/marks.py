"""A keyed mark in generated text that nobody sees: a key and the tokens before say which token is drawn.

Of all tokens that one is taken whose keyed number u has the largest u^(1/p). Over all keys it is each token
as often as its probability p says; who has the key finds that the numbers of the tokens that stand there are
too large for chance. Where a context comes again in a text the token is drawn by dice, or texts would turn in
circles: so a text has the distribution of one without the mark.

Source: Aaronson, the Gumbel scheme (2022); contexts counted once as in Fernandez et al., Three Bricks to
Consolidate Watermarks for Large Language Models (WIFS 2023).

V: tokens of the vocabulary.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc, ndtri

Floats = NDArray[np.float64]
CONTEXT = 6
"""Tokens before a token that its numbers follow from: with fewer, contexts come again sooner and texts of one
key are alike; with more, each change of a text takes away more of its mark."""
LEAST_P = 1e-300
"""What a smaller p is told as."""


def uniforms(key: bytes, context: Sequence[int], size: int) -> Floats:
    """Return the numbers of all tokens after a context [V], strictly between 0 and 1.

    Those of other keys, and of other contexts, have nothing to do with them.

    Args:
        key: a secret of any length.
        context: the `CONTEXT` tokens before.
        size: tokens of the vocabulary.
    """
    told = ",".join(str(int(token)) for token in context).encode()
    digest = hashlib.blake2b(told, key=hashlib.sha256(key).digest(), digest_size=16).digest()
    raw = np.random.Philox(key=int.from_bytes(digest, "little")).random_raw(size)
    return ((raw >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52


def choose(probabilities: Floats, tokens: Sequence[int], rng: np.random.Generator, *, key: bytes) -> int:
    """Return the token to write next.

    Args:
        probabilities: of all tokens, after temperature, top-p and masks [V]; they need not add up to 1.
        tokens: the whole text so far, its prompt included.
        rng: the dice, for the first tokens and where a context comes again.
        key: what the mark will be found by.
    """
    probabilities = np.asarray(probabilities, np.float64)
    if len(tokens) < CONTEXT or _stood_before(tokens):
        reached = probabilities.cumsum()
        return int(np.searchsorted(reached, rng.random() * reached[-1], side="right"))
    numbers = uniforms(key, tokens[-CONTEXT:], len(probabilities))
    with np.errstate(divide="ignore", over="ignore"):
        # log(u) / p orders as u^(1/p) does; where p is 0 it is -inf, so that such a token is never taken.
        return int((np.log(numbers) / probabilities).argmax())


def _stood_before(tokens: Sequence[int]) -> bool:
    """Return whether the last `CONTEXT` tokens stand earlier in the text, too."""
    if len(tokens) == CONTEXT:
        return False
    told = np.asarray(tokens)
    return bool(
        (np.lib.stride_tricks.sliding_window_view(told[:-1], CONTEXT) == told[-CONTEXT:]).all(1).any()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What texts say of a key."""

    n: int
    """Tokens that tell: each after a context that stood nowhere before."""
    p: float
    """How often a text that has nothing to do with the key looks at least as marked; exact."""
    z: float
    """The same as standard deviations of a normal distribution."""


def detect(texts: Iterable[Sequence[int]], key: bytes, size: int) -> Found:
    """Look for the mark of a key in whole texts.

    Args:
        size: tokens of the vocabulary that it was drawn from.
    """
    told, seen = 0.0, set[tuple[int, ...]]()
    for tokens in texts:
        for at in range(CONTEXT, len(tokens)):
            context = tuple(map(int, tokens[at - CONTEXT : at]))
            if context not in seen:
                seen.add(context)
                told -= float(np.log1p(-uniforms(key, context, size)[tokens[at]]))
    # Each term is exponential where the key has nothing to do with the text, and none depends on another.
    p = max(float(gammaincc(len(seen), told)), LEAST_P) if seen else 1.0
    return Found(n=len(seen), p=p, z=-float(ndtri(p)) if seen else 0.0)
