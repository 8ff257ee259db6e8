"""The charts of a run: precision and recall, alerts per day, cost, reliability, importance, the split."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from foretell.report.contents import Curve, Estimates, Factor, Part, ReliabilityBin, Workload
from foretell.svg import (
    LEFT,
    RIGHT,
    WIDTH,
    Scale,
    drawing,
    element,
    fitted,
    line,
    path,
    share,
    short,
    spanning,
    text,
    time_ticks,
)
from foretell.units import percent

TOP, BOTTOM, HEIGHT = 30, 262, 306


def horizontal_axis(scale: Scale, y: float, label: str, write: Callable[[float], str], top: float) -> Markup:
    """Return grid lines up to `top`, the ticks' values under y, and the axis's name under them."""
    marks = [line(scale.start, y, scale.end, y, "axis")]
    for tick in scale.ticks(6):
        x = scale(tick)
        marks += [line(x, y, x, top, "grid"), text(x, y + 17, write(tick), anchor="middle", kind="tick")]
    return Markup("").join([*marks, text(scale.end, y + 37, label, anchor="end", kind="name")])


def vertical_axis(scale: Scale, label: str, write: Callable[[float], str]) -> Markup:
    """Return grid lines, the ticks' values at the left, and the axis's name above."""
    marks = [text(4, TOP - 14, label, kind="name")]
    for tick in scale.ticks(5):
        y = scale(tick)
        marks += [
            line(LEFT, y, RIGHT, y, "grid"),
            text(LEFT - 6, y + 4, write(tick), anchor="end", kind="tick"),
        ]
    return Markup("").join(marks)


def _kinds(curves: Sequence[Curve]) -> list[str]:
    """Return each curve's style: the delivered one stands out, the floor is dashed, others are thin."""
    others = iter(("other-a", "other-b", "other-c") * len(curves))
    return [
        "curve delivered" if curve.delivered else "curve floor" if curve.floor else f"curve {next(others)}"
        for curve in curves
    ]


def legend(curves: Sequence[Curve]) -> list[tuple[Curve, str]]:
    """Return the curves with their styles, in the given order."""
    return list(zip(curves, _kinds(curves), strict=True))


def swatch(kind: str) -> Markup:
    """Return a short piece of a curve for the legend."""
    piece = element("path", d="M1 6L27 6", class_=kind)
    return element("svg", piece, class_="swatch", viewBox="0 0 28 12", aria_hidden="true")


def precision_recall(curves: Sequence[Curve], base: float | None, outcome: str) -> Markup:
    """Draw precision against recall, each curve with its chosen point; `base` is chance's precision."""
    x, y = Scale(0, 1, LEFT, RIGHT), Scale(0, 1, BOTTOM, TOP)
    marks = [
        vertical_axis(y, f"precision: share of alerts that are cases of {outcome}", share),
        horizontal_axis(x, BOTTOM, f"recall: share of all cases of {outcome} that are found", share, TOP),
    ]
    if base is not None:
        marks.append(line(LEFT, y(base), RIGHT, y(base), "chance"))
    for curve, kind in sorted(legend(curves), key=lambda pair: pair[0].delivered):
        points = [(x(r), y(p)) for r, p in zip(curve.recall, curve.precision, strict=True)]
        marks.append(path(points, kind))
        if curve.chosen is not None:
            level = _at(curve.recall, curve.precision, curve.chosen)
            marks.append(element("circle", cx=x(curve.chosen), cy=y(level), r=5.5, class_="chosen"))
    names = ", ".join(curve.name for curve in curves)
    return drawing(f"Precision against recall of {names}", HEIGHT, *marks)


def _alerts_scale(alerts: Sequence[float]) -> Scale:
    positive = [value for value in alerts if value > 0]
    wide = bool(positive) and max(positive) > 50 * min(positive)
    low = min(positive) if wide else 0.0
    return Scale(low, max(alerts), LEFT, RIGHT, log=wide)


def _capacity(x: Scale, capacity: float, per: str) -> Markup:
    if not x.low <= capacity <= x.high:
        return Markup("")
    at = x(capacity)
    right = at > (LEFT + RIGHT) / 2 + 60
    words = f"{short(capacity)} a {per}" if per == "day" else f"{short(capacity)} per {per}"
    return line(at, TOP, at, BOTTOM, "capacity") + text(
        at - 5 if right else at + 5, TOP + 11, words, anchor="end" if right else "start", kind="note"
    )


def alerts_name(per: str) -> str:
    """Return what the capacity counts: alerts a day, alerts per thousand customers."""
    return "alerts a day" if per == "day" else f"alerts per {per}"


LABEL = 62
"""Width of a curve's name at its end."""


