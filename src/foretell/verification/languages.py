"""What the readers know of each language: marks, months, number words, and hedges with their tolerances.

A hedge is true within a stated range of the number that follows it, never by feel:

    exactly             the number as written
    about, roughly      2 % to either side, or half a unit of the last digit that is not 0, but 5 % at most
    nearly, just under  below it, by at most 5 %
    just over           above it, by at most 5 %
    less than, more than    below or above it, by at most a fifth of it or a quarter of it: 100 is not
                            "more than 10"
    at most, at least   the same, or the number itself
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

HEDGES: Mapping[str, tuple[float, float, bool]] = MappingProxyType(
    {
        "exactly": (1.0, 1.0, True),
        "about": (0.98, 1.02, True),
        "just under": (0.95, 1.0, False),
        "just over": (1.0, 1.05, False),
        "less than": (0.8, 1.0, False),
        "more than": (1.0, 1.25, False),
        "at most": (0.8, 1.0, True),
        "at least": (1.0, 1.25, True),
    }
)
"""Hedge -> the least and the greatest truth, as multiples of the written number; whether that may be it."""
MOST_ROUNDING = 0.05
"""The share of a value that rounding in words may cost: neither "about" nor "1k" stands for 1,400."""

DIMENSIONS: tuple[Mapping[str, float], ...] = (
    {"s": 1, "min": 60, "h": 3600, "hours": 3600, "days": 86400, "weeks": 604800},
    {"mg": 0.001, "g": 1, "kg": 1000, "t": 1e6},
    {"mm": 0.001, "cm": 0.01, "m": 1, "km": 1000},
    {"ml": 0.001, "l": 1},
    {"Pa": 1, "hPa": 100, "mbar": 100, "kPa": 1000, "bar": 1e5},
    {"W": 1, "kW": 1000, "MW": 1e6},
    {"Wh": 1, "kWh": 1000, "MWh": 1e6},
    {"mm/s": 0.001, "m/s": 1},
)
"""Units that may stand for each other, with their size. Currencies are never converted."""
FACTORS: Mapping[str, Mapping[str, float]] = {unit: units for units in DIMENSIONS for unit in units}
CURRENCIES = frozenset(
    ("EUR", "USD", "GBP", "CHF", "JPY", "SEK", "NOK", "DKK", "PLN", "CZK", "CAD", "AUD", "INR")
)


QUOTATION_MARKS = "“”„‟❝❞〝〞〟＂″‶ʺˮ"
"""What looks like a double quotation mark stands as a straight one inside a quotation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language, as written values need it. Words are matched longest first."""

    decimal: str
    thousands: str
    quotes: tuple[str, str]
    """What opens and closes a quotation."""
    joint: str
    """Between the last two names of a list."""
    months: tuple[str, ...]
    dates: tuple[str, ...]
    """Patterns of a date, besides 2018-08-08; M stands for the name of a month."""
    clock: str
    """A pattern of the time of day in UTC."""
    currency_first: bool
    percent: str
    points: str
    times: str
    """What follows the number of a ratio."""
    durations: Mapping[str, tuple[str, ...]]
    """Unit of time -> its words, the singular first."""
    hedges: Mapping[str, str]
    """Word -> row of `HEDGES`."""
    scales: Mapping[str, int]
    """What follows an abbreviated number -> the power of ten."""
    numbers: Mapping[str, int]
    """Numbers in words."""
    ratios: Mapping[str, float]
    """Ratios in one word."""
    shares: Mapping[str, float]
    """Shares in words."""
    ordinals: tuple[str, ...]


def _numbered(words: str, first: int = 1) -> dict[str, int]:
    return {word: number for number, word in enumerate(words.split(), first)}


ENGLISH = Language(
    decimal=".",
    thousands=",",
    quotes=("“", "”"),
    joint=" and ",
    months=(
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    dates=("(?P<d>[1-9][0-9]?) M (?P<y>[0-9]{4})", "M (?P<d>[1-9][0-9]?), (?P<y>[0-9]{4})"),
    clock=" at ([0-9]{2}):([0-9]{2}) UTC",
    currency_first=True,
    percent="%",
    points=" percentage points",
    times=" times",
    durations={
        "s": ("second", "seconds"),
        "min": ("minute", "minutes"),
        "hours": ("hour", "hours"),
        "days": ("day", "days"),
        "weeks": ("week", "weeks"),
    },
    hedges={
        **{hedge: hedge for hedge in HEDGES},
        **dict.fromkeys(("roughly", "around"), "about"),
        **dict.fromkeys(("nearly", "almost"), "just under"),
    },
    scales={"k": 3, " thousand": 3, " million": 6, " billion": 9},
    numbers=_numbered("one two three four five six seven eight nine ten eleven twelve"),
    ratios={"twice": 2.0},
    shares={"half": 0.5, "a third": 1 / 3, "two thirds": 2 / 3, "a quarter": 0.25},
    ordinals=("first", "second", "third", "fourth", "fifth", "sixth"),
)
GERMAN = Language(
    decimal=",",
    thousands=".",
    quotes=("„", "“"),
    joint=" und ",
    months=(
        *("Januar", "Februar", "März", "April", "Mai", "Juni"),
        *("Juli", "August", "September", "Oktober", "November", "Dezember"),
    ),
    dates=(
        r"(?P<d>[1-9][0-9]?)\. M (?P<y>[0-9]{4})",
        r"(?P<d>[0-9]{2})\.(?P<n>[0-9]{2})\.(?P<y>[0-9]{4})",
    ),
    clock=" um ([0-9]{2}):([0-9]{2}) UTC",
    currency_first=False,
    percent=" %",
    points=" Prozentpunkte",
    times="-mal",
    durations={
        "s": ("Sekunde", "Sekunden"),
        "min": ("Minute", "Minuten"),
        "hours": ("Stunde", "Stunden"),
        "days": ("Tag", "Tage", "Tagen"),
        "weeks": ("Woche", "Wochen"),
    },
    hedges={
        "genau": "exactly",
        **dict.fromkeys(("etwa", "rund", "ungefähr"), "about"),
        **dict.fromkeys(("knapp", "fast", "beinahe"), "just under"),
        "gut": "just over",
        "weniger als": "less than",
        "mehr als": "more than",
        "höchstens": "at most",
        "mindestens": "at least",
    },
    scales={" Tsd.": 3, " tausend": 3, " Mio.": 6, " Millionen": 6, " Mrd.": 9, " Milliarden": 9},
    numbers=_numbered("eine zwei drei vier fünf sechs sieben acht neun zehn elf zwölf") | {"ein": 1},
    ratios={
        "doppelt": 2.0,
        **_numbered("dreimal viermal fünfmal sechsmal siebenmal achtmal neunmal zehnmal", first=3),
    },
    shares={"die Hälfte": 0.5, "ein Drittel": 1 / 3, "zwei Drittel": 2 / 3, "ein Viertel": 0.25},
    ordinals=("erster", "zweiter", "dritter", "vierter", "fünfter", "sechster"),
)
LANGUAGES: Mapping[str, Language] = MappingProxyType({"en": ENGLISH, "de": GERMAN})
