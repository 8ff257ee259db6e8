"""False texts made from true ones: forty ways to change what a narrative says, in every language.

A mutation returns a text that is false, or outside the language, by construction; where it cannot know that,
it returns None and no mutant is counted. It never asks the verifier.
"""

import re
from collections.abc import Callable, Iterator
from random import Random

from foretell import wording
from foretell.records import Claim, Evidence, Narrative
from foretell.verification.grammar import language_of
from mutant_words import CONFUSABLE, DIGITS, HIDDEN, Pairs, Words, numbers, plainly, words

Mutation = Callable[[Narrative, Evidence, Random], str | None]


def put(text: str, found: re.Match[str], new: str) -> str:
    return text[: found.start()] + new + text[found.end() :]


def reworded(table: str) -> Mutation:
    """Return a mutation that replaces one word by another of that table, outside quotations."""

    def mutate(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
        return swapped(getattr(words(evidence), table), narrative, evidence, random)

    return mutate


def swapped(pairs: Pairs, narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
    text, tongue = narrative.text, words(evidence)
    places = [
        (found, new) for old, new in pairs for found in plainly(re.compile(re.escape(old)), text, tongue)
    ]
    return put(text, *random.choice(places)) if places else None


def at_number(change: Callable[[str, Random, Words], str | None]) -> Mutation:
    """Return a mutation that rewrites one number outside quotations."""

    def mutate(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
        tongue = words(evidence)
        places = numbers(narrative.text, tongue)
        if not places:
            return None
        found = random.choice(places)
        new = change(found[0], random, tongue)
        return put(narrative.text, found, new) if new else None

    return mutate


def digit(written: str, random: Random, tongue: Words) -> str:
    place = random.choice([i for i, mark in enumerate(written) if mark.isdigit()])
    other = random.choice([mark for mark in "0123456789" if mark != written[place]])
    return written[:place] + other + written[place + 1 :]


def scale(written: str, random: Random, tongue: Words) -> str | None:
    whole, point, rest = written.partition(tongue.decimal)
    return whole + "0" * random.choice((1, 2, 3)) + point + rest if tongue.value(written) else None


def shifted(written: str, random: Random, tongue: Words) -> str | None:
    point = tongue.decimal
    whole, _, rest = written.replace(tongue.thousands, "").partition(point)
    if not rest or not float(whole + rest):
        return None
    if random.random() < 0.5 and len(whole) > 1:
        return f"{whole[:-1]}{point}{whole[-1]}{rest}"
    return f"{whole}{rest[0]}{point}{rest[1:]}" if len(rest) > 1 else f"0{point}{whole}{rest}"


def counted(written: str, random: Random, tongue: Words) -> str | None:
    if tongue.decimal in written:
        return None
    return tongue.written(tongue.value(written) + random.choice((1, 2, 7)), 0)


def abbreviated(written: str, random: Random, tongue: Words) -> str | None:
    """Write another number in thousands or millions, but none that is nearly the one that stands there."""
    name, size = random.choice(tongue.scales)
    value = tongue.value(written) * random.choice((0.5, 1.5, 10.0)) / size
    new = tongue.written(value, 1 if value >= 1 else 6)
    near = abs(tongue.value(new) * size / tongue.value(written) - 1) <= 0.1 if value else True
    return None if near else new + name


def hedged(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
    """Put a hedge before a number of which it is not true, or another hedge for the one that is."""
    text, tongue = narrative.text, words(evidence)
    hedges = plainly(re.compile(rf"\b(?:{tongue.hedges}) "), text, tongue)
    hedges = [
        found
        for found in hedges
        if re.match(r"(?:[A-Z]{3} )?\d|\w+mal|\w+ times|twice|doppelt", text[found.end() :])
    ]
    if hedges and random.random() < 0.5:
        found = random.choice(hedges)
        return put(text, found, dict(tongue.hedged)[found[0]])
    # Of 0.01% the value may be half as much again: what is false of the writing may be true of the value.
    places = [
        found
        for found in numbers(text, tongue)
        if tongue.value(found[0]) * 10 ** tongue.decimals(found[0]) >= 10
    ]
    if not places:
        return None
    found = random.choice(places)
    hedge, factor = random.choice(tongue.false_hedges)
    number = tongue.written(tongue.value(found[0]) * factor, max(1, tongue.decimals(found[0])))
    before = re.search(r"[A-Z]{3} $", text[: found.start()])
    start = before.start() if before else found.start()
    return f"{text[:start]}{hedge} {text[start : found.start()]}{number}{text[found.end() :]}"


def localised(written: str, random: Random, tongue: Words) -> str | None:
    """Write the marks of a number as another language does."""
    new = written.translate(str.maketrans(",.", ".,"))
    return new if new != written else None


def converted(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
    """Convert an amount to another currency."""
    text, tongue = narrative.text, words(evidence)
    amount = re.compile(rf"([A-Z]{{3}}) ({tongue.number})|({tongue.number}) ([A-Z]{{3}})\b")
    places = [found for found in plainly(amount, text, tongue) if "UTC" not in found[0]]
    if not places:
        return None
    found = random.choice(places)
    rate, other = random.choice(((1.1, "USD"), (0.93, "EUR"), (0.86, "GBP")))
    if other in found[0]:
        return None
    number = tongue.written(tongue.value(found[2] or found[3]) * rate, 2)
    return put(text, found, f"{other} {number}" if found[1] else f"{number} {other}")


def misnamed(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
    """Give an entity, or the row, a name that no fact has."""
    language = language_of(evidence)
    values = [
        str(fact.value) for fact in (*evidence.of("entity"), *evidence.of("term")) if fact.unit == "name"
    ]
    names = [wording.name(value, language) for value in values if value != language]
    places = [
        found for name in names for found in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", narrative.text)
    ]
    new = random.choice(("0000", "4711x", "customer", "X-1"))
    return put(narrative.text, random.choice(places), new) if places and new not in names else None


def spliced(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
    """Make one sentence of two."""
    if len(narrative.claims) < 2:
        return None
    index = random.randrange(len(narrative.claims) - 1)
    texts = [claim.text for claim in narrative.claims]
    joint = random.choice((", ", "; ", " - ", ", because "))
    texts[index : index + 2] = [texts[index].removesuffix(".") + joint + texts[index + 1]]
    return " ".join(texts)


def at_mark(pattern: str, change: Callable[[str, Random], str]) -> Mutation:
    """Return a mutation of one mark outside quotations."""

    def mutate(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
        places = plainly(re.compile(pattern), narrative.text, words(evidence))
        if not places:
            return None
        found = random.choice(places)
        return put(narrative.text, found, change(found[0], random))

    return mutate


def swapped_values(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
    text, tongue = narrative.text, words(evidence)
    places = numbers(text, tongue)
    if len(places) < 2:
        return None
    first, second = sorted(random.sample(places, 2), key=lambda found: found.start())
    if tongue.value(first[0]) == tongue.value(second[0]):
        return None
    return put(put(text, second, first[0]), first, second[0])


def swapped_names(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
    """Swap two entities, or two factors within one sentence, where their order says which weighs more."""
    sentence = random.choice(narrative.claims).text
    factors = [fact.text for fact in evidence.of("attribution")]
    entities = [wording.name(str(fact.value), language_of(evidence)) for fact in evidence.of("entity")]
    for names in random.sample((factors, entities), 2):
        inside = [name for name in names if sentence.count(name) == 1]
        pairs = [(a, b) for a in inside for b in inside if a not in b and b not in a]
        if pairs:
            a, b = random.choice(pairs)
            swapped = sentence.replace(a, "\0").replace(b, a).replace("\0", b)
            return narrative.text.replace(sentence, swapped)
    return None


def rank(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
    """Call another factor the strongest, or the strongest something else."""
    claims = [claim for claim in narrative.claims if re.search(words(evidence).strongest, claim.text)]
    ranked = {fact.detail["rank"]: fact.text for fact in evidence.of("attribution")}
    if claims and random.random() < 0.5 and len(ranked) > 1:
        claim = random.choice(claims)
        other = random.choice([text for place, text in ranked.items() if place > 1])
        if ranked[1] in claim.text and other not in claim.text:
            return narrative.text.replace(claim.text, claim.text.replace(ranked[1], other))
    return reworded("rank")(narrative, evidence, random)


def omission(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
    """Leave out the sentence on who, when and the score, on the strongest factor, or on its check."""
    top = [fact for fact in evidence.of("attribution") if fact.detail["rank"] == 1]
    licensed = bool(
        top
        and abs(float(top[0].value or 0)) >= 0.05
        and float(top[0].detail["sign_stability"] or 0) >= 0.9
        and float(top[0].detail["rank_stability"] or 0) >= 0.8
    )
    groups = {"opening", "made"} | ({"brief", "why", "check"} if licensed else set())
    places = [i for i, claim in enumerate(narrative.claims) if claim.production.split(".")[0] in groups]
    left_out = random.choice(places)
    return " ".join(claim.text for i, claim in enumerate(narrative.claims) if i != left_out)


def label(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
    outcome = next((str(fact.value) for fact in evidence.of("term") if fact.name == "outcome"), "no outcome")
    others = [other for other in words(evidence).outcomes if other != outcome]
    return swapped(((outcome, random.choice(others)),), narrative, evidence, random)


def certainty(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
    tongue = words(evidence)
    places = plainly(tongue.certain, narrative.text, tongue)
    if not places:
        return swapped(tongue.sure, narrative, evidence, random)
    found = random.choice(places)
    others = [word for word in (*tongue.certainty, "certain", "sicher") if word != found[0]]
    return put(narrative.text, found, random.choice(others))


def inserted(table: str, *, inside: bool) -> Mutation:
    """Return a mutation that adds a foreign sentence between two others, or anywhere between two words."""

    def mutate(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
        new = random.choice(getattr(words(evidence), table))
        if inside:
            place = random.choice(plainly(re.compile(" "), narrative.text, words(evidence)))
            return put(narrative.text, place, f" {new} ")
        texts = [claim.text for claim in narrative.claims]
        texts.insert(random.randrange(len(texts) + 1), new)
        return " ".join(texts)

    return mutate


def check(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
    """Put another factor's check, or an invented one, in the place of the owner's."""
    claims = [claim for claim in narrative.claims if claim.production.split(".")[0] in ("check", "ask")]
    if not claims:
        return None
    claim = random.choice(claims)
    language = language_of(evidence)
    checks = [wording.quoted(str(fact.value), language) for fact in evidence.of("check")]
    new = random.choice(
        (*checks, *(wording.quoted(text, language) for text in ("Approve without review.", "Do nothing.")))
    )
    old = next((text for text in checks if claim.text.endswith(text)), new)
    if new == old:
        return None
    return narrative.text.replace(claim.text, claim.text.removesuffix(old) + new)


def dated(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
    text, tongue, names = narrative.text, words(evidence), wording.MONTHS[language_of(evidence)]
    months = plainly(re.compile("|".join(names)), text, tongue)
    windows = plainly(re.compile(r"\d+ days before"), text, tongue)
    if windows and (not months or random.random() < 0.5):
        return put(text, random.choice(windows), f"{random.choice((2, 14, 60, 365))} days before")
    if not months:
        return None
    found = random.choice(months)
    return put(text, found, random.choice([month for month in names if month != found[0]]))


def quotation(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
    quotes = list(re.finditer(words(evidence).quote, narrative.text))
    if not quotes:
        return None
    found = random.choice(quotes)
    inside = found[0][1:-1]
    place = random.randrange(len(inside) + 1)
    new = random.choice(("not ", "x", ".", " "))
    return put(narrative.text, found, f"{found[0][0]}{inside[:place]}{new}{inside[place:]}{found[0][-1]}")


def reordering(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
    """Move a sentence that answers the opening away from it, or name the entities in another order."""
    texts = [claim.text for claim in narrative.claims]
    answers = [
        i for i, claim in enumerate(narrative.claims) if claim.production in ("sure.agrees", "sure.lower")
    ]
    if answers:
        texts.insert(0, texts.pop(answers[0]))
        return " ".join(texts)
    language = language_of(evidence)
    named = [f"{fact.text} {wording.name(str(fact.value), language)}" for fact in evidence.of("entity")]
    if len(named) < 2 or named[0] == named[1]:
        return None
    listed = wording.JOINT[language].join([", ".join(named[:-1]), named[-1]])
    turned = wording.JOINT[language].join([", ".join(named[:0:-1]), named[0]])
    return narrative.text.replace(listed, turned, 1)


def confused(narrative: Narrative, evidence: Evidence, random: Random) -> str | None:
    text = narrative.text
    place = random.randrange(len(text))
    if random.random() < 0.5:
        return text[:place] + random.choice(HIDDEN) + text[place:]
    places = [i for i, mark in enumerate(text) if mark in CONFUSABLE]
    place = random.choice(places)
    return text[:place] + CONFUSABLE[text[place]] + text[place + 1 :]


MUTATIONS: dict[str, Mutation] = {
    "digit": at_number(digit),
    "scale": at_number(scale),
    "decimal shift": at_number(shifted),
    "count": at_number(counted),
    "abbreviation": at_number(abbreviated),
    "hedge": hedged,
    "locale format": at_number(localised),
    "other digits": at_number(lambda written, random, tongue: written.translate(DIGITS)),
    "widened range": reworded("widened"),
    "unit": reworded("units"),
    "percent or points": reworded("points"),
    "duration": reworded("durations"),
    "derived value": reworded("derived"),
    "converted currency": converted,
    "swapped values": swapped_values,
    "swapped names": swapped_names,
    "invented name": misnamed,
    "direction": reworded("direction"),
    "negation": reworded("negation"),
    "negation left out": reworded("negated"),
    "rank": rank,
    "comparison": reworded("comparison"),
    "omission": omission,
    "label": label,
    "causal verb": reworded("causal"),
    "certainty": certainty,
    "overclaim": reworded("overclaim"),
    "invented sentence": inserted("invented", inside=False),
    "wrong check": check,
    "provenance": reworded("provenance"),
    "injected instruction": inserted("injected", inside=True),
    "date or window": dated,
    "altered quotation": quotation,
    "reordering": reordering,
    "spliced sentences": spliced,
    "foreign word": reworded("foreign"),
    "letter case": at_mark(r"[A-Za-z]", lambda mark, random: mark.swapcase()),
    "white space": at_mark(" ", lambda mark, random: random.choice(("  ", "\t", "\n", "\u00a0", ""))),
    # A mark between two digits may be left out: 5000 is 5,000.
    "punctuation": at_mark(
        r"(?<!\d)[.,:;]|[.,:;](?!\d)", lambda mark, random: random.choice(("!", "?", "…", "", " -"))
    ),
    "confusable or hidden character": confused,
}


def mutant(name: str, narrative: Narrative, evidence: Evidence, random: Random) -> Narrative | None:
    """Return a false narrative of the class `name`; None when the class finds no place in this one."""
    text = MUTATIONS[name](narrative, evidence, random)
    if text is None or text == narrative.text or _may_be_true(text, narrative.text, evidence):
        return None
    return Narrative(claims=(Claim(text=text),), writer="mutation", length=narrative.length)


def _may_be_true(text: str, original: str, evidence: Evidence) -> bool:
    """Say whether the change happens to name another fact, of which the sentence may well be true."""
    named = (
        wording.phrase(fact.text, language_of(evidence))
        for fact in evidence.facts
        if fact.kind in ("history", "past_event")
    )
    return any(text.count(name) > original.count(name) for name in named)


def mutants(narrative: Narrative, evidence: Evidence, random: Random) -> Iterator[tuple[str, Narrative]]:
    """Yield one mutant of every class that finds a place."""
    for name in MUTATIONS:
        made = mutant(name, narrative, evidence, random)
        if made is not None:
            yield name, made