def _clear_of(points: Sequence[tuple[float, float]], *, above: bool) -> float:
    """Return where a name stands at a curve's right end without crossing it, on the wished side if it can."""
    start = points[-1][0] - LABEL
    inside = [place for place in points if place[0] >= start]
    before = [place for place in points if place[0] < start][-1:]
    heights = [height for _, height in inside]
    for x, height in before:
        share = (start - x) / (inside[0][0] - x)
        heights.append(height + share * (inside[0][1] - height))
    over, under = min(heights) - 7, max(heights) + 15
    if above:
        return over if over > TOP + 8 else under
    return under if under < BOTTOM - 4 else over


def _at(places: Sequence[float], values: Sequence[float], wanted: float) -> float:
    return min(zip(places, values, strict=True), key=lambda pair: abs(pair[0] - wanted))[1]


def workload(work: Workload, capacity: float, per: str) -> Markup:
    """Draw precision and recall against the number of alerts per period."""
    x, y = _alerts_scale(work.alerts), Scale(0, 1, BOTTOM, TOP)
    marks = [
        vertical_axis(y, "precision and recall", share),
        horizontal_axis(x, BOTTOM, alerts_name(per), short, TOP),
        _capacity(x, capacity, per),
    ]
    higher = "recall" if work.recall[-1] > work.precision[-1] else "precision"
    for name, values, kind in (
        ("precision", work.precision, "curve delivered"),
        ("recall", work.recall, "curve other-a"),
    ):
        pairs = [(a, v) for a, v in zip(work.alerts, values, strict=True) if a >= x.low]
        points = [(x(a), y(v)) for a, v in pairs]
        level = _clear_of(points, above=name == higher)
        marks.append(path(points, kind))
        marks.append(text(RIGHT - 2, level, name, anchor="end", kind=f"label {kind}"))
        if x.low <= capacity <= x.high:
            value = _at(work.alerts, values, capacity)
            marks.append(element("circle", cx=x(capacity), cy=y(value), r=4.5, class_=f"dot {kind}"))
    return drawing(f"Precision and recall against {alerts_name(per)}", HEIGHT, *marks)


def cost(work: Workload, capacity: float, per: str) -> Markup:
    """Draw the cost of reviews and misses against the number of alerts, with its least point."""
    x = _alerts_scale(work.alerts)
    y = Scale(0, max(work.cost) * 1.08, BOTTOM, TOP)
    points = [(x(a), y(c)) for a, c in zip(work.alerts, work.cost, strict=True) if a >= x.low]
    best = min(range(len(work.cost)), key=lambda index: work.cost[index])
    spot_x, spot_y = x(max(work.alerts[best], x.low)), y(work.cost[best])
    right = spot_x > LEFT + 0.75 * (RIGHT - LEFT)
    marks = [
        vertical_axis(y, f"cost per {per}", short),
        horizontal_axis(x, BOTTOM, alerts_name(per), short, TOP),
        _capacity(x, capacity, per),
        path(points, "curve delivered"),
        element("circle", cx=spot_x, cy=spot_y, r=5, class_="chosen"),
        text(
            spot_x - 4 if right else spot_x + 4,
            min(spot_y + 20, BOTTOM - 6),
            f"least at {short(work.alerts[best])}",
            anchor="end" if right else "start",
            kind="note",
        ),
    ]
    return drawing(f"Cost against {alerts_name(per)}", HEIGHT, *marks)


def reliability(bins: Sequence[ReliabilityBin], outcome: str, rows_text: str) -> Markup:
    """Draw what came against what was said, with 95 % intervals, over the number of rows in each bin."""
    x, y = Scale(0, 1, LEFT, RIGHT), Scale(0, 1, BOTTOM, TOP)
    most = max(item.n for item in bins)
    rows = Scale(1, max(most, 10) * 1.3, 384, 330, log=True)
    marks = [
        vertical_axis(y, f"observed share of {outcome}", share),
        horizontal_axis(x, BOTTOM, "predicted probability", share, TOP),
        line(x(0), y(0), x(1), y(1), "chance"),
        text(4, 322, f"{rows_text} in each bin", kind="name"),
        line(LEFT, 384, RIGHT, 384, "axis"),
    ]
    for tick in rows.ticks(3):
        height = rows(tick)
        marks += [
            line(LEFT, height, RIGHT, height, "grid"),
            text(LEFT - 6, height + 4, short(tick), anchor="end", kind="tick"),
        ]
    for item in bins:
        at = x(item.predicted)
        said = f"said {share(item.predicted)}, came {share(item.observed)} of {item.n:,}"
        top = rows(max(item.n, 1))
        marks += [
            element("rect", x=at - 3, y=top, width=6, height=max(384 - top, 1), class_="bar"),
            line(at, y(item.low), at, y(item.high), "interval"),
            element("circle", element("title", said), cx=at, cy=y(item.observed), r=4.5, class_="spot"),
        ]
    return drawing(f"Reliability: observed against predicted, {len(bins)} bins", 392, *marks)


