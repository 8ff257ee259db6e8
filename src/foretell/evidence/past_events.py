"""Past events: how much single past events of a row's entities moved its score, in log-odds.

K: steps (events and labels) of one entity, Q: players, P: permutations, E: entities, D: state, F: features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from foretell import wording
from foretell.data.dataset import Dataset
from foretell.data.kinds import kind
from foretell.evidence.history import Past
from foretell.evidence.scene import Scene, fact, stamps
from foretell.models import stream
from foretell.models.suspicion import additive
from foretell.prediction.features import MICRO
from foretell.records import Fact, Value

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Score = Callable[[NDArray[np.float32]], Floats]
PAIRS = 6
"""Pairs of permutations, one the reverse of the other."""
BOOTSTRAPS = 200
HELD = 6
"""Players of an entity, the first in time, before whom states are held."""
MOST_FACTS = 6
LEAST_SHARE = 0.05
"""Log-odds below which a share is not told."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """What happened to one entity before a row, in order: its events, and their labels as they arrived."""

    rows: Rows
    """[K] the event's row."""
    arrived: NDArray[np.bool_]
    """[K] whether it is the event's label that arrived."""
    suspicion: Floats
    """[K] how odd the entity's own past called the event, as it was then."""
    players: Rows
    """[K] number of the player whose event it is, or -1."""

    def kernel(self) -> tuple[Rows, NDArray[np.bool_], Floats, Rows]:
        """Return the arrays in the order the kernels take them."""
        return self.rows, self.arrived, self.suspicion, self.players


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shares:
    """Players' shares in one score: they sum to what the score is with all of them less without them."""

    values: Floats
    """[Q] log-odds."""
    sign_stability: Floats
    """[Q] share of the bootstraps over pairs of permutations in which the sign is that of the value."""


