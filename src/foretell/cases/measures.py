"""What is said of shares and of agreement: how many were counted, and how sure that is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

FEWEST = 10
"""Cases below which a share or an agreement says nothing."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share as it was counted: `num` of `of`."""

    num: int
    of: int

    @property
    def told(self) -> bool:
        """Whether enough was counted to say it."""
        return self.of >= FEWEST

    @property
    def value(self) -> float:
        return self.num / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of its 95 % interval."""
        return wilson(self.value, self.of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far people agree beyond chance about cases that several of them judged."""

    num_cases: int
    share: float
    """Of two people who judged the same case, how often they said the same."""
    ac1: float
    """1: always; 0: as often as chance would have it."""
    low: float
    """Ends of the 95 % interval of `ac1`."""
    high: float

    @property
    def told(self) -> bool:
        """Whether enough cases were counted to say it."""
        return self.num_cases >= FEWEST


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of n.

    Source: Wilson, JASA 22 (1927).

    >>> [round(end, 3) for end in wilson(0.9, 10)]
    [0.596, 0.982]
    """
    z = 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def agreement(judged: Iterable[Sequence[bool]]) -> Agreement | None:
    """Return how far people agree, as Gwet's AC1; None where no case was judged by two.

    Unlike Cohen's kappa it does not fall to nothing where nearly all cases are alike. The interval is that of
    the share that agrees, with chance's part of it as it was found: unlike the usual normal one it holds what
    it promises at ten cases, too.

    Args:
        judged: per case, what each of its judges said.

    Source: Gwet, British Journal of Mathematical and Statistical Psychology 61 (2008), for any number of
        judges.

    >>> found = agreement([(True, True)] * 9 + [(True, False)])
    >>> found.num_cases, found.share, round(found.ac1, 2)
    (10, 0.9, 0.89)
    """
    shares = [(sum(said), len(said)) for said in judged if len(said) > 1]
    if not shares:
        return None
    n = len(shares)
    alike = sum((yes * (yes - 1) + (of - yes) * (of - yes - 1)) / (of * (of - 1)) for yes, of in shares) / n
    positive = sum(yes / of for yes, of in shares) / n
    chance = 2 * positive * (1 - positive)
    low, ac1, high = ((each - chance) / (1 - chance) for each in _around(alike, n))
    return Agreement(num_cases=n, share=alike, ac1=ac1, low=low, high=high)


def _around(share: float, n: int) -> tuple[float, float, float]:
    low, high = wilson(share, n)
    return low, share, high
