"""Laws of the ft_transformer family: its arrays say what its network says, one row or many, and it learns."""

from functools import cache

import numpy as np
import pytest
import torch
from safetensors.numpy import load as load_arrays

from foretell.lookup import load
from foretell.models import FAMILIES
from foretell.models.boosting import TABLE, fit_table
from foretell.models.curved import base_of, loss_of
from foretell.models.curves import Curves
from foretell.models.family import Family, Material
from foretell.models.ft_network import FTNetwork
from foretell.models.ft_transformer import FTTransformer
from foretell.spec import DataSpec, ModelSpec, Spec, TrainSpec
from foretell.training import loop
from foretell.training.checkpoint import pack_arrays
from foretell.training.progress import silent

NUM_ROWS, NUM_TEACH = 700, 450
SPEC = Spec(
    data=DataSpec(source="rows.csv", target="y"),
    model=ModelSpec(width=48),
    train=TrainSpec(epochs=20, learning_rate=0.01, threads=1),
)
kinds = pytest.mark.parametrize("kind", ["outcome", "classes", "number"])


@cache
def material(kind: str) -> Material:
    """Return rows whose outcome depends on whether a number and a category agree: no sum of columns tells."""
    rng = np.random.default_rng(0)
    numbers, codes = rng.normal(size=(NUM_ROWS, 3)), rng.integers(1, 4, (NUM_ROWS, 1))
    agree = np.where(codes[:, 0] == 1, numbers[:, 0], -numbers[:, 0])
    score = 2 * agree + 0.3 * rng.normal(size=NUM_ROWS)
    cuts = [-1.0, 1.0] if kind == "classes" else [0.5]
    labels = np.searchsorted(cuts, score).astype(np.int8)
    found = Material(
        features=np.hstack([numbers, codes]).astype(np.float32),
        categorical=np.array([False, False, False, True]),
        own=np.arange(4),
        entities=np.zeros((NUM_ROWS, 0), np.int32),
        at_seconds=np.zeros(NUM_ROWS),
        known_at_seconds=np.zeros(NUM_ROWS),
        labels=labels,
        teach=np.arange(NUM_TEACH),
        weights=np.ones(NUM_TEACH),
        choose=np.arange(NUM_TEACH, NUM_ROWS),
        offset=0.0,
        num_classes=3 if kind == "classes" else 0,
        scores=score if kind == "number" else None,
    )
    ((boosted,), _) = fit_table([found], TABLE["boosting"])
    return Material(
        **{name: getattr(found, name) for name in found.__dataclass_fields__} | {"boosted": boosted}
    )


@cache
def fitted(kind: str) -> Family:
    family = load("ft_transformer", FAMILIES, "model family")
    return family.fit(material(kind), SPEC, loop.fit, None, silent)


@kinds
def test_it_learns_what_no_sum_of_columns_tells(kind):
    rows = material(kind)
    base = np.array(base_of(rows) if kind == "classes" else base_of(rows)[0])
    nothing = np.broadcast_to(base, (len(rows.choose), *base.shape))
    told = rows.validation_loss(fitted(kind).score(rows, rows.choose))
    assert told < 0.5 * rows.validation_loss(nothing)


@kinds
def test_arrays_hold_all_of_it_and_a_row_has_the_same_bits_alone(kind):
    x_BF = material(kind).features
    again = FTTransformer.restore(load_arrays(pack_arrays(fitted(kind).arrays())))
    logits = again.logits(x_BF)
    np.testing.assert_array_equal(logits, fitted(kind).logits(x_BF))
    assert logits.shape == ((NUM_ROWS, 3) if kind == "classes" else (NUM_ROWS,))
    for some in (slice(0, 1), slice(3, 40), slice(700, NUM_ROWS)):
        np.testing.assert_array_equal(again.logits(x_BF[some]), logits[some])
    read = again.reader()
    np.testing.assert_array_equal([read(x_F) for x_F in x_BF], logits)
    assert len(again.logits(x_BF[:0])) == 0


def test_without_torch_it_says_what_the_network_says():
    rows = material("classes")
    x_BF = rows.features
    curves = Curves.of(
        x_BF, rows.categorical, [np.linspace(-2, 2, 7 + f, dtype=np.float32) for f in range(4)]
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = FTNetwork(curves, width=24, layers=2, heads=4, base=base_of(rows), loss=loss_of(rows)).eval()
        torch.nn.init.normal_(model.head.weight)
    family = FTTransformer.of_network(np.arange(4), curves, model)
    with torch.no_grad():
        told = model(torch.from_numpy(curves.inputs(x_BF))).numpy()
    np.testing.assert_allclose(family.logits(x_BF), told, atol=1e-4)
