"""The one loop that fits every network; it resumes bit for bit because step n depends on (seed, n) alone."""

import copy
import math
import shutil
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch

from foretell.errors import TrainingError
from foretell.models.base import Batch, Model
from foretell.spec import TrainSpec
from foretell.training import parallel
from foretell.training.checkpoint import exists
from foretell.training.progress import Advance, Progress, silent
from foretell.training.run import Counts, Run, identity_of
from foretell.units import seconds

BatchAt = Callable[[int], Batch]
Validate = Callable[[Model], float]

PROBE_SHARE = 0.05
"""Share of a time budget spent on measuring the pace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitReport:
    """What a fit did."""

    steps: int
    """Steps taken."""
    seconds: float
    """Wall time, over all the processes that took part."""
    losses: tuple[float, ...]
    """Mean training loss of each stretch of `evaluate_every` steps, summed over the turns."""
    validations: tuple[float, ...]
    best_validation: float
    """The least validation loss, that of the delivered weights; inf when nothing validated."""
    stopped: str
    """`finished` or `patience`."""


def fit(
    model: Model,
    batch_at: BatchAt,
    spec: TrainSpec,
    *,
    steps: int,
    folder: Path | None = None,
    validate: Validate | None = None,
    progress: Progress = silent,
) -> FitReport:
    """Fit a model in place; it ends with the weights to deliver (best, else averaged, else last).

    Args:
        model: what is fitted; its device is the caller's choice. Where several processes are joined, each
            takes its part of every batch.
        batch_at: step -> batch; a pure function, so that a resumed run sees the same batches.
        spec: how. A `budget` lowers `steps` to what fits in it, measured before the first step.
        steps: most steps to take; the schedule is laid over them.
        folder: where checkpoints go. A run that stands there goes on where it stopped, to the same bits; a
            finished one is not fitted again.
        validate: model -> loss on the choosing rows; called without gradients every `evaluate_every` steps.
        progress: told of every step.

    Raises:
        TrainingError: when loss or gradient is not finite or explodes.
        CheckpointError: when a checkpoint cannot be written, or belongs to another run.
        KeyboardInterrupt: on Ctrl-C, after the step was finished and a checkpoint written.
    """
    with torch.random.fork_rng(devices=[]), held_to(spec.threads), _interruptions() as interrupted:
        identity = identity_of(model, batch_at(0), spec, steps)
        parallel.check(identity)
        if folder is not None and parallel.agreed(exists(folder)):
            run = Run(model, spec, steps)
            run.resume(folder, identity)
        else:
            started = time.perf_counter()
            run = Run(model, spec, _steps_within(spec, model, batch_at, validate, steps))
            run.counts.seconds = time.perf_counter() - started
            if folder is not None and spec.budget:
                run.save(folder, identity)
        try:
            for advance in _steps(run, batch_at, validate):
                progress(advance)
                last, pressed = bool(run.counts.stopped), bool(parallel.summed(interrupted()))
                if folder is not None and (last or pressed or advance.step % spec.checkpoint_every == 0):
                    run.save(folder, identity)
                if pressed:
                    raise KeyboardInterrupt(_goodbye(advance, folder))
        except TrainingError:
            # The same settings would diverge at the same step again: such a run is not worth resuming.
            if folder is not None and parallel.leads():
                shutil.rmtree(folder, ignore_errors=True)
            raise
    model.load_state_dict(run.best or run.delivered())
    model.eval()
    return _report(run.counts)


def _report(counts: Counts) -> FitReport:
    return FitReport(
        steps=counts.step,
        seconds=counts.seconds,
        losses=counts.losses,
        validations=counts.validations,
        best_validation=min(counts.validations, default=math.inf),
        stopped=counts.stopped,
    )


def _steps(run: Run, batch_at: BatchAt, validate: Validate | None) -> Iterator[Advance]:
    """Take the steps that are left, evaluating where it is due."""
    counts, before, first = run.counts, run.counts.seconds, run.counts.step
    started = time.perf_counter()
    while not counts.stopped:
        run.model.train()
        loss = run.take_step(batch_at(counts.step))
        last = counts.step == counts.steps
        if last:
            counts.stopped = "finished"
        if validate is not None and (last or counts.step % run.spec.evaluate_every == 0):
            run.judge(_validation(run, validate))
        spent = time.perf_counter() - started
        counts.seconds = before + spent
        left = spent / (counts.step - first) * (counts.steps - counts.step)
        yield Advance(
            step=counts.step, steps=counts.steps, loss=loss, left_seconds=left, stopped=counts.stopped
        )


def _validation(run: Run, validate: Validate) -> float:
    """Return the validation loss of the weights that would be delivered."""
    run.model.eval()
    with torch.no_grad():
        if not run.average:
            return validate(run.model)
        weights = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
        run.model.load_state_dict(run.average)
        loss = validate(run.model)
        run.model.load_state_dict(weights)
        return loss


def _steps_within(
    spec: TrainSpec, model: Model, batch_at: BatchAt, validate: Validate | None, steps: int
) -> int:
    """Return how many steps fit in the budget, by the pace of a few on a copy of the model.

    A run under a budget is therefore the same, bit for bit, as one that asks for that number of steps.
    """
    if not spec.budget:
        return steps
    budget, started = seconds(spec.budget), time.perf_counter()
    probe = Run(copy.deepcopy(model), spec, steps)
    probe.model.train()
    probe.take_step(batch_at(0))  # the first one pays for memory and kernels
    clock, taken = time.perf_counter(), 0

    def goes_on() -> bool:
        return probe.counts.step < steps and (
            taken < 3 or time.perf_counter() - started < PROBE_SHARE * budget
        )

    while parallel.agreed(goes_on()):
        probe.take_step(batch_at(probe.counts.step))
        taken += 1
    pace = (time.perf_counter() - clock) / max(taken, 1)
    if validate is not None:
        clock = time.perf_counter()
        _validation(probe, validate)
        pace += (time.perf_counter() - clock) / spec.evaluate_every
    left = budget - (time.perf_counter() - started)
    return parallel.agreed(max(1, min(steps, int(left / max(pace, 1e-9)))))


def _goodbye(advance: Advance, folder: Path | None) -> str:
    where = "nothing was kept" if folder is None else f"the same call goes on from '{folder}'"
    return f"stopped after step {advance.step} of {advance.steps}; {where}"


@contextmanager
def held_to(count: int) -> Generator[None, None, None]:
    """Hold torch to so many threads inside the block; 0 leaves the choice to it."""
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _interruptions() -> Generator[Callable[[], bool], None, None]:
    """Hold back the first Ctrl-C until the step is done; a second one interrupts at once."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False  # only the main thread receives signals
        return
    pressed = False

    def hold(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    before = signal.signal(signal.SIGINT, hold)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
