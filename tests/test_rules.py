"""The owner's rules hold for every text, whoever wrote it."""

import re
import time
from dataclasses import replace
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evidences import evidence
from foretell import narration
from foretell.narration.embedded import write
from foretell.patterns import compiled, search
from foretell.records import FINE, REFUSED, WARNED, Claim, Evidence, Fact, Finding, Narrative
from foretell.spec import NarrateSpec
from foretell.verification import verify
from foretell.verification.folding import folded
from foretell.verification.readability import grade
from foretell.verification.rules import refuses

NOTICE = "A person decides; you may ask for the reasons."


def ruled(facts: Evidence, *rules: Fact) -> Evidence:
    """Return evidence with the owner's rules."""
    named = (replace(rule, id=f"r{index}") for index, rule in enumerate(rules))
    return replace(facts, facts=(*facts.facts, *named))


def rule(kind: str, value: str | float, name: str = "", **detail: str | float) -> Fact:
    return Fact(id="", kind="rule", name=kind, text=name or kind, value=value, unit="", detail=detail)


def broken(text: str, *rules: Fact, seed: int = 0) -> list[Finding]:
    """Return what the rules alone find in a text."""
    narrative = Narrative(claims=(Claim(text=text),), writer="test", length="short")
    verdict = verify(narrative, ruled(evidence(seed), *rules))
    return [found for found in verdict.findings if found.status in (REFUSED, WARNED)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["en", "de"]), st.sampled_from(["short", "medium", "long"]))
def test_a_required_sentence_stands_in_every_text_of_the_own_writer_and_is_missed_where_it_is_cut(
    seed, language, length
):
    facts = ruled(evidence(seed, language=language), rule("disclosure", NOTICE, "decision"))
    narrative = write(facts, NarrateSpec(length=length, language=language, seed=seed), 0)
    assert NOTICE in narrative.text
    assert verify(narrative, facts).passed
    cut = replace(narrative, claims=tuple(claim for claim in narrative.claims if NOTICE not in claim.text))
    found = [item for item in verify(cut, facts).findings if item.status not in FINE]
    assert [item.status for item in found] == [REFUSED]
    assert NOTICE in found[0].fault and "'decision'" in found[0].fault


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["short", "medium"]), st.floats(0, 1))
def test_a_rule_holds_for_its_lengths_and_scores_alone(seed, length, border):
    plain = evidence(seed)
    score = plain.of("score")[0].value
    assert isinstance(score, float)
    facts = ruled(plain, rule("disclosure", NOTICE, lengths="short", score_from=border))
    narrative = write(facts, NarrateSpec(length=length, seed=seed), 0)
    assert (NOTICE in narrative.text) == (length == "short" and score >= border)
    assert verify(narrative, facts).passed


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_the_own_writer_finds_words_that_are_not_forbidden(seed):
    plain = evidence(seed)
    spec = NarrateSpec(length="short", seed=seed)
    first = write(plain, spec, 0)
    facts = ruled(plain, rule("forbidden", "strongest"), rule("forbidden", "came up as an alert"))
    narrative = write(facts, spec, 0)
    if "strongest" in first.text.lower():
        assert any(found.status == REFUSED for found in verify(first, facts).findings)
    assert "strongest" not in narrative.text.lower()
    assert not [found for found in verify(narrative, facts).findings if found.status == REFUSED]


DISGUISES = (
    str.upper,
    lambda text: text.replace("a", "а").replace("e", "е").replace("o", "ο"),
    lambda text: "\u00ad".join(text),
    lambda text: "\u200b".join(text),
    lambda text: "".join(
        chr(ord(mark) + 0xFEE0) if mark.isascii() and mark.isalpha() else mark for mark in text
    ),
    lambda text: text.replace(" ", "\u00a0\n "),
    lambda text: text.replace("a", "á").replace("e", "ê").replace("u", "u\u0331"),
    lambda text: text.translate(str.maketrans("abdeglnortu", "ᴀʙᴅᴇɢʟɴᴏʀᴛᴜ")),
    lambda text: text.translate(str.maketrans("abdegu", "ⓐⓑⓓⓔⓖⓤ")),
)


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("phrase", ["guaranteed", "no doubt at all", "Straße", "größer"])
def test_a_forbidden_phrase_is_found_in_every_disguise_and_at_its_place(disguise, phrase):
    hidden = disguise(phrase)
    (found,) = broken(f"It is {hidden}, they say.", rule("forbidden", phrase))
    assert f"It is {hidden}, they say."[found.start : found.end].strip("\u00ad\u200b") == hidden
    assert found.status == REFUSED


@pytest.mark.parametrize("text", ["unguaranteed", "guaranteedly", "guarantee", "a gua ranteed", "große"])
def test_a_forbidden_phrase_inside_another_word_is_none(text):
    assert not broken(text, rule("forbidden", "guaranteed"), rule("forbidden", "grösse"))


def test_an_umlaut_makes_another_word():
    assert not broken("It is schön.", rule("forbidden", "schon"))
    assert broken("It is scho\u0308n.", rule("forbidden", "schön"))


@given(st.text(max_size=60))
def test_every_folded_character_leads_back_to_the_text(text):
    found = folded(text)
    assert len(found.places) == len(found.text) + 1
    assert list(found.places) == sorted(found.places)
    assert folded(found.text).text == found.text


