"""Leaks: one column that decides the target alone. N: rows."""

import numpy as np
import polars as pl

LEAK = 0.995
"""AUC from which a column all but equals the target."""
FEW = 50
"""Distinct numbers up to which a number is also looked at as a category."""
ROWS = 200_000
"""Rows that are looked at: all positives, or as many as fit, and evenly spaced others."""


def sample(rows: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return at most `ROWS` of the rows, the rarer outcome first served, in ascending order."""
    if len(rows) <= ROWS:
        return np.sort(rows)
    positive, negative = rows[target[rows] == 1], rows[target[rows] == 0]
    few, many = sorted((positive, negative), key=len)
    few = _spaced(few, ROWS // 2)
    return np.sort(np.concatenate([few, _spaced(many, ROWS - len(few))]))


def _spaced(rows: np.ndarray, count: int) -> np.ndarray:
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64)]


def leak(series: pl.Series, kind: str, target: np.ndarray) -> str:
    """Return how the column gives the target away, or an empty string.

    Args:
        series: a canonical column, N values.
        kind: its kind.
        target: int8 [N], 0 or 1, both present.
    """
    absent = series.is_null().to_numpy()
    if absent.any() and _decides(area := auc(absent.astype(np.float64), target)):
        return f"is missing just where the target {'holds' if area > 0.5 else 'fails'} (AUC {area:.4f})"
    if kind in ("number", "time"):
        values = series.to_physical().cast(pl.Float64).to_numpy()
        present = ~np.isnan(values)
        if _both(target[present]) and _decides(area := auc(values[present], target[present])):
            return f"ranks the target with an AUC of {area:.4f}"
        if kind == "time" or series.n_unique() > FEW:
            return ""
    area = _category_auc(series.cast(pl.String), target)
    return f"tells the target by its values (AUC {area:.4f} on rows held out)" if _decides(area) else ""


def _decides(area: float) -> bool:
    return max(area, 1 - area) > LEAK


def _both(target: np.ndarray) -> bool:
    return len(target) > 0 and 0 < target.sum() < len(target)


def _category_auc(series: pl.Series, target: np.ndarray) -> float:
    """Return the AUC on one half of the rows of each value's rate of positives in the other half."""
    taught = np.arange(len(target)) % 2 == 0
    if not (_both(target[taught]) and _both(target[~taught])):
        return 0.5
    frame = pl.DataFrame({"value": series.fill_null(""), "target": target})
    rates = frame.filter(pl.Series(taught)).group_by("value").agg(pl.col("target").mean().alias("rate"))
    base = float(target[taught].mean())
    judged = frame.filter(pl.Series(~taught)).join(rates, on="value", how="left", maintain_order="left")
    return auc(judged["rate"].fill_null(base).to_numpy(), target[~taught])


def auc(scores: np.ndarray, target: np.ndarray) -> float:
    """Return the area under the ROC curve, ties counted half (Mann and Whitney, 1947).

    Args:
        scores: float [N] without NaN.
        target: int [N], 0 or 1, both present.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([0, 0, 1, 1]))
    0.875
    """
    ranks = pl.Series(scores).rank("average").to_numpy()
    positives = int((target == 1).sum())
    return float(
        (ranks[target == 1].sum() - positives * (positives + 1) / 2) / positives / (len(target) - positives)
    )
