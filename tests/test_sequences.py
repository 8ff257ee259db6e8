"""Laws of rows as sequences: who is in a row's past, what is known of it, what the networks make of it."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from foretell.models.family import Material
from foretell.models.reading import tail_edges
from foretell.models.recurrent import Recurrent
from foretell.models.sequences import (
    NEGATIVE,
    PAD,
    POSITIVE,
    UNKNOWN,
    Events,
    SequenceBatches,
    deviations,
    merged_events,
    past_events,
    previous_events,
)
from foretell.models.transformer import Transformer
from foretell.spec import DataSpec, ModelSpec, Spec, TrainSpec
from foretell.training.loop import fit

DAY = 86400.0
FRAUD = Path(__file__).parents[2] / "shared/data/fraud/transactions.parquet"
# Tests of compiled functions have no deadline: the first call pays for compiling.
codes = st.lists(st.integers(-1, 5), min_size=1, max_size=60).map(lambda each: np.array(each, np.int32))
families = pytest.mark.parametrize("family", [Recurrent, Transformer])


def some_events(num_rows: int = 200, *, seed: int = 0) -> Events:
    rng = np.random.default_rng(seed)
    at = np.sort(rng.uniform(0, 30 * DAY, num_rows))
    return Events(
        numbers=rng.lognormal(3, 1, (num_rows, 2)).astype(np.float32),
        categories=rng.integers(0, 4, (num_rows, 1)).astype(np.int32),
        entities=rng.integers(-1, 9, (num_rows, 2)).astype(np.int32),
        at=at,
        known_at=at + rng.choice([DAY, 7 * DAY, math.inf], num_rows),
        labels=(rng.random(num_rows) < 0.3).astype(np.float32),
    )


def changed(events: Events, **fields: np.ndarray) -> Events:
    return Events(**{name: fields.get(name, getattr(events, name)) for name in Events.__dataclass_fields__})


def batches_of(
    events: Events, *, merged: bool = False, context: int = 4, batch_size: int = 32
) -> SequenceBatches:
    rows = np.arange(len(events.at))
    return SequenceBatches(
        events,
        rows,
        np.ones(len(rows)),
        context=context,
        merged=merged,
        batch_size=batch_size,
        seed=0,
    )


@given(codes, st.integers(1, 7))
@settings(deadline=None)
def test_the_past_of_a_row_is_the_last_events_of_its_entity_before_it(entity, context):
    past = past_events(previous_events(entity, 6), np.arange(len(entity)), context)
    for row, code in enumerate(entity):
        expected = [] if code < 0 else np.flatnonzero(entity[:row] == code)[-context:].tolist()
        assert past[row].tolist() == [-1] * (context - len(expected)) + expected


@given(codes, codes, st.integers(1, 5))
@settings(deadline=None)
def test_a_merged_past_holds_each_event_once_in_order_of_time(first, second, context):
    size = min(len(first), len(second))
    rows = np.arange(size)
    past = np.stack(
        [past_events(previous_events(each[:size], 6), rows, context) for each in (first, second)], axis=1
    )
    for own, merged in zip(past, merged_events(past), strict=True):
        expected = sorted(set(own.ravel().tolist()) - {-1})
        assert merged.tolist() == [-1] * (2 * context - len(expected)) + expected


@given(codes, st.data())
@settings(deadline=None)
def test_deviations_look_back_alone(entity, data):
    values = np.array(
        data.draw(st.lists(st.floats(-1e3, 1e3, width=32), min_size=len(entity), max_size=len(entity))),
        np.float32,
    )
    cut = data.draw(st.integers(0, len(entity)))
    whole = deviations(values, entity, 6)
    assert np.isfinite(whole).all()
    assert np.array_equal(deviations(values[:cut], entity[:cut], 6), whole[:cut])


def test_a_value_unusual_for_its_entity_stands_out_though_common_for_all():
    values = np.array([10, 90] * 50 + [90, 90], np.float32)
    entity = np.array([0, 1] * 50 + [0, 1], np.int32)
    unusual = deviations(values, entity, 2)
    assert unusual[-2, 0] > 2 and unusual[-2, 1] > 1
    assert abs(unusual[-1]).max() < 0.5


@given(st.integers(0, 199), st.booleans(), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_a_row_sees_nothing_of_what_comes_later_or_was_not_yet_known(row, merged, seed):
    events = some_events()
    other = some_events(seed=seed % 1000 + 1)
    hidden = (np.arange(200) >= row) | (events.known_at > events.at[row])
    later = np.arange(200) > row
    rewritten = changed(
        events,
        labels=np.where(hidden, 1 - events.labels, events.labels),
        numbers=np.where(later[:, None], other.numbers, events.numbers),
        entities=np.where(later[:, None], other.entities, events.entities),
    )
    seen = batches_of(events, merged=merged).gather(np.array([row]))
    again = batches_of(rewritten, merged=merged).gather(np.array([row]))
    assert all(torch.equal(seen[name], again[name]) for name in seen)


def test_what_is_known_of_an_event_depends_on_when_its_label_arrived():
    events = Events(
        numbers=np.zeros((4, 1), np.float32),
        categories=np.zeros((4, 0), np.int32),
        entities=np.zeros((4, 1), np.int32),
        at=np.array([0.0, 1.0, 2.0, 10.0]),
        known_at=np.array([5.0, 10.0, 10.1, 17.0]),
        labels=np.array([1, 0, 1, 1], np.float32),
    )
    batch = batches_of(events).gather(np.array([3]))
    assert batch["known"].tolist() == [[[PAD, POSITIVE, NEGATIVE, UNKNOWN, UNKNOWN]]]
    assert batch["gap"].tolist() == [[[0.0, 10.0, 9.0, 8.0, 0.0]]]
    assert batch["shared"][0, 0, :, 0].tolist() == [1.0] * 5


@given(st.integers(0, 50), st.integers(1, 64))
@settings(max_examples=30, deadline=None)
def test_a_batch_depends_on_its_step_alone_and_a_pass_visits_each_row_once(step, batch_size):
    events = some_events()
    fresh, used = (batches_of(events, batch_size=batch_size) for _ in range(2))
    for earlier in (7, 3, step + 1):
        used.batch_at(earlier)
    seen, again = fresh.batch_at(step), used.batch_at(step)
    assert all(torch.equal(seen[name], again[name]) for name in seen)
    a_pass = torch.cat([fresh.batch_at(at)["numbers"][:, 0, -1, 0] for at in range(fresh.steps(1.0))])
    assert len(a_pass.unique()) == len(a_pass) == 200 // batch_size * batch_size


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=200), st.integers(6, 40))
def test_bins_ascend_and_cover_the_values(values, num_bins):
    edges = tail_edges(np.array(values), num_bins)
    assert len(edges) == num_bins + 1
    assert (np.diff(edges) >= 0).all()
    assert edges[0] == np.float32(min(values)) and edges[-1] == np.float32(max(values))


def test_bins_resolve_a_rare_tail_and_a_column_that_is_mostly_one_value():
    rng = np.random.default_rng(0)
    amounts = np.concatenate([rng.uniform(0, 100, 9990), rng.uniform(200, 1000, 10)])
    assert (tail_edges(amounts, 24) > 200).sum() >= 4
    mostly_zero = np.concatenate([np.zeros(9900), rng.uniform(1, 2, 100)])
    edges = tail_edges(mostly_zero, 24)
    assert ((edges > 1) & (edges < 2)).sum() >= 6


def material_of(events: Events, teach: np.ndarray) -> Material:
    coded = np.arange(events.numbers.shape[1] + events.categories.shape[1]) >= events.numbers.shape[1]
    return Material(
        features=np.concatenate([events.numbers, events.categories], axis=1).astype(np.float32),
        categorical=coded,
        own=np.arange(len(coded)),
        entities=events.entities,
        at_seconds=events.at,
        known_at_seconds=events.known_at,
        labels=events.labels.astype(np.int8),
        teach=teach,
        weights=np.ones(len(teach)),
        choose=np.setdiff1d(np.arange(len(events.at)), teach),
        offset=0.0,
    )


def spec_of(*, epochs, width=48, context=4, learning_rate=0.01, batch_size=128) -> Spec:
    return Spec(
        data=DataSpec(source="rows.csv", target="y"),
        model=ModelSpec(width=width, context=context),
        train=TrainSpec(epochs=epochs, learning_rate=learning_rate, batch_size=batch_size, threads=1),
    )


def fitted(family, events: Events, teach: np.ndarray, spec: Spec):
    return family.fit(material_of(events, teach), spec, fit, None, lambda advance: None)


@pytest.fixture(scope="module", params=[Recurrent, Transformer])
def reader(request):
    return fitted(request.param, some_events(), np.arange(200), spec_of(epochs=10))


def test_log_odds_do_not_depend_on_what_is_scored_together(reader):
    material = material_of(some_events(), np.arange(200))
    together = reader.score(material, np.arange(50, 90))
    alone = [reader.score(material, np.array([row]))[0] for row in range(50, 90)]
    assert np.abs(together - alone).max() < 1e-5
    assert reader.score(material, np.arange(0)).shape == (0,)


def test_log_odds_depend_on_differences_of_time_alone(reader):
    events, rows = some_events(), np.arange(200)
    later = changed(events, at=events.at + 1e9, known_at=events.known_at + 1e9)
    moved = reader.score(material_of(later, rows), rows)
    assert np.abs(moved - reader.score(material_of(events, rows), rows)).max() < 1e-4


def test_a_family_restored_from_its_arrays_gives_the_same_numbers(reader):
    material, rows = material_of(some_events(), np.arange(200)), np.arange(200)
    again = type(reader).restore(reader.arrays())
    assert np.array_equal(again.score(material, rows), reader.score(material, rows))


def test_a_category_never_seen_in_teaching_is_scored(reader):
    events, rows = some_events(), np.arange(200)
    for code in (-1, 99):
        strange = changed(events, categories=np.full_like(events.categories, code))
        assert np.isfinite(reader.score(material_of(strange, rows), rows)).all()


def test_padding_is_nothing_to_the_transformer():
    events, rows = some_events(20), np.arange(20)
    model = fitted(Transformer, events, rows, spec_of(epochs=5, context=20))
    longer = Transformer(model.network, 40).score(material_of(events, rows), rows)
    assert np.abs(longer - model.score(material_of(events, rows), rows)).max() < 1e-5


def relayed(num_rows: int = 4000) -> Events:
    """Return events whose label is their entity's own, to be read from past events once they are known."""
    rng = np.random.default_rng(1)
    own, other = rng.integers(0, 40, (2, num_rows)).astype(np.int32)
    at = np.arange(num_rows) * 60.0
    return Events(
        numbers=rng.normal(size=(num_rows, 1)).astype(np.float32),
        categories=np.zeros((num_rows, 0), np.int32),
        entities=np.stack([other, own], axis=1),
        at=at,
        known_at=at + 600.0,
        labels=(rng.random(40) < 0.3)[own].astype(np.float32),
    )


