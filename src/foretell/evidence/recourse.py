"""Recourse: the least change of a row's own columns that changes its answer, within what the owner allows.

C: candidates, K: columns (numbers, then categories), F: features, S: single changes, B: changes gone on from.

Few columns before many, and then few ranks: one column, else two, else three. Effects that the owner declared
follow their causes. What is found lies as near to real rows as real rows lie to each other.

Sources: Wachter et al. (2017); Ustun et al., FAT* (2019), actions; Karimi et al., FAccT (2021), causes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foretell.data.kinds import kind
from foretell.evidence.scene import shorter
from foretell.prediction.fitted import Fitted
from foretell.prediction.mechanisms import Mechanism, fitted, ordered
from foretell.prediction.nearness import Nearness
from foretell.spec import ColumnSpec
from foretell.tasks.classify import Floats

MOST = 3
"""Columns that a change may take."""
SPREAD = 8
"""Values of one column that are tried first, and of categories at most."""
JOINED, BEAM = 96, 12
"""Changes of two or three columns that are tried, and how many of two go on to three."""
FINE, ROUNDS = 8, 8
"""Values nearer to the row's own that are tried of each column of a change, and how often at most."""
LOOKED_AT = 32
"""Changes that end the alert whose plausibility is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """A row that came up as an alert."""

    was: Floats
    """[K] numbers as they are (NaN where missing), categories as codes."""
    known: NDArray[np.bool_]
    """[K] which of them are not missing: only those can be changed from something."""
    features: NDArray[np.float32]
    state: NDArray[np.float32]
    logit: float
    threshold: float
    profile: NDArray[np.float32]
    """[K, M] how far the kept rows lie from it."""

    def moved(self, values: Floats) -> list[int]:
        """Return the columns in which other values differ from the row's own."""
        return np.flatnonzero((values != self.was) & self.known).tolist()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tries:
    """Changed rows, and what the model says of them."""

    values: Floats
    """[C, K]"""
    acted: NDArray[np.bool_]
    """[C, K] which columns were changed, rather than moved by their causes."""
    costs: Floats
    """[C] summed moves of the changed columns, in ranks."""
    logits: Floats
    probabilities: Floats

    def take(self, index: NDArray[np.int64]) -> "Tries":
        return Tries(**{name: getattr(self, name)[index] for name in Tries.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """A change that ends the alert."""

    values: Floats
    acted: NDArray[np.bool_]
    cost: float
    probability: float
    distance: float
    """From the nearest kept row."""

    @property
    def rank(self) -> tuple[int, float]:
        """What is less is better."""
        return int(self.acted.sum()), self.cost


class Search:
    """What is searched for the rows of one model.

    Args:
        model: with kept rows in its reference.
    """

    def __init__(self, model: Fitted) -> None:
        self.model = model
        schema, plan, kept = model.featurizer.schema, model.featurizer.plan, model.reference.rows
        categories = [c.name for c in schema.columns if c.kind == "category" and c.name in kept.columns]
        self.names = (*plan.numbers, *categories)
        self.num_numbers = len(plan.numbers)
        self.vocabularies = {name: schema.states[name]["values"] for name in categories}
        own = model.featurizer.own_columns
        self.features_of = [plan.num_features + own.index(name) for name in categories]
        self.near = Nearness(rows=self.coded(kept), num_numbers=self.num_numbers)
        stated = [model.spec.columns.get(name, ColumnSpec()) for name in self.names]
        self.changes = [column.change for column in stated]
        self.within = np.array([column.within or (-np.inf, np.inf) for column in stated]).reshape(-1, 2)
        self.options = [self._options(k) for k in range(len(self.names))]

    def coded(self, frame: pl.DataFrame) -> Floats:
        """Return rows as numbers and codes [n, K]."""
        columns = [frame[name].to_numpy().astype(np.float64) for name in self.names[: self.num_numbers]]
        for name, values in self.vocabularies.items():
            columns.append(kind("category").encode(frame[name], {"values": values})[:, 0].astype(np.float64))
        return np.column_stack([np.zeros((len(frame), 0)), *columns]).astype(np.float64)

    def shown(self, k: int, value: float) -> float | str:
        """Return a value of a column as people know it."""
        return float(value) if k < self.num_numbers else self.vocabularies[self.names[k]][int(value) - 1]

    def _options(self, k: int) -> Floats:
        """Return the values that a column may be changed to: those that occur, in the owner's range."""
        if self.changes[k] in ("never", "follow"):
            return np.zeros(0)
        if k < self.num_numbers:
            grid = self.model.reference.grids.get(self.names[k], np.zeros(0))
            values = np.unique([shorter(value) for value in grid.tolist()])
            return values[(values >= self.within[k, 0]) & (values <= self.within[k, 1])]
        return self.usual(k)

    def usual(self, k: int) -> Floats:
        """Return the most frequent codes of a category, of those that occur and are not missing."""
        named = np.array(self.vocabularies[self.names[k]]) != ""
        known = 1 + np.flatnonzero(named).astype(np.float64)
        codes = self.near.rows[:, k]
        counts = np.array([(codes == code).sum() for code in known])
        return known[np.argsort(-counts, kind="stable")[:SPREAD]][: (counts > 0).sum()]

    def features(
        self, features: NDArray[np.float32], state: NDArray[np.float32], values: Floats
    ) -> NDArray[np.float32]:
        """Return a row's features [C, F] with other values of its columns [C, K]."""
        changed = self.model.features_if(features, state, np.ascontiguousarray(values[:, : self.num_numbers]))
        changed[:, self.features_of] = values[:, self.num_numbers :]
        return changed

    @cached_property
    def mechanisms(self) -> list[Mechanism]:
        """The mechanisms of the declared effects, causes first."""
        place = {name: k for k, name in enumerate(self.names)}
        causes = {
            place[name]: [place[cause] for cause in column.causes]
            for name, column in self.model.spec.columns.items()
            if column.causes and name in place
        }
        made = [
            fitted(effect, causes[effect], self.near.rows, self.num_numbers) for effect in ordered(causes)
        ]
        return [mechanism for mechanism in made if mechanism is not None]

    # ---- from a row to its least change ----

    def least(self, row: Row) -> Plan | None:
        """Return the least plausible change that ends the alert; None where none was found."""
        first = self.tried(row, *self._singles(row))
        found = self._best(row, first)
        beam = first
        for size in range(2, MOST + 1):
            if found is not None or not len(beam.costs):
                break
            beam = self._joined(row, beam, first, pairs=size == 2)
            found = self._best(row, beam)
            beam = beam.take(np.argsort(beam.logits, kind="stable")[:BEAM])
        return None if found is None else self._nearer(row, found, first)

    def tried(self, row: Row, values: Floats, acted: NDArray[np.bool_]) -> Tries:
        """Let effects follow, leave out what is not allowed, and ask the model about the rest."""
        values, allowed = self._followed(row, values, acted)
        values, acted = values[allowed], acted[allowed]
        costs = np.zeros(len(values))
        for k in np.flatnonzero(acted.any(0)).tolist():
            costs += np.where(acted[:, k], self.near.moved(k, float(row.was[k]), values[:, k]), 0.0)
        logits = self.model.logits_of(self.features(row.features, row.state, values))
        probabilities = self.model.calibration(logits)
        return Tries(values=values, acted=acted, costs=costs, logits=logits, probabilities=probabilities)

    def _followed(
        self, row: Row, values: Floats, acted: NDArray[np.bool_]
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the rows with the declared effects moved, and which of them are allowed."""
        was, values, allowed = row.was, values.copy(), np.ones(len(values), np.bool_)
        for mechanism in self.mechanisms:
            k = mechanism.effect
            causes = [cause for cause in mechanism.causes if row.known[cause]]
            moves = (values[:, causes] != was[causes]).any(1) & ~acted[:, k]
            if not moves.any() or not row.known[k]:
                continue
            new = was[k] + mechanism(values) - mechanism(was[None])[0]
            new = np.array([shorter(value) for value in (np.round(new) if mechanism.whole else new).tolist()])
            moves &= new != shorter(was[k])  # else it would be told as a change of nothing
            values[:, k] = np.where(moves, new, was[k])
            allowed &= ~moves | ((new >= mechanism.low) & (new <= mechanism.high))
        changed = (values != was) & row.known
        for k in np.flatnonzero(changed.any(0)).tolist():
            low, high = self.within[k]
            ok = (values[:, k] >= low) & (values[:, k] <= high)
            if self.changes[k] == "rise":
                ok &= values[:, k] > was[k]
            elif self.changes[k] == "fall":
                ok &= values[:, k] < was[k]
            allowed &= ~changed[:, k] | ok
        return values, allowed

    def _allowed(self, row: Row, k: int) -> Floats:
        """Return the values that a column of a row may take, in their order."""
        if not row.known[k]:
            return np.zeros(0)
        was = shorter(row.was[k])
        options = self.options[k]
        if self.changes[k] == "rise":
            return options[options > was]
        return options[options < was] if self.changes[k] == "fall" else options[options != was]

    def _singles(self, row: Row) -> tuple[Floats, NDArray[np.bool_]]:
        found = []
        for k in range(len(self.names)):
            options = self._allowed(row, k)
            if k < self.num_numbers and len(options):
                options = options[_spread(len(options), SPREAD)]
            found += [{k: value} for value in options.tolist()]
        return self._changed(row, found)

    def _changed(self, row: Row, changes: Sequence[dict[int, float]]) -> tuple[Floats, NDArray[np.bool_]]:
        values = np.repeat(row.was[None], len(changes), axis=0)
        acted = np.zeros(values.shape, np.bool_)
        for c, change in enumerate(changes):
            values[c, [*change]] = [*change.values()]
            acted[c, [*change]] = True
        return values, acted

    def _joined(self, row: Row, beam: Tries, singles: Tries, *, pairs: bool) -> Tries:
        """Try changes with one more column: those that should be under the threshold at the least cost, and
        those that should come lowest, if log-odds added up."""
        apart = (beam.acted.astype(int) @ singles.acted.T.astype(int)) == 0
        if pairs:  # each pair once
            apart &= np.arange(len(beam.costs))[:, None] < np.arange(len(singles.costs))
        b, s = np.nonzero(apart)
        logits = beam.logits[b] + singles.logits[s] - row.logit
        costs = beam.costs[b] + singles.costs[s]
        under = self.model.calibration(logits) < row.threshold
        cheap = np.lexsort((costs, ~under))[: 2 * JOINED // 3]
        deep = np.argsort(logits, kind="stable")[: JOINED // 3]
        picked = np.unique(np.concatenate([cheap, deep]))
        b, s = b[picked], s[picked]
        values = np.where(singles.acted[s], singles.values[s], row.was)
        acted = beam.acted[b] | singles.acted[s]
        return self.tried(row, np.where(beam.acted[b], beam.values[b], values), acted)

    def _best(self, row: Row, tries: Tries) -> Plan | None:
        """Return the least of the changes that is under the threshold and plausible."""
        under = np.flatnonzero(tries.probabilities < row.threshold)
        sizes = tries.acted[under].sum(1)
        order = under[np.lexsort((tries.costs[under], sizes))]
        return next(self._plausible(row, tries, order[:LOOKED_AT]), None)

    def _plausible(self, row: Row, tries: Tries, order: NDArray[np.int64]) -> Iterator[Plan]:
        for c in order.tolist():
            probability = shorter(float(tries.probabilities[c]))
            distance = self.near.nearest(row.profile, tries.values[c], row.moved(tries.values[c]))
            if probability < shorter(row.threshold) and distance <= self.near.usual:
                yield Plan(
                    values=tries.values[c],
                    acted=tries.acted[c],
                    cost=float(tries.costs[c]),
                    probability=probability,
                    distance=distance,
                )

    def _nearer(self, row: Row, plan: Plan, singles: Tries) -> Plan:
        """Return the plan with each change no greater than it must be, and none in vain.

        Of single changes the least ones of other columns are looked at too: the first look was coarse.
        """
        rivals = [plan]
        if plan.acted.sum() == 1:
            under = np.flatnonzero(singles.probabilities < row.threshold)
            order = under[np.argsort(singles.costs[under], kind="stable")][:LOOKED_AT]
            for rival in self._plausible(row, singles, order):
                columns = [int(np.argmax(other.acted)) for other in rivals]
                if int(np.argmax(rival.acted)) not in columns and len(rivals) < MOST:
                    rivals.append(rival)
        for _ in range(ROUNDS):
            changes = [change for rival in rivals for change in self._less(row, rival)]
            if not changes:
                break
            best = self._best(row, self.tried(row, *self._changed(row, changes)))
            if best is None or best.rank >= plan.rank:
                break
            plan, rivals = best, [best]
        return plan

    def _less(self, row: Row, plan: Plan) -> Iterator[dict[int, float]]:
        """Yield what is less than a plan: without one of its columns, or with one nearer to its value."""
        acted = np.flatnonzero(plan.acted).tolist()
        whole = {k: float(plan.values[k]) for k in acted}
        for k in acted:
            if len(acted) > 1:
                yield {other: value for other, value in whole.items() if other != k}
            if k < self.num_numbers:
                options = self._allowed(row, k)
                low, high = sorted((row.was[k], whole[k]))
                between = options[(options >= low) & (options <= high) & (options != whole[k])]
                for value in between[_spread(len(between), FINE)].tolist() if len(between) else ():
                    yield {**whole, k: value}


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """Return at most so many places of a row of values, evenly spread, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))
