"""The simulated worlds keep their promises: causes are true, and kept apart from what a model may see."""

import time
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score

from foretell.border import load_spec
from foretell.data.worlds import WORLDS
from foretell.data.worlds.payments import FACTORS, World, simulate, write
from foretell.lookup import load

INPUTS = ["transaction_id", "at", "customer", "terminal", "amount", "fraud"]


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(seed=1)


@pytest.fixture(scope="module")
def told(world: World) -> pl.DataFrame:
    """Every event with its cause, its customer's last two amounts and habits, and its distance from home."""
    past = [pl.col("amount").shift(lag).over("customer").alias(f"amount_{lag}") for lag in (1, 2)]
    span = (pl.col("at") - pl.col("at").shift(2).over("customer")).dt.total_seconds().alias("span_seconds")
    distance = ((pl.col("x") - pl.col("x_shop")) ** 2 + (pl.col("y") - pl.col("y_shop")) ** 2).sqrt()
    return (
        world.events.with_columns(*past, span)
        .join(world.causes, on="transaction_id", how="left")
        .join(world.customers, on="customer")
        .join(world.terminals, on="terminal", suffix="_shop")
        .with_columns(times=pl.col("amount") / pl.col("usual_amount"), distance=distance)
        .sort("transaction_id")
    )


def of(told: pl.DataFrame, scheme: str) -> pl.DataFrame:
    found = told.filter(pl.col("scheme") == scheme)
    assert len(found) > 50
    return found


def honest(told: pl.DataFrame) -> pl.DataFrame:
    return told.filter(pl.col("fraud") == 0)


def small(column: str) -> pl.Expr:
    return pl.col(column) < 5


def rounded(column: str) -> pl.Expr:
    return pl.col(column) % 10 == 0


