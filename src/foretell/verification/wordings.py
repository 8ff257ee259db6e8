"""Sentences of a house's own: a wording that people released, under a licence the grammar has already.

They come as facts of the evidence (kind "wording"), so that a verdict stays a function of text and evidence.
None can weaken a licence: it names alternatives of the grammar, and takes over all their conditions. None
stands in for what a narrative must tell. One that says more than its licence is none, whoever released it.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from foretell.records import Evidence, Fact, digest
from foretell.verification.grammar import Lines, grammar, indexed, language_of
from foretell.verification.phrasing import unsaid
from foretell.verification.productions import Alternative, Grammar, Licence, Production

LONGEST = 300
"""Letters of a wording."""
MOST_WORDINGS = 50
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


def fault(wording: Wording, language: str) -> str:
    """Return why a sentence cannot be a house's own, in words; empty when it can."""
    base, text = grammar(language), wording.text
    bare = _NODE.sub("", text)
    reasons = {
        "it holds no value of a fact": "{" not in text,
        f"it is longer than {LONGEST} letters": len(text) > LONGEST,
        "it does not end with a full stop, or goes on behind one": not bare.endswith(".") or "." in bare[:-1],
        "it holds other marks than those of plain prose": bool(_PLAIN.sub("", bare)) or not _latin(bare),
        "blanks stand together in it or at its ends, or two values without one": text
        != " ".join(text.split())
        or "}{" in text,
        "the grammar has no such licence": licence_of(base, wording) is None,
    }
    found = next((reason for reason, holds in reasons.items() if holds), "")
    if found:
        return found
    try:
        option = _option(base, wording)
    except (ValueError, KeyError, IndexError) as error:
        return f"what stands in its brackets is no value of a fact: {error}"
    if not _variables(base, wording) >= {*option.variables}:
        return "it names a fact that its licence says nothing of"
    return unsaid(base, option.nodes, wording.licences)


def _latin(text: str) -> bool:
    """Return whether every letter is the Latin one that it looks like."""
    letters = "".join(mark for mark in text if mark.isalpha())
    named = all(unicodedata.name(mark, "").startswith("LATIN") for mark in letters)
    return named and unicodedata.normalize("NFKC", letters) == letters


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


def brought(evidence: Evidence) -> tuple[Wording, ...]:
    """Return the wordings that an evidence brings."""
    facts = evidence.of("wording")[:MOST_WORDINGS]
    found = (
        Wording(
            text=str(fact.value),
            licences=tuple(str(fact.detail.get("licences", "")).split("\n")),
            instead=fact.detail.get("instead") is True,
        )
        for fact in facts
    )
    return tuple(dict.fromkeys(found))


def grammar_of(evidence: Evidence) -> Grammar:
    """Return the grammar of the evidence's language, with the wordings that it brings."""
    language, wordings = language_of(evidence), brought(evidence)
    return extended(language, wordings) if wordings else grammar(language)


@lru_cache(32)
def extended(language: str, wordings: tuple[Wording, ...]) -> Grammar:
    """Return a grammar with these sentences besides, but none that says more than its licence."""
    base = grammar(language)
    made = replace(base, claims=[*base.claims], groups={}, base=base)
    for wording in wordings:
        if not fault(wording, language):
            after = tuple(
                group
                for name in dict.fromkeys(licence.partition(" | ")[0] for licence in wording.licences)
                for group in _productions(base)[name].after
            )
            option = _option(base, wording)
            made.claims.append(Production(wording.name, role="own", after=after, alternatives=[option]))
    indexed(made)
    return made


def _option(base: Grammar, wording: Wording) -> Alternative:
    """Return the alternative that a wording with a licence is."""
    licence = licence_of(base, wording)
    assert licence is not None
    lines = Lines(base.language)
    lines.grammar.variables = base.variables
    lines.production = Production(wording.name)
    return lines.worded(1.0, "", wording.text, licence)


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
    """Return the variables that a wording may write: terms, and what its licences are about."""
    found = {name for name, (_, kind, _) in base.variables.items() if kind == "term"}
    found |= {name for part in (licence_of(base, wording) or ((), ()))[0] for name in part.variables}
    productions = _productions(base)
    for name, _, when in (licence.partition(" | ") for licence in wording.licences):
        for option in productions[name].alternatives:
            found |= {*option.variables} if option.when == when else set()
    return found
