r"""Patterns of an owner, searched in a time that grows with the text alone: no pattern can hang a desk.

A pattern is matched by walking all of its states at once (Thompson, CACM 11, 1968), never by backtracking.
It may hold: letters and signs as they are, `\` before a sign, `.` for any one, `[A-Z0-9]` and `[^...]`, `\d`
digit, `\w` letter, digit or `_`, `\s` space, `( )`, `|`, and after these `?`, `*`, `+`, `{3}`, `{2,4}`. Case
does not count. A match never begins or ends inside a word or a number.

>>> search(compiled(r"\d{3}-\d{2}-\d{4}"), "it was 123-45-6789, not 9123-45-6789")
[(7, 18)]
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

Test = Callable[[str], bool]
MOST_STATES = 400
MOST_FOUND = 20
"""Matches of one pattern that are told."""
_CLASSES: dict[str, Test] = {
    "d": str.isdecimal,
    "w": lambda mark: mark.isalnum() or mark == "_",
    "s": str.isspace,
}
_COUNT = re.compile(r"\{(\d{1,3})(?:,(\d{1,3}))?\}")


@dataclass(slots=True)
class Program:
    """States: one that reads has a test and goes to the next; one that does not goes to all of `to`."""

    tests: list[Test | None]
    to: list[tuple[int, ...]]


@cache
def compiled(pattern: str) -> Program:
    """Return the states of a pattern; the last one is the end.

    Raises:
        ValueError: when it is no pattern, may match nothing at all, or has too many states.
    """
    reader = _Reader(pattern)
    program = Program([], [])
    reader.alternatives()(program)
    if reader.pos < len(pattern):
        raise ValueError(f"'{pattern[reader.pos]}' at {reader.pos + 1} closes nothing")
    _state(program, None)
    if len(program.tests) - 1 in _reached(program, {0: 0}):
        raise ValueError("it matches the empty text")
    return program


def search(program: Program, text: str) -> list[tuple[int, int]]:
    """Return where the pattern stands: the first matches, leftmost and longest, at most `MOST_FOUND`."""
    found: list[tuple[int, int]] = []
    pos = 0
    while len(found) < MOST_FOUND and (match := _first(program, text, pos)) is not None:
        found.append(match)
        pos = match[1]
    return found


def _first(program: Program, text: str, pos: int) -> tuple[int, int] | None:
    end = len(program.tests) - 1
    states: dict[int, int] = {}
    best: tuple[int, int] | None = None
    for place in range(pos, len(text) + 1):
        if best is None and _border(text, place):
            states.setdefault(0, place)
        states = _reached(program, states)
        if end in states and _border(text, place) and (best is None or states[end] <= best[0]):
            best = (states[end], place)
        if place == len(text) or (best is not None and not states):
            break
        states = _stepped(program, states, text[place], best)
    return best


def _stepped(
    program: Program, states: dict[int, int], mark: str, best: tuple[int, int] | None
) -> dict[int, int]:
    """Return the states after one more character, with where the earliest way to each began."""
    after: dict[int, int] = {}
    for state, start in states.items():
        test = program.tests[state]
        if test is not None and test(mark) and (best is None or start <= best[0]):
            after[state + 1] = min(start, after.get(state + 1, start))
    return after


def _reached(program: Program, states: dict[int, int]) -> dict[int, int]:
    """Return all states that are reached without reading, the earliest beginning first."""
    reached: dict[int, int] = {}
    for state, start in sorted(states.items(), key=lambda item: item[1]):
        waiting = [state]
        while waiting:
            state = waiting.pop()
            if state not in reached:
                reached[state] = start
                waiting += program.to[state]
    return reached


def _border(text: str, place: int) -> bool:
    """Tell whether no word or number goes on across a place."""
    return not (0 < place < len(text) and text[place - 1].isalnum() and text[place].isalnum())


Part = Callable[[Program], None]
"""What adds its states to a program; they end where the next part begins."""


def _state(program: Program, test: Test | None, *to: int) -> int:
    if len(program.tests) > MOST_STATES:
        raise ValueError(f"it has more than {MOST_STATES} states")
    program.tests.append(test)
    program.to.append(to)
    return len(program.tests) - 1


class _Reader:
    """Recursive descent over a pattern."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.pos = pattern, 0

    def peek(self) -> str:
        return self.pattern[self.pos : self.pos + 1]

    def take(self) -> str:
        if self.pos >= len(self.pattern):
            raise ValueError("it ends too early")
        self.pos += 1
        return self.pattern[self.pos - 1]

    def alternatives(self) -> Part:
        ways = [self.sequence()]
        while self.peek() == "|":
            self.take()
            ways.append(self.sequence())
        return ways[0] if len(ways) == 1 else _either(ways)

    def sequence(self) -> Part:
        parts: list[Part] = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.repeated(self.single()))
        return _all(parts)

    def repeated(self, part: Part) -> Part:
        while (mark := self.peek()) in ("?", "*", "+", "{"):
            if mark == "{":
                count = _COUNT.match(self.pattern, self.pos)
                if count is None:
                    raise ValueError(f"'{{' at {self.pos + 1} begins no count such as {{3}} or {{2,4}}")
                self.pos = count.end()
                least, most = int(count[1]), int(count[2] or count[1])
                if most < max(least, 1):
                    raise ValueError(f"'{count[0]}' counts nothing")
                part = _all([part] * least + [_maybe(part)] * (most - least))
                continue
            self.take()
            part = {"?": _maybe, "*": _many, "+": lambda one: _all([one, _many(one)])}[mark](part)
        return part

    def single(self) -> Part:
        mark = self.take()
        if mark == "(":
            inner = self.alternatives()
            if self.take() != ")":
                raise ValueError("a bracket is not closed")
            return inner
        if mark in "?*+{":
            raise ValueError(f"'{mark}' at {self.pos} repeats nothing")
        if mark == ".":
            return _one(lambda seen: seen != "\n")
        return _one(self.one_of() if mark == "[" else self.plain(mark))

    def plain(self, mark: str) -> Test:
        if mark != "\\":
            return _in_any_case(mark.__eq__)
        mark = self.take()
        if mark.isalnum() and mark not in _CLASSES:
            raise ValueError(f"'\\{mark}' at {self.pos - 1} is not known")
        return _CLASSES.get(mark, mark.__eq__)

    def one_of(self) -> Test:
        other = self.peek() == "^"
        self.pos += other
        tests: list[Test] = []
        while (mark := self.take()) != "]":
            if mark != "\\" and self.peek() == "-" and self.pattern[self.pos + 1 : self.pos + 2] != "]":
                self.take()
                tests.append(_between(mark, self.take()))
            else:
                tests.append(self.plain(mark))
        return lambda seen: any(test(seen) for test in tests) != other


def _between(low: str, high: str) -> Test:
    return _in_any_case(lambda seen: low <= seen <= high)


def _in_any_case(test: Test) -> Test:
    return lambda seen: test(seen) or test(seen.upper()) or test(seen.lower())


def _one(test: Test) -> Part:
    def add(program: Program) -> None:
        _state(program, test)

    return add


def _all(parts: list[Part]) -> Part:
    def add(program: Program) -> None:
        for part in parts:
            part(program)

    return add


def _either(ways: list[Part]) -> Part:
    def add(program: Program) -> None:
        ends = []
        for way in ways:
            fork = _state(program, None)
            way(program)
            ends.append(_state(program, None))
            following = () if way is ways[-1] else (len(program.tests),)
            program.to[fork] = (fork + 1, *following)
        for end in ends:
            program.to[end] = (len(program.tests),)

    return add


def _maybe(part: Part) -> Part:
    def add(program: Program) -> None:
        fork = _state(program, None)
        part(program)
        program.to[fork] = (fork + 1, len(program.tests))

    return add


def _many(part: Part) -> Part:
    def add(program: Program) -> None:
        fork = _state(program, None)
        part(program)
        _state(program, None, fork)
        program.to[fork] = (fork + 1, len(program.tests))

    return add
