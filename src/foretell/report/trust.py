"""What the report says of trust: how sure predictions are, what groups get, what evening out cost.

Records, which are stored with the report, and the sentences that follow from them. Shares are fractions of 1,
with the ends of their 95 % interval.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from foretell.units import percent

SELECTION, RECALL, FALSE_ALARMS, PRECISION, CALIBRATION = (
    *("selection", "recall", "false_alarms", "precision"),
    "calibration",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share of rows; `None` where there were none to count it of."""

    value: float | None = None
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How many rows of a class have it in their set."""

    name: str
    share: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Certainty:
    """Sets of the outcomes that cannot be ruled out, held against what came.

    Of several classes `whole`, `classes` and `size` say what `positives` and `negatives` do of two outcomes.
    """

    miss: float = 0.0
    """What they may miss of each outcome's rows; 0: nothing was promised."""
    positives: Share = field(default_factory=Share)
    """Share of the rows with the positive outcome whose set holds it."""
    negatives: Share = field(default_factory=Share)
    single: float = 0.0
    """Share of rows whose set holds one answer alone."""
    promised: bool = True
    """False where rows were too few for margins of their own: those of all rows stand in."""
    whole: Share = field(default_factory=Share)
    """Share of all rows whose set holds their class."""
    classes: tuple[Held, ...] = ()
    size: float = 0.0
    """Classes of a set, on average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    """What was said of a group's rows, what was done, and what came."""

    name: str
    rows: int
    base_rate: Share
    alerts: Share
    recall: Share
    false_alarms: Share
    precision: Share
    said: float
    """Mean probability."""
    ece: float
    ece_by_chance: float
    """What it would stay under 19 times in 20, were every probability right."""
    certainty: Certainty


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDifference:
    """How a group differs from the rest in one measure."""

    group: str
    other: str
    """The one other group, or empty: all other rows."""
    measure: str
    """selection, recall, false_alarms, precision; calibration: what came less what was said."""
    value: float
    low: float
    high: float
    own: float
    """The group's own share."""
    ratio: float | None
    """It over that of the others; None where theirs is 0."""
    p: float
    """How often chance shows as much, all comparisons of the report counted."""
    sure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """The groups of one column."""

    column: str
    text: str
    seen: bool
    """Whether the model sees the column."""
    groups: tuple[GroupRow, ...]
    differences: tuple[GroupDifference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One figure without and with mitigation."""

    name: str
    text: str
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mitigation:
    """What is done about the groups of a column, and what that changed."""

    how: str = ""
    """selection, recall or reweigh; empty: nothing."""
    text: str = ""
    """What the column is called."""
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A figure of the test rows with its interval."""

    name: str
    """average_precision, auc, log_loss or brier."""
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """All of it; no certainty of a model that was fitted before it was kept."""

    metrics: tuple[Metric, ...] = ()
    certainty: Certainty = field(default_factory=Certainty)
    watched: tuple[Watched, ...] = ()
    mitigation: Mitigation = field(default_factory=Mitigation)


def worst(certainty: Certainty) -> Held | None:
    """Return the class that sets held least often; None where no row's class is known."""
    known = [held for held in certainty.classes if held.share.value is not None]
    return min(known, key=lambda held: held.share.value or 0.0, default=None)


def least(certainty: Certainty) -> Share:
    """Return the share of the rows that sets held, of the class of which they held least."""
    lowest = worst(certainty)
    return lowest.share if lowest is not None else Share()


def promise(certainty: Certainty, outcome: str) -> str:
    """Return what the sets promised and what they held, in sentences."""
    return _of_classes(certainty) if certainty.classes else _of_two(certainty, outcome)


def _of_classes(certainty: Certainty) -> str:
    promised, lowest = 1 - certainty.miss, worst(certainty)
    told = f"for {_share(certainty.whole)} of all rows" if certainty.whole.value is not None else "for none"
    last = f", and least often for those of {lowest.name}, {_share(lowest.share)}" if lowest else ""
    short = any(held.share.value is not None and held.share.high < promised for held in certainty.classes)
    parts = (
        "The classes that cannot be ruled out are to hold what comes for at least "
        f"{percent(promised)} of each class's rows.",
        f"Here they held it {told}{last}.",
        SHORT if short else KEPT,
        f"For {percent(certainty.single)} of the rows one class is left; on average {certainty.size:.2f} of "
        f"{len(certainty.classes)} are.",
    )
    return " ".join(parts)


KEPT = "The promise was kept, as far as these rows can show."
SHORT = "That is less than was promised: these rows are not like those that set the margins."


def _of_two(certainty: Certainty, outcome: str) -> str:
    promised, parts = 1 - certainty.miss, (certainty.positives, certainty.negatives)
    shares = " and ".join(
        f"{_share(part)} of {what}"
        for part, what in zip(parts, (f"the cases of {outcome}", "all others"), strict=True)
        if part.value is not None
    )
    short = any(part.value is not None and part.high < promised for part in parts)
    told = (
        "The outcomes that cannot be ruled out are to hold what comes for at least "
        f"{percent(promised)} of each outcome's rows.",
        f"Here they held it for {shares}.",
        SHORT if short else KEPT,
        f"For {percent(certainty.single)} of the rows one outcome is left, for the others both: of these the "
        "model is not sure.",
    )
    return " ".join(told)


def findings(watched: Watched) -> list[str]:
    """Return what differs between groups beyond chance, or that nothing does and what could be hidden."""
    sure = sorted((each for each in watched.differences if each.sure), key=lambda each: each.p)
    if sure:
        return [*map(_finding, sure), "Each p counts all comparisons of this report (Holm)."]
    open_ends = {
        "alerts": max(_reaches(watched, SELECTION), default=None),
        "recall": max(_reaches(watched, RECALL), default=None),
    }
    hidden = [f"up to {100 * end:.0f} points in {name}" for name, end in open_ends.items() if end is not None]
    none = f"There is no difference between the groups of {watched.text} that chance does not explain."
    return [none + (f" These rows could still hide one of {' and '.join(hidden)}." if hidden else "")]


def at_odds(watched: Watched) -> str:
    """Return that not everything can be alike, where the outcome is surely more frequent in some groups.

    Source: Kleinberg, Mullainathan and Raghavan, ITCS 2017; Chouldechova, Big Data 5 (2017).
    """
    rates = [group.base_rate for group in watched.groups]
    if not rates or max(rate.low for rate in rates) <= min(rate.high for rate in rates):
        return ""
    values = [rate.value for rate in rates if rate.value is not None]
    return (
        f"The outcome itself occurs in {percent(min(values))} to {percent(max(values))} of the groups' rows. "
        "Where that differs, no model that errs can be alike in calibration, recall and false alarms at "
        "once: which of them should be is for people to say."
    )


def seen(watched: Watched) -> str:
    """Return whether the model sees the column, in a sentence."""
    if watched.seen:
        return "The model sees this column."
    return "The model does not see this column; others may tell it what stands there all the same."


NAMES = {
    "average_precision": "Average precision",
    "auc": "AUC",
    "log_loss": "Log-loss",
    "brier": "Brier score",
}
WORDS = {
    SELECTION: "Alerts",
    RECALL: "Found among positives",
    FALSE_ALARMS: "Alerted among negatives",
    PRECISION: "Right among alerts",
}
CAUTION = (
    "Whether a difference is unjust or unlawful is not for figures to say, nor whether evening it out is "
    "allowed: in some places the law forbids deciding by membership of a group even for that. Ask who knows."
)
HOW = {
    "selection": "Alerts are shared out so that each group of {text} has the same share of alerts, "
    "within the same capacity: each group has a threshold of its own.",
    "recall": "Alerts are shared out so that the same share of each group's positives is found, "
    "within the same capacity: each group of {text} has a threshold of its own.",
    "reweigh": "Rows taught with weights by which the groups of {text} and the outcome are independent. "
    "No group has a threshold of its own.",
}


def how(mitigation: Mitigation) -> str:
    """Return what was done, in a sentence."""
    return HOW[mitigation.how].format(text=mitigation.text)


def _share(share: Share) -> str:
    assert share.value is not None
    return f"{percent(share.value)} ({percent(share.low)} to {percent(share.high)})"


def _finding(each: GroupDifference) -> str:
    theirs, rest = percent(each.own - each.value), each.other or "all others"
    chance = "p < 0.001" if each.p < 0.001 else f"p = {each.p:.3f}"
    if each.measure == CALIBRATION:
        wrong = "low" if each.value > 0 else "high"
        found = f"{theirs} was said on average, {percent(each.own)} came"
        said = f"Probabilities of {each.group} are too {wrong}: {found}"
    else:
        said = f"{WORDS[each.measure]}: {percent(each.own)} of {each.group}, {theirs} of {rest}"
    times = f"{each.ratio:.2f} times, " if each.ratio is not None else ""
    return f"{said} ({times}{chance})."


def _reaches(watched: Watched, measure: str) -> Iterator[float]:
    """Yield how far each difference in a measure may lie from 0."""
    for each in watched.differences:
        if each.measure == measure:
            yield max(abs(each.low), abs(each.high))
