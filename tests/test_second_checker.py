"""Two checkers, written apart from the grammar's text, give the same answer to every text."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidences import evidence
from foretell.narration.embedded import write
from foretell.records import Evidence, Narrative
from foretell.spec import NarrateSpec
from foretell.verification import verify
from foretell.verification.readers import readers
from mutants import mutants
from rewordings import altered, reworded
from second_checker import World, accepts
from second_reader import ends
from second_words import TONGUES

LENGTHS, REGISTERS = ("short", "medium", "long"), ("expert", "plain")


def spec(seed: int, **changes: str) -> NarrateSpec:
    """Return another length, language and register for every seed."""
    told = NarrateSpec(
        length=LENGTHS[seed % 3],
        seed=seed,
        language="en" if seed % 2 == 0 else "de",
        register=REGISTERS[seed // 2 % 2],
    )
    return replace(told, **changes)


def texts(seed: int) -> Iterator[tuple[str, Narrative, Evidence]]:
    """Yield (what it is, text, evidence): true texts, false ones, and some of which nobody knows."""
    random, told = Random(seed), spec(seed)
    facts = evidence(seed, hostile=seed % 5 == 0, language=told.language)
    own = write(facts, told, 0)
    yield "own", own, facts
    yield from ((name, mutant, facts) for name, mutant in mutants(own, facts, random))
    long = write(facts, spec(seed, length="long", register=REGISTERS[seed % 2]), 1)
    others = [claim.text for claim in long.claims]
    for _ in range(8):
        yield "reworded", reworded(own, others, facts, random), facts
        yield "of other evidence", random.choice((own, long)), altered(facts, random)


def disagreements(seeds: range, least: int) -> tuple[list[str], int, int]:
    """Return (texts on which the checkers differ, texts that both accept, all) of enough seeds."""
    apart: list[str] = []
    accepted = count = 0
    for seed in seeds:
        world, known = None, None
        for name, narrative, facts in texts(seed):
            if world is None or known is not facts:
                world, known = World(facts), facts
            first, second = verify(narrative, facts).passed, accepts(narrative, world)
            if first != second:
                apart.append(f"{seed}, {name}: verifier {first}, second checker {second}: {narrative.text}")
            accepted, count = accepted + second, count + 1
        if count >= least:
            break
    return apart, accepted, count


def test_two_checkers_agree_on_every_text():
    apart, accepted, count = disagreements(range(10_000), 2_000)
    assert not apart, "\n".join(apart)
    assert 0.1 < accepted / count < 0.5


@pytest.mark.slow
def test_two_checkers_agree_on_a_hundred_thousand_texts():
    apart, _, count = disagreements(range(10_000, 100_000), 100_000)
    assert not apart, "\n".join(apart)
    assert count >= 100_000


@given(st.sampled_from(sorted(TONGUES)), st.floats(0.001, 2), st.data())
def test_two_readers_agree_on_shares_and_ratios_in_words(language, value, data):
    tongue = TONGUES[language]
    form = data.draw(st.sampled_from(("share", "ratio")))
    word, worth = data.draw(
        st.sampled_from(sorted((tongue.shares if form == "share" else tongue.ratios).items()))
    )
    hedge = data.draw(st.sampled_from(("", *tongue.hedges)))
    text = f"{hedge} {word}".strip()
    reader = readers(language)
    truth = worth * data.draw(st.sampled_from((value, 1.0, 0.99, 0.999, 1.004, 1.01, 1.04)))
    read = reader.percentage(text, 0, truth, words=True) if form == "share" else reader.ratio(text, 0, truth)
    assert (read == (len(text), "")) == (len(text) in ends(language, text, 0, truth, form))


@pytest.mark.parametrize(
    ("text", "truth", "language", "right"),
    [
        ("a third", 0.332, "en", True),
        ("more than a third", 0.332, "en", False),
        ("less than a third", 0.332, "en", True),
        ("exactly a third", 1 / 3, "en", True),
        ("exactly a third", 0.33, "en", False),
        ("less than two thirds", 0.668, "en", False),
        ("more than two thirds", 0.668, "en", True),
        ("about a third", 0.3235, "en", False),
        ("mehr als ein Drittel", 0.332, "de", False),
        ("knapp zwei Drittel", 0.668, "de", False),
    ],
)
def test_a_hedge_is_true_of_the_share_that_its_words_name(text, truth, language, right):
    end, fault = readers(language).percentage(text, 0, truth, words=True)
    assert (end == len(text) and not fault) == right
