"""What a row was in truth, where it is a class or a number: said, sealed in the log, and learned."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import foretell
from case_material import proposal
from desk_material import House, form
from foretell.border import load_spec
from foretell.cases import Store, labelled_rows
from foretell.cases.permits import Permits
from foretell.cases.truths import question_of
from foretell.cli import main
from foretell.data.split import split
from foretell.errors import DecisionError
from foretell.learning import Learned
from foretell.prediction.folder import open_fitted
from foretell.records import Case, Decision

HTML = {"accept": "text/html"}
NUM_DAYS, PER_DAY, NEW_FROM = 40, 30, 30
FIRST = datetime(1970, 1, 1) + timedelta(NEW_FROM)
"""From day 30 on a third of the rows come by a channel that no model has seen, and the data call them oak."""


def rows(folder: Path, target: str) -> dict[str, str | float]:
    """Write rows whose class or number the data get wrong where the channel is new; return the truth."""
    rng = np.random.default_rng(0)
    size = NUM_DAYS * PER_DAY
    day = np.arange(size) / PER_DAY
    new = (day >= NEW_FROM) & (rng.random(size) < 0.33)
    length, channel = rng.normal(size=size), np.where(new, 9.0, 0.0) + rng.normal(0, 0.3, size)
    if target == "kind":
        noisy = length + rng.normal(0, 0.4, size)
        truth = np.where(new, "elm", np.select([noisy < -0.4, noisy < 0.5], ["oak", "ash"], "elm"))
        shown = np.where(new, "oak", truth)
    else:
        truth = np.round(100 + 20 * length + 60 * new + rng.normal(0, 4, size), 2)
        shown = np.where(new, 100.0, truth)
    pl.DataFrame(
        {
            "id": [f"p{row}" for row in range(size)],
            "at": pl.Series((day * 86_400e6).astype(np.int64)).cast(pl.Datetime("us")),
            "length": length,
            "channel": channel,
            target: shown,
        }
    ).write_parquet(folder / "rows.parquet")
    return dict(zip([f"p{row}" for row in range(size)], truth.tolist(), strict=True))


def deciding(case: Case, verb: str, **more: Any) -> Decision:
    """Return what ann decides of a case."""
    return Decision(verb=verb, actor="ann", content=case.content, **more)


@dataclass(frozen=True)
class World:
    folder: Path
    truth: dict[str, str | float]
    learned: Learned


@pytest.fixture(scope="module", params=["kind", "cost"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A run whose cases were decided by somebody who knows the truth, and what was learned from that."""
    folder = tmp_path_factory.mktemp("truths")
    truth = rows(folder, request.param)
    asked = (
        "data.id=id", "data.time=at", "data.row_text=tree", "data.label_delay=7d", "model.families=[]",
        "review.capacity=6", "review.audit=30", f"split.test_from={FIRST}", "train.threads=1",
        "explain.resamples=16", f"out={folder / 'run'}",
    )  # fmt: skip
    foretell.run(load_spec({"source": str(folder / "rows.parquet"), "target": request.param}, asked))
    with Store(f"sqlite:///{folder / 'run' / 'cases.db'}") as store:
        for case in [*store.all_cases()]:
            question = question_of(case)
            assert question is not None
            verb = "approve" if question.as_told(str(truth[case.id])) else "reject"
            store.decide(case.id, deciding(case, verb, detail={"truth": str(truth[case.id])}))
    return World(folder / "run", truth, foretell.learn(folder / "run", labels="decisions"))


def test_every_decision_is_a_label_that_says_what_the_row_was(world):
    with Store(f"sqlite:///{world.folder / 'cases.db'}", create=False) as store:
        found = labelled_rows(store)
        assert {label.id for label in found} == {case.id for case in store.all_cases()}
        assert store.verify_log().faults == ()
        details = [event for case in store.all_cases() for event in case.events if event.kind != "opened"]
        assert all("detail" in event.body["contents"] for event in details), "what was said is in the chain"
    assert all(label.truth == str(world.truth[label.id]) for label in found)
    table = pl.read_parquet(world.folder / "learning" / "labels.parquet")
    assert table["truth"].to_list() == [str(world.truth[name]) for name in table["id"]]


def test_what_people_know_and_the_data_do_not_makes_a_better_model_on_later_rows(world):
    found = world.learned.comparison
    assert found.won, found
    champion, challenger = open_fitted(world.folder / "model"), open_fitted(world.learned.folder / "model")
    dataset = foretell.read(challenger.spec)
    later = split(dataset).test
    truth = np.array([world.truth[str(name)] for name in dataset.ids[later]])
    scored = [model.score(dataset, later).logits for model in (champion, challenger)]
    if champion.coupling is not None:
        wrong = [
            (np.array(model.coupling.names)[logits.argmax(axis=1)] != truth).mean()
            for model, logits in zip((champion, challenger), scored, strict=True)
        ]
        assert (set(found.measures), found.num_positives) == ({"log_loss", "accuracy"}, None)
    else:
        wrong = [
            np.abs(model.estimates(scores)["estimate"] - truth).mean()
            for model, scores in zip((champion, challenger), scored, strict=True)
        ]
        assert set(found.measures) == {"rmse", "mae"}
    assert wrong[1] < 0.8 * wrong[0]


