"""Two rankings: by the words shared with a query (BM25), and by what such words occur with (LSA).

P: passages, T: terms, K: dimensions, N: the terms of one query.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Whole = NDArray[np.int32]
K1, B = 1.5, 0.75
"""BM25: how soon repetition stops to count, and how much long passages pay for their length."""
DIMENSIONS = 128
LEAST = 3
"""Dimensions below which a space says nothing that words do not."""
FEW = 1_000
"""Passages below which a term that stands in one alone counts too."""
MOST_TERMS = 50_000
"""Terms that the space is fitted on, the most widespread first."""
DEPTH, DAMPING = 100, 60.0
"""Places of each ranking that count, and the constant of reciprocal rank fusion."""
NEARNESS = 0.1
"""What a cosine of one counts beside the best score by words: by the space alone, passages of many subjects
are found far less often than by their words."""


def inverse_frequency(spread_T: NDArray[Any], num_passages: int) -> Floats:
    """Return how telling each term is, from the number of passages it occurs in."""
    return np.log1p((num_passages - spread_T + 0.5) / (spread_T + 0.5)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Bm25:
    """Weights of all terms in all passages, by term, so that a query adds up a few runs of numbers.

    Source: Robertson and Zaragoza (2009); weighing beforehand: Lu (2024), BM25S.
    """

    starts: NDArray[Any]
    """Where each term's run begins [T + 1]."""
    rows: Whole
    weights: Floats
    telling: Floats
    """How telling each term is, whatever the passage [T]."""
    num_passages: int

    @classmethod
    def of(cls, counts_PT: Any) -> "Bm25":
        """Weigh the counts of a scipy CSR matrix."""
        size_P = np.asarray(counts_PT.sum(axis=1), dtype=np.float32).ravel()
        counts = counts_PT.tocsc()
        telling_T = inverse_frequency(np.diff(counts.indptr), counts.shape[0])
        long = K1 * (1 - B + B * size_P / max(float(size_P.mean()), 1e-9))[counts.indices]
        weights = counts.data * (K1 + 1) / (counts.data + long) * np.repeat(telling_T, np.diff(counts.indptr))
        return cls(counts.indptr, counts.indices, weights.astype(np.float32), telling_T, counts.shape[0])

    def scores(self, terms_N: Whole) -> Floats:
        """Return the score of each passage; a term that is asked twice counts twice."""
        scores_P = np.zeros(self.num_passages, np.float32)
        for term in terms_N.tolist():
            run = slice(self.starts[term], self.starts[term + 1])
            scores_P[self.rows[run]] += self.weights[run]  # a passage stands once in a run
        return scores_P


@dataclass(frozen=True, slots=True)
class Space:
    """Latent semantic analysis (Deerwester et al., 1990) of the passages, fitted on them alone."""

    basis: Floats
    """Zero for terms that it was not fitted on [T, K]."""
    vectors: Floats = field(repr=False)
    """Of length one [P, K]."""

    @classmethod
    def fit(cls, counts_PT: Any) -> "Space":
        """Fit the space; without dimensions where there are too few passages for any."""
        from sklearn.utils.extmath import randomized_svd

        spread_T = np.bincount(counts_PT.indices, minlength=counts_PT.shape[1])
        kept = np.flatnonzero(spread_T >= (1 if counts_PT.shape[0] < FEW else 2))
        kept = np.sort(kept[np.argsort(-spread_T[kept], kind="stable")[:MOST_TERMS]])
        dimensions = min(DIMENSIONS, len(kept) - 1, counts_PT.shape[0] - 1)
        if dimensions < LEAST:
            return cls(*(np.zeros((num, 0), np.float32) for num in reversed(counts_PT.shape)))
        weighed = weighed_counts(counts_PT, spread_T)
        found = randomized_svd(weighed[:, kept], dimensions, n_iter=3, random_state=0)
        basis_TK = np.zeros((counts_PT.shape[1], dimensions), np.float32)
        basis_TK[kept] = found[2].T
        return cls(basis_TK, unit(weighed @ basis_TK))

    def folded(self, old: Mapping[str, int], terms: Mapping[str, int], counts_PT: Any) -> "Space":
        """Return the same space with other passages in it; terms that it was not fitted on say nothing."""
        basis_TK = np.zeros((len(terms), self.basis.shape[1]), np.float32)
        known = [word for word in terms if word in old]
        basis_TK[[terms[word] for word in known]] = self.basis[[old[word] for word in known]]
        spread_T = np.bincount(counts_PT.indices, minlength=len(terms))
        return Space(basis_TK, unit(weighed_counts(counts_PT, spread_T) @ basis_TK))

    def near(self, terms_N: Whole, telling_T: Floats, rows: Whole | slice = slice(None)) -> Floats:
        """Return how near each passage, or each of some, is to a query, as a cosine."""
        query_K = unit(telling_T[terms_N][None] @ self.basis[terms_N])[0]
        if isinstance(rows, slice):
            return self.vectors[rows] @ query_K
        return np.einsum(
            "pk,k->p", self.vectors[rows], query_K
        )  # a few rows are not worth BLAS's waking of threads


def weighed_counts(counts_PT: Any, spread_T: NDArray[Any]) -> Any:
    """Return tf-idf with damped counts, each passage of length one."""
    from sklearn.preprocessing import normalize

    weighed = counts_PT.astype(np.float32)
    weighed.data = np.log1p(weighed.data) * inverse_frequency(spread_T, counts_PT.shape[0])[weighed.indices]
    return normalize(weighed, copy=False)


def unit(vectors: NDArray[Any]) -> Floats:
    """Return rows of length one; those of no length stay zero."""
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def best(scores_P: Floats, allowed_P: NDArray[np.bool_] | None, depth: int = DEPTH) -> Whole:
    """Return the passages of the highest scores above zero, best first; of equals the earlier."""
    if allowed_P is not None:
        scores_P = np.where(allowed_P, scores_P, 0)
    places = np.flatnonzero(scores_P > 0)
    if len(places) > depth:
        line = np.partition(scores_P[places], -depth)[-depth]
        places = places[scores_P[places] >= line]
    return places[np.argsort(-scores_P[places], kind="stable")][:depth].astype(np.int32)


def nearer(found: Whole, scores: Floats, near: Floats) -> list[int]:
    """Return what words found, best first, each moved by how near it is in meaning."""
    moved = scores / scores[0] + NEARNESS * near
    return found[np.argsort(-moved, kind="stable")].tolist()


def fused(*rankings: Whole) -> list[int]:
    """Return the passages of several rankings, best first, by reciprocal rank (Cormack et al., 2009)."""
    points: dict[int, float] = {}
    for ranking in rankings:
        for place, passage in enumerate(ranking.tolist(), start=1):
            points[passage] = points.get(passage, 0.0) + 1 / (DAMPING + place)
    return sorted(points, key=lambda passage: -points[passage])
