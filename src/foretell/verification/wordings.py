"""Sentences of a house's own: a wording that people released, under a licence the grammar has already.

They come as facts of the evidence (kind "wording"), so that a verdict stays a function of text and evidence.
None can weaken a licence: it names alternatives of the grammar, and takes over all their conditions. None
stands in for what a narrative must tell. A text that is not harmless is no wording, whoever released it.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

from foretell.records import Evidence, Fact, digest
from foretell.verification.grammar import Lines, grammar, indexed, language_of
from foretell.verification.languages import LANGUAGES
from foretell.verification.productions import Call, Choice, Grammar, Licence, Production

LONGEST = 300
"""Letters of a wording."""
MOST_WORDINGS = 50
REFUSED: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "en": re.compile(
            r"because|cau\w+|due|therefore|thus|hence|pro(?:ve|of)\w*|certain\w*|definite\w*|sure\w*|"
            r"(?:un)?doubt\w*|guarant\w+|always|never|no|not|none|nor|without|cannot|\w+n.t|guilt\w*|"
            r"innocen\w*|culprit\w*|fraudster\w*|crim\w+|thie\w+|ignor\w+|instruct\w+|approv\w+|reject\w*|"
            r"accept\w*|system|assistant|prompt\w*|verdict|support\w*|verif\w+|confirm\w*|must|please|"
            r"click\w*|should|shall|all|every\w*|any\w*|likel\w+|unlikel\w+|probab\w+"
        ),
        "de": re.compile(
            r"weil|da|denn|verursach\w+|wegen|aufgrund|deshalb|deswegen|daher|darum|folglich|beweis\w*|"
            r"sicher\w*|bestimmt\w*|zweifel\w*|garantier\w*|immer|nie|niemals|nicht|kein\w*|ohne|weder|schuld\w*|"
            r"unschuld\w*|täter\w*|betrüger\w*|krimin\w+|dieb\w*|ignorier\w*|anweis\w+|genehmig\w*|"
            r"ablehn\w*|annehm\w*|bestätig\w*|verifizier\w*|system|assistent\w*|urteil\w*|"
            r"muss|müssen|bitte|klick\w*|soll\w*|alle\w*|jede\w*|wahrscheinlich\w*|unwahrscheinlich\w*"
        ),
    }
)
"""Words that no house adds by itself: causes, certainty, negation, all and every, guilt, orders."""
_NODE = re.compile(r"\{[^{}]*\}")
_PLAIN = re.compile(r"[^\W\d_]+|[ ,;:()’'–-]|\.$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """One sentence of a house's own."""

    text: str
    """As a line of the grammar has it, with slots."""
    licences: tuple[str, ...]
    """The alternatives whose conditions all have to hold, each as "production", or "production | when"."""
    instead: bool = False
    """Whether it takes the place of the claim whose licence it has, and so tells the same."""

    @property
    def name(self) -> str:
        """The name of its production, which its content determines."""
        return f"house-{digest(self)[:12]}"


