"""The audit sample: drawn from what was not alerted by a digest that anybody can check, and said so."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

import foretell
from foretell.cases import Store
from foretell.cases.reader import read_case
from foretell.data.dataset import Dataset
from foretell.data.split import split
from foretell.prediction.alerts import Alerts, alerts_of
from foretell.prediction.sample import falls
from foretell.records import Case, Claim, Narrative
from foretell.replaying import replay
from foretell.serving.api import blinded
from foretell.workflow import Run
from shared_runs import paid


@pytest.fixture(scope="module")
def done() -> Run:
    return paid()


@pytest.fixture(scope="module")
def rows(done: Run) -> tuple[Dataset, np.ndarray, Alerts]:
    dataset = foretell.read(done.fitted.spec)
    scored = done.fitted.score(dataset, split(dataset).test)
    return dataset, scored.rows, alerts_of(done.fitted.spec, dataset, scored)


def drawn(folder: Path) -> list[Case]:
    with Store(f"sqlite:///{folder / 'cases.db'}", create=False) as store:
        return [case for case in store.all_cases() if case.evidence.of("sample")]


def test_anybody_can_tell_who_was_drawn_from_seed_share_and_ids_alone(done, rows):
    dataset, scored, alerts = rows
    found = drawn(done.folder)
    assert len(found) == done.num_drawn > 10
    fact = found[0].evidence.of("sample")[0]
    assert {case.evidence.of("sample")[0].value for case in found} == {fact.value}
    high = done.fitted.score(dataset, scored).probabilities >= alerts.cutoffs
    rest = [str(name) for name in dataset.ids[scored[~high & ~alerts.retired]]]
    assert fact.detail["of"] == len(rest)
    first = {name: hashlib.sha256(f"0\naudit\n{name}".encode()).hexdigest()[:16] for name in rest}
    assert {case.id for case in found} == {
        name for name, digits in first.items() if int(digits, 16) < fact.value * 2**64
    }


def test_each_says_in_its_verified_text_that_it_was_drawn_and_does_not_pass_without(done):
    for case in drawn(done.folder):
        assert not case.prediction.alert
        said = [claim for claim in case.narrative.claims if "drawn at random" in claim.text]
        assert len(said) == 1
        assert f"{case.evidence.of('sample')[0].detail['of']:,} " in said[0].text
        rest = tuple(claim for claim in case.narrative.claims if claim is not said[0])
        verdict = foretell.verify(
            Narrative(claims=rest, writer="ann", length=case.narrative.length), case.evidence
        )
        assert not verdict.passed
        assert any("drawn at random" in finding.fault for finding in verdict.findings)


def test_no_alert_says_so_and_a_wrong_number_is_denied(done):
    store = str(done.folder / "cases.db")
    alert = read_case(store, done.first_case)
    assert not alert.evidence.of("sample")
    assert "drawn at random" not in alert.narrative.text
    case = drawn(done.folder)[0]
    of = case.evidence.of("sample")[0].detail["of"]
    text = case.narrative.text.replace(f"{of:,}", f"{of + 1:,}")
    assert text != case.narrative.text
    changed = Narrative(claims=(Claim(text=text),), writer="ann")
    assert not foretell.verify(changed, case.evidence).passed


def test_who_is_to_judge_first_is_not_told_that_a_case_was_drawn(done):
    case = drawn(done.folder)[0]
    assert all(fact.kind != "sample" for fact in blinded(case)["evidence"]["facts"])


def test_a_drawn_case_comes_out_the_same_when_made_again(done):
    assert replay(done.folder, drawn(done.folder)[0].id).passed


def test_a_share_is_met_whatever_the_score_and_larger_shares_hold_the_smaller(rows):
    dataset, scored, _ = rows
    for share in (0.0, 0.01, 0.3, 1.0):
        counts = [int(falls(dataset, scored, share, seed).sum()) for seed in range(40)]
        spread = 4 * np.sqrt(share * (1 - share) * len(scored) / 40)
        assert abs(np.mean(counts) - share * len(scored)) <= spread
    few, many = falls(dataset, scored, 0.05, 1), falls(dataset, scored, 0.2, 1)
    assert (few <= many).all()
