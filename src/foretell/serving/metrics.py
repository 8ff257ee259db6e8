"""Figures for monitoring, in the text format of Prometheus: requests, their times, the queue, the log.

Requests are counted by their row in the table of routes, never by address, so that no id and no name of a
case stands in a figure. The format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from threading import Lock
from typing import Any

import sqlalchemy as sa
from fastapi import Request, Response

from foretell.cases.store import Store
from foretell.cases.tables import cases, events, heads
from foretell.serving.security import TheHouse

KIND = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: upper ends of the histogram's bins."""
DECIDING = ("approved", "endorsed", "rejected", "escalated", "edited", "accepted", "judged")
OTHER = "other"
"""Stands for every address that no route has."""


class Meter:
    """What was answered since the process began, and how long it took. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock, self._reading = Lock(), Lock()
        self._answers: Counter[tuple[str, str, int]] = Counter()
        self._bins: dict[str, list[int]] = defaultdict(lambda: [0] * (len(BOUNDS) + 1))
        self._seconds: dict[str, float] = defaultdict(float)
        self._decisions: Counter[str] = Counter()
        self._seen = 0

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        with self._lock:
            self._answers[method, route, status] += 1
            self._bins[route][bisect_left(BOUNDS, seconds)] += 1
            self._seconds[route] += seconds

    def lines(self) -> Iterator[str]:
        """Yield what was counted."""
        with self._lock:
            answers, seconds = dict(self._answers), dict(self._seconds)
            bins = {route: [*counts] for route, counts in self._bins.items()}
        yield from heading("foretell_requests_total", "counter", "Requests that were answered.")
        for (method, route, status), count in sorted(answers.items()):
            yield sample("foretell_requests_total", count, method=method, route=route, status=str(status))
        name = "foretell_request_seconds"
        yield from heading(name, "histogram", "Time from a request to the end of its answer.")
        for route, counts in sorted(bins.items()):
            total = 0
            for bound, count in zip((*BOUNDS, None), counts, strict=True):
                total += count
                yield sample(
                    f"{name}_bucket", total, route=route, le="+Inf" if bound is None else f"{bound:g}"
                )
            yield sample(f"{name}_sum", round(seconds[route], 6), route=route)
            yield sample(f"{name}_count", total, route=route)

    def decisions(self, store: Store) -> Mapping[str, int]:
        """Return how many decisions of each kind the log holds; only what came since is counted again."""
        with self._reading, store.reading() as connection:
            end = connection.scalar(sa.select(heads.c.seq)) or 0
            query = (
                sa.select(events.c.kind, sa.func.count())
                .where(events.c.seq > self._seen, events.c.seq <= end, events.c.kind.in_(DECIDING))
                .group_by(events.c.kind)
            )
            for kind, count in connection.execute(query):
                self._decisions[kind] += count
            self._seen = end
            return {kind: self._decisions[kind] for kind in DECIDING}


class Metered:
    """ASGI middleware: every answer is counted, with its time."""

    def __init__(self, app: Any, meter: Meter) -> None:
        self._app, self._meter = app, meter

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def watched(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = scope.get("route")
            path = OTHER if route is None else route.path
            method = scope["method"] if route is not None else OTHER
            self._meter.note(method, path, status, time.perf_counter() - start)


def metrics(request: Request, house: TheHouse) -> Response:
    """Return the figures for monitoring."""
    meter: Meter = request.app.state.meter
    lines = [*meter.lines(), *of_store(house.store), *of_decisions(meter.decisions(house.store)), ""]
    return Response("\n".join(lines), media_type=KIND)


def of_store(store: Store) -> Iterator[str]:
    """Yield how many cases have each status, and how long the log is."""
    count = (
        sa.select(cases.c.status, sa.func.count().label("n"))
        .where(cases.c.status != "desk")
        .group_by(cases.c.status)
    )
    with store.reading() as connection:
        found = {row.status: row.n for row in connection.execute(count)}
        length = connection.scalar(sa.select(heads.c.seq)) or 0
    yield from heading("foretell_cases", "gauge", "Cases by status; those that wait are open or escalated.")
    for status in ("open", "escalated", "approved", "rejected", "released", "erased"):
        yield sample("foretell_cases", found.get(status, 0), status=status)
    yield from heading("foretell_log_events", "gauge", "Events in the log.")
    yield sample("foretell_log_events", length)


def of_decisions(counts: Mapping[str, int]) -> Iterator[str]:
    """Yield how many decisions the log holds."""
    yield from heading("foretell_decisions_total", "counter", "Decisions in the log, by kind.")
    for kind, count in counts.items():
        yield sample("foretell_decisions_total", count, kind=kind)


def heading(name: str, kind: str, text: str) -> tuple[str, str]:
    """Return the two lines that stand before a figure's samples."""
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def sample(name: str, value: float, **labels: str) -> str:
    r"""Return one line of a figure.

    >>> sample("cases", 3, status='a"b')
    'cases{status="a\\"b"} 3'
    """
    told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{told}}} {value}" if told else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
