"""A fitted model: featurizer, families, weights, calibration and the reference that evidence is drawn from.

n: rows, F: features, B: rows of a batch, S: stored reference rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foretell.data.dataset import Dataset
from foretell.models import stream
from foretell.models.family import Scorer
from foretell.models.walks import mixed
from foretell.prediction.certainty import Certainty
from foretell.prediction.evening import Evening
from foretell.prediction.features import Featurizer, Snapshot
from foretell.prediction.monitor import Sketch
from foretell.spec import Spec
from foretell.tasks.classify import Calibration, Floats
from foretell.tasks.multiclass import Coupling, doubts
from foretell.tasks.regress import Estimator

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
    """Raw log-odds of the choosing rows, ascending; of several classes [choosing rows, C], in their order."""
    labels: NDArray[np.int8]
    """Their outcomes."""
    base_rate: float
    """Share of positives; 0 of several classes, whose rates are in `Coupling`."""
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
    """What `choosing` is: average_precision, log_loss or rmse."""


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
    """Raw log-odds of the scored rows; of several classes [scored rows, C]."""
    probabilities: Floats
    """Of the positive outcome; of several classes, that the most probable one is wrong."""
    states: NDArray[np.float32]
    """[scored rows, E, D] states that were read for them."""
    evened: Floats = field(default_factory=lambda: np.zeros(0))
    """What the scored rows count by where alerts are shared out among groups; empty: their probabilities."""
    groups: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Their groups then."""

    def states_of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the states [R, E, D] that were read for some of the scored rows."""
        return self.states[np.searchsorted(self.rows, rows)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """What `fit` delivers, and what a model folder holds."""

    spec: Spec
    featurizer: Featurizer
    families: Mapping[str, Scorer]
    """Delivered families by name; of one that is the mean of its folds `name/0`, `name/1`, ..."""
    weights: Mapping[str, float]
    """Their shares in the raw log-odds, summing to 1."""
    offsets: Mapping[str, float]
    """Added to each family's log-odds: undoes thinned teaching rows."""
    calibration: Calibration
    threshold: float
    """Probability that fills the review capacity on the choosing rows, or that costs set."""
    coupling: Coupling | None = None
    """Where several classes are learned: what makes probabilities of their log-odds [B, C]. `calibration` and
    `threshold` are then about the doubt that the most probable class is wrong."""
    estimator: Estimator | None = None
    """Where a number is learned: what its scores (which stand where log-odds do) say of it, with intervals.
    `calibration` then gives the probability that the number lies beyond the line."""
    factors: tuple[Factor, ...]
    reference: Reference
    snapshot: Snapshot
    """Where the stream stood after the last row that was known when the model was fitted."""
    standings: tuple[Standing, ...] = ()
    sketch: Sketch | None = None
    """What later rows are watched against; a model fitted before these were kept has none."""
    certainty: Certainty | None = None
    """None: of a model that was fitted before these were kept."""
    evening: Evening | None = None
    """How alerts are shared out among groups; None: they are not."""
    unmitigated: Mapping[str, float] = field(default_factory=dict)
    """Figures of the test rows without `review.mitigate`; empty where nothing is mitigated."""
    digest: str = ""
    """SHA-256 of the folder's manifest."""

    @property
    def name(self) -> str:
        """The delivered families, joined by +."""
        return "+".join(dict.fromkeys(map(family_of, self.families)))

    def logits_of(self, features: NDArray[np.float32]) -> Floats:
        """Return raw log-odds [B], of several classes [B, C], of feature rows [B, F]."""
        each = [
            self.weights[name] * (family.logits(features) + self.offsets[name])
            for name, family in self.families.items()
        ]
        return sum(each[1:], start=each[0])

    def walk(
        self, x_RF: NDArray[np.float32], starts_PF: NDArray[np.float32], steps_PF: NDArray[np.int64]
    ) -> Floats:
        """Return raw log-odds along walks; see `models.walks.walked`."""
        members = [(self.weights[name], self.offsets[name], family) for name, family in self.families.items()]
        return mixed(members)(x_RF, starts_PF, steps_PF)

    def estimates(self, scores: Floats) -> Mapping[str, Floats]:
        """Return the `estimate` [B] of scores [B], and `low` and `high` where an interval could be promised.

        Nothing where no number is learned.
        """
        if self.estimator is None:
            return {}
        ends = self.estimator.intervals(scores)
        held = {"low": ends[0], "high": ends[1]} if ends else {}
        return {"estimate": self.estimator.values(scores), **held}

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
        return scored_rows(self, events.slots, replayed, rows, dataset.frame)

    def thresholds(self, frame: pl.DataFrame) -> Floats:
        """Return the probability from which each of some new rows is an alert [n]."""
        return np.full(len(frame), self.threshold) if self.evening is None else self.evening.thresholds(frame)

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OneClass(Fitted):
    """A model of several classes with one of them as the positive outcome; see `faces.face`."""

    whole: Fitted
    code: int

    def told(self, coupling: Coupling, logits: Floats) -> Floats:
        """Return calibrated log-odds [...] of the class against all others, of raw ones [..., C]."""
        return coupling.against(logits, self.code)

    def logits_of(self, features: NDArray[np.float32]) -> Floats:
        """Return what is told [B] of feature rows [B, F]."""
        assert self.whole.coupling is not None
        return self.told(self.whole.coupling, self.whole.logits_of(features))

    def walk(
        self, x_RF: NDArray[np.float32], starts_PF: NDArray[np.float32], steps_PF: NDArray[np.int64]
    ) -> Floats:
        """Return what is told along walks [P, S + 1, R]."""
        assert self.whole.coupling is not None
        return self.told(self.whole.coupling, self.whole.walk(x_RF, starts_PF, steps_PF))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lead(OneClass):
    """A model of several classes as the lead of one over the next: above 0.5 the class is the likeliest."""

    def told(self, coupling: Coupling, logits: Floats) -> Floats:
        """Return by how many log-odds [...] the class is ahead of the most probable other one."""
        return coupling.ahead(logits, self.code)


def family_of(name: str) -> str:
    """Return the family of a delivered member.

    >>> family_of("tabm/3"), family_of("mine.models:Net")
    ('tabm', 'mine.models:Net')
    """
    family, _, number = name.rpartition("/")
    return family if number.isdigit() else name


def scored_rows(
    fitted: Fitted,
    slots: NDArray[np.int64],
    replayed: Any,
    rows: NDArray[np.int64],
    frame: pl.DataFrame,
) -> Scored:
    """Return the scores of some rows of a frame, and of a replay whose states were kept for just these."""
    logits = fitted.logits_of(replayed.features[rows])
    doubted = logits if fitted.coupling is None else doubts(fitted.coupling(logits))
    scored = Scored(
        features=replayed.features,
        codes={entity: slots[:, e] for e, entity in enumerate(fitted.featurizer.plan.entities)},
        excused=replayed.excused,
        rows=rows,
        logits=logits,
        probabilities=fitted.calibration(doubted),
        states=replayed.kept,
    )
    if fitted.evening is None:
        return scored
    return replace(
        scored,
        evened=fitted.evening.scores(frame[rows], scored.probabilities),
        groups=fitted.evening.grouping.codes(frame[rows]),
    )
