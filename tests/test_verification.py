"""Verification: what is true passes, what is changed is denied, and the reason names the fact."""

import json
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from case_material import proposal
from evidences import evidence, evidences
from foretell.cases import Store
from foretell.narration.embedded import write
from foretell.records import (
    CONTRADICTED,
    OMITTED,
    SUPPORTED,
    UNVERIFIED,
    Claim,
    Evidence,
    Fact,
    Narrative,
    plain,
)
from foretell.spec import NarrateSpec
from foretell.verification import verify
from foretell.verification.conditions import World, read
from foretell.verification.grammar import grammar, load
from foretell.verification.verdict import POINTS, lines
from mutants import MUTATIONS, mutant, mutants

LENGTHS = ("short", "medium", "long")
SOURCE = Path(__file__).parents[1] / "src"

SCORE = {"low": 0.774, "high": 0.875, "base_rate": 0.008, "abstained": False}
TOP = {"rank": 1, "sign_stability": 0.99, "rank_stability": 0.93}
ALERT = Evidence(
    id="58312",
    facts=(
        Fact(id="f1", kind="term", name="row", text="", value="transaction"),
        Fact(id="f2", kind="term", name="outcome", text="", value="fraud"),
        Fact(id="f3", kind="term", name="id", text="", value="58312", unit="name"),
        Fact(id="f4", kind="entity", name="C", text="customer", value="4711", unit="name"),
        Fact(id="f5", kind="entity", name="T", text="terminal", value="99", unit="name"),
        Fact(
            id="f6",
            kind="instant",
            name="TIME",
            text="time",
            value="2018-08-08T14:05:00+00:00",
            unit="instant",
        ),
        Fact(
            id="f7", kind="score", name="probability", text="", value=0.832, unit="probability", detail=SCORE
        ),
        Fact(id="f8", kind="threshold", name="t", text="", value=0.41, unit="probability"),
        Fact(
            id="f9",
            kind="attribution",
            name="A@C",
            unit="log-odds",
            value=2.1,
            text="the amount against this customer's past",
            detail=TOP,
        ),
        Fact(
            id="f10",
            kind="attribution",
            name="hour",
            unit="log-odds",
            value=-0.42,
            text="the hour of the day",
            detail={**TOP, "rank": 2},
        ),
        Fact(id="f11", kind="input", name="A", text="amount", value=231.5, unit="EUR"),
        Fact(
            id="f12",
            kind="history",
            name="mean",
            unit="EUR",
            value=45.2,
            text="the customer's mean amount over the 30 days before",
            detail={"n": 41, "column": "A", "entity": "C", "stat": "mean"},
        ),
        Fact(id="f13", kind="check", name="A@C", text="", value="Call the card holder.", unit="text"),
    ),
)
OPENING = (
    "Transaction 58312 of 8 August 2018 at 14:05 UTC (customer 4711 and terminal 99) came up as an alert: "
    "the model puts the probability of fraud at 83.2%, above the threshold of 41.0%."
)
REASON = (
    "The score is raised most by the amount against this customer's past (+2.10 in log-odds), "
    "but lowered by the hour of the day."
)
FIGURE = (
    "At EUR 231.50, the amount came to 5.1 times the customer's mean amount over the 30 days before "
    "(EUR 45.20)."
)
CHECK = "On the amount against this customer's past, the check asked for next is: “Call the card holder.”"
NO_SENTENCE = "no sentence that the evidence supports says "
TRUE = (OPENING, REASON, FIGURE, CHECK)


def judged(*sentences: str, facts: Evidence = ALERT, length: str = "short"):
    claims = tuple(Claim(text=sentence) for sentence in sentences)
    return verify(Narrative(claims=claims, writer="test", length=length), facts)


def faults(*sentences: str, facts: Evidence = ALERT) -> list[tuple[str, str]]:
    found = judged(*sentences, facts=facts).findings
    return [(finding.status, finding.fault) for finding in found if finding.status != SUPPORTED]


def with_detail(fact_id: str, **detail) -> Evidence:
    changed = tuple(
        replace(fact, detail={**fact.detail, **detail}) if fact.id == fact_id else fact
        for fact in ALERT.facts
    )
    return replace(ALERT, facts=changed)


