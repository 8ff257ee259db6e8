"""Candidates: sentences of people that no production reads, whose values are all values of facts.

A candidate becomes a wording only once a second person released it. Its licence is that of a true sentence
about the same facts: of the claim that it replaced, else of the one with the most conditions.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from foretell.narration.embedded import Telling
from foretell.narration.habits import Approved
from foretell.verification.conditions import Bound, World, world
from foretell.verification.grammar import grammar, language_of
from foretell.verification.parse import Parser, Sentence
from foretell.verification.productions import Alternative, Choice, Grammar, Nodes, Slot
from foretell.verification.reading import comparison
from foretell.verification.state import Reading
from foretell.verification.verdict import spans
from foretell.verification.wordings import Wording, fault, licence_of

MOST_BINDINGS = 100
"""Facts, or pairs of facts, that one sentence of the grammar is tried on."""
MOST_GROUNDS = 100
"""True sentences that a sentence is compared with."""
LONG = 4
"""Spaces in a name that says for certain which fact is meant."""
_STOP = re.compile(r"\w")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A sentence that a house could make its own."""

    wording: Wording
    example: str
    """The sentence as it stood in the first text that had it."""
    num_texts: int
    """Approved texts that had such a sentence."""
    conditions: tuple[str, ...]
    """What the evidence must show before it is told, as the grammar writes it."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A true sentence about an evidence: what facts it is about, and under which licences."""

    bound: Bound
    used: tuple[Alternative, ...]

    @property
    def names(self) -> set[str]:
        """The variables that the claim itself reads; others stand for facts that it is not about."""
        return {name for option in self.used for name in option.variables}

    @property
    def facts(self) -> set[str]:
        return {fact["id"] for fact in self.bound.values()}

    @property
    def licences(self) -> tuple[str, ...]:
        found = []
        for option in self.used:
            name = option.key.partition(" | ")[0]
            name = name if "." in name else f"<{name.removeprefix('^')}>"
            found.append(f"{name} | {option.when}" if option.when else name)
        return tuple(dict.fromkeys(found))


def candidates(texts: Iterable[tuple[Approved, str]], language: str = "en") -> tuple[Candidate, ...]:
    """Return the candidates of approved texts, the most frequent first.

    Args:
        texts: what people approved, each with the draft that it was before; "" where that is not known.
    """
    rules, counts = grammar(language), Counter[Wording]()
    examples: dict[Wording, str] = {}
    for approved, drafted in texts:
        if language_of(approved.evidence) == language:
            for sentence, wording in _in(rules, approved, drafted):
                counts[wording] += 1
                examples.setdefault(wording, sentence)
    return tuple(
        Candidate(
            wording=wording,
            example=examples[wording],
            num_texts=times,
            conditions=tuple(part.text for part in (licence_of(rules, wording) or ((), ()))[0]),
        )
        for wording, times in counts.most_common()
    )


def _in(rules: Grammar, approved: Approved, drafted: str) -> Iterator[tuple[str, Wording]]:
    """Yield each sentence of one text that no production reads, with the wording that it could become."""
    facts = world(rules.variables, approved.evidence)
    parser = Parser(rules, facts, approved.text)
    read = [*spans(parser, approved.text)]
    told = {point for span in read if isinstance(span, Sentence) for point in span.tells}
    unread = [approved.text[span.start : span.end] for span in read if not isinstance(span, Sentence)]
    if not unread:
        return
    gone = [
        Ground(span.bound, tuple(pick for pick in span.picks if isinstance(pick, Alternative)))
        for span in spans(Parser(rules, facts, drafted), drafted)
        if isinstance(span, Sentence) and not span.fault and not span.tells <= told
    ]
    grounds = [*_grounds(rules, facts)]
    for sentence in unread:
        yield from ((sentence, wording) for wording in _wording(rules, facts, sentence, gone, grounds))


def _grounds(rules: Grammar, facts: World) -> Iterator[Ground]:
    """Yield what is true of an evidence, the strictest licences first."""
    telling = Telling(rules, facts, "", "expert")
    found = []
    for production in rules.claims:
        for option in production.alternatives:
            for bound in islice(option.bindings(facts.one, facts), MOST_BINDINGS):
                draft = next(telling.render(option.nodes, 0, ("", bound, (option,))), None)
                if draft is not None:
                    found.append(Ground(draft[1], draft[2]))
    yield from sorted(found, key=lambda ground: -sum(len(part.conditions) for part in ground.used))


