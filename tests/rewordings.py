"""Texts at the edge of truth: numbers, hedges, units, sentences and facts changed, true or false.

Two checkers of the same text must agree all the same; mutants.py makes texts that are false for certain.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from random import Random

from foretell.records import Claim, Evidence, Narrative
from mutant_words import Words, numbers, plainly, words

HEDGES = {
    "en": (
        *("about", "roughly", "around", "nearly", "almost", "just under", "just over", "exactly"),
        *("less than", "more than", "at most", "at least"),
    ),
    "de": (
        *("etwa", "rund", "ungefähr", "knapp", "fast", "beinahe", "gut", "genau"),
        *("weniger als", "mehr als", "höchstens", "mindestens"),
    ),
}
FACTORS = (
    *(0.74, 0.79, 0.81, 0.94, 0.96, 0.979, 0.981, 0.999),
    *(1, 1, 1, 1.001, 1.019, 1.021, 1.04, 1.06, 1.24),
)
WORDS = {
    "en": {"0": "zero", "1": "one", "2": "two", "3": "three", "7": "seven", "12": "twelve", "50.0%": "half"},
    "de": {
        "0": "null",
        "1": "ein",
        "2": "zwei",
        "3": "drei",
        "7": "sieben",
        "12": "zwölf",
        "50,0 %": "die Hälfte",
    },
}
TURNS = {
    "en": (
        *(
            (" days", " hours", 24.0),
            (" days", " weeks", 1 / 7),
            (" hours", " days", 1 / 24),
            (" weeks", " days", 7.0),
        ),
        *(
            (" bar", " mbar", 1e3),
            (" bar", " kPa", 100.0),
            (" mm/s", " m/s", 1e-3),
            (" hours", " minutes", 60.0),
        ),
        *(("%", " percentage points", 1.0), (" times", "%", 100.0), (" minutes", " hours", 1 / 60)),
    ),
    "de": (
        *((" Tage", " Stunden", 24.0), (" Tage", " Wochen", 1 / 7), (" Stunden", " Tage", 1 / 24)),
        *(
            (" bar", " mbar", 1e3),
            (" bar", " kPa", 100.0),
            (" mm/s", " m/s", 1e-3),
            (" Wochen", " Tage", 7.0),
        ),
        *((" %", " Prozentpunkte", 1.0), ("-mal", " %", 100.0), (" Stunden", " Minuten", 60.0)),
    ),
}


def _number(value: float, random: Random, tongue: Words) -> str:
    return tongue.written(value, random.choice((0, 0, 1, 1, 2, 3)))


def respelt(text: str, evidence: Evidence, random: Random) -> str:
    """Write a number with another precision, a little off, in words, or in thousands."""
    tongue = words(evidence)
    found = random.choice(numbers(text, tongue) or [None])
    if found is None:
        return text
    language = "en" if tongue.decimal == "." else "de"
    value = tongue.value(found[0]) * random.choice(FACTORS)
    scale, size = random.choice((*tongue.scales, ("", 1.0), ("", 1.0), ("", 1.0)))
    new = _number(value / size, random, tongue) + scale
    if random.random() < 0.15:
        new = WORDS[language].get(found[0], new)
    hedge = random.choice(HEDGES[language]) + " " if random.random() < 0.5 else ""
    start = found.start()
    if before := re.search(r"[A-Z]{3} $", text[:start]):
        hedge, new, start = "", hedge + before[0] + new, before.start()
    return text[:start] + hedge + new + text[found.end() :]


def turned(text: str, evidence: Evidence, random: Random) -> str:
    """Write a value in another unit."""
    tongue = words(evidence)
    language = "en" if tongue.decimal == "." else "de"
    places = [
        (found, new, factor)
        for old, new, factor in TURNS[language]
        for found in plainly(re.compile(f"({tongue.number}){re.escape(old)}"), text, tongue)
    ]
    if not places:
        return text
    found, new, factor = random.choice(places)
    value = tongue.value(found[1]) * factor * random.choice(FACTORS)
    return text[: found.start()] + _number(value, random, tongue) + new + text[found.end() :]


def respaced(text: str, evidence: Evidence, random: Random) -> str:
    """Take out or double one character."""
    at = random.randrange(len(text))
    return text[:at] + random.choice(("", text[at] * 2)) + text[at + 1 :]


REWORDINGS: tuple[Callable[[str, Evidence, Random], str], ...] = (respelt, respelt, turned, respaced)


def reworded(narrative: Narrative, others: list[str], evidence: Evidence, random: Random) -> Narrative:
    """Return a text made of the sentences of a narrative and of others about the same row, some rewritten."""
    texts = [claim.text for claim in narrative.claims]
    for _ in range(random.choice((0, 0, 0, 1, 2))):
        turn, place = random.randrange(4), random.randrange(len(texts) + 1)
        if turn == 0 and others:
            texts.insert(place, random.choice(others))
        elif turn == 1 and len(texts) > 1:
            texts.pop(random.randrange(len(texts)))
        elif turn == 2:
            random.shuffle(texts)
        elif others:
            texts[random.randrange(len(texts))] = random.choice(others)
    text = " ".join(texts)
    for _ in range(random.choice((0, 1, 1, 2))):
        text = random.choice(REWORDINGS)(text, evidence, random)
    length = random.choice((narrative.length, narrative.length, "short", "medium", "long"))
    return Narrative(claims=(Claim(text=text),), writer="rewording", length=length)


EDGES = (
    0,
    1,
    -1,
    0.05,
    0.0499,
    -0.05,
    0.9,
    0.8999,
    0.8,
    0.5,
    0.66,
    0.33,
    0.1,
    5,
    10,
    20,
    2,
    3,
    1e-5,
    1e7,
    True,
    None,
    "",
)


def altered(evidence: Evidence, random: Random) -> Evidence:
    """Return the evidence with one or two facts left out, or with another value or detail."""
    facts = list(evidence.facts)
    for _ in range(random.choice((1, 1, 2))):
        at = random.randrange(len(facts))
        fact = facts[at]
        key = random.choice(("value", "value", *fact.detail, *fact.detail))
        old = fact.value if key == "value" else fact.detail[key]
        new = random.choice(EDGES)
        if isinstance(old, str | bool):
            new = random.choice((old, "", True, None, fact.name, f"no {old}", False, "2018-08-08"))
        elif isinstance(old, int | float) and random.random() < 0.6:
            new = old * random.choice((*FACTORS, -1, 2, 0.5))
        if random.random() < 0.15:
            facts.pop(at)
        elif random.random() < 0.1:
            facts.append(replace(fact, id="twin", value=new if key == "value" else fact.value))
        elif fact.kind == "term" and fact.name in ("row", "outcome", "language"):
            continue
        elif key == "value":
            facts[at] = replace(fact, value=new)
        elif random.random() < 0.15:
            facts[at] = replace(fact, detail={k: v for k, v in fact.detail.items() if k != key})
        else:
            facts[at] = replace(fact, detail={**fact.detail, key: new})
    return replace(evidence, facts=tuple(facts))
