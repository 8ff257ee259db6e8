"""Wording: values, quotations and the names of facts as the sentences of each language have them.

English builds on `units`; German swaps the marks of numbers and has its own dates, quotes and unit words.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from foretell import units
from foretell.records import Value

LANGUAGES = ("en", "de")
MONTHS = {
    "en": units.MONTHS,
    "de": (
        *("Januar", "Februar", "März", "April", "Mai", "Juni"),
        *("Juli", "August", "September", "Oktober", "November", "Dezember"),
    ),
}
QUOTES = {"en": "“”", "de": "„“"}
JOINT = {"en": " and ", "de": " und "}
ORDINALS = {
    "en": ("first", "second", "third", "fourth", "fifth", "sixth"),
    "de": ("erster", "zweiter", "dritter", "vierter", "fünfter", "sechster"),
}
TIMES = {
    "en": (
        *("", "", "twice", "three times", "four times", "five times"),
        *("six times", "seven times", "eight times", "nine times", "ten times"),
    ),
    "de": (
        *("", "", "doppelt", "dreimal", "viermal", "fünfmal"),
        *("sechsmal", "siebenmal", "achtmal", "neunmal", "zehnmal"),
    ),
}
"""Whole ratios in words, by their number."""
TIME_WORDS = {
    "en": {name: (name, name + "s") for name in ("second", "minute", "hour", "day", "week")},
    "de": {
        "second": ("Sekunde", "Sekunden"),
        "minute": ("Minute", "Minuten"),
        "hour": ("Stunde", "Stunden"),
        "day": ("Tag", "Tage"),
        "week": ("Woche", "Wochen"),
    },
}
ABOUT = {"en": "about", "de": "rund"}
NEARLY = {"en": "nearly", "de": "knapp"}
OVER = {"en": "more than", "de": "mehr als"}
UNDER = {"en": "less than", "de": "weniger als"}
DAY = 86_400
"""Seconds."""
SURE = 0.045
"""How far a rounded number may lie from the value and still be called "about" that: less than a reader
accepts, so that no rounding of the last bit makes a true sentence false."""

_EXACT = frozenset(("probability", "share", "ratio", "log-odds", "count", "points", "change"))
"""Units that are never rounded to "about"."""

TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "like_scored": "past {rows} scored like this one",
        "similar": "the most similar past {rows} with known outcome",
        "sample": "drawn at random from the {rows} that were not alerted",
        "count": "the {entity}'s {rows} in the {days} before",
        "mean": "the {entity}'s mean {column} over the {days} before",
        "positives": "the {entity}'s known cases of {outcome} in the {days} before",
        "past_event": "the {row} of {at}{where}",
        "past_row": "the {row}",
        "negative": "no {outcome}",
        "at": " at ",
        "by": " by ",
        "factor": "the {column}",
        "factor_time": "the time of the {row}",
        "factor_against": "the {column} against this {entity}'s past",
        "others": "all other columns together",
        "pace": "the pace of this {entity}'s {rows}",
        "outcomes": "the {outcome} record of this {entity}",
        "oddity": "the recent odd {rows} of this {entity}",
        "order": "the order of this {entity}'s last {rows}",
        "day": "day",
        "thousand": "thousand",
        "deviations": "standard deviations",
        "wrong": "a wrong {column}",
        "class": "{column} {value}",
        "above": "{column} above {line}",
        "below": "{column} below {line}",
        "set": "set",
        "group_share": "share of {column} {value}",
        "group_rate": "rate of {outcome} with {column} {value}",
        "fidelity_shapes": "likeness of single columns",
        "fidelity_trends": "likeness of pairs of columns",
        "fidelity_discriminator": "AUC of a classifier that tells generated from real",
        "fidelity_utility": "score of a model taught by the set and tried on real data",
        "fidelity_frechet": "Fréchet distance",
        "fidelity_coverage": "share of real neighbourhoods that hold something generated",
        "fidelity_accuracy": "share with the class that was asked for",
        "fidelity_bits": "bits per character",
        "fidelity_overlap": "share of short runs of characters that real texts have, too",
        "fidelity_distinct": "share of pairs of words that come once",
    },
    "de": {
        "like_scored": "frühere Fälle mit ähnlicher Einschätzung",
        "similar": "die ähnlichsten früheren Fälle mit bekanntem Ausgang",
        "sample": "zufällig gezogen aus den Fällen ohne Alarm",
        "count": "Fälle in den {days} davor ({entity})",
        "mean": "{column} im Mittel aus den {days} davor ({entity})",
        "positives": "bekannte Fälle von {outcome} in den {days} davor ({entity})",
        "past_event": "{row} vom {at}{where}",
        "past_row": "{row}",
        "negative": "ohne {outcome}",
        "at": ", ",
        "by": ", ",
        "factor": "{column}",
        "factor_time": "Zeitpunkt ({row})",
        "factor_against": "{column} im Vergleich zur Vergangenheit ({entity})",
        "others": "alle übrigen Spalten zusammen",
        "pace": "Tempo der Fälle ({entity})",
        "outcomes": "Vorgeschichte an {outcome} ({entity})",
        "oddity": "auffällige Fälle der letzten Zeit ({entity})",
        "order": "Abfolge der letzten Fälle ({entity})",
        "day": "Tag",
        "thousand": "tausend",
        "deviations": "Standardabweichungen",
        "wrong": "falsche Einordnung ({column})",
        "class": "{column} {value}",
        "above": "{column} über {line}",
        "below": "{column} unter {line}",
        "set": "Set",
        "group_share": "Anteil von {column} {value}",
        "group_rate": "Rate von {outcome} bei {column} {value}",
        "fidelity_shapes": "Ähnlichkeit einzelner Spalten",
        "fidelity_trends": "Ähnlichkeit von Spaltenpaaren",
        "fidelity_discriminator": "AUC eines Klassifikators, der Erzeugtes von Echtem trennt",
        "fidelity_utility": "Güte eines Modells, gelernt am Set und geprüft an echten Daten",
        "fidelity_frechet": "Fréchet-Abstand",
        "fidelity_coverage": "Anteil echter Nachbarschaften, die etwas Erzeugtes enthalten",
        "fidelity_accuracy": "Anteil mit der verlangten Klasse",
        "fidelity_bits": "Bits pro Zeichen",
        "fidelity_overlap": "Anteil kurzer Zeichenfolgen, die auch echte Texte haben",
        "fidelity_distinct": "Anteil der Wortpaare, die einmal vorkommen",
    },
}
"""What collectors call their facts. German names stand in quotes and leave the owner's nouns uninflected."""