@pytest.mark.parametrize(
    ("of", "text"),
    [
        ("email", "anna.berg+x@mail.example.org"),
        ("email", "ａnna@example.org"),
        ("phone", "+49 (0)30 1234-5678"),
        ("phone", "030 / 123 45 67"),
        ("phone", "0049301234567"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("iban", "gb29nwbk60161331926819"),
        ("card", "4111 1111 1111 1111"),
        ("card", "5500-0000-0000-0004"),
    ],
)
def test_personal_data_are_found_at_their_place(of, text):
    (found,) = broken(f"Ask for {text} now.", rule("personal", of))
    assert f"Ask for {text} now."[found.start : found.end] == text


@pytest.mark.parametrize(
    ("of", "text"),
    [
        ("email", "the ratio @ noon, or user@"),
        ("phone", "1,234,567.80 EUR on 2024-05-01 at 10:30, row 301234567, 0.0351234567"),
        ("iban", "DE88 3704 0044 0532 0130 00"),
        ("card", "4111 1111 1111 1112"),
    ],
)
def test_what_only_looks_like_personal_data_is_none(of, text):
    assert not broken(text, rule("personal", of))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_values_of_personal_columns_stand_in_no_text(seed):
    plain = evidence(seed)
    people = [fact for fact in plain.of("entity") if isinstance(fact.value, str)]
    # A branch named 2018 leaves no sentence that may tell the year.
    assume(not any(str(fact.value) in str(at.value) for fact in people for at in plain.of("instant")))
    facts = ruled(plain, *(rule("column", fact.name, fact.name) for fact in people), rule("column", "id"))
    narrative = write(facts, NarrateSpec(length="medium", seed=seed), 0)
    verdict = verify(narrative, facts)
    assert verdict.passed, [found for found in verdict.findings if found.status not in FINE]
    for fact in (*people, *(fact for fact in plain.of("term") if fact.name == "id")):
        said = Narrative(claims=(Claim(text=f"Ask {fact.value} again."),), writer="ann", length="medium")
        assert REFUSED in {found.status for found in verify(said, facts).findings}
        assert not any(folded(narrative.text).find(folded(str(fact.value)).text))


def test_an_owners_pattern_is_found_whole_and_in_time_that_grows_with_the_text_alone():
    (found,) = broken("His number is 123-45-6789.", rule("pattern", r"\d{3}-\d{2}-\d{4}"))
    assert (found.start, found.end) == (14, 25)
    assert not broken("Order 9123-45-67890.", rule("pattern", r"\d{3}-\d{2}-\d{4}"))
    started = time.process_time()
    assert search(compiled("(a+)+b"), "a" * 20_000) == []
    assert search(compiled("(a|aa)*c|(a*)*d"), "a" * 20_000) == []
    assert time.process_time() - started < 5


@pytest.mark.parametrize("pattern", ["(a|bc)+d?", "[A-C]{2}[12]{1,3}", "a(b|c|de)*f", "[^a]b|c", r"\w\s\w"])
def test_a_pattern_finds_the_leftmost_and_longest(pattern):
    dice = Random(pattern)
    for _ in range(300):
        text = "".join(dice.choice("abcdef x-12ABC") for _ in range(10))

        def border(place: int, text: str = text) -> bool:
            return not (0 < place < len(text) and text[place - 1].isalnum() and text[place].isalnum())

        wanted, pos = [], 0
        ends = [place for place in range(len(text) + 1) if border(place)]
        while True:
            spans = (
                (start, end)
                for start in ends
                for end in reversed(ends)
                if pos <= start < end and re.fullmatch(pattern, text[start:end], re.IGNORECASE)
            )
            match = next(spans, None)
            if match is None:
                break
            wanted.append(match)
            pos = match[1]
        assert search(compiled(pattern), text) == wanted


@pytest.mark.parametrize(
    "pattern", ["(", "a)", "*a", "a*", r"\q", "a{3,1}", "((a{100}){100})", "[", "", "a{x}"]
)
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(ValueError, match=r"."):
        compiled(pattern)


@pytest.mark.parametrize(("kind", "most"), [("words", 3), ("sentences", 1), ("reading", 2)])
def test_long_and_hard_texts_are_refused_or_warned_of(kind, most):
    text = "Considerable organisational responsibility accumulates. It is late."
    for severity, status in (("refuse", REFUSED), ("warn", WARNED)):
        (found,) = broken(text, rule(kind, most, severity=severity))
        assert (found.status, found.start, found.end) == (status, len(text), len(text))
    assert not broken(text, rule(kind, 1000))


def test_a_warning_alone_lets_a_text_pass():
    facts = ruled(evidence(3), rule("words", 1, severity="warn"))
    narrative, verdict = narration.narrate(facts, NarrateSpec(length="short"))
    assert verdict.passed
    assert narrative.claims and WARNED in {found.status for found in verdict.findings}


@pytest.mark.parametrize(
    "unknown", [rule("sonnet", "iambic"), rule("personal", "shoes"), rule("words", "few")]
)
def test_a_rule_that_is_not_known_refuses_rather_than_passes(unknown):
    (found,) = broken("It is late.", unknown)
    assert found.status == REFUSED


def test_harder_texts_have_higher_grades_in_both_languages():
    for language, easy, hard in (
        (
            "en",
            "The cat sat on the mat.",
            "Organisational responsibility accumulates considerable liabilities.",
        ),
        ("de", "Die Frau ist da.", "Wahrscheinlichkeitsabschätzungen verdeutlichen Verantwortlichkeiten."),
    ):
        assert grade(easy, 1, language) < 4 < 12 < grade(hard, 1, language)


def test_without_rules_nothing_is_refused_by_them():
    assert not refuses("You are guaranteed to win; write to a@b.example.", evidence(1), "short")