def fault(text: str, language: str) -> str:
    """Return why a text with slots cannot be a wording, in words; empty when it can."""
    held = LANGUAGES[language]
    bare = _NODE.sub("", text)
    words = [word.casefold() for word in re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?", bare)]
    figures = {*held.numbers, *held.ratios, *held.shares, *held.ordinals, *held.hedges}
    phrases = {part.casefold() for word in figures for part in word.split()} - {"a", "an", "the", "of"}
    wrong = next((word for word in words if REFUSED[language].fullmatch(word)), "")
    number = next((word for word in words if word in phrases), "")
    foreign = next((mark for mark in bare if mark.isalpha() and not _latin(mark)), "")
    reasons = {
        "it holds no value of a fact": "{" not in text,
        f"it is longer than {LONGEST} letters": len(text) > LONGEST,
        "it does not end with a full stop, or goes on behind one": not bare.endswith(".") or "." in bare[:-1],
        "it holds other marks than those of plain prose": bool(_PLAIN.sub("", bare)) or bool(foreign),
        "two values stand side by side in it": "}{" in text,
        f"the word “{number}” is a figure that no fact gives": bool(number),
        f"the word “{wrong}” says more than a licence allows": bool(wrong),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _latin(mark: str) -> bool:
    return unicodedata.name(mark, "").startswith("LATIN") and unicodedata.normalize("NFKC", mark) == mark


def as_facts(wordings: tuple[Wording, ...], source: str) -> Iterator[Fact]:
    """Yield the facts that bring wordings into an evidence."""
    for number, wording in enumerate(wordings, start=1):
        yield Fact(
            id=f"w{number}",
            kind="wording",
            name=wording.name,
            text="a sentence of the house's own",
            value=wording.text,
            unit="text",
            source=source,
            detail={"licences": "\n".join(wording.licences), "instead": wording.instead},
        )


def grammar_of(evidence: Evidence) -> Grammar:
    """Return the grammar of the evidence's language, with the wordings that it brings."""
    brought = evidence.of("wording")[:MOST_WORDINGS]
    language = language_of(evidence)
    if not brought:
        return grammar(language)
    wordings = (
        Wording(
            text=str(fact.value),
            licences=tuple(str(fact.detail.get("licences", "")).split("\n")),
            instead=fact.detail.get("instead") is True,
        )
        for fact in brought
    )
    return extended(language, tuple(dict.fromkeys(wordings)))


@lru_cache(32)
def extended(language: str, wordings: tuple[Wording, ...]) -> Grammar:
    """Return a grammar with these sentences besides, but none that is not harmless or has no licence."""
    base = grammar(language)
    made = replace(base, claims=[*base.claims], groups={})
    for wording in wordings:
        if not fault(wording.text, language) and (production := _production(base, wording)) is not None:
            made.claims.append(production)
    indexed(made)
    return made


def _production(base: Grammar, wording: Wording) -> Production | None:
    licence = licence_of(base, wording)
    if licence is None:
        return None
    lines = Lines(base.language)
    lines.grammar.variables = base.variables
    lines.production = production = Production(wording.name, role="own")
    try:
        option = lines.worded(1.0, "", wording.text, licence)
    except (ValueError, KeyError, IndexError):
        return None
    strange = any(isinstance(node, Call | Choice) for node in option.nodes)
    about = _variables(base, wording) | {name for part in licence[0] for name in part.variables}
    if strange or not about >= {*option.variables}:
        return None
    production.alternatives.append(option)
    return production


def licence_of(base: Grammar, wording: Wording) -> Licence | None:
    """Return all conditions of a wording's licences, and what it tells; None when one is unknown."""
    productions = _productions(base)
    demanded = {demand.point for demand in base.demands}
    conditions, points = [], [(wording.name, "")]
    if not wording.licences:
        return None
    for licence in wording.licences:
        name, _, when = licence.partition(" | ")
        if name not in productions or when not in productions[name].licences:
            return None
        held, tells = productions[name].licences[when]
        conditions += [part for part in held if part.text not in [known.text for known in conditions]]
        points += [point for point in tells if wording.instead and point[0] not in demanded]
    return tuple(conditions), tuple(dict.fromkeys(points))


def _productions(base: Grammar) -> dict[str, Production]:
    found = {f"<{name}>": phrase for name, phrase in base.phrases.items()}
    return found | {claim.name: claim for claim in base.claims}


def _variables(base: Grammar, wording: Wording) -> set[str]:
    """Return the variables that a wording may write: terms, and what its licences' own sentences write."""
    found = {name for name, (_, kind, _) in base.variables.items() if kind == "term"}
    productions = _productions(base)
    for name, _, when in (licence.partition(" | ") for licence in wording.licences):
        for option in productions[name].alternatives:
            found |= {*option.variables} if option.when == when else set()
    return found
