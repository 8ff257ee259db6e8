"""Several processes, one fit: each takes its part of every batch, and all of them take the same step.

The processes are those that `torchrun` started. Each draws the same batch and the same noise, takes its own
rows of both, and the gradients' mean is that of the whole batch; so the fit is that of one process, up to the
order in which numbers are added. The first process alone writes files.
"""

import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from foretell.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor

    from foretell.models.base import Batch

LONGEST_WAIT = timedelta(hours=12)
"""What one process does alone, such as telling every case, the others wait for."""


def asked() -> int:
    """Return how many processes `torchrun` started for this work; 1 where it started none."""
    # Schedulers set WORLD_SIZE as well, for other work than this.
    return int(os.environ["WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else 1


class Group:
    """The processes that share a fit; of one process until `joined`."""

    rank, size = 0, 1


GROUP = Group()


@contextmanager
def joined() -> Generator[None, None, None]:
    """Work together with the other processes inside the block."""
    # torch's optimizers import this later. Its default arguments would keep the group and its threads until
    # the interpreter ends, where a thread that still holds a tensor aborts the process.
    import torch.distributed.nn  # noqa: F401
    from torch import distributed

    # gloo adds on the processor; it is what the small networks here are fitted on.
    distributed.init_process_group("gloo", timeout=LONGEST_WAIT)
    GROUP.rank, GROUP.size = distributed.get_rank(), distributed.get_world_size()
    try:
        yield
    finally:
        GROUP.rank, GROUP.size = 0, 1
        distributed.destroy_process_group()


def leads() -> bool:
    """Say whether this process writes files and talks."""
    return GROUP.rank == 0


def wait() -> None:
    """Wait until every process is here."""
    if GROUP.size > 1:
        from torch import distributed

        distributed.barrier()


@contextmanager
def parted(batch: "Batch") -> Generator[tuple["Batch", float], None, None]:
    """Yield this process's part of a batch, and the share of the batch's rows that it is.

    Noise of rows inside the block is that of the part. A batch of fewer rows than processes is not parted.
    """
    if GROUP.size == 1:
        yield batch, 1.0
        return
    from foretell.models.base import PART, Part

    (rows,) = {len(tensor) for tensor in batch.values()}
    if rows < GROUP.size:
        yield batch, 1 / GROUP.size
        return
    part = Part(rows * GROUP.rank // GROUP.size, rows * (GROUP.rank + 1) // GROUP.size, rows)
    token = PART.set(part)
    try:
        mine = {name: tensor[part.first : part.end] for name, tensor in batch.items()}
        yield mine, (part.end - part.first) / rows
    finally:
        PART.reset(token)


def summed(value: float) -> float:
    """Return the sum of a number over the processes."""
    if GROUP.size == 1:
        return value
    import torch
    from torch import distributed

    total = torch.tensor(value, dtype=torch.float64)
    distributed.all_reduce(total)
    return total.item()


def sum_gradients(gradients: "Iterable[Tensor]", share: float) -> None:
    """Replace gradients by those of the whole batch, the same bits in every process.

    Args:
        share: of the batch's rows that these gradients are the mean over.
    """
    if GROUP.size == 1:
        return
    import torch
    from torch import distributed

    held = list(gradients)
    flat = torch.cat([each.reshape(-1) for each in held]).mul_(share)
    distributed.all_reduce(flat)
    for each, total in zip(held, flat.split([each.numel() for each in held]), strict=True):
        each.copy_(total.view_as(each))


def agreed(value: int) -> int:
    """Return the number that the first process has."""
    if GROUP.size == 1:
        return value
    import torch
    from torch import distributed

    held = torch.tensor(value)
    distributed.broadcast(held, 0)
    return int(held.item())


def check(identity: Mapping[str, Any]) -> None:
    """Raise TrainingError where the processes are about to fit different things."""
    own = int(str(identity["batch"])[:12], 16)
    if summed(float(agreed(own) != own)):
        raise TrainingError(
            "the processes see different batches, so their gradients do not belong together",
            "give each of them the same data and the same version of Foretell",
        )
