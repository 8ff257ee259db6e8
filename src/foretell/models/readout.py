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
def _enter(x, knots_K, table_KW, out_W):
    """Add what a feature's value gives: two rows of the table, instead of a product with all ramps."""
    num_knots, passed = len(knots_K), 0
    for k in range(num_knots):
        passed += knots_K[k] <= x
    low = min(max(passed - 1, 0), num_knots - 2)
    left, right = knots_K[low], knots_K[low + 1]
    share = np.float32(0.0)
    if right < np.inf:
        share = min(max((x - left) / (right - left), np.float32(0.0)), np.float32(1.0))
    rest = np.float32(1.0) - share
    for w in range(len(out_W)):
        out_W[w] += rest * table_KW[low, w] + share * table_KW[low + 1, w]


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
def _leave(first, hidden, units, active, scale, shift, middle, middle_bias, head, bias, plain):
    """Return the log-odds of the members' mean probability, or their outputs' mean, of a first layer."""
    members, width = scale.shape
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
def read_out(x_F, columns, knots, table, enter, scale, shift, middle, middle_bias, head, bias, plain):
    """Return the log-odds of one row."""
    width = scale.shape[1]
    first, hidden = enter.copy(), np.empty(width, np.float32)
    units, active = np.empty(width + 3, np.int64), np.empty(width + 3, np.float32)
    for f in range(len(columns)):
        _enter(x_F[columns[f]], knots[f], table[f], first)
    return _leave(first, hidden, units, active, scale, shift, middle, middle_bias, head, bias, plain)


@numba.njit(cache=True)
def read_out_rows(
    x_BF, columns, out, knots, table, enter, scale, shift, middle, middle_bias, head, bias, plain
):
    """Write the log-odds of each row."""
    for b in range(len(x_BF)):
        out[b] = read_out(
            x_BF[b], columns, knots, table, enter, scale, shift, middle, middle_bias, head, bias, plain
        )


@numba.njit(cache=True)
def walk_out(
    x_RF, begun_PF, steps_PF, columns, out_PSR, knots, table, enter, scale, shift, middle, middle_bias, head,
    bias, plain,
):  # fmt: skip
    """Write the log-odds after each step of walks from rows `begun_PF` to rows `x_RF`."""
    num_stops, width = out_PSR.shape[1], scale.shape[1]
    hidden, first = np.empty(width, np.float32), np.empty(width + 1, np.float32)
    units, active = np.empty(width + 3, np.int64), np.empty(width + 3, np.float32)
    comes = np.empty((num_stops, width + 1), np.float32)
    goes = np.empty((num_stops, width + 1), np.float32)
    for p in range(len(steps_PF)):
        goes[:] = 0.0
        for f in range(len(columns)):
            c = columns[f]
            _enter(begun_PF[p, c], knots[f], table[f], goes[steps_PF[p, c]])
        for s in range(num_stops - 2, -1, -1):
            goes[s] += goes[s + 1]
        for r in range(len(x_RF)):
            comes[:] = 0.0
            for f in range(len(columns)):
                c = columns[f]
                _enter(x_RF[r, c], knots[f], table[f], comes[steps_PF[p, c] + 1])
            for s in range(num_stops):
                if s > 0:
                    comes[s] += comes[s - 1]
                for w in range(width + 1):
                    first[w] = enter[w] + comes[s, w] + goes[s, w]
                out_PSR[p, s, r] = _leave(
                    first, hidden, units, active, scale, shift, middle, middle_bias, head, bias, plain
                )
