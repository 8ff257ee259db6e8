"""Free text: weighted word counts, folded into a few components (latent semantic analysis).

Source: Deerwester et al., JASIS 41 (1990).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from foretell import units
from foretell.data.cells import Found, as_text, known
from foretell.data.dataset import Column

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

CATEGORICAL = False
WORDS = 2000
COMPONENTS = 16
PATTERN = r"(?u)\b\w\w+\b"
FREE = 3.0
"""Words per value, on average, from which a column is free text."""


def infer(series: pl.Series) -> str:
    if series.dtype != pl.String:
        return ""
    text = as_text(series).drop_nulls()
    if text.is_empty() or text.n_unique() < len(text) / 5:
        return ""
    counts = text.str.count_matches(r"\p{L}{2,}").cast(pl.Float64).to_numpy()
    if counts.mean() < FREE:
        return ""
    return f"{text.n_unique():,} different texts of {counts.mean():.0f} words on average"


def repair(series: pl.Series) -> tuple[pl.Series, Found]:
    return known(series)


def fit(series: pl.Series) -> dict[str, Any]:
    """Return words, their weights and the components; all empty when the texts hold no words."""
    from sklearn.decomposition import TruncatedSVD

    held = series.str.contains(r"\w\w").fill_null(False)
    if not held.any():
        return {"words": [], "weights": [], "components": []}
    vectorizer = _vectorizer(None)
    counts_NW = vectorizer.fit_transform(series.filter(held).to_list())
    width = min(COMPONENTS, *counts_NW.shape)
    if counts_NW.shape[1] == 1:  # one word has nothing to fold: its weight is the component
        components = np.ones((1, 1))
    else:
        with np.errstate(invalid="ignore", divide="ignore"):  # equal texts have components, but no variance
            components = TruncatedSVD(width, random_state=0).fit(counts_NW).components_
    return {
        "words": vectorizer.get_feature_names_out().tolist(),
        "weights": np.round(vectorizer.idf_, 6).tolist(),
        "components": np.round(components, 6).tolist(),
    }


def encode(series: pl.Series, state: Mapping[str, Any]) -> np.ndarray:
    if not state["words"]:
        return np.empty((len(series), 0), np.float32)
    vectorizer = _vectorizer(state["words"])
    vectorizer.idf_ = np.asarray(state["weights"])
    counts_NW = vectorizer.transform(series.fill_null("").to_list())
    return np.asarray(counts_NW @ np.asarray(state["components"]).T, np.float32)


def _vectorizer(vocabulary: list[str] | None) -> "TfidfVectorizer":
    # scikit-learn takes half a second to load, and most tables hold no free text
    from sklearn.feature_extraction.text import TfidfVectorizer

    limit = WORDS if vocabulary is None else None
    return TfidfVectorizer(
        vocabulary=vocabulary, max_features=limit, sublinear_tf=True, token_pattern=PATTERN
    )


def names(column: Column, state: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"{column.name}.topic_{number + 1}" for number in range(len(state["components"])))


def show(value: str | None, column: Column) -> str:
    return "unknown" if value is None else units.quoted(value)
