"""The verdict on a narrative: every character of it belongs to a claim that the evidence supports.

Parse or deny: what no production of the grammar reads is UNVERIFIED, what one reads but a fact denies is
CONTRADICTED, and what the narrative's length demands but no sentence tells is OMITTED. What breaks a rule of
the owner's is REFUSED, or WARNED of.
"""

import re
from collections.abc import Iterator, Mapping, Set
from itertools import product

from foretell.records import (
    CONTRADICTED,
    FINE,
    OMITTED,
    SUPPORTED,
    UNVERIFIED,
    Evidence,
    Finding,
    Narrative,
    Verdict,
    digest,
)
from foretell.verification.conditions import Expression, Fields, World, world
from foretell.verification.grammar import GRAMMARS, language_of
from foretell.verification.languages import LANGUAGES
from foretell.verification.parse import Parser, Sentence
from foretell.verification.productions import Demand, Grammar
from foretell.verification.rules import broken, tellable
from foretell.verification.wordings import grammar_of

POINTS: Mapping[str, str] = {
    "score": "how probable the model finds the outcome",
    "id": "which row it is about",
    "who": "whom or what it is about, by name",
    "when": "when it happened",
    "abstained": "that the model leaves the answer to a person",
    "strongest": "what moved the score most",
    "factor": "what raised the score second most",
    "against": "that something speaks against it",
    "estimate": "which number the model expects",
    "second": "which class is the next most probable",
    "record": "how often past rows with such a score had the outcome",
    "check": "what the owner asks to check next",
    "drawn": "that it is no alert, but was drawn at random",
    "change": "what would have changed the answer",
    "made": "what was generated, by what, and from what",
    "private": "how private the fit was",
    "withheld": "how much was withheld for lying too near to what taught the model",
    "apart": "how well generated and real ones are told apart",
    "missed": "that a goal is missed",
    "copy": "whether the model copies what taught it",
    "word": "the longest stretch that repeats word for word what taught the model",
    "attack": "whether it can be told from the set what taught the model",
    "insider": "whether the model itself gives away what taught it",
    "groups": "in how many comparisons of groups the set differs from the real data",
    "differ": "where it differs most",
    "right": "under which licence the data are that taught the model",
}
"""What the grammar demands -> in plain words, as "no sentence says ..."."""

_QUOTED = {code: "{0}[^{0}{1}]*{1}".format(*LANGUAGES[code].quotes) for code in GRAMMARS}
_ENDS = {code: re.compile(rf"{quoted}(?= )|[.!?\n](?= |$)|{quoted}") for code, quoted in _QUOTED.items()}


def verify(narrative: Narrative, evidence: Evidence, rules: Grammar | None = None) -> Verdict:
    """Return the verdict on `narrative`: a pure function of its text and length, and of the facts.

    The writer's `cites` and `production` are not read. A length the grammar has no plan for is held to the
    demands of the longest.

    Args:
        rules: the grammar to read by, where it is not that of narratives.

    Raises:
        ValueError: when the evidence holds a number that is not finite.
    """
    language = language_of(evidence)
    if language not in GRAMMARS:
        return _unread(narrative, evidence, language)
    rules = grammar_of(evidence) if rules is None else rules
    facts = world(rules.variables, tellable(evidence, narrative.length))
    text = narrative.text
    findings: list[Finding] = []
    points: set[tuple[str, str]] = set()
    for found in spans(Parser(rules, facts, text), text):
        if isinstance(found, Finding):
            findings.append(found)
            continue
        status = CONTRADICTED if found.fault else SUPPORTED
        findings.append(
            Finding(
                start=found.start,
                end=found.end,
                status=status,
                facts=found.facts,
                derivation=found.derivation,
                fault=found.fault,
            )
        )
        if not found.fault:
            points |= found.tells
    sentences = [(found.start, found.end) for found in findings]
    length = narrative.length if narrative.length in rules.plans else "long"
    findings.extend(
        Finding(
            start=len(text),
            end=len(text),
            status=OMITTED,
            facts=(name,) if name else (),
            fault=_left_out(demand, name, rules, length, evidence),
        )
        for demand in rules.demands
        if length in demand.lengths
        for name in dict.fromkeys(demanded(demand, facts, points))
    )
    findings += broken(text, narrative.length, evidence, sentences, language)
    return Verdict(
        passed=all(finding.status in FINE for finding in findings),
        findings=tuple(findings),
        evidence=digest(evidence),
        text=digest(text),
    )