def text(name: str, language: str, **parts: str) -> str:
    """Return what a fact is called.

    >>> text("mean", "de", column="Betrag", entity="Kunde", days=days(30, "de"))
    'Betrag im Mittel aus den 30 Tagen davor (Kunde)'
    """
    return TEXTS[language][name].format(**parts)


def days(number: int, language: str = "en") -> str:
    """Write a window of whole days, as in "over the 30 days before", "in den 30 Tagen davor"."""
    if language == "de":
        return "24 Stunden" if number == 1 else f"{number} Tagen"
    return "day" if number == 1 else f"{number} days"


def write(value: Value, unit: str, language: str = "en") -> str:
    """Write a value in its unit.

    >>> write(231.5, "EUR"), write(231.5, "EUR", "de"), write(0.832, "share", "de"), write(1.9, "roughly")
    ('EUR 231.50', '231,50 EUR', '83,2 %', '1.9 times')
    """
    if value is None:
        return units.write(value, unit)
    if unit == "ordinal":
        place = int(float(value))
        return ORDINALS[language][place - 1] if 0 < place <= len(ORDINALS[language]) else ""
    if isinstance(value, str):
        return _text(value, unit, language)
    number = float(value)
    if unit == "ratio" and round(number, 1) == 2:
        return TIMES[language][2]
    if unit in _DERIVED:
        return _DERIVED[unit](number, language)
    return units.write(value, unit) if language == "en" else _german(number, unit)


def about(value: Value, unit: str, language: str = "en") -> str:
    """Write a number rounded to two digits (three from 1,000 on) with "about", where that costs little.

    >>> about(231.5, "EUR"), about(231.5, "EUR", "de"), about(3.5, "bar"), about(1_284_000, "")
    ('about EUR 230', 'rund 230 EUR', '3.50 bar', 'about 1.28 million')
    """
    known = isinstance(value, int | float) and not isinstance(value, bool) and unit not in _EXACT
    if not known or value < 10:
        return write(value, unit, language)
    near = float(f"{value:.{2 if value < 1000 else 3}g}")
    if near == value or abs(near - value) > SURE * near:
        return write(value, unit, language)
    number = f"{near / 1e6:g} million" if 1e6 <= near < 1e9 else f"{near:,.0f}"
    if language == "de":
        number = _swapped(number).replace("million", "Mio.")
    if unit in units.CURRENCIES:
        number = f"{unit} {number}" if language == "en" else f"{number} {unit}"
    elif unit == "days":
        number = f"{number} {TIME_WORDS[language]['day'][1]}"
    elif unit:
        number = f"{number} {unit}"
    return f"{ABOUT[language]} {number}"


