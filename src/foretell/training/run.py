"""One run of the loop: weights, optimisers, averages and counts, all that a checkpoint must carry."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from foretell.errors import CheckpointError, TrainingError
from foretell.models.base import Batch, Model, placed
from foretell.records import canonical, plain
from foretell.spec import TrainSpec
from foretell.training.checkpoint import open_checkpoint, pack_tensors, save
from foretell.training.muon import Muon
from foretell.training.parallel import leads, parted, sum_gradients, summed

EXPLODED = 1e4
"""A loss this many times larger than the first one is a divergence, though still a number."""


@dataclass(slots=True, kw_only=True)
class Counts:
    """The numbers of a run."""

    steps: int
    """Steps over which the schedule is laid, fixed before the first one."""
    step: int = 0
    seconds: float = 0.0
    first_loss: float | None = None
    stretch: float = 0.0
    """Sum of the losses since the last entry of `losses`."""
    losses: tuple[float, ...] = ()
    validations: tuple[float, ...] = ()
    stale: int = 0
    """Evaluations since the best one."""
    stopped: str = ""


class Run:
    """The changing state of one fit."""

    def __init__(self, model: Model, spec: TrainSpec, steps: int) -> None:
        self.model, self.spec, self.counts = model, spec, Counts(steps=steps)
        self.parameters = {turn: dict(model.parameters_of(turn)) for turn in model.turns}
        self.optimizers = {
            turn: _optimizers(self.parameters[turn], model.matrices_of(turn), model.betas, spec)
            for turn in model.turns
        }
        self.average = _copy(model.state_dict()) if spec.ema else {}
        self.best: dict[str, Tensor] = {}

    def take_step(self, batch: Batch) -> float:
        """Take the turns of one step, move the average, and return the summed loss."""
        counts, spec = self.counts, self.spec
        torch.manual_seed(mixed(spec.seed, counts.step))
        rate = self.model.rate_share * spec.learning_rate
        rate *= one_cycle(counts.step, counts.steps, spec.warmup)
        with parted(placed(batch, self.model)) as (mine, share):
            total = sum(self._take_turn(turn, mine, share, rate) for turn in self.model.turns)
        counts.step += 1
        counts.stretch += total
        if counts.step % spec.evaluate_every == 0 or counts.step == counts.steps:
            length = (counts.step - 1) % spec.evaluate_every + 1
            counts.losses, counts.stretch = (*counts.losses, counts.stretch / length), 0.0
        if self.average:
            decay = min(spec.ema, counts.step / (counts.step + 9))
            move_average(self.average, self.model.state_dict(), decay)
        return total

    def _take_turn(self, turn: str, batch: Batch, share: float, learning_rate: float) -> float:
        """Take one turn by this process's share of the batch, and return the loss of the whole batch."""
        parameters = self.parameters[turn]
        for parameter in parameters.values():
            parameter.grad = None
        loss = self.model.loss(batch, turn)
        value = summed(share * loss.item())
        if self.counts.first_loss is None:
            self.counts.first_loss = value
        if not math.isfinite(value) or abs(value) > EXPLODED * (1 + abs(self.counts.first_loss)):
            raise self.divergence(f"The loss of '{turn}'", value)
        loss.backward(inputs=list(parameters.values()))
        sum_gradients((each.grad for each in parameters.values() if each.grad is not None), share)
        norm = get_total_norm([each.grad for each in parameters.values() if each.grad is not None])
        if not torch.isfinite(norm):
            name = next((name for name, each in parameters.items() if not _finite(each.grad)), "all together")
            raise self.divergence(f"The gradient of '{turn}' ({name})", value)
        clip_grads_with_norm_(parameters.values(), self.spec.clip, norm)
        for optimizer in self.optimizers[turn].values():
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            optimizer.step()
        return value

    def divergence(self, what: str, loss: float) -> TrainingError:
        became = (
            "exploded" if what.startswith("The loss") and math.isfinite(loss) else "became nan or infinite"
        )
        return TrainingError(
            f"{what} {became} at step {self.counts.step} (loss {loss:.3g})",
            f"lower `train.learning_rate` (now {self.spec.learning_rate:g}) or raise `train.warmup` "
            f"(now {self.spec.warmup:g})",
        )

    def judge(self, loss: float) -> None:
        """Take in a validation loss: keep the best weights, and stop when patience is out."""
        counts = self.counts
        if not math.isfinite(loss):
            raise self.divergence("The validation loss", loss)
        if loss < min(counts.validations, default=math.inf):
            self.best, counts.stale = _copy(self.delivered()), 0
        else:
            counts.stale += 1
        counts.validations = (*counts.validations, loss)
        if self.spec.patience and counts.stale >= self.spec.patience and not counts.stopped:
            counts.stopped = "patience"

    def delivered(self) -> Mapping[str, Tensor]:
        """Return the weights that stand for the run at this step: the averaged ones where there are any."""
        return self.average or self.model.state_dict()

    def save(self, folder: Path, identity: Mapping[str, Any]) -> None:
        """Write all that `resume` needs; the first of several processes does."""
        if not leads():
            return
        moments = {
            f"{turn}/{name}/{key}": value
            for turn, optimizers in self.optimizers.items()
            for name, parameter in self.parameters[turn].items()
            for key, value in optimizers[_kind(name, self.model, turn)].state[parameter].items()
        }
        files = {
            "weights.safetensors": pack_tensors(self.model.state_dict()),
            "optimizer.safetensors": pack_tensors(moments),
            "average.safetensors": pack_tensors(self.average),
            "best.safetensors": pack_tensors(self.best),
            "counts.json": canonical({item.name: getattr(self.counts, item.name) for item in fields(Counts)}),
            "identity.json": canonical(identity),
        }
        save(folder, files, kind="training", data=identity["batch"])

    def resume(self, folder: Path, identity: Mapping[str, Any]) -> None:
        """Go on from a checkpoint of the same run.

        Raises:
            CheckpointError: when it is damaged or belongs to a run with other settings, model or data.
        """
        checkpoint = open_checkpoint(folder)
        _check_identity(folder, checkpoint.json("identity.json"), plain(identity))
        self.model.load_state_dict(checkpoint.tensors("weights.safetensors"))
        self.average = self._placed(checkpoint.tensors("average.safetensors"))
        self.best = self._placed(checkpoint.tensors("best.safetensors"))
        for key, value in checkpoint.tensors("optimizer.safetensors").items():
            turn, name, moment = key.split("/")
            parameter = self.parameters[turn][name]
            optimizer = self.optimizers[turn][_kind(name, self.model, turn)]
            optimizer.state[parameter][moment] = value.to(parameter.device)
        stored = checkpoint.json("counts.json")
        lists = {key: tuple(stored[key]) for key in ("losses", "validations")}
        self.counts = replaced(self.counts, **{**stored, **lists})

    def _placed(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        state = self.model.state_dict()
        return {name: tensor.to(state[name].device) for name, tensor in tensors.items()}


def identity_of(model: Model, batch: Batch, spec: TrainSpec, steps: int) -> dict[str, Any]:
    """Return what must be equal for a run to go on: settings, shapes and the first batch."""
    free = {"threads", "checkpoint_every"}
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    content = hashlib.sha256(pack_tensors(batch)).hexdigest()
    settings = {f"train.{name}": value for name, value in plain(spec).items() if name not in free}
    return {**settings, "steps": steps, "shapes": shapes, "batch": content}


def one_cycle(step: int, steps: int, warmup: float) -> float:
    """Return the share of the learning rate at a step: a linear rise, then a cosine down to zero.

    Source: Smith and Topin, Super-convergence (2019), with a linear first phase.

    >>> [round(one_cycle(step, 10, 0.2), 3) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.038]
    """
    rise = round(warmup * steps)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / (steps - rise)))


