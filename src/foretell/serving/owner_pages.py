"""The owner's view: the log as people read it, its check, and the figures of the desk."""

from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query as Parameter
from fastapi import Request, Response
from markupsafe import Markup

from foretell.cases.figures import Bin, Figures, figures
from foretell.cases.inspection import LogReport
from foretell.cases.journal import entries
from foretell.cases.people import Person
from foretell.report.charts import BOTTOM, HEIGHT, TOP, reliability, seconds, vertical_axis
from foretell.report.contents import ReliabilityBin
from foretell.report.svg import (
    LEFT,
    RIGHT,
    Scale,
    drawing,
    element,
    fitted,
    line,
    path,
    share,
    spanning,
    text,
    time_ticks,
)
from foretell.serving.house import House
from foretell.serving.pages import Form, render
from foretell.serving.security import TheHouse, Who

LINES = 50
SHOWN = 50
"""Faults of a log that the page shows; it counts the rest."""
PERIODS = (14, 30, 90, 365)
NAME_WIDTH = 128


def log(
    request: Request,
    house: TheHouse,
    who: Who,
    before: Annotated[int, Parameter(ge=0, le=10**18)] = 0,
    actor: Annotated[str, Parameter(max_length=200)] = "",
    about: Annotated[str, Parameter(max_length=200)] = "",
) -> Response:
    """Show the log, the newest first."""
    return _log(request, house, who, before, actor, about)


def check(request: Request, house: TheHouse, who: Who, form: Form) -> Response:
    """Check the whole log now, and that it holds a head that was noted earlier."""
    return _log(request, house, who, 0, "", "", house.store.verify_log(form.get("head", "").strip()))


def _log(
    request: Request,
    house: House,
    who: Person,
    before: int,
    actor: str,
    about: str,
    report: LogReport | None = None,
) -> Response:
    with house.store.reading() as connection:
        found = entries(connection, before=before, actor=actor, subject=about, limit=LINES + 1)
    told = {"before": str(found[LINES - 1].seq) if len(found) > LINES else "", "actor": actor, "about": about}
    further = urlencode({name: value for name, value in told.items() if value})
    first = urlencode({name: value for name, value in told.items() if value and name != "before"})
    return render(
        request,
        "log.html",
        who,
        head=house.store.head(),
        entries=found[:LINES],
        further=f"/log?{further}" if told["before"] else "",
        first=f"/log?{first}" if before else "",
        actor=actor,
        about=about,
        report=report,
        faults=report.faults[:SHOWN] if report else (),
        case_address=lambda case_id: "/case?" + urlencode({"id": case_id}),
    )


def dashboard(
    request: Request, house: TheHouse, who: Who, days: Annotated[int, Parameter(ge=1, le=366)] = 14
) -> Response:
    """Show the figures of the desk."""
    with house.store.reading() as connection:
        found = figures(connection, house.store.now(), days)
    totals = {name: sum(held.values()) for name, held in found.decisions.items()}
    return render(
        request,
        "dashboard.html",
        who,
        found=found,
        days=days,
        periods=PERIODS,
        totals=dict(sorted(totals.items(), key=lambda item: (-item[1], item[0]))),
        waiting=bars(found.waiting, "Cases that wait, by age"),
        per_day=per_day(found) if totals else "",
        by_probability=reliability([_bin(each) for each in found.by_probability], "positives", "cases")
        if found.by_probability
        else "",
        by_week=over_time(found.by_week) if len(found.by_week) > 1 else "",
    )


def _bin(each: Bin) -> ReliabilityBin:
    return ReliabilityBin(
        predicted=each.predicted, observed=each.observed, n=each.n, low=each.low, high=each.high
    )


def bars(counts: Mapping[str, int], label: str) -> Markup:
    """Draw one bar for each count, with its number at its end."""
    x = Scale(0, max(*counts.values(), 1), NAME_WIDTH, RIGHT - 30)
    marks = []
    for row, (name, count) in enumerate(counts.items()):
        y = 26 * row + 8
        marks += [
            text(NAME_WIDTH - 8, y + 12, fitted(name, NAME_WIDTH - 8), anchor="end", kind="row"),
            element("rect", x=NAME_WIDTH, y=y, width=max(x(count) - NAME_WIDTH, 1), height=16, class_="bar"),
            text(x(count) + 6, y + 12, f"{count:,}", kind="tick"),
        ]
    return drawing(
        f"{label}: " + ", ".join(f"{name} {count}" for name, count in counts.items()),
        26 * len(counts) + 12,
        *marks,
    )


def per_day(found: Figures) -> Markup:
    """Draw the decisions of each day, of all people together."""
    counts = [sum(held.get(day, 0) for held in found.decisions.values()) for day in found.days]
    y = Scale(0, max(*counts, 1), BOTTOM, TOP)
    wide = (RIGHT - LEFT) / len(counts)
    marks = [
        vertical_axis(y, "decisions a day", lambda value: f"{value:,.0f}"),
        line(LEFT, BOTTOM, RIGHT, BOTTOM, "axis"),
    ]
    every = max(1, len(counts) // 6)
    for number, (day, count) in enumerate(zip(found.days, counts, strict=True)):
        left, top = LEFT + number * wide, y(count)
        said = element("title", f"{day}: {count:,}")
        bar = element(
            "rect", said, x=left + 0.1 * wide, y=top, width=0.8 * wide, height=BOTTOM - top, class_="bar"
        )
        marks.append(bar)
        if number % every == 0:
            marks.append(text(left + wide / 2, BOTTOM + 17, day[5:], anchor="middle", kind="tick"))
    return drawing(f"Decisions a day, {sum(counts):,} in {len(counts)} days", HEIGHT, *marks)


def over_time(weeks: Sequence[Bin]) -> Markup:
    """Draw, week by week, what the model said and what people found."""
    places = [seconds(each.week) for each in weeks]
    x, y = spanning(places, LEFT, RIGHT), Scale(0, 1, BOTTOM, TOP)
    marks = [
        vertical_axis(y, "share of decided cases that were positive", share),
        line(LEFT, BOTTOM, RIGHT, BOTTOM, "axis"),
    ]
    for tick, written in time_ticks(x.low, x.high):
        marks.append(text(x(tick), BOTTOM + 17, written, anchor="middle", kind="tick"))
    for each, place in zip(weeks, places, strict=True):
        marks.append(line(x(place), y(each.low), x(place), y(each.high), "interval"))
    for name, values, kind in (
        ("found", [each.observed for each in weeks], "curve delivered"),
        ("said", [each.predicted for each in weeks], "curve other-a"),
    ):
        marks.append(path([(x(place), y(value)) for place, value in zip(places, values, strict=True)], kind))
        higher = values[-1] == max(weeks[-1].observed, weeks[-1].predicted)
        at = (
            y(values[-1]) - 10
            if higher and (name == "found" or weeks[-1].observed != weeks[-1].predicted)
            else y(values[-1]) + 20
        )
        marks.append(text(RIGHT - 2, at, name, anchor="end", kind=f"label {kind}"))
    return drawing(f"What the model said and people found, over {len(weeks)} weeks", HEIGHT, *marks)
