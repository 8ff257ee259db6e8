"""Under the mask no model, however bad, tells an untruth; and all that our own writer tells can be told."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidences import evidence, evidences
from foretell.narration.embedded import write
from foretell.narration.masking import Acceptor, State
from foretell.records import Evidence, Fact, Narrative
from foretell.spec import NarrateSpec
from foretell.verification import verify
from foretell.vocabulary import END, Vocabulary

LENGTHS = ("short", "medium", "long")
REGISTERS = ("expert", "plain")
PIECES = Vocabulary(
    [b"the ", b" The ", b". The", b"the model", b"fraud", b"ing", b" of ", b"score", b"\xe2\x80"]
)


def told(number: int) -> tuple[Evidence, NarrateSpec]:
    facts = evidence(number, hostile=number % 5 == 0, language=("en", "de")[number % 2])
    return facts, NarrateSpec(length=LENGTHS[number % 3], seed=number, register=REGISTERS[number // 2 % 2])


def walk(acceptor: Acceptor, vocabulary: Vocabulary, random: Random) -> tuple[list[int], State]:
    """Take any allowed token until the end is drawn."""
    state, taken = acceptor.start, []
    while True:
        token = random.choice(acceptor.tokens(state, vocabulary))
        if token == END:
            return taken, state
        taken.append(token)
        after = acceptor.advance(state, vocabulary.tokens[token])
        assert after is not None
        state = after


def denied(numbers: range) -> list[int]:
    """Return the random walks whose text does not pass."""
    found = []
    for number in numbers:
        facts, spec = told(number)
        vocabulary = (Vocabulary(), PIECES)[number % 2]
        acceptor = Acceptor(facts, spec)
        tokens, state = walk(acceptor, vocabulary, Random(number))
        narrative = acceptor.narrative(state, "walk")
        if vocabulary.decode(tokens) != narrative.text or not verify(narrative, facts).passed:
            found.append(number)
    return found


def accepts(acceptor: Acceptor, text: str) -> bool:
    state = acceptor.advance(acceptor.start, text.encode())
    return state is not None and acceptor.may_end(state)


def test_whatever_is_chosen_under_the_mask_passes():
    assert denied(range(150)) == []


@pytest.mark.slow
def test_of_ten_thousand_random_walks_none_is_denied():
    assert denied(range(1000, 11000)) == []


@settings(max_examples=150, deadline=None)
@given(evidences, st.sampled_from(LENGTHS), st.sampled_from(REGISTERS), st.integers(0, 10**6))
def test_all_that_the_embedded_writer_writes_is_accepted_and_its_claims_come_back(
    facts, length, register, seed
):
    spec = NarrateSpec(length=length, register=register, seed=seed)
    narrative = write(facts, spec, 0)
    acceptor = Acceptor(facts, spec)
    state = acceptor.advance(acceptor.start, narrative.text.encode())
    assert state is not None
    assert acceptor.may_end(state)
    assert [claim.text for claim in state.claims] == [claim.text for claim in narrative.claims]
    assert {claim.cites for claim in state.claims} == {claim.cites for claim in narrative.claims}


@settings(max_examples=100, deadline=None)
@given(evidences, st.data())
def test_a_text_that_is_cut_or_altered_anywhere_is_refused_or_passes_the_verifier(facts, data):
    spec = NarrateSpec(length="short")
    text = write(facts, spec, 0).text
    acceptor = Acceptor(facts, spec)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("0123456789 .,abcnot"))
    for changed in (
        text[:place],
        text[:place] + letter + text[place + 1 :],
        text[:place] + letter + text[place:],
    ):
        if accepts(acceptor, changed):
            state = acceptor.advance(acceptor.start, changed.encode())
            assert state is not None
            assert verify(acceptor.narrative(state, "changed"), facts).passed


@settings(max_examples=60, deadline=None)
@given(evidences, st.integers(0, 10**6))
def test_forced_bytes_are_the_only_way_on_and_allowed_tokens_are_all_there_are(facts, seed):
    acceptor, random = Acceptor(facts, NarrateSpec(length="short")), Random(seed)
    state: State | None = acceptor.start
    for _ in range(60):
        assert state is not None
        forced = acceptor.forced(state)
        if forced:
            assert acceptor.next_bytes(state) == [forced[0]]
            after = acceptor.advance(state, forced)
            assert after is not None
            assert len(acceptor.next_bytes(after)) != 1 or after.depth == 0
        else:
            allowed = set(acceptor.tokens(state, PIECES))
            possible = {
                number
                for number, token in enumerate(PIECES.tokens)
                if number != END and acceptor.advance(state, token) is not None
            }
            assert allowed - {END} == possible
            if not possible:
                break
            after = acceptor.advance(state, PIECES.tokens[random.choice(sorted(possible))])
        state = after


def test_under_a_rule_on_words_no_sentence_that_breaks_it_can_be_told():
    facts, spec = told(8)
    rule = Fact(id="r1", kind="rule", name="forbidden", text="rule", value="raised", unit="text")
    ruled = replace(facts, facts=(*facts.facts, rule))
    texts = [each.claim.text for group in Acceptor(ruled, spec).sentences.values() for each in group]
    free = [each.claim.text for group in Acceptor(facts, spec).sentences.values() for each in group]
    assert texts == [text for text in free if "raised" not in text.split()]
    assert len(texts) < len(free)


def test_no_sentence_tells_what_was_told_and_a_demand_is_never_made_unmeetable():
    facts, spec = told(8)
    acceptor = Acceptor(facts, spec)
    _, state = walk(acceptor, PIECES, Random(1))
    points = [
        point
        for claim in state.claims
        for group in acceptor.sentences.values()
        for sentence in group
        if sentence.claim == claim
        for point in sentence.points
    ]
    assert len(set(points)) == len(points)
    assert acceptor.demands <= set(points)


def test_evidence_of_which_nothing_can_be_told_has_no_way_on():
    facts = evidence(1)
    bare = Evidence(id=facts.id, facts=tuple(fact for fact in facts.facts if fact.kind != "score"))
    acceptor = Acceptor(bare, NarrateSpec())
    assert acceptor.tokens(acceptor.start, PIECES) == []
    assert not verify(Narrative(claims=(), writer="none"), bare).passed
