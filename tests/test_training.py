"""Laws of the one loop: exact resume, budgets, stopping, averaging, divergence, progress."""

import io
import math
import multiprocessing
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foretell.errors import CheckpointError, TrainingError
from foretell.models.base import Model
from foretell.spec import TrainSpec
from foretell.training.checkpoint import open_checkpoint, pack_tensors
from foretell.training.loop import fit
from foretell.training.progress import Advance, shown
from foretell.training.run import mixed, one_cycle
from tiny_models import Duel, Line, batch_at, distance, seeded, train_slowly

SPEC = TrainSpec(learning_rate=0.05, evaluate_every=7, checkpoint_every=3, ema=0.9, threads=1, seed=1)
STEPS = 40

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["foretell.training.loop"])


def weights(model: Model) -> bytes:
    return pack_tensors(model.state_dict())


def trained(kind: type[Model], spec: TrainSpec = SPEC, steps: int = STEPS) -> bytes:
    model = seeded(kind)
    fit(model, batch_at, spec, steps=steps, validate=distance)
    return weights(model)


def killed_and_resumed(kind: type[Model], folder: Path, *, kills: int, pause: float, seed: int) -> bytes:
    """Kill a run so many times, after random delays, and let it end here."""
    delays, landed = random.Random(seed), 0
    while landed < kills:
        run = processes.Process(target=train_slowly, args=(kind, SPEC, STEPS, folder, pause))
        run.start()
        run.join(delays.uniform(0, 2.5 * pause * STEPS / kills))
        run.kill()
        run.join()
        landed += 1
    model = seeded(kind)
    fit(model, batch_at, SPEC, steps=STEPS, folder=folder, validate=distance)
    return weights(model)


@pytest.mark.parametrize("kind", [Line, Duel])
def test_a_run_killed_at_random_points_ends_with_the_same_bits(kind, tmp_path):
    assert killed_and_resumed(kind, tmp_path / "run", kills=6, pause=0.01, seed=3) == trained(kind)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_run_killed_at_many_points_ends_with_the_same_bits(seed, tmp_path):
    kind = (Line, Duel)[seed % 2]
    assert killed_and_resumed(kind, tmp_path / "run", kills=8, pause=0.005, seed=seed) == trained(kind)


def test_ctrl_c_saves_and_the_same_call_goes_on(tmp_path):
    folder = tmp_path / "run"

    def press(advance: Advance) -> None:
        if advance.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    model, handler = seeded(Line), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="after step 5 of 40; the same call goes on"):
        fit(model, batch_at, SPEC, steps=STEPS, folder=folder, validate=distance, progress=press)
    assert open_checkpoint(folder).json("counts.json")["step"] == 5
    assert signal.getsignal(signal.SIGINT) is handler
    fit(model, batch_at, SPEC, steps=STEPS, folder=folder, validate=distance)
    assert weights(model) == trained(Line)


def test_ctrl_c_in_another_process_saves_before_it_ends(tmp_path):
    folder, spec = tmp_path / "run", replace(SPEC, checkpoint_every=20)
    run = processes.Process(target=train_slowly, args=(Line, spec, 10_000, folder, 0.01))
    run.start()
    while not (folder / "manifest.json").exists():
        time.sleep(0.01)
    assert run.pid is not None
    os.kill(run.pid, signal.SIGINT)
    run.join()
    assert run.exitcode == 1
    assert open_checkpoint(folder).json("counts.json")["step"] >= 20