def test_a_true_text_passes_and_every_span_names_its_facts_and_its_derivation():
    verdict = judged(*TRUE)
    assert verdict.passed
    text = " ".join(TRUE)
    assert tuple(text[finding.start : finding.end] for finding in verdict.findings) == TRUE
    assert verdict.findings[2].facts == ("f11", "f12")
    assert "ratio(f11.value, f12.value) = 5.12" in verdict.findings[2].derivation


@pytest.mark.parametrize(
    ("old", "new", "fact"),
    [
        ("83.2%", "82.3%", "f7"),
        ("4711", "4712", "f4"),
        ("14:05", "14:50", "f6"),
        ("8 August", "9 August", "f6"),
        ("EUR 45.20", "USD 45.20", "f12"),
        ("5.1 times", "6.1 times", "f11+f12"),
        ("(+2.10", "(-2.10", "f9"),
        ("Call the", "Do not call the", "f13"),
    ],
)
def test_a_changed_value_is_contradicted_by_the_fact_it_was_taken_from(old, new, fact):
    found = faults(*(sentence.replace(old, new) for sentence in TRUE))
    assert found[0][0] == CONTRADICTED
    assert found[0][1].startswith(f"{fact}: expected")


@pytest.mark.parametrize(
    ("written", "passes"), [("EUR 231.50", True), ("EUR 231.5", False), ("EUR 232", False)]
)
def test_an_amount_keeps_its_decimals(written, passes):
    assert judged(*TRUE[:2], FIGURE.replace("EUR 231.50", written), CHECK).passed is passes


def test_a_number_holds_at_the_precision_at_which_it_is_written():
    assert judged(OPENING.replace("83.2%", "83.20%"), *TRUE[1:]).passed
    assert not judged(OPENING.replace("83.2%", "83%"), *TRUE[1:]).passed, "rounding may not hide doubt"
    assert judged(*TRUE[:2], FIGURE.replace("5.1 times", "5.12 times"), CHECK).passed


def test_a_date_is_read_alone_and_an_instant_only_with_its_time():
    at = next(fact for fact in ALERT.facts if fact.kind == "instant")
    facts = tuple(replace(fact, value="2018-08-08") if fact is at else fact for fact in ALERT.facts)
    dated, alone = replace(ALERT, facts=facts), OPENING.replace(" at 14:05 UTC", "")
    assert judged(alone, *TRUE[1:], facts=dated).passed
    assert not judged(OPENING.replace("14:05", "00:00"), *TRUE[1:], facts=dated).passed
    assert not judged(alone.replace("8 August", "9 August"), *TRUE[1:], facts=dated).passed
    assert not judged(alone, *TRUE[1:]).passed


@pytest.mark.parametrize("left_out", [0, 1, 3])
def test_what_the_length_demands_may_not_be_left_out(left_out):
    kept = [sentence for index, sentence in enumerate(TRUE) if index != left_out]
    assert {status for status, _ in faults(*kept)} == {OMITTED}


def test_what_the_length_does_not_demand_may_be_left_out():
    assert judged(OPENING, REASON, CHECK).passed


def test_an_empty_text_leaves_out_the_score():
    assert (OMITTED, NO_SENTENCE + "how probable the model finds the outcome; every text must") in faults()


def test_all_that_may_not_be_left_out_is_named_in_words():
    assert POINTS.keys() == {demand.point for demand in grammar().demands}
    narrative = Narrative(claims=(), writer="test", length="long")
    verdict = verify(narrative, ALERT)
    told = "\n".join(lines(narrative, verdict))
    assert "says what moved the score most (the amount against this customer's past); every text must" in told
    assert "says whom or what it is about, by name; every text must" in told
    assert told.count("OMITTED") == told.count(NO_SENTENCE) > 4


@pytest.mark.parametrize(
    ("detail", "fault"),
    [
        ({"rank_stability": 0.79}, "rank_stability"),
        ({"sign_stability": 0.89}, "sign_stability"),
        ({"rank": 2}, "rank"),
    ],
)
def test_the_strongest_factor_needs_a_stable_sign_and_the_first_rank(detail, fault):
    found = faults(*TRUE, facts=with_detail("f9", **detail))
    assert found[0][0] == CONTRADICTED
    assert fault in found[0][1]


