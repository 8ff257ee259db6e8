"""Walks: scores that go on from step to step are those of the rows that the steps make."""

import lightgbm
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.evidence.reasons import parts_of
from foretell.models.boosting import Boosting
from foretell.models.curves import Curves, spaced
from foretell.models.family import Scorer
from foretell.models.linear import Linear
from foretell.models.readout_network import Readout, export
from foretell.models.several import Several
from foretell.models.tabm import TabM
from foretell.models.trees import by_output
from foretell.models.walks import by_rows, mixed, walked
from loans import road

CODED = np.array([False, False, True, False, True])
COLUMNS = np.array([6, 0, 1, 3, 4])
"""Where the five columns stand among seven."""


def table(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 7)).astype(np.float32)
    x[:, 1], x[:, 4] = rng.integers(0, 30, count), rng.integers(0, 4, count)
    return x


def steps(seed: int, walks: int, count: int) -> np.ndarray:
    """Return the steps of walks in which some columns come together."""
    rng = np.random.default_rng(seed)
    together = rng.permutation(np.arange(7) % count)
    return np.stack([rng.permutation(count) for _ in range(walks)])[:, together]


def forest(leaves: int, *, classes: bool = False) -> tuple[Scorer, ...]:
    x = table(1, 3_000)[:, COLUMNS]
    y = x[:, 0] + (x[:, 2] % 3 == 0) - (x[:, 4] == 2) * x[:, 1] * x[:, 3]
    aims = np.digitize(y, np.quantile(y, [0.3, 0.6])) if classes else (y > 0.5).astype(int)
    about = {"objective": "multiclass", "num_class": 3} if classes else {"objective": "binary"}
    about |= {"verbosity": -1, "num_leaves": leaves, "seed": 1, "min_data_per_group": 5}
    data = lightgbm.Dataset(x, aims, categorical_feature=np.flatnonzero(CODED).tolist())
    found = by_output(lightgbm.train(about, data, 12))
    return tuple(Boosting(columns=COLUMNS, trees=trees) for trees in found)


def network(loss: str) -> TabM:
    x = table(2, 500)[:, COLUMNS]
    curves = Curves.of(x, CODED, [spaced(x[:, f], 6) for f in range(5)])
    torch.manual_seed(0)
    model = Readout(int(curves.starts[-1]), width=12, members=3, base=(0.3,), loss=loss)
    torch.nn.init.normal_(model.bypass.weight)
    return TabM.of(COLUMNS, export(model, curves))


def lines() -> Linear:
    rng, knots = np.random.default_rng(3), np.sort(np.random.default_rng(4).normal(size=(5, 6)), axis=1)
    knots[2, 4:] = np.inf
    return Linear(
        columns=COLUMNS,
        knots=knots.astype(np.float32),
        table=rng.normal(size=(5, 6)),
        bias=np.array([0.7]),
    )


FAMILIES: dict[str, Scorer] = {
    "no split": Boosting(
        columns=COLUMNS,
        trees=by_output(
            lightgbm.train(
                {"objective": "binary", "verbosity": -1},
                lightgbm.Dataset(np.zeros((100, 5)), np.tile([0, 1], 50)),
                2,
            )
        )[0],
    ),
    "small trees": forest(5)[0],
    "large trees": forest(64)[0],
    "trees too large for masks": forest(80)[0],
    "trees of classes": Several(members=forest(9, classes=True)),
    "lines": lines(),
    "network of an outcome": network("outcome"),
    "network of a number": network("number"),
}


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 7))
def test_a_walk_scores_what_the_rows_of_its_steps_score(name, seed, count):
    family, x, starts = FAMILIES[name], table(seed, 3), table(seed + 1, 4)
    x[0, 1], starts[0, 4] = 99, -1  # values that no row had
    asked = (x, starts, steps(seed, 4, count))
    found = walked(family, *asked)
    assert found.shape[:3] == (4, count + 1, 3)
    np.testing.assert_allclose(found, by_rows(family.logits)(*asked), rtol=0, atol=1e-5)
    np.testing.assert_allclose(found[:, -1], np.stack(4 * [family.logits(x)]), rtol=0, atol=1e-5)


def test_large_trees_are_the_only_ones_without_masks():
    masked = {
        name: family.trees.masked != () for name, family in FAMILIES.items() if hasattr(family, "trees")
    }
    assert [name for name, there in masked.items() if not there] == ["trees too large for masks"]


def test_a_model_walks_as_its_members_do_together():
    model, _, scored = road()
    x = scored.features[scored.rows[:5]]
    starts = model.reference.background[:6]
    places = np.stack([np.random.default_rng(p).permutation(x.shape[1]) for p in range(6)])
    rows = by_rows(model.logits_of)(x, starts, places)
    np.testing.assert_allclose(model.walk(x, starts, places), rows, rtol=0, atol=1e-5)
    (whole,) = parts_of(model).values()
    np.testing.assert_allclose(mixed(whole)(x, starts, places), rows, rtol=0, atol=1e-5)
