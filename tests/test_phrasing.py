"""What a sentence of a house's own says is licensed word by word: whatever people write, invent or forge."""

import re
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidences import HOSTILE, evidence
from foretell.narration.candidates import candidates
from foretell.narration.embedded import write
from foretell.narration.habits import Approved
from foretell.records import Claim, Evidence, Narrative
from foretell.spec import NarrateSpec
from foretell.verification import verify
from foretell.verification.grammar import grammar
from foretell.verification.wordings import Wording, as_facts, extended, fault
from houses import OWN, OWN_GERMAN, edited
from mutant_words import INJECTED, words
from mutants import MUTATIONS, mutant

MEDIUM = NarrateSpec()
SEEDS = st.integers(0, 10**6)
HOUSES = [("en", own) for own in OWN] + [("de", own) for own in OWN_GERMAN]
FORM = ("omission", "reordering", "letter case", "white space", "punctuation", "spliced sentences")
"""Ways to change a text after which each of its sentences may still be true."""
CLAIMS = {
    "en": (
        *("the customer lied", "fraud", "because of the customer", "which proves it", "certainly", "not"),
        *("never", "this is", "guilty", "suspicious", "likely", "therefore", "twice", "three", "the highest"),
        *("approve", "please close the case", "as the policy asks", "verified by compliance", "all", "only"),
        *("stolen", "above", "below", "more than", "rising", "unlike others", "as always", "caused by"),
        *("which raises the score", "under the law", "report to the police", "system", "ignore", "false"),
    ),
    "de": (
        *("Betrug", "wegen des Kunden", "was es beweist", "sicher", "nicht", "nie", "schuldig", "verdächtig"),
        *("daher", "doppelt so viel", "drei", "genehmigen", "bitte schließen", "laut Richtlinie", "alle"),
        *("geprüft von der Revision", "gestohlen", "über", "unter", "mehr als", "nur", "der Kunde log"),
    ),
}
"""What no fact says: causes, certainty, negation, ranks, figures, directions, guilt, orders, policies."""


def approved(text: str, one: Evidence) -> list[tuple[Approved, str]]:
    return [(Approved(evidence=one, text=text), "")]


def told(own: Wording, language: str, number: int) -> list[tuple[Evidence, Narrative, str]]:
    """Return evidence, a text of a house that has a sentence of its own, and that sentence."""
    found = []
    for seed in range(300):
        one = evidence(seed, language=language)
        text = edited(seed, one, MEDIUM, own)
        mine = [claim.text for claim in text.claims if claim.production == own.name]
        if mine:
            found.append((one, text, mine[0]))
            if len(found) == number:
                break
    return found


@pytest.mark.parametrize(("language", "own"), HOUSES)
def test_what_people_say_anew_becomes_a_candidate_that_tells_the_same(language, own):
    assert fault(own, language) == ""
    rows = told(own, language, 6)
    found = candidates([(Approved(evidence=one, text=text.text), "") for one, text, _ in rows], language)
    assert len(rows) == 6
    assert found, own.text
    assert found[0].wording.text == own.text
    assert found[0].num_texts == 6


def around(sentence: str, claim: str, at: int) -> tuple[str, ...]:
    """Return a sentence with a claim before it, behind it, and in it at a blank."""
    return (
        f"{claim[0].upper()}{claim[1:]}: {sentence[0].lower()}{sentence[1:]}",
        f"{sentence[:-1]}, {claim}.",
        f"{sentence[:at]} {claim}{sentence[at:]}",
        f"{sentence[:at]}, {claim},{sentence[at:]}",
        f"{sentence[:at]} ({claim}){sentence[at:]}",
    )


@pytest.mark.parametrize(("language", "own"), HOUSES)
def test_no_claim_can_stand_anywhere_in_a_sentence_of_a_houses_own(language, own):
    blanks = [
        at for at, mark in enumerate(own.text) if mark == " " and "{" not in own.text[at:].split("}")[0]
    ]
    for claim in CLAIMS[language]:
        for at in [0, *(at for at in blanks if at)]:
            for text in around(own.text, claim, at):
                assert fault(replace(own, text=text), language), text


@pytest.mark.parametrize(("language", "own"), HOUSES)
def test_no_claim_that_people_add_to_a_sentence_of_their_own_becomes_a_candidate(language, own):
    one, _, sentence = told(own, language, 1)[0]
    places = [match.start() for match in re.finditer(" ", sentence)]
    for number, claim in enumerate(Random(own.text).sample(CLAIMS[language], 4)):
        for text in around(sentence, claim, places[number % len(places)])[number % 5 :][:2]:
            assert candidates(approved(text, one), language) == (), text


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(HOUSES), st.text("abcdefghiklmnoprstuwzäöüß", min_size=3, max_size=12), st.data())
def test_a_word_that_is_in_no_list_and_no_licence_is_admitted_nowhere(house, word, data):
    language, own = house
    parts = own.text.split(" ")
    at = data.draw(st.integers(0, len(parts)))
    changed = replace(own, text=" ".join([*parts[:at], word, *parts[at:]]))
    known = "".join(OWN_WORDS[language])
    if word not in known:
        assert fault(changed, language), changed.text


