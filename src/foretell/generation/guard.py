"""The guard: what every generated set has to show, whatever it holds, and what may not leave it.

It knows no modality: items are opaque to it. So that nothing is asked that real data cannot do, a set is held
everywhere against the holdout: items of the same source that taught nothing and chose nothing.

N: items, B: blocks of what items are held against.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact

from foretell import wording
from foretell.errors import DataError
from foretell.generation.modality import Floats, Items, Material, Modality, Watched
from foretell.generation.novelty import auc
from foretell.records import Fact
from foretell.tasks.classify import wilson
from foretell.tasks.fairness import SURE, holm

BEYOND = 0.99
"""What lies nearer to the teaching items than this share of the holdout does is withheld."""
SPARE, MOST_DRAWN = 1.03, 3
"""How many times as many are drawn as are asked for: at first, and at most."""
MOST = 4_000
"""Items of a kind that are held against each other at most."""
BLOCKS = 8
MOST_GROUPS = 12
"""Groups of a column that are compared, the most frequent."""
Z = 1.96
LESS = frozenset({"discriminator", "frechet", "bits"})
"""Measures that are the better the less they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """How a set came to be; all of it becomes a fact, and part of what is signed."""

    name: str
    """Of the set: what its case is called."""
    item: str
    """What one of it is called: row, text, image."""
    count: int
    asked: int
    withheld: int
    family: str
    seed: int
    source: str
    taught: int
    """Items that taught the generator."""
    epsilon: float = 0.0
    """Of differential privacy; 0: none was asked for."""
    delta: float = 0.0


def licensed(licence: str, source: str, *, allowed: bool) -> Fact:
    """Return the fact of the licence of what is to teach a generator; asked before anything is fitted.

    Raises:
        DataError: when it is not known, and nobody said that it may teach all the same.
    """
    if not licence and not allowed:
        raise DataError(
            f"under which licence '{source}' may teach a generator is not known",
            "say it in data.licence, or take it upon yourself with generate.unlicensed: true",
        )
    return Fact(
        id="",
        kind="licence",
        name="licence",
        text="licence",
        value=licence or "unknown",
        unit="text",
        source=source,
        detail={"stated": bool(licence), "permitted": allowed},
    )


def withheld(
    kind: Modality, material: Material, draw: Callable[[int], Items], count: int
) -> tuple[Items, int]:
    """Draw a set without what lies too near to a teaching item, topped up to the number asked for.

    Args:
        draw: draws so many items.
        count: how many are asked for; fewer come where even three times as many hold too few.

    Returns:
        The set, and how many of those looked at before it was full were withheld.
    """
    some = np.random.default_rng(0).permutation(material.holdout)[:MOST]  # they tell the line well enough
    teach, holdout = (kind.take(material.items, rows) for rows in (material.teach, some))
    line = float(np.quantile(kind.distances(holdout, teach), 1 - BEYOND))
    size = ceil(SPARE * count) + BLOCKS
    while True:
        items = draw(size)
        kept = np.flatnonzero(kind.distances(items, teach) >= line)
        if len(kept) >= count or size >= MOST_DRAWN * count:
            break
        size = min(MOST_DRAWN * count, ceil(SPARE * size * count / max(len(kept), 1)))
    chosen = kept[:count]
    looked_at = int(chosen[-1]) + 1 if len(chosen) == count else size
    return kind.take(items, chosen), looked_at - len(chosen)


def facts(
    kind: Modality,
    material: Material,
    items: Items,
    made: Made,
    *,
    licence: Fact,
    fidelity: Sequence[Fact] = (),
    surprise: Callable[[Items], Floats | None] | None = None,
    watched: Iterable[Watched] = (),
    language: str = "en",
    seed: int = 0,
) -> tuple[Fact, ...]:
    """Return all that is to be said of a set, as facts with ids.

    Args:
        licence: what `licensed` returned before the fit.
        fidelity: what the modality measured; what it says of novelty or membership is not measured again.
        surprise: the generator's.
        language: of the facts' texts.
        seed: of the choice of items that are held against each other.
    """
    known, rng = {fact.kind for fact in fidelity}, np.random.default_rng(seed)
    n = min(MOST, len(material.teach), len(material.holdout))
    taught, others = (
        kind.take(material.items, rng.permutation(rows)[:n]) for rows in (material.teach, material.holdout)
    )
    found = [_made(made), *(_judged(fact, language) for fact in fidelity)]
    if "novelty" not in known:
        few = kind.take(items, rng.permutation(len(items))[:MOST])
        found.append(novelty(kind, few, taught, others))
    if "membership" not in known:
        found.append(membership(*(kind.distances(part, items) for part in (taught, others)), by="distance"))
        scores = [surprise(part) if surprise else None for part in (taught, others)]
        if scores[0] is not None and scores[1] is not None:
            found.append(membership(scores[0], scores[1], by="likelihood"))
    found += [*bias(watched, language), licence]
    return tuple(replace(fact, id=f"f{place}") for place, fact in enumerate(found, start=1))


def _made(made: Made) -> Fact:
    detail = {
        **{name: getattr(made, name) for name in ("item", "family", "source", "taught", "asked", "withheld")},
        "seed": str(made.seed),
        "beyond": BEYOND,
        **({"epsilon": made.epsilon, "delta": made.delta} if made.epsilon else {}),
    }
    if made.epsilon:
        del detail["withheld"], detail["beyond"]
    return Fact(
        id="", kind="generated", name=made.name, text=made.item, value=made.count, unit="count", detail=detail
    )


