"""A fitted model: featurizer, families, weights, calibration and the reference that evidence is drawn from.

n: rows, F: features, B: rows of a batch, S: stored reference rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foretell.data.dataset import Dataset
from foretell.models import stream
from foretell.models.family import Family
from foretell.prediction.features import Featurizer, Snapshot
from foretell.spec import Spec
from foretell.tasks.classify import Calibration, Floats

DELIVERED = "delivered"
"""Name of the leaderboard's line for what is delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A group of features with one meaning."""

    name: str
    """A column, or role@entity: `TX_AMOUNT@CUSTOMER_ID`, `outcomes@TERMINAL_ID`."""
    text: str
    """A noun phrase: "the amount against this customer's past"."""
    columns: NDArray[np.int64]
    slope: float = 1.0
    """Of its shares on held-out rows: 1 where they tell the truth, 0 where they tell nothing."""
    error: float = 0.0
    """The slope's standard error; 0 where it was not measured."""
    size: float = 0.0
    """Root of the mean square of its shares on those rows, in log-odds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """What later facts are compared with: rows that chose and taught the model."""

    logits: Floats
    """Raw log-odds of the choosing rows, ascending."""
    labels: NDArray[np.int8]
    """Their outcomes."""
    base_rate: float
    choose_from: str
    """ISO instants between which the choosing rows lie; empty without time."""
    choose_until: str
    num_rows: int
    """Teaching and choosing rows that the quartiles and grids were taken of."""
    quartiles: Mapping[str, tuple[float, float]]
    """Number column -> first and third quartile."""
    grids: Mapping[str, Floats]
    """Number column -> values that occur, ascending: where counterfactuals are looked for."""
    background: NDArray[np.float32]
    """Typical rows [M, F], drawn without regard to the outcome."""
    similar: NDArray[np.float32]
    """Past rows with known outcome, a plain sample: some of their features [S, len(similar_columns)]."""
    similar_columns: NDArray[np.int64]
    similar_labels: NDArray[np.int8]
    weights: Floats
    """What each feature gained the floor, summing to 1 [F]."""
    past: pl.DataFrame = field(default_factory=pl.DataFrame)
    """What the stored rows are called by: `id`, `at_us`, `value` of the first number column [S]; a model
    fitted before these were kept has none."""
    rows: pl.DataFrame = field(default_factory=pl.DataFrame)
    """A plain sample of past rows as they are: their numbers and categories, which a changed row must lie
    near; none in a model fitted before these were kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One line of the leaderboard; metrics of the test rows, unless it is said otherwise."""

    name: str
    family: str
    metrics: Mapping[str, float]
    choosing: float
    """What it was chosen by, on the choosing rows: the more the better, so a loss stands below 0."""
    fit_cpu_seconds: float
    rows_per_cpu_second: float
    weight: float
    """Share in what is delivered."""
    floor: bool = False
    measure: str = "average_precision"
    """What `choosing` is: average_precision or log_loss."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    """A data set's rows as the model sees and scores them."""

    features: NDArray[np.float32]
    """[n, F]"""
    codes: Mapping[str, NDArray[np.int64]]
    """Entity column -> code of each row's entity [n]."""
    excused: NDArray[np.float32]
    rows: NDArray[np.int64]
    """Rows that were scored."""
    logits: Floats
    """Raw log-odds of the scored rows."""
    probabilities: Floats
    states: NDArray[np.float32]
    """[scored rows, E, D] states that were read for them."""

    def states_of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the states [R, E, D] that were read for some of the scored rows."""
        return self.states[np.searchsorted(self.rows, rows)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """What `fit` delivers, and what a model folder holds."""

    spec: Spec
    featurizer: Featurizer
    families: Mapping[str, Family]
    """Delivered families by name; of one that was fitted once per fold `name/0`, `name/1`, ..."""
    weights: Mapping[str, float]
    """Their shares in the raw log-odds, summing to 1."""
    offsets: Mapping[str, float]
    """Added to each family's log-odds: undoes thinned teaching rows."""
    calibration: Calibration
    threshold: float
    """Probability that fills the review capacity on the choosing rows, or that costs set."""
    factors: tuple[Factor, ...]
    reference: Reference
    snapshot: Snapshot
    """Where the stream stood after the last row that was known when the model was fitted."""
    standings: tuple[Standing, ...]
    digest: str = ""
    """SHA-256 of the folder's manifest."""

    @property
    def name(self) -> str:
        """The delivered families, joined by +."""
        return "+".join(dict.fromkeys(map(family_of, self.families)))

    def logits_of(self, features: NDArray[np.float32]) -> Floats:
        """Return raw log-odds [B] of feature rows [B, F]."""
        return sum(
            (self.weights[name] * (family.logits(features) + self.offsets[name]))
            for name, family in self.families.items()
        ) + np.zeros(len(features))

    def logits_by_family(self, features: NDArray[np.float32]) -> Mapping[str, Floats]:
        """Return each delivered family's raw log-odds [B] of feature rows [B, F]: the mean of its members."""
        found: dict[str, list[Floats]] = {}
        for name, family in self.families.items():
            found.setdefault(family_of(name), []).append(family.logits(features) + self.offsets[name])
        return {name: np.mean(logits, axis=0) for name, logits in found.items()}

    def score(
        self,
        dataset: Dataset,
        rows: NDArray[np.int64],
        *,
        after: Snapshot | None = None,
        excused: NDArray[np.float32] | None = None,
    ) -> Scored:
        """Replay the data set and score some of its rows.

        Args:
            dataset: rows in order of time.
            rows: which of them to score.
            after: where the stream stood before the data set's first row; empty if not given.
            excused: as for `Featurizer.replay`.
        """
        before = after if after is not None else Snapshot.empty(self.featurizer.plan)
        events = self.featurizer.events(dataset, before.register)
        replayed = self.featurizer.replay(events, before, keep=rows, excused=excused)
        return scored_rows(self, events.slots, replayed, rows)

    def features_if(
        self, features: NDArray[np.float32], state: NDArray[np.float32], numbers: Floats
    ) -> NDArray[np.float32]:
        """Return the row's features [C, F] had it other numbers [C, N]; its past stays as it was."""
        plan = self.featurizer.plan
        _, scales = plan.arrays()
        changed = np.repeat(features[None], len(numbers), axis=0)
        stream.read_events(
            state, numbers, scales, len(plan.half_lives_seconds), changed[:, : plan.num_features]
        )
        return changed


def family_of(name: str) -> str:
    """Return the family of a delivered member.

    >>> family_of("tabm/3"), family_of("mine.models:Net")
    ('tabm', 'mine.models:Net')
    """
    family, _, number = name.rpartition("/")
    return family if number.isdigit() else name


def scored_rows(fitted: Fitted, slots: NDArray[np.int64], replayed: Any, rows: NDArray[np.int64]) -> Scored:
    """Return the scores of some rows of a replay whose states were kept for just these."""
    logits = fitted.logits_of(replayed.features[rows])
    return Scored(
        features=replayed.features,
        codes={entity: slots[:, e] for e, entity in enumerate(fitted.featurizer.plan.entities)},
        excused=replayed.excused,
        rows=rows,
        logits=logits,
        probabilities=fitted.calibration(logits),
        states=replayed.kept,
    )
