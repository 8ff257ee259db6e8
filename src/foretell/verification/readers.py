"""Readers of written values: number, percentage, amount, instant, name, quotation, noun phrase.

Each says where the written value ends and whether it agrees with a fact's value. They know nothing of
`foretell.units`, which writes: neither may hide the other's fault.
"""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Any

MISMATCH = tuple[int, str]
"""(where the written value ends or -1 when there is none, the fault or "")."""
NOTHING: MISMATCH = (-1, "")

_NUMBER = re.compile(
    r"([+-]?)((?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|0|[1-9][0-9]*)(?:\.([0-9]+))?(?:e([+-][0-9]{2,3}))?)"
)
_BARE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,63}(?![A-Za-z0-9_\-])")
_MONTHS = [
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
]
_DAY = re.compile(rf"([1-9][0-9]?) ({'|'.join(_MONTHS)}) ([0-9]{{4}})")
_CLOCK = re.compile(r" at ([0-9]{2}):([0-9]{2}) UTC")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CURRENCY = re.compile(r"([A-Z]{3}) ")
_CURRENCIES = frozenset(
    ("EUR", "USD", "GBP", "CHF", "JPY", "SEK", "NOK", "DKK", "PLN", "CZK", "CAD", "AUD", "INR")
)
_PHRASE = re.compile(r"\w(?:[\w '’/%&()+:,-]|\.(?=\w)){0,199}")
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))

LEAST_DECIMALS = {"probability": 1, "share": 1, "ratio": 1, "log-odds": 2}
"""Decimals below which rounding could turn 99.6% into certainty; currencies need two."""


def number(text: str, pos: int, value: float, decimals: int = 0) -> MISMATCH:
    """Read a number and compare it with `value` at its written precision, of at least `decimals`."""
    match = _NUMBER.match(text, pos)
    if match is None:
        return NOTHING
    sign, digits, fraction, exponent = match.groups()
    written = len(fraction or "") - int(exponent or 0)
    found = float(sign + digits.replace(",", ""))
    right = round(value, written) == found and (sign != "-" or value < 0) and (sign != "+" or value >= 0)
    if right and written >= decimals:
        return match.end(), ""
    return match.end(), f"expected {value:.10g}, found {match[0]}"


def measure(text: str, pos: int, value: float, unit: str) -> MISMATCH:
    """Read a number with its unit: before it for a currency, behind it for all others."""
    decimals = LEAST_DECIMALS.get(unit, 0)
    if unit in ("probability", "share"):
        return _after(text, number(text, pos, 100 * value, decimals), "%")
    if unit in _CURRENCIES:
        match = _CURRENCY.match(text, pos)
        if match is None:
            return NOTHING
        end, fault = number(text, match.end(), value, 2)
        wrong = f"expected {unit}, found {match[1]}" if match[1] != unit else ""
        return end, wrong or fault
    if unit == "log-odds":
        return number(text, pos, value, decimals) if text[pos : pos + 1] in ("+", "-") else NOTHING
    if unit == "count":
        return number(text, pos, round(value))
    suffix = {"": "", "number": "", "ratio": " times", "days": " day" if value == 1 else " days"}
    return _after(text, number(text, pos, value, decimals), suffix.get(unit, " " + unit))


def _after(text: str, read: MISMATCH, suffix: str) -> MISMATCH:
    end, fault = read
    return (end + len(suffix), fault) if end >= 0 and text.startswith(suffix, end) else NOTHING


def instant(text: str, pos: int, value: str, *, clock: bool) -> MISMATCH:
    """Read a date, with the time of day in UTC when `clock`, and compare it with an ISO instant.

    A value that is a date alone has no time of day, and none is read.
    """
    clock = clock and not _DATE.fullmatch(value)
    date = _DAY.match(text, pos)
    time = _CLOCK.match(text, date.end()) if date and clock else None
    if date is None or (clock and time is None):
        return NOTHING
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return NOTHING
    at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    found = [int(date[1]), _MONTHS.index(date[2]) + 1, int(date[3])]
    truth = [at.day, at.month, at.year]
    if time is not None:
        found += [int(time[1]), int(time[2])]
        truth += [at.hour, at.minute]
    end = (time or date).end()
    return end, "" if found == truth else f"expected {at.isoformat()}, found {text[pos:end]}"


def quotation(text: str, pos: int, value: str) -> MISMATCH:
    """Read “...” whole: whatever stands inside is the value, and nothing but the value."""
    close = text.find("”", pos) if text.startswith("“", pos) else -1
    if close < 0:
        return NOTHING
    inside = text[pos + 1 : close]
    return close + 1, "" if inside == shown(value) else f"expected “{shown(value)}”, found “{inside}”"


def shown(value: str) -> str:
    """Return a foreign text as it must stand between curly quotes: every character visible."""
    if value.isascii() and value.isprintable():
        return value
    return "".join(
        '"' if mark in "“”" else f"⟨U+{ord(mark):04X}⟩" if unicodedata.category(mark) in _HIDDEN else mark
        for mark in value
    )


def name(text: str, pos: int, value: str) -> MISMATCH:
    """Read an identifier: one bare word, or a quotation."""
    bare = _BARE.match(text, pos)
    if bare is None:
        return quotation(text, pos, value)
    return bare.end(), "" if bare[0] == value else f"expected {shown(value)}, found {bare[0]}"


def phrase(text: str, pos: int, value: str, *, capital: bool) -> MISMATCH:
    """Read one given noun phrase; another phrase is no reading at all, since its end is unknown."""
    match = _PHRASE.fullmatch(value)
    if match is None or value[-1] == " ":
        end, fault = quotation(text, pos, value)
        return (end, "") if end >= 0 and not fault else NOTHING
    wanted = value[0].upper() + value[1:] if capital else value
    return (pos + len(wanted), "") if text.startswith(wanted, pos) else NOTHING


def plural(noun: str) -> str:
    """Return the regular English plural."""
    if noun[-1:] == "y" and noun[-2:-1] not in ("a", "e", "i", "o", "u"):
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "z", "ch", "sh")) else "s")


def value(text: str, pos: int, truth: Any, unit: str) -> MISMATCH:
    """Read a written value of a fact in its unit."""
    if truth is None:
        return NOTHING
    if unit in ("instant", "day"):
        return instant(text, pos, str(truth), clock=unit == "instant")
    if unit == "text":
        return quotation(text, pos, str(truth))
    if unit == "name" or isinstance(truth, str):
        return name(text, pos, str(truth))
    return measure(text, pos, truth, unit)
