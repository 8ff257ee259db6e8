"""Written values, read anew from docs/narratives.md for the second checker: where does a true one end?"""

import math
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from foretell.verification.languages import DIMENSIONS
from second_words import CURLY, CURRENCIES, TONGUES, Tongue

FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
TINY = 1e-12


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def days(later: str, earlier: str) -> float | None:
    """Return the days between two instants."""
    x, y = instant(later), instant(earlier)
    return (x - y).total_seconds() / 86400 if x and y else None


# ---- words ----


@lru_cache(4096)
def shown(text: str) -> str:
    """Write what shows nothing, or reorders text, as its code point."""
    return "".join(f"⟨U+{ord(mark):04X}⟩" if _hidden(mark) else mark for mark in text)


def _hidden(mark: str) -> bool:
    code = ord(mark)
    selector = 0x180B <= code <= 0x180F or 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
    stroke = 0x0334 <= code <= 0x0338 or 0x20D0 <= code <= 0x20F0
    unseen = unicodedata.category(mark) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Me")
    return mark in FILLERS or selector or stroke or unseen


def quoted(text: str, tongue: Tongue) -> str:
    return tongue.quotes[0] + shown(re.sub(f"[{CURLY}]", '"', text)) + tongue.quotes[1]


def named(text: str, tongue: Tongue) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", text) else quoted(text, tongue)


def harmless(text: str) -> bool:
    """Say whether what a fact is called may stand without quotes."""
    marks = [mark for mark in text[1:] if not (mark.isalnum() or mark in "_ '’/%&()+-")]
    loose = re.search(r"[.,:](?!\w)", text)
    return (
        bool(re.match(r"\w", text))
        and len(text) <= 200
        and not text.endswith(" ")
        and all(mark in ".,:" for mark in marks)
        and not loose
        and text == shown(text)
    )


def called(text: str, tongue: Tongue) -> str:
    return text if harmless(text) else quoted(text, tongue)


def hedged(language: str, text: str, at: int) -> bool:
    """Say whether a hedge stands here, other than that of what is hardly any or nearly all."""
    tongue = TONGUES[language]
    hedge = next((hedge for hedge in tongue.hedges if text.startswith(hedge + " ", at)), "")
    ends = {
        "less than": f"0{tongue.point}01{tongue.percent}",
        "more than": f"99{tongue.point}99{tongue.percent}",
    }
    end = ends.get(tongue.hedges.get(hedge, ""))
    return bool(hedge) and not (end and text.startswith(end, at + len(hedge) + 1))


def plural(word: str) -> str:
    if re.search(r"(s|x|z|ch|sh)$", word):
        return word + "es"
    return word[:-1] + "ies" if re.search(r"[^aeiou]y$", word) else word + "s"


# ---- numbers ----


@dataclass(frozen=True)
class Written:
    """A number as it stands in a text: what its digits say, times its scale."""

    hedge: str
    digits: float
    decimals: int
    scale: float
    digit: float
    """The size of the last decimal; of a whole number, of the last digit that is not 0."""
    minus: bool = False

    @property
    def value(self) -> float:
        return self.digits * self.scale


@cache
def number(language: str, before: str, after: str) -> re.Pattern[str]:
    """Return the pattern of a number between two patterns, with its hedge and scale."""
    tongue = TONGUES[language]
    point, comma = re.escape(tongue.point), re.escape(tongue.comma)
    hedges = "|".join(sorted(tongue.hedges, key=len, reverse=True))
    plain = rf"(?:[1-9]\d{{0,2}}(?:{comma}\d{{3}})+|0|[1-9]\d*)(?:{point}\d+)?"
    small = rf"(?:[1-9](?:{point}\d+)?e-(?:0[5-9]|[1-9]\d\d?)|1(?:{point}0+)?e-04)"
    scales = "|".join(map(re.escape, sorted(tongue.scales, key=len, reverse=True)))
    words = "|".join(sorted(tongue.words, key=len, reverse=True))
    digits = rf"(?P<minus>-)?(?:(?P<small>{small})|(?P<digits>{plain})(?P<scale>{scales})?)"
    whole = rf"(?:(?P<hedge>{hedges}) )?{before}(?:{digits}|(?P<word>{words})){after}(?!\d)"
    return re.compile(re.sub(r"\\d", "[0-9]", whole))


