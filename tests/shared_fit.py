"""One fit of a network with dropout, shared by what `torchrun` starts: python shared_fit.py OUT [STOP]."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from foretell.models.curves import Curves, spaced
from foretell.models.readout_network import Readout, batches
from foretell.spec import TrainSpec
from foretell.training import parallel
from foretell.training.loop import fit
from foretell.training.progress import Advance, Counted

ROWS, FEATURES, ODD = 1_000, 6, 31


def main(out: Path, stop: int) -> None:
    """Fit, and write the losses and the weights; end without a word after so many steps, unless it is 0."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    curves = Curves.of(x, np.zeros(FEATURES, np.bool_), [spaced(x[:, f], 5) for f in range(FEATURES)])
    batch_at = batches(
        x, (x[:, 0] > x[:, 1]).astype(np.int8), rng.random(ROWS) + 0.5, curves, batch_size=ODD, seed=3
    )
    torch.manual_seed(1)
    model = Readout(int(curves.starts[-1]), width=16, members=4, base=(0.0,))
    spec = TrainSpec(evaluate_every=10, checkpoint_every=25, ema=0.9)

    def ended(advance: Advance | Counted) -> None:
        if advance.step == stop:
            sys.exit()

    report = fit(model, batch_at, spec, steps=60, folder=out.with_suffix(".training"), progress=ended)
    if parallel.leads():
        weights = {name: tensor.flatten().tolist() for name, tensor in model.state_dict().items()}
        out.write_text(json.dumps({"losses": report.losses, "weights": weights}))


if __name__ == "__main__":
    with parallel.joined() if parallel.asked() > 1 else nullcontext():
        main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    for task in Path("/proc/self/task").glob("*/comm"):
        assert "gloo" not in task.read_text(), "a thread of the group outlived it"
