"""The neural readout as arrays: what serves it, without torch; `readout_network` fits it.

B: rows, F: features, K: knots, W: width, M: members.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadoutArrays:
    """The readout as arrays: `table` holds the first layer (the bypass in its last column) at every knot."""

    knots: NDArray[np.float32]
    """[F, K]"""
    table: NDArray[np.float32]
    """[F, K, W + 1]"""
    enter: NDArray[np.float32]
    """[W + 1]"""
    scale: NDArray[np.float32]
    shift: NDArray[np.float32]
    middle: NDArray[np.float32]
    """[W, W], input first."""
    middle_bias: NDArray[np.float32]
    head: NDArray[np.float32]
    bias: NDArray[np.float32]
    plain: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(1, np.bool_))
    """Whether the members' outputs are averaged as they are, not as probabilities [1]."""

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays by name, in the order the kernel takes them."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def kernel(self) -> tuple[NDArray[Any], ...]:
        """Return the arrays in the order `read_out` takes them."""
        return tuple(self.arrays().values())

    def logits(
        self, x_BF: NDArray[np.float32], columns: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Return log-odds [B], row by row with the function that serves one event: batch equals stream."""
        out = np.empty(len(x_BF))
        columns = np.arange(x_BF.shape[1]) if columns is None else columns
        read_out_rows(np.ascontiguousarray(x_BF), columns, out, *self.kernel())
        return out


@numba.njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def _first_layer(x_F, columns, knots, table, enter, out):
    """Sum interpolated rows of the table: F gathers of two rows instead of a product with all ramps."""
    num_knots, width = knots.shape[1], len(enter)
    for w in range(width):
        out[w] = enter[w]
    for f in range(len(columns)):
        x, passed = x_F[columns[f]], 0
        for k in range(num_knots):
            passed += knots[f, k] <= x
        low = min(max(passed - 1, 0), num_knots - 2)
        left, right = knots[f, low], knots[f, low + 1]
        share = np.float32(0.0)
        if right < np.inf:
            share = min(max((x - left) / (right - left), np.float32(0.0)), np.float32(1.0))
        rest = np.float32(1.0) - share
        for w in range(width):
            out[w] += rest * table[f, low, w] + share * table[f, low + 1, w]


@numba.njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def _member(first, scale_W, shift_W, middle, middle_bias, head_W, units, active, hidden):
    """Return one member's log-odds without its bias; the units that fire are listed, then added by fours."""
    width = len(scale_W)
    count = 0
    for i in range(width):
        value = first[i] * scale_W[i] + shift_W[i]
        units[count], active[count] = i, value
        count += value > 0.0
    for i in range(count, count + 3):
        units[i], active[i] = 0, 0.0
    for w in range(width):
        hidden[w] = middle_bias[w]
    for i in range(0, count, 4):
        a, b, c, d = units[i], units[i + 1], units[i + 2], units[i + 3]
        for w in range(width):
            hidden[w] += (active[i] * middle[a, w] + active[i + 1] * middle[b, w]) + (
                active[i + 2] * middle[c, w] + active[i + 3] * middle[d, w]
            )
    logit = np.float32(0.0)
    for w in range(width):
        logit += max(hidden[w], np.float32(0.0)) * head_W[w]
    return logit


@numba.njit(cache=True)
def read_out(x_F, columns, knots, table, enter, scale, shift, middle, middle_bias, head, bias, plain):
    """Return the log-odds of the members' mean probability, or the mean of their outputs, of one row."""
    members, width = scale.shape
    first, hidden = np.empty(width + 1, np.float32), np.empty(width, np.float32)
    units, active = np.empty(width + 3, np.int64), np.empty(width + 3, np.float32)
    _first_layer(x_F, columns, knots, table, enter, first)
    mean = 0.0
    for m in range(members):
        logit = bias[m] + first[width]
        logit += _member(first, scale[m], shift[m], middle, middle_bias, head[m], units, active, hidden)
        if plain[0]:
            mean += logit
        else:
            mean += 1.0 / (1.0 + math.exp(-min(max(logit, -40.0), 40.0)))
    if plain[0]:
        return mean / members
    mean = min(max(mean / members, 1e-9), 1.0 - 1e-9)
    return math.log(mean / (1.0 - mean))


@numba.njit(cache=True)
def read_out_rows(
    x_BF, columns, out, knots, table, enter, scale, shift, middle, middle_bias, head, bias, plain
):
    """Write the log-odds of each row."""
    for b in range(len(x_BF)):
        out[b] = read_out(
            x_BF[b], columns, knots, table, enter, scale, shift, middle, middle_bias, head, bias, plain
        )
