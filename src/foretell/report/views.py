"""What the templates show, worked out from the records: sentences with facts, tables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from foretell.records import CONTRADICTED, REFUSED, SUPPORTED, UNVERIFIED, WARNED, Case, Fact, Finding
from foretell.report.contents import Classes, LeaderboardRow, Workload
from foretell.units import write

KIND_TITLES = {
    "term": "Words",
    "entity": "Who",
    "instant": "When",
    "input": "What the row says",
    "score": "Score",
    "estimate": "Estimate",
    "runner_up": "Second",
    "threshold": "Threshold",
    "reliability": "How sure",
    "attribution": "What moved the score",
    "past_event": "Past events that moved the score",
    "history": "History before the event",
    "similar": "Similar past rows",
    "nearest": "The nearest past rows",
    "counterfactual": "What would change it",
    "recourse": "What would change it, all together",
    "check": "What to check next",
    "glossary": "Why it matters, in the owner's words",
    "passage": "What the owner's documents say",
    "model": "Model",
    "sample": "Why it is reviewed",
    "rule": "What the owner asks of the text",
    "generated": "What was generated",
    "fidelity": "How like the real data",
    "novelty": "Whether it copies",
    "membership": "Whether it gives away what taught it",
    "verbatim": "What it repeats word for word",
    "bias": "Groups beside the real data",
    "licence": "Licence",
}
SHARE_KINDS = frozenset({"score", "reliability", "threshold"})
ENOUGH = 20
"""Rows scored alike from which their outcomes say how far a score can be trusted, as in the claim grammar."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One claim with what the verifier said of it and the facts it rests on."""

    text: str
    status: str
    facts: tuple[Fact, ...]
    derivation: str
    fault: str


def sentences(case: Case) -> list[Sentence]:
    """Return the narrative's claims, each with the worst status of the spans that the verifier found in it.

    A claim that no span covers was not read, and counts as unverified.
    """
    told, start = [], 0
    worst_first = (CONTRADICTED, REFUSED, UNVERIFIED, WARNED, SUPPORTED)
    for claim in case.narrative.claims:
        end = start + len(claim.text)
        spans = [item for item in case.verdict.findings if item.start < end and item.end > start]
        found = {item.status for item in spans}
        names = dict.fromkeys([*(name for item in spans for name in item.facts), *claim.cites])
        cited = [case.evidence.fact(name) for name in names]
        told.append(
            Sentence(
                text=claim.text,
                status=next((status for status in worst_first if status in found), UNVERIFIED),
                facts=tuple(fact for fact in cited if fact is not None),
                derivation="; ".join(item.derivation for item in spans if item.derivation),
                fault="; ".join(item.fault for item in spans if item.fault),
            )
        )
        start = end + 1
    return told


def remarks(case: Case) -> list[Finding]:
    """Return what the owner's rules find wrong with the text as a whole."""
    found = case.verdict.findings
    return [item for item in found if item.status in (REFUSED, WARNED) and item.start == item.end]


def grouped(facts: Sequence[Fact]) -> list[tuple[str, list[Fact]]]:
    """Return the facts by kind, under titles for people, in the order in which a case is told."""
    kinds = [*KIND_TITLES, *dict.fromkeys(fact.kind for fact in facts if fact.kind not in KIND_TITLES)]
    groups = [(kind, [fact for fact in facts if fact.kind == kind]) for kind in kinds]
    return [(KIND_TITLES.get(kind, kind.replace("_", " ")), held) for kind, held in groups if held]


def who(case: Case) -> list[tuple[str, str]]:
    """Return the row's entities, each with what the owner calls it."""
    called = {fact.name: fact.text for fact in case.evidence.of("entity")}
    return [(called.get(column, column), name) for column, name in case.prediction.entities.items()]


def interval(case: Case) -> tuple[float, float] | None:
    """Return the interval of the score, else that of the outcomes of enough rows scored like it."""
    for fact in (*case.evidence.of("score"), *case.evidence.of("reliability")):
        num_rows = fact.detail.get("n", ENOUGH)
        if not isinstance(num_rows, int) or num_rows < ENOUGH:
            continue
        low, high = fact.detail.get("low"), fact.detail.get("high")
        if isinstance(low, float | int) and isinstance(high, float | int):
            return float(low), float(high)
    return None


