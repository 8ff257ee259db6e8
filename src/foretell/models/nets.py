"""Networks over arrays of any shape, chosen by it: what moves an array, what reads one, what writes one.

A vector [D] gets a residual perceptron; a sequence [C, L] and an image [C, H, W] get convolutions, at half
the resolution (a fold of neighbours into channels costs nothing) and at halves of that, as in a U-Net
(Ronneberger et al., 2015). Conditions scale and shift channels (Perez et al., FiLM, 2018).

B: rows, D: entries of a vector, C: channels, L: places, H, W: rows and columns of an image, M: labels of a
row, E: condition.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (256, 64, 48)
"""Channels of a vector's, a sequence's and an image's network, unless asked for otherwise."""
FREQUENCIES = 16
"""Of the waves that tell the time of a flow."""
SMALLEST = 8
"""Arrays are halved until a side is no longer than this; only longer ones than twice of it are folded."""
SLOPE = 0.2


def width_for(shape: Sequence[int], width: int = 0) -> int:
    """Return the width that was asked for, or else the usual one of such a shape."""
    return width or WIDTHS[len(shape) - 1]


def layer(sides: int, num_in: int, num_out: int, *, stride: int = 1) -> nn.Module:
    """Return a linear layer (no sides), or a convolution of three places along one or two sides."""
    if not sides:
        return nn.Linear(num_in, num_out)
    kind = nn.Conv1d if sides == 1 else nn.Conv2d
    return kind(num_in, num_out, 3, stride=stride, padding=1)


def norm(sides: int, width: int) -> nn.Module:
    return nn.GroupNorm(1, width) if sides else nn.LayerNorm(width)


def silent(module: nn.Module) -> nn.Module:
    """Return a layer that says nothing until it has learned to."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def folded(x: Tensor) -> Tensor:
    """Halve each side of x [B, C, ...], neighbours becoming channels; odd sides are filled up with zeros."""
    for axis in range(2, x.ndim):
        if x.shape[axis] % 2:
            x = functional.pad(x, [0, 0] * (x.ndim - 1 - axis) + [0, 1])
        x = x.unflatten(axis, (-1, 2)).movedim(axis + 1, 1).flatten(1, 2)
    return x


def unfolded(x: Tensor, sides: Sequence[int]) -> Tensor:
    """Undo `folded`, where the sides were these."""
    for axis in range(x.ndim - 1, 1, -1):
        x = x.unflatten(1, (2, -1)).movedim(1, axis + 1).flatten(axis, axis + 1)
        x = x.narrow(axis, 0, sides[axis - 2])
    return x


def ladder(shape: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the sides at each level of a network over such arrays, the longest first; [()] for a vector."""
    sides = tuple(shape[1:])
    if folds(shape):
        sides = halved(sides)
    levels = [sides]
    while sides and min(sides) > SMALLEST:
        sides = halved(sides)
        levels.append(sides)
    return levels


def folds(shape: Sequence[int]) -> bool:
    return len(shape) > 1 and min(shape[1:]) >= 2 * SMALLEST


def halved(sides: tuple[int, ...]) -> tuple[int, ...]:
    return tuple((side + 1) // 2 for side in sides)


def bag(embed: nn.Embedding, label: Tensor) -> Tensor:
    """Return what a row's labels [B] or [B, M] say together [B, E]; nothing where all are -1."""
    label = label[:, None] if label.ndim == 1 else label
    known = (label >= 0).unsqueeze(-1)
    return (embed(label.clamp_min(0)) * known).sum(1) / known.sum(1).clamp_min(1).sqrt()


class Condition(nn.Module):
    """What is known of each row, as one vector [B, E]: its labels and, of a flow, its time."""

    frequencies: Tensor

    def __init__(self, width: int, *, classes: int, timed: bool) -> None:
        super().__init__()
        self.width = width
        self.embed = nn.Embedding(classes, width) if classes else None
        self.timed = timed
        self.register_buffer("frequencies", 2.0 ** torch.linspace(0, 8, FREQUENCIES), persistent=False)
        self.wave = nn.Linear(2 * FREQUENCIES, width)
        self.mix = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, label: Tensor | None, time_B: Tensor | None, rows: int) -> Tensor:
        """Return the condition.

        Args:
            label: int64 [B] or, where a row has several, [B, M]; -1 is none.
            time_B: between 0 and 1.
        """
        found = self.wave.weight.new_zeros(rows, self.width)
        if time_B is not None:
            angle = time_B[:, None] * self.frequencies
            found = found + self.wave(torch.cat((angle.sin(), angle.cos()), dim=1))
        if self.embed is not None and label is not None:
            found = found + bag(self.embed, label)
        return self.mix(found)


class Block(nn.Module):
    """Two layers that add to what comes in; the condition scales and shifts what lies between them."""

    def __init__(self, sides: int, width: int, condition: int) -> None:
        super().__init__()
        self.norm, self.norm_out = norm(sides, width), norm(sides, width)
        self.first = layer(sides, width, width)
        self.second = silent(layer(sides, width, width))
        self.film = silent(nn.Linear(condition, 2 * width))

    def forward(self, x: Tensor, condition_BE: Tensor) -> Tensor:
        inner = self.norm_out(self.first(functional.silu(self.norm(x))))
        scale, shift = self.film(condition_BE)[(...,) + (None,) * (x.ndim - 2)].chunk(2, dim=1)
        return x + self.second(functional.silu(inner * (1 + scale) + shift))