def estimates(found: Estimates) -> Markup:
    """Draw what came against what was expected, with the intervals behind, and the line of perfect ones."""
    held = [*found.expected, *found.came, *found.low, *found.high]
    low, high = min(held), max(held)
    x, y = spanning((low, high), LEFT, RIGHT), spanning((low, high), BOTTOM, TOP)
    unit = f", {found.unit}" if found.unit else ""
    marks = [
        vertical_axis(y, f"true {found.text}{unit}", short),
        horizontal_axis(x, BOTTOM, f"expected {found.text}{unit}", short, TOP),
    ]
    for at, start, end in zip(found.expected, found.low, found.high, strict=False):
        marks.append(line(x(at), y(start), x(at), y(end), "within"))
    marks.append(line(x(low), y(low), x(high), y(high), "chance"))
    for at, value in zip(found.expected, found.came, strict=True):
        said = f"expected {short(at)}, came {short(value)}"
        marks.append(element("circle", element("title", said), cx=x(at), cy=y(value), r=2.6, class_="spot"))
    return drawing(f"True against expected {found.text} of {len(found.came)} rows", HEIGHT, *marks)


def importance(factor: Factor, most: float) -> Markup:
    """Draw one factor's bar; its length is the strength, its two shades the shares of the signs.

    Args:
        most: the greatest strength of all factors, which fills the width.
    """
    end = WIDTH * factor.strength / most if most else 0.0
    split = end * factor.raises
    bar = (
        element("rect", x=0, y=2, width=split, height=16, class_="raises"),
        element("rect", x=split, y=2, width=end - split, height=16, class_="lowers"),
    )
    return element(
        "svg", *bar, class_="strip", viewBox=f"0 0 {WIDTH} 20", preserveAspectRatio="none", aria_hidden="true"
    )


def seconds(at: str) -> float:
    """Return an ISO instant, in UTC where it names no offset, as seconds since 1970."""
    read = datetime.fromisoformat(at)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def split(parts: Sequence[Part]) -> Markup:
    """Draw the parts along time, each in its own row, so that the gap for late labels is seen."""
    dated = [part for part in parts if part.from_at and part.until_at]
    ends = [seconds(at) for part in dated for at in (part.from_at, part.until_at)]
    bottom = 26 * len(dated) + 8
    x = spanning(ends, 84, RIGHT)
    marks = []
    for at, written in time_ticks(x.low, x.high):
        marks += [
            line(x(at), 4, x(at), bottom, "grid"),
            text(x(at), bottom + 17, written, anchor="middle", kind="tick"),
        ]
    for row, part in enumerate(dated):
        start, end = x(seconds(part.from_at)), x(seconds(part.until_at))
        judge = "bar judge" if part is dated[-1] else "bar"
        marks += [
            text(76, 26 * row + 20, fitted(part.name, 74), anchor="end", kind="row"),
            element("rect", x=start, y=26 * row + 8, width=max(end - start, 2), height=16, class_=judge),
        ]
    return drawing("The parts of the data along time", bottom + 24, *marks)


def score_strip(probability: float, threshold: float | None, around: tuple[float, float] | None) -> Markup:
    """Draw one probability from 0 to 1 with its interval and the alert threshold, if there is one."""
    x = Scale(0, 1, 8, WIDTH - 8)
    marks = [line(8, 22, WIDTH - 8, 22, "axis")]
    for tick in (0, 0.25, 0.5, 0.75, 1):
        marks += [
            line(x(tick), 22, x(tick), 26, "axis"),
            text(
                x(tick),
                40,
                share(tick),
                anchor="middle" if 0 < tick < 1 else "end" if tick else "start",
                kind="tick",
            ),
        ]
    if around is not None:
        marks.append(line(x(around[0]), 22, x(around[1]), 22, "range"))
    label = f"Score {percent(probability)}"
    if threshold is not None:
        side, nudge = ("end", -5) if threshold > 0.6 else ("start", 5)
        label += f", alert from {percent(threshold)}"
        marks += [
            line(x(threshold), 6, x(threshold), 28, "capacity"),
            text(x(threshold) + nudge, 11, f"alert from {percent(threshold)}", anchor=side, kind="note"),
        ]
    marks.append(element("circle", cx=x(probability), cy=22, r=6, class_="chosen"))
    return drawing(label, 44, *marks)
