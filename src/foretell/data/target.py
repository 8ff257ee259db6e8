"""Targets: any two values; one of them is the positive outcome."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from foretell.data.cells import Found, clipped, known
from foretell.errors import DataError
from foretell.lookup import nearest
from foretell.spec import Spec


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


def outcome(text: pl.Series, spec: Spec) -> tuple[Mapping[str, object], str]:
    """Return the target's facts (`positive`, `negative`, `positives`, `negatives`) and the reason.

    Raises:
        DataError: when the target has not two values, or none is `task.positive`.
    """
    counts = dict(text.drop_nulls().value_counts().sort(["count", text.name]).iter_rows())
    shown = ", ".join(f"'{clipped(value)}'" for value in list(counts)[:5])
    if len(counts) < 2:
        found = f"only one value, {shown}" if counts else "no known value"
        raise DataError(f"target '{text.name}' has {found}", "give rows of both outcomes")
    if len(counts) > 2:
        raise DataError(
            f"target '{text.name}' has {len(counts):,} values, not two: {shown}{', ...' * (len(counts) > 5)}",
            "name a target of two values in `data.target`",
        )
    rarer, common = counts
    positive = spec.task.positive or rarer
    if positive not in counts:
        near = nearest(positive, counts)
        raise DataError(
            f"target '{text.name}' is never '{positive}' (task.positive); its values are {shown}",
            f"did you mean '{near}'?" if near else "write one of them",
        )
    negative = common if positive == rarer else rarer
    why = "stated in the spec" if spec.task.positive else "the rarer one"
    reason = (
        f"'{clipped(positive)}' is the positive outcome ({why}): {counts[positive]:,} of {len(text):,} rows"
    )
    facts = {
        "positive": positive,
        "negative": negative,
        "positives": counts[positive],
        "negatives": counts[negative],
    }
    return facts, reason


def coded(text: pl.Series, facts: Mapping[str, object]) -> np.ndarray:
    """Return int8: 1 positive, 0 negative, -1 for missing and for values the schema does not know."""
    codes = np.full(len(text), -1, np.int8)
    codes[(text == facts["positive"]).fill_null(False).to_numpy()] = 1
    codes[(text == facts["negative"]).fill_null(False).to_numpy()] = 0
    return codes
