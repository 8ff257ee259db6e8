"""How far a fit has come and what is left: a bar on a terminal, a plain line every few seconds elsewhere."""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

LINE_SECONDS = 5.0
ENDS = {"finished": "done", "patience": "done: the validation loss falls no more"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Where a fit stands after a step."""

    step: int
    steps: int
    loss: float
    """Training loss of the step, summed over the turns."""
    left_seconds: float
    """Estimate, from the pace of this process."""
    stopped: str = ""
    """Empty while steps are left, then `finished` or `patience`."""

    @property
    def text(self) -> str:
        share = 100 * self.step // self.steps
        left = ENDS.get(self.stopped, f"{duration(self.left_seconds)} left")
        return f"step {self.step:,} of {self.steps:,} ({share}%), loss {self.loss:.4g}, {left}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How many rows were read or scored."""

    step: int
    steps: int
    """Of how many; 0 where that is not known."""
    left_seconds: float

    @property
    def stopped(self) -> str:
        return "finished" if self.step == self.steps else ""

    @property
    def text(self) -> str:
        if not self.steps:
            return f"{self.step:,} rows"
        left = ENDS.get(self.stopped, f"{duration(self.left_seconds)} left")
        return f"{self.step:,} of {self.steps:,} rows ({100 * self.step // self.steps}%), {left}"


Progress = Callable[[Advance | Counted], None]


def silent(advance: Advance | Counted) -> None:
    """Show nothing."""


def counted(progress: Progress) -> Callable[[int, int], None]:
    """Return what is told how many rows are done, and of how many, and shows it; a new count may follow."""
    started, before = time.monotonic(), 0

    def watch(done: int, total: int) -> None:
        nonlocal started, before
        if done < before:
            started = time.monotonic()
        before, spent = done, time.monotonic() - started
        progress(Counted(step=done, steps=total, left_seconds=spent / max(done, 1) * max(total - done, 0)))

    return watch


def duration(seconds: float) -> str:
    """Write a duration with the two units that matter.

    >>> duration(4.2), duration(75), duration(4000)
    ('4s', '1m 15s', '1h 06m')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m {rest:02d}s" if minutes < 60 else f"{minutes // 60}h {minutes % 60:02d}m"


@contextmanager
def shown(title: str, stream: TextIO | None = None) -> Generator[Progress, None, None]:
    """Yield a `Progress` that writes to `stream` (standard error): rich on a terminal, else plain lines."""
    stream = stream or sys.stderr
    console = Console(file=stream)
    if not console.is_terminal:
        yield _lines(title, stream)
        return
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}")
    with Bar(*columns, console=console) as bar:
        task = bar.add_task(title, text="", visible=False)  # what is done at once shows no bar
        yield lambda advance: bar.update(
            task, completed=advance.step, total=advance.steps or None, text=advance.text, visible=True
        )


def _lines(title: str, stream: TextIO) -> Progress:
    last_at = time.monotonic()

    def show(advance: Advance | Counted) -> None:
        nonlocal last_at
        if time.monotonic() - last_at >= LINE_SECONDS or advance.stopped:
            last_at = time.monotonic()
            stream.write(f"{title}: {advance.text}\n")
            stream.flush()

    return show
