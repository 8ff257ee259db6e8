"""Grammars that texts are drawn under, letter by letter: what they allow parses, and can always still end.

A state is a set of stacks of symbols that may yet come, the next one last. What follows a state is exact, so
that nothing is ever drawn and thrown away (Koo et al., Automata-based constraints for language models, 2024,
have the same idea for tokens).
"""

import re
from collections.abc import Callable
from functools import cache
from math import inf
from typing import NamedTuple

from foretell.errors import SpecError
from foretell.generation.languages import LANGUAGES

Stack = tuple[str, ...]
State = frozenset[Stack]
DEEPEST = 80
"""Symbols that may be open at once: parsers give up on deeply nested texts."""
NAME = "name:"
"""Begins the symbol of a name, followed by its letters so far."""
PIECES = re.compile(r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)+\]|<>|[\w]+|[()|?*]')


Way = tuple[float, frozenset[str], frozenset[str]]
"""The fewest letters of a stack, those that may come first, and those that may where no more are left."""


class Next(NamedTuple):
    """What may follow a state."""

    letters: frozenset[str]
    ends: bool


class Grammar:
    """A language, over the letters that there are."""

    def __init__(self, name: str, letters: frozenset[str]) -> None:
        if name not in LANGUAGES:
            raise SpecError(f"no grammar is called '{name}'", f"one of: {', '.join(LANGUAGES)}, selfies")
        language = LANGUAGES[name]
        self.name, self.letters, self.reserved = name, letters, language.reserved
        self.folds = language.folds
        self.rules: dict[str, list[Stack]] = {}
        for rule, text in language.rules.items():
            self.rules[rule] = _Reader(PIECES.findall(text), rule, self.rules).choice()
        self._class = cache(self._matched)
        self.least = self._least()
        self._close = cache(self._closed)
        self._ways = cache(self._found)
        self.advance: Callable[[State, str], State] = cache(self._advanced)
        self.start: State = self._close(("text",))

    def begun(self, prompt: str, length: int) -> State:
        """Return the state after a prompt, from which a text can end within `length` more letters.

        Raises:
            SpecError: when no text begins so, or all are longer.
        """
        state = self.start
        for at, letter in enumerate(prompt):
            state = self.advance(state, letter)
            if not state:
                raise SpecError(
                    f"no text of the grammar {self.name} begins with {prompt[: at + 1]!r}",
                    "change generate.prompt" + (f" after {prompt[:at]!r}" if at else ""),
                )
        least = min(map(self._needs, state), default=inf)
        if least > length:
            raise SpecError(
                f"a text of the grammar {self.name} does not end within {length} letters"
                if least < inf
                else f"the letters of the teaching texts make no text of the grammar {self.name}",
                f"raise generate.length to {least} or more" if least < inf else "give texts of that language",
            )
        return state

    def accepts(self, text: str) -> bool:
        """Say whether this is a text of the language."""
        state = self.start
        for letter in text:
            state = self.advance(state, letter)
        return () in state

    def _advanced(self, state: State, letter: str) -> State:
        found: set[Stack] = set()
        for stack in state:
            if stack and letter in self._letters_of(stack[-1]):
                rest = stack[:-1]
                if stack[-1].startswith(NAME):
                    name = stack[-1] + letter
                    found.add((*rest, name))
                    if self._is_name(name):
                        found |= self._close(rest)
                else:
                    found |= self._close(rest)
        return frozenset(found)

    def follows(self, state: State, left: int) -> Next:
        """Return the letters after which a text can end within `left`, and whether it may end here."""
        whole, ways = self._ways(state)
        if all(needs < left for needs, _, _ in ways):
            return whole
        found = [last if needs == left else letters for needs, letters, last in ways if needs <= left]
        return Next(frozenset().union(*found), whole.ends)

    def _found(self, state: State) -> tuple[Next, list[Way]]:
        ways = []
        for stack in state:
            if stack:
                letters = last = self._letters_of(stack[-1])
                if stack[-1].startswith(NAME):
                    last = frozenset(each for each in letters if self._is_name(stack[-1] + each))
                ways.append((self._needs(stack), letters, last))
        return Next(frozenset().union(*(letters for _, letters, _ in ways)), () in state), ways

    def _needs(self, stack: Stack) -> float:
        return sum(self._shortest(symbol) for symbol in stack)

    def _shortest(self, symbol: str) -> float:
        """Return the fewest letters of a symbol."""
        if symbol in self.rules:
            return self.least[symbol]
        return 1 if self._letters_of(symbol) else inf

    def _closed(self, stack: Stack) -> State:
        """Return the stacks that begin with a letter, or are empty, that a stack may become."""
        found, waiting = set(), [stack]
        while waiting:
            one = waiting.pop()
            if not one or one[-1] not in self.rules:
                found.add(one)
            else:
                ways = self.rules[one[-1]]
                waiting += [
                    one[:-1] + way for way in (ways if len(one) < DEEPEST else [min(ways, key=self._needs)])
                ]
        return frozenset(found)

    def _letters_of(self, symbol: str) -> frozenset[str]:
        if symbol.startswith(NAME):
            symbol = "[A-Za-z_]" if symbol == NAME else "[A-Za-z_0-9]"
        return self._class(symbol)

    def _matched(self, symbol: str) -> frozenset[str]:
        pattern = re.compile(symbol, re.IGNORECASE if self.folds else 0)
        return frozenset(letter for letter in self.letters if pattern.fullmatch(letter))

    def _is_name(self, symbol: str) -> bool:
        name = symbol.removeprefix(NAME)
        return (name.lower() if self.folds else name) not in self.reserved

    def _least(self) -> dict[str, float]:
        """Return the fewest letters of each rule; inf where the letters do not suffice."""
        self.least = dict.fromkeys(self.rules, inf)
        while True:
            found = {name: min(map(self._needs, ways)) for name, ways in self.rules.items()}
            if found == self.least:
                return found
            self.least = found


class _Reader:
    """Reads the right side of a rule: letters, [classes], names of rules, | ? * and parentheses."""

    def __init__(self, pieces: list[str], rule: str, rules: dict[str, list[Stack]]) -> None:
        self.pieces, self.rule, self.rules = pieces, rule, rules

    def choice(self) -> list[Stack]:
        found = [self._sequence()]
        while self.pieces and self.pieces[0] == "|":
            self.pieces.pop(0)
            found.append(self._sequence())
        return found

    def _sequence(self) -> Stack:
        found: Stack = ()
        while self.pieces and self.pieces[0] not in "|)":
            part = self._atom(self.pieces.pop(0))
            if self.pieces and self.pieces[0] in "?*":
                name = self._named([])
                again = (name,) if self.pieces.pop(0) == "*" else ()
                self.rules[name] = [(), again + part]
                part = (name,)
            found = part + found  # stacks are read from their end
        return found

    def _atom(self, piece: str) -> Stack:
        if piece == "(":
            ways = self.choice()
            self.pieces.pop(0)
            return (self._named(ways),)
        if piece.startswith('"'):
            letters = re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), piece[1:-1])
            return tuple(re.escape(letter) for letter in reversed(letters))
        return (NAME,) if piece == "<>" else (piece,)

    def _named(self, ways: list[Stack]) -> str:
        name = f"{self.rule}.{len(self.rules)}"
        self.rules[name] = ways
        return name
