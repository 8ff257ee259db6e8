"""Generators of texts that learn one's own documents by adapters: ours, and checkpoints on this machine."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from foretell.data.codecs.texts import stream
from foretell.errors import DataError, SpecError
from foretell.generation.continuing import PARTS, READ, ROWS, Continuing, batches
from foretell.models.adapters import Adapted
from foretell.models.base import Batch
from foretell.spec import TrainSpec
from foretell.training import loop
from foretell.training.progress import Progress, silent

EPOCHS, RATE, RANK = 8.0, 0.01, 8


def adapt(
    told: Continuing,
    texts: Sequence[str],
    train: TrainSpec,
    *,
    rank: int = RANK,
    progress: Progress = silent,
) -> Continuing:
    """Return a generator that also knows other texts; the one given stays as it is.

    Args:
        texts: one's own, in the characters that the generator knows.
        train: a budget, epochs, a seed, threads.
        rank: of the adapters; larger ones learn more, also by heart.

    Raises:
        DataError: when the texts hold unknown characters, or too little.
    """
    tokens = stream(told.codec, texts)
    if len(tokens) < 2 * PARTS:
        raise DataError(f"{len(tokens)} tokens are too few to learn from", "give more texts")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(train.seed)
        model = Adapted(copy.deepcopy(told.net), rank=rank, within="blocks.")
    _learn(
        model,
        batches(tokens, [told.counts] * PARTS, train.seed),
        len(tokens) / (ROWS * READ),
        train,
        progress,
    )
    net: Any = model.merged()
    return replace(told, net=net)


def adapt_checkpoint(
    folder: Path,
    texts: Sequence[str],
    out: Path,
    train: TrainSpec,
    *,
    rank: int = RANK,
    progress: Progress = silent,
) -> float:
    """Teach a Hugging Face checkpoint one's own texts, and write what it becomes to another folder.

    The adapters are merged, so that whatever opens the one opens the other; `narrate.writer: hf:OUT` does.
    No code of the checkpoint's own is run, and nothing is asked of the network.

    Returns:
        The training loss at the end, in nats per token.

    Raises:
        SpecError: when the folder cannot be opened, its network has no linear layers, or `out` is there.
        DataError: when the texts hold too little.
    """
    if out.exists():
        raise SpecError(f"'{out}' is there already", "name a folder that is not")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        net: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, KeyError) as error:
        why = (str(error).splitlines() or [""])[0][:200]
        raise SpecError(f"'{folder}' cannot be opened: {why}", "name the folder of a checkpoint") from error
    end = tokenizer.eos_token or "\n"
    tokens = np.array(tokenizer(end.join(texts), add_special_tokens=False)["input_ids"], np.int64)
    length = min(READ, len(tokens) // 2)
    if length < 2:
        raise DataError(f"{len(tokens)} tokens are too few to learn from", "give more texts")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(train.seed)
        model = Adapted(net, rank=rank, within="layers.")
    if not model.parameters_of("fit"):
        raise SpecError(f"the network in '{folder}' has no linear layers to adapt", "use another checkpoint")

    def batch_at(step: int) -> Batch:
        starts = np.random.default_rng((train.seed, step)).integers(0, len(tokens) - length + 1, ROWS)
        return {"tokens": torch.from_numpy(tokens[starts[:, None] + np.arange(length)])}

    losses = _learn(model, batch_at, len(tokens) / (ROWS * length), train, progress)
    model.merged()
    with TemporaryDirectory(dir=out.parent, prefix=".foretell-") as place:
        net.save_pretrained(place)
        tokenizer.save_pretrained(place)
        Path(place).rename(out)
        Path(place).mkdir()  # what is left to clean up
    return losses[-1]


def _learn(
    model: Adapted, batch_at: loop.BatchAt, per_epoch: float, train: TrainSpec, progress: Progress
) -> tuple[float, ...]:
    asked = replace(train, batch_size=ROWS, learning_rate=RATE, weight_decay=0.0)
    steps = max(1, round((train.epochs or EPOCHS) * per_epoch))
    return loop.fit(model, batch_at, asked, steps=steps, progress=progress).losses
