"""Texts told token by token: counts first, then a small network that learns what they miss.

B: texts at once, T: tokens so far, L: places read together, V: vocabulary.
"""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf, log
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from foretell.data.codecs.texts import CODECS, END, Characters, TextCodec, Tokens, stream
from foretell.errors import SpecError
from foretell.generation.grammars import Grammar, State
from foretell.models.base import Batch, Model
from foretell.models.counts import Counts
from foretell.models.lm import Cache, Residual
from foretell.spec import GenerateSpec, TrainSpec
from foretell.training import loop
from foretell.training.checkpoint import Files, pack_arrays, pack_tensors
from foretell.training.progress import Progress, silent
from foretell.units import seconds

Floats = NDArray[np.float64]
Choose = Callable[[Floats, Sequence[int], np.random.Generator], int]
"""Probabilities [V], the text's tokens so far, and dice -> the token to take."""
ORDER, PARTS = 7, 10
"""Tokens that counts look at together; parts of the texts that are told by counts of the others."""
READ, ROWS = 256, 8
"""Tokens of a row, as many as are ever read together: of places that never taught, nothing is known; and rows
of a step."""
RATE = 0.006
EPOCHS, EPOCHS_SMALL = 2.0, 8.0
"""Of few tokens more, since their last part says when to stop."""
SMALL = 400_000
"""Tokens below which a fit reads the same texts often, so that its last part chooses when to stop."""
LOOKS, CHOOSE, PATIENCE = 12, 16_384, 3
AT_ONCE = 64
"""Texts that are drawn side by side."""
SHAPE = {"context": READ, "width": 96, "layers": 2, "heads": 4}
LONG, LARGE = 120.0, {"context": READ, "width": 192, "layers": 3, "heads": 4}
"""Seconds of a budget from which a larger network learns more of a text than going over it again."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Continuing:
    """What continues a text, and says how odd a given one is."""

    codec: TextCodec
    counts: Counts
    net: Residual
    family: str = "next"
    choose: Choose | None = None
    """What takes the tokens instead of dice: a mark."""

    def draw(self, count: int, asked: GenerateSpec, *, seed: int) -> tuple[str, ...]:
        """Return texts that begin with the prompt.

        Raises:
            DataError: when the prompt holds what no text that taught the model did.
            SpecError: when no text of the grammar begins so, or is so short.
        """
        found = []
        for start in range(0, count, AT_ONCE):
            size = min(AT_ONCE, count - start)
            told: list[list[int]] = [[] for _ in range(size)]
            with loop.held_to(1):  # steps are small: on more threads, they wait for each other
                for rows, tokens in self._steps(size, asked, seed + start):
                    for row, token in zip(rows, tokens, strict=True):
                        told[row].append(token)
            found += [self._shown(asked, tokens) for tokens in told]
        return tuple(found)

    def stream(self, asked: GenerateSpec, *, seed: int) -> Iterator[str]:
        """Yield one text piece by piece as it is drawn, the prompt first; whole, it is `draw`'s first."""
        told, shown = [], asked.prompt
        yield asked.prompt
        with loop.held_to(1):
            for _, tokens in self._steps(1, asked, seed):
                told += tokens  # none where the text ends
                text = self._shown(asked, told)
                # A letter of several tokens, or what may yet become a stop, is told when it is whole.
                if text.startswith(shown) and not text.endswith("\ufffd") and not _may_stop(text, asked.stop):
                    yield text[len(shown) :]
                    shown = text
        yield self._shown(asked, told)[len(shown) :]

    def surprise(self, items: Sequence[str]) -> Floats:
        """Return the negative log-probability of each text, in nats [N]; long ones are read in blocks.

        Blocks of all texts are read side by side, those of one length together: texts are many and short.
        """
        tokens, size = [stream(self.codec, [text]) for text in items], self.net.context
        blocks = [(row, at) for row, told in enumerate(tokens) for at in range(0, len(told) - 1, size)]
        blocks.sort(key=lambda block: len(tokens[block[0]]) - block[1])
        found = np.zeros(len(items))
        for start in range(0, len(blocks), AT_ONCE // 2):
            some = blocks[start : start + AT_ONCE // 2]
            cut = [tokens[row][at : at + size + 1] for row, at in some]
            for (row, _), part, nats in zip(some, cut, self.rows(_padded(cut)), strict=True):
                found[row] += nats[: len(part) - 1].sum(dtype=np.float64)
        return found

    def bits(self, texts: Sequence[str]) -> float:
        """Return the bits per character that texts need."""
        nats = sum(float(self.nats(stream(self.codec, [text])).sum(dtype=np.float64)) for text in texts)
        return nats / log(2) / max(1, sum(map(len, texts)))

    @torch.inference_mode()
    def rows(self, tokens_BL: Tokens) -> NDArray[np.float32]:
        """Return the surprise of each token but the first of rows that are read by themselves [B, L - 1]."""
        tokens = torch.from_numpy(tokens_BL)
        prior = torch.from_numpy(self.counts.logits(tokens_BL[:, :-1]))
        logits_BLV = self.net.told(tokens[:, :-1], prior)
        return functional.cross_entropy(logits_BLV.mT, tokens[:, 1:], reduction="none").numpy()

    def nats(self, tokens_T: Tokens, *, stride: int = 0) -> NDArray[np.float32]:
        """Return the surprise of each token but the first [T - 1].

        Args:
            stride: places by which windows of `context` tokens are moved on; in each but the first one only
                the last `stride` places count. Half of the context when 0; the whole context makes blocks.
        """
        context = self.net.context
        stride = stride or context // 2
        starts = [0, *range(stride, max(len(tokens_T) - 1 - context, 0) + stride, stride)]
        found = np.full(len(tokens_T) - 1, np.nan, np.float32)
        for at in range(0, len(starts), AT_ONCE // 2):
            cut = [tokens_T[start : start + context + 1] for start in starts[at : at + AT_ONCE // 2]]
            for row, part, start in zip(self.rows(_padded(cut)), cut, starts[at:], strict=False):
                skip = context - stride if start else 0
                found[start + skip : start + len(part) - 1] = row[skip : len(part) - 1]
        return found

    def files(self) -> Files:
        return {
            "codec.json": self.codec.pack(),
            "counts.safetensors": pack_arrays(self.counts.arrays()),
            "weights.safetensors": pack_tensors(self.net.state_dict()),
            "text.json": json.dumps({"codec": self.codec.kind, "shape": self.net.measures}).encode(),
        }

    def _shown(self, asked: GenerateSpec, tokens: Sequence[int]) -> str:
        text = self.codec.decode([*self.codec.encode(asked.prompt), *tokens])
        ends = [at for stop in asked.stop if (at := text.find(stop, len(asked.prompt))) >= 0]
        return text[: min(ends, default=len(text))]

    @torch.inference_mode()
    def _steps(self, count: int, asked: GenerateSpec, seed: int) -> Iterator[tuple[list[int], list[int]]]:
        """Yield the rows that go on, and the token that each takes, until all have ended."""
        generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
        prompt = np.concatenate(([END], self.codec.encode(asked.prompt)))
        tokens = np.tile(prompt, (count, 1))
        rows = np.arange(count)
        masks = _masks(self.codec, asked, count)
        cache: Cache = []
        unread = tokens.shape[1]
        widest = max((len(stop.encode()) for stop in asked.stop), default=0)
        for number in range(asked.length):
            if cache and cache[0][0].shape[2] + unread > self.net.context:
                cache, unread = [], self.net.context // 2
            unread = min(unread, tokens.shape[1], self.net.context)
            near = tokens[:, -(unread + self.counts.order) :]
            prior = torch.from_numpy(self.counts.logits(near, last=unread))
            logits = self.net.told(torch.from_numpy(tokens[:, -unread:]), prior, cache)[:, -1]
            for row, mask in zip(logits, masks, strict=bool(masks)):
                row[torch.from_numpy(mask.forbidden(asked.length - number))] = -torch.inf
            chance = chances(logits, asked.temperature, asked.top_p)
            if self.choose is None:
                taken = torch.multinomial(chance, 1, generator=generator)[:, 0].numpy()
            else:
                both = zip(chance.double().numpy(), tokens[:, 1:], strict=True)
                taken = np.array([self.choose(row, before.tolist(), rng) for row, before in both])
            tokens, unread = np.concatenate((tokens, taken[:, None]), axis=1), 1
            tail = [self.codec.decode(row[-widest:]) for row in tokens[:, len(prompt) :]] if widest else []
            stopped = [any(stop in text for stop in asked.stop) for text in tail] or [False] * len(rows)
            yield rows[taken != END].tolist(), taken[taken != END].tolist()
            for mask, token in zip(masks, taken, strict=bool(masks)):
                mask.take(int(token))
            goes_on = (taken != END) & ~np.array(stopped)
            if not goes_on.any():
                return
            if not goes_on.all():
                rows, tokens = rows[goes_on], tokens[goes_on]
                masks = [mask for mask, on in zip(masks, goes_on, strict=bool(masks)) if on]
                kept = torch.from_numpy(np.flatnonzero(goes_on))
                cache = [(keys[kept], values[kept]) for keys, values in cache]


def _padded(parts: Sequence[Tokens]) -> Tokens:
    """Return parts as rows, the shorter ones filled up with ends [B, L]."""
    rows = np.full((len(parts), max(map(len, parts))), END, np.int64)
    for row, part in zip(rows, parts, strict=True):
        row[: len(part)] = part
    return rows


def chances(logits_BV: Tensor, temperature: float, top_p: float) -> Tensor:
    """Return how probably each token is taken [B, V]; 0 as temperature takes the likeliest."""
    if temperature == 0:
        return functional.one_hot(logits_BV.argmax(-1), logits_BV.shape[-1]).float()
    chance_BV = (logits_BV / temperature).softmax(-1)
    if top_p < 1:
        ordered, order = chance_BV.sort(descending=True, stable=True)
        kept = ordered * (ordered.cumsum(-1) - ordered < top_p)
        chance_BV = torch.zeros_like(chance_BV).scatter(-1, order, kept)
    return chance_BV


def fit(
    codec: TextCodec,
    texts: Sequence[str],
    train: TrainSpec,
    *,
    folder: Path | None = None,
    progress: Progress = silent,
) -> Continuing:
    """Fit counts on texts, then a network on what they miss.

    Args:
        train: a budget, epochs, a seed, threads; all else is the family's own.
        folder: where a killed fit goes on from.
    """
    tokens = stream(codec, texts)
    whole, *others = Counts.folds(tokens, len(codec), order=ORDER, parts=PARTS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(train.seed)
        net = Residual(len(codec), **(LARGE if seconds(train.budget or "0s") >= LONG else SHAPE))
    told = Continuing(codec=codec, counts=whole, net=net)
    small = len(tokens) < SMALL and len(tokens) > 20 * PARTS
    steps = max(1, round((train.epochs or (EPOCHS_SMALL if small else EPOCHS)) * len(tokens) / (ROWS * READ)))
    asked = replace(
        train,
        batch_size=ROWS,
        learning_rate=RATE,
        warmup=0.05,
        ema=0.0,
        weight_decay=0.01,
        patience=PATIENCE if small else 0,
        evaluate_every=max(1, steps // LOOKS),
    )
    chosen = np.array_split(tokens, PARTS)[-1][:CHOOSE]

    def validate(model: Model) -> float:
        return float(replace(told, counts=others[-1]).nats(chosen).mean())

    floor, start = (validate(net), copy.deepcopy(net.state_dict())) if small else (inf, {})
    report = loop.fit(
        net,
        batches(tokens, others[:-1] if small else others, train.seed),
        asked,
        steps=steps,
        folder=folder,
        validate=validate if small else None,
        progress=progress,
    )
    if small and report.best_validation >= floor:
        net.load_state_dict(start)  # it begins as the counts are, and has not become better
    return told


def batches(tokens_T: Tokens, others: Sequence[Counts], seed: int) -> Callable[[int], Batch]:
    """Return step -> rows at random places, each within one part, with what the counts of the others say.

    Args:
        others: of the first parts of `np.array_split(tokens_T, PARTS)`, the counts of all others.
    """
    parts = np.array_split(np.arange(len(tokens_T)), PARTS)[: len(others)]
    length = min(READ, len(parts[-1]) - 1)

    def batch_at(step: int) -> Batch:
        rng = np.random.default_rng((seed, step))
        starts = rng.integers(0, parts[-1][-1] + 1, ROWS)
        rows = np.empty((ROWS, length + 1), np.int64)
        prior = np.empty((ROWS, length, others[0].num_tokens), np.float32)
        part_of = np.searchsorted([part[-1] for part in parts], starts)
        for number in np.unique(part_of):
            mine = part_of == number
            begin = np.minimum(starts[mine], parts[number][-1] - length)
            rows[mine] = tokens_T[begin[:, None] + np.arange(length + 1)]
            prior[mine] = others[number].logits(rows[mine, :-1])
        return {"tokens": torch.from_numpy(rows), "prior": torch.from_numpy(prior)}

    return batch_at


def opened(files: Files) -> Continuing:
    """Return the generator whose `files` these are."""
    import safetensors.numpy
    import safetensors.torch

    told: dict[str, Any] = json.loads(files["text.json"])
    codec = CODECS[told["codec"]].unpack(files["codec.json"])
    net = Residual(len(codec), **told["shape"])
    net.load_state_dict(safetensors.torch.load(files["weights.safetensors"]))
    counts = Counts.of(safetensors.numpy.load(files["counts.safetensors"]), len(codec))
    return Continuing(codec=codec, counts=counts, net=net.eval())


class _Masked:
    """One text under a grammar: which tokens may follow so that it can still end in time."""

    def __init__(self, codec: Characters, rules: Grammar, state: State) -> None:
        self.codec, self.rules, self.state = codec, rules, state

    def forbidden(self, left: int) -> NDArray[np.bool_]:
        """Return which tokens may not follow [V], where so many are left."""
        follows = self.rules.follows(self.state, left)
        return np.array([not follows.ends, *(symbol not in follows.letters for symbol in self.codec.symbols)])

    def take(self, token: int) -> None:
        if token != END:
            self.state = self.rules.advance(self.state, self.codec.symbols[token - 1])


def _masks(codec: TextCodec, asked: GenerateSpec, count: int) -> list[_Masked]:
    if not asked.grammar or codec.kind == asked.grammar:
        return []
    if codec.kind != Characters.kind:
        raise SpecError(
            f"texts that were read as {codec.kind} cannot be drawn under a grammar of letters",
            "fit with generate.tokens: characters, or leave out generate.grammar",
        )
    assert isinstance(codec, Characters)
    rules = Grammar(asked.grammar, frozenset(codec.symbols))
    begun = rules.begun(asked.prompt, asked.length)
    return [_Masked(codec, rules, begun) for _ in range(count)]


def _may_stop(text: str, stops: Sequence[str]) -> bool:
    return any(text.endswith(stop[:size]) for stop in stops for size in range(1, len(stop)))
