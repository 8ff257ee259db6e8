"""Laws of early stopping in the families: it saves what over-fitting would lose, and resumes bit for bit."""

import io
import multiprocessing
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from foretell.models import FAMILIES
from foretell.training.checkpoint import exists, open_checkpoint, pack_arrays
from foretell.training.progress import Advance, shown
from overfitting import NUM_ROWS, NUM_TEACH, fit_slowly, fitted, fitted_at_once, noise, spec_of

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(
    ["foretell.prediction.ladder", "foretell.models.readout_network", "foretell.models.reading", "lightgbm"]
)
every_family = pytest.mark.parametrize("name", list(FAMILIES))
UNASKED = ("tabm", "ft_transformer")
"""Families that look at the choosing rows where the spec asks for no patience."""
those_that_are_asked = pytest.mark.parametrize("name", [name for name in FAMILIES if name not in UNASKED])
PATIENCE = 3


def steps_in(folder: Path) -> int:
    return open_checkpoint(folder).json("counts.json")["step"] if exists(folder) else 0


def bits(family) -> bytes:
    return pack_arrays(family.arrays())


@those_that_are_asked
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_patience_stops_a_fit_that_over_fits_and_delivers_its_best_weights(name, ema):
    material = noise()
    stopped, report = fitted_at_once(name, patience=PATIENCE, ema=ema)
    to_the_end, whole = fitted_at_once(name, patience=0, ema=ema)
    assert (report.stopped, whole.stopped) == ("patience", "finished")
    assert report.steps < whole.steps
    assert min(report.validations) == report.validations[-1 - PATIENCE] == report.best_validation
    delivered = material.validation_loss(stopped.score(material, material.choose))
    assert delivered == pytest.approx(report.best_validation, abs=1e-6)
    assert delivered < material.validation_loss(to_the_end.score(material, material.choose)) - 0.01


@those_that_are_asked
def test_without_patience_the_choosing_rows_do_not_touch_the_weights(name):
    family, report = fitted_at_once(name, patience=0)
    others = replace(noise(), choose=np.arange(NUM_ROWS - 5, NUM_ROWS))
    assert report.validations == ()
    assert bits(family) == bits(fitted(name, others, spec_of(0))[0])


@pytest.mark.parametrize("name", UNASKED)
def test_networks_of_tables_stop_early_unasked(name):
    _, report = fitted_at_once(name, patience=0)
    assert report.stopped == "patience"
    assert min(report.validations) == report.best_validation


@every_family
def test_with_patience_the_choosing_rows_decide_when_to_stop(name):
    spec = spec_of(PATIENCE)
    by_teaching_rows, long = fitted(name, replace(noise(), choose=np.arange(NUM_TEACH)), spec)
    by_others, short = fitted_at_once(name, patience=PATIENCE)
    assert long.steps > short.steps
    assert bits(by_teaching_rows) != bits(by_others)


@pytest.mark.parametrize(
    "name",
    ["event_stream", *(pytest.param(name, marks=pytest.mark.slow) for name in ("recurrent", "transformer"))],
)
def test_a_killed_fit_with_patience_ends_with_the_same_bits(name, tmp_path):
    spec, folder = spec_of(PATIENCE, ema=0.9), tmp_path / "run"
    once, report = fitted_at_once(name, patience=PATIENCE, ema=0.9)
    # Once before the first evaluation, and once when the best weights lie behind.
    for least in (3, report.steps - 2 * spec.train.evaluate_every):
        run = processes.Process(target=fit_slowly, args=(name, spec, folder, 0.02))
        run.start()
        while run.is_alive() and steps_in(folder) < least:
            time.sleep(0.01)
        run.kill()
        run.join()
        assert open_checkpoint(folder).json("counts.json")["stopped"] == ""
    resumed, again = fitted(name, noise(), spec, folder)
    assert bits(resumed) == bits(once)
    assert (again.validations, again.steps, again.stopped) == (report.validations, report.steps, "patience")


def test_the_loss_of_the_choosing_rows_is_that_of_the_teaching_ones_before_they_were_thinned():
    material = noise()
    logits = np.random.default_rng(1).normal(-1.0, 1.0, len(material.choose))
    labels = material.labels[material.choose]
    p = 1 / (1 + np.exp(-logits))
    plain = -np.log(np.where(labels == 1, p, 1 - p))
    assert material.validation_loss(logits) == pytest.approx(plain.mean())
    # A quarter of the negatives stands for all of them: keeping every fourth tells the same.
    halved = replace(material, offset=float(np.log(0.25)))
    weight = np.where(labels == 1, 1.0, 0.25)
    assert halved.validation_loss(logits) == pytest.approx((weight * plain).sum() / weight.sum())
    extreme = np.where(labels == 1, 1e5, -1e5)
    assert material.validation_loss(extreme) == 0.0
    assert material.validation_loss(-extreme) == pytest.approx(1e5)


def test_progress_says_that_a_fit_ended_early():
    stream = io.StringIO()
    with shown("fit", stream) as progress:
        _, report = fitted("event_stream", noise(), spec_of(PATIENCE), None, progress)
    last = stream.getvalue().splitlines()[-1]
    assert last.startswith(f"fit: step {report.steps} of ") and last.endswith(
        "the validation loss falls no more"
    )
    assert Advance(step=9, steps=9, loss=0.5, left_seconds=0, stopped="finished").text.endswith(", done")