DETAILS = {
    "was": ("instead of {}", "same"),
    "level": ("meant to hold {}", "share"),
    "line": ("looked at beyond {}", "same"),
    "left": ("{} of its own class left", "probability"),
    "probability": ("probability {}", "probability"),
    "base_rate": ("base rate {}", "probability"),
    "window_days": ("over {}", "days"),
    "n": ("n = {}", "count"),
    "floor": ("real data: {}", "same"),
    "goal": ("goal: {}", "same"),
    "real": ("real data: {}", "same"),
    "p": ("p = {}", ""),
    "seed": ("seed {}", ""),
    "rank": ("rank {}", "count"),
    "sign_stability": ("sign stable in {}", "share"),
    "rank_stability": ("rank in {}", "share"),
    "distance": ("mean distance {}", ""),
    "usual": ("95% of real rows lie within {} of another", ""),
    "known": ("outcome known: {}", ""),
    "fitted_until": ("fitted until {}", "day"),
    "from": ("from {}", "day"),
    "until": ("until {}", "day"),
}
"""How further values of a fact are written, and in which unit."""
OWN = {
    ("novelty", "floor"): ("by chance: {}", "share"),
    ("membership", "floor"): ("by chance: {}", "share"),
    ("verbatim", "line"): ("counted from {} on", "same"),
    ("verbatim", "share"): ("in {} of stretches", "share"),
    ("verbatim", "floor"): ("in {} of real ones", "share"),
    ("verbatim", "n"): ("{} stretches", "count"),
    ("generated", "taught"): ("{} taught the model", "count"),
    ("generated", "asked"): ("{} asked for", "count"),
    ("generated", "withheld"): ("{} withheld", "count"),
    ("generated", "source"): ("from {}", ""),
}
"""The same, where facts of a kind mean something else by it."""
LISTED = 12
"""Numbered values of a fact that are written one by one."""
UNTOLD = frozenset(
    {"low", "high", "capacity", "per", "column", "entity", "stat", "base", "abstained", "at", "value", "unit"}
    | {"document", "version", "start", "end", "shared", "step", "of", "follows"}
    | {"side", "usual_low", "usual_high", "missed", "stated", "permitted", "beyond"}
)
"""Further values that are told elsewhere, or are for machines."""


def more(fact: Fact) -> str:
    """Write a fact's further values: interval, capacity, sample size, rank, stability."""
    said = []
    low, high = fact.detail.get("low"), fact.detail.get("high")
    if low is not None and high is not None:
        unit = "probability" if fact.kind in SHARE_KINDS else fact.unit
        said.append(f"{write(low, unit)} to {write(high, unit)}")
    if fact.detail.get("usual_low") is not None:
        ends = (write(fact.detail[name], fact.unit) for name in ("usual_low", "usual_high"))
        said.append(f"usually {' to '.join(ends)}")
    if "capacity" in fact.detail:
        capacity = fact.detail["capacity"]
        alerts = "alert" if capacity == 1 else "alerts"
        said.append(f"for {write(capacity, 'count')} {alerts} per {fact.detail.get('per', 'day')}")
    if fact.detail.get("value") is not None:
        said.append(write(fact.detail["value"], str(fact.detail.get("unit", ""))))
    if numbered := [str(fact.detail[key]) for key in sorted(filter(str.isdigit, fact.detail), key=int)]:
        said.append(", ".join([*numbered[:LISTED], *(["..."] if len(numbered) > LISTED else [])]))
    others = sorted({key for key in fact.detail if not key.isdigit()} - set(DETAILS) - UNTOLD)
    for key in (*DETAILS, *others):
        value = fact.detail.get(key)
        if value in (None, ""):
            continue
        form, unit = OWN.get((fact.kind, key)) or DETAILS.get(key, (key.replace("_", " ") + " {}", ""))
        plain = isinstance(value, str) and unit == ""
        said.append(form.format(value if plain else write(value, fact.unit if unit == "same" else unit)))
    return " · ".join(map(str, said))


