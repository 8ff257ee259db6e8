"""The pictures of one case: an entity's past with the alert, and the way from the base to the score."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from foretell.records import Case, Fact
from foretell.report.charts import seconds
from foretell.report.contents import PastEvent, Timeline
from foretell.svg import (
    LEFT,
    RIGHT,
    WIDTH,
    Scale,
    drawing,
    element,
    fitted,
    line,
    share,
    short,
    signed,
    spanning,
    text,
    time_ticks,
)
from foretell.units import instant, percent, write

MOST_EVENTS = 300
WIDEST = 1e6
"""Values this many times smaller than the largest stand on the bottom line, with those of 0 or less."""
STEP = 32
"""Height of a step of the waterfall: its words, and its bar under them."""
SHORTEST_SECONDS = 600.0
"""Time that an axis shows at least."""
MOST_FACTORS = 9
MOST_MOVERS = 3
"""Past events whose shares in the score are written beside their marks, the largest."""
BESIDE = 36
"""Room right of the alert's line, for shares that are written there."""
STABLE = 0.9
"""Share of resamples that must agree on a sign for it to be drawn as certain."""


def timeline(past: Timeline, outcome: str) -> Markup:
    """Draw the entity's past events by time and value, with what was known of them, and the alert."""
    events = sorted(past.events, key=lambda event: event.at)[-MOST_EVENTS:]
    shown = [*events, past.alert]
    values = [event.value for event in shown if event.value is not None and event.value > 0]
    values = [value for value in values if value >= max(values) / WIDEST]
    top, bottom = 30, 196
    instants = [seconds(event.at) for event in shown]
    if max(instants) - min(instants) < SHORTEST_SECONDS:
        instants = [min(instants) - SHORTEST_SECONDS / 2, *instants, max(instants) + SHORTEST_SECONDS / 2]
    x = spanning(instants, LEFT + 8, RIGHT - BESIDE)
    y = spanning(values or [1.0], bottom - 22, top, log=True)
    marks = [
        text(4, 14, f"{past.value_text}{f', {past.unit}' if past.unit else ''} (log scale)", kind="name")
    ]
    for tick in y.ticks(4) if values else ():
        marks += [
            line(LEFT, y(tick), RIGHT, y(tick), "grid"),
            text(LEFT - 6, y(tick) + 4, short(tick), anchor="end", kind="tick"),
        ]
    marks.append(line(LEFT, bottom, RIGHT, bottom, "axis"))
    for at, written in time_ticks(x.low, x.high):
        marks += [
            line(x(at), bottom, x(at), bottom + 4, "axis"),
            text(x(at), bottom + 17, written, anchor="middle", kind="tick"),
        ]
    for event in events:
        marks.append(_event(event, x, y, bottom, past.unit, outcome))
    at, level = x(seconds(past.alert.at)), _level(past.alert, y, bottom)
    marks += _movers(events, x, y, bottom, at)
    marks += [
        line(at, top - 8, at, bottom, "capacity"),
        text(at - 6, top - 12, f"this {past.this}", anchor="end", kind="note"),
        element("path", d=f"M{at:.1f} {level - 8:.1f}l8 8l-8 8l-8 -8z", class_="alert"),
    ]
    low = sum(_level(event, y, bottom) == bottom - 7 for event in shown)
    if low:
        words = f"{low:,} on the bottom line: no {past.value_text} above 0"
        marks.append(text(LEFT, bottom + 35, fitted(words, RIGHT - LEFT), kind="name"))
    label = (
        f"{past.role} {past.entity}: {len(events)} past events and the {past.this}, {past.value_text} by time"
    )
    return drawing(label, bottom + (42 if low else 26), *marks)


def _movers(events: Sequence[PastEvent], x: Scale, y: Scale, bottom: float, alert: float) -> list[Markup]:
    """Write the largest shares above their marks, or right of the alert's line, where none covers another."""
    marks, taken = [], []
    for event in sorted(events, key=lambda event: -abs(event.share or 0))[:MOST_MOVERS]:
        at, level = x(seconds(event.at)), _level(event, y, bottom) - 9
        if event.share and all(abs(at - a) > 34 or abs(level - b) > 13 for a, b in taken):
            taken.append((at, level))
            words = signed(event.share)
            if at > alert - 20:
                marks.append(text(alert + 11, level + 13, words, kind="mover"))
            else:
                marks.append(text(at, level, words, anchor="middle", kind="mover"))
    return marks


def _level(event: PastEvent, y: Scale, bottom: float) -> float:
    return y(event.value) if event.value is not None and event.value >= y.low else bottom - 7


def event_kind(event: PastEvent) -> str:
    """Return the mark of a past event: its label, and whether it was known when the alert was scored."""
    if event.label == "positive":
        return "positive" if event.known else "positive later"
    if event.label == "negative":
        return "negative" if event.known else "negative later"
    return "unlabelled"


def event_words(event: PastEvent, unit: str, outcome: str) -> str:
    """Return one past event in words, as its mark's tooltip."""
    labels = {"positive": outcome, "negative": f"not {outcome}", "unknown": "outcome unknown"}
    when = "" if event.label == "unknown" else ", known before" if event.known else ", known only later"
    share_text = "" if event.share is None else f"; {signed(event.share)} in the score"
    return f"{instant(event.at)}: {write(event.value, unit)}, {labels[event.label]}{when}{share_text}"


