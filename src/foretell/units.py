"""Units: how a value is written for people, and how durations are read from a spec.

Writing lives here; reading a written value back is the verifier's own work, so that neither can hide the
other's fault.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from foretell.errors import SpecError
from foretell.records import Value

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
CURRENCIES = frozenset(
    {"EUR", "USD", "GBP", "CHF", "JPY", "SEK", "NOK", "DKK", "PLN", "CZK", "CAD", "AUD", "INR"}
)
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def seconds(duration: str) -> float:
    """Return the seconds of a written duration.

    Raises:
        SpecError: when it is not a number followed by ms, s, m, h, d or w.

    >>> seconds("7d")
    604800.0
    >>> seconds("1.5h")
    5400.0
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*", duration)
    if match is None:
        raise SpecError(f"'{duration}' is not a duration", "write a number and a unit: 30s, 10m, 12h, 7d, 2w")
    return float(match[1]) * SECONDS[match[2]]


def number(value: float) -> str:
    """Write a plain number: whole when it is whole, two decimals from 1 on, else three significant digits.

    >>> number(12757), number(231.5), number(0.01234)
    ('12,757', '231.50', '0.0123')
    """
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1:
        return f"{value:,.2f}"
    return f"{value:.3g}" if abs(value) >= 1e-4 else f"{value:.2e}"


def fixed(value: float, decimals: int) -> str:
    """Write a number with so many decimals, with more where these would show it as 0.

    >>> fixed(12757.5, 2), fixed(0.0041, 2), fixed(0.0, 2)
    ('12,757.50', '0.0041', '0.00')
    """
    return f"{value:,.{decimals}f}" if value == 0 or round(value, decimals) else number(value)


def percent(value: float) -> str:
    """Write a fraction as a percentage, with more decimals where it is near 0 or 1, which it never becomes.

    >>> percent(0.832), percent(0.00042), percent(0.9996), percent(0.00003)
    ('83.2%', '0.04%', '99.96%', 'less than 0.01%')
    """
    if 0 < value < 0.0001:
        return "less than 0.01%"
    if 0.9999 < value < 1:
        return "more than 99.99%"
    decimals = 1 if 0.005 <= value <= 0.995 or value in (0, 1) else 2
    return f"{100 * value:.{decimals}f}%"


def instant(value: str) -> str:
    """Write an ISO instant, or an ISO date; without an offset it is in UTC, whatever the machine's zone.

    >>> instant("2018-08-08T14:05:00+00:00"), instant("2018-08-08")
    ('8 August 2018 at 14:05 UTC', '8 August 2018')
    """
    at = datetime.fromisoformat(value)
    at = at.astimezone(UTC) if at.tzinfo else at
    date = f"{at.day} {MONTHS[at.month - 1]} {at.year}"
    return date if len(value) == len("2018-08-08") else f"{date} at {at:%H:%M} UTC"


def day(value: str) -> str:
    """Write the date of an ISO instant.

    >>> day("2018-08-08T14:05:00+00:00")
    '8 August 2018'
    """
    return instant(value).partition(" at ")[0]


def quoted(value: str) -> str:
    """Write a foreign text between curly quotes, so that nothing in it can end the quotation.

    What looks like a double quotation mark inside it becomes a straight one. What could hide, cancel or
    reorder the words around (line breaks, zero-width and right-to-left marks, strokes through letters) is
    written as its code point.

    >>> quoted("A \u201cred\u201d\u202e flag")
    '“A "red"⟨U+202E⟩ flag”'
    """
    return "“" + "".join(map(_visible, value.translate(STRAIGHT))) + "”"


STRAIGHT = str.maketrans(dict.fromkeys("“”„‟❝❞〝〞〟＂″‶ʺˮ", '"'))
IGNORABLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0").union(
    map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))),
    map(chr, (*range(0x0334, 0x0339), *range(0x20D0, 0x20F1))),
)
"""Characters that show nothing although they are no controls and no formats, and strokes through others."""


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    hidden = category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Me") or character in IGNORABLE
    return f"⟨U+{ord(character):04X}⟩" if hidden else character


def phrase(value: str) -> str:
    """Write a noun phrase bare when it holds nothing but words and figures of one sentence, else quoted.

    >>> phrase("the amount at 10:11 UTC"), phrase("amount. Approve it")
    ('the amount at 10:11 UTC', '“amount. Approve it”')
    """
    harmless = re.fullmatch(r"\w(?:[\w '’/%&()+-]|[.,:](?=\w)){0,199}", value)
    shown = harmless and not value.endswith(" ") and IGNORABLE.isdisjoint(value)
    return value if shown else quoted(value)


def plural(noun: str) -> str:
    """Write the regular plural of an English noun.

    >>> plural("visit"), plural("delivery"), plural("box")
    ('visits', 'deliveries', 'boxes')
    """
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + ("es" if re.search(r"(s|x|z|ch|sh)$", noun) else "s")


def name(value: str) -> str:
    """Write an identifier bare when it is one harmless word, else quoted."""
    return value if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,63}", value) else quoted(value)


def _days(value: float) -> str:
    if value >= 10 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 0.96 else number(value)


WRITERS: Mapping[str, Callable[..., str]] = {
    "": number,
    "count": lambda value: f"{round(value):,}",
    "probability": percent,
    "share": percent,
    "ratio": lambda value: f"{fixed(value, 1)} times",
    "log-odds": lambda value: f"{'-' if value < 0 else '+'}{fixed(abs(value), 2)}",
    "days": lambda value: f"{_days(value)} {'day' if value == 1 else 'days'}",
    "instant": instant,
    "day": day,
    "text": quoted,
    "name": name,
}


def write(value: Value, unit: str) -> str:
    """Write a value in its unit; a unit outside the table is a currency or follows the number.

    >>> write(231.5, "EUR"), write(12.0, "bar"), write(3.14159, "ratio")
    ('EUR 231.50', '12 bar', '3.1 times')
    """
    if value is None:
        return "unknown"
    if isinstance(value, str) and unit not in ("instant", "day", "text", "name"):
        return name(value)
    if unit in WRITERS:
        return WRITERS[unit](value)
    if unit in CURRENCIES:
        return f"{unit} {fixed(float(value), 2)}"
    return f"{number(float(value))} {unit}"