def _own_words(language: str) -> list[str]:
    from foretell.verification.lexicon import LEXICONS

    said = [option.key.lower() for claim in grammar(language).claims for option in claim.alternatives]
    return [*LEXICONS[language].words(), *said, *(own.text.lower() for _, own in HOUSES)]


OWN_WORDS = {language: _own_words(language) for language in ("en", "de")}


SLOTS = ("{i.text}", "{i}", "{h.text}", "{h}")
JOINTS = (
    " ",
    ", ",
    " and ",
    " with ",
    " beside ",
    " against ",
    ": ",
    " of ",
    " is ",
    ", which is ",
    " for ",
    " at ",
)


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(("", "Note ", "Compare ", "For our files: ", "In short, ")),
    st.lists(st.tuples(st.sampled_from(SLOTS), st.sampled_from(JOINTS)), min_size=2, max_size=5),
)
def test_of_values_side_by_side_each_name_stands_beside_its_own_value(frame, parts):
    text = frame + "".join(slot + joint for slot, joint in parts[:-1]) + parts[-1][0] + "."
    if fault(Wording(text=text, licences=("figures.times",)), "en"):
        return
    slots = [slot for slot, _ in parts]
    while slots:  # in pairs of a name and its own value, or values alone
        pair = {f"{{{slots[0][1]}}}", f"{{{slots[0][1]}.text}}"}
        assert "text" not in slots[0] or set(slots[:2]) == pair, text
        slots = slots[2:] if set(slots[:2]) == pair else slots[1:]


@pytest.mark.slow  # 38 classes a text, each aligned with all that is true of its evidence
@settings(max_examples=12, deadline=None)
@given(SEEDS, st.sampled_from(HOUSES))
def test_no_false_sentence_of_any_class_becomes_a_candidate(seed, house):
    language, own = house
    one = evidence(seed, language=language)
    text = edited(seed, one, MEDIUM, own)
    before = {claim.text for claim in text.claims}
    for name in MUTATIONS:
        false = mutant(name, text, one, Random(seed))
        if false is not None and name not in FORM:
            found = candidates(approved(false.text, one), language)
            # What is put into a sentence may leave its true end as a sentence of its own.
            assert all(any(true.endswith(each.example) for true in before) for each in found), name


def test_a_sentence_with_a_hedge_that_its_value_may_not_have_becomes_no_candidate():
    said = "the probability would have been 19.3%"  # no hedge may widen what was supposed
    one = evidence(6)
    text = edited(6, one, MEDIUM, OWN[0]).text
    assert said in text
    assert not any("{f" in each.wording.text for each in candidates(approved(text, one)))
    widened = text.replace(said, said.replace("19.3%", "at least 19.3%"))
    assert not any("{f" in each.wording.text for each in candidates(approved(widened, one)))


def test_no_invented_or_injected_sentence_becomes_a_candidate_whatever_values_it_names():
    for language, own in HOUSES:
        one, _, sentence = told(own, language, 1)[0]
        tongue = words(one)
        for number, text in enumerate((*HOSTILE, *INJECTED, *tongue.invented, *tongue.injected)):
            ways = (text, f"{text} {sentence}", f"{sentence[:-1]}. {text}", f"{sentence[:-1]}; {text}")
            shown = ways[number % 4]
            found = candidates(approved(shown, one), language)
            assert {each.example for each in found} <= {sentence}, shown


@settings(max_examples=20, deadline=None)
@given(
    SEEDS, st.sampled_from(CLAIMS["en"]), st.sampled_from(("figures.times", "what.value", "opening.alert"))
)
def test_a_forged_sentence_in_the_evidence_is_read_by_no_verifier(seed, claim, licence):
    one = evidence(seed)
    texts = (f"Note {{i}}, {claim}.", f"{claim} {{score}}.", "The {h.text} of {i}.", f"{claim}.")
    forged = tuple(Wording(text=text, licences=(licence,), instead=True) for text in texts)
    brought = replace(one, facts=(*one.facts, *as_facts(forged, "style 0")))
    assert extended("en", forged).groups.keys() == grammar("en").groups.keys()
    good = write(one, MEDIUM, 0).text
    assert verify(Narrative(claims=(Claim(text=good),), writer="x"), brought).passed
    for fact in (fact for fact in one.facts if fact.kind == "input"):
        text = f"{good} Note {fact.value}, {claim}."
        assert not verify(Narrative(claims=(Claim(text=text),), writer="x"), brought).passed


@pytest.mark.parametrize(
    "text",
    [
        "The principal reason for the score is {a.text}.",
        "For our files: the model's score is increased most by {a.text}.",
    ],
)
def test_a_sentence_of_the_grammar_in_other_words_needs_its_whole_licence(text):
    whole = Wording(text=text, licences=("why.single", "<pressing>"))
    assert fault(whole, "en") == ""
    for licences in (("why.single",), ("more.single", "<also_pressing>"), ("why.lowered", "<easing>"), ()):
        assert fault(replace(whole, licences=licences), "en")
    for false in (text.replace("{a.text}", "{d.text}"), text.replace("{a.text}", "{b.text}")):
        assert fault(replace(whole, text=false), "en")
