"""Curves of one column each: how the probability moves with its values, and where the rows lie."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from foretell.report.charts import horizontal_axis, vertical_axis
from foretell.report.contents import Dependence, Estimates, Level
from foretell.svg import (
    LEFT,
    RIGHT,
    Scale,
    drawing,
    element,
    fitted,
    line,
    path,
    share,
    short,
    text,
)
from foretell.units import percent

TOP, BOTTOM, FLOOR = 30, 172, 204
"""Of the curve, and of the histogram under it."""
ROW, NAMES, APART = 24, 150, 11
"""Height of a category's row, where its picture begins, and how far classes stand apart in it."""


KINDS = ("delivered", "other-a", "other-b")
"""How the classes are drawn, in their order."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What all curves of a report are drawn against."""

    low: float
    high: float
    label: str
    write: Callable[[float], str]


def axis(curves: Sequence[Dependence], estimates: Sequence[Estimates]) -> Axis:
    """Return the scale that all curves share: probabilities, or the unit of what is estimated."""
    low = min(min(level.low) for curve in curves for level in _levels(curve))
    high = max(max(level.high) for curve in curves for level in _levels(curve))
    for told in estimates:
        room = 0.05 * (high - low) or 1.0
        label = f"mean {told.text}{f', {told.unit}' if told.unit else ''}"
        return Axis(low - room, high + room, label, short)
    return Axis(max(low - 0.02, 0), min(high + 0.02, 1), "mean probability", share)


def dependence(curve: Dependence, upright: Axis) -> Markup:
    """Draw one column's curve or its categories; of several classes a line or a dot for each."""
    return _categories(curve, upright) if curve.names else _number(curve, upright)


def key(curve: Dependence) -> list[tuple[str, str]]:
    """Return the drawn classes, each with its style; nothing where there are not several."""
    names = [level.name for level in _levels(curve)]
    return list(zip(names, (f"curve {kind}" for kind in KINDS), strict=False)) if curve.name else []


def _levels(curve: Dependence) -> list[Level]:
    """Return what is drawn of each outcome."""
    return [Level(name=curve.name, mean=curve.mean, low=curve.low, high=curve.high), *curve.others]


def _number(curve: Dependence, upright: Axis) -> Markup:
    x = Scale(curve.values[0], curve.values[-1], LEFT, RIGHT)
    y = Scale(upright.low, upright.high, BOTTOM, TOP)
    marks = [
        vertical_axis(y, upright.label, upright.write),
        horizontal_axis(x, FLOOR, f"{curve.text}{f', {curve.unit}' if curve.unit else ''}", short, TOP),
        *_histogram(curve, x),
        *(_band(curve, level, x, y, kind) for level, kind in zip(_levels(curve), KINDS, strict=False)),
    ]
    if curve.accumulated:
        steps = zip(curve.values, curve.accumulated, strict=True)
        held = [(x(v), y(min(max(level, upright.low), upright.high))) for v, level in steps]
        marks.append(path(held, "curve floor"))
    for level, kind in zip(_levels(curve), KINDS, strict=False):
        points = [(x(value), y(mean)) for value, mean in zip(curve.values, level.mean, strict=True)]
        marks.append(path(points, f"curve {kind}"))
    ends = [
        f"{level.name + ' ' if level.name else ''}from {upright.write(level.mean[0])} to "
        f"{upright.write(level.mean[-1])}"
        for level in _levels(curve)
    ]
    return drawing(f"{_capital(upright.label)} against {curve.text}: {', '.join(ends)}", FLOOR + 44, *marks)


def _band(curve: Dependence, level: Level, x: Scale, y: Scale, kind: str) -> Markup:
    around = [
        *((x(value), y(high)) for value, high in zip(curve.values, level.high, strict=True)),
        *reversed([(x(value), y(low)) for value, low in zip(curve.values, level.low, strict=True)]),
    ]
    outline = "L".join(f"{a:.1f} {b:.1f}" for a, b in around)
    return element("path", d=f"M{outline}Z", class_=f"band {kind}")


def _histogram(curve: Dependence, x: Scale) -> list[Markup]:
    """Return bars of the shares of rows; those that hold any are seen."""
    top, width = max(curve.shares) or 1.0, (x.end - x.start) / len(curve.shares)
    return [
        element(
            "rect",
            element("title", f"{percent(part)} of past rows"),
            x=x.start + place * width,
            y=FLOOR - max((FLOOR - BOTTOM - 6) * part / top, 1.2),
            width=max(width - 1, 1),
            height=max((FLOOR - BOTTOM - 6) * part / top, 1.2),
            class_="bar",
        )
        for place, part in enumerate(curve.shares)
        if part
    ]


def _categories(curve: Dependence, upright: Axis) -> Markup:
    levels = _levels(curve)
    row = ROW + APART * (len(levels) - 1)
    x, bottom = Scale(upright.low, upright.high, NAMES, RIGHT - 44), TOP + row * len(curve.names)
    marks = [
        text(RIGHT, TOP - 14, "of rows", anchor="end", kind="name"),
        horizontal_axis(x, bottom, upright.label, upright.write, TOP),
    ]
    for place, name in enumerate(curve.names):
        middle = TOP + row * place + row / 2
        for number, (level, kind) in enumerate(zip(levels, KINDS, strict=False)):
            y = middle + APART * (number - (len(levels) - 1) / 2)
            low, mean, high = (upright.write(part[place]) for part in (level.low, level.mean, level.high))
            said = f"{name}{': ' + level.name if level.name else ''}: {mean}, {low} to {high}"
            marks += [
                line(x(level.low[place]), y, x(level.high[place]), y, f"interval {kind}"),
                element(
                    "circle",
                    element("title", said),
                    cx=x(level.mean[place]),
                    cy=y,
                    r=4.5,
                    class_=f"spot {kind}",
                ),
            ]
        marks += [
            text(NAMES - 10, middle + 4, fitted(name, NAMES - 14), anchor="end", kind="row"),
            text(RIGHT, middle + 4, share(round(curve.shares[place], 2)), anchor="end", kind="tick"),
        ]
    return drawing(f"{_capital(upright.label)} by {curve.text}", bottom + 44, *marks)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
