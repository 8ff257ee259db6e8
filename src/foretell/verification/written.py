"""A number as it stands in a text, and of which values it is true."""

from dataclasses import dataclass

from foretell.verification.languages import HEDGES, MOST_ROUNDING

ONE = 1e-12
"""The share by which two numbers may differ and be one: 0.14 as a percentage is 14.000000000000002."""


@dataclass(slots=True)
class Written:
    """A number as it stands in a text."""

    text: str
    end: int
    value: float
    decimals: int
    """Digits behind the decimal point; negative where the last ones are not written, as in 12.8k."""
    sign: str = ""
    hedge: str = ""
    """A row of `HEDGES`, or "" for the plain number."""
    scale: int = 0
    """The power of ten of the word behind it: 3 for a thousand."""

    def fault(self, truth: float, decimals: int = 0, *, scales: bool = True) -> str:
        """Return "" when the written number stands for the truth, else what it should be.

        Args:
            decimals: the decimals that it needs; with as many, rounding may cost any share of the value.
            scales: whether a word like "thousand" may follow it.
        """
        if self.hedge:
            right = truth > 0 and self.value > 0 and self._within(truth)
        else:
            right = round(truth, self.decimals) == self.value and (self.sign == "" or truth < 0)
            right = right and (self.value != 0 or truth == 0)
            if decimals and not self.scale:
                right = right and self.decimals >= decimals
            else:
                right = right and abs(truth - self.value) <= MOST_ROUNDING * abs(truth)
        if self.scale:
            right = right and scales and abs(self.value) >= 10.0 ** (self.scale - 1)
        return "" if right else f"expected {truth:.10g}, found {self.text}"

    def _within(self, truth: float) -> bool:
        least, most, itself = HEDGES[self.hedge]
        if self.hedge == "about":
            half = 0.5 * 10.0 ** min(-self.decimals, 300)
            share = max(most - 1, min(half / self.value, MOST_ROUNDING))
            least, most = 1 - share, 1 + share
        if abs(truth - self.value) <= ONE * truth:
            return itself
        return least * self.value <= truth * (1 + ONE) and truth <= most * self.value * (1 + ONE)
