"""Written values: a number, hedge, duration or ratio is read as true within what its words promise."""

import math
from dataclasses import replace
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evidences import evidence
from foretell import wording
from foretell.narration.embedded import write
from foretell.records import Claim, Fact, Narrative
from foretell.spec import NarrateSpec
from foretell.verification import verify
from foretell.verification.grammar import GRAMMARS, grammar, load
from foretell.verification.languages import HEDGES
from foretell.verification.readers import readers
from second_checker import World as SecondWorld
from second_checker import accepts
from second_reader import ends

LANGUAGES = st.sampled_from(sorted(GRAMMARS))
SIZES = st.floats(0.001, 1e9).filter(lambda value: float(f"{value:.4g}") > 0)


def read(text: str, truth: float, unit: str, language: str = "en") -> bool:
    """Return whether the whole text stands for the truth."""
    end, fault = readers(language).value(text, 0, truth, unit)
    return end == len(text) and not fault


@pytest.mark.parametrize(
    ("text", "truth", "unit", "language", "right"),
    [
        ("12,757.50", 12757.5, "", "en", True),
        ("12.757,50", 12757.5, "", "de", True),
        ("12.757,50", 12757.5, "", "en", False),
        ("12,757.50", 12757.5, "", "de", False),
        ("12.8k", 12757, "", "en", True),
        ("12.7k", 12757, "", "en", False),
        ("12.8 thousand", 12757, "", "en", True),
        ("EUR 1.3 million", 1_284_000, "EUR", "en", True),
        ("1,3 Mio. EUR", 1_284_000, "EUR", "de", True),
        ("1k", 1400, "", "en", False),
        ("nearly EUR 240", 231.5, "EUR", "en", True),
        ("nearly EUR 230", 231.5, "EUR", "en", False),
        ("more than EUR 230", 231.5, "EUR", "en", True),
        ("more than EUR 100", 231.5, "EUR", "en", False),
        ("about USD 230", 231.5, "EUR", "en", False),
        ("knapp 240 EUR", 231.5, "EUR", "de", True),
        ("gut 230 EUR", 231.5, "EUR", "de", True),
        ("about 100%", 0.996, "probability", "en", False),
        ("about 80%", 0.832, "probability", "en", True),
        ("83%", 0.832, "probability", "en", False),
        ("three weeks", 21, "days", "en", True),
        ("3 Wochen", 21, "days", "de", True),
        ("3 weeks", 24, "days", "en", False),
        ("1 days", 1, "days", "en", False),
        ("36 hours", 1.5, "days", "en", True),
        ("1.2 kg", 1200, "g", "en", True),
        ("1 kg", 1200, "g", "en", False),
        ("1.2 m", 1200, "g", "en", False),
        ("twice", 2.04, "ratio", "en", True),
        ("twice", 2.4, "ratio", "en", False),
        ("about five times", 5.2, "ratio", "en", True),
        ("five times", 5.2, "ratio", "en", False),
        ("doppelt", 2.0, "ratio", "de", True),
        ("5,1-mal", 5.12, "ratio", "de", True),
        ("a third", 0.334, "share", "en", True),
        ("half", 0.55, "share", "en", False),
        ("+1.02", 1.0231, "log-odds", "en", True),
        ("1.02", 1.0231, "log-odds", "en", False),
        ("+0.000001 million", 1.0231, "log-odds", "en", False),
        ("+0.1 million", 1e5, "log-odds", "en", False),
        ("-0.00", -0.001, "log-odds", "en", False),
        ("-0.001", -0.001, "log-odds", "en", True),
        ("50.0%", 0.5, "probability", "en", True),
        ("+50.0%", 0.5, "probability", "en", False),
        ("0.058 thousand%", 0.58, "probability", "en", False),
        ("0,5 Tsd. %", 5.0, "share", "de", False),
        ("1.2k times", 1200, "ratio", "en", False),
        ("0.1 million", 1e5, "", "en", True),
        ("0.05 million", 5e4, "", "en", False),
        ("0", 0.4, "", "en", False),
        ("1", 1.4, "", "en", False),
        ("232", 231.5, "", "en", True),
        ("0 days", 0.04, "days", "en", False),
        ("EUR 0.00", 0.004, "EUR", "en", False),
        ("0.0 times", 0.04, "ratio", "en", False),
        ("0.0%", 0.0004, "share", "en", False),
        ("0.04%", 0.0004, "share", "en", True),
        ("0.00%", 0.00004, "share", "en", False),
        ("less than 0.01%", 0.00004, "share", "en", True),
        ("weniger als 0,01 %", 0.00004, "probability", "de", True),
        ("less than 0.01%", 0.0, "share", "en", False),
        ("less than 0.02%", 0.00004, "share", "en", False),
        ("100.00%", 0.99999, "probability", "en", False),
        ("more than 99.99%", 0.99999, "probability", "en", True),
        ("nearly 99%", 0.96, "probability", "en", False),
        ("at most 99%", 0.96, "probability", "en", False),
        ("1.20e-05", 1.2e-5, "", "en", True),
        ("1.20e+05", 1.2e5, "", "en", False),
        ("12.0e-06", 1.2e-5, "", "en", False),
        ("40.3 percentage points", 0.4031, "points", "en", True),
        ("40.3%", 0.4031, "points", "en", False),
        ("second", 2, "ordinal", "en", True),
        ("second", 3, "ordinal", "en", False),
        ("August 8, 2018", "2018-08-08", "day", "en", True),
        ("08.08.2018", "2018-08-08", "day", "de", True),
        ("8. August 2018 um 14:05 UTC", "2018-08-08T14:05:00+00:00", "instant", "de", True),
        ("8. August 2018 um 14:06 UTC", "2018-08-08T14:05:00+00:00", "instant", "de", False),
    ],
)
def test_a_written_value_promises_what_its_words_say(text, truth, unit, language, right):
    assert read(text, truth, unit, language) is right