def spans(parser: Parser, text: str) -> Iterator[Sentence | Finding]:
    """Cut the text into sentences that parse and stretches that do not; together they cover it."""
    pos, group = 0, ""
    while pos < len(text):
        sentence = parser.sentence(pos, group)
        if sentence is not None:
            yield sentence
            pos, group = sentence.end + 1, sentence.production.group
            if pos == len(text):
                fault = "a space follows the last claim"
                yield Finding(start=pos - 1, end=pos, status=UNVERIFIED, fault=fault)
            continue
        end = _end(text, pos, parser.language)
        yield Finding(
            start=pos,
            end=end,
            status=UNVERIFIED,
            fault="this is not worded like any sentence that can be checked against the evidence",
        )
        pos, group = end + 1, ""


def _unread(narrative: Narrative, evidence: Evidence, language: str) -> Verdict:
    """Return the verdict on a text in a language that no grammar reads."""
    fault = f"there is no grammar of the language '{language}'; there are: {', '.join(GRAMMARS)}"
    finding = Finding(start=0, end=len(narrative.text), status=UNVERIFIED, fault=fault)
    return Verdict(passed=False, findings=(finding,), evidence=digest(evidence), text=digest(narrative.text))


def _end(text: str, pos: int, language: str) -> int:
    """Return where the sentence at `pos` seems to end; full stops inside quotations do not end it."""
    opening = LANGUAGES[language].quotes[0]
    for match in _ENDS[language].finditer(text, pos):
        if match[0][0] != opening or text[match.end() : match.end() + 2].strip(" ")[:1].isupper():
            return match.end()
    return len(text)


def lines(narrative: Narrative, verdict: Verdict) -> Iterator[str]:
    """Say what was found on each stretch of the text, and what the text leaves out, for people."""
    for finding in verdict.findings:
        span = narrative.text[finding.start : finding.end]
        fault = f"<- {finding.fault}" if span and finding.fault else finding.fault
        facts = f"[{' '.join(finding.facts)}]" if finding.facts else ""
        yield f"{finding.status:12} {'  '.join(part for part in (span, fault, facts) if part)}"


def _left_out(demand: Demand, name: str, rules: Grammar, length: str, evidence: Evidence) -> str:
    """Say what a text of this length must tell, of the fact with that id or of none."""
    whose = "every" if len(demand.lengths) == len(rules.plans) else f"a {length}"
    fact = evidence.fact(name)
    about = f" ({fact.text})" if fact else ""
    told = POINTS.get(demand.point, f"what '{demand.point}' is to say")
    return f"no sentence that the evidence supports says {told}{about}; {whose} text must"


def demanded(demand: Demand, facts: World, told: Set[tuple[str, str]] = frozenset()) -> Iterator[str]:
    """Yield the ids of the facts that must be told and are not; "" for a demand that names no fact."""
    point, variable, condition = demand.point, demand.variable, demand.condition
    if not variable or variable in facts.one:
        name = facts.one[variable]["id"] if variable else ""
        if (point, name) not in told and (condition is None or condition.evaluate(facts.one, facts)):
            yield name
        return
    for fact in facts.many.get(variable, ()):
        if (point, fact["id"]) not in told and (
            condition is None or _attainable(condition, {**facts.one, variable: fact}, facts)
        ):
            yield fact["id"]


def _attainable(condition: Expression, bound: dict[str, Fields], facts: World) -> bool:
    """Say whether a condition holds for some choice of the facts that are not bound, and bind them."""
    free = [name for name in condition.variables if name not in bound]
    for choice in product(*[facts.many.get(name, ()) for name in free]):
        bound.update(zip(free, choice, strict=True))
        if condition.evaluate(bound, facts):
            return True
    return False
