"""The dashboard's pictures: counts by age and by day, shares by week, and shares by person."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

from markupsafe import Markup

from foretell.cases.figures import Bin
from foretell.cases.measures import Rate
from foretell.report.charts import BOTTOM, HEIGHT, TOP, vertical_axis
from foretell.svg import LEFT, RIGHT, Scale, drawing, element, fitted, line, path, share, text
from foretell.units import MONTHS, percent

NAME_WIDTH = 128
MOST_BARS = 62
"""Days that are drawn each for itself; more are drawn week by week."""
MOST_ROWS = 12
WEEK = timedelta(days=7)


def bars(counts: Mapping[str, int], label: str) -> Markup:
    """Draw one bar for each count, with its number at its end."""
    x = Scale(0, max(*counts.values(), 1), NAME_WIDTH, RIGHT - 40)
    marks = []
    for row, (name, count) in enumerate(counts.items()):
        y = 30 * row + 8
        marks += [
            text(NAME_WIDTH - 8, y + 14, fitted(name, NAME_WIDTH - 8), anchor="end", kind="row"),
            element("rect", x=NAME_WIDTH, y=y, width=max(x(count) - NAME_WIDTH, 1), height=20, class_="bar"),
            text(x(count) + 6, y + 14, f"{count:,}", kind="tick"),
        ]
    told = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    return drawing(f"{label}: {told}", 30 * len(counts) + 12, *marks)


def came_and_decided(days: Sequence[str], came: Mapping[str, int], decided: Mapping[str, int]) -> Markup:
    """Draw what was decided as bars, and what came as a line, by day or by week."""
    weekly = len(days) > MOST_BARS
    slots = _weeks(days[0], days[-1]) if weekly else list(days)
    counts = {name: dict.fromkeys(slots, 0) for name in ("came", "decided")}
    for name, told in (("came", came), ("decided", decided)):
        for day, count in told.items():
            slot = _monday(day) if weekly else day
            if slot in counts[name]:  # a clock that was set back may tell of a day before the first
                counts[name][slot] += count
    y = Scale(0, max(*counts["came"].values(), *counts["decided"].values(), 4), BOTTOM, TOP)
    axis = "cases that came, decisions; " + ("a week" if weekly else "a day")
    marks = [vertical_axis(y, axis, lambda value: f"{value:,.0f}"), _slot_axis(slots)]
    wide = min(0.8 * (RIGHT - LEFT) / len(slots), 40)
    for place, slot in zip(_places(slots), slots, strict=True):
        top = y(counts["decided"][slot])
        words = f"{_day(slot)}: {counts['came'][slot]:,} came, {counts['decided'][slot]:,} decided"
        marks.append(
            element(
                "rect", element("title", words),
                x=place - wide / 2, y=top, width=wide, height=BOTTOM - top, class_="bar",
            )
        )  # fmt: skip
    points = [(place, y(count)) for place, count in zip(_places(slots), counts["came"].values(), strict=True)]
    marks.append(path(points, "curve delivered") if len(points) > 1 else _spot(*points[0], "came"))
    total = {name: sum(told.values()) for name, told in counts.items()}
    return drawing(
        f"In {len(days)} days {total['came']:,} cases came and {total['decided']:,} decisions were taken",
        HEIGHT,
        *marks,
    )


def by_week(
    weeks: Sequence[Bin], rate: Callable[[Bin], Rate], axis: str, *, against: Callable[[Bin], float] | None
) -> Markup:
    """Draw a share week by week with its 95 % interval.

    Args:
        against: what stands beside it as a line: what the model said.
    """
    slots = _weeks(weeks[0].week, weeks[-1].week)
    place = dict(zip(slots, _places(slots), strict=True))
    y = Scale(0, 1, BOTTOM, TOP)
    marks = [vertical_axis(y, axis, share), _slot_axis(slots)]
    if against is not None:
        points = [(place[each.week], y(against(each))) for each in weeks]
        if len(points) == 1:
            points = [(points[0][0] - 14, points[0][1]), (points[0][0] + 14, points[0][1])]
        marks.append(path(points, "curve other-a"))
    for each in weeks:
        found, x = rate(each), place[each.week]
        low, high = found.interval
        words = f"week of {_day(each.week)}: {percent(found.value)} of {found.of:,}"
        if against is not None:
            words += f"; the model said {percent(against(each))}"
        marks += [line(x, y(low), x, y(high), "interval"), _spot(x, y(found.value), words)]
    last = rate(weeks[-1])
    return drawing(f"{axis}, over {len(slots)} weeks, last {percent(last.value)}", HEIGHT, *marks)


def by_person(rates: Mapping[str, Rate], label: str) -> Markup:
    """Draw one share per person with its 95 % interval; of many people those with the most cases."""
    most = sorted(rates.items(), key=lambda item: (-item[1].of, item[0]))[:MOST_ROWS]
    bottom = 28 * len(most) + 10
    x = Scale(0, 1, NAME_WIDTH, RIGHT - 44)
    marks = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        marks += [
            line(x(tick), 4, x(tick), bottom, "grid"),
            text(x(tick), bottom + 17, share(tick), anchor="middle", kind="tick"),
        ]
    for row, (name, rate) in enumerate(sorted(most)):
        y = 28 * row + 22
        low, high = rate.interval
        words = f"{name}: {percent(rate.value)} of {rate.of:,}, {percent(low)} to {percent(high)}"
        marks += [
            text(NAME_WIDTH - 8, y + 4, fitted(name, NAME_WIDTH - 8), anchor="end", kind="row"),
            line(x(low), y, x(high), y, "interval"),
            _spot(x(rate.value), y, words),
            text(RIGHT, y + 4, f"of {rate.of:,}", anchor="end", kind="tick"),
        ]
    told = "; ".join(f"{name} {percent(rate.value)} of {rate.of:,}" for name, rate in sorted(most))
    return drawing(f"{label}: {told}", bottom + 24, *marks)


def _spot(x: float, y: float, words: str) -> Markup:
    return element("circle", element("title", words), cx=x, cy=y, r=4.5, class_="spot")


def _places(slots: Sequence[str]) -> list[float]:
    wide = (RIGHT - LEFT) / len(slots)
    return [LEFT + (number + 0.5) * wide for number in range(len(slots))]


def _slot_axis(slots: Sequence[str]) -> Markup:
    """Draw the line under the slots with about six of their names."""
    every = -(-len(slots) // 6)
    marks = [line(LEFT, BOTTOM, RIGHT, BOTTOM, "axis")]
    for number, (place, slot) in enumerate(zip(_places(slots), slots, strict=True)):
        if number % every == 0:
            marks.append(text(place, BOTTOM + 17, _day(slot), anchor="middle", kind="tick"))
    return Markup("").join(marks)


def _weeks(first: str, last: str) -> list[str]:
    start, end = (date.fromisoformat(_monday(day)) for day in (first, last))
    return [f"{start + number * WEEK}" for number in range((end - start) // WEEK + 1)]


def _monday(day: str) -> str:
    at = date.fromisoformat(day)
    return f"{at - timedelta(days=at.weekday())}"


def _day(slot: str) -> str:
    at = date.fromisoformat(slot)
    return f"{at.day} {MONTHS[at.month - 1][:3]}"