def mixed(seed: int, step: int) -> int:
    """Return the seed of a step's noise: a hash, so that neighbouring steps and seeds share nothing."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{step}".encode(), digest_size=8).digest()) >> 1


def move_average(average: dict[str, Tensor], weights: Mapping[str, Tensor], decay: float) -> None:
    """Move averaged weights towards the weights in place; what is not a float (a counter) is copied."""
    for name, value in weights.items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)


def _kind(name: str, model: Model, turn: str) -> str:
    """Return the optimizer that moves a parameter."""
    return "muon" if name in model.matrices_of(turn) else "adamw"


def _optimizers(
    parameters: Mapping[str, torch.nn.Parameter],
    matrices: frozenset[str],
    betas: tuple[float, float],
    spec: TrainSpec,
) -> dict[str, torch.optim.Optimizer]:
    others = [each for name, each in parameters.items() if name not in matrices]
    # Decay is for matrices: a bias or a norm's scale has no direction to forget.
    groups = [
        {"params": [each for each in others if each.ndim >= 2], "weight_decay": spec.weight_decay},
        {"params": [each for each in others if each.ndim < 2], "weight_decay": 0.0},
    ]
    found: dict[str, torch.optim.Optimizer] = {
        "adamw": torch.optim.AdamW(groups, lr=spec.learning_rate, betas=betas, fused=True)
    }
    if matrices:
        moved = [each for name, each in parameters.items() if name in matrices]
        found["muon"] = Muon(moved, lr=spec.learning_rate, weight_decay=spec.weight_decay)
    return found


def _copy(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def _finite(gradient: Tensor | None) -> bool:
    return gradient is None or bool(torch.isfinite(gradient).all())


def _check_identity(folder: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    differing = [name for name in wanted if stored.get(name) != wanted[name]]
    if differing:
        name = differing[0]
        detail = "" if name in ("shapes", "batch") else f" ({stored.get(name)}, asked for {wanted[name]})"
        what = {"shapes": "model", "batch": "data"}.get(name, f"`{name}`")
        raise CheckpointError(
            f"'{folder}' holds an unfinished run with another {what}{detail}",
            "delete the folder to start afresh, or repeat the earlier settings to go on",
        )
