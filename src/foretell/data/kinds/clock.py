"""The clock features of an instant, compiled: a column of instants and a single event get the same bits."""

import math

import numba
import numpy as np

DAY_US = 86_400_000_000
WIDTH = 6


@numba.njit(cache=True)
def clock(us, reference_us, out):
    """Write hour, weekday (Monday is 0), the sines and cosines of both, and days where `out` has room.

    Args:
        us: microseconds since 1970.
        reference_us: the instant from which days are counted.
    """
    days = us / DAY_US
    whole = math.floor(days)
    hour, weekday = 24.0 * (days - whole), (whole + 3) % 7  # 1970-01-01 was a Thursday
    out[0], out[1] = hour, weekday
    out[2], out[3] = math.sin(math.pi / 12 * hour), math.cos(math.pi / 12 * hour)
    out[4], out[5] = math.sin(math.tau / 7 * weekday), math.cos(math.tau / 7 * weekday)
    if len(out) > WIDTH:
        out[6] = days - reference_us / DAY_US


@numba.njit(cache=True)
def clocks(us_n, missing_n, reference_us, out_nF):
    """Write the clock of every instant; NaN where it is missing."""
    for i in range(len(us_n)):
        if missing_n[i]:
            out_nF[i] = np.nan
        else:
            clock(us_n[i], reference_us, out_nF[i])
