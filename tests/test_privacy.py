"""Differential privacy: the accountant against plain integrals, the norms against automatic ones."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from torch.func import functional_call, grad, vmap

from foretell.data.dataset import Column
from foretell.errors import SpecError
from foretell.generation.private import fit_private
from foretell.models.private_columns import PrivateColumnNet
from foretell.spec import TrainSpec
from foretell.training.privacy import ORDERS, epsilon_of, gaussian_divergence, noise_for


@pytest.mark.parametrize(
    ("order", "noise", "rate"), [(2, 1.0, 0.1), (5, 1.5, 0.02), (16, 4.0, 0.3), (3, 0.8, 1)]
)
def test_divergences_are_those_that_an_integral_gives(order, noise, rate):
    def density(x: float) -> float:
        return (1 - rate) * norm.pdf(x, 0, noise) + rate * norm.pdf(x, 1, noise)

    def power(x: float) -> float:
        return math.exp(order * math.log(density(x)) + (1 - order) * norm.logpdf(x, 0, noise))

    told, _ = quad(power, -30 * noise, 30 * noise + order, limit=500, points=[0, order])
    found = gaussian_divergence(noise, rate)[ORDERS.index(order)]
    assert found == pytest.approx(math.log(told) / (order - 1), rel=1e-5)


@pytest.mark.parametrize("noise", [0.7, 1.0, 3.0, 20.0])
def test_epsilon_is_no_less_than_the_exact_one_of_a_normal_mechanism(noise):
    """Exact: Balle and Wang, Improving the Gaussian mechanism for differential privacy (2018), theorem 8."""
    delta = 1e-5
    epsilon = epsilon_of(gaussian_divergence(noise), delta)

    def exact(epsilon: float) -> float:
        one, other = 1 / (2 * noise) - epsilon * noise, -1 / (2 * noise) - epsilon * noise
        return norm.cdf(one) - math.exp(epsilon) * norm.cdf(other)

    assert exact(epsilon) <= delta, "what is promised holds"
    assert exact(0.75 * epsilon) > delta, "and not much more noise is put than is needed"


def test_noise_grows_with_every_sum_and_is_found_to_a_thousandth():
    one, many = noise_for(1.0, 1e-5, rate=0.01), noise_for(1.0, 1e-5, rate=0.01, times=1000)
    assert many > one
    told = epsilon_of(1000 * np.array(gaussian_divergence(many, 0.01)), 1e-5)
    assert 0.99 <= told <= 1.0
    spent = 50 * np.array(gaussian_divergence(40.0))
    assert noise_for(1.0, 1e-5, rate=0.01, times=1000, spent=spent) > many
    with pytest.raises(SpecError, match="no noise"):
        noise_for(1e-9, 1e-12, times=1000)


def small(**settings: float) -> PrivateColumnNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        net = PrivateColumnNet([3, 7, 2, 5], **settings, width=6, hidden=8, layers=2)
        for each in net.parameters():
            each.data += 0.3 * torch.randn_like(each)
    return net.eval()


def rows(count: int = 40) -> torch.Tensor:
    sizes = torch.tensor([3, 7, 2, 5])
    return (torch.rand(count, 4, generator=torch.Generator().manual_seed(0)) * sizes).long()


def test_norms_without_gradients_are_those_of_the_gradients():
    net, tokens = small(length=1.0, noise=0.0, expected=1.0), rows()
    places = torch.tensor([2, 0, 3, 1])

    def loss(parameters: dict[str, torch.Tensor], row: torch.Tensor) -> torch.Tensor:
        return functional_call(Told(net, places), parameters, (row[None],))

    parameters = {f"net.{name}": each.detach() for name, each in net.named_parameters()}
    each = vmap(grad(loss), in_dims=(None, 0))(parameters, tokens)
    wanted = torch.stack([gradient.flatten(1).square().sum(1) for gradient in each.values()]).sum(0).sqrt()
    found, _ = net.norms(tokens, places)
    assert torch.allclose(found, wanted, rtol=1e-4)


class Told(torch.nn.Module):
    """The loss of rows in one order, as the net's own surprise tells it."""

    def __init__(self, net: PrivateColumnNet, places: torch.Tensor) -> None:
        super().__init__()
        self.net, self.places = net, places

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.net.surprise.__wrapped__(self.net, tokens, order=self.places.tolist()).sum()


def test_no_row_moves_the_gradient_by_more_than_its_length():
    net, tokens = small(length=0.5, noise=0.0, expected=10.0), rows()

    def gradient(batch: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)
        found = torch.autograd.grad(net.loss({"tokens": batch}, "fit"), list(net.parameters()))
        return torch.cat([each.flatten() for each in found])

    whole = gradient(tokens)
    moved = [(whole - gradient(torch.cat([tokens[:k], tokens[k + 1 :]]))).norm() for k in range(10)]
    assert max(moved) <= 0.5 / 10 + 1e-6
    assert max(moved) > 0.04, "some row reaches the length"


def people(count: int) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    city = rng.choice(["north", "south"], count, p=[0.7, 0.3])
    age = np.clip(rng.normal(np.where(city == "south", 60, 35), 8), 18, 90).round()
    frame = pl.DataFrame({"city": city, "age": age, "income": np.exp(rng.normal(7, 0.5, count))})
    return frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 5).then(pl.lit("Hans")).otherwise("city").alias("city")
    )


KINDS = {"city": "category", "age": "number", "income": "number"}
COLUMNS = [Column(name=name, kind=kind, role="input", text=name, reason="") for name, kind in KINDS.items()]


def test_rows_are_drawn_within_the_promise_and_none_of_them_alone_is_told():
    real = people(8000)
    generator, spent = fit_private(
        real, COLUMNS, TrainSpec(threads=1, epochs=10), epsilon=4.0, delta=1e-5, noise_seed=1
    )
    assert 3.9 < spent.epsilon <= 4.0 and spent.values < 0.4 * spent.epsilon
    assert "Hans" not in generator.codec.coders["city"].values
    drawn = generator.draw(3000, seed=1)
    assert (drawn["city"] == "south").mean() == pytest.approx(0.3, abs=0.06)
    told, wanted = (
        frame.filter(city="south")["age"].mean() - frame.filter(city="north")["age"].mean()
        for frame in (drawn, real)
    )
    assert told > 0.5 * wanted
    assert drawn["income"].log().mean() == pytest.approx(7, abs=0.2)
    for epsilon, delta in ((0.0, 1e-5), (1.0, 0.0)):
        with pytest.raises(SpecError):
            fit_private(real, COLUMNS, TrainSpec(), epsilon=epsilon, delta=delta)
