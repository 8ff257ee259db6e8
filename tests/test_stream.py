"""The stream is one function of what was known: in batch, one by one, restarted, corrected."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.data.table import Schema
from foretell.models import stream
from foretell.models.suspicion import Suspicion, additive
from foretell.prediction.features import REGISTER, Events, Featurizer, Snapshot

DAY = 86_400.0
fewer = settings(max_examples=40, deadline=None)


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """A random stream: its plan, its events, and a suspicion that suspects something."""

    plan: stream.StreamPlan
    suspicion: Suspicion
    slots: np.ndarray
    numbers: np.ndarray
    at: np.ndarray
    arrives_at: np.ndarray
    labels: np.ndarray

    @property
    def num_slots(self) -> int:
        return 1 + int(self.slots.max(initial=-1))

    def events(self, rows: slice = slice(None)) -> Events:
        """Return some of the events as the featurizer takes them."""
        names = [str(slot) for slot in range(self.num_slots)]
        register = {"column": ["e"] * self.num_slots, "name": names, "slot": range(self.num_slots)}
        return Events(
            register=pl.DataFrame(register, schema=REGISTER),
            slots=self.slots[rows],
            numbers=self.numbers[rows],
            at_seconds=self.at[rows],
            known_at_seconds=self.arrives_at[rows],
            labels=self.labels[rows],
            own=np.zeros((len(self.at[rows]), 0), np.float32),
        )

    def featurizer(self) -> Featurizer:
        return Featurizer(
            schema=Schema(columns=(), states={}),
            plan=self.plan,
            suspicion=self.suspicion,
            own_names=(),
            own_columns=(),
            own_categorical=np.zeros(0, np.bool_),
        )

    def replay(self) -> np.ndarray:
        """Return the features [n, F] of one pass over all events."""
        before = Snapshot.empty(self.plan)
        return self.featurizer().replay(self.events(), before, keep=np.zeros(0, np.int64)).features


def world(seed: int, num_entities: int, num_numbers: int) -> World:
    """Return a stream of 40 events with ties in time, missing numbers and labels in any order."""
    rng = np.random.default_rng(seed)
    n = 40
    plan = stream.StreamPlan(
        entities=tuple(f"e{e}" for e in range(num_entities)),
        numbers=tuple(f"x{index}" for index in range(num_numbers)),
        half_lives_seconds=(3600.0, 30 * DAY),
        scales=tuple(rng.uniform(0.5, 50.0, num_numbers)),
    )
    at = 1.5e9 + np.sort(rng.choice([0.0, 60.0, DAY], n) * rng.integers(0, 20, n))
    delays = rng.choice([0.0, 60.0, DAY, 7 * DAY], n) * rng.choice([1.0, rng.random()], n)
    numbers = rng.normal(0.0, 40.0, (n, num_numbers))
    numbers[rng.random(numbers.shape) < 0.2] = np.nan
    shape = (num_entities, min(3, plan.num_features), 4)
    suspicion = Suspicion(
        columns=rng.integers(0, max(plan.num_features, 1), shape[:2]),
        knots=np.sort(rng.normal(0.0, 2.0, shape), axis=2).astype(np.float32),
        values=rng.normal(0.0, 2.0, shape).astype(np.float32),
        bias=rng.normal(0.0, 1.0, num_entities),
    )
    slots = [4 * e + rng.integers(0, 4, n) for e in range(num_entities)]
    return World(
        plan=plan,
        suspicion=suspicion if num_entities else Suspicion.silent(0),
        slots=np.stack(slots, axis=1) if slots else np.zeros((n, 0), np.int64),
        numbers=numbers,
        at=at,
        arrives_at=at + delays,
        labels=rng.choice([-1.0, 0.0, 1.0], n),
    )


worlds = st.builds(world, st.integers(0, 2**32), st.integers(0, 3), st.integers(0, 2))


@fewer
@given(worlds)
def test_one_event_at_a_time_gives_the_features_of_the_batch_bit_for_bit(world):
    state, touched = stream.empty_state(world.plan, world.num_slots)
    rates, scales = world.plan.arrays()
    known = np.flatnonzero(world.labels >= 0)
    waiting = known[np.argsort(world.arrives_at[known], kind="stable")].tolist()
    excused = np.zeros(world.slots.shape, np.float32)
    found = np.empty((len(world.at), world.plan.num_features), np.float32)
    for i in range(len(world.at)):
        while waiting and waiting[0] < i and world.arrives_at[waiting[0]] <= world.at[i]:
            j = waiting.pop(0)
            stream.step_label(
                *(state, touched, world.slots[j], world.labels[j], world.at[j], world.arrives_at[j]),
                *(rates, len(scales), excused[j]),
            )
        stream.step_event(
            *(state, touched, world.slots[i], world.numbers[i], world.at[i], rates, scales),
            *(*world.suspicion.arrays(), found[i], excused[i]),
        )
    np.testing.assert_array_equal(found, world.replay())


@fewer
@given(worlds, st.integers(0, 39), st.integers(0, 2**32))
def test_features_do_not_depend_on_later_events_or_on_labels_that_arrive_later(world, last, seed):
    rng = np.random.default_rng(seed)
    later = np.arange(40) > last
    # The event's own label belongs to what is unknown, even if it is known at the very instant.
    unknown = (np.arange(40) >= last) | (world.arrives_at > world.at[last])
    other = replace(
        world,
        labels=np.where(unknown, rng.choice([-1.0, 0.0, 1.0], 40), world.labels),
        numbers=np.where(later[:, None], rng.normal(size=world.numbers.shape), world.numbers),
        slots=np.where(later[:, None], world.slots[rng.permutation(40)], world.slots),
    )
    np.testing.assert_array_equal(world.replay()[: last + 1], other.replay()[: last + 1])


def test_a_label_that_arrived_changes_what_is_read_after_it():
    first = world(3, 2, 1)
    other = replace(first, labels=np.where(first.labels == 1, 0.0, 1.0))
    assert not np.array_equal(first.replay(), other.replay())


@fewer
@given(worlds, st.integers(0, 40))
def test_a_stream_goes_on_from_a_snapshot_as_if_it_had_never_stopped(world, cut):
    nothing, featurizer = np.zeros(0, np.int64), world.featurizer()
    whole = featurizer.replay(world.events(), Snapshot.empty(world.plan), keep=nothing)
    early = featurizer.replay(world.events(slice(cut)), Snapshot.empty(world.plan), keep=nothing)
    late = featurizer.replay(world.events(slice(cut, None)), early.after, keep=nothing)
    np.testing.assert_array_equal(np.concatenate([early.features, late.features]), whole.features)
    for name in ("state", "touched", "slots", "happened_at", "arrives_at", "labels", "excused"):
        np.testing.assert_array_equal(getattr(late.after, name), getattr(whole.after, name))


@fewer
@given(worlds)
def test_an_entity_takes_the_same_bytes_however_many_events_it_saw(world):
    after = world.featurizer().replay(
        world.events(), Snapshot.empty(world.plan), keep=np.zeros(0, np.int64)
    ).after  # fmt: skip
    assert after.state.nbytes + after.touched.nbytes == world.num_slots * world.plan.bytes_per_entity
    assert len(world.plan.features) == world.plan.num_features


def test_two_entities_one_amount_and_four_half_lives_take_188_bytes_each():
    plan = stream.StreamPlan(
        entities=("customer", "terminal"), numbers=("amount",), half_lives_seconds=(1, 2, 3, 4), scales=(1,)
    )
    assert plan.bytes_per_entity == 4 * (7 + 2 + 4 * 9) + 8 == 188


def sums_of(plan: stream.StreamPlan, state: np.ndarray) -> np.ndarray:
    """Return the decaying sums of a state: all but the ages, the run and the latest sizes."""
    return state[:, stream.HEAD + stream.LAGS * len(plan.numbers) :]


@fewer
@given(worlds.filter(lambda world: world.slots.shape[1]), st.booleans(), st.floats(0.0, 60 * DAY))
def test_a_revised_label_leaves_the_sums_as_if_it_had_never_been_wrong(world, truth, after):
    rates, scales = world.plan.arrays()
    excused = np.full(world.slots.shape[1], 0.25, np.float32)
    ends = []
    for said in ((float(truth),), (float(not truth), float(truth)), (1.0, 0.0, 1.0, float(truth))):
        state, touched = stream.empty_state(world.plan, world.num_slots)
        for i in range(40):
            stream.step_event(
                *(state, touched, world.slots[i], world.numbers[i], world.at[i], rates, scales),
                *(*world.suspicion.arrays(), np.zeros(world.plan.num_features, np.float32), excused.copy()),
            )
        slots, happened_at = world.slots[7], world.at[7]
        # It counts late: its entities saw later events meanwhile.
        stream.step_label(
            state, touched, slots, said[0], happened_at, world.at[20], rates, len(scales), excused
        )
        counted_at = touched[slots]
        for was, now in pairwise(said):
            at = world.at[-1] + after
            stream.step_revision(
                state, touched, slots, now - was, counted_at, at, rates, len(scales), excused
            )
        for slot in range(world.num_slots):
            stream.touch(state, touched, slot, world.at[-1] + 60 * DAY, rates, len(scales))
        ends.append(sums_of(world.plan, state))
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ends[2], ends[0], rtol=1e-5, atol=1e-5)


@fewer
@given(worlds.filter(lambda world: world.slots.shape[1]), st.floats(0.0, 60 * DAY))
def test_an_event_out_of_order_counts_as_if_it_happened_at_what_its_entities_saw_last(world, early):
    rates, scales = world.plan.arrays()
    slots, found = np.arange(world.slots.shape[1]), []
    for at in (world.at[0], world.at[0] - early):
        state, touched = stream.empty_state(world.plan, len(slots))
        out, excused = np.zeros(world.plan.num_features, np.float32), np.zeros(len(slots), np.float32)
        for index, instant in enumerate((world.at[0], at)):
            stream.step_event(
                *(state, touched, slots, world.numbers[index], instant, rates, scales),
                *(*world.suspicion.arrays(), out, excused),
            )
        found.append((out, state, touched))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@fewer
@given(worlds.filter(lambda world: world.slots.shape[1] > 1))
def test_an_entity_is_excused_by_what_the_others_pasts_call_odd_and_never_by_its_own(world):
    replayed = world.featurizer().replay(
        world.events(), Snapshot.empty(world.plan), keep=np.zeros(0, np.int64)
    )  # fmt: skip
    columns, knots, values, bias = world.suspicion.arrays()
    for features, excused in zip(replayed.features, replayed.excused, strict=True):
        odd = [additive(features, columns[e], knots[e], values[e], bias[e]) for e in range(len(columns))]
        others = [1 - np.prod([1 - odd[o] for o in range(len(odd)) if o != e]) for e in range(len(odd))]
        np.testing.assert_allclose(excused, others, atol=1e-6)