def test_a_finished_run_is_not_fitted_again(tmp_path):
    first = fit(seeded(Line), batch_at, SPEC, steps=STEPS, folder=tmp_path / "run", validate=distance)
    model, seen = seeded(Line), []
    again = fit(
        model, batch_at, SPEC, steps=STEPS, folder=tmp_path / "run", validate=distance, progress=seen.append
    )
    assert again == first and seen == []
    assert weights(model) == trained(Line)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"spec": replace(SPEC, learning_rate=0.01)}, r"`train.learning_rate` \(0.05, asked for 0.01\)"),
        ({"steps": 41}, r"`steps` \(40, asked for 41\)"),
        ({"model": Line(4)}, "another model"),
        ({"batch_at": lambda step: batch_at(step + 1)}, "another data"),
    ],
)
def test_a_run_goes_on_only_with_the_same_settings_model_and_data(change, named, tmp_path):
    call = {"model": seeded(Line), "batch_at": batch_at, "spec": SPEC, "steps": STEPS}
    fit(**call, folder=tmp_path / "run")
    with pytest.raises(CheckpointError, match=named):
        fit(**{**call, "model": seeded(Line), **change}, folder=tmp_path / "run")


def test_threads_and_checkpoint_rhythm_do_not_bind_a_run(tmp_path):
    fit(seeded(Line), batch_at, SPEC, steps=STEPS, folder=tmp_path / "run")
    before = torch.get_num_threads()
    fit(
        seeded(Line),
        batch_at,
        replace(SPEC, threads=2, checkpoint_every=9),
        steps=STEPS,
        folder=tmp_path / "run",
    )
    assert torch.get_num_threads() == before


def test_a_fit_leaves_the_callers_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    model = Line()
    state = torch.random.get_rng_state()
    fit(model, batch_at, SPEC, steps=3)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert expected.shape == (3,)


def test_a_budget_fixes_the_steps_once_and_changes_nothing_else(tmp_path):
    spec = replace(SPEC, budget="1s", evaluate_every=50, checkpoint_every=1000)
    model, started = seeded(Line), time.perf_counter()
    report = fit(model, batch_at, spec, steps=10_000_000, folder=tmp_path / "run", validate=distance)
    assert 0.2 < time.perf_counter() - started < 10
    assert 10 < report.steps < 10_000_000
    assert weights(model) == trained(Line, replace(spec, budget=""), report.steps)


def test_a_budget_run_resumes_with_the_stored_steps(tmp_path):
    spec, stored = replace(SPEC, budget="1s"), []

    def press(advance: Advance) -> None:
        stored.append(advance.steps)
        if advance.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(seeded(Line), batch_at, spec, steps=10**7, folder=tmp_path / "run", progress=press)
    report = fit(seeded(Line), batch_at, spec, steps=10**7, folder=tmp_path / "run")
    assert {report.steps} == set(stored)


def test_a_generous_budget_still_ends_after_the_steps_asked_for():
    assert fit(seeded(Line), batch_at, replace(SPEC, budget="1h"), steps=8).steps == 8


def test_the_line_is_found():
    model = seeded(Line)
    report = fit(model, batch_at, replace(SPEC, ema=0.0), steps=300, validate=distance)
    assert report.best_validation < 0.6 < report.validations[0]
    assert report.losses[-1] < report.losses[0]
    assert len(report.losses) == len(report.validations) == math.ceil(300 / SPEC.evaluate_every)


def test_each_turn_moves_its_own_parameters_alone():
    model = seeded(Duel)
    before = {name: each.clone() for name, each in model.named_parameters()}
    fit(model, lambda step: {"x": batch_at(step)["x"] + 2}, replace(SPEC, ema=0.0), steps=300)
    assert 1.0 < model.get_parameter("shift").item() < 3.0

    class Critic(Duel):
        turns = ("critic",)

    critic = Critic()
    critic.load_state_dict(before)
    fit(critic, batch_at, SPEC, steps=20)
    assert torch.equal(critic.get_parameter("shift"), before["shift"])
    assert not torch.equal(critic.get_parameter("critic.0.weight"), before["critic.0.weight"])


def test_the_best_weights_are_delivered_and_patience_ends_the_run():
    judged = iter([5.0, 3.0, 4.0, 4.5, 6.0, 7.0])
    seen: list[bytes] = []

    def validate(model: Model) -> float:
        seen.append(weights(model))
        return next(judged)

    model = seeded(Line)
    report = fit(model, batch_at, replace(SPEC, patience=3), steps=1000, validate=validate)
    assert report.stopped == "patience" and report.best_validation == 3.0
    assert report.steps == 5 * SPEC.evaluate_every
    assert weights(model) == seen[1]


