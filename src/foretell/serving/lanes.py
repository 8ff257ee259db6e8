"""On which threads requests are answered: few that look, few that work; neither waits for the other.

A thread that computes holds the interpreter, and each further one that wants it slows all of them: with forty
threads two cores answered half as many pages as with two.
"""

from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync

P = ParamSpec("P")
T = TypeVar("T")

LOOK, WORK = "look", "work"
THREADS: Mapping[str, int] = {LOOK: 2, WORK: 4}
"""Lane -> its threads. Who looks reads a little, at once; who works may compute or wait for long."""
_limits: RunVar[dict[str, CapacityLimiter]] = RunVar("foretell_lanes")


async def within(lane: str, call: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Return what a call returns, made on a thread of a lane."""
    try:
        limits = _limits.get()
    except LookupError:
        limits = {each: CapacityLimiter(threads) for each, threads in THREADS.items()}
        _limits.set(limits)
    return await run_sync(partial(call, *given, **named), limiter=limits[lane])


def answering(lane: str, endpoint: Callable[..., T]) -> Callable[..., Any]:
    """Return an endpoint that runs on a lane."""

    @wraps(endpoint)
    async def answer(**named: Any) -> T:
        return await within(lane, endpoint, **named)

    return answer
