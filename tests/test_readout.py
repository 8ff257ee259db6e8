"""The readout as arrays is the network; families come back from arrays; thinned rows stand for all."""

import numpy as np
import pytest
import torch

from foretell.models.boosting import Boosting
from foretell.models.curves import Curves
from foretell.models.event_stream import EventStream
from foretell.models.family import NEGATIVES, thinned
from foretell.models.readout_network import Readout, export
from learning_worlds import payments_fit

NUM_FEATURES, NUM_KNOTS = 5, 6


def network(seed: int) -> tuple[Readout, Curves, np.ndarray]:
    """Return a network with random weights, its curves, and rows; the last feature is a code."""
    rng = np.random.default_rng(seed)
    bends = list(np.sort(rng.normal(0.0, 2.0, (NUM_FEATURES, NUM_KNOTS)), axis=1).astype(np.float32))
    bends[1][3:], bends[2][1:] = np.inf, np.inf
    x = rng.normal(0.0, 4.0, (300, NUM_FEATURES)).astype(np.float32)
    x[:, -1] = rng.integers(0, 9, len(x))
    curves = Curves.of(x, np.arange(NUM_FEATURES) == NUM_FEATURES - 1, bends)
    x[:NUM_KNOTS, 0] = bends[0]
    x[:3, -1] = (0, 9, 1000)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Readout(int(curves.starts[-1]), width=16, members=4, base=(-2.0,))
        torch.nn.init.normal_(model.bypass.weight, std=0.3)
        torch.nn.init.normal_(model.shift_MW, std=0.3)
        torch.nn.init.normal_(model.bias_MC, std=0.3)
    return model.eval(), curves, x


@pytest.mark.parametrize("seed", range(5))
def test_the_readout_as_arrays_says_what_the_network_says(seed):
    model, curves, x = network(seed)
    with torch.inference_mode():
        mean = torch.sigmoid(model(torch.from_numpy(curves.inputs(x))).double()).mean(1)[:, 0].numpy()
    (readout,) = export(model, curves)
    np.testing.assert_allclose(readout.logits(x), np.log(mean / (1 - mean)), atol=1e-5)


@pytest.mark.parametrize("name", ["boosting", "event_stream"])
def test_a_family_comes_back_from_its_arrays_and_reads_single_rows_as_it_reads_many(name):
    fit = payments_fit()
    family = fit.fitted.families[name]
    again = {"boosting": Boosting, "event_stream": EventStream}[name].restore(
        {key: np.array(array) for key, array in family.arrays().items()}
    )
    x = fit.scored.features[:200]
    np.testing.assert_array_equal(again.logits(x), family.logits(x))
    read = again.reader()
    np.testing.assert_array_equal([read(row) for row in x], family.logits(x))
    assert np.ptp(family.logits(x)) > 0


def test_sums_over_thinned_rows_estimate_sums_over_all_rows():
    rng = np.random.default_rng(0)
    n = 3 * NEGATIVES
    labels = (rng.random(n) < 0.01).astype(np.int8)
    suspicion = rng.random(n) ** 8
    amount = rng.normal(size=n) + 5 * suspicion
    negative = labels == 0
    estimates = []
    for seed in range(12):
        sample = thinned(labels, np.arange(n), suspicion, seed=seed)
        kept = negative[sample.rows]
        assert abs(kept.sum() - NEGATIVES) < 0.05 * NEGATIVES
        np.testing.assert_array_equal(sample.weights[~kept], 1.0)
        assert (~kept).sum() == labels.sum()
        estimates.append(np.sum(sample.weights[kept] * amount[sample.rows[kept]]) / np.exp(sample.offset))
    error = np.std(estimates, ddof=1) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - amount[negative].sum()) < 4 * error
    assert error < 0.02 * amount[negative].sum()