def test_averaged_weights_are_delivered_when_nothing_validates():
    plain, averaged = seeded(Line), seeded(Line)
    fit(plain, batch_at, replace(SPEC, ema=0.0), steps=STEPS)
    fit(averaged, batch_at, replace(SPEC, ema=0.99), steps=STEPS)
    start = seeded(Line).layer.bias
    assert abs(averaged.layer.bias - start) < abs(plain.layer.bias - start)


def test_divergence_names_the_turn_the_parameter_the_step_and_what_to_lower(tmp_path):
    def poisoned(step: int):
        batch = batch_at(step)
        return batch if step < 4 else {**batch, "x": batch["x"] * torch.tensor(float("inf"))}

    with pytest.raises(TrainingError, match=r"The loss of 'fit' became nan or infinite at step 4 \(loss"):
        fit(seeded(Line), poisoned, SPEC, steps=STEPS, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()

    class Cliff(Line):
        def loss(self, batch, turn):
            return self.layer.weight.sum() * 0 + torch.sqrt((self.layer.bias * 0).abs()).sum()

    with pytest.raises(TrainingError, match=r"gradient of 'fit' \(layer.bias\).* at step 0") as caught:
        fit(seeded(Cliff), batch_at, SPEC, steps=STEPS)
    assert caught.value.hint == "lower `train.learning_rate` (now 0.05) or raise `train.warmup` (now 0.1)"


def test_a_loss_that_explodes_while_still_a_number_is_a_divergence():
    class Runaway(Line):
        def loss(self, batch, turn):
            return super().loss(batch, turn) - self.layer.bias.sum() * 1e6

    with pytest.raises(TrainingError, match="The loss of 'fit' exploded at step"):
        fit(
            seeded(Runaway),
            lambda step: {"x": batch_at(0)["x"] * 1000.0**step, "y": torch.zeros(32)},
            SPEC,
            steps=9,
        )


def test_a_validation_that_is_no_number_is_a_divergence():
    with pytest.raises(TrainingError, match="The validation loss became nan or infinite at step 7"):
        fit(seeded(Line), batch_at, SPEC, steps=STEPS, validate=lambda model: math.nan)


@given(st.integers(1, 5000), st.floats(0, 0.9))
def test_the_schedule_rises_to_one_and_falls_towards_zero(steps, warmup):
    shares = [one_cycle(step, steps, warmup) for step in range(steps)]
    peak = shares.index(max(shares))
    assert max(shares) == 1.0 and min(shares) > 0
    assert shares[: peak + 1] == sorted(shares[: peak + 1])
    assert shares[peak:] == sorted(shares[peak:], reverse=True)


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_the_seed_of_a_step_is_valid_and_its_neighbours_differ(seed, step):
    assert 0 <= mixed(seed, step) < 2**63
    assert len({mixed(seed, step), mixed(seed, step + 1), mixed(seed + 1, step)}) == 3


def test_progress_is_plain_lines_off_a_terminal_and_ends_with_done():
    stream = io.StringIO()
    with shown("line", stream) as progress:
        fit(seeded(Line), batch_at, SPEC, steps=STEPS, progress=progress)
    assert stream.getvalue().startswith("line: step 40 of 40 (100%), loss ")
    assert stream.getvalue().endswith(", done\n")


def test_progress_tells_what_is_left():
    advance = Advance(step=30, steps=120, loss=0.5, left_seconds=75)
    assert advance.text == "step 30 of 120 (25%), loss 0.5, 1m 15s left"


def test_progress_on_a_terminal_is_a_bar():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with shown("line", stream) as progress:
        progress(Advance(step=30, steps=120, loss=0.5, left_seconds=75))
    assert "━" in stream.getvalue() and "1m 15s left" in stream.getvalue()
