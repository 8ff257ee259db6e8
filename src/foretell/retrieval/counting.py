"""How often each term stands in each passage: counted for new passages, taken over for old ones.

P: passages, T: terms.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack


def merged(
    old_terms: Mapping[str, int],
    old_PT: csr_matrix,
    fresh: Sequence[Sequence[str]],
    origin_P: NDArray[np.int64],
) -> tuple[dict[str, int], csr_matrix]:
    """Return the terms in their alphabetical order and the counts, those of an index built anew.

    Args:
        fresh: words of the new passages, in their order.
        origin_P: for each passage its row in `old_PT`, or -1 for a new one.
    """
    counted = [Counter(words) for words in fresh]
    every = sorted({word for each in counted for word in each} | set(old_terms))
    place = {word: index for index, word in enumerate(every)}
    moved = np.array([place[word] for word in old_terms], np.int32)
    old = csr_matrix(
        (old_PT.data, moved[old_PT.indices] if len(moved) else old_PT.indices, old_PT.indptr),
        shape=(old_PT.shape[0], len(every)),
    )
    entries = [sorted((place[word], count) for word, count in each.items()) for each in counted]
    new = csr_matrix(
        (
            np.array([count for each in entries for _, count in each], np.float32),
            np.array([term for each in entries for term, _ in each], np.int32),
            np.cumsum([0, *map(len, entries)]).astype(np.int32),
        ),
        shape=(len(entries), len(every)),
    )
    row_P = origin_P.copy()
    row_P[origin_P < 0] = old_PT.shape[0] + np.arange(len(fresh))
    counts = vstack([old, new], format="csr", dtype=np.float32)[row_P]
    used = np.flatnonzero(np.bincount(counts.indices, minlength=len(every)))
    return {every[term]: index for index, term in enumerate(used)}, counts[:, used]