def ordinary(column: str) -> pl.Expr:
    return ~small(column) & ~rounded(column)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    size = {"num_days": 20, "num_customers": 50, "num_terminals": 30}
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write(tmp_path / name, **size, seed=seed)
    for name in ("transactions.parquet", "causes.parquet", "payments.yaml"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    other = (tmp_path / "c" / "transactions.parquet").read_bytes()
    assert (tmp_path / "a" / "transactions.parquet").read_bytes() != other


def test_the_demo_is_made_in_under_two_cpu_seconds_and_has_the_stated_size(tmp_path):
    started = time.process_time()
    spec = load_spec(load(WORLDS["payments"], WORLDS, "world")(tmp_path))
    assert time.process_time() - started < 2
    assert spec.data.source == str(tmp_path / "transactions.parquet")
    assert 60_000 <= len(pl.read_parquet(spec.data.source)) <= 120_000


def test_causes_never_reach_the_inputs(world, tmp_path):
    spec = load_spec(write(tmp_path, num_days=10, num_customers=40, num_terminals=20))
    seen = pl.read_parquet(tmp_path / "transactions.parquet")
    assert seen.columns == world.events.columns == INPUTS
    assert set(spec.columns) | {spec.data.target} == set(INPUTS)
    assert not set(world.causes.columns) & set(INPUTS) - {"transaction_id"}
    assert world.events["transaction_id"].to_list() == list(range(1, len(world.events) + 1))
    assert world.events["at"].is_sorted()


def test_every_fraud_has_one_cause_and_no_honest_payment_has_one(world):
    frauds = world.events.filter(pl.col("fraud") == 1)["transaction_id"]
    assert frauds.to_list() == world.causes["transaction_id"].to_list()
    assert set(world.causes["scheme"]) == {scheme for schemes in FACTORS.values() for scheme in schemes}
    assert world.causes.select(pl.any_horizontal(*FACTORS).all()).item()


@pytest.mark.parametrize("seed", range(3))
def test_rates_stay_within_the_stated_ranges(seed):
    events = simulate(seed=seed).events
    assert 0.9 <= len(events) / (800 * 120) <= 1.3
    assert 0.005 <= events["fraud"].mean() <= 0.01
    by_day = events.group_by(pl.col("at").dt.weekday().alias("day")).len().sort("day")["len"]
    assert by_day[5] > 1.8 * by_day[6]
    assert events.select((pl.col("at").dt.hour().is_between(1, 5)).mean()).item() < 0.06


def test_large_amounts_are_far_above_the_customers_usual_and_honest_ones_are_about_as_many(told):
    assert of(told, "large_amount")["times"].min() >= 7.9
    assert len(honest(told).filter(pl.col("times") > 4)) > len(of(told, "large_amount"))


def test_a_compromised_terminals_frauds_are_half_its_payments_and_have_honest_amounts(told):
    frauds = of(told, "compromised_terminal")
    windows = frauds.group_by("terminal").agg(
        pl.col("at").min().alias("from"), pl.col("at").max().alias("to")
    )
    assert windows.select((pl.col("to") - pl.col("from")).max()).item().days <= 28
    inside = told.join(windows, on="terminal").filter(pl.col("at").is_between(pl.col("from"), pl.col("to")))
    assert 0.4 <= inside["fraud"].mean() <= 0.6
    usual = honest(told).filter(pl.col("times") < 3)["times"]
    assert ks_2samp(frauds["times"], usual).pvalue > 0.01


def test_stolen_cards_show_in_bursts_of_larger_payments_far_from_home(told):
    frauds = of(told, "stolen_card")
    bursts = frauds.group_by("customer", "started_at").agg(pl.len(), pl.col("at").max().alias("until"))
    assert bursts["len"].is_between(4, 9).all()
    assert bursts.select((pl.col("until") - pl.col("started_at")).max()).item().total_seconds() <= 20 * 3600
    assert frauds["distance"].min() > 30 > honest(told)["distance"].median()
    assert frauds["times"].median() > 2 > honest(told)["times"].median()


def test_a_probe_is_small_then_round_then_ordinary_and_honest_payments_never_are(told):
    pattern = small("amount_2") & rounded("amount_1") & ordinary("amount")
    assert of(told, "probe").select(pattern.all()).item()
    assert honest(told).select((~pattern).all(ignore_nulls=True)).item()


def triples() -> tuple[pl.DataFrame, np.ndarray]:
    """Return the quick triples of a small, a round and last an ordinary payment, and which are probes."""
    world = simulate(num_customers=2400, num_terminals=800, seed=5)
    by_window = [
        getattr(pl.col("amount"), f"rolling_{name}_by")("at", window)
        .over("customer")
        .alias(f"{name}_{window}")
        for name in ("sum", "max", "min")
        for window in ("1h", "1d", "7d")
    ]
    one = pl.lit(1.0) + 0 * pl.col("amount")
    events = world.events.with_columns(
        *by_window,
        *(one.rolling_sum_by("at", w).over("customer").alias(f"count_{w}") for w in ("1h", "1d", "7d")),
        pl.col("at").dt.hour().alias("hour"),
        pl.col("at").dt.weekday().alias("weekday"),
        *(pl.col("amount").shift(lag).over("customer").alias(f"amount_{lag}") for lag in (1, 2)),
        (pl.col("at") - pl.col("at").shift(2).over("customer")).dt.total_seconds().alias("span"),
    )
    mixed = (small("amount_2") & rounded("amount_1")) | (small("amount_1") & rounded("amount_2"))
    found = events.join(
        world.causes.select("transaction_id", "scheme"), on="transaction_id", how="left"
    ).filter(mixed & ordinary("amount") & (pl.col("span") <= 2700))
    found = found.filter((pl.col("fraud") == 0) | (pl.col("scheme") == "probe"))
    return found, found["fraud"].to_numpy()


def auc_on_held_out_half(x_NF: np.ndarray, y_N: np.ndarray) -> float:
    taught = np.random.default_rng(0).permutation(len(y_N)) < len(y_N) // 2
    params = {
        "objective": "binary",
        "num_leaves": 15,
        "learning_rate": 0.05,
        "num_threads": 1,
        "verbosity": -1,
    }
    booster = lightgbm.train(params, lightgbm.Dataset(x_NF[taught], y_N[taught]), num_boost_round=60)
    return float(roc_auc_score(y_N[~taught], np.asarray(booster.predict(x_NF[~taught]))))


def test_only_the_order_of_events_tells_a_probe_from_an_honest_triple():
    found, y_N = triples()
    lags = found.select("amount_2", "amount_1", "amount")
    windows = found.select(pl.selectors.matches("^(sum|max|min|count)_"), "hour", "weekday", "amount", "span")
    bag = np.hstack([np.sort(lags.to_numpy(), axis=1), windows.to_numpy()])
    assert y_N.sum() > 300
    assert abs(auc_on_held_out_half(bag, y_N) - 0.5) < 0.06
    assert auc_on_held_out_half(lags.to_numpy(), y_N) > 0.99


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20), st.integers(0, 9))
def test_a_world_of_any_size_is_a_world(days, customers, terminals, seed):
    world = simulate(num_days=days, num_customers=customers, num_terminals=terminals, seed=seed)
    assert world.events.columns == INPUTS
    assert world.events.null_count().sum_horizontal().item() == 0
    assert world.events["customer"].is_in(world.customers["customer"].implode()).all()
    assert (world.events["amount"] > 0).all()


def test_the_spec_lies_beside_its_data_and_states_what_the_owner_wants_said(tmp_path):
    path = write(Path(tmp_path) / "new" / "folder", num_days=3, num_customers=5, num_terminals=5)
    spec = load_spec(path)
    assert set(spec.narrate.glossary) == set(spec.narrate.checks) == {"amount", "terminal", "customer"}
    assert spec.columns["amount"].unit == "EUR"
