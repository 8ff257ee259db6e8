"""The state while one text is read against one world, and what a reading of a sentence is."""

from foretell.verification import readers
from foretell.verification.conditions import Bound, Expression, World, solutions

MOST_STEPS = 40_000
"""Choices tried per sentence and bound, so that no text can hold the verifier for long."""

Trail = tuple | None
"""What a reading met, last first: (before, kind, ...)."""
Waiting = tuple[tuple[Expression, tuple[str, ...]], ...]
Whole = tuple[int, Bound, Trail, int, list[Expression]]
"""A reading: where it ends, the facts it bound, what it met, its faults before the conditions that turned out
not to hold at its end, and those."""
Found = Whole | None


class Reading:
    """The state while one text is read against one world."""

    def __init__(self, language: str, world: World, text: str) -> None:
        self.world, self.text = world, text
        self.readers = readers.readers(language)
        self.most = 0
        """Faults that a reading may have."""
        self.steps = 0
        self.broken: dict[int, int] = {}

    def spent(self) -> bool:
        """Count one choice, and say whether it was one too many."""
        self.steps += 1
        return self.steps > MOST_STEPS

    def unlicensed(self, settled: tuple[Expression, ...]) -> int:
        """Return how many of an alternative's conditions on unique facts do not hold."""
        broken = self.broken.get(id(settled))
        if broken is None:
            world = self.world
            broken = len([part for part in settled if not part.evaluate(world.one, world)])
            self.broken[id(settled)] = broken
        return broken

    def settle(self, waiting: Waiting, bound: Bound, trail: Trail, cost: int) -> tuple[Trail, int, Waiting]:
        """Judge what can be judged; return the trail, the cost and the conditions that still wait."""
        left = []
        for part in waiting:
            condition, names = part
            for name in names:
                if name not in bound:
                    left.append(part)
                    break
            else:
                if not condition.evaluate(bound, self.world):
                    trail, cost = (trail, "broken", condition), cost + 1
                    if cost > self.most:
                        break
        return trail, cost, tuple(left)

    def end(self, pos: int, bound: Bound, trail: Trail, cost: int, waiting: Waiting) -> Found:
        """Judge the conditions that still wait: what they name was never written.

        They hold when some facts make them hold.
        """
        if pos < len(self.text) and self.text[pos] != " ":
            return None
        if not waiting:
            return pos, bound, trail, cost, []
        free = tuple(name for _, names in waiting for name in names)
        best: list[Expression] | None = None
        for facts in solutions(free, bound, self.world):
            broken = [part for part, _ in waiting if not part.evaluate(facts, self.world)]
            if best is None or len(broken) < len(best):
                best, bound = broken, facts
            if not broken:
                break
        if best is None or cost + len(best) > self.most:
            return None
        return pos, bound, trail, cost, best