@families
def test_labels_that_arrived_are_learned_from(family):
    events, test = relayed(), np.arange(3000, 4000)
    learned = fitted(family, events, np.arange(3000), spec_of(epochs=3))
    logits = learned.score(material_of(events, test), test)
    assert average_precision_score(events.labels[test], logits) > 0.95


@families
def test_labels_that_never_arrive_are_of_no_use(family):
    events, test = relayed(), np.arange(3000, 4000)
    silent = changed(events, known_at=np.full(4000, np.inf))
    learned = fitted(family, silent, np.arange(3000), spec_of(epochs=1))
    logits = learned.score(material_of(silent, test), test)
    assert average_precision_score(events.labels[test], logits) < 0.6


@pytest.mark.slow
@pytest.mark.skipif(not FRAUD.exists(), reason="the card transactions are not on this machine")
@families
def test_raw_events_beat_the_published_boosting_on_hand_made_features(family):
    table = pl.read_parquet(FRAUD).sort("TX_DATETIME", maintain_order=True)
    at = table["TX_DATETIME"].cast(pl.Datetime("us")).dt.epoch("us").to_numpy() / 1e6
    labels = table["TX_FRAUD"].cast(pl.Float32).to_numpy()
    entities = table.select("CUSTOMER_ID", "TERMINAL_ID").cast(pl.Int32).to_numpy()
    events = Events(
        numbers=table.select(pl.col("TX_AMOUNT").cast(pl.Float32)).to_numpy(),
        categories=np.zeros((len(at), 0), np.int32),
        entities=entities,
        at=at,
        known_at=at + 7 * DAY,
        labels=labels,
    )
    day = ((at - at[0] // DAY * DAY) // DAY).astype(int)
    teach, judge = np.flatnonzero((day >= 115) & (day < 122)), day >= 129
    for each in range(129, 136):
        known = np.unique(entities[(day >= 115) & (day < each - 7) & (labels > 0), 0])
        judge &= (day != each) | ~np.isin(entities[:, 0], known)
    rows = np.flatnonzero(judge)
    spec = spec_of(epochs=4, width=96, context=24, learning_rate=0.003, batch_size=256)
    learned = fitted(family, events, teach, spec)
    logits = learned.score(material_of(events, teach), rows)
    assert average_precision_score(labels[rows], logits) > 0.687