UNITS = ("EUR", "", "days", "bar", "ratio", "roughly", "duration", "change", "points", "log-odds")


@given(st.floats(1e-12, 1e9), st.sampled_from((*UNITS, "probability", "share")), LANGUAGES)
def test_what_is_written_is_read(value, unit, language):
    reading = {"duration": "days"}.get(unit, unit)
    value = min(value, 1.0) if unit in ("probability", "share") else value
    others = {"share": (1 - value,), "log-odds": (-value,)}
    for truth in (value, *others.get(unit, ())):
        assert read(wording.write(truth, unit, language), truth, reading, language)
    if unit in ("EUR", "", "days", "bar"):
        assert read(wording.about(value, unit, language), value, unit, language)


@given(SIZES, st.floats(0.3, 3), st.sampled_from(sorted(HEDGES)))
def test_a_hedge_is_true_within_its_range_alone(written, factor, hedge):
    written = float(f"{written:.3g}")
    truth = written * factor
    least, most, _ = HEDGES[hedge]
    text = f"{hedge} {wording.write(written, '')}"
    if factor < least - 0.06 or factor > most + 0.06:
        assert not read(text, truth, "")
    if least + 0.01 < factor < most - 0.01 and not math.isclose(factor, 1, abs_tol=0.01):
        assert read(text, truth, "")


@pytest.mark.parametrize(
    "number",
    ["1e+999", "1" + "0" * 400, "0." + "1" * 400, "9" * 400 + "k", "1e-999", "0", "1.0e+300 billion"],
)
@pytest.mark.parametrize("before", ["", "about ", "nearly ", "at least ", "EUR ", "about EUR "])
def test_no_number_is_too_large_to_be_denied(number, before):
    for unit in ("", "EUR", "days", "probability", "ratio", "count", "points"):
        for after in ("", "%", " times", " weeks", " percentage points"):
            assert not read(before + number + after, 231.5, unit)


@given(st.integers(2, 10**6), st.floats(0.001, 1e6))
def test_currencies_are_never_converted(cents, rate):
    value = cents / 100
    assert not read(f"USD {value * rate:,.2f}", value, "EUR")


@example("x❞ The customer is innocent. ‟", "en")
@example("a„b“c", "en")
@example("n\u0336o\u0336", "de")
@given(st.text(min_size=1, max_size=30), LANGUAGES)
def test_a_quotation_shows_every_character_and_ends_where_it_ends(value, language):
    quoted = wording.quoted(value, language)
    assert read(quoted, value, "text", language)
    opening, closing = wording.QUOTES[language]
    assert quoted.find(closing) == len(quoted) - 1
    assert quoted.startswith(opening)
    assert not set(quoted) & {"\u200b", "\u202e", "\u3164", "\ufe0f", "\n", "\u0336", "\u20dd"}
    assert not set(quoted[1:-1]) & set("“”„‟❝❞〝〞〟＂″‶ʺˮ")
    assert len(quoted) in ends(language, quoted, 0, value, "text")


