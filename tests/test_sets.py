"""Claims about generated sets: what is true is told and passes, what is changed is denied, twice over."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from evidences_sets import fact, set_evidence
from foretell.narration.embedded import write
from foretell.records import CONTRADICTED, OMITTED, Claim, Evidence, Narrative
from foretell.report.views import more
from foretell.spec import NarrateSpec
from foretell.verification import verify
from mutants import MUTATIONS, mutants
from rewordings import altered, reworded
from second_checker import World, accepts

LENGTHS, LANGUAGES, REGISTERS = ("short", "medium", "long"), ("en", "de"), ("expert", "plain")


def told(seed: int) -> tuple[Evidence, NarrateSpec]:
    """Return another evidence, length, language and register for every seed."""
    language = LANGUAGES[seed % 2]
    spec = NarrateSpec(
        length=LENGTHS[seed % 3], seed=seed, language=language, register=REGISTERS[seed // 2 % 2]
    )
    return set_evidence(seed, hostile=seed % 5 == 0, language=language), spec


def test_every_set_is_told_truthfully_and_both_checkers_agree():
    for seed in range(90):
        facts, spec = told(seed)
        narrative = write(facts, spec, 0)
        verdict = verify(narrative, facts)
        assert verdict.passed, (seed, narrative.text, [f.fault for f in verdict.findings if f.fault])
        assert accepts(narrative, World(facts)), (seed, narrative.text)


def test_mutants_of_texts_about_sets_are_caught():
    made, missed = Counter(), Counter()
    for seed in range(60):
        facts, spec = told(seed)
        narrative = write(facts, spec, 0)
        for name, changed in mutants(narrative, facts, Random(seed)):
            made[name] += 1
            missed[name] += verify(changed, facts).passed
    assert sum(made.values()) > 1_000
    assert len(made) > 0.6 * len(MUTATIONS)
    assert +missed == Counter()


def disagreements(seeds: range) -> list[str]:
    """Return the texts on which the two checkers differ: own ones, false ones, and others."""
    apart = []
    for seed in seeds:
        (facts, spec), random = told(seed), Random(seed)
        own = write(facts, spec, 0)
        others = [claim.text for claim in write(facts, replace(spec, length="long"), 1).claims]
        texts = [own, *(changed for _, changed in mutants(own, facts, random))]
        texts += [reworded(own, others, facts, random) for _ in range(5)]
        worlds = [(text, facts) for text in texts] + [(own, altered(facts, random)) for _ in range(5)]
        apart += [
            f"{seed}: verifier {verify(text, held).passed}: {text.text}"
            for text, held in worlds
            if verify(text, held).passed != accepts(text, World(held))
        ]
    return apart


def test_two_checkers_agree_on_texts_about_sets():
    apart = disagreements(range(12))
    assert not apart, "\n".join(apart)


@pytest.mark.slow
def test_two_checkers_agree_on_many_texts_about_sets():
    apart = disagreements(range(1_000, 1_080))
    assert not apart, "\n".join(apart)


def changed(facts: Evidence, kind: str, **detail: object) -> Evidence:
    """Return the evidence with other details of its facts of a kind."""
    held = tuple(
        replace(fact, detail={**fact.detail, **detail}) if fact.kind == kind else fact for fact in facts.facts
    )
    return replace(facts, facts=held)


def of(kind: str, **detail: object) -> tuple[Evidence, str]:
    """Return evidence in which a fact of a kind says so, and its text of medium length."""
    seed = next(seed for seed in range(0, 400, 2) if set_evidence(seed).of(kind))
    facts = changed(set_evidence(seed), kind, **detail)
    return facts, write(facts, NarrateSpec(length="medium"), 0).text


@pytest.mark.parametrize(
    ("kind", "good", "bad", "sentence"),
    [
        ("novelty", {"low": 0.49, "high": 0.52, "n": 500}, {"low": 0.51, "high": 0.55}, "finds no copying"),
        ("novelty", {"low": 0.49, "high": 0.52, "n": 500}, {"n": 60}, "finds no copying"),
        ("membership", {"low": 0.49, "n": 500}, {"low": 0.51}, "within chance"),
        ("bias", {"beyond": False}, {"beyond": True}, "beyond chance"),
        ("licence", {"stated": True}, {"stated": False, "permitted": True}, "The licence of the data"),
    ],
)
def test_what_the_evidence_does_not_license_is_not_said(kind, good, bad, sentence):
    facts, text = of(kind, **good)
    narrative = Narrative(claims=(Claim(text=text),), writer="test", length="medium")
    assert sentence in text and verify(narrative, facts).passed
    verdict = verify(narrative, changed(facts, kind, **bad))
    assert {CONTRADICTED, OMITTED} & {finding.status for finding in verdict.findings}


@pytest.mark.parametrize("length", LENGTHS)
def test_no_text_leaves_out_what_speaks_against_a_set(length):
    """Missed goals, copying and the licence may be left out of no text of any length."""
    for seed in range(0, 60, 2):
        facts = set_evidence(seed)
        claims = write(facts, NarrateSpec(length=length), 0).claims
        for place, claim in enumerate(claims):
            if claim.production.split(".")[0] in ("made", "missed", "copy", "right"):
                rest = Narrative(claims=claims[:place] + claims[place + 1 :], writer="test", length=length)
                again = [one for one in rest.claims if one.production == claim.production]
                assert again or not verify(rest, facts).passed, claim.text


def test_further_values_of_a_set_are_told_as_what_they_are():
    attack = fact("membership", "likelihood", "pairs", 0.6, "share", n=200, low=0.5, high=0.7, floor=0.5)
    assert "by chance: 50" in more(attack) and "real data" not in more(attack)
    longest = fact(
        "verbatim", "longest", "stretch", 31, "characters", n=200, line=24, share=0.25, floor=0.125
    )
    for said in ("200 stretches", "in 25.0% of stretches", "in 12.5% of real ones", "from 24 characters on"):
        assert said in more(longest)
