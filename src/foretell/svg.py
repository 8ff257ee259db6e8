"""A small drawing kit: scales, ticks and marks as SVG text; colours come from the page's style sheet.

Pictures are 440 units wide, so that two stand side by side on a page and one still reads on a phone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from markupsafe import Markup, escape

from foretell.units import MONTHS

WIDTH = 440
LEFT, RIGHT = 52, 420
DAY = 86_400.0
STEPS_SECONDS = (60.0, 300.0, 900.0, 3600.0, 10800.0, 21600.0, 43200.0, *(DAY * n for n in (1, 2, 7, 14)))
STEPS_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)


def element(name: str, *children: str, **attributes: str | float) -> Markup:
    """Return an SVG element; text is escaped unless it is already Markup, `_` in attributes becomes `-`."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="'
        f'{escape(value) if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")}"'
        for key, value in attributes.items()
    )
    return Markup(f"<{name}{written}>{''.join(map(escape, children))}</{name}>")


def drawing(label: str, height: float, *marks: str) -> Markup:
    """Return the whole picture; `label` says to those who cannot see it what it shows."""
    return element(
        "svg", *marks, class_="picture", viewBox=f"0 0 {WIDTH} {height:g}", role="img", aria_label=label
    )


def text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "") -> Markup:
    return element("text", words, x=x, y=y, text_anchor=anchor, class_=kind)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def path(points: Sequence[tuple[float, float]], kind: str) -> Markup:
    """Return a line through the points; steps too small to see are left out."""
    kept = list(points[:1])
    for x, y in points[1:-1]:
        if abs(x - kept[-1][0]) + abs(y - kept[-1][1]) >= 0.8:
            kept.append((x, y))
    steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in (*kept, *points[-1:]))
    return element("path", d=f"M{steps}", class_=kind)


def fitted(words: str, width: float) -> str:
    """Return the words, cut where they would pass `width` units at the pictures' usual letter size."""
    most = max(4, int(width / 6.3))
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values from [low, high] to pixels from start to end, evenly or by their logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Return round values inside the range, at most about `most` of them."""
        return _log_ticks(self.low, self.high, most) if self.log else _even_ticks(self.low, self.high, most)


def spanning(values: Sequence[float], start: float, end: float, *, log: bool = False) -> Scale:
    """Return a scale that holds all values with a little room; equal values stand in the middle."""
    low, high = min(values), max(values)
    if log:
        room = max((high / low) ** 0.06, 1.25 if high > 1.6 * low else 2.0)
        return Scale(low / room, high * room, start, end, log=True)
    room = 0.05 * (high - low) or max(abs(high) * 0.5, 1e-9)
    return Scale(low - room, high + room, start, end)


def _even_ticks(low: float, high: float, most: int) -> list[float]:
    rough = (high - low) / max(most, 1)
    if rough <= 0:
        return [low]
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(step * index, 12) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        ticks = [factor * 10.0**power for power in powers for factor in factors]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= most:
            break
    while len(ticks) > most:
        ticks = ticks[::2]
    return ticks


def time_ticks(low: float, high: float, most: int = 5) -> list[tuple[float, str]]:
    """Return round instants (seconds since 1970) in the range, each with what is written under it."""
    for step in STEPS_SECONDS:
        if (high - low) / step <= most:
            ticks = [step * index for index in range(math.ceil(low / step), math.floor(high / step) + 1)]
            return [(tick, _written(tick, hours=step < DAY)) for tick in ticks]
    start, end = datetime.fromtimestamp(low, UTC), datetime.fromtimestamp(high, UTC)
    months = range(start.year * 12 + start.month, end.year * 12 + end.month)
    inside = [(month, datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)) for month in months]
    step = next((step for step in STEPS_MONTHS if len(inside) / step <= most), STEPS_MONTHS[-1])
    return [
        (at.timestamp(), f"{MONTHS[at.month - 1][:3]} {at.year}" if step < 12 else str(at.year))
        for month, at in inside
        if month % step == 0
    ]


def _written(seconds: float, *, hours: bool) -> str:
    at = datetime.fromtimestamp(seconds, UTC)
    if hours and at - at.replace(hour=0, minute=0) >= timedelta(minutes=1):
        return f"{at:%H:%M}"
    return f"{at.day} {MONTHS[at.month - 1][:3]}"


def short(value: float) -> str:
    """Write a tick's value in little room.

    >>> short(1500000), short(2000), short(0.05), short(-3.0)
    ('1.5 M', '2,000', '0.05', '−3')
    """
    sign = "−" if value < 0 else ""
    size = abs(value)
    if size >= 1e6:
        return f"{sign}{size / 1e6:,.3g} M"
    return sign + (f"{size:,.0f}" if size >= 100 else f"{size:.3g}")


def signed(value: float) -> str:
    """Write log-odds with their sign.

    >>> signed(-0.004), signed(1.2), signed(-1.2)
    ('0.00', '+1.20', '−1.20')
    """
    rounded = round(value, 2)
    return f"{rounded:+.2f}".replace("-", "−") if rounded else "0.00"


def share(value: float) -> str:
    """Write a fraction as a percentage in little room.

    >>> share(0.001), share(0.25)
    ('0.1%', '25%')
    """
    return f"{100 * value:.3g}%"