def test_both_grammars_tell_the_same_points_in_the_same_plans():
    english, german = grammar("en"), grammar("de")
    told = [
        {
            (claim.name, claim.role, claim.after, option.when, option.tells)
            for claim in rules.claims
            for option in claim.alternatives
        }
        for rules in (english, german)
    ]
    assert told[0] == told[1]
    assert english.demands == german.demands
    assert english.plans == german.plans


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("translates en\nclaim sure.new\n1 | Neu.", "no such production"),
        ("translates en\nclaim sure.plain\nif record.n >= 0\n1 | Neu.", "leaves 'if'"),
        ("translates en\nclaim sure.thin\nwhen record.n >= 0\n1 | Neu.", "no licence"),
        ("translates en\nclaim sure.plain\n1 | Neu.", "is not translated"),
        (
            "one score = score\nclaim x.y\n1 | {difference(score.value, score.low):share}.",
            "not true of a difference",
        ),
        ("one score = score\nclaim x.y\n1 shrill | {score}.", "not a register"),
    ],
)
def test_a_translation_can_neither_weaken_a_licence_nor_leave_one_out(text, fault):
    with pytest.raises(ValueError, match=fault):
        load(text, "de")


@pytest.mark.parametrize("language", sorted(GRAMMARS))
def test_the_plain_register_names_neither_log_odds_nor_intervals(language):
    for seed in range(80):
        facts = evidence(seed, language=language)
        told = write(facts, NarrateSpec(length="long", seed=seed, register="plain"), 0).text
        for word in ("og-odds", "Log-Odds", "interval", "Intervall", "average precision"):
            assert word not in told
        assert not [part for part in told.split("(") if part[:1] in "+-" and part[1:2].isdigit()]


def test_a_text_is_read_in_the_language_of_its_evidence_alone():
    english, german = evidence(3), evidence(3, language="de")
    assert not verify(write(german, NarrateSpec(), 0), english).passed
    assert not verify(write(english, NarrateSpec(), 0), german).passed


def test_a_language_without_a_grammar_is_denied_by_name():
    facts = evidence(3)
    term = Fact(id="f99", kind="term", name="language", text="", value="tlh", unit="name")
    other = type(facts)(id=facts.id, model=facts.model, facts=(*facts.facts, term))
    verdict = verify(Narrative(claims=(Claim(text="Qapla'!"),), writer="test"), other)
    assert not verdict.passed
    assert "no grammar of the language 'tlh'" in verdict.findings[0].fault


@given(st.integers(0, 10**6), LANGUAGES, st.integers(1, 12))
def test_no_hedge_makes_another_number_true(seed, language, factor):
    """A hedged number that is a multiple of the truth is denied in whole sentences too."""
    facts = evidence(seed, language=language)
    narrative = write(facts, NarrateSpec(length="short", seed=seed), 0)
    score = next(fact for fact in facts.of("score"))
    shown = wording.write(score.value, "probability", language)
    hedge = Random(seed).choice(sorted(readers(language).language.hedges))
    wrong = wording.write(min(0.999, float(score.value or 0) / (1.4 * factor)), "probability", language)
    changed = narrative.text.replace(shown, f"{hedge} {wrong}")
    text = Narrative(claims=(Claim(text=changed),), writer="test", length="short")
    assert changed == narrative.text or not verify(text, facts).passed


@pytest.mark.parametrize("language", sorted(GRAMMARS))
@pytest.mark.parametrize("score", [0.0, 1e-9, 0.00009, 0.0001, 0.0049, 0.995, 0.9951, 0.9999, 0.99995, 1.0])
def test_the_own_writer_tells_scores_that_are_hardly_any_or_nearly_sure(score, language):
    for seed in range(6):
        facts = evidence(seed, language=language)
        ends = {"low": score / 2, "high": (1 + score) / 2, "base_rate": 0.00002}
        changed = tuple(
            replace(fact, value=score, detail={**fact.detail, **ends})
            if fact.kind == "score"
            else replace(fact, value=score * (1.2, 0.9)[seed % 2])
            if fact.kind == "threshold"
            else fact
            for fact in facts.facts
        )
        facts = replace(facts, facts=changed)
        for length in ("short", "medium", "long"):
            narrative = write(facts, NarrateSpec(length=length, seed=seed), 0)
            assert verify(narrative, facts).passed
            assert accepts(narrative, SecondWorld(facts))


@pytest.mark.parametrize("language", sorted(GRAMMARS))
def test_every_duration_of_whole_minutes_is_written_as_it_is_read(language):
    """Each of them, since some are ties: 22 hours and 27 minutes lie between 22.4 and 22.5 hours."""
    for minutes in range(1, 40 * 24 * 60):
        days = minutes * 60 / 86_400
        text = wording.write(days, "duration", language)
        assert read(text, days, "days", language), (minutes, text)
