"""References stand for what the embedded writer writes, and nothing but facts' values comes from them."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evidences import evidence, evidences
from foretell.narration.embedded import Telling
from foretell.narration.references import Filler, Referring, parts
from foretell.spec import NarrateSpec
from foretell.verification.conditions import world
from foretell.verification.grammar import REGISTERS
from foretell.verification.wordings import grammar_of

LENGTHS = ("short", "medium", "long")
FIGURE = re.compile(r"\d(?:[\d.,]*\d)?")
OWN = {"0.05", "0,05"}
"""Figures that the grammar itself names: the least share of a factor that is worth telling."""


@settings(max_examples=300, deadline=None)
@example(evidence(2127178, language="de"), "short", "expert", 1)
@given(evidences, st.sampled_from(LENGTHS), st.sampled_from(REGISTERS), st.integers(0, 10**6))
def test_a_filled_narrative_of_references_is_what_the_embedded_writer_tells(facts, length, register, seed):
    spec = NarrateSpec(length=length, register=register)
    rules = grammar_of(facts)
    steps = [step.shares for step in rules.plans[length]]
    told, named = (
        [*kind(rules, world(rules.variables, facts), str(seed), register).tell(steps)]
        for kind in (Telling, Referring)
    )
    filler = Filler(facts, spec)
    assert [filler.fill(claim.text)[0] for claim in named] == [claim.text for claim in told]
    outside = {figure for claim in named for part in parts(claim.text) for figure in FIGURE.findall(part)}
    assert outside <= OWN


@settings(max_examples=500, deadline=None)
@given(st.text("{}f12score.:^()lowvaluetextlistratiocountz<>= ,|", max_size=60) | st.text(max_size=20))
def test_whatever_stands_in_braces_is_written_or_refused(reference):
    text = f"At {{{reference}}}, it rose."
    try:
        Filler(evidence(3), NarrateSpec()).fill(text)
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("reference", "fault"),
    [
        ("f99", "there is no fact f99"),
        ("f1.nothing", "has no value"),
        ("__import__('os')", "no reference"),
        ("f1.__class__", "no reference|no value"),
        ("share(f1.value, f2.value):points", "no reference"),
        ("f" * 300, "too long"),
        ("count(z: count(a: a.rank == z.rank) > 0)", "too long"),
        ("", "no reference"),
        ("(" * 150, "no reference"),
    ],
)
def test_a_reference_to_nothing_is_refused_with_its_name(reference, fault):
    with pytest.raises(ValueError, match=fault):
        Filler(evidence(3), NarrateSpec()).fill(f"At {{{reference}}}.")