def _text(value: str, unit: str, language: str) -> str:
    if unit in ("instant", "day"):
        return instant(value, language, clock=unit == "instant")
    return quoted(value, language) if unit == "text" else name(value, language)


def instant(value: str, language: str = "en", *, clock: bool = True) -> str:
    """Write an ISO instant.

    >>> instant("2018-08-08T14:05:00+00:00", "de"), instant("2018-08-08", "de")
    ('8. August 2018 um 14:05 UTC', '8. August 2018')
    """
    if language == "en":
        return units.instant(value) if clock else units.day(value)
    at = datetime.fromisoformat(value)
    at = at.astimezone(UTC) if at.tzinfo else at
    date = f"{at.day}. {MONTHS[language][at.month - 1]} {at.year}"
    return f"{date} um {at:%H:%M} UTC" if clock and len(value) > len("2018-08-08") else date


def quoted(value: str, language: str = "en") -> str:
    """Write a foreign text between the language's quotes, which nothing in it can end: see `units.quoted`."""
    if language == "en":
        return units.quoted(value)
    opening, closing = QUOTES[language]
    return opening + units.quoted(value)[1:-1] + closing


def name(value: str, language: str = "en") -> str:
    """Write an identifier bare when it is one harmless word, else quoted."""
    bare = units.name(value)
    return bare if bare == value else quoted(value, language)


def phrase(value: str, language: str = "en") -> str:
    """Write a noun phrase bare when it holds nothing but words and figures of one sentence, else quoted."""
    bare = units.phrase(value)
    return bare if bare == value else quoted(value, language)


def _swapped(number: str) -> str:
    return number.translate(str.maketrans(",.", ".,"))


def _german(value: float, unit: str) -> str:
    if unit in ("probability", "share"):
        number = _swapped(units.percent(value)).replace("%", " %")
        return number.replace(UNDER["en"], UNDER["de"]).replace(OVER["en"], OVER["de"])
    if unit == "ratio":
        return f"{_swapped(units.fixed(value, 1))}-mal"
    if unit == "days":
        count, _, _ = units.write(value, "days").partition(" ")
        return f"{_swapped(count)} {TIME_WORDS['de']['day'][value != 1]}"
    if unit in units.WRITERS:
        return _swapped(units.write(value, unit))
    if unit in units.CURRENCIES:
        return f"{_swapped(units.fixed(value, 2))} {unit}"
    return f"{_swapped(units.number(value))} {unit}"


def _points(value: float, language: str) -> str:
    number = units.fixed(100 * value, 1)
    return f"{number} percentage points" if language == "en" else f"{_swapped(number)} Prozentpunkte"


def _change(value: float, language: str) -> str:
    number = f"{100 * value:,.0f}" if abs(value) >= 0.1 else units.number(100 * value)
    return f"{number}%" if language == "en" else f"{_swapped(number)} %"


def _roughly(ratio: float, language: str) -> str:
    """Write a ratio in words where they say it: twice, nearly five times, more than seven times."""
    words, whole = TIMES[language], round(ratio)
    if not 2 <= whole < len(words):
        return write(ratio, "ratio", language)
    if round(ratio, 1) == whole:
        return words[whole]
    if abs(ratio - whole) <= SURE * whole:
        return f"{(NEARLY if ratio < whole else ABOUT)[language]} {words[whole]}"
    floor = int(ratio)
    if floor >= 2 and ratio <= 1.2 * floor:
        return f"{OVER[language]} {words[floor]}"
    return write(ratio, "ratio", language)


def _duration(value: float, language: str) -> str:
    """Write a number of days in the unit that suits it: three weeks, 5 days, 3.4 hours."""
    for unit, size in (("week", 604_800), ("day", DAY), ("hour", 3_600), ("minute", 60)):
        # As who reads it converts it: a tie would else be rounded to the other side now and then.
        amount = value if size == DAY else value * DAY / size
        whole = round(amount)
        if unit == "week" and abs(amount - whole) > 0.02 * amount:
            continue
        if amount >= 2:
            word = TIME_WORDS[language][unit][1]
            if abs(amount - whole) < 1e-9:
                return f"{whole} {word}"
            if abs(amount - whole) <= 0.02 * whole:
                return f"{ABOUT[language]} {whole} {word}"
            number = f"{amount:.1f}"
            return f"{number if language == 'en' else _swapped(number)} {word}"
    amount = value * DAY
    number = f"{amount:.0f}" if amount >= 10 else units.number(amount)
    word = TIME_WORDS[language]["second"][number != "1"]
    return f"{number if language == 'en' else _swapped(number)} {word}"


_DERIVED: Mapping[str, Callable[[float, str], str]] = {
    "points": _points,
    "change": _change,
    "roughly": _roughly,
    "duration": _duration,
}
