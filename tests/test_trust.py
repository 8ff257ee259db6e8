"""Laws of trust, end to end: what a run says of groups, what evening out does and costs, and the card."""

from dataclasses import replace
from functools import cache
from html import unescape
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

import foretell
from case_material import behind
from foretell import report as r
from foretell.border import load_spec
from foretell.cards import MISSING, card_of
from foretell.cases import Store
from foretell.cli import main
from foretell.data.split import split
from foretell.errors import DataError, StoreError
from foretell.prediction.alerts import alerts_of
from foretell.prediction.comparison import intervals
from foretell.prediction.fitted import Fitted
from foretell.prediction.folder import open_fitted
from foretell.prediction.live import Live
from foretell.prediction.watching import comparisons, figures
from foretell.report import document, trust
from foretell.spec import Spec
from table_samples import costs, kinds

SEXES = ("f", "m")
HOSTILE = "<b>west</b> | [x](javascript:1) `_`"
OVERRIDES = ("model.families=[]", "explain.resamples=10", "narrate.length=short", "data.exclude=[sex]")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loans")
    rng = np.random.default_rng(8)
    size = 1500
    sex = np.where(rng.random(size) < 0.4, "f", "m")
    income = rng.normal(np.where(sex == "f", 1.0, 2.6), 1.0)
    debts = rng.poisson(2.0, size)
    bad = rng.random(size) < 1 / (1 + np.exp(1.2 + 0.8 * income - 0.9 * debts))
    pl.DataFrame(
        {
            "sex": sex,
            "age": rng.integers(19, 80, size),
            "region": np.where(rng.random(size) < 0.1, HOSTILE, "east"),
            "income": income.round(2),
            "debts": debts,
            "bad": bad.astype(int),
        }
    ).write_csv(folder / "loans.csv")
    return folder


def spec_of(place: Path, name: str, *overrides: str) -> Spec:
    mapping = {
        "data": {"source": str(place / "loans.csv"), "target": "bad", "row_text": "loan"},
        "task": {"positive_text": "default"},
        "review": {"groups": ["sex", "age", "region"], "capacity": 100, "edges": {"age": [25, 65]}},
    }
    return load_spec(mapping, (f"out={place / name}", *OVERRIDES, *overrides))


@pytest.fixture(scope="module")
def fits(place: Path):
    """Return what fits the loans under a mitigation, once each."""

    @cache
    def fit(mitigate: str) -> Fitted:
        return foretell.fit(spec_of(place, mitigate, f"review.mitigate={mitigate}"))

    return fit


@pytest.fixture(scope="module")
def told(place: Path) -> tuple[Path, r.RunReport]:
    foretell.run(spec_of(place, "run", "review.mitigate=selection"))
    return place / "run", r.read(place / "run" / "report.json")


def spread(fitted: Fitted, name: str) -> float:
    dataset = foretell.read(fitted.spec)
    return figures(fitted, dataset, fitted.score(dataset, split(dataset).test))[name]


@pytest.mark.slow
def test_what_is_watched_does_not_change_what_is_predicted(place: Path, fits) -> None:
    watched = fits("none")
    alone = foretell.fit(spec_of(place, "alone", "review={capacity: 100}"))
    dataset = foretell.read(watched.spec)
    rows = split(dataset).test
    assert (watched.score(dataset, rows).logits == alone.score(dataset, rows).logits).all()
    assert alone.certainty is not None and alone.certainty.groupings == ()


def shared_out(plain: Fitted, evened: Fitted) -> None:
    """Hold alerts that are shared out against those of one threshold for all."""
    dataset = foretell.read(evened.spec)
    rows = split(dataset).test
    scored, before = evened.score(dataset, rows), plain.score(dataset, rows)
    alerts = alerts_of(evened.spec, dataset, scored)
    assert (scored.probabilities == before.probabilities).all()
    assert len(alerts.rows) == len(alerts_of(plain.spec, dataset, before).rows)
    at = np.searchsorted(scored.rows, alerts.rows)
    assert (scored.probabilities[at] >= alerts.thresholds).all()
    others = np.setdiff1d(np.arange(len(rows)), at)
    assert (scored.probabilities[others] < alerts.cutoffs[others]).all()
    assert evened.unmitigated == figures(plain, dataset, before)
    assert set(SEXES) == set(dataset.frame["sex"][alerts.rows])


def test_alerts_that_are_shared_out_keep_the_capacity_and_bring_the_groups_together(told) -> None:
    evened = open_fitted(told[0] / "model")
    plain = replace(evened, evening=None)
    shared_out(plain, evened)
    assert spread(evened, "selection by sex") < 0.5 * spread(plain, "selection by sex")


@pytest.mark.slow
def test_alerts_that_are_shared_out_find_alike_what_is_to_be_found(fits) -> None:
    plain, evened = fits("none"), fits("recall")
    shared_out(plain, evened)
    assert spread(evened, "recall by sex") < spread(plain, "recall by sex")


