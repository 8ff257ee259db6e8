"""Attribution: what each factor's share in a score is, and how far its sign and rank can be relied on.

Two doubts count: that of the sampled orders (a share is an estimate), and that of the model itself (a factor
may have meant nothing on rows that did not teach it). The larger one licenses less.
"""

import numpy as np

from foretell.evidence.scene import Scene, fact
from foretell.prediction.shares import shapley
from foretell.prediction.support import believed
from foretell.records import Fact


def collect(scene: Scene) -> list[list[Fact]]:
    """Return per row the share of each factor in its score, the largest first."""
    fitted = scene.fitted
    factors = fitted.factors
    x_RF = scene.scored.features[scene.rows]
    shares = shapley(
        fitted.walk,
        x_RF,
        fitted.reference.background,
        [factor.columns for factor in factors],
        num_permutations=fitted.spec.explain.resamples,
        seed=fitted.spec.train.seed,
    )
    signs_RG, ranks_RG = believed(factors, shares.values, seed=fitted.spec.train.seed)
    collected = []
    for r, prediction in enumerate(scene.predictions):
        gap = abs(shares.base + shares.values[r].sum() - prediction.logit)
        assert gap < 1e-3, f"shares of {prediction.id} miss its score by {gap}"
        order = np.argsort(-np.abs(shares.values[r]), kind="stable")
        collected.append(
            [
                fact(
                    "attribution",
                    factors[g].name,
                    factors[g].text,
                    float(shares.values[r, g]),
                    scene.share_unit,
                    f"model {prediction.model[:16]}",
                    {
                        "rank": rank,
                        "sign_stability": float(min(shares.sign_stability[r, g], signs_RG[r, g])),
                        "rank_stability": float(min(shares.rank_stability[r, g], ranks_RG[r, g])),
                        "base": shares.base,
                    },
                )
                for rank, g in enumerate(order.tolist(), 1)
            ]
        )
    return collected