def test_an_abstention_may_not_be_passed_over():
    found = faults(*TRUE, facts=with_detail("f7", abstained=True))
    assert "score.abstained" in found[0][1] or "f7.abstained" in found[0][1]
    assert (OMITTED, NO_SENTENCE + "that the model leaves the answer to a person; every text must") in found


@pytest.mark.parametrize(
    "sentence",
    [
        "The customer did it because money was short.",
        "The amount caused the fraud.",
        "Fraud is certain.",
        "the score is raised most by the hour of the day.",
        "",
        "Call the card holder.",
    ],
)
def test_what_no_production_reads_is_unverified(sentence):
    found = faults(OPENING, sentence, REASON, CHECK)
    assert found[0][0] == UNVERIFIED


def test_two_facts_that_cannot_be_told_apart_support_nothing():
    twin = replace(ALERT.facts[8], id="f14", value=-3.0)
    assert not judged(*TRUE, facts=replace(ALERT, facts=(*ALERT.facts, twin))).passed


def test_the_writers_own_citations_are_not_trusted():
    claim = Claim(text="The score is certain.", cites=("f7",), production="opening.alert")
    assert not verify(Narrative(claims=(claim,), writer="test"), ALERT).passed


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300), st.sampled_from(TRUE))
def test_any_other_text_is_denied_and_never_an_error(text, sentence):
    for mixed in (text, sentence + text, text + sentence):
        if mixed != sentence:
            verdict = judged(mixed, *TRUE)
            assert not verdict.passed
            covered = "".join(" " + (mixed + " " + " ".join(TRUE))[f.start : f.end] for f in verdict.findings)
            assert len(covered) >= len(mixed)


@settings(max_examples=400, deadline=None)
@given(evidences, st.sampled_from(LENGTHS), st.sampled_from(sorted(MUTATIONS)), st.integers(0, 10**6))
def test_a_changed_text_never_passes(facts, length, name, seed):
    narrative = write(facts, NarrateSpec(length=length, seed=seed), 0)
    changed = mutant(name, narrative, facts, Random(seed))
    assert changed is None or not verify(changed, facts).passed


def test_mutants_of_every_class_are_caught():
    made, missed = Counter(), Counter()
    for seed in range(160):
        facts = evidence(seed, hostile=seed % 5 == 0)
        narrative = write(facts, NarrateSpec(length=LENGTHS[seed % 3], seed=seed), 0)
        for name, changed in mutants(narrative, facts, Random(seed)):
            made[name] += 1
            missed[name] += verify(changed, facts).passed
    assert set(made) == set(MUTATIONS)
    assert len(made) >= 19
    assert sum(made.values()) > 2500
    assert +missed == Counter()


@settings(max_examples=100, deadline=None)
@given(evidences)
def test_the_verdict_depends_on_the_text_alone_and_is_the_same_each_time(facts):
    narrative = write(facts, NarrateSpec(length="long"), 0)
    whole = Narrative(claims=(Claim(text=narrative.text),), writer="x", length="long")
    assert verify(whole, facts) == verify(narrative, facts) == verify(narrative, facts)


def test_a_long_hostile_text_is_denied_in_time():
    text = "The score is raised most by " * 2000 + "“" * 500
    assert not judged(text).passed


def test_every_claim_has_a_role_and_every_group_of_the_plans_exists():
    rules = grammar()
    groups = {claim.group for claim in rules.claims}
    assert all(claim.role for claim in rules.claims)
    assert {step.group for plan in rules.plans.values() for step in plan} == groups
    told = {point for claim in rules.claims for option in claim.alternatives for point, _ in option.tells}
    told |= {
        point
        for phrase in rules.phrases.values()
        for option in phrase.alternatives
        for point, _ in option.tells
    }
    assert {demand.point for demand in rules.demands} <= told
    assert {role for claim in rules.claims for role in claim.role.split()} == {
        *("who", "what", "when", "where", "why", "how-sure", "against", "change", "check")
    }