@dataclass(frozen=True, slots=True)
class Choice:
    """What one number of alerts per period brings."""

    alerts: float
    precision: float
    recall: float
    cost: float | None
    chosen: bool


def capacities(work: Workload, capacity: float) -> list[Choice]:
    """Return what a quarter to four times the capacity brings, where the curve has such a point."""
    found: dict[int, bool] = {}
    for factor in (0.25, 0.5, 1.0, 2.0, 4.0):
        wanted = capacity * factor
        index = min(range(len(work.alerts)), key=lambda at: abs(work.alerts[at] - wanted))
        if abs(work.alerts[index] - wanted) <= 0.2 * wanted:
            found[index] = found.get(index, False) or factor == 1.0
    return [
        Choice(
            work.alerts[index],
            work.precision[index],
            work.recall[index],
            work.cost[index] if work.cost else None,
            chosen,
        )
        for index, chosen in sorted(found.items())
    ]


def last_day(until_at: str) -> str:
    """Return the last instant before an exclusive end, as ISO.

    >>> last_day("2018-08-01T00:00:00+00:00")
    '2018-07-31T23:59:59+00:00'
    """
    return (datetime.fromisoformat(until_at) - timedelta(seconds=1)).isoformat()


def decimal(value: float | None, places: int = 3) -> str:
    """Write a metric, or a dash where it was not measured; what is rounded to 0 has no sign.

    >>> decimal(-0.0002), decimal(-0.0012), decimal(None)
    ('0.000', '-0.001', '–')
    """
    return "–" if value is None else f"{value:z,.{places}f}"


def confusions(told: Classes) -> list[tuple[str, str, int]]:
    """Return the ten most frequent slips: what came, what was told for it, and of how many rows."""
    found = [
        (row.name, other.name, count)
        for row in told.rows
        for other, count in zip(told.rows, row.told, strict=True)
        if other.name != row.name and count
    ]
    return sorted(found, key=lambda slip: -slip[2])[:10]


COSTS = (("fit_cpu_seconds", 1, -1), ("rows_per_cpu_second", 0, 1))
OF_CLASSES = (
    ("average_precision", 3, 1),
    ("auc", 3, 1),
    ("precision", 3, 1),
    ("log_loss", 4, -1),
    ("ece", 4, -1),
    *COSTS,
)
OF_SEVERAL = (("log_loss", 4, -1), ("accuracy", 3, 1), ("macro_f1", 3, 1), ("ece", 4, -1), *COSTS)
OF_NUMBERS = (("rmse", 3, -1), ("mae", 3, -1), ("r2", 3, 1), ("coverage", 3, 1), *COSTS)
"""Columns of the leaderboard: name, decimals, and whether more (1) or less (-1) is better. Models are ranked
by the first."""


HEADS = {
    "average_precision": "Average precision",
    "auc": "AUC",
    "precision": "Precision",
    "log_loss": "Log-loss",
    "ece": "ECE",
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "coverage": "In the interval",
}
"""What the measures are called."""


def measured(rows: Sequence[LeaderboardRow]) -> tuple[tuple[str, int, int], ...]:
    """Return the measures by which models of one kind of target are compared."""
    if any(row.rmse is not None for row in rows):
        return OF_NUMBERS
    return OF_SEVERAL if any(row.accuracy is not None for row in rows) else OF_CLASSES


def board(rows: Sequence[LeaderboardRow]) -> list[tuple[LeaderboardRow, list[tuple[str, bool]]]]:
    """Return the models, the best first, each with its written figures and which are best."""
    measures = measured(rows)
    first, _, sign = measures[0]
    ranked = sorted(
        rows, key=lambda row: -math.inf if getattr(row, first) is None else sign * getattr(row, first)
    )
    table: list[tuple[LeaderboardRow, list[tuple[str, bool]]]] = [(row, []) for row in reversed(ranked)]
    for name, places, better in measures:
        written = [decimal(getattr(row, name), places) for row, _ in table]
        known = [better * getattr(row, name) for row, _ in table if getattr(row, name) is not None]
        best = decimal(better * max(known), places) if len(known) > 1 else ""
        for (_, cells), figure in zip(table, written, strict=True):
            cells.append((figure, figure == best))
    return table
