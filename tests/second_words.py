"""The words of written values, from docs/narratives.md, for the second reader."""

from dataclasses import dataclass

CURLY = "“”„‟❝❞〝〞〟＂″‶ʺˮ"
"""What becomes straight inside quotation marks."""


@dataclass(frozen=True)
class Tongue:
    """One language."""

    point: str
    comma: str
    quotes: tuple[str, str]
    joint: str
    hedges: dict[str, str]
    scales: dict[str, float]
    words: dict[str, int]
    """What stands for a whole number."""
    ordinals: dict[int, str]
    months: tuple[str, ...]
    dates: tuple[str, ...]
    """Patterns of a date; M stands for a month's name."""
    clock: str
    percent: str
    points: str
    units: dict[str, tuple[str, ...]]
    """Units that are words: of one, then of several."""
    times: str
    """What stands between a ratio's number and what follows."""
    ratios: dict[str, float]
    shares: dict[str, float]


def _counted(words: str, end: str = "", first: int = 1) -> dict[str, int]:
    return {word + end: number for number, word in enumerate(words.split(), first)}


def _meaning(**words: str) -> dict[str, str]:
    """Return hedge -> what it means, of the hedges that mean it."""
    return {hedge: meaning.replace("_", " ") for meaning, line in words.items() for hedge in line.split("/")}


ENGLISH = Tongue(
    point=".",
    comma=",",
    quotes=("“", "”"),
    joint=" and ",
    hedges=_meaning(
        about="about/roughly/around",
        nearly="nearly/almost/just under",
        exactly="exactly",
        just_over="just over",
        less_than="less than",
        more_than="more than",
        at_most="at most",
        at_least="at least",
    ),
    scales={"k": 1e3, " thousand": 1e3, " million": 1e6, " billion": 1e9},
    words=_counted("one two three four five six seven eight nine ten eleven twelve"),
    ordinals={1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", 6: "sixth"},
    months=(
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    dates=(r"(?P<d>[1-9]\d?) (?P<M>M) (?P<y>\d{4})", r"(?P<M>M) (?P<d>[1-9]\d?), (?P<y>\d{4})"),
    clock=r" at (\d\d:\d\d) UTC",
    percent="%",
    points=" percentage points",
    units={
        "days": (" day", " days"),
        "hours": (" hour", " hours"),
        "weeks": (" week", " weeks"),
        "min": (" minute", " minutes"),
        "s": (" second", " seconds"),
    },
    times=" times",
    ratios={
        "twice": 2.0,
        **_counted("one two three four five six seven eight nine ten eleven twelve", " times"),
    },
    shares={"half": 1 / 2, "a third": 1 / 3, "two thirds": 2 / 3, "a quarter": 1 / 4},
)
GERMAN = Tongue(
    point=",",
    comma=".",
    quotes=("„", "“"),
    joint=" und ",
    hedges=_meaning(
        about="etwa/rund/ungefähr",
        nearly="knapp/fast/beinahe",
        exactly="genau",
        just_over="gut",
        less_than="weniger als",
        more_than="mehr als",
        at_most="höchstens",
        at_least="mindestens",
    ),
    scales={
        " Tsd.": 1e3,
        " tausend": 1e3,
        " Mio.": 1e6,
        " Millionen": 1e6,
        " Mrd.": 1e9,
        " Milliarden": 1e9,
    },
    words={**_counted("eine zwei drei vier fünf sechs sieben acht neun zehn elf zwölf"), "ein": 1},
    ordinals={1: "erster", 2: "zweiter", 3: "dritter", 4: "vierter", 5: "fünfter", 6: "sechster"},
    months=(
        *("Januar", "Februar", "März", "April", "Mai", "Juni"),
        *("Juli", "August", "September", "Oktober", "November", "Dezember"),
    ),
    dates=(r"(?P<d>[1-9]\d?)\. (?P<M>M) (?P<y>\d{4})", r"(?P<d>\d\d)\.(?P<m>\d\d)\.(?P<y>\d{4})"),
    clock=r" um (\d\d:\d\d) UTC",
    percent=" %",
    points=" Prozentpunkte",
    units={
        "days": (" Tag", " Tage", " Tagen"),
        "hours": (" Stunde", " Stunden"),
        "weeks": (" Woche", " Wochen"),
        "min": (" Minute", " Minuten"),
        "s": (" Sekunde", " Sekunden"),
    },
    times="-mal",
    ratios={
        "doppelt": 2.0,
        **_counted("drei vier fünf sechs sieben acht neun zehn", "mal", 3),
        **_counted("eine zwei drei vier fünf sechs sieben acht neun zehn elf zwölf", "-mal"),
    },
    shares={"die Hälfte": 1 / 2, "ein Drittel": 1 / 3, "zwei Drittel": 2 / 3, "ein Viertel": 1 / 4},
)
TONGUES = {"en": ENGLISH, "de": GERMAN}
CURRENCIES = frozenset(
    ("EUR", "USD", "GBP", "CHF", "JPY", "SEK", "NOK", "DKK", "PLN", "CZK", "CAD", "AUD", "INR")
)