def _wording(
    rules: Grammar, facts: World, sentence: str, gone: list[Ground], grounds: list[Ground]
) -> Iterator[Wording]:
    """Yield the wording of a sentence, by the licence of what it replaced or else the strictest; or none."""
    language = rules.language
    named, alignment = _named(facts, sentence), Alignment(rules, facts, sentence)
    for instead, several in ((True, gone), (False, grounds)):
        about = (ground for ground in several if named <= ground.facts)
        for ground in islice(about, MOST_GROUNDS):
            text = alignment.text(ground)
            if text and not fault(text, language):
                yield Wording(text=text, licences=ground.licences, instead=instead)
                return


def _named(facts: World, sentence: str) -> set[str]:
    """Return the facts whose long names stand in a sentence: what it is about has to be about them."""
    texts = {str(fact["text"]): fact["id"] for several in facts.many.values() for fact in several}
    left, found = sentence.casefold(), set()
    for text in sorted(texts, key=len, reverse=True):
        if text.count(" ") >= LONG and text.casefold() in left:
            left = left.replace(text.casefold(), "")
            found.add(texts[text])
    return found


class Alignment:
    """One sentence against one evidence: which stretch of it is which value."""

    def __init__(self, rules: Grammar, facts: World, sentence: str) -> None:
        self.reading, self.sentence = Reading(rules.language, facts, sentence), sentence
        self.telling, self.slots = Telling(rules, facts, "", "expert"), _slots(rules)
        self.terms = {name for name, (_, kind, _) in rules.variables.items() if kind == "term"}

    def text(self, ground: Ground) -> str:
        """Return the sentence with slots for values of the facts that a claim is about.

        Empty when it names no such fact, or when a value could be of several.
        """
        if any(mark in self.sentence for mark in "{}[]<>|"):
            return ""  # what means a slot to the grammar is none in a person's text
        known = ground.names | self.terms
        slots = [slot for slot in self.slots if {*slot.expression.variables} <= known & ground.bound.keys()]
        made, pos, about = [], 0, set[str]()
        while pos < len(self.sentence):
            begins = _STOP.match(self.sentence[pos]) and not (pos and _STOP.match(self.sentence[pos - 1]))
            slot, end = self.value(pos, slots, ground.bound) if begins else (None, pos)
            if end < 0:
                return ""
            if slot is None:
                made.append(self.sentence[pos])
                pos += 1
            else:
                made.append(_written(slot, capital=not pos and self.sentence[pos].isupper()))
                about |= {*slot.expression.variables} - self.terms
                pos = end
        return "".join(made) if about else ""

    def value(self, pos: int, slots: list[Slot], bound: Bound) -> tuple[Slot | None, int]:
        """Return the slot whose value stands at `pos` and where that ends; -1 where it could be several."""
        found: dict[int, list[Slot]] = {}
        for slot in slots:
            truth = slot.expression.evaluate(bound, self.reading.world)
            if truth is None:
                continue
            shown = replace(slot, capital=True) if not pos and slot.form == "phrase" else slot
            fact = bound.get(slot.expression.reference[0], {})
            end, wrong = comparison(shown)(self.reading, pos, truth, fact, bound)
            if end > pos and not wrong and not _STOP.match(self.sentence[end : end + 1]):
                found.setdefault(end, []).append(slot)
        if not found:
            return None, pos
        end = max(found)
        span = self.sentence[pos:end].casefold()
        exact = [slot for slot in found[end] if self.telling.written(slot, bound).casefold() == span]
        likely = exact or found[end]
        return (likely[0], end) if len({slot.expression.text for slot in likely}) == 1 else (None, -1)


def _written(slot: Slot, *, capital: bool) -> str:
    """Return a slot as the grammar writes it."""
    text, variable = slot.expression.text, slot.expression.reference[0]
    unit = slot.argument.text if slot.argument else ""
    ahead = "^" if capital and slot.form == "phrase" else ""
    own = slot.form == "unit" and unit == f"{variable}.unit"
    if own or slot.form == "phrase" or text.startswith("count("):
        return f"{{{ahead}{text}}}"
    argument = {"unit": f"({unit.removesuffix('.unit')})", "agree": f"({unit})"}.get(slot.form, "")
    return f"{{{text}:{slot.form}{argument}}}"


def _slots(rules: Grammar) -> tuple[Slot, ...]:
    """Return every slot that the grammar has, each once; no quotation, since that may say anything."""
    found: dict[tuple[str, str], Slot] = {}
    for production in (*rules.claims, *rules.phrases.values()):
        for option in production.alternatives:
            for slot in _inside(option.nodes):
                if slot.form not in ("text", "label", "about", "roughly") and not slot.capital:
                    found.setdefault((slot.expression.text, slot.form), slot)
    return tuple(found.values())


def _inside(nodes: Nodes) -> Iterator[Slot]:
    for node in nodes:
        if isinstance(node, Slot):
            yield node
        elif isinstance(node, Choice):
            for option in node.options:
                yield from _inside(option)
