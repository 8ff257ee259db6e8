"""The command that holds new rows against a model's past."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from foretell.shell import found, run_option, say

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from foretell.prediction.alarms import Alarm
    from foretell.watching import Watch

ALARM = 10
"""Exit code when an alarm stands."""
MEASURES = {
    "level": "mean",
    "spread": "width of the middle four fifths",
    "beyond": "share outside the range",
    "missing": "share missing",
    "unseen": "share of unseen values",
    "rate": "share positive, as told and as it came",
    "order": "slope of outcomes on scores",
}
OF_CLASSES = {"rate": "share wrong, as told and as it came", "order": "slope of errors on doubts"}
"""What is said of outcomes where the model tells classes."""
LONGEST = 1_000_000
"""Years that are told as such."""


@click.command()
@click.argument("data", nargs=-1, required=True)
@run_option
def watch(data: tuple[str, ...], folder: Path | None) -> None:
    """Hold new rows of DATA (files, globs, SQL URLs) against the model's past, day by day.

    Says which columns changed, since when and how much, and what performance to expect without labels. What
    was seen is kept in the run's watch.json, and a day counts once however often it is given. Ends with exit
    code 10 when an alarm stands, 0 when none does.
    """
    import foretell

    done = foretell.watch(found(folder), *data, tell=say)
    click.echo("\n".join(lines(done)))
    if done.monitor.alarms:
        sys.exit(ALARM)


def lines(done: Watch) -> list[str]:
    """Return what was found, for people."""
    batches, told = done.monitor.batches, {c.name for c in done.monitor.layout.columns if c.told}
    said = [
        f"{len(batches):,} batches of {sum(batch.rows for batch in batches):,} rows are counted, "
        f"{done.counted:,} of them now; outcomes of {sum(bool(batch.outcomes) for batch in batches):,}, "
        f"{done.judged:,} of them now",
        "",
    ]
    if done.monitor.alarms:
        head = ("changed", "what", "was", "is", "since", "found", "by chance once in")
        said += ["ALARM", *aligned([head, *(row(alarm, names(done), told) for alarm in done.monitor.alarms)])]
    else:
        said.append(nearest(done))
    if done.expected:
        said += ["", *performance(done)]
    return said


def names(done: Watch) -> dict[str, str]:
    """Return what each batch is called: its day, or its number where rows have no time."""
    batches = enumerate(done.monitor.batches, start=1)
    return {b.key: f"batch {number:,}" if b.key == b.digest else b.key for number, b in batches}


def row(alarm: Alarm, called: Mapping[str, str], told: Collection[str] = ()) -> Sequence[str]:
    """Return an alarm's cells.

    Args:
        called: batch -> what it is called.
        told: columns that the model tells: several classes.
    """
    from math import exp, log

    from foretell import units

    what = f"share of {units.quoted(alarm.value)}" if alarm.kind == "share" else MEASURES[alarm.kind]
    if told and alarm.of_outcomes:
        what = OF_CLASSES[alarm.kind]
    daily = called[alarm.raised] == alarm.raised
    often, unit = (alarm.log_evidence - log(365.25), "years") if daily else (alarm.log_evidence, "batches")
    most = log(LONGEST if daily else 365 * LONGEST)
    chance = f"{exp(often):,.0f} {unit}" if often < most else f"over {exp(most):,.0f} {unit}"
    shown = [
        units.percent(v) if alarm.unit == "share" else units.write(v, alarm.unit)
        for v in (alarm.was, alarm.now)
    ]
    name = alarm.text if alarm.column in told else alarm.column or alarm.text
    return (name, what, *shown, called[alarm.since], called[alarm.raised], chance)


def nearest(done: Watch) -> str:
    """Return how near an alarm is, where there is none."""
    from math import exp

    from foretell.prediction.detector import LEAST

    monitor = done.monitor
    evidence = [*monitor.evidence().tolist(), monitor.outcome_evidence()]
    columns = [*(column.name or column.text for column in monitor.layout.columns), "the outcomes"]
    most, name = max(zip(evidence, columns, strict=True))
    seen = f"by chance once in {max(exp(most), 1):,.0f} batches"
    return f"no alarm; the most evidence is against {name}: {seen}, and an alarm takes {exp(LEAST):,.0f}"


def performance(done: Watch) -> list[str]:
    """Return the metrics to expect, and those that came."""
    told = [("", "expected", "nine in ten between", "came")]
    for name, one in done.expected.items():
        came = f"{done.came[name]:,.4g}" if name in done.came else ""
        told.append((name, f"{one.value:,.4g}", f"{one.low:,.4g} and {one.high:,.4g}", came))
    return [
        f"performance on the {done.rows:,} rows of the last batches, as long as the probabilities hold",
        f"(came: on {done.outcomes:,} rows whose outcome is known)",
        *aligned(told),
    ]


def aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return rows of cells in columns, the first two to the left and all others to the right."""
    table = [tuple(cells) for cells in rows]
    wide = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  "
        + "  ".join(
            f"{cell:{width}}" if place < 2 else f"{cell:>{width}}"
            for place, (cell, width) in enumerate(zip(cells, wide, strict=True))
        ).rstrip()
        for cells in table
    ]
