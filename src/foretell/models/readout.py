"""The neural readout as arrays: what serves it, without torch; `readout_network` fits it.

B: rows, F: features, K: knots, W: width, M: members.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

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

    def arrays(self) -> Mapping[str, NDArray[np.float32]]:
        """Return the arrays by name, in the order the kernel takes them."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def kernel(self) -> tuple[NDArray[np.float32], ...]:
        """Return the arrays in the order `read_out` takes them."""
        return tuple(self.arrays().values())

    def logits(self, x_BF: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log-odds [B], row by row with the function that serves one event: batch equals stream."""
        out = np.empty(len(x_BF))
        read_out_rows(np.ascontiguousarray(x_BF), out, *self.kernel())
        return out


@numba.njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def _first_layer(x_F, knots, table, enter, out):
    """Sum interpolated rows of the table: F gathers of two rows instead of a product with all ramps."""
    num_knots, width = knots.shape[1], len(enter)
    for w in range(width):
        out[w] = enter[w]
    for f in range(len(x_F)):
        x, low, high = x_F[f], 0, num_knots - 1
        while high - low > 1:
            middle = (low + high) // 2
            if knots[f, middle] <= x:
                low = middle
            else:
                high = middle
        left, right = knots[f, low], knots[f, high]
        share = np.float32(0.0)
        if right < np.inf:
            share = min(max((x - left) / (right - left), np.float32(0.0)), np.float32(1.0))
        for w in range(width):
            out[w] += table[f, low, w] + share * (table[f, high, w] - table[f, low, w])


@numba.njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def read_out(x_F, first, hidden, knots, table, enter, scale, shift, middle, middle_bias, head, bias):
    """Return the log-odds of the members' mean probability; `first` [W + 1] and `hidden` [W] are scratch."""
    members, width = scale.shape
    _first_layer(x_F, knots, table, enter, first)
    mean = 0.0
    for m in range(members):
        for w in range(width):
            hidden[w] = middle_bias[w]
        for i in range(width):
            active = first[i] * scale[m, i] + shift[m, i]
            if active > 0.0:
                for w in range(width):
                    hidden[w] += active * middle[i, w]
        logit = bias[m] + first[width]
        for w in range(width):
            logit += max(hidden[w], np.float32(0.0)) * head[m, w]
        mean += 1.0 / (1.0 + math.exp(-min(max(logit, -40.0), 40.0)))
    mean = min(max(mean / members, 1e-9), 1.0 - 1e-9)
    return math.log(mean / (1.0 - mean))


@numba.njit(cache=True)
def read_out_rows(x_BF, out, knots, table, enter, scale, shift, middle, middle_bias, head, bias):
    first, hidden = np.empty(len(enter), np.float32), np.empty(scale.shape[1], np.float32)
    for b in range(len(x_BF)):
        out[b] = read_out(
            x_BF[b], first, hidden, knots, table, enter, scale, shift, middle, middle_bias, head, bias
        )
