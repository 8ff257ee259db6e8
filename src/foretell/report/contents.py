"""What the report of a run holds: frozen records, so that it is stored as JSON and drawn again later.

Shares and probabilities are fractions of 1, instants are ISO 8601 in UTC; `None` and "" mean not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from foretell.records import Case
from foretell.report.trust import Share, Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The headline figures, all of the test rows."""

    scored: int
    """Rows scored."""
    positives: int | None = None
    """Rows whose outcome was positive, where outcomes are known."""
    alerts: int
    cases: int
    """Alerts that became cases; the verifier refused the text of the others."""
    sentences: int
    """Sentences that were verified in those cases."""
    threshold: float
    """Probability from which a row becomes an alert."""
    by_cost: bool = False
    """True when stated costs set the threshold, false when the capacity did."""
    abstained: int = 0
    """Rows in the band that is left to a person's judgement."""
    capacity: float
    """Alerts that people review per `per`."""
    per: str = "day"
    """day, or thousand customers where rows have no time."""
    alert_entity: str = ""
    """What alerts are counted by: one alert a day per card."""
    average_precision: float | None = None
    precision: float | None = None
    """Share of the alerts at that capacity that were positive."""
    recall: float | None = None
    """Share of the positives that those alerts hold."""
    cpu_seconds: float | None = None
    """Processor time of the whole run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    name: str
    kind: str
    role: str
    """input, target, time, id, group or excluded."""
    unit: str = ""
    reason: str = ""
    """Why it has this kind and role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    column: str
    fault: str
    action: str
    count: int
    """Rows repaired or refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSummary:
    source: str
    rows: int
    source_rows: int
    """Rows that those told of were drawn from; as many where none were drawn."""
    fingerprint: str
    """Digest of the rows."""
    columns: tuple[Column, ...]
    repairs: tuple[Repair, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the split: train, valid, test, or rows that feed the history only."""

    name: str
    rows: int
    positives: int | None = None
    from_at: str = ""
    until_at: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFinding:
    check: str
    """What was looked for, in words."""
    severity: str
    """ok, warning or error."""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderboardRow:
    name: str
    family: str
    average_precision: float | None = None
    auc: float | None = None
    precision: float | None = None
    """Share of positives among the alerts at the capacity."""
    log_loss: float | None = None
    ece: float | None = None
    accuracy: float | None = None
    macro_f1: float | None = None
    rmse: float | None = None
    mae: float | None = None
    r2: float | None = None
    coverage: float | None = None
    """Share of the true numbers inside their intervals."""
    fit_cpu_seconds: float | None = None
    rows_per_cpu_second: float | None = None
    weight: float | None = None
    """Share in the ensemble."""
    floor: bool = False
    delivered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """What was expected of a number, and what came; some hundred rows are enough, by rising expectation."""

    text: str
    """What the number is called."""
    unit: str
    level: float
    """Share of the true values that intervals are to hold."""
    expected: tuple[float, ...]
    came: tuple[float, ...]
    low: tuple[float, ...] = ()
    """Ends of the intervals; empty where they could not be promised."""
    high: tuple[float, ...] = ()
    rmse: float
    mae: float
    r2: float | None = None
    coverage: float | None = None
    median_width: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """What was told of the rows of one class, and how far it could be believed."""

    name: str
    told: tuple[int, ...]
    """How many of its rows were told as each class, in the order of the classes."""
    recall: Share
    """Share of its rows that were told as it."""
    precision: Share
    """Share of the rows told as it that were it."""
    held: Share
    """Share of its rows whose set of classes that cannot be ruled out holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """How good the told classes are."""

    text: str
    """What is told: the class of what."""
    rows: tuple[ClassRow, ...]
    accuracy: float
    log_loss: float
    usual: float
    """Accuracy of always telling the most frequent class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Precision against recall; a few hundred points are enough."""

    name: str
    recall: tuple[float, ...]
    precision: tuple[float, ...]
    delivered: bool = False
    floor: bool = False
    chosen: float | None = None
    """Recall at the headline's threshold, where the delivered curve is marked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What the delivered model brings at every number of alerts per period, in rising order."""

    alerts: tuple[float, ...] = ()
    precision: tuple[float, ...] = ()
    recall: tuple[float, ...] = ()
    cost: tuple[float, ...] = ()
    """Cost per period of reviews and misses; empty when no costs are stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Rows of like probability: what was said, and what came."""

    predicted: float
    observed: float
    n: int
    low: float
    """Ends of the 95 % interval of `observed`."""
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """How much the delivered model leans on one thing, over the test rows."""

    name: str
    """For people: amount, frauds at this terminal over 7 days."""
    strength: float
    """Mean absolute share in the score, in log-odds."""
    raises: float
    """Share of the rows in which it raises the score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The same as in `Dependence`, of one more class."""

    name: str
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependence:
    """How the probability moves with one column, all else as it is, on average over some test rows.

    Where a number is predicted, it is the expected number that moves; of several classes, the probability of
    each of those that move most.
    """

    text: str
    unit: str = ""
    values: tuple[float, ...] = ()
    """Of a number, rising; empty for a category."""
    names: tuple[str, ...] = ()
    """Of a category, the most frequent first; empty for a number."""
    mean: tuple[float, ...]
    low: tuple[float, ...]
    """Ends of the 90 % band over resampled rows and folds."""
    high: tuple[float, ...]
    accumulated: tuple[float, ...] = ()
    """Accumulated local effects at a number's values; of several classes none are drawn."""
    name: str = ""
    """The class whose probability it is; empty where there are not several."""
    others: tuple[Level, ...] = ()
    shares: tuple[float, ...] = ()
    """Share of past rows in each of equal bins of a number's range, or of each category."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """How far two columns work together, rather than each on its own."""

    first: str
    second: str
    outcome: str = ""
    """The class in whose score they work together most; empty where there are not several."""
    size: float
    """What is no sum in their joint effect, root mean square in log-odds."""
    share: float
    """Its share of the joint effect's variance (Friedman's H squared)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far a second way of sharing scores out agrees with the first, on test rows."""

    rows: int = 0
    same: int = 0
    """Rows in which both give the strongest factor the same sign."""
    told: int = 0
    """Factors of these rows whose share is large and stable enough to be told."""
    told_same: int = 0
    ranks: float = 0.0
    """Mean rank correlation of the strongest factors' shares."""
    missed: float = 0.0
    """Most by which shares and base missed a score, in log-odds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEvent:
    at: str
    value: float | None = None
    label: str = "unknown"
    """positive, negative or unknown."""
    known: bool = False
    """True when the label had arrived before the alert, so that the model could use it."""
    share: float | None = None
    """Its share in the alert's score, in log-odds, where that was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The past of one of a case's entities, and the alert itself."""

    role: str
    """Which entity column: customer, terminal."""
    entity: str
    alert: PastEvent
    events: tuple[PastEvent, ...] = ()
    value_text: str = "amount"
    unit: str = ""
    this: str
    """What the case is called: an alert, or one row of those that are none."""
    chosen: str
    """Which of the past events these are, where they are not all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A case that is shown whole, with the past of its entities."""

    case: Case
    timelines: tuple[Timeline, ...] = ()
    outcome: str = "unknown"
    """What it turned out to be: positive, negative or unknown."""
    truth: str = ""
    """The class or the number that it turned out to be; empty of two outcomes, and where it is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One run, from its spec to its cases."""

    title: str
    created_at: str
    spec_yaml: str
    row_text: str = "row"
    """What one row is called: transaction."""
    outcome_text: str = "the positive outcome"
    """What the positive outcome is called: fraud."""
    summary: Summary
    data: DataSummary
    parts: tuple[Part, ...]
    audit: tuple[AuditFinding, ...] = ()
    leaderboard: tuple[LeaderboardRow, ...] = ()
    curves: tuple[Curve, ...] = ()
    workload: Workload = field(default_factory=Workload)
    reliability: tuple[ReliabilityBin, ...] = ()
    ece: float | None = None
    """Expected calibration error of the delivered model."""
    trust: Trust = field(default_factory=Trust)
    estimates: tuple[Estimates, ...] = ()
    """One, where a number is predicted."""
    classes: tuple[Classes, ...] = ()
    """One, where there are several classes."""
    share_unit: str = "log-odds"
    """The unit of shares in the score."""
    factors: tuple[Factor, ...] = ()
    dependence: tuple[Dependence, ...] = ()
    """How the probability moves with each of the strongest columns."""
    interactions: tuple[Interaction, ...] = ()
    """Of pairs of those columns, the largest first."""
    agreement: Agreement = field(default_factory=Agreement)
    examples: tuple[Example, ...] = ()
    limits: tuple[str, ...] = ()
    """What the reader must not conclude, one sentence each."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """What made this: versions, digests, commands."""