def written(found: re.Match[str], tongue: Tongue) -> Written:
    hedge = tongue.hedges.get(found["hedge"], "")
    if found["word"]:
        return Written(hedge, tongue.words[found["word"]], 0, 1.0, 1.0)
    sign = -1 if found["minus"] else 1
    if found["small"]:  # such as 1.20e-05
        plain, _, power = found["small"].replace(tongue.point, ".").partition("e")
        decimals = len(plain.partition(".")[2]) - int(power)
        value = sign * float(f"{plain}e{power}")
        return Written(hedge, value, decimals, 1.0, 10.0**-decimals, sign < 0)
    plain = found["digits"].replace(tongue.comma, "").replace(tongue.point, ".")
    scale = tongue.scales.get(found["scale"] or "", 1.0)
    decimals = len(plain.partition(".")[2])
    bare = plain.replace(".", "")
    zeros = 0 if decimals else len(bare) - len(bare.rstrip("0"))
    return Written(hedge, sign * float(plain), decimals, scale, scale * 10.0 ** (zeros - decimals), sign < 0)


BELOW = {"nearly": 0.05, "less than": 0.2, "at most": 0.2}
ABOVE = {"just over": 0.05, "more than": 0.25, "at least": 0.25}


PURE = ("log-odds", "probability", "share", "change", "points", "ratio")
"""Units that take no word like thousand."""


def true(said: Written, value: float, *, decimals: int = 0, whole: bool = False) -> bool:
    """Say whether what is written stands for the value.

    Args:
        decimals: that the number must have; when it has them, any share of the value may be lost.
        whole: whether it is a share of 100.
    """
    gap, size = abs(value - said.value) - TINY * abs(value), abs(said.value) * (1 + TINY)
    scaled = said.scale >= 1000
    if scaled and abs(said.digits) < 0.1:
        return False
    if not said.hedge:
        if (said.minus and value >= 0) or (said.digits == 0) != (value == 0):
            return False
        near = round(value, said.decimals - round(math.log10(said.scale)))
        if abs(near - said.value) > TINY * abs(near) or (whole and said.digits == 100 != value):
            return False
        if decimals and not scaled:
            return said.decimals >= decimals
        return gap <= 0.05 * abs(value) * (1 + TINY)
    if min(value, said.value) <= 0:
        return False
    if whole and (said.value >= 100 or 100 - value > 1.25 * (100 - said.value) * (1 + TINY)):
        return False
    if whole and said.hedge == "less than" and said.value == 0.01 and value < 0.01:
        return True
    equal = gap <= 0
    if said.hedge == "exactly" or equal:
        return equal and said.hedge in ("exactly", "about", "at most", "at least")
    if said.hedge == "about":
        return gap <= max(0.02 * size, min(said.digit / 2, 0.05 * size))
    return gap <= (BELOW if value < said.value else ABOVE).get(said.hedge, -1.0) * size


def _numeric(language: str, text: str, at: int, value: float, unit: str) -> set[int]:
    """Return the end of the number at this place that is true of the value in its unit, if there is one."""
    tongue = TONGUES[language]
    before = after = ""
    factor, decimals = 1.0, 0
    if unit in CURRENCIES:
        before, after = (f"{unit} ", "") if language == "en" else ("", f" {unit}")
        decimals = 2
    elif unit in ("probability", "share"):
        near = 0 < value < 0.005 or 0.995 < value < 1
        after, factor, decimals = re.escape(tongue.percent), 100.0, 2 if near else 1
    elif unit == "change":
        after, factor = re.escape(tongue.percent), 100.0
    elif unit == "points":
        after, factor, decimals = re.escape(tongue.points), 100.0, 1
    elif unit == "ratio":
        after, decimals = re.escape(tongue.times), 1
    elif unit == "log-odds":
        before, decimals = r"\+?", 2
    elif unit not in ("", "count", "number"):
        sizes = next((sizes for sizes in DIMENSIONS if unit in sizes), {unit: 1.0})
        return set().union(
            *(
                _measured(
                    language,
                    text,
                    at,
                    value if sizes[unit] == sizes[other] else value * sizes[unit] / sizes[other],
                    other,
                )
                for other in sizes
            )
        )
    found = number(language, before, after).match(text, at)
    if not found:
        return set()
    said = written(found, tongue)
    if (unit in PURE and said.scale >= 1000) or (found["word"] and unit not in ("count", "ratio")):
        return set()
    if unit == "log-odds":
        plus = text.startswith("+", at)
        if said.hedge or plus == said.minus or plus != (value >= 0):
            return set()
    whole = unit in ("probability", "share")
    return {found.end()} if true(said, value * factor, decimals=decimals, whole=whole) else set()


