"""Targets: two values, one of them the positive outcome; several classes; or a number and a line."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from foretell import wording
from foretell.data.cells import Found, clipped, known
from foretell.data.kinds import kind
from foretell.errors import DataError, SpecError
from foretell.lookup import nearest
from foretell.spec import Spec, TaskSpec

MANY_WHOLE, SOME_WHOLE, FEW_WHOLE = 20, 10, 5
"""Different whole numbers beyond which a target is a number rather than a code: whatever they look like;
unless all are about as frequent; and from which on it is one where they look counted."""
ALIKE = 0.8
"""Rows of the rarest value, of those of the most frequent one, from which on all are about as frequent."""
LAST, SLACK = 0.02, 0.005
"""Share of the rows at most that have the highest count, and by which shares may turn against their order."""
MOST_CLASSES = 100
"""Values beyond which a target is no class any more."""
LEAST_ROWS = 5
"""Rows of a class below which nothing can be learned of it: they are left unknown."""
OTHER = "any other"
BEYOND = 0.1
"""Share of the rows beyond the line where the spec states none."""
ABOVE, BELOW = "above", "below"


def numeric(series: pl.Series, spec: Spec) -> str:
    """Return why a target is a number to be estimated; empty where it has outcomes.

    Raises:
        DataError: when the spec asks for a number, and it is none.
    """
    if spec.task.name == "classify":
        return ""
    reason = kind("number").infer(series)
    if spec.task.name == "regress":
        if not reason:
            raise DataError(
                f"target '{series.name}' is no number, and task.name is regress",
                "name a column of numbers in `data.target`, or leave task.name out",
            )
        return reason
    if not reason:
        return ""
    values = kind("number").repair(series)[0].drop_nulls()
    distinct = values.n_unique()
    if not (values == values.floor()).all():
        return reason if distinct > 2 else ""
    if distinct > MANY_WHOLE:
        return reason
    return f"{reason}, {distinct} whole ones; codes if task.name is classify" if measured(values) else ""


def measured(values: pl.Series) -> bool:
    """Return whether a few whole numbers are amounts or counts, rather than codes of classes.

    More than ten are, unless all are about as frequent. Five and more are that begin at 0 or 1 and get rarer
    to both sides of the most frequent one, up to a rare last one: how often something happened looks so, and
    codes hardly ever do.
    """
    counts = values.rename("value").value_counts().sort("value")
    shares, lowest = (counts["count"] / len(values)).to_numpy(), counts["value"][0]
    if len(shares) > SOME_WHOLE and shares.min() < ALIKE * shares.max():
        return True
    mode = int(shares.argmax())
    steps = np.diff(shares) * np.where(np.arange(len(shares) - 1) < mode, 1, -1)
    falling = bool((steps >= -SLACK).all())
    return len(shares) >= FEW_WHOLE and lowest in (0, 1) and falling and bool(shares[-1] <= LAST)


def labels(series: pl.Series) -> tuple[pl.Series, Found]:
    """Return the target as trimmed text and what was repaired.

    A trailing dot is taken off when that alone leaves two values, as in "<=50K" and "<=50K.".
    """
    text, found = known(series)
    if text.drop_nulls().n_unique() > 2:
        bare = text.str.strip_suffix(".")
        dotted = (text != bare).fill_null(False)
        if dotted.any() and bare.drop_nulls().n_unique() == 2:
            text = bare
            found.append(("trailing dot", int(dotted.sum()), f"'{series.filter(dotted)[0]}'"))
    return text, found


def outcome(series: pl.Series, spec: Spec, unit: str = "") -> tuple[Mapping[str, object], str]:
    """Return the target's facts and the reason for them.

    Of two values `positive`, `negative`, `positives`, `negatives`; of a number `line` and `side` besides; of
    several values `classes` and `counts`, the most frequent first.

    Args:
        series: text, or Float64 where the target is a number.
        unit: of the number.

    Raises:
        DataError: when the target has one value only, or too many that are no numbers, or none is
            `task.positive`, or all numbers lie on one side of the line.
    """
    if series.dtype.is_float():
        return _lined(series, spec, unit)
    return _valued(series, spec)


def _valued(text: pl.Series, spec: Spec) -> tuple[Mapping[str, object], str]:
    counts = dict(text.drop_nulls().rename("value").value_counts().sort(["count", "value"]).iter_rows())
    shown = ", ".join(f"'{clipped(value)}'" for value in list(counts)[:5])
    if len(counts) < 2:
        found = f"only one value, {shown}" if counts else "no known value"
        raise DataError(f"target '{text.name}' has {found}", "give rows of both outcomes")
    rarer = next(iter(counts))
    positive = spec.task.positive or rarer
    if positive not in counts:
        near = nearest(positive, counts)
        raise DataError(
            f"target '{text.name}' is never '{positive}' (task.positive); its values are {shown}",
            f"did you mean '{near}'?" if near else "write one of them",
        )
    if len(counts) > 2 and not spec.task.positive:
        return _classes(text, counts)
    negative = next(value for value in counts if value != positive) if len(counts) == 2 else OTHER
    why = "stated in the spec" if spec.task.positive else "the rarer one"
    reason = (
        f"'{clipped(positive)}' is the positive outcome ({why}): {counts[positive]:,} of {len(text):,} rows"
    )
    facts = {
        "positive": positive,
        "negative": negative,
        "positives": counts[positive],
        "negatives": sum(counts.values()) - counts[positive],
        **({"others": [value for value in counts if value != positive]} if len(counts) > 2 else {}),
    }
    return facts, reason


def _classes(text: pl.Series, counts: Mapping[str, int]) -> tuple[Mapping[str, object], str]:
    """Return the facts of a target of several values: those that are frequent enough, as classes."""
    kept = [name for name, count in reversed(list(counts.items())) if count >= LEAST_ROWS]
    if len(counts) > MOST_CLASSES or len(kept) < 2:
        few = f", of which {len(kept)} stand in {LEAST_ROWS} rows or more" if len(kept) < 2 else ""
        raise DataError(
            f"target '{text.name}' has {len(counts):,} values{few}; at most {MOST_CLASSES} can be classes",
            "name a target of fewer values in `data.target`, or one of them in `task.positive`",
        )
    rare = len(counts) - len(kept)
    left = f"; {rare} rarer ones are left unknown" if rare else ""
    if kind("number").infer(text):
        left += "; if they are amounts or counts, state regress as task.name"
    reason = f"{len(kept)} classes, the most frequent '{clipped(kept[0])}' in {counts[kept[0]]:,} rows{left}"
    return {"classes": kept, "counts": [counts[name] for name in kept]}, reason


def _lined(series: pl.Series, spec: Spec, unit: str) -> tuple[Mapping[str, object], str]:
    """Return the facts of a number: the line, and which side of it people look at."""
    task, values = spec.task, series.drop_nulls().to_numpy()
    if task.positive not in ("", ABOVE, BELOW):
        raise SpecError(
            f"task.positive is '{task.positive}', and the target '{series.name}' is a number",
            f"write {ABOVE} or {BELOW}, as to which side of the line people look at",
        )
    if len(np.unique(values)) < 2:
        found = (
            f"only one value, {wording.write(float(values[0]), unit)}" if len(values) else "no known value"
        )
        raise DataError(f"target '{series.name}' has {found}", "give rows of different values")
    side = task.positive or ABOVE
    line = task.line if task.line is not None else _usual_line(values, side)
    beyond = int((values > line if side == ABOVE else values < line).sum())
    shown = wording.write(line, unit)
    if beyond in (0, len(values)):
        raise DataError(
            f"{'every' if beyond else 'no'} value of target '{series.name}' lies {side} {shown} (task.line)",
            f"state a line between {wording.write(float(values.min()), unit)} and "
            f"{wording.write(float(values.max()), unit)}",
        )
    other = "at most" if side == ABOVE else "at least"
    why = "stated in the spec" if task.line is not None else "the line that a tenth of the rows lie beyond"
    facts = {
        "positive": f"{side} {shown}",
        "negative": f"{other} {shown}",
        "positives": beyond,
        "negatives": len(values) - beyond,
        "line": line,
        "side": side,
    }
    return facts, f"{side} {shown} counts as positive ({why}): {beyond:,} of {len(series):,} rows"


def _usual_line(values: np.ndarray, side: str) -> float:
    """Return the value that a tenth of the rows lie beyond; one that as few as possible equal."""
    line = float(np.quantile(values, 1 - BEYOND if side == ABOVE else BEYOND, method="nearest"))
    if side == ABOVE and not (values > line).any():
        line = float(np.unique(values)[-2])
    if side == BELOW and not (values < line).any():
        line = float(np.unique(values)[1])
    return line


def coded(series: pl.Series, facts: Mapping[str, object]) -> np.ndarray:
    """Return int8: 1 positive, 0 negative, -1 for missing and for values the schema does not know.

    Of several classes, the place of each among them.
    """
    codes = np.full(len(series), -1, np.int8)
    if "line" in facts:
        beyond = series > facts["line"] if facts["side"] == ABOVE else series < facts["line"]
        held = series.is_not_null().to_numpy()
        codes[held] = beyond.fill_null(False).to_numpy()[held]
        return codes
    if "classes" in facts:
        names: Any = facts["classes"]
        for code, name in enumerate(names):
            codes[(series == name).fill_null(False).to_numpy()] = code
        return codes
    codes[(series == facts["positive"]).fill_null(False).to_numpy()] = 1
    others: Any = facts.get("others", [facts["negative"]])
    codes[series.is_in(others).fill_null(False).to_numpy()] = 0
    return codes


def settled(spec: Spec, facts: Mapping[str, object], text: str, unit: str) -> Spec:
    """Return the spec with what the target's values decided: the task, its line, and what lies beyond it.

    Args:
        facts: of the target, as `outcome` gave them.
        text: what the target is called in sentences.
    """
    stated = spec.task.positive_text != TaskSpec().positive_text
    if "classes" in facts:
        told = (
            spec.task.positive_text if stated else wording.text("wrong", spec.narrate.language, column=text)
        )
        return replace(spec, task=replace(spec.task, name="classify", positive_text=told))
    if "line" not in facts:
        return replace(spec, task=replace(spec.task, name="classify"))
    line, side = float(str(facts["line"])), str(facts["side"])
    task = replace(spec.task, name="regress", line=line, positive=side)
    if not stated:
        language = spec.narrate.language
        told = wording.text(side, language, column=text, line=wording.write(line, unit, language))
        task = replace(task, positive_text=told)
    return replace(spec, task=task)
