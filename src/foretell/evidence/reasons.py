"""Reason codes: for every row the few factors that pushed its score to the side on which it lies.

What a lender owes a person who was turned down, and what a queue can be sorted by: short codes that mean the
same in every file, language and later fit, since they are made of the factor's name alone.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foretell.models.family import Scorer
from foretell.models.walks import Walk, mixed
from foretell.prediction.fitted import Factor, Fitted, family_of
from foretell.prediction.paths import LEAST, STABLE
from foretell.prediction.shares import resampled, sampled, signs_kept
from foretell.prediction.support import signs_believed
from foretell.tasks.multiclass import Coupling

MOST = 4
"""Reasons of one row: more would not inform a person (Regulation B, comment 9(b)(2)-1)."""
ORDERS, FEWEST = 6, 40
"""Sampled orders of the factors that each fold of the model scores, and of all together at least."""
CHUNK = 500
"""Rows at once."""
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: without letters that look like figures."""
SHORTEST = 4


def codes(factors: Sequence[Factor]) -> dict[str, str]:
    """Return the code of each factor's name: four letters of its digest, more where two would share them.

    >>> codes([Factor(name="income", text="income", columns=np.array([0]))])
    {'income': '0FMZ'}
    """
    digests = {factor.name: hashlib.sha256(factor.name.encode()).digest() for factor in factors}
    length = SHORTEST
    while len({bytes(byte % 32 for byte in digest[:length]) for digest in digests.values()}) < len(digests):
        length += 1
    return {
        name: "".join(LETTERS[byte % len(LETTERS)] for byte in digest[:length])
        for name, digest in digests.items()
    }


def parts_of(fitted: Fitted) -> dict[str, list[tuple[float, float, Scorer]]]:
    """Return the members of each fold with weights and offsets; the model is the mean of its folds.

    What all rows taught is a member of every fold. The name of the only fold is empty.
    """
    folds = dict.fromkeys(name.removeprefix(family_of(name)) for name in fitted.families)
    numbers = [fold for fold in folds if fold] or [""]
    parts: dict[str, list[tuple[float, float, Scorer]]] = {fold: [] for fold in numbers}
    for name, family in fitted.families.items():
        fold = name.removeprefix(family_of(name))
        times = len(parts) if fold else 1
        for part in (fold,) if fold else numbers:
            parts[part].append((times * fitted.weights[name], fitted.offsets[name], family))
    return parts


def reasons(fitted: Fitted, features: NDArray[np.float32], raised: NDArray[np.bool_]) -> list[str]:
    """Return per row the codes of the factors that raised or lowered its score most, joined by blanks.

    Only shares are named that are large and stable enough to be told of in sentences, so there may be none.
    Of several classes it is the score of the row's most probable one, against all others, that they raised.

    Args:
        features: of the rows [R, F].
        raised: whether what raised the score is asked for, or what lowered it [R]; of several classes it is
            always what raised it.
    """
    folds, coupling = [mixed(fold) for fold in parts_of(fitted).values()], fitted.coupling
    if coupling is None:
        return _pushing(fitted, folds, features, raised)
    found = np.full(len(features), "", dtype=object)
    likeliest = coupling(fitted.logits_of(features)).argmax(axis=1) if len(features) else np.zeros(0)
    for code in np.unique(likeliest).tolist():
        rows = np.flatnonzero(likeliest == code)
        against = [_against(coupling, fold, code) for fold in folds]
        found[rows] = _pushing(fitted, against, features[rows], np.ones(len(rows), dtype=np.bool_))
    return found.tolist()


def _against(coupling: Coupling, fold: Walk, code: int) -> Walk:
    return lambda *asked: coupling.against(fold(*asked), code)


def _pushing(
    fitted: Fitted, folds: list[Walk], features: NDArray[np.float32], raised: NDArray[np.bool_]
) -> list[str]:
    """Return the codes per row for one score, which is the mean of its folds'."""
    named, columns = np.array(list(codes(fitted.factors).values())), [f.columns for f in fitted.factors]
    background, seed, found = fitted.reference.background, fitted.spec.train.seed, []
    num_permutations = max(FEWEST, ORDERS * len(folds))
    for start in range(0, len(features), CHUNK):
        part, rng = slice(start, start + CHUNK), np.random.default_rng(seed)
        _, shares = sampled(folds, features[part], background, columns, num_permutations, rng)
        values_RG = shares.mean(0)
        believed_RG = signs_believed(fitted.factors, values_RG, seed=seed)
        stable_RG = np.minimum(signs_kept(resampled(shares, rng), values_RG), believed_RG) >= STABLE
        pushes_RG = np.where(raised[part, None], values_RG, -values_RG)
        pushes_RG = np.where(stable_RG & (pushes_RG >= LEAST), pushes_RG, 0.0)
        order_RG = np.argsort(-pushes_RG, axis=1, kind="stable")[:, :MOST]
        for row_G, order_G in zip(pushes_RG, order_RG, strict=True):
            found.append(" ".join(named[[g for g in order_G.tolist() if row_G[g] > 0]]))
    return found
