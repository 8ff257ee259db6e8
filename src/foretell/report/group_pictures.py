"""Pictures of groups: what was said of each, and what came."""

from markupsafe import Markup

from foretell.report.trust import Watched
from foretell.svg import LEFT, RIGHT, Scale, drawing, element, fitted, line, share, text

ROW, TOP = 42, 12


def said_and_came(watched: Watched, outcome: str) -> Markup:
    """Draw each group's mean probability as a ring over the interval of the share that came."""
    groups = watched.groups
    bottom = TOP + ROW * len(groups)
    most = max(max(group.base_rate.high, group.said) for group in groups)
    x = Scale(0, min(1.0, most * 1.08), LEFT - 44, RIGHT)
    marks = [line(x.start, bottom, x.end, bottom, "axis")]
    for tick in x.ticks(5):
        at = x(tick)
        marks += [line(at, TOP, at, bottom, "grid")]
        marks += [text(at, bottom + 17, share(tick), anchor="middle" if tick else "start", kind="tick")]
    marks.append(text(x.end, bottom + 36, f"share of {outcome}", anchor="end", kind="name"))
    for number, group in enumerate(groups):
        middle, rate = TOP + ROW * number + 28, group.base_rate
        came = f"said {share(group.said)}, came {share(rate.value or 0.0)} of {group.rows:,}"
        marks += [
            text(x.start, middle - 11, fitted(f"{group.name} ({group.rows:,})", RIGHT - LEFT), kind="row"),
            line(x(rate.low), middle, x(rate.high), middle, "range"),
            line(x(rate.value or 0.0), middle - 6, x(rate.value or 0.0), middle + 6, "axis"),
            element("circle", element("title", came), cx=x(group.said), cy=middle, r=5, class_="chosen"),
        ]
    return drawing(f"What was said and what came in the groups of {watched.text}", bottom + 42, *marks)