def test_no_sentence_asks_whether_a_columns_name_is_singular_or_plural():
    text = files("foretell.verification").joinpath("claims.grammar").read_text(encoding="utf-8")
    column = (
        r"(?:\{[ijabdf]\.text\}(?: of \{\w\}|, \{\w\},| \(\{\w\}\))?|<(?:pressing|also_pressing|easing)>)"
    )
    after = re.findall(column + r" \[?(\w+)", text)
    assert len(after) > 20
    assert [word for word in after if re.fullmatch("are|was|were|have|(?!against)[a-z]+s", word)] == []
    assert re.findall(r"Among what .*? (?:is|are) " + column + r"\.", text) == []


@pytest.mark.parametrize(
    "line", ["one score = score\nclaim x.y\n1 | {nobody.value}.", "claim x\nif a..b", "what"]
)
def test_a_grammar_that_cannot_be_understood_is_refused(line):
    with pytest.raises(ValueError, match=r"line|lacks"):
        load(line)


def test_a_condition_on_what_is_missing_licenses_nothing():
    nothing = World({}, {})
    for text in ("a.rank == 1", "a.rank != 1", "a.value > 0", "a.value <= 0", "ratio(a.value, b.value) > 1"):
        assert not read(text).evaluate({}, nothing)
    assert not read("a.value > 0").evaluate({"a": {"value": "text"}}, nothing)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(SOURCE)!r}); {arguments[0]}",
            *arguments[1:],
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


RUN = "import runpy; runpy.run_module('foretell.verification', run_name='__main__')"


def test_verification_needs_the_standard_library_and_ground_only():
    shown = run("import foretell.verification as v; print(sorted(m for m in sys.modules if 'foretell' in m))")
    modules = set(json.loads(shown.stdout.replace("'", '"')))
    ground = {
        "foretell",
        "foretell.errors",
        "foretell.records",
        "foretell.units",
        "foretell.lookup",
        "foretell.spec",
    }
    assert all(name in ground or name.startswith("foretell.verification") for name in modules)
    assert "foretell.verification.parse" in modules


@pytest.mark.parametrize(("sentences", "code"), [(TRUE, 0), (TRUE[:2], 6)])
def test_a_stored_text_is_verified_from_the_shell(tmp_path, sentences, code):
    narrative = Narrative(
        claims=tuple(Claim(text=sentence) for sentence in sentences), writer="test", length="short"
    )
    path = tmp_path / "case.json"
    path.write_text(json.dumps({"evidence": plain(ALERT), "narrative": plain(narrative)}), encoding="utf-8")
    shown = run(RUN, str(path))
    assert shown.returncode == code, shown.stderr
    assert "SUPPORTED" in shown.stdout
    assert ("OMITTED" in shown.stdout) == bool(code)


def test_a_case_store_is_verified_from_the_shell(tmp_path):
    with Store(f"sqlite:///{tmp_path}/cases.db") as store:
        store.open_cases([proposal(row) for row in ("r1", "r2")])
    shown = run(RUN, str(tmp_path / "cases.db"))
    assert (shown.returncode, shown.stdout.count("passed")) == (0, 2), shown.stderr
    with sqlite3.connect(tmp_path / "cases.db") as connection:
        guards = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (guard,) in guards:
            connection.execute(f'DROP TRIGGER "{guard}"')
        connection.execute("UPDATE contents SET body = replace(body, '90.0%', '9.0%')")
    shown = run(RUN, str(tmp_path / "cases.db"))
    assert (shown.returncode, shown.stdout.count("DENIED")) == (6, 2)
    assert run(RUN, str(tmp_path / "cases.db"), "nobody").returncode == 7


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"evidence": NaN, "narrative": {}}', '{"evidence": 1, "narrative": 2}', "SQLite format 3\0"],
)
def test_a_file_that_is_no_case_is_a_clear_error(tmp_path, content):
    path = tmp_path / "case"
    path.write_text(content, encoding="utf-8")
    shown = run(RUN, str(path))
    assert shown.returncode in (3, 7), shown.stderr
    assert shown.stderr.startswith("error: ")
    assert "hint: " in shown.stderr
