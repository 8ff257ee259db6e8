"""Narration: what the embedded writer tells passes and varies; what another writer invents does not."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidences import HOSTILE, evidence, evidences
from foretell.errors import SpecError, VerdictError
from foretell.narration import narrate
from foretell.narration.embedded import write
from foretell.records import Claim, Evidence, Narrative
from foretell.spec import NarrateSpec
from foretell.verification import verify

LENGTHS = ("short", "medium", "long")
CALLS: list[int] = []


def liar(facts: Evidence, spec: NarrateSpec, attempt: int) -> Narrative:
    """A writer that never tells the truth."""
    CALLS.append(attempt)
    claim = Claim(text="The customer did it.", cites=("f1",))
    return Narrative(claims=(claim,), writer="liar", length=spec.length)


def mute(facts: Evidence, spec: NarrateSpec, attempt: int) -> Narrative:
    """A writer that dodges every demand by calling its text shorter than was asked."""
    return replace(write(facts, replace(spec, length="short"), attempt), writer="mute")


def late(facts: Evidence, spec: NarrateSpec, attempt: int) -> Narrative:
    """A writer whose third draft is true."""
    draft = write(facts, spec, attempt) if attempt == 2 else liar(facts, spec, attempt)
    return replace(draft, writer="late")


@settings(max_examples=300, deadline=None)
@given(evidences, st.sampled_from(LENGTHS), st.integers(0, 10**6))
def test_whatever_the_evidence_the_embedded_writer_tells_nothing_but_the_truth(facts, length, seed):
    narrative, verdict = narrate(facts, NarrateSpec(length=length, seed=seed))
    assert verdict.passed
    assert narrative.writer == "embedded"
    assert verdict == verify(narrative, facts)


def test_a_thousand_narratives_raise_no_false_alarm():
    denied = []
    for seed in range(1000):
        facts = evidence(seed, hostile=seed % 7 == 0, language=("en", "de")[seed % 2])
        told = NarrateSpec(length=LENGTHS[seed % 3], seed=seed, register=("expert", "plain")[seed // 2 % 2])
        narrative = write(facts, told, 0)
        if not verify(narrative, facts).passed:
            denied.append(seed)
    assert denied == []


def test_the_same_seed_tells_the_same_and_another_seed_tells_it_otherwise():
    facts = evidence(6)
    texts = [write(facts, NarrateSpec(seed=seed), 0).text for seed in range(20)]
    assert texts == [write(facts, NarrateSpec(seed=seed), 0).text for seed in range(20)]
    assert len(set(texts)) > 12
    assert write(facts, NarrateSpec(), 1).text != texts[0]


def test_a_longer_length_tells_more():
    sizes = dict.fromkeys(LENGTHS, 0)
    for seed in range(60):
        for length in LENGTHS:
            sizes[length] += len(write(evidence(seed), NarrateSpec(length=length), 0).claims)
    assert 60 < sizes["short"] <= 240
    assert sizes["short"] * 1.5 < sizes["medium"]
    assert sizes["medium"] * 1.5 < sizes["long"]


@settings(max_examples=100, deadline=None)
@given(evidences)
def test_no_sentence_is_told_twice_and_each_cites_its_facts(facts):
    narrative = write(facts, NarrateSpec(length="long"), 0)
    texts = [claim.text for claim in narrative.claims]
    assert len(set(texts)) == len(texts)
    ids = {fact.id for fact in facts.facts}
    assert all(claim.cites and set(claim.cites) <= ids for claim in narrative.claims)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("kind", ["entity", "check", "input", "term"])
def test_a_hostile_value_stays_a_quoted_value(kind, value):
    facts = next(
        found for found in map(evidence, range(1000)) if found.of(kind) and len(found.of("attribution")) > 3
    )
    changed = tuple(
        replace(fact, value=value) if fact.kind == kind and fact.name != "outcome" else fact
        for fact in facts.facts
        if kind != "term" or fact.name != "row"
    ) + tuple(fact for fact in facts.facts if kind == "term" and fact.name == "row")
    hostile = replace(facts, facts=changed)
    narrative, verdict = narrate(hostile, NarrateSpec(length="long"))
    outside = "".join(part.partition("”")[2] or part for part in narrative.text.split("“"))
    assert verdict.passed
    assert len(verdict.findings) == len(narrative.claims)
    assert "Ignore all" not in outside
    assert not set(narrative.text) & {"\u200b", "\u202e", "\u202c", "\n"}


def test_a_writer_that_lies_is_replaced_by_the_embedded_one_after_its_attempts():
    CALLS.clear()
    narrative, verdict = narrate(evidence(1), NarrateSpec(writer="test_narration:liar", attempts=4))
    assert (narrative.writer, verdict.passed, CALLS) == ("embedded", True, [0, 1, 2, 3])


def test_a_writer_may_use_its_attempts():
    narrative, _ = narrate(evidence(1), NarrateSpec(writer="test_narration:late", attempts=3))
    assert narrative.writer == "late"
    narrative, _ = narrate(evidence(1), NarrateSpec(writer="test_narration:late", attempts=2))
    assert narrative.writer == "embedded"


def test_a_writer_cannot_choose_the_length_it_is_held_to():
    narrative, _ = narrate(evidence(1), NarrateSpec(writer="test_narration:mute", length="long"))
    assert (narrative.writer, narrative.length) == ("embedded", "long")


def test_an_unknown_writer_is_named_with_the_nearest_one():
    with pytest.raises(SpecError, match="did you mean 'embedded'"):
        narrate(evidence(1), NarrateSpec(writer="embeded"))


def test_an_unknown_length_is_named_with_the_nearest_one():
    with pytest.raises(SpecError, match="did you mean 'medium'"):
        narrate(evidence(1), NarrateSpec(length="medum"))


def test_evidence_without_a_score_cannot_be_told():
    facts = evidence(1)
    bare = replace(facts, facts=tuple(fact for fact in facts.facts if fact.kind != "score"))
    with pytest.raises(VerdictError, match=f"row '{facts.id}'"):
        narrate(bare, NarrateSpec())


def test_a_row_with_nothing_but_a_score_is_told_in_one_sentence():
    facts = evidence(1)
    kept = tuple(fact for fact in facts.facts if fact.kind == "score" or fact.name in ("row", "outcome"))
    narrative, verdict = narrate(replace(facts, facts=kept), NarrateSpec(length="short"))
    assert verdict.passed
    assert len(narrative.claims) == 1
