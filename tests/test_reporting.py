"""Laws of what a run puts into its report: every field is filled, every mark stands where it says."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score

import foretell
from foretell import report as r
from foretell.border import load_spec
from foretell.data.audit import audit
from foretell.data.split import split
from foretell.data.worlds import payments
from foretell.reporting import Material, report_of
from foretell.spec import TaskSpec
from foretell.workflow import Run
from learning_worlds import payments_fit
from table_samples import costs, kinds

QUICK = ("model.families=[]", "explain.resamples=16", "narrate.length=long")


@dataclass(frozen=True)
class Told:
    """A run and what it put into its report."""

    run: Run
    report: r.RunReport


def told(folder: Path, spec: Path | Mapping[str, object], *overrides: str) -> Told:
    run = foretell.run(load_spec(spec, (f"out={folder / 'run'}", *QUICK, *overrides)))
    return Told(run, r.read(folder / "run" / "report.json"))


def churn(path: Path, *, dated: bool) -> dict[str, object]:
    """Write a table of customers, or of the bills that they get on some days; return its spec."""
    rng = np.random.default_rng(5)
    calls, devices = rng.poisson(1.5, 3000).astype(float), rng.integers(1, 6, 3000)
    left = rng.random(3000) < 1 / (1 + np.exp(2.5 - 0.8 * calls + 0.2 * devices))
    calls[::50] = np.nan
    days = pl.date_range(pl.date(2023, 1, 1), pl.date(2023, 4, 10), eager=True).dt.to_string()
    dates = {
        "billed_on": days[rng.integers(0, 100, 3000)],
        "signed_on": days[rng.integers(0, 100, 3000)],
        "customer": [f"C{number}" for number in rng.integers(0, 300, 3000)],
    }
    columns = {"support_calls": calls, "devices": devices, "left": left.astype(int)}
    plans = {"plan": rng.choice(["basic", "plus"], 3000)}
    pl.DataFrame({**(dates if dated else plans), **columns}).write_csv(path)
    named = {"customer": {"kind": "entity"}, "billed_on": {"kind": "time"}} if dated else {}
    return {
        "data": {"source": str(path), "target": "left", "row_text": "bill" if dated else "customer"},
        "columns": named,
        "task": {"positive_text": "churn"},
    }


@pytest.fixture(scope="module")
def paid(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("paid")
    path = payments.write(folder, num_days=60, num_customers=80, num_terminals=40, seed=1)
    return told(
        folder, path, "review.entity=customer", "review.abstain=0.05", "review.cost_miss=2000",
        "split.test_share=0.3",
    )  # fmt: skip


@pytest.fixture(scope="module")
def billed(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("billed")
    return told(folder, churn(folder / "bills.csv", dated=True))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("plain")
    stated = ("review.groups=[devices, support_calls]", "review.mitigate=selection")
    return told(folder, churn(folder / "customers.csv", dated=False), *stated)


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("priced")
    costs().write_csv(folder / "costs.csv")
    return told(folder, {"data": {"source": str(folder / "costs.csv"), "target": "cost"}})


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("parted")
    kinds().write_csv(folder / "trees.csv")
    return told(folder, {"data": {"source": str(folder / "trees.csv"), "target": "kind"}})


@pytest.fixture(scope="module")
def mixed() -> Material:
    """What two families, delivered together, found; no row of it was explained."""
    fit = payments_fit()
    evaluation = foretell.evaluate(fit.fitted, fit.dataset)
    return Material(
        fitted=fit.fitted,
        dataset=fit.dataset,
        parts=fit.parts,
        findings=audit(fit.dataset, fit.parts),
        scored=fit.scored,
        alerts=evaluation.alerts,
        metrics=evaluation.metrics,
        cases=(),
        num_sentences=0,
        cpu_seconds=1.0,
    )


def records(record: object) -> Iterator[object]:
    """Yield a record of the report and all that it holds."""
    if is_dataclass(record) and type(record).__module__.startswith("foretell.report."):
        yield record
        for field in fields(record):
            yield from records(getattr(record, field.name))
    elif isinstance(record, tuple):
        for item in record:
            yield from records(item)


def test_every_field_of_a_report_says_something_in_some_run(
    paid: Told, billed: Told, plain: Told, priced: Told, parted: Told, mixed: Material
) -> None:
    whole = [*(run.report for run in (paid, billed, plain, priced, parted)), report_of(mixed)]
    found = [record for report in whole for record in records(report)]
    silent = {
        f"{kind.__name__}.{field.name}"
        for kind in map(type, found)
        for field in fields(kind)
        if field.default is not MISSING
        and all(getattr(record, field.name) == field.default for record in found if type(record) is kind)
    }
    assert silent == set()


def test_the_mark_on_the_curve_is_what_the_threshold_finds(paid: Told, plain: Told) -> None:
    for run in (paid, plain):
        fitted, curve = run.run.fitted, run.report.curves[0]
        dataset = foretell.read(fitted.spec)
        scored = fitted.score(dataset, split(dataset).test)
        labels = dataset.target[scored.rows] == 1
        above = scored.probabilities >= run.report.summary.threshold
        assert curve.delivered and 0 < curve.chosen < 1
        assert curve.chosen == pytest.approx(labels[above].sum() / labels.sum())
        precision = dict(zip(curve.recall, curve.precision, strict=True))[curve.chosen]
        assert precision == pytest.approx(labels[above].mean())


def test_an_ensemble_is_drawn_with_the_families_it_is_made_of(mixed: Material) -> None:
    delivered, *members = report_of(mixed).curves
    assert delivered.delivered and not any(curve.delivered for curve in members)
    assert {curve.name: curve.floor for curve in members} == {"boosting": True, "event_stream": False}
    features = mixed.scored.features[mixed.scored.rows]
    labels = mixed.dataset.target[mixed.scored.rows]
    for curve in members:
        area = float(np.trapezoid(curve.precision, curve.recall))
        logits = mixed.fitted.families[curve.name].logits(features)
        assert area == pytest.approx(average_precision_score(labels, logits), abs=0.05)


def test_an_outcome_without_a_name_is_titled_by_its_value(mixed: Material, plain: Told) -> None:
    assert plain.report.title == "Churn among customers"
    fitted = mixed.fitted
    unnamed = replace(fitted, spec=replace(fitted.spec, task=TaskSpec()))
    assert report_of(mixed).title == "Fraud among transactions"
    assert report_of(replace(mixed, fitted=unnamed)).title == "fraud = 1 among transactions"


def test_what_is_delivered_counts_as_a_floor_where_it_is_one(paid: Told, plain: Told) -> None:
    for report in (paid.report, plain.report):
        floors = {row.name for row in report.leaderboard if row.floor and not row.delivered}
        delivered = next(row for row in report.leaderboard if row.delivered)
        assert delivered.floor == ({*delivered.name.split("+")} <= floors)
        assert delivered.floor == ("The delivered model is a floor" in r.render(report))
    assert delivered.floor, "a run without families delivers a floor"


def test_an_outcome_that_came_later_is_told_as_such_and_none_is_told_too_early(paid: Told) -> None:
    seen = {"known": 0, "later": 0}
    for example in paid.report.examples:
        at = example.case.prediction.at
        for past in example.timelines:
            for event in past.events:
                day = np.datetime64(at[:19]) - np.datetime64(event.at[:19])
                assert event.known == (day >= np.timedelta64(7, "D")), "labels arrive after seven days"
                assert event.label in ("positive", "negative")
                seen["known" if event.known else "later"] += 1
    assert min(seen.values()) > 0


def test_dates_are_told_without_a_time_of_day_wherever_they_stand(billed: Told, paid: Told) -> None:
    folder = billed.run.folder
    page = (folder / "report.html").read_text(encoding="utf-8")
    created = page.index("UTC")
    assert "UTC" not in page[created + 3 :], "only the report itself has a time of day"
    assert "UTC" in (paid.run.folder / "report.html").read_text(encoding="utf-8")[created + 3 :]
    last = max(foretell.read(billed.run.fitted.spec).frame["billed_on"])
    assert f">{last.day} {last:%B} {last.year}</td>" in page, "the last day of the test part"
    for example in billed.report.examples:
        case = example.case
        named = {fact.name: fact for fact in case.evidence.facts if fact.unit == "instant"}
        assert set(named) == {"billed_on", "signed_on"}
        assert len(case.prediction.at) == len("2023-01-01")
        alone = r.case_page(case, r.timelines_of(case))
        assert "UTC" not in alone
        assert foretell.verify(case.narrative, case.evidence).passed
