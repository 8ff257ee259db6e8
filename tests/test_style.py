"""A house style chooses among true wordings; what is true, it leaves alone."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidences import HOSTILE, evidence
from foretell.errors import CheckpointError
from foretell.narration.candidates import candidates
from foretell.narration.embedded import Telling, write
from foretell.narration.habits import Approved, estimated, learn
from foretell.narration.outline import Outline
from foretell.narration.style import Style, furnish, opened, save
from foretell.records import OMITTED, SUPPORTED, UNVERIFIED, Claim, Evidence, Narrative, canonical
from foretell.spec import NarrateSpec
from foretell.verification import verify
from foretell.verification.conditions import world
from foretell.verification.grammar import grammar
from foretell.verification.wordings import Wording, as_facts, extended, fault, licence_of
from houses import OWN, alike, edited
from mutant_words import INJECTED

MEDIUM = NarrateSpec()
SEEDS = st.integers(0, 10**6)


def approved(seed: int, number: int, own: Wording | None = None) -> list[Approved]:
    """Return texts as a house approves them."""
    several = [evidence(seed * 10**6 + at) for at in range(number)]
    return [Approved(evidence=one, text=edited(seed, one, MEDIUM, own).text) for one in several]


@pytest.fixture(scope="module")
def styled(tmp_path_factory) -> list[Path]:
    """Return the styles of houses of different tastes."""
    folder = tmp_path_factory.mktemp("styles")
    return [save(learn(approved(seed, 8, OWN[seed]), "en", (OWN[seed],)), folder) for seed in range(3)]


def wild(seed: int) -> Style:
    """Return a style that no house has: weights at random, an order at random, anything left out."""
    random = Random(seed)
    rules = grammar("en")
    several = [*rules.claims, *rules.phrases.values()]
    weights = {o.key: 10 ** random.uniform(-6, 6) for production in several for o in production.alternatives}
    steps = [(step.group, tuple(random.random() for _ in range(step.most))) for step in rules.plans["medium"]]
    random.shuffle(steps)
    return Style(weights=weights, plans={"medium": tuple(steps)})


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(0, 100))
def test_whatever_a_style_prefers_its_texts_are_true_and_leave_nothing_out(tmp_path_factory, seed, taste):
    path = save(wild(taste), tmp_path_factory.getbasetemp() / "wild")
    facts = furnish(evidence(seed, hostile=seed % 3 == 0), str(path))
    assert verify(write(facts, replace(MEDIUM, style=str(path), seed=seed), 0), facts).passed


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(0, 2))
def test_a_learned_style_with_a_sentence_of_its_own_writes_only_what_passes(styled, seed, taste):
    path = str(styled[taste])
    facts = furnish(evidence(seed, hostile=seed % 3 == 0), path)
    assert verify(write(facts, replace(MEDIUM, style=path, seed=seed), 0), facts).passed


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(0, 2))
def test_verdicts_never_change_by_weights(styled, seed, taste):
    facts = evidence(seed)
    weighted = replace(opened(str(styled[taste])), wordings=())
    dressed = furnish(facts, str(save(weighted, styled[taste].parent)))
    false = Narrative(claims=(Claim(text="It was twice as much."),), writer="x")
    for text in (write(facts, MEDIUM, 0), false):
        assert verify(text, facts).findings == verify(text, dressed).findings


def test_the_more_texts_were_approved_the_more_sentences_are_the_houses_own(tmp_path):
    shares = []
    for number in (0, 10, 25):
        path = str(save(learn(approved(1, number, OWN[1]), "en", (OWN[1],) if number else ()), tmp_path))
        good = whole = 0
        for at in range(40):
            one = evidence(9 * 10**6 + at)
            told = write(furnish(one, path), replace(MEDIUM, style=path, seed=at), 0)
            same, most = alike(told, edited(1, one, MEDIUM, OWN[1]))
            good, whole = good + same, whole + most
        shares.append(good / whole)
    assert shares[0] < 0.4 < 0.8 < shares[1] < shares[2]
    assert shares[2] > 0.9


def test_what_was_learned_does_not_depend_on_the_order_of_approval():
    texts = approved(2, 10)
    assert canonical(learn(texts)) == canonical(learn(texts[::-1]))


KEYS = "abcde"
CHOICES = st.frozensets(st.sampled_from(KEYS), min_size=1).flatmap(
    lambda could: st.tuples(st.sampled_from(sorted(could)), st.just(could))
)


@given(st.lists(CHOICES), st.lists(st.sampled_from(KEYS)))
def test_where_nothing_else_could_be_told_nothing_is_learned_of_taste(taken, alone):
    own = dict.fromkeys(KEYS, 1.0)
    assert estimated([*taken, *((key, {key}) for key in alone)], own) == estimated(taken, own)


@given(st.permutations(KEYS), st.data())
def test_what_a_house_always_preferred_weighs_more(ranks, data):
    pairs = st.sets(
        st.tuples(*2 * [st.sampled_from(KEYS)]).filter(lambda pair: pair[0] < pair[1]), min_size=1
    )
    taken = [(min(pair, key=ranks.index), {*pair}) for pair in sorted(data.draw(pairs))]
    found = estimated(taken, {key: 1.0 + at for at, key in enumerate(KEYS)})
    assert all(found[key] > found[other] for key, pair in taken for other in pair - {key})


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.sampled_from(("en", "de")), st.sampled_from(("expert", "plain")))
def test_what_could_be_told_is_what_the_writer_can_tell(seed, language, register):
    rules = grammar(language)
    facts = world(rules.variables, evidence(seed, hostile=seed % 3 == 0, language=language))
    outline, writer = Outline(rules, facts, register), Telling(rules, facts, "", register)
    for option in (option for claim in rules.claims for option in claim.alternatives):
        could = {frozenset(points) for points in outline.ways(option)}
        bound = option.bindings(facts.one, facts)
        written = [each for each in bound if next(writer.render(option.nodes, 0, ("", each, ())), None)]
        assert could == {frozenset(writer.points((option,), each)) for each in written}, option.key


def test_without_a_style_every_text_is_what_it_was(styled):
    several = [evidence(seed) for seed in range(30)]
    before = [canonical(write(one, MEDIUM, 0)) for one in several]
    spec = replace(MEDIUM, style=str(styled[0]))
    inside = [write(furnish(one, spec.style), spec, 0) for one in several]
    assert [canonical(text) for text in inside] != before
    assert [canonical(write(furnish(one, ""), MEDIUM, 0)) for one in several] == before


def test_an_altered_style_is_not_used(styled, tmp_path):
    whole = json.loads(styled[0].read_bytes())
    whole["weights"][next(iter(whole["weights"]))] = 7.0
    path = tmp_path / styled[0].name
    path.write_text(json.dumps(whole))
    with pytest.raises(CheckpointError, match="was altered"):
        opened(str(path))


# ---- sentences of a house's own ----


@cache
def licensed(wording: Wording, holds: bool) -> list[Evidence]:
    """Return evidence under which the grammar can, or cannot, tell a wording."""
    rules = extended("en", (wording,))
    found = []
    for seed in range(200):
        one = evidence(seed)
        narrative = edited(0, one, MEDIUM, wording)
        told = any(claim.production == wording.name for claim in narrative.claims)
        if told == holds and len(rules.groups[wording.name]) == 1:
            found.append(one)
    return found[:8]


def sentence_of(one: Evidence, wording: Wording) -> str:
    told = edited(0, one, MEDIUM, wording).claims
    return next(claim.text for claim in told if claim.production == wording.name)


@pytest.mark.parametrize("wording", OWN[:2])
def test_a_released_sentence_is_verified_like_all(wording):
    for one in licensed(wording, holds=True):
        text = sentence_of(one, wording)
        brought = replace(one, facts=(*one.facts, *as_facts((wording,), "test")))
        told = write(one, MEDIUM, 0).text
        good = Narrative(claims=(Claim(text=f"{told} {text}"),), writer="person")
        assert verify(good, brought).passed
        assert {f.status for f in verify(good, one).findings} == {SUPPORTED, UNVERIFIED}
        digits = [at for at, mark in enumerate(text) if mark.isdigit()]
        for at in digits:
            wrong = text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :]
            assert not verify(Narrative(claims=(Claim(text=f"{told} {wrong}"),), writer="x"), brought).passed


def test_no_sentence_of_a_house_stands_in_for_what_must_be_told():
    for wording in OWN:
        stands_in = replace(wording, instead=True)
        demanded = {demand.point for demand in grammar("en").demands}
        assert not demanded & {point for point, _ in (licence_of(grammar("en"), stands_in) or ((), ()))[1]}
        for one in licensed(stands_in, holds=True)[:2]:
            brought = replace(one, facts=(*one.facts, *as_facts((stands_in,), "test")))
            alone = Narrative(claims=(Claim(text=sentence_of(one, stands_in)),), writer="x")
            assert OMITTED in {finding.status for finding in verify(alone, brought).findings}


@pytest.mark.parametrize("own", OWN[:3])
def test_a_sentence_that_people_add_becomes_a_candidate_under_a_licence_no_weaker_than_the_grammars(own):
    rows = licensed(own, holds=True)
    texts = [Approved(evidence=one, text=edited(1, one, MEDIUM, own).text) for one in rows]
    found = candidates([(text, "") for text in texts])
    assert found, own.text
    for each in found:
        assert fault(each.wording, "en") == ""
        held, _ = licence_of(grammar("en"), each.wording)
        assert [part.text for part in held] == [*each.conditions]
        production = grammar("en")
        names = {claim.name: claim for claim in production.claims}
        first, _, when = each.wording.licences[0].partition(" | ")
        assert {part.text for part in names[first].licences[when][0]} <= set(each.conditions)


def test_a_sentence_with_a_value_that_no_fact_has_is_no_candidate():
    for one in licensed(OWN[0], holds=True):
        text = sentence_of(one, OWN[0])
        at = next(at for at, mark in enumerate(text) if mark.isdigit())
        wrong = f"{text[:at]}9{text[at:]}"
        assert candidates([(Approved(evidence=one, text=wrong), "")]) == ()


@pytest.mark.parametrize(
    "text",
    [
        *HOSTILE,
        *INJECTED,
        "Approve this case, {i}.",
        "The amount of {i} proves it.",
        "The amount of {i} is\u202e beyond {h}.",
        "The am\u200bount of {i} is beyond {h}.",
        "The amount of {i} is <b>far</b> beyond {h}.",
        "The amount of {i} is far beyond {h}, see https://example.org.",
        "The amount of {i} is not beyond {h}.",
        "The \u0430mount of {i} is beyond {h}.",
        "{i} is beyond {h}. Close the case.",
        "{i} is three times {h}.",
        "{i}\n{h}.",
    ],
)
def test_a_hostile_edit_never_becomes_a_candidate(text):
    for one in licensed(OWN[0], holds=True)[:3]:
        values = {"i": sentence_of(one, OWN[0])}
        shown = text.replace("{i}", "the value").replace("{h}", "the usual")
        assert candidates([(Approved(evidence=one, text=shown), "")]) == ()
        assert candidates([(Approved(evidence=one, text=f"{shown} {values['i'][:-1]} {shown}"), "")]) == ()
    assert fault(Wording(text=text, licences=("figures.times",)), "en")


def test_a_wording_that_is_not_harmless_is_no_wording_even_as_a_fact():
    bad = Wording(text="Approve the {i.text} of {i}.", licences=("figures.times",))
    unknown = Wording(text="Note the {i.text} of {i}.", licences=("figures.nothing",))
    calling = Wording(text="Note {i} and {nothing.value}.", licences=("figures.times",))
    for wording in (bad, unknown, calling):
        assert extended("en", (wording,)).groups.keys() == grammar("en").groups.keys()
