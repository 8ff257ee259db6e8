"""The dashboard: what comes and waits, how the model does, how people decide beside it, how the log is."""

from collections import Counter
from typing import Annotated

from fastapi import Query as Parameter
from fastapi import Request, Response
from markupsafe import Markup

from foretell.cases.figures import Bin, Figures, figures
from foretell.cases.measures import FEWEST, Agreement, Rate
from foretell.report.charts import reliability
from foretell.report.contents import ReliabilityBin
from foretell.serving import pictures
from foretell.serving.pages import render
from foretell.serving.security import TheHouse, Who
from foretell.units import percent

PERIODS = (14, 30, 90, 365)
MOST_PAIRS = 12


def show(
    request: Request, house: TheHouse, who: Who, days: Annotated[int, Parameter(ge=1, le=366)] = 14
) -> Response:
    """Show the figures of the cases that a person sees.

    What is told of others by name is shown to those alone who may see the log, and what planted cases tell to
    those who may plant them.
    """
    answers = house.planting.answers(who.name) if who.may("plant") else {}
    with house.store.reading() as connection:
        found = figures(connection, house.store.now(), days, answers, who)
    totals = {name: sum(held.values()) for name, held in found.decisions.items()}
    per_day = sum(map(Counter, found.decisions.values()), Counter())
    return render(
        request,
        "dashboard.html",
        who,
        found=found,
        days=days,
        periods=PERIODS,
        totals=dict(sorted(totals.items(), key=lambda item: (-item[1], item[0]))),
        told={each.name: each for each in found.reviewers},
        planted=len(answers),
        fewest=FEWEST,
        pairs={pair: each for pair, each in [*found.pairs.items()][:MOST_PAIRS] if each.told},
        rate=rate_words,
        beyond=beyond_chance,
        waiting=pictures.bars(found.waiting, "Cases that wait, by age"),
        moved=pictures.came_and_decided(found.days, found.opened, per_day) if found.opened or per_day else "",
        by_probability=reliability([_bin(each) for each in found.by_probability], "positives", "cases")
        if found.by_probability
        else "",
        by_week=pictures.by_week(
            found.by_week,
            lambda each: each.positive,
            "positive, of what was decided",
            against=lambda each: each.predicted,
        )
        if found.by_week
        else "",
        overridden_by_week=pictures.by_week(
            found.by_week, lambda each: each.overridden, "decided against the model", against=None
        )
        if found.by_week
        else "",
        overridden=_by_person(found, "overridden", "decided against the model"),
        correct=_by_person(found, "correct", "decided rightly"),
        relied=_by_person(found, "over_reliance", "followed the model where it was wrong"),
        doubted=_by_person(found, "under_reliance", "overrode the model where it was right"),
    )


def _by_person(found: Figures, name: str, label: str) -> Markup | str:
    """Draw one rate of each reviewer of whom enough was counted; nothing where there is none."""
    rates = {each.name: getattr(each, name) for each in found.reviewers if getattr(each, name).told}
    return pictures.by_person(rates, label) if rates else ""


def _bin(each: Bin) -> ReliabilityBin:
    low, high = each.positive.interval
    return ReliabilityBin(
        predicted=each.predicted, observed=each.positive.value, n=each.positive.of, low=low, high=high
    )


def rate_words(rate: Rate) -> str:
    """Write a share with its interval; of too few cases only that they are too few.

    >>> rate_words(Rate(3, 12)), rate_words(Rate(1, 2)), rate_words(Rate(0, 0))
    ('25.0% of 12 (8.9% to 53.2%)', '2 cases: too few', 'none')
    """
    if not rate.of:
        return "none"
    if not rate.told:
        return f"{rate.of} case{'s' * (rate.of > 1)}: too few"
    low, high = rate.interval
    return f"{percent(rate.value)} of {rate.of:,} ({percent(low)} to {percent(high)})"


def beyond_chance(agreement: Agreement | None) -> str:
    """Write how far people agree beyond chance; of too few cases only that they are too few."""
    if agreement is None:
        return "none"
    if not agreement.told:
        return f"{agreement.num_cases} case{'s' * (agreement.num_cases > 1)}: too few"
    return f"{agreement.ac1:.2f} ({agreement.low:.2f} to {agreement.high:.2f})".replace("-", "−")
