"""Readers of written values: number, percentage, amount, duration, instant, name, quotation, noun phrase.

Each says where the written value ends and whether it agrees with a fact's value. They know nothing of
`foretell.units`, which writes: neither may hide the other's fault.
"""

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from foretell.verification.languages import (
    CURRENCIES,
    FACTORS,
    HEDGES,
    LANGUAGES,
    QUOTATION_MARKS,
    Language,
)
from foretell.verification.written import Written

MISMATCH = tuple[int, str]
"""(where the written value ends or -1 when there is none, the fault or "")."""
NOTHING: MISMATCH = (-1, "")

_BARE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,63}(?![A-Za-z0-9_\-])")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ISO = "(?P<y>[0-9]{4})-(?P<n>[0-9]{2})-(?P<d>[0-9]{2})"
_CURRENCY = re.compile("[A-Z]{3}")
_PHRASE = re.compile(r"\w(?:[\w '’/%&()+-]|[.,:](?=\w)){0,199}")
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Me"))
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
    "\u0334-\u0338\u20d0-\u20f0]"
)
"""What shows nothing although it is no control and no format, and strokes through other letters."""

NEAR_NONE = 0.005
"""Percentages this near to 0 or to 100 % need a second decimal."""
HARDLY_ANY = 0.0001
"""Any share below it is "less than 0.01%"."""
MOST_EXPONENTIAL = 1e-4
"""What is below it may stand as 1.20e-05."""