def _event(event: PastEvent, x: Scale, y: Scale, bottom: float, unit: str, outcome: str) -> Markup:
    at, level, kind = x(seconds(event.at)), _level(event, y, bottom), event_kind(event)
    words = element("title", event_words(event, unit, outcome))
    if event.label == "positive":
        shape = f"M{at:.1f} {level - 6:.1f}l6 10.5h-12z"
        return element("path", words, d=shape, class_=f"event {kind}")
    return element("circle", words, cx=at, cy=level, r=3.6, class_=f"event {kind}")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way from the base to the score, in log-odds."""

    words: str
    value: float
    stable: bool = True


def steps(case: Case) -> tuple[float, list[Step]]:
    """Return the base (log-odds of an unremarkable row) and the steps that lead from it to the logit.

    The weakest factors are one step together, so that the steps always add up.
    """
    facts = [fact for fact in case.evidence.of("attribution") if _measured(fact)]
    ranked = sorted(facts, key=lambda fact: -abs(float(fact.value or 0)))
    told = [
        Step(fact.text, float(fact.value or 0), float(fact.detail.get("sign_stability") or 1) >= STABLE)
        for fact in ranked[:MOST_FACTORS]
    ]
    rest = [float(fact.value or 0) for fact in ranked[MOST_FACTORS:]]
    if rest:
        told.append(Step(f"{len(rest)} weaker factors together", sum(rest)))
    return case.prediction.logit - sum(step.value for step in told), told


def _measured(fact: Fact) -> bool:
    return isinstance(fact.value, int | float)


def scale_of(case: Case) -> str:
    """Return the unit of the steps: log-odds, or where a number is estimated its standard deviations."""
    return next((fact.unit for fact in case.evidence.of("attribution")), "log-odds")


def sigmoid(logit: float) -> float:
    return 0.5 * (1 + math.tanh(0.5 * logit))


def waterfall(case: Case) -> Markup:
    """Draw the way from the base to the score, factor by factor; log-odds also as a probability."""
    base, told = steps(case)
    unit, estimate = scale_of(case), next(iter(case.evidence.of("estimate")), None)
    running = [base]
    for step in told:
        running.append(running[-1] + step.value)
    x = spanning([*running, base + 1], 6, WIDTH - 64)
    top = 36
    bottom = top + STEP * (len(told) + 2) + 4
    marks = [] if estimate else [text(6, 12, "probability before calibration", kind="name")]
    marks += _axes(x, top, bottom, unit, odds=estimate is None)
    marks += [
        text(6, top + 18, "start, before any factor", kind="row"),
        text(WIDTH - 6, top + 18, signed(base), anchor="end", kind="figure"),
        element("circle", cx=x(base), cy=top + 27, r=4, class_="spot"),
    ]
    for index, step in enumerate(told):
        marks.append(_step(step, running[index], x, top + 4 + STEP * (index + 1)))
    last = top + STEP * (len(told) + 1) + 4
    final = running[-1]
    marks += [
        text(6, last + 14, _end(case, estimate), kind="row strong"),
        text(WIDTH - 6, last + 14, signed(final), anchor="end", kind="figure strong"),
        element("circle", cx=x(final), cy=last + 25, r=5.5, class_="chosen"),
    ]
    label = f"From the base {base:+.2f} to the score {final:+.2f} {unit} in {len(told)} steps"
    return drawing(label, bottom + 40, *marks)


def _end(case: Case, estimate: Fact | None) -> str:
    if estimate is not None:
        return f"score: an expected {estimate.text} of {write(estimate.value, estimate.unit)}"
    return f"score: {percent(case.prediction.probability)} after calibration"


def _axes(x: Scale, top: float, bottom: float, unit: str, *, odds: bool) -> Sequence[Markup]:
    marks = [line(x.start, top, x.end, top, "axis"), line(x.start, bottom, x.end, bottom, "axis")]
    end = -math.inf
    for chance in (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999) if odds else ():
        logit = math.log(chance / (1 - chance))
        if x.low <= logit <= x.high and x(logit) - end > 34:
            end = x(logit)
            marks += [
                line(end, top - 5, end, top, "axis"),
                # Near the left edge a centred label would leave the picture.
                text(max(end, 14), top - 9, share(chance), anchor="middle", kind="tick"),
            ]
    for tick in x.ticks(6):
        marks += [
            line(x(tick), top, x(tick), bottom, "grid"),
            text(x(tick), bottom + 16, short(tick), anchor="middle", kind="tick"),
        ]
    return [*marks, text(x.end, bottom + 35, unit, anchor="end", kind="name")]


def _step(step: Step, before: float, x: Scale, y: float) -> Markup:
    start, end = sorted((x(before), x(before + step.value)))
    kind = ("raises" if step.value >= 0 else "lowers") + ("" if step.stable else " unsure")
    after = x(before + step.value)
    return Markup("").join(
        (
            text(6, y + 14, fitted(step.words, WIDTH - 80), kind="row"),
            text(WIDTH - 6, y + 14, signed(step.value), anchor="end", kind="figure"),
            element("rect", x=start, y=y + 19, width=max(end - start, 1.5), height=10, class_=kind),
            line(after, y + 19, after, y + 19 + STEP, "thread"),
        )
    )
