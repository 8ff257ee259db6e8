"""Requests that work hold up none that look, and no more threads run than a lane has."""

import asyncio
import threading

import pytest

from foretell.serving.lanes import LOOK, THREADS, WORK, within


@pytest.mark.parametrize(("busy", "free"), [(WORK, LOOK), (LOOK, WORK)])
def test_a_lane_that_is_full_holds_up_nobody_on_the_other(busy, free):
    gate = threading.Event()

    async def both() -> str:
        waiting = [asyncio.create_task(within(busy, gate.wait, 20)) for _ in range(THREADS[busy] + 3)]
        try:
            return await asyncio.wait_for(within(free, lambda: "answered"), 10)
        finally:
            gate.set()
            await asyncio.gather(*waiting)

    assert asyncio.run(both()) == "answered"


@pytest.mark.parametrize("lane", [LOOK, WORK])
def test_no_more_threads_run_than_a_lane_has(lane):
    running, most, lock, pause = 0, 0, threading.Lock(), threading.Event()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        pause.wait(0.02)
        with lock:
            running -= 1

    async def all_of_it() -> None:
        await asyncio.gather(*(within(lane, work) for _ in range(5 * THREADS[lane])))

    asyncio.run(all_of_it())
    assert most == THREADS[lane]