class Rebuilt:
    """Entities' states, built again from their own past events with the kernels that built them first.

    What an event weighed in its entity's state, and how far the event's other entities excuse its label, stay
    as they were then: leaving an event out takes away only what it and its label put into the state.
    """

    def __init__(self, scene: Scene) -> None:
        dataset, features = scene.dataset, scene.fitted.featurizer
        self.stamp = stamps(dataset.at_us)
        self.plan = features.plan
        self.features, self.suspicion = scene.scored.features, features.suspicion.arrays()
        numbers = [dataset.frame[name].to_numpy() for name in self.plan.numbers]
        empty = np.zeros((len(dataset), 0))
        self.numbers = np.stack(numbers, axis=1).astype(np.float64) if numbers else empty
        self.at, self.known_at = dataset.at_us * MICRO, dataset.known_at_us * MICRO
        self.labels = dataset.target.astype(np.float64)
        self.pasts = [Past(scene.scored.codes[name]) for name in self.plan.entities]
        self._kernel = (
            self.numbers, self.at, self.known_at, self.labels, scene.scored.excused, *self.plan.arrays()
        )  # fmt: skip

    def known(self, rows: Rows, row: int) -> NDArray[np.bool_]:
        """Return which rows' outcomes were known at the instant of `row`."""
        return (self.labels[rows] >= 0) & (self.known_at[rows] <= self.at[row])

    def players(self, e: int, row: int, limit: int) -> list[int]:
        """Return past rows of entity column `e`: latest known positives, at most half, then latest others."""
        past = self.pasts[e].before(row)
        positives = past[(self.labels[past] == 1) & self.known(past, row)]
        chosen = positives[::-1][: limit // 2].tolist()
        others = [other for other in past[::-1][:limit].tolist() if other not in chosen]
        return chosen + others[: limit - len(chosen)]

    def steps(self, e: int, row: int, players: Sequence[int], first: int) -> Steps:
        """Return the steps of entity column `e` before a row; `players` are numbered from `first` on."""
        past = self.pasts[e].before(row)
        rows, arrived = _ordered(past, self.at, self.known_at, self.labels, self.at[row])
        numbered = np.full(len(rows), -1, np.int64)
        for number, player in enumerate(players, first):
            numbered[rows == player] = number
        columns, knots, values, bias = self.suspicion
        suspected = _suspected(self.features, rows, columns[e], knots[e], values[e], bias[e])
        return Steps(rows=rows, arrived=arrived, suspicion=suspected, players=numbered)

    def state(self, e: int, row: int, steps: Steps, present: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the state [D] that would be read for the row, had only the present players happened."""
        state, touched = stream.empty_state(self.plan, 1)
        _fold(state, touched, e, 0, len(steps.rows), *steps.kernel(), present, *self._kernel)
        stream.touch(state, touched, 0, self.at[row], self.plan.arrays()[0], len(self.plan.numbers))
        return state[0]

    def walks(
        self, row: int, read: NDArray[np.float32], steps: Sequence[Steps], orders: Rows
    ) -> NDArray[np.float32]:
        """Return features [1 + P * Q, F]: without players, then as each permutation lets them in one by one.

        Args:
            read: states [E, D] that were read for the row; those of entities without players stay.
            steps: per entity column.
            orders: permutations of the players [P, Q].
        """
        out = np.repeat(self.features[row][None], 1 + orders.size, axis=0)
        joined = [np.concatenate(parts) for parts in zip(*(each.kernel() for each in steps), strict=True)]
        ends = np.cumsum([0] + [len(each.rows) for each in steps])
        starts, touched = stream.empty_state(self.plan, len(steps))
        _walk(
            out,
            self.plan.num_features,
            read.copy(),
            starts,
            touched,
            row,
            ends,
            *joined,
            orders,
            *self._kernel,
        )
        return out


def shapley(
    rebuilt: Rebuilt,
    score: Score,
    row: int,
    read: NDArray[np.float32],
    steps: Sequence[Steps],
    seeds: int | tuple[int, int],
) -> Shares:
    """Return Shapley values of the players by permutations in pairs; all other factors stay as they are.

    Raises:
        AssertionError: when the shares do not sum to what the players change together.

    Source: as `attribution.shapley`.
    """
    rng = np.random.default_rng(seeds)
    num_players = 1 + max(int(each.players.max(initial=-1)) for each in steps)
    half = [rng.permutation(num_players) for _ in range(PAIRS)]
    orders = np.array([turn for order in half for turn in (order, order[::-1])], dtype=np.int64)
    logits = score(rebuilt.walks(row, read, steps, orders))
    walked = logits[1:].reshape(orders.shape)
    gained = np.diff(walked, axis=1, prepend=logits[0])
    shares = np.empty(orders.shape)
    np.put_along_axis(shares, orders, gained, axis=1)
    values, pairs = shares.mean(0), 0.5 * (shares[0::2] + shares[1::2])
    together = walked[0, -1] - logits[0]
    assert abs(values.sum() - together) < 1e-9, f"shares sum to {values.sum()}, not {together}"
    weights = rng.multinomial(PAIRS, np.full(PAIRS, 1 / PAIRS), size=BOOTSTRAPS)
    stable = (np.sign(weights @ pairs) == np.sign(values)).mean(0)
    return Shares(values=values, sign_stability=stable)


def collect(scene: Scene) -> list[list[Fact]]:
    """Return per row the past events of its entities that moved its score most, the strongest first.

    An entity takes part when all its past is in the data set: its state must come out as it was read.
    """
    limit = scene.fitted.spec.explain.past_events
    if scene.dataset.column("time") is None or not scene.fitted.featurizer.plan.entities or limit == 0:
        return [[] for _ in scene.rows]
    rebuilt, states = Rebuilt(scene), scene.scored.states_of(scene.rows)
    places = scene.places if len(scene.places) else scene.rows
    return [
        _of_row(scene, rebuilt, row, place, states[r], limit)
        for r, (row, place) in enumerate(zip(scene.rows.tolist(), places.tolist(), strict=True))
    ]


def _of_row(
    scene: Scene, rebuilt: Rebuilt, row: int, place: int, read: NDArray[np.float32], limit: int
) -> list[Fact]:
    players: list[tuple[int, int]] = []
    steps = []
    for e, entity in enumerate(rebuilt.plan.entities):
        unknown = scene.dataset.frame[entity][row] is None
        chosen = [] if unknown else rebuilt.players(e, row, limit)
        taken = rebuilt.steps(e, row, chosen, len(players))
        whole = rebuilt.state(e, row, taken, np.ones(len(players) + len(chosen), np.bool_))
        if np.allclose(whole, read[e], rtol=1e-4, atol=1e-4):
            players += [(e, player) for player in chosen]
        else:
            taken = rebuilt.steps(e, row, (), 0)
        steps.append(taken)
    if not players:
        return []
    seeds = (scene.fitted.spec.train.seed, place)
    shares = shapley(rebuilt, scene.fitted.logits_of, row, read, steps, seeds)
    order = np.argsort(-np.abs(shares.values), kind="stable")[:MOST_FACTS]
    strongest = [q for q in order.tolist() if abs(shares.values[q]) >= LEAST_SHARE]
    return [
        _fact(scene, rebuilt, row, *players[q], float(shares.values[q]), float(shares.sign_stability[q]))
        for q in strongest
    ]


def _fact(scene: Scene, rebuilt: Rebuilt, row: int, e: int, past: int, share: float, stable: float) -> Fact:
    spec, dataset = scene.fitted.spec, scene.dataset
    at = rebuilt.stamp(dataset.at_us[past])
    outcome = ""
    if rebuilt.known(np.array([past]), row)[0]:
        positive = spec.task.positive_text
        negative = wording.text("negative", spec.narrate.language, outcome=positive)
        outcome = positive if dataset.target[past] else negative
    entities = dataset.inputs("entity")
    detail: dict[str, Value] = {
        "at": at, "known": outcome, "sign_stability": stable, "entity": entities[e].name
    }  # fmt: skip
    for number in dataset.inputs("number")[:1]:
        value = dataset.frame[number.name][past]
        detail |= {"column": number.name, "value": value, "unit": number.unit}
    return fact(
        "past_event",
        str(dataset.ids[past]),
        wording.text(
            "past_event",
            spec.narrate.language,
            row=spec.data.row_text,
            at=wording.instant(at, spec.narrate.language),
            where=_where(dataset, e, past, spec.narrate.language),
        ),
        share,
        scene.share_unit,
        f"model {scene.predictions[0].model[:16]}",
        detail,
    )


def _where(dataset: Dataset, e: int, past: int, language: str) -> str:
    """Return who else took part: " at terminal 9" at a customer's event, " by customer 7" at a terminal's."""
    entities = dataset.inputs("entity")
    others = [other for other in range(len(entities)) if other != e]
    if not others:
        return ""
    column = entities[others[0]]
    name = dataset.frame[column.name][past]
    shown = kind(column.kind).show(name, column)
    joint = wording.text("at" if others[0] > e else "by", language)
    return f"{joint}{column.text} {shown}"


@numba.njit(cache=True)
def _ordered(past, at_n, known_at_n, labels_n, until):
    """Return rows [K] and flags [K] of an entity's events and labels, in the order of `stream.replay`."""
    labelled = past[labels_n[past] >= 0]
    labelled = labelled[np.argsort(known_at_n[labelled], kind="mergesort")]
    rows = np.empty(len(past) + len(labelled), np.int64)
    arrived = np.zeros(len(rows), np.bool_)
    head = size = 0
    for i in range(len(past) + 1):
        now = at_n[past[i]] if i < len(past) else until
        while head < len(labelled) and known_at_n[labelled[head]] <= now:
            if i < len(past) and labelled[head] >= past[i]:
                break
            rows[size], arrived[size] = labelled[head], True
            head, size = head + 1, size + 1
        if i < len(past):
            rows[size] = past[i]
            size += 1
    return rows[:size].copy(), arrived[:size].copy()


@numba.njit(cache=True)
def _suspected(features_nF, rows, columns_M, knots_MK, values_MK, bias):
    out = np.empty(len(rows))
    for k in range(len(rows)):
        out[k] = additive(features_nF[rows[k]], columns_M, knots_MK, values_MK, bias)
    return out


@numba.njit(cache=True)
def _fold(
    state_SD, touched_S, e, start, stop, rows, arrived, suspicion, players, present,
    numbers_nN, at_n, known_at_n, labels_n, excused_nE, rates, scales,
):  # fmt: skip
    """Fold some steps into the only slot; the steps of absent players are left out."""
    slot = np.zeros(1, np.int64)
    for k in range(start, stop):
        if players[k] >= 0 and not present[players[k]]:
            continue
        row = rows[k]
        if arrived[k]:
            stream.step_label(
                state_SD, touched_S, slot, labels_n[row], at_n[row], known_at_n[row],
                rates, len(scales), excused_nE[row, e : e + 1],
            )  # fmt: skip
        else:
            stream.touch(state_SD, touched_S, 0, at_n[row], rates, len(scales))
            stream.fold_event(state_SD[0], numbers_nN[row], scales, len(rates), suspicion[k])


@numba.njit(cache=True)
def _step_on(
    state, touched, e, last, held_SD, held_at_S, is_held_S, turns, rows, arrived, suspicion, players,
    present, numbers_nN, at_n, known_at_n, labels_n, excused_nE, rates, scales,
):  # fmt: skip
    """Build the state of one entity for the present players, from the longest part of the way that is held.

    Held are the states right before each of the first players in time: they depend on the few players before
    alone, and the long stretches of a past lie between those.

    Args:
        turns: steps at which the first players come in, in order.
        held_SD: states held; that before player j, with the players before it as bits, stands at 2**j + bits.
    """
    bits = 0
    for j in range(len(turns)):
        bits |= int(present[players[turns[j]]]) << j
    j = len(turns) - 1
    while j > 0 and not is_held_S[(1 << j) + (bits & ((1 << j) - 1))]:
        j -= 1
    place = (1 << j) + (bits & ((1 << j) - 1))
    state[0], touched[0] = held_SD[place], held_at_S[place]
    for j_next in range(j + 1, len(turns) + 1):
        stop = turns[j_next] if j_next < len(turns) else last
        _fold(
            state, touched, e, turns[j_next - 1], stop, rows, arrived, suspicion, players, present,
            numbers_nN, at_n, known_at_n, labels_n, excused_nE, rates, scales,
        )  # fmt: skip
        if j_next < len(turns):
            place = (1 << j_next) + (bits & ((1 << j_next) - 1))
            held_SD[place], held_at_S[place], is_held_S[place] = state[0], touched[0], True


@numba.njit(cache=True)
def _walk(
    out, width, states_ED, starts_ED, touched_E, row, ends, rows, arrived, suspicion, players, orders,
    numbers_nN, at_n, known_at_n, labels_n, excused_nE, rates, scales,
):  # fmt: skip
    """Write the features of every stage of every permutation."""
    num_entities, num_players, size = len(ends) - 1, orders.shape[1], starts_ED.shape[1]
    present = np.zeros(num_players, np.bool_)
    owner = np.zeros(num_players, np.int64)
    turns, num_turns = np.zeros((num_entities, HELD), np.int64), np.zeros(num_entities, np.int64)
    held = np.empty((num_entities, 1 << HELD, size), np.float32)
    held_at, is_held = np.empty((num_entities, 1 << HELD)), np.zeros((num_entities, 1 << HELD), np.bool_)
    state, touched = np.empty((1, size), np.float32), np.empty(1)
    for e in range(num_entities):
        for k in range(ends[e], ends[e + 1]):
            if players[k] >= 0 and not arrived[k]:
                owner[players[k]] = e
                if num_turns[e] < HELD:
                    turns[e, num_turns[e]] = k
                    num_turns[e] += 1
        if num_turns[e] > 0:
            state[0], touched[0] = starts_ED[e], touched_E[e]
            _fold(
                state, touched, e, ends[e], turns[e, 0], rows, arrived, suspicion, players, present,
                numbers_nN, at_n, known_at_n, labels_n, excused_nE, rates, scales,
            )  # fmt: skip
            held[e, 1], held_at[e, 1], is_held[e, 1] = state[0], touched[0], True
    bare, at = states_ED.copy(), 0
    for p in range(len(orders) + 1):
        # The first pass lets nobody in: it leaves every entity as it would be without players.
        present[:] = False
        states_ED[:] = bare
        for turn in range(num_players if p > 0 else num_entities):
            e = owner[orders[p - 1, turn]] if p > 0 else turn
            if p > 0:
                present[orders[p - 1, turn]] = True
            if num_turns[e] > 0:
                _step_on(
                    state, touched, e, ends[e + 1], held[e], held_at[e], is_held[e], turns[e, : num_turns[e]],
                    rows, arrived, suspicion, players, present,
                    numbers_nN, at_n, known_at_n, labels_n, excused_nE, rates, scales,
                )  # fmt: skip
                stream.touch(state, touched, 0, at_n[row], rates, len(scales))
                states_ED[e] = state[0]
            if p > 0 or turn == num_entities - 1:
                stream.read_event(states_ED, numbers_nN[row], scales, len(rates), out[at, :width])
                at += 1
        if p == 0:
            bare[:] = states_ED
