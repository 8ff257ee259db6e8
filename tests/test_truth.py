"""Claims are licensed by what the evidence carries: where the causes are known, few of them are false."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from evidences import evidence as invented
from foretell.data.worlds import known
from foretell.narration.embedded import write
from foretell.spec import NarrateSpec
from truth import Truth, claims, explained, inverted, measured, truths


@pytest.mark.parametrize("kind", ["small", "decoys"])
def test_few_licensed_claims_are_false_where_many_of_those_without_licences_are(kind):
    found = measured(kind, seed=21, rows=40)
    licensed, unlicensed = found["licensed"], found["unlicensed"]
    assert licensed["made"] >= 80
    assert licensed["share_false"] <= 0.05
    assert unlicensed["share_false"] >= 4 * max(licensed["share_false"], 0.05)


def test_inverted_labels_leave_nothing_of_what_was_said_before():
    found = inverted(seed=22, rows=60)
    assert found["cases"] == 60
    assert found["claims"] > 60
    assert (found["prior"], found["passed"]) == (0, 0)


def test_the_truth_of_an_additive_world_is_each_columns_own_term():
    world = known.simulate("additive", num_rows=2_000, seed=5)
    evidence = explained(world, seed=5, rows=20)
    for facts, truth in zip(evidence, truths(world, evidence), strict=True):
        row = world.x[int(facts.id[1:])]
        assert truth.values["load"] == row[0]
        assert truth.shares["load"] == pytest.approx(1.4 * row[0], abs=0.15)
        assert truth.shares["wear"] == pytest.approx(0.6 * row[3], abs=0.1)
        assert truth.shares["dust"] == pytest.approx(0.0, abs=1e-9)


def test_a_claim_holds_just_where_the_truth_says_so():
    truth = Truth(
        shares={"load": 0.8, "heat": -1.0, "dust": 0.0},
        values={"load": 2.0, "heat": 0.1, "dust": -2.0},
        usual=dict.fromkeys(("load", "heat", "dust"), (-0.7, 0.7)),
    )
    true = {("raises", "load"), ("lowers", "heat"), ("strongest", "heat"), ("above the usual", "load"),
            ("below the usual", "dust")}  # fmt: skip
    kinds = ("raises", "lowers", "strongest", "above the usual", "below the usual")
    assert {(kind, name) for kind in kinds for name in truth.shares if truth.holds((kind, name))} == true
    assert not truth.holds(("raises", "day"))


def test_every_claim_that_is_counted_stands_in_the_text():
    counted = 0
    for seed in range(200):
        facts = invented(seed)
        narrative = write(facts, NarrateSpec(length="long", seed=seed), 0)
        named = [fact for fact in facts.facts if fact.kind in ("attribution", "input")]
        for _, name in claims(narrative, facts):
            texts = [fact.text.lower() for fact in named if fact.name == name]
            assert any(text in narrative.text.lower() for text in texts)
            counted += 1
    assert counted > 200