class Field(nn.Module):
    """x, time, labels -> an array of the same shape: where a flow moves x."""

    def __init__(self, shape: Sequence[int], *, width: int = 0, classes: int = 0, depth: int = 0) -> None:
        super().__init__()
        width, sides = width_for(shape, width), len(shape) - 1
        self.folds, self.levels = folds(shape), ladder(shape)
        channels = shape[0] * (2**sides if self.folds else 1)
        widths = [width * 2 ** min(level, 2) for level in range(len(self.levels))]
        condition = max(widths)
        self.condition = Condition(condition, classes=classes, timed=True)
        self.start = layer(sides, channels, widths[0])
        self.down = nn.ModuleList(Block(sides, each, condition) for each in widths[:-1])
        self.deeper = nn.ModuleList(layer(sides, few, many, stride=2) for few, many in pairwise(widths))
        deep = depth or (2 if sides else 4)
        self.middle = nn.ModuleList(Block(sides, widths[-1], condition) for _ in range(deep))
        self.wider = nn.ModuleList(layer(sides, many, few) for few, many in pairwise(widths))
        self.up = nn.ModuleList(Block(sides, each, condition) for each in widths[:-1])
        self.norm = norm(sides, widths[0])
        self.end = silent(layer(sides, widths[0], channels))

    def forward(self, x: Tensor, time_B: Tensor, label: Tensor | None) -> Tensor:
        condition_BE = self.condition(label, time_B, len(x))
        inner, kept = self.start(folded(x) if self.folds else x), []
        for block, deeper in zip(self.down, self.deeper, strict=True):
            inner = block(inner, condition_BE)
            kept.append(inner)
            inner = deeper(inner)
        for block in self.middle:
            inner = block(inner, condition_BE)
        for wider, block, skip in zip(reversed(self.wider), reversed(self.up), reversed(kept), strict=True):
            inner = block(functional.interpolate(wider(inner), skip.shape[2:]) + skip, condition_BE)
        found = self.end(functional.silu(self.norm(inner)))
        return unfolded(found, x.shape[2:]) if self.folds else found


class Reader(nn.Module):
    """An array -> `num_out` numbers [B, num_out], without norms, so that a critic's slopes mean something."""

    def __init__(self, shape: Sequence[int], num_out: int, *, width: int = 0) -> None:
        super().__init__()
        width, sides = width_for(shape, width), len(shape) - 1
        self.folds, levels = folds(shape), ladder(shape)
        channels = shape[0] * (2**sides if self.folds else 1)
        widths = [width * 2 ** min(level, 2) for level in range(len(levels))]
        steps: list[nn.Module] = [layer(sides, channels, width), nn.LeakyReLU(SLOPE)]
        for few, many in pairwise(widths):
            steps += [layer(sides, few, many, stride=2), nn.LeakyReLU(SLOPE)]
        steps += [layer(sides, widths[-1], widths[-1]), nn.LeakyReLU(SLOPE), nn.Flatten()]
        size = widths[-1] * math.prod(levels[-1])
        if not sides:
            steps += [nn.Linear(size, size), nn.LeakyReLU(SLOPE)]
        self.steps = nn.Sequential(*steps, nn.Linear(size, num_out))

    def forward(self, x: Tensor) -> Tensor:
        return self.steps(folded(x) if self.folds else x)


class Writer(nn.Module):
    """`num_in` numbers [B, num_in] and labels -> an array."""

    def __init__(self, shape: Sequence[int], num_in: int, *, width: int = 0, classes: int = 0) -> None:
        super().__init__()
        width, sides = width_for(shape, width), len(shape) - 1
        self.shape, self.folds, self.levels = tuple(shape), folds(shape), ladder(shape)
        channels = shape[0] * (2**sides if self.folds else 1)
        widths = [width * 2 ** min(level, 2) for level in range(len(self.levels))]
        self.condition = Condition(num_in, classes=classes, timed=False) if classes else None
        self.start = nn.Linear(num_in * (2 if classes else 1), widths[-1] * math.prod(self.levels[-1]))
        self.first = layer(sides, widths[-1], widths[-1])
        self.wider = nn.ModuleList(layer(sides, many, few) for few, many in pairwise(widths))
        self.last = layer(sides, widths[0], widths[0])
        self.end = layer(sides, widths[0], channels)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        if self.condition is not None:
            z = torch.cat((z, self.condition(label, None, len(z))), dim=1)
        inner = functional.leaky_relu(self.start(z), SLOPE)
        inner = inner.unflatten(1, (-1, *self.levels[-1])) if self.levels[-1] else inner
        inner = functional.leaky_relu(self.first(inner), SLOPE)
        for wider, sides in zip(reversed(self.wider), reversed(self.levels[:-1]), strict=True):
            inner = functional.leaky_relu(functional.interpolate(wider(inner), sides), SLOPE)
        found = self.end(functional.leaky_relu(self.last(inner), SLOPE))
        return unfolded(found, self.shape[1:]) if self.folds else found