def _measured(language: str, text: str, at: int, value: float, unit: str) -> set[int]:
    """Read a number with a unit that is a word or a sign."""
    tongue = TONGUES[language]
    one, *several = tongue.units.get(unit, (f" {unit}", f" {unit}"))
    names = "|".join(map(re.escape, sorted({one, *several}, key=len, reverse=True)))
    found = number(language, "", f"(?P<unit>{names})").match(text, at)
    if not found or re.match(r"\w", text[found.end() :]):
        return set()
    said = written(found, tongue)
    if found["unit"] not in ([one] if said.value == 1 and said.decimals == 0 else several):
        return set()
    return {found.end()} if true(said, value) else set()


# ---- all ----


@lru_cache(2**14, typed=True)
def ends(language: str, text: str, at: int, value: Any, form: str) -> set[int]:
    """Return where a true writing of the value in this form, which begins at this place, may end."""
    tongue = TONGUES[language]
    if form == "ordinal":
        word = tongue.ordinals.get(value, "") if is_number(value) else ""
        return {at + len(word)} if word and text.startswith(word, at) else set()
    if form in ("text", "label", "name", "phrase", "plural"):
        surfaces = {_surface(value, form, tongue)} | (
            {quoted(str(value), tongue)} if form == "name" else set()
        )
        return {at + len(surface) for surface in surfaces if text.startswith(surface, at)}
    if form in ("instant", "day"):
        return _instant(tongue, text, at, str(value), day=form == "day")
    if not is_number(value):
        return (
            ends(language, text, at, value, "name")
            if isinstance(value, str) and form not in ("ratio", "share")
            else set()
        )
    found = _numeric(language, text, at, float(value), form)
    special = {"ratio": tongue.ratios, "share": tongue.shares}.get(form, {})
    for word, worth in special.items():
        hedge = re.compile(rf"(?:({'|'.join(tongue.hedges)}) )?{word}(?!\w)").match(text, at)
        if hedge:
            said = Written(tongue.hedges.get(hedge[1], ""), worth, 0, 1.0, float(form == "ratio"))
            places = 1 if form == "ratio" else 2
            near = round(float(value), places) == round(worth, places)
            if true(said, float(value)) if said.hedge else near:
                found.add(hedge.end())
    return found


def _surface(value: Any, form: str, tongue: Tongue) -> str:
    text = str(value)
    if form == "name":
        return named(text, tongue)
    if form in ("text", "label"):
        return quoted(text, tongue)
    return called(text if form == "phrase" else plural(text), tongue)


def _instant(tongue: Tongue, text: str, at: int, value: str, *, day: bool) -> set[int]:
    truth = instant(value)
    if truth is None:
        return set()
    found = set()
    months = "|".join(tongue.months)
    for shape in (*tongue.dates, r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)"):
        date = re.compile(shape.replace("P<M>M", f"P<M>{months}").replace(r"\d", "[0-9]")).match(text, at)
        if not date:
            continue
        parts = date.groupdict()
        month = tongue.months.index(parts["M"]) + 1 if "M" in parts else int(parts["m"])
        if (int(parts["y"]), month, int(parts["d"])) != (truth.year, truth.month, truth.day):
            continue
        clock = re.compile(tongue.clock.replace(r"\d", "[0-9]")).match(text, date.end())
        if day or "T" not in value:
            found.add(date.end())
        elif clock and clock[1] == f"{truth:%H:%M}":
            found.add(clock.end())
    return found
