"""Counts as a prior: what Kneser-Ney promises, whatever the text."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.models.counts import Counts

texts = st.lists(st.integers(0, 4), min_size=3, max_size=60).map(lambda tokens: np.array(tokens, np.int64))


@settings(max_examples=50, deadline=None)
@given(texts, texts, st.integers(1, 6))
def test_probabilities_add_up_to_one_and_nothing_is_impossible(taught, asked, order):
    told = np.exp(Counts.fit(taught, 5, order=order).logits(asked[None]))
    assert told.shape == (1, len(asked), 5)
    assert told.min() > 0
    np.testing.assert_allclose(told.sum(-1), 1, rtol=1e-4)


@settings(max_examples=25, deadline=None)
@given(texts, st.integers(1, 5))
def test_the_last_places_are_told_alone_as_with_the_others(taught, last):
    counts = Counts.fit(taught, 5, order=4)
    whole = counts.logits(taught[None])
    np.testing.assert_array_equal(counts.logits(taught[None], last=min(last, len(taught))), whole[:, -last:])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=30, max_size=60), st.integers(2, 4))
def test_counts_without_a_part_do_not_know_it(taught, order):
    """What they say is what counts of the other positions alone say, position by position."""
    parts, taught = 3, np.array(taught, np.int64)
    _, *others = Counts.folds(taught, 5, order=order, parts=parts)
    held = np.array_split(np.arange(len(taught)), parts)
    asked = taught[None]
    for counts, part in zip(others, held, strict=True):
        kept = [at for at in range(order - 1, len(taught)) if at not in set(part.tolist())]
        np.testing.assert_allclose(
            np.exp(counts.logits(asked)), by_hand(taught, kept, asked[0], order, 5)[None], rtol=1e-4
        )


def by_hand(taught, kept, asked, order, num_tokens):
    """Interpolated modified Kneser-Ney in plain dictionaries, over the n-grams that end at kept places."""
    grams = [{} for _ in range(order)]
    for at in kept:
        gram = tuple(taught[at - order + 1 : at + 1])
        grams[-1][gram] = grams[-1].get(gram, 0) + 1
    for length in range(order - 1, 0, -1):
        for gram in grams[length]:
            grams[length - 1][gram[1:]] = grams[length - 1].get(gram[1:], 0) + 1
    discounts = []
    for table in grams:
        n = [max(sum(count == number for count in table.values()), 1) for number in (1, 2, 3, 4)]
        share = n[0] / (n[0] + 2 * n[1])
        told = [k - (k + 1) * share * n[k] / n[k - 1] for k in (1, 2, 3)]
        discounts.append([0, *(min(max(d, 0.02), k - 0.02) for d, k in zip(told, (1, 2, 3), strict=True))])
    found = []
    for at in range(len(asked)):
        chance = [1 / num_tokens] * num_tokens
        for length in range(min(order, at + 2)):
            context = tuple(asked[at + 1 - length : at + 1])
            seen = {v: grams[length].get((*context, v), 0) for v in range(num_tokens)}
            total = sum(seen.values())
            if not total:
                break
            lost = {v: discounts[length][min(count, 3)] for v, count in seen.items()}
            spare = sum(lost.values()) / total
            chance = [(seen[v] - lost[v]) / total + spare * chance[v] for v in range(num_tokens)]
        found.append(chance)
    return np.array(found)


def test_longer_contexts_say_more_of_a_text_with_a_pattern():
    taught = np.tile([0, 1, 0, 2], 50)
    nats = [
        -Counts.fit(taught, 3, order=order).logits(taught[None, :-1])[0][np.arange(199), taught[1:]].mean()
        for order in (1, 2, 3)
    ]
    assert nats[0] > nats[1] > nats[2]
    assert nats[0] == pytest.approx(1.5 * math.log(2), abs=0.05)


def test_counts_come_back_from_their_arrays():
    taught = np.arange(40, dtype=np.int64) % 7
    counts = Counts.fit(taught, 7, order=4)
    again = Counts.of(counts.arrays(), 7)
    np.testing.assert_array_equal(again.logits(taught[None]), counts.logits(taught[None]))