@pytest.mark.slow
def test_rows_that_teach_by_weights_tell_groups_less_apart_and_the_cost_is_that_of_a_plain_fit(
    fits,
) -> None:
    plain, weighed = fits("none"), fits("reweigh")
    dataset = foretell.read(plain.spec)
    assert weighed.unmitigated == figures(plain, dataset, plain.score(dataset, split(dataset).test))
    assert spread(weighed, "selection by sex") < spread(plain, "selection by sex")
    assert weighed.evening is None


def test_new_rows_are_alerts_from_the_threshold_of_their_group_on(place: Path, told) -> None:
    fitted = open_fitted(told[0] / "model")
    frame = foretell.predict(fitted, place / "loans.csv")
    sex = pl.read_csv(place / "loans.csv")["sex"].to_numpy()
    thresholds = []
    for value in SEXES:
        alerted = frame.filter(pl.Series(sex == value) & pl.col("alert"))["probability"]
        spared = frame.filter(pl.Series(sex == value) & ~pl.col("alert"))["probability"]
        assert alerted.min() > spared.max(), "one threshold in each group"
        thresholds.append(alerted.min())
    assert thresholds[0] > thresholds[1], "and a higher one for those who score higher"
    pl.read_csv(place / "loans.csv").drop("sex").write_csv(place / "unknown.csv")
    unknown = foretell.predict(fitted, place / "unknown.csv")
    assert unknown.filter("alert")["probability"].min() >= fitted.threshold
    with pytest.raises(DataError, match="one event cannot"):
        Live(fitted)


def test_a_report_tells_of_groups_what_was_measured(told) -> None:
    folder, report = told
    fitted = open_fitted(folder / "model")
    dataset = foretell.read(fitted.spec)
    scored = fitted.score(dataset, split(dataset).test)
    alerts = alerts_of(fitted.spec, dataset, scored)
    assert [watched.column for watched in report.trust.watched] == ["sex", "age", "region"]
    for watched, (_, comparison) in zip(
        report.trust.watched, comparisons(fitted, dataset, scored, alerts), strict=True
    ):
        assert sum(group.rows for group in watched.groups) == len(scored.rows)
        for row, group in zip(watched.groups, comparison.groups, strict=True):
            assert row.alerts.value == group.rates["selection"].value
            assert row.certainty.positives.low <= (row.certainty.positives.value or 0) <= 1
    sex, age, _ = report.trust.watched
    assert not sex.seen and age.seen
    assert [group.name for group in age.groups] == ["under 25", "25 to under 65", "65 or more"]
    assert report.trust.mitigation.how == "selection" and report.trust.mitigation.changes
    assert {metric.name for metric in report.trust.metrics} == set(trust.NAMES)
    assert all(metric.low <= metric.value <= metric.high for metric in report.trust.metrics)
    card = (folder / "model" / "card.md").read_text()
    assert "Groups of sex" in card and trust.promise(report.trust.certainty, "default")[:60] in card


def test_a_page_without_groups_is_quiet_about_them(told) -> None:
    _, report = told
    quiet = r.render(replace(report, trust=trust.Trust()))
    assert "No columns are named in <code>review.groups</code>" in quiet
    assert "<h3>How sure</h3>" not in quiet and trust.CAUTION not in quiet
    assert "Groups of" not in quiet
    assert "Groups of <bdi>sex</bdi>" in r.render(report)


def test_what_chance_does_not_explain_is_said_and_else_that_nothing_is() -> None:
    share = trust.Share(value=0.3, low=0.25, high=0.35)
    group = trust.GroupRow(
        name="f", rows=10, base_rate=share, alerts=share, recall=share, false_alarms=share, precision=share,
        said=0.3, ece=0.01, ece_by_chance=0.02, certainty=trust.Certainty(),
    )  # fmt: skip
    found = trust.GroupDifference(
        group="f",
        other="m",
        measure="selection",
        value=-0.1,
        low=-0.2,
        high=0.05,
        own=0.3,
        ratio=0.75,
        p=0.2,
        sure=False,
    )
    watched = trust.Watched(column="sex", text="sex", seen=True, groups=(group,), differences=(found,))
    (none,) = trust.findings(watched)
    assert "no difference" in none and "up to 20 points in alerts" in none and not trust.at_odds(watched)
    sure = replace(found, sure=True, p=0.0004)
    assert trust.findings(replace(watched, differences=(sure,))) == [
        "Alerts: 30.0% of f, 40.0% of m (0.75 times, p < 0.001).",
        "Each p counts all comparisons of this report (Holm).",
    ]
    rarer = replace(group, base_rate=trust.Share(value=0.1, low=0.05, high=0.2))
    assert "10.0% to 30.0%" in trust.at_odds(replace(watched, groups=(group, rarer)))
    certain = trust.Certainty(miss=0.1, positives=replace(share, high=0.88), negatives=share, single=0.5)
    assert "less than was promised" in trust.promise(certain, "default")


