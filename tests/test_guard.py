"""The guard of generated sets: copies are found and withheld, fresh draws are not; groups are compared."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from foretell.errors import DataError
from foretell.generation.guard import (
    BEYOND,
    Made,
    Watched,
    bias,
    facts,
    licensed,
    membership,
    novelty,
    verbatim,
    withheld,
)
from foretell.generation.modality import Material, Modality
from foretell.records import Fact

Points = np.ndarray


def distances(items: Points, reference: Points) -> Points:
    near, _ = NearestNeighbors(n_neighbors=1).fit(reference).kneighbors(items)
    return near[:, 0]


POINTS = cast(
    Modality,
    SimpleNamespace(distances=distances, take=lambda items, rows: items[rows], size=len),
)
"""Points in space as a modality."""
LICENCE = licensed("CC0", "points", allowed=False)


def points(count: int, seed: int) -> Points:
    """Return points of three heaps, which differ in how wide they are."""
    rng = np.random.default_rng(seed)
    heap = rng.integers(3, size=count)
    return heap[:, None] * 4.0 + rng.normal(size=(count, 4)) * (1 + heap[:, None])


def material(seed: int = 0, taught: int = 1_500, held: int = 500) -> Material:
    items = points(taught + held, seed)
    rows = np.arange(len(items))
    return Material(items=items, teach=rows[:taught], holdout=rows[taught:], source="points", fingerprint="0")


def copies(of: Material, count: int, share: float, seed: int) -> Points:
    """Return fresh points, of which a share are teaching points hardly moved."""
    rng, found = np.random.default_rng(seed), points(count, seed + 1_000)
    rows = rng.random(count) < share
    taught = of.items[rng.choice(of.teach, rows.sum())]
    found[rows] = taught + rng.normal(size=taught.shape) * 1e-3
    return found


def made(count: int) -> Made:
    told: dict[str, Any] = {"item": "point", "family": "flow", "source": "points", "taught": 1_500}
    return Made(name="set-1", count=count, asked=count, withheld=0, seed=3, **told)


def number(fact: Fact, name: str) -> float:
    value = fact.detail[name]
    assert isinstance(value, float)
    return value


def test_fresh_points_are_no_copies_and_copies_are():
    held = [0, 0]
    for seed in range(12):
        of = material(seed)
        taught, others = of.items[of.teach[:500]], of.items[of.holdout]
        for place, share in enumerate((0.0, 0.5)):
            near = novelty(POINTS, copies(of, 600, share, seed), taught, others)
            held[place] += number(near, "low") <= 0.5 <= number(near, "high")
    assert held[0] >= 10, "an interval of 95 % holds a half nearly always"
    assert held[1] <= 4, "one copied point in three was copied from one that is looked at"


def test_the_attack_by_distance_finds_what_was_copied():
    of = material(1)
    for share, found in ((0.0, False), (0.9, True)):
        items = copies(of, 1_500, share, 5)
        told = facts(POINTS, of, items, made(len(items)), licence=LICENCE)
        (attack,) = (fact for fact in told if fact.kind == "membership")
        assert attack.name == "distance" and (number(attack, "low") > 0.5) is found


def test_what_lies_too_near_is_withheld_and_the_set_is_topped_up():
    of = material(2)
    line = np.quantile(distances(of.items[of.holdout], of.items[of.teach]), 1 - BEYOND)
    items, gone = withheld(POINTS, of, lambda count: copies(of, count, 0.2, 7), 400)
    assert len(items) == 400 and gone >= 60
    assert (distances(items, of.items[of.teach]) >= line).all()
    items, gone = withheld(POINTS, of, lambda count: copies(of, count, 0.0, 7), 400)
    assert len(items) == 400 and gone <= 20, "of real points one in a hundred lies as near"


def test_of_a_generator_that_only_copies_fewer_come_than_are_asked_for():
    of = material(3)
    items, gone = withheld(POINTS, of, lambda count: copies(of, count, 1.0, 7), 300)
    assert len(items) == 0 and gone == 900


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=2, max_size=30), st.lists(st.integers(0, 6), min_size=2, max_size=30)
)
def test_the_attack_is_right_as_often_as_pairs_say(taught, others):
    fact = membership(np.array(taught, float), np.array(others, float), by="likelihood")
    pairs = [(a < b) + 0.5 * (a == b) for a in taught for b in others]
    assert fact.value == pytest.approx(np.mean(pairs))
    assert number(fact, "low") <= fact.value <= number(fact, "high")


def test_the_interval_of_the_attack_holds_a_half_where_there_is_nothing_to_find():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        fact = membership(rng.normal(size=80), rng.normal(size=120), by="likelihood")
        held += number(fact, "low") <= 0.5 <= number(fact, "high")
    assert held >= 182


def groups(count: int, share: float, rate: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    named = np.where(rng.random(count) < share, "a", np.where(rng.random(count) < 0.5, "b", "c"))
    return named, rng.random(count) < np.where(named == "a", rate, 0.3)


def compared(share: float, rate: float, seed: int) -> tuple[Fact, ...]:
    real, positive = groups(3_000, 0.3, 0.3, seed)
    ours, ours_positive = groups(2_000, share, rate, seed + 500)
    one = Watched(
        text="group", real=real, made=ours, outcome="won", real_positive=positive, made_positive=ours_positive
    )
    return bias([one])


def test_groups_that_differ_by_chance_alone_are_rarely_said_to_differ():
    """Holm: at most one table in twenty says so of anything."""
    alarms = sum(any(fact.detail["beyond"] for fact in compared(0.3, 0.3, seed)) for seed in range(60))
    assert alarms <= 8


def test_a_group_that_comes_less_often_and_one_that_wins_less_often_come_first():
    told = compared(0.15, 0.3, 0)
    assert told[0].text == "share of group a" and told[0].detail["beyond"] and told[0].detail["rank"] == 1
    told = compared(0.3, 0.1, 0)
    assert told[0].text == "rate of won with group a" and number(told[0], "real") > 0.25
    assert [fact.detail["rank"] for fact in told] == [*range(1, 7)]


def test_data_of_unknown_licence_teach_only_who_says_so():
    with pytest.raises(DataError, match=r"generate\.unlicensed"):
        licensed("", "points", allowed=False)
    assert licensed("", "points", allowed=True).detail == {"stated": False, "permitted": True}
    assert LICENCE.value == "CC0" and LICENCE.detail["stated"]


def test_what_the_modality_measured_is_judged_by_its_goal_and_measured_once():
    of = material(4)
    measured = [
        Fact(id="", kind="fidelity", name=name, text="x", value=value, detail={"goal": goal, "n": 500})
        for name, value, goal in (("shapes", 0.9, 0.95), ("discriminator", 0.6, 0.55), ("trends", 0.97, 0.9))
    ]
    own = Fact(id="", kind="novelty", name="nearer", text="y", value=0.5, detail={"n": 500})
    told = facts(
        POINTS,
        of,
        points(300, 9),
        made(300),
        licence=LICENCE,
        fidelity=[*measured, own, verbatim(9, 0.1, 0.1, n=200, line=24)],
        surprise=lambda items: np.abs(items).sum(axis=1),
        language="de",
    )
    missed = {fact.name: fact.detail.get("missed") for fact in told if fact.kind == "fidelity"}
    assert missed == {"shapes": True, "discriminator": True, "trends": False}
    assert [fact.kind for fact in told].count("novelty") == 1
    assert {fact.name for fact in told if fact.kind == "membership"} == {"distance", "likelihood"}
    assert [fact.id for fact in told] == [f"f{at}" for at in range(1, len(told) + 1)]
    assert next(fact for fact in told if fact.name == "shapes").text == "Ähnlichkeit einzelner Spalten"


def test_of_fresh_draws_one_in_a_hundred_is_withheld_however_many_are_held_out():
    real = material(held=9_000)
    kept, gone = withheld(POINTS, real, lambda count: points(count, 7), 3_000)
    assert len(kept) == 3_000
    assert 0.003 < gone / (3_000 + gone) < 0.02