def _any(words: Iterable[str]) -> str:
    """Return a pattern of any of the words, the longest first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


class Readers:
    """The readers of one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        decimal, thousands = re.escape(language.decimal), re.escape(language.thousands)
        self._number = re.compile(
            rf"(-?)((?:[1-9][0-9]{{0,2}}(?:{thousands}[0-9]{{3}})+|0|[1-9][0-9]*)"
            rf"(?:{decimal}([0-9]+))?(?:e(-[0-9]{{2,3}}))?)(?:({_any(language.scales)})(?!\w))?"
        )
        self._word = re.compile(rf"({_any(language.numbers)})(?!\w)")
        self._hedge = re.compile(rf"({_any(language.hedges)}) ")
        less, more = (
            next(word for word, row in language.hedges.items() if row == hedge)
            for hedge in ("less than", "more than")
        )
        self._extreme = re.compile(rf"(?:{less} 0{decimal}01|{more} 99{decimal}99){language.percent}")
        self._ratio = re.compile(rf"({_any(language.ratios)})(?!\w)")
        self._share = re.compile(rf"({_any(language.shares)})(?!\w)")
        self._ordinal = re.compile(rf"({_any(language.ordinals)})(?!\w)")
        months = f"(?P<m>{_any(language.months)})"
        self._dates = [re.compile(pattern.replace("M", months)) for pattern in language.dates]
        self._dates.append(re.compile(_ISO))
        self._clock = re.compile(language.clock)
        self._units: dict[str, tuple[re.Pattern[str], dict[str, str]]] = {}
        for unit, units in FACTORS.items():
            words = {f" {word}": name for name in units for word in language.durations.get(name, (name,))}
            self._units[unit] = re.compile(rf"({_any(words)})(?![\w/])"), words
        self._open, self._close = language.quotes
        self.shown = lru_cache(8192)(self._shown)
        self._marks = str.maketrans(dict.fromkeys(QUOTATION_MARKS, '"'))

    def numeral(self, text: str, pos: int, prefix: str = "", words: bool = False) -> Written | None:
        """Read [hedge] [prefix] number [scale], or with `words` a number in words."""
        start, hedge = pos, ""
        if text[pos : pos + 1].isalpha() and (hedged := self._hedge.match(text, pos)):
            hedge, pos = self.language.hedges[hedged[1]], hedged.end()
        if prefix:
            if not text.startswith(prefix, pos):
                return None
            pos += len(prefix)
        match = self._number.match(text, pos)
        if match is None:
            word = self._word.match(text, pos) if words else None
            if word is None:
                return None
            number = float(self.language.numbers[word[1]])
            return Written(text[start : word.end()], word.end(), number, 0, "", hedge)
        sign, digits, fraction, exponent, scale = match.groups()
        end, decimals, power = match.end(), len(fraction) if fraction else 0, 0
        plain = digits.replace(self.language.thousands, "").replace(self.language.decimal, ".")
        if exponent:
            if not (0 < float(plain) <= MOST_EXPONENTIAL and digits[1] in (self.language.decimal, "e")):
                return None
            end, decimals = match.end(2), decimals - int(exponent)
        elif scale:
            power = self.language.scales[scale]
            plain, decimals = f"{plain}e{power}", decimals - power
        elif hedge == "about" and decimals == 0:
            decimals = -(len(plain) - len(plain.rstrip("0"))) if plain.strip("0") else 0
        return Written(text[start:end], end, float(sign + plain), decimals, sign, hedge, power)

    def hedged(self, text: str, pos: int) -> bool:
        """Say whether a hedge stands here, but for those of what is hardly any or nearly all."""
        return bool(self._hedge.match(text, pos)) and not self._extreme.match(text, pos)

    def number(
        self,
        text: str,
        pos: int,
        truth: float,
        decimals: int = 0,
        *,
        words: bool = False,
        scales: bool = True,
    ) -> MISMATCH:
        """Read a number and compare it with `truth` at its written precision, of at least `decimals`."""
        found = self.numeral(text, pos, "", words)
        return (found.end, found.fault(truth, decimals, scales=scales)) if found else NOTHING

    def measure(self, text: str, pos: int, truth: float, unit: str) -> MISMATCH:
        """Read a number with its unit."""
        if unit in CURRENCIES:
            return self.amount(text, pos, truth, unit)
        if unit in FACTORS:
            return self.physical(text, pos, truth, unit)
        match unit:
            case "probability" | "share":
                return self.percentage(text, pos, truth, words=unit == "share")
            case "points":
                return _after(
                    text, self.number(text, pos, 100 * truth, 1, scales=False), self.language.points
                )
            case "change":
                return _after(text, self.number(text, pos, 100 * truth, scales=False), self.language.percent)
            case "log-odds":
                return self.signed(text, pos, truth)
            case "count":
                return self.number(text, pos, truth, words=True)
            case "ratio" | "roughly":
                return self.ratio(text, pos, truth)
            case "ordinal":
                return self.ordinal(text, pos, truth)
            case "" | "number":
                return self.number(text, pos, truth)
        return _after(text, self.number(text, pos, truth), " " + unit)

    def signed(self, text: str, pos: int, truth: float) -> MISMATCH:
        """Read log-odds: a number with its sign, of two decimals."""
        sign = text[pos : pos + 1]
        if sign == "+" and text[pos + 1 : pos + 2].isdigit():
            end, fault = self.number(text, pos + 1, truth, 2, scales=False)
            return end, fault and fault.replace("found ", "found +")
        return self.number(text, pos, truth, 2, scales=False) if sign == "-" else NOTHING

    def percentage(self, text: str, pos: int, truth: float, *, words: bool) -> MISMATCH:
        """Read a percentage; a share may be half or a third."""
        found = self.numeral(text, pos)
        if found is None:
            return self.fraction(text, pos, truth, self._share, self.language.shares, 2) if words else NOTHING
        near_an_end = 0 < truth < NEAR_NONE or 1 - NEAR_NONE < truth < 1
        fault = found.fault(100 * truth, 2 if near_an_end else 1, scales=False)
        if found.hedge and not 0 < found.value < 100:
            fault = f"expected no hedge before it, found {found.text}"
        elif found.value == 100 and truth != 1:
            fault = f"expected {100 * truth:.10g}, found {found.text}"
        elif found.hedge and 100 - 100 * truth > HEDGES["more than"][1] * (100 - found.value):
            fault = f"expected {100 * truth:.10g}, which is less sure than {found.text}"
        elif found.hedge == "less than" and found.value == 100 * HARDLY_ANY:
            fault = fault if not 0 < truth < HARDLY_ANY else ""
        return _after(text, (found.end, fault), self.language.percent)

    def fraction(
        self, text: str, pos: int, truth: float, pattern: re.Pattern[str], words: Any, decimals: int
    ) -> MISMATCH:
        """Read [hedge] one of `words`: alone to so many decimals, hedged for the number that it names."""
        start, hedge = pos, ""
        if hedged := self._hedge.match(text, pos):
            hedge, pos = self.language.hedges[hedged[1]], hedged.end()
        word = pattern.match(text, pos)
        if word is None:
            return NOTHING
        number = words[word[1]] if hedge else round(words[word[1]], decimals)
        precision = 0 if hedge and number >= 1 else decimals
        written = Written(text[start : word.end()], word.end(), number, precision, "", hedge)
        return word.end(), written.fault(truth, decimals)

    def ratio(self, text: str, pos: int, truth: float) -> MISMATCH:
        """Read how many times: 5.1 times, three times, twice."""
        found = self.numeral(text, pos, "", True)
        if found is None or not text.startswith(self.language.times, found.end):
            return self.fraction(text, pos, truth, self._ratio, self.language.ratios, 1)
        if found.text[-1].isalpha() and not found.scale and not found.hedge:
            found = Written(found.text, found.end, found.value, 1)  # "three times" is 3.0, not 3.4
        return _after(text, (found.end, found.fault(truth, 1, scales=False)), self.language.times)

    def ordinal(self, text: str, pos: int, truth: float) -> MISMATCH:
        word = self._ordinal.match(text, pos)
        if word is None:
            return NOTHING
        right = self.language.ordinals.index(word[1]) + 1 == truth
        return word.end(), "" if right else f"expected place {truth:.10g}, found {word[1]}"

    def amount(self, text: str, pos: int, truth: float, unit: str) -> MISMATCH:
        """Read an amount: its currency stands before the number or behind it, as the language has it."""
        if not self.language.currency_first:
            found = self.numeral(text, pos)
            behind = _CURRENCY.match(text, found.end + 1) if found else None
            if found is None or behind is None or text[found.end] != " ":
                return NOTHING
            end, currency = behind.end(), behind[0]
        else:
            before = _CURRENCY.match(text, pos)
            if before is None and (hedged := self._hedge.match(text, pos)):
                before = _CURRENCY.match(text, hedged.end())
            found = self.numeral(text, pos, before[0] + " ") if before else None
            if found is None or before is None:
                return NOTHING
            end, currency = found.end, before[0]
        if currency != unit:
            return end, f"expected {unit}, found {currency}"
        return end, found.fault(truth, 2)

    def physical(self, text: str, pos: int, truth: float, unit: str) -> MISMATCH:
        """Read a measure or a duration, which may stand in another unit of the same dimension."""
        pattern, words = self._units[unit]
        found = self.numeral(text, pos, "", True)
        written = pattern.match(text, found.end) if found else None
        if found is None or written is None:
            return NOTHING
        other, size = words[written[1]], FACTORS[unit]
        if size[other] != size[unit]:
            truth = truth * size[unit] / size[other]
        fault = found.fault(truth)
        forms = self.language.durations.get(other)
        if forms and (written[1][1:] == forms[0]) != (found.value == 1 and found.decimals <= 0):
            fault = fault or f"expected {truth:.10g} {forms[1]}, found {found.text}{written[1]}"
        return written.end(), fault

    def instant(self, text: str, pos: int, value: str, *, clock: bool) -> MISMATCH:
        """Read a date, with the time of day in UTC when `clock`, and compare it with an ISO instant.

        A value that is a date alone has no time of day, and none is read.
        """
        clock = clock and not _DATE.fullmatch(value)
        date = next((found for pattern in self._dates if (found := pattern.match(text, pos))), None)
        time = self._clock.match(text, date.end()) if date and clock else None
        if date is None or (clock and time is None):
            return NOTHING
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            return NOTHING
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
        parts = date.groupdict()
        month = self.language.months.index(parts["m"]) + 1 if parts.get("m") else int(parts["n"])
        found = [int(parts["d"]), month, int(parts["y"])]
        truth = [at.day, at.month, at.year]
        if time is not None:
            found += [int(time[1]), int(time[2])]
            truth += [at.hour, at.minute]
        end = (time or date).end()
        return end, "" if found == truth else f"expected {at.isoformat()}, found {text[pos:end]}"

    def quotation(self, text: str, pos: int, value: str) -> MISMATCH:
        """Read “...” whole: whatever stands inside is the value, and nothing but the value."""
        close = text.find(self._close, pos) if text.startswith(self._open, pos) else -1
        if close < 0:
            return NOTHING
        inside, wanted = text[pos + 1 : close], self.shown(value)
        if inside == wanted:
            return close + 1, ""
        return (
            close + 1,
            f"expected {self._open}{wanted}{self._close}, found {self._open}{inside}{self._close}",
        )

    def _shown(self, value: str) -> str:
        """Return a foreign text as it must stand between quotes: every character visible."""
        if value.isascii() and value.isprintable():
            return value
        return "".join(
            f"⟨U+{ord(mark):04X}⟩"
            if unicodedata.category(mark) in _HIDDEN or _IGNORABLE.match(mark)
            else mark
            for mark in value.translate(self._marks)
        )

    def name(self, text: str, pos: int, value: str) -> MISMATCH:
        """Read an identifier: one bare word, or a quotation."""
        bare = _BARE.match(text, pos)
        if bare is None:
            return self.quotation(text, pos, value)
        return bare.end(), "" if bare[0] == value else f"expected {self.shown(value)}, found {bare[0]}"

    def phrase(self, text: str, pos: int, value: str, *, capital: bool) -> MISMATCH:
        """Read one given noun phrase; another phrase is no reading at all, since its end is unknown."""
        if not is_harmless(value):
            return self.label(text, pos, value)
        wanted = value[0].upper() + value[1:] if capital else value
        return (pos + len(wanted), "") if text.startswith(wanted, pos) else NOTHING

    def label(self, text: str, pos: int, value: str) -> MISMATCH:
        """Read one given noun phrase in quotes; another one is no reading at all."""
        quoted = f"{self._open}{self.shown(value)}{self._close}"
        return (pos + len(quoted), "") if text.startswith(quoted, pos) else NOTHING

    def value(self, text: str, pos: int, truth: Any, unit: str) -> MISMATCH:
        """Read a written value of a fact in its unit."""
        if truth is None:
            return NOTHING
        if unit in ("instant", "day"):
            return self.instant(text, pos, str(truth), clock=unit == "instant")
        if unit == "text":
            return self.quotation(text, pos, str(truth))
        if unit == "name" or isinstance(truth, str):
            return self.name(text, pos, str(truth))
        return self.measure(text, pos, truth, unit)


@cache
def readers(language: str) -> Readers:
    return Readers(LANGUAGES[language])


def _after(text: str, read: MISMATCH, suffix: str) -> MISMATCH:
    end, fault = read
    return (end + len(suffix), fault) if end >= 0 and text.startswith(suffix, end) else NOTHING


@lru_cache(4096)
def is_harmless(phrase: str) -> bool:
    """Say whether a noun phrase stands bare: nothing but visible words and figures of one sentence."""
    return bool(_PHRASE.fullmatch(phrase)) and phrase[-1] != " " and not _IGNORABLE.search(phrase)


@lru_cache(4096)
def plural(noun: str) -> str:
    """Return the regular English plural."""
    if noun[-1:] == "y" and noun[-2:-1] not in ("a", "e", "i", "o", "u"):
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "z", "ch", "sh")) else "s")
