"""What people decide becomes labels that speak for all rows, not only for those that were alerted."""

from dataclasses import replace

import numpy as np
import pytest

from case_material import evidence, proposal
from desk_material import House
from foretell.cases import approved_texts, draft, labelled_rows
from foretell.cases.feedback import MOST_WEIGHT, effective_size, weights
from foretell.cases.planted import Planting
from foretell.narration import narrate
from foretell.records import Case, Fact
from foretell.spec import NarrateSpec
from foretell.tasks.classify import wilson


@pytest.fixture
def house(tmp_path) -> House:
    return House(f"sqlite:///{tmp_path}/cases.db")


def drawn(row: str, share: float, of: int, probability: float = 0.1) -> Case:
    """Return a case of a row that is no alert and was drawn at random."""
    facts = (
        *evidence(row, probability).facts,
        Fact(id="f5", kind="threshold", name="threshold", text="threshold", value=0.5, unit="probability"),
        Fact(
            id="f6", kind="sample", name="sample", text="drawn", value=share, unit="share", detail={"of": of}
        ),
    )
    told = replace(evidence(row, probability), facts=facts)
    narrative, verdict = narrate(told, NarrateSpec(length="short"))
    prediction = replace(proposal(row, probability).prediction, threshold=0.5, alert=False)
    return draft(prediction, told, narrative, verdict)


@pytest.mark.parametrize(
    ("alert", "verb", "code", "label"),
    [
        (True, "approve", "", 1),
        (True, "reject", "false_alarm", 0),
        (True, "reject", "other", 0),
        (True, "reject", "duplicate", None),
        (True, "reject", "not_enough_evidence", None),
        (True, "escalate", "", None),
        (False, "approve", "", 0),
        (False, "reject", "missed", 1),
        (False, "reject", "false_alarm", 0),
        (False, "reject", "other", 1),
        (False, "reject", "duplicate", None),
    ],
)
def test_a_decision_says_the_outcome_that_people_meant(house, alert, verb, code, label):
    house.store.open_cases([proposal("r1") if alert else drawn("r1", 0.01, 1000)])
    house.decide("bob", "r1", verb, **({"detail": {"code": code}} if code else {}))
    found = labelled_rows(house.store)
    assert [row.label for row in found] == ([] if label is None else [label])
    if found:
        decided = house.store.case("r1")
        assert (found[0].actor, found[0].content) == ("bob", decided.content)
        assert found[0].at == decided.events[-1].at


def test_a_judgement_teaches_where_nothing_better_is_there_and_only_while_judges_agree(house):
    house.open("r1", "r2")
    house.decide("bob", "r1", "judge", detail={"judgement": "negative"})
    house.decide("bob", "r2", "judge", detail={"judgement": "positive"})
    assert [(row.id, row.label, row.said) for row in labelled_rows(house.store)] == [
        ("r1", 0, "judgement"),
        ("r2", 1, "judgement"),
    ]
    house.decide("cleo", "r1", "judge", detail={"judgement": "positive"})
    house.decide("cleo", "r2", "reject")
    assert [(row.id, row.label, row.said) for row in labelled_rows(house.store)] == [("r2", 0, "decision")]


def test_what_was_erased_or_planted_to_test_people_teaches_nothing(house):
    house.open("r1", "r2", "r3")
    Planting(house.store).plant("root", {"r2": True})
    for row in ("r1", "r2", "r3"):
        house.decide("bob", row, "approve")
    house.store.erase("r3", "root")
    assert [row.id for row in labelled_rows(house.store)] == ["r1"]
    assert [pair["id"] for pair in approved_texts(house.store)] == ["r1"]


def test_cases_that_nobody_decided_are_spoken_for_by_their_like(house):
    house.open("a1", "a2", "a3", "a4")
    house.store.open_cases([drawn(f"d{number}", 0.1, 50) for number in range(5)])
    for row in ("a1", "a2", "d0", "d1", "d2", "d3"):
        house.decide("bob", row, "approve")
    chances = {row.id: row.inclusion for row in labelled_rows(house.store)}
    assert chances == {"a1": 0.5, "a2": 0.5} | dict.fromkeys(("d0", "d1", "d2", "d3"), 0.1 * 4 / 5)
    assert sum(1 / chance for chance in chances.values()) == pytest.approx(4 + 50)


@pytest.mark.parametrize("seed", range(3))
def test_weighted_labels_tell_the_base_rate_that_labels_of_alerts_alone_do_not(house, seed):
    rng = np.random.default_rng(seed)
    num_rows, share = 4000, 0.05
    probability = rng.beta(0.5, 6, num_rows)
    truth = rng.random(num_rows) < probability
    alerts = np.argsort(-probability)[:150]
    rest = np.setdiff1d(np.arange(num_rows), alerts)
    picked = rest[rng.random(len(rest)) < share]
    cases = [proposal(f"r{row}") for row in alerts] + [drawn(f"r{row}", share, len(rest)) for row in picked]
    house.store.open_cases(cases)
    for row in (*alerts, *picked):
        agrees = bool(truth[row]) == (row in alerts)
        more = {} if agrees else {"detail": {"code": "missed" if truth[row] else "false_alarm"}}
        house.decide("bob", f"r{row}", "approve" if agrees else "reject", **more)
    found = labelled_rows(house.store)
    labels = np.array([row.label for row in found])
    behind = np.array([1 / row.inclusion for row in found])
    rate = np.average(labels, weights=behind)
    # The interval of a stratified estimate: only the drawn rows vary.
    spread = np.sqrt(np.sum(behind * (behind - 1) * (labels - rate) ** 2)) / behind.sum()
    assert abs(rate - truth.mean()) < 3 * spread
    low, high = wilson(float(labels.sum()), len(labels))
    assert not low <= truth.mean() <= high
    recall = labels[: len(alerts)].sum() / (behind * labels).sum()
    true_recall = truth[alerts].sum() / truth.sum()
    assert abs(recall - true_recall) < 0.5 * abs(1.0 - true_recall)  # of alerts alone, it would be 1


def test_weights_have_a_mean_of_one_and_none_is_more_than_so_many_times_another():
    rng = np.random.default_rng(0)
    for _ in range(50):
        chances = (10.0 ** -rng.uniform(0, 5, rng.integers(1, 40))).tolist()
        found = np.array(weights(chances))
        assert found.mean() == pytest.approx(1.0)
        assert found.max() <= MOST_WEIGHT * found.min() * (1 + 1e-12)
        assert 1.0 - 1e-9 <= effective_size(found) <= len(found) + 1e-9
        order = np.argsort(chances)
        assert (np.diff(found[order]) <= 1e-12).all()
