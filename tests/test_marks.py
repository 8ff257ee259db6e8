"""The keyed mark of texts: who has the key finds it, nobody else sees it; what is written stays as likely."""

from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare, kstest

from foretell.generation import marks

PLAYS = Path(__file__).parents[2] / "shared" / "data" / "text" / "tinyshakespeare.txt"
KEY, OTHER = b"the desk's own key", b"somebody else's"
ORDER, LEARNED = 4, 120_000
"""Characters that the model reads before each, and how many taught it."""

needs_plays = pytest.mark.skipif(not PLAYS.exists(), reason="needs the plays of the shared data")


@cache
def plays() -> tuple[np.ndarray, int]:
    """Return the plays as tokens, and how many there are."""
    text = PLAYS.read_text(encoding="utf-8")
    letters = {letter: code for code, letter in enumerate(sorted(set(text)))}
    return np.array([letters[letter] for letter in text]), len(letters)


class Letters:
    """A character model: counts after up to four letters, each longer context resting on the shorter one.

    Source: Witten and Bell, IEEE Transactions on Information Theory 37 (1991).
    """

    def __init__(self, tokens: np.ndarray, size: int) -> None:
        self.size = size
        self.counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        told = tokens.tolist()
        for order in range(ORDER + 1):
            for at in range(order, len(told)):
                self.counts[tuple(told[at - order : at])][told[at]] += 1

    def after(self, tokens: list[int]) -> np.ndarray:
        found = np.full(self.size, 1 / self.size)
        for order in range(ORDER + 1):
            seen = self.counts.get(tuple(tokens[len(tokens) - order :])) if order <= len(tokens) else None
            if seen:
                own = np.bincount([*seen], [*seen.values()], self.size)
                found = (own + len(seen) * found) / (own.sum() + len(seen))
        return found


@cache
def model() -> Letters:
    tokens, size = plays()
    return Letters(tokens[:LEARNED], size)


def written(length: int, seed: int, key: bytes = b"") -> list[int]:
    """Return a text of the model, marked where there is a key."""
    rng, tokens = np.random.default_rng(seed), []
    while len(tokens) < length:
        told = model().after(tokens)
        tokens.append(marks.choose(told, tokens, rng, key=key) if key else int(rng.choice(len(told), p=told)))
    return tokens


@needs_plays
def test_two_hundred_marked_characters_are_found_by_their_key_and_no_other():
    size = plays()[1]
    for seed in range(6):
        text = written(200, seed, KEY)
        assert marks.detect([text], KEY, size).z > 6
        assert marks.detect([text], OTHER, size).z < 4


@needs_plays
def test_what_is_not_marked_raises_an_alarm_as_often_as_the_p_says():
    """Human texts and unmarked ones of the model: their p are spread evenly."""
    tokens, size = plays()
    held_out = tokens[LEARNED:].tolist()
    human = [held_out[at : at + 200] for at in range(0, 60_000, 300)]
    drawn = [written(200, seed) for seed in range(40)]
    for texts in (human, drawn):
        found = [marks.detect([text], KEY, size).p for text in texts]
        assert kstest(found, "uniform").pvalue > 0.001
        alarms = sum(p < 0.05 for p in found)
        assert binomtest(alarms, len(found), 0.05).pvalue > 0.001


@needs_plays
def test_the_mark_leaves_every_letter_as_frequent_as_it_is():
    """Texts with a mark of a key each, and texts without, use letters and pairs of letters alike."""
    size = plays()[1]
    marked = [letter for seed in range(25) for letter in written(200, seed, b"%d" % seed)]
    plain = [letter for seed in range(100, 125) for letter in written(200, seed)]
    counts = np.array([np.bincount(side, minlength=size) for side in (marked, plain)], float)
    often = counts.sum(axis=0) >= 40
    share = counts.sum(axis=0)[often] / 2
    # letters of one text depend on those before, so that chance spreads wider than a multinomial
    assert (((counts[0][often] - share) ** 2 / share).sum()) < 3 * often.sum()


@needs_plays
def test_a_text_with_a_mark_does_not_turn_in_circles():
    text = written(1500, 3, KEY)
    stretches = [tuple(text[at : at + 25]) for at in range(len(text) - 25)]
    assert len({*stretches}) > 0.99 * len(stretches)


@needs_plays
def test_the_mark_outlives_a_change_of_some_letters():
    tokens, rng = written(600, 5, KEY), np.random.default_rng(0)
    for at in rng.choice(600, 30, replace=False):
        tokens[at] = int(rng.integers(plays()[1]))
    assert marks.detect([tokens], KEY, plays()[1]).z > 4


@settings(max_examples=12, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=6).filter(lambda told: sum(told) > 0.1), st.integers(0))
def test_over_all_contexts_each_token_is_taken_as_often_as_its_probability_says(weights, seed):
    told, rng = np.array(weights), np.random.default_rng(seed)
    contexts = rng.integers(1000, size=(1000, marks.CONTEXT)).tolist()
    taken = np.bincount([marks.choose(told, each, rng, key=KEY) for each in contexts], minlength=len(told))
    possible = told / told.sum() * len(contexts) >= 5
    assert taken[told == 0].sum() == 0
    if possible.sum() > 1:
        wanted = told[possible] / told[possible].sum() * taken[possible].sum()
        assert chisquare(taken[possible], wanted).pvalue > 1e-5


def test_what_tells_nothing_is_no_alarm():
    assert marks.detect([], KEY, 5) == marks.Found(n=0, p=1.0, z=0.0)
    assert marks.detect([[1] * 400], KEY, 5).n == 1
