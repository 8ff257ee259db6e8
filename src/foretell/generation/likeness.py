"""How alike two sets are in the features of a network that knows their kind. N: items, F: features.

Sources: Heusel et al., GANs trained by a two time-scale update rule (2017), the Fréchet distance; Naeem et
al., Reliable fidelity and diversity metrics (2020), coverage.
"""

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]
NEIGHBOURS = 5


def frechet(some_NF: Features, others_NF: Features) -> float:
    """Return the squared Fréchet distance between normal distributions fitted to both sets.

    It is above 0 even where both come from one source, the more so the fewer items there are: compare it with
    that of two real sets of the same sizes.
    """
    gap = some_NF.mean(0) - others_NF.mean(0)
    first, second = np.cov(some_NF.T), np.cov(others_NF.T)
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    return float(gap @ gap + np.trace(first) + np.trace(second) - 2 * shared)


def directions(real_NF: Features, count: int) -> Features:
    """Return the directions [F, count] along which real items differ most; of fewer where there are no more.

    Few items tell the widths of few directions: with as many as there are items, all distances are noise.
    """
    return np.linalg.eigh(np.cov(real_NF.T))[1][:, ::-1][:, :count]


def coverage(drawn_NF: Features, real_NF: Features) -> float:
    """Return the share of real items with a drawn one nearer than their fifth nearest real one."""
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(real_NF).kneighbors(real_NF)[0][:, -1]
    reach = NearestNeighbors(n_neighbors=1).fit(drawn_NF).kneighbors(real_NF)[0][:, 0]
    return float((reach <= near).mean())