def test_a_card_holds_what_the_run_and_its_log_know_and_names_what_they_do_not(told) -> None:
    folder, report = told
    made = card_of(folder)
    written, page = document.markdown(made), r.document_page(made)
    with Store(f"sqlite:///{folder / 'cases.db'}", create=False) as store:
        head = str(store.head())
    for words in (head, report.data.fingerprint, "Groups of sex", "holds", "Nobody has decided"):
        assert words in written and words in page, words
    assert all(what in written and what in unescape(page) for what, _ in MISSING)
    assert [f"## {n}. {s.title}" for n, s in enumerate(made.sections, 1)] == [
        line for line in written.splitlines() if line.startswith("## ")
    ]
    tame = r"\<b\>west\</b\> \| \[x\](javascript:1) \`\_\`"
    assert written.count("west") == written.count(tame) > 0
    assert "<b>west" not in page and "&lt;b&gt;west" in page
    assert "<script" not in page and "http" not in page.replace("Content-Security-Policy", "").replace(
        "http-equiv", ""
    )


def test_a_card_is_written_by_the_command_and_says_when_the_log_does_not_hold(told, tmp_path: Path) -> None:
    folder, _ = told
    runner = CliRunner()
    out = tmp_path / "card.html"
    done = runner.invoke(main, ["card", "--run", str(folder), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert out.read_text() == r.document_page(card_of(folder))
    assert runner.invoke(main, ["card", "--run", str(folder)]).output == document.markdown(card_of(folder))
    assert runner.invoke(main, ["card", "--run", str(folder), "--out", "card.pdf"]).exit_code == 2
    with pytest.raises(StoreError, match="has no report"):
        card_of(tmp_path)
    behind(f"sqlite:///{folder / 'cases.db'}", "UPDATE events SET actor = 'x' WHERE seq = 3")
    assert "does not hold" in document.markdown(card_of(folder))


def test_figures_are_those_of_scikit_learn_and_their_intervals_hold_as_often_as_they_say() -> None:
    inside = dict.fromkeys(trust.NAMES, 0)
    truth = {"brier": 1 / 6, "log_loss": 0.5, "auc": 5 / 6}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        said = rng.random(400).round(2).clip(0.01, 0.99)
        labels = (rng.random(400) < said).astype(np.int8)
        found = {each.name: each for each in intervals(labels, said, None, seed=seed)}
        for name, value in truth.items():
            inside[name] += found[name].low <= value <= found[name].high
    assert found["average_precision"].value == pytest.approx(average_precision_score(labels, said))
    assert found["auc"].value == pytest.approx(roc_auc_score(labels, said))
    assert found["log_loss"].value == pytest.approx(log_loss(labels, said))
    assert found["brier"].value == pytest.approx(brier_score_loss(labels, said))
    assert all(inside[name] >= 34 for name in truth)
    assert intervals(np.zeros(5, np.int8), np.full(5, 0.1), None) == ()


@pytest.mark.slow
@pytest.mark.parametrize("mitigate", ["selection", "reweigh"])
@pytest.mark.parametrize("target", ["kind", "cost"])
def test_groups_are_watched_of_classes_and_numbers_too(tmp_path: Path, target: str, mitigate: str) -> None:
    rows, column = (kinds(), "colour") if target == "kind" else (costs(), "kind")
    rows.write_csv(tmp_path / "rows.csv")
    mapping = {
        "data": {"source": str(tmp_path / "rows.csv"), "target": target},
        "review": {"groups": [column], "mitigate": mitigate, "capacity": 100},
    }
    run = foretell.run(load_spec(mapping, (f"out={tmp_path / 'run'}", *OVERRIDES[:3])))
    report = r.read(tmp_path / "run" / "report.json")
    (watched,) = report.trust.watched
    assert sum(group.rows for group in watched.groups) == report.summary.scored
    assert {change.name for change in report.trust.mitigation.changes} >= {
        "log_loss",
        f"selection by {column}",
    }
    certainty = run.fitted.certainty
    assert certainty is not None and len(certainty.margins) == (3 if target == "kind" else 2)
    told = report.trust.certainty
    assert told.miss and trust.promise(told, "").count("ruled out") == 1
    if target == "kind":
        (classes,) = report.classes
        assert sum(sum(row.told) for row in classes.rows) == report.summary.scored
        assert [held.share for held in told.classes] == [row.held for row in classes.rows]
        assert told.whole.value == pytest.approx(
            sum(row.held.value * sum(row.told) for row in classes.rows) / report.summary.scored
        )
        assert sum(row.told[code] for code, row in enumerate(classes.rows)) == pytest.approx(
            classes.accuracy * report.summary.scored
        )
        assert 1 <= told.size <= 3 and all(group.certainty.size >= 1 for group in watched.groups)
        table = foretell.predict(run.fitted)
        sizes = [len(names.split(" | ")) for names in table["possible"]]
        assert np.mean(sizes) == pytest.approx(told.size)
        assert all(
            name in names.split(" | ") for name, names in table.select("class", "possible").iter_rows()
        )
    assert f"Groups of {column}" in document.markdown(card_of(tmp_path / "run"))
    assert f"Groups of <bdi>{column}</bdi>" in (tmp_path / "run" / "report.html").read_text()