def _judged(fact: Fact, language: str) -> Fact:
    """Return a measure by its name in a language, with whether it misses its goal."""
    goal, detail = fact.detail.get("goal"), dict(fact.detail)
    if isinstance(goal, int | float) and isinstance(fact.value, int | float) and fact.kind == "fidelity":
        detail["missed"] = fact.value > goal if fact.name in LESS else fact.value < goal
    names = wording.TEXTS[language]
    return replace(fact, text=names.get(f"fidelity_{fact.name}", fact.text), detail=detail)


def novelty(kind: Modality, items: Items, taught: Items, others: Items) -> Fact:
    """Return the share of items that lie nearer to teaching items than to as many that taught nothing.

    Of a generator that copies nothing it is half. Many items may have the same neighbour, so the interval is
    that of a delete-a-block jackknife over what they are held against, that of the items added.

    Args:
        taught, others: equally many.

    Source: Efron and Stein, Annals of Statistics 9 (1981).
    """
    count, n = len(items), len(others)
    blocks = min(BLOCKS, n)
    parts = [np.arange(at, n, blocks) for at in range(blocks)]
    near_BN, far_BN = (
        np.stack([kind.distances(items, kind.take(side, rows)) for rows in parts])
        for side in (taught, others)
    )

    def share(left_out: int = -1) -> float:
        held = [at for at in range(blocks) if at != left_out]
        near, far = near_BN[held].min(axis=0), far_BN[held].min(axis=0)
        return float(np.mean(near < far) + 0.5 * np.mean(near == far))

    value = share()
    without = [share(at) for at in range(blocks)] if blocks > 1 else [0.0, 1.0]
    spread = (blocks - 1) * float(np.var(without)) + value * (1 - value) / count
    half = Z * float(np.sqrt(spread))
    detail = {"n": count, "low": max(0.0, value - half), "high": min(1.0, value + half), "floor": 0.5}
    text = "share nearer to what taught the model than to what did not"
    return Fact(id="", kind="novelty", name="nearer", text=text, value=value, unit="share", detail=detail)


def membership(taught: Floats, others: Floats, *, by: str) -> Fact:
    """Return of how many pairs an attacker picks the item that taught the model: the one with the less score.

    Args:
        taught, others: distance to the nearest generated item, or the model's surprise.
        by: which of the two; whoever has the set alone knows distances, whoever has the model both.
    """
    n, found = min(len(taught), len(others)), auc(-taught, -others)
    detail = {"n": n, "low": found.low, "high": found.high, "floor": 0.5}
    return Fact(
        id="",
        kind="membership",
        name=by,
        text=f"pairs of which an attack by {by} picks the one that taught the model",
        value=found.value,
        unit="share",
        detail={**detail, "by": by},
    )


def verbatim(longest: int, share: float, floor: float, *, n: int, line: int) -> Fact:
    """Return how much of generated texts stands word for word in those that taught the model.

    Args:
        longest: characters of the longest such stretch.
        share: of n stretches looked at, those with one of at least `line` characters; floor: of real ones.
    """
    return Fact(
        id="",
        kind="verbatim",
        name="longest",
        text="longest stretch that repeats a teaching text",
        value=longest,
        unit="characters",
        detail={"n": n, "line": line, "share": share, "floor": floor},
    )


def bias(watched: Iterable[Watched], language: str = "en") -> tuple[Fact, ...]:
    """Return how often each group comes, and its rate of the outcome, in the set and in the real data.

    By Fisher's exact test, with all comparisons counted (Holm, Scandinavian Journal of Statistics 6, 1979).
    Those beyond chance come first, the largest difference before all.
    """
    found = []
    for one in watched:
        names, counts = np.unique(one.real.astype(str), return_counts=True)
        for name in names[np.argsort(-counts, kind="stable")][:MOST_GROUPS]:
            own = [side.astype(str) == name for side in (one.made, one.real)]
            text = wording.text("group_share", language, column=one.text, value=str(name))
            found.append(_compared(text, f"{one.text}={name}", own))
            if one.real_positive is not None and one.made_positive is not None:
                parts = {"column": one.text, "value": str(name), "outcome": one.outcome}
                positive = [one.made_positive[own[0]], one.real_positive[own[1]]]
                if min(map(len, positive)):
                    text = wording.text("group_rate", language, **parts)
                    found.append(_compared(text, f"{one.outcome}@{one.text}={name}", positive))
    adjusted = holm(np.array([p for _, p in found]))
    told = [
        replace(fact, detail={**fact.detail, "p": float(p), "beyond": bool(p < SURE)})
        for (fact, _), p in zip(found, adjusted, strict=True)
    ]
    told.sort(key=lambda fact: (not fact.detail["beyond"], -abs(_gap(fact))))
    return tuple(replace(f, detail={**f.detail, "rank": rank}) for rank, f in enumerate(told, start=1))


def _compared(text: str, name: str, hits: Sequence[NDArray[np.bool_]]) -> tuple[Fact, float]:
    """Return the share of hits in the set beside that in the real data, and the p of their difference."""
    (ours, n), (theirs, m) = ((int(side.sum()), len(side)) for side in hits)
    low, high = wilson(ours, n)
    detail = {"real": theirs / m, "low": low, "high": high, "n": n}
    p = float(fisher_exact([[ours, n - ours], [theirs, m - theirs]]).pvalue)
    return Fact(id="", kind="bias", name=name, text=text, value=ours / n, unit="share", detail=detail), p


def _gap(fact: Fact) -> float:
    value, real = fact.value, fact.detail["real"]
    assert isinstance(value, float) and isinstance(real, float)
    return value - real
