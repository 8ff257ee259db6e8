"""Curves of one column each: how the probability moves with its values, and where the rows lie."""

from markupsafe import Markup

from foretell.report.charts import horizontal_axis, vertical_axis
from foretell.report.contents import Dependence
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
    short,
    text,
)
from foretell.units import percent

TOP, BOTTOM, FLOOR = 30, 172, 204
"""Of the curve, and of the histogram under it."""
ROW, NAMES = 24, 150
"""Height of a category's row, and where its picture begins."""


def dependence(curve: Dependence, least: float, most: float) -> Markup:
    """Draw one column's curve or its categories.

    Args:
        least: the least probability of all curves, so that they share one scale.
        most: the greatest.
    """
    return _categories(curve, least, most) if curve.names else _number(curve, least, most)


def _number(curve: Dependence, least: float, most: float) -> Markup:
    x = Scale(curve.values[0], curve.values[-1], LEFT, RIGHT)
    y = Scale(least, most, BOTTOM, TOP)
    points = [(x(value), y(mean)) for value, mean in zip(curve.values, curve.mean, strict=True)]
    around = [
        *((x(value), y(high)) for value, high in zip(curve.values, curve.high, strict=True)),
        *reversed([(x(value), y(low)) for value, low in zip(curve.values, curve.low, strict=True)]),
    ]
    band = element("path", d="M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in around) + "Z", class_="band")
    marks = [
        vertical_axis(y, "mean probability", share),
        horizontal_axis(x, FLOOR, f"{curve.text}{f', {curve.unit}' if curve.unit else ''}", short, TOP),
        *_histogram(curve, x),
        band,
    ]
    if curve.accumulated:
        steps = zip(curve.values, curve.accumulated, strict=True)
        marks.append(path([(x(v), y(min(max(level, least), most))) for v, level in steps], "curve floor"))
    marks.append(path(points, "curve delivered"))
    ends = f"from {percent(curve.mean[0])} to {percent(curve.mean[-1])}"
    return drawing(f"Mean probability against {curve.text}: {ends}", FLOOR + 44, *marks)


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


def _categories(curve: Dependence, least: float, most: float) -> Markup:
    x, bottom = Scale(least, most, NAMES, RIGHT - 44), TOP + ROW * len(curve.names)
    marks = [
        text(RIGHT, TOP - 14, "of rows", anchor="end", kind="name"),
        horizontal_axis(x, bottom, "mean probability", share, TOP),
    ]
    for place, name in enumerate(curve.names):
        y = TOP + ROW * place + ROW / 2
        low, mean, high = (percent(part[place]) for part in (curve.low, curve.mean, curve.high))
        said = f"{name}: {mean}, {low} to {high}"
        marks += [
            text(NAMES - 10, y + 4, fitted(name, NAMES - 14), anchor="end", kind="row"),
            line(x(curve.low[place]), y, x(curve.high[place]), y, "interval"),
            element("circle", element("title", said), cx=x(curve.mean[place]), cy=y, r=4.5, class_="spot"),
            text(RIGHT, y + 4, share(round(curve.shares[place], 2)), anchor="end", kind="tick"),
        ]
    return drawing(f"Mean probability by {curve.text}", bottom + 44, *marks)
