"""Flow, VAE and GAN over arrays: what they learn of a mixture, and what holds of any shape and seed."""

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.models.base import PART, Batch, Model, Part
from foretell.models.flow import Flow
from foretell.models.gan import Gan
from foretell.models.nets import folded, unfolded
from foretell.models.vae import Vae
from foretell.spec import TrainSpec
from foretell.training.checkpoint import pack_tensors
from foretell.training.loop import fit

SHARES = torch.tensor([0.4, 0.3, 0.2, 0.1])
CORNERS = torch.tensor([[-1.2, -1.2], [1.2, -1.2], [-1.2, 1.2], [1.2, 1.2]])
SPREAD = 0.15
STEPS = {Flow: 300, Vae: 500, Gan: 600}
RATES = {Flow: 0.005, Vae: 0.015, Gan: 0.002}
SHAPES = st.one_of(
    st.tuples(st.integers(1, 6)),
    st.tuples(st.integers(1, 3), st.integers(2, 40)),
    st.tuples(st.integers(1, 3), st.integers(4, 20), st.integers(4, 20)),
)
FAMILIES = pytest.mark.parametrize("kind", STEPS)


def batch_at(step: int) -> Batch:
    """Return 128 points around four corners of unequal shares, a tenth of them without their label."""
    generator = torch.Generator().manual_seed(step)
    label = torch.multinomial(SHARES, 128, replacement=True, generator=generator)
    x = CORNERS[label] + SPREAD * torch.randn(128, 2, generator=generator)
    return {"x": x, "label": label.masked_fill(torch.rand(128, generator=generator) < 0.1, -1)}


def small(kind: type[Flow | Vae | Gan]) -> Flow | Vae | Gan:
    torch.manual_seed(0)
    return kind((2,), classes=4, width=48)


@cache
def learned(kind: type[Flow | Vae | Gan]) -> Flow | Vae | Gan:
    model = small(kind)
    fit(model, batch_at, TrainSpec(learning_rate=RATES[kind], ema=0.98, threads=1), steps=STEPS[kind])
    return model


def corners(x: torch.Tensor) -> torch.Tensor:
    return torch.cdist(x, CORNERS).argmin(1)


@FAMILIES
def test_every_corner_is_drawn_about_as_often_as_it_was_seen(kind):
    drawn = learned(kind).draw(2_000, seed=1)
    found = corners(drawn)
    assert (torch.bincount(found, minlength=4) / 2_000 - SHARES).abs().max() < 0.09


@FAMILIES
def test_what_is_asked_for_by_its_label_is_drawn(kind):
    label = torch.arange(4).repeat(250)
    drawn = learned(kind).draw(1_000, seed=2, label=label)
    assert (corners(drawn) == label).float().mean() > 0.9
    assert ((drawn - CORNERS[label]).norm(dim=1) < 5 * SPREAD).float().mean() > 0.8


@FAMILIES
def test_guidance_draws_less_various_rows(kind):
    label = torch.zeros(500, dtype=torch.int64)
    plain, guided = (learned(kind).draw(500, seed=3, label=label, guidance=weight) for weight in (1.0, 3.0))
    assert (guided - guided.mean(0)).norm(dim=1).mean() < (plain - plain.mean(0)).norm(dim=1).mean()


@FAMILIES
def test_the_same_seed_draws_the_same_and_another_one_does_not(kind):
    first, again, other = (learned(kind).draw(20, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.isclose(first, other).any()


@FAMILIES
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(tmp_path, kind):
    spec = TrainSpec(threads=1, checkpoint_every=4, ema=0.9)
    whole, halved = small(kind), small(kind)
    fit(whole, batch_at, spec, steps=10)

    def stop(advance) -> None:
        if advance.step == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(halved, batch_at, spec, steps=10, folder=tmp_path / "run", progress=stop)
    resumed = small(kind)
    fit(resumed, batch_at, spec, steps=10, folder=tmp_path / "run")
    assert pack_tensors(resumed.state_dict()) == pack_tensors(whole.state_dict())


@FAMILIES
@settings(max_examples=8, deadline=None)
@given(shape=SHAPES, classes=st.integers(0, 3))
def test_arrays_of_any_shape_have_a_finite_loss_and_are_drawn(kind, shape, classes):
    torch.manual_seed(0)
    model = kind(shape, classes=classes, width=8)
    batch = {"x": torch.randn(3, *shape), "label": torch.tensor([0, -1, max(classes - 1, 0)])}
    for turn in model.turns:
        loss = model.loss(batch, turn)
        loss.backward(inputs=list(model.parameters_of(turn).values()))
        assert torch.isfinite(loss)
    label = batch["label"] if classes else None
    assert model.draw(3, seed=0, label=label).shape == (3, *shape)


@settings(max_examples=20, deadline=None)
@given(shape=SHAPES.filter(lambda shape: len(shape) > 1))
def test_unfolding_undoes_folding(shape):
    x = torch.randn(2, *shape)
    assert torch.equal(unfolded(folded(x), shape[1:]), x)


def parts_loss(model: Model, batch: Batch) -> float:
    total = 0.0
    for first, end in ((0, 5), (5, 12)):
        torch.manual_seed(1)
        token = PART.set(Part(first, end, 12))
        total += model.loss({name: each[first:end] for name, each in batch.items()}, "fit").item() * (
            end - first
        )
        PART.reset(token)
    return total / 12


def test_several_processes_make_the_noise_of_one():
    model, batch = small(Flow), {name: each[:12] for name, each in batch_at(0).items()}
    torch.manual_seed(1)
    whole = model.loss(batch, "fit").item()
    assert parts_loss(model, batch) == pytest.approx(whole, rel=1e-5)