def test_what_cannot_be_true_of_a_row_or_not_of_the_decision_is_refused(world, tmp_path):
    with Store(f"sqlite:///{world.folder / 'cases.db'}", create=False) as store:
        old = next(iter(store.all_cases()))
        case = store.case(old.id, as_opened=True)
    question = question_of(case)
    assert question is not None
    with Store(f"sqlite:///{tmp_path / 'cases.db'}") as store:
        store.open_cases([case])
        right, wrong = (
            (question.told, next(name for name in question.classes if name != question.told))
            if question.classes
            else ("1e9", "-1e9")[:: 1 if question.above is case.prediction.alert else -1]
        )
        for verb, truth, fault in (
            (
                "approve",
                "yew",
                "is no class of kind" if question.classes else "is no number, and cost is one",
            ),
            ("approve", wrong, "says what it says, and not"),
            ("reject", right, "itself"),
            ("comment", right, "takes no 'truth'"),
        ):
            with pytest.raises(DecisionError, match=fault):
                store.decide(case.id, deciding(case, verb, reason="so", detail={"truth": truth}))
        judged = store.decide(case.id, deciding(case, "judge", detail={"truth": right}))
        (label,) = labelled_rows(store)
        assert (label.truth, label.said, judged.status) == (right, "judgement", "open")
        assert label.label == (1 if question.classes or case.prediction.alert else 0)


def test_the_command_line_says_what_a_row_was(world, tmp_path):
    with Store(f"sqlite:///{world.folder / 'cases.db'}", create=False) as store:
        case = store.case(next(iter(store.all_cases())).id, as_opened=True)
    with Store(f"sqlite:///{tmp_path / 'cases.db'}") as store:
        store.open_cases([case])
    question = question_of(case)
    assert question is not None
    other = next((name for name in question.classes if name != question.told), "")
    other = other or ("-1e9" if question.above is case.prediction.alert else "1e9")
    told = CliRunner().invoke(
        main, ["decide", case.id, "reject", "--actor", "eve", "--truth", other, "--run", str(tmp_path)]
    )
    assert told.exit_code == 0, told.output
    with Store(f"sqlite:///{tmp_path / 'cases.db'}", create=False) as store:
        (label,) = labelled_rows(store)
    assert (label.truth, label.actor) == (other, "eve")


def test_the_desk_asks_which_it_is_and_does_not_tell_whom_it_asks_first(world, tmp_path):
    with Store(f"sqlite:///{world.folder / 'cases.db'}", create=False) as store:
        first, second = (store.case(case.id, as_opened=True) for case in [*store.all_cases()][:2])
    house = House(f"sqlite:///{tmp_path / 'cases.db'}")
    house.store.open_cases([first, second])
    bob, question = house.client("bob"), question_of(first)
    assert question is not None
    page = bob.get(f"/case?id={first.id}", headers=HTML).text
    other = next((name for name in question.classes if name != question.told), "")
    assert (f'<option value="{other}">{other}</option>' in page) == bool(other)
    assert f">{question.told}</option>" not in page, "who rejects a class does not name it"
    other = other or ("-1e9" if question.above is first.prediction.alert else "1e9")
    sent = form(bob, verb="reject", content=first.content, code="other", truth=other)
    assert (
        bob.post(f"/case?id={first.id}", data=sent, headers=HTML, follow_redirects=False).status_code == 303
    )
    (label,) = labelled_rows(house.store)
    assert (label.truth, label.actor) == (other, "bob")

    house.policy({"blind_share": 1.0})
    seen = bob.get(f"/api/case?id={second.id}").json()
    terms = {fact["name"] for fact in seen["case"]["evidence"]["facts"] if fact["kind"] == "term"}
    assert seen["hidden"] and ("outcome" in terms) == (not question.classes) and "told" not in terms
    permits, heard, named = Permits(house.store), set(), question.classes or ("1e9", "-1e9")
    for truth in named:
        for verb in ("approve", "reject"):
            wanted = Decision(verb=verb, actor="bob", content=second.content, detail={"truth": truth})
            with pytest.raises(DecisionError) as refused:
                permits.suggest("bob", second.id, wanted)
            heard.add(refused.value.message)
    assert len(heard) == 1, "what is refused tells what the model said"
    page = bob.get(f"/case?id={second.id}", headers=HTML).text
    said = question_of(second)
    assert said is not None and all(f">{name}</option>" in page for name in said.classes)
    told = f"{said.text} {said.told}"
    assert not said.classes or told not in page
    truth = said.told or "1e9"
    judged = form(bob, verb="judge", content=second.content, truth=truth)
    assert (
        bob.post(f"/case?id={second.id}", data=judged, headers=HTML, follow_redirects=False).status_code
        == 303
    )
    assert {label.truth for label in labelled_rows(house.store)} == {other, truth}


def test_of_two_outcomes_no_class_can_be_named(tmp_path):
    with Store(f"sqlite:///{tmp_path / 'cases.db'}") as store:
        store.open_cases([proposal("a")])
        case = store.case("a")
        with pytest.raises(DecisionError, match="is about neither"):
            store.decide("a", deciding(case, "approve", detail={"truth": "fraud"}))
