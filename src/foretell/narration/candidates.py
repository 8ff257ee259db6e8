"""Candidates: sentences of people that no production reads, whose values are all values of facts.

A candidate becomes a wording only once a second person released it. Its licence is that of a true sentence
about the same facts: of the claim that it replaced, else of the one with the most conditions.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

from foretell.narration.embedded import Telling
from foretell.narration.habits import Approved
from foretell.verification.conditions import Bound, World, world
from foretell.verification.grammar import grammar, language_of
from foretell.verification.languages import LANGUAGES
from foretell.verification.parse import Parser, Sentence
from foretell.verification.productions import Agreement, Alternative, Choice, Grammar, Nodes, Slot
from foretell.verification.reading import UNHEDGED_FIELDS, UNHEDGED_KINDS, comparison
from foretell.verification.state import Reading
from foretell.verification.verdict import spans
from foretell.verification.wordings import Wording, extended, fault, licence_of

MOST_BINDINGS = 100
"""Facts, or pairs of facts, that one sentence of the grammar is tried on."""
MOST_GROUNDS = 100
"""True sentences that a sentence is compared with."""
LONG = 4
"""Spaces in a name that says for certain which fact is meant."""
_STOP = re.compile(r"\w")
UNSAID = ("text", "about", "roughly")
"""Forms of slots that no sentence of people's is read as: quotations, and words that several numbers have."""


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
    def licences(self) -> Iterator[tuple[str, ...]]:
        """The licences that hold, the strictest first: with and without its phrases' and its `when`."""
        found = []
        for option in self.used:
            name = option.key.partition(" | ")[0]
            name = name if "." in name else f"<{name.removeprefix('^')}>"
            found.append(f"{name} | {option.when}" if option.when else name)
        claim = found[0].partition(" | ")[0]
        yield from dict.fromkeys((tuple(dict.fromkeys(found)), (found[0],), (claim,)))


def candidates(texts: Iterable[tuple[Approved, str]], language: str = "en") -> tuple[Candidate, ...]:
    """Return the candidates of approved texts, the most frequent first.

    Of the licences that a sentence could have, it gets the one by which it would have been told where people
    told it, and not where they did not.

    Args:
        texts: what people approved, each with the draft that it was before; "" where that is not known.
    """
    rules = grammar(language)
    edits = [Edit(rules, *text) for text in texts if language_of(text[0].evidence) == language]
    places: dict[Wording, set[tuple[int, str]]] = {}
    for number, edit in enumerate(edits):
        for sentence in edit.unread:
            for wording in edit.wordings(sentence):
                places.setdefault(wording, set()).add((number, sentence))
    for (
        wording,
        held,
    ) in places.items():  # a sentence whose values could be several facts' is known by another
        held |= {(at, said) for at, edit in enumerate(edits) if (said := edit.said(wording)) in edit.unread}
    found, left = [], {place for held in places.values() for place in held}
    while left:
        alike: dict[str, set[tuple[int, str]]] = {}
        for wording, held in places.items():
            alike.setdefault(wording.text, set()).update(held & left)
        best = max(places, key=lambda wording: _merit(rules, wording, alike[wording.text], edits))
        told = sorted(alike[best.text])
        places = {wording: held for wording, held in places.items() if wording.text != best.text}
        if told:
            left -= {*told}
            conditions = tuple(part.text for part in (licence_of(rules, best) or ((), ()))[0])
            example, num_texts = told[0][1], len({number for number, _ in told})
            found.append(Candidate(wording=best, example=example, num_texts=num_texts, conditions=conditions))
    return tuple(sorted(found, key=lambda candidate: -candidate.num_texts))


def unsayable(texts: Iterable[tuple[Approved, str]], language: str = "en") -> dict[str, str]:
    """Return each sentence of approved texts that can never be a house's own, with the reason."""
    rules = grammar(language)
    found: dict[str, str] = {}
    for edit in (Edit(rules, *text) for text in texts if language_of(text[0].evidence) == language):
        for sentence in edit.unread:
            if next(edit.wordings(sentence), None) is None:
                found[sentence] = edit.hindrance(sentence)
    return found


def _merit(
    rules: Grammar, wording: Wording, places: set[tuple[int, str]], edits: list["Edit"]
) -> tuple[float, int, str]:
    """Return how well a wording would have told these sentences, then how strict and which one it is.

    The first is the harmonic mean of the share of them that it would have told, and of the share of what it
    would have told that people told too (van Rijsbergen's F); drafts that nobody edited say nothing of it.
    """
    said = {(number, text) for number, edit in enumerate(edits) if (text := edit.said(wording))}
    counted = {(number, text) for number, text in said if edits[number].by_hand}
    strict = len((licence_of(rules, wording) or ((), ()))[0])
    return 2 * len(said & places) / (len(counted | (said & places)) + len(places) or 1), strict, wording.text


class Edit:
    """One approved text: the sentences in it that no production reads, and what could have been told."""

    def __init__(self, rules: Grammar, approved: Approved, drafted: str) -> None:
        self.rules, self.facts = rules, world(rules.variables, approved.evidence)
        self.by_hand = approved.text != drafted
        text = approved.text
        read = [*spans(Parser(rules, self.facts, text), text)]
        told = {point for span in read if isinstance(span, Sentence) for point in span.tells}
        self.unread = [text[span.start : span.end] for span in read if not isinstance(span, Sentence)]
        self.gone = [
            Ground(span.bound, tuple(pick for pick in span.picks if isinstance(pick, Alternative)))
            for span in spans(Parser(rules, self.facts, drafted), drafted)
            if isinstance(span, Sentence) and not span.fault and not span.tells <= told
        ]
        self.grounds = [*_grounds(rules, self.facts)] if self.unread else []
        self.saying: dict[Wording, str] = {}

    def wordings(self, sentence: str) -> Iterator[Wording]:
        """Yield what a sentence could become, by the licences of what it replaced or else by any; or none."""
        named, alignment = _named(self.facts, sentence), Alignment(self.rules, self.facts, sentence)
        for instead, several in ((True, self.gone), (False, self.grounds)):
            found = set()
            for ground in islice((each for each in several if named <= each.facts), MOST_GROUNDS):
                for text in alignment.texts(ground):
                    for licences in ground.licences:
                        wording = Wording(text=text, licences=licences, instead=instead)
                        if wording not in found and not fault(wording, self.rules.language):
                            found.add(wording)
            yield from found
            if found:
                return

    def hindrance(self, sentence: str) -> str:
        """Return why a sentence can become no wording."""
        alignment = Alignment(self.rules, self.facts, sentence)
        for ground in islice(self.grounds, MOST_GROUNDS):
            for text in alignment.texts(ground):
                licences = next(iter(ground.licences))
                return fault(Wording(text=text, licences=licences), self.rules.language)
        return "it holds no value of a fact, or one that could be of several"

    def said(self, wording: Wording) -> str:
        """Return how a wording tells this evidence first; empty where it may not."""
        if wording not in self.saying:
            telling = Telling(self.rules, self.facts, "", "expert")
            ((_, option),) = extended(self.rules.language, (wording,)).groups[wording.name]
            several = option.bindings(self.facts.one, self.facts)
            drafts = (next(telling.render(option.nodes, 0, ("", each, ())), None) for each in several)
            self.saying[wording] = next((draft[0] for draft in drafts if draft), "")
        return self.saying[wording]


def _grounds(rules: Grammar, facts: World) -> Iterator[Ground]:
    """Yield what is true of an evidence: first what may stand anywhere, then the strictest licences first."""
    telling = Telling(rules, facts, "", "expert")
    found = []
    for production in rules.claims:
        for option in production.alternatives:
            for bound in islice(option.bindings(facts.one, facts), MOST_BINDINGS):
                draft = next(telling.render(option.nodes, 0, ("", bound, (option,))), None)
                if draft is not None:
                    found.append(Ground(draft[1], draft[2]))
    bound = {claim.name for claim in rules.claims if claim.after}
    yield from sorted(
        found,
        key=lambda ground: (
            ground.used[0].key.partition(" | ")[0] in bound,
            -sum(len(part.conditions) for part in ground.used),
        ),
    )


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
        self.rules, self.slots = rules, _slots(rules)
        self.telling = Telling(rules, facts, "", "expert")
        self.known: dict[tuple, int] = {}
        self.quote = LANGUAGES[rules.language].quotes[0]
        self.terms = {name for name, (_, kind, _) in rules.variables.items() if kind == "term"}

    def texts(self, ground: Ground) -> Iterator[str]:
        """Yield the sentence with slots for the values of a claim, and then of all facts that it is about.

        None when it names no such fact, or when a value could be of several.
        """
        if any(mark in self.sentence for mark in "{}[]<>|"):
            return  # what means a slot to the grammar is none in a person's text
        known = ground.names | self.terms
        own = _said_under(self.rules, next(iter(ground.licences)))
        slots = [slot for slot in self.slots if {*slot.expression.variables} <= known & ground.bound.keys()]
        agreeing = {
            self.telling.written(node, ground.bound): f"{{{node.one}|{node.other}: {node.number.text}}}"
            for node in own
            if isinstance(node, Agreement)
        }
        agreeing = {word: agreeing[word] for word in sorted(agreeing, key=len, reverse=True)}
        found = (
            self.text(ground, several, agreeing)
            for several in ([slot for slot in slots if _written(slot, capital=False) in own.values()], slots)
        )
        yield from dict.fromkeys(text for text in found if text)

    def text(self, ground: Ground, slots: list[Slot], agreeing: Mapping[str, str]) -> str:
        """Return the sentence with these slots in place of their values; empty as for `texts`."""
        made, pos, about = [], 0, set[str]()
        while pos < len(self.sentence):
            word = _STOP.match(self.sentence[pos]) and not (pos and _STOP.match(self.sentence[pos - 1]))
            begins = word or self.sentence[pos] == self.quote
            slot, end = self.value(pos, slots, ground.bound) if begins else (None, pos)
            agreed = next((word for word in agreeing if begins and self.stands(word, pos)), "")
            if end < 0:
                return ""
            if slot is None and agreed:
                made.append(agreeing[agreed])
                pos += len(agreed)
            elif slot is None:
                made.append(self.sentence[pos])
                pos += 1
            else:
                made.append(_written(slot, capital=not pos and self.sentence[pos].isupper()))
                about |= {*slot.expression.variables} - self.terms
                pos = end
        return "".join(made) if about else ""

    def stands(self, word: str, pos: int) -> bool:
        """Return whether a word stands at `pos` and ends there."""
        end = pos + len(word)
        return self.sentence[pos:end] == word and not _STOP.match(self.sentence[end : end + 1])

    def value(self, pos: int, slots: list[Slot], bound: Bound) -> tuple[Slot | None, int]:
        """Return the slot whose value stands at `pos` and where that ends; -1 where it could be several."""
        found: dict[int, list[Slot]] = {}
        for slot in slots:
            if end := self.ending(pos, slot, bound):
                found.setdefault(end, []).append(slot)
        if not found:
            return None, pos
        end = max(found)
        span = self.sentence[pos:end].casefold()
        exact = [slot for slot in found[end] if self.telling.written(slot, bound).casefold() == span]
        likely = exact or found[end]
        return (likely[0], end) if len({slot.expression.text for slot in likely}) == 1 else (None, -1)

    def ending(self, pos: int, slot: Slot, bound: Bound) -> int:
        """Return where the value of a slot ends that stands at `pos`; 0 where it does not."""
        names = (*slot.expression.variables, *(slot.argument.variables if slot.argument else ()))
        key = (pos, id(slot), *(bound[name]["id"] if name in bound else "" for name in names))
        if key not in self.known:
            truth = slot.expression.evaluate(bound, self.reading.world)
            end, wrong = 0, ""
            if truth is not None and not self.widened(pos, slot):
                shown = replace(slot, capital=True) if not pos and slot.form == "phrase" else slot
                fact = bound.get(slot.expression.reference[0], {})
                end, wrong = comparison(shown)(self.reading, pos, truth, fact, bound)
            whole = end > pos and not wrong and not _STOP.match(self.sentence[end : end + 1])
            self.known[key] = end if whole else 0
        return self.known[key]

    def widened(self, pos: int, slot: Slot) -> bool:
        """Return whether a hedge stands at `pos` that may not stand before such a value."""
        variable, field = slot.expression.reference
        kind = self.rules.variables[variable][1] if variable else ""
        plain = field in UNHEDGED_FIELDS or (kind in UNHEDGED_KINDS and field != "text")
        return plain and self.reading.readers.hedged(self.sentence, pos)


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


@lru_cache(10)
def _slots(rules: Grammar) -> tuple[Slot, ...]:
    """Return every slot that the grammar has, each once; no quotation, since that may say anything."""
    found: dict[str, Slot] = {}
    for production in (*rules.claims, *rules.phrases.values()):
        for option in production.alternatives:
            for node in _inside(option.nodes):
                if isinstance(node, Slot) and node.form not in UNSAID and not node.capital:
                    found.setdefault(_written(node, capital=False), node)
    return tuple(found.values())


@lru_cache(1000)
def _said_under(rules: Grammar, licences: tuple[str, ...]) -> Mapping[Slot | Agreement, str]:
    """Return the slots and the words that follow a number in all sentences of these licences."""
    split = {(name.strip("<>"), when) for name, _, when in (licence.partition(" | ") for licence in licences)}
    several = (*rules.claims, *rules.phrases.values())
    return {
        node: _written(node, capital=False) if isinstance(node, Slot) else ""
        for production in several
        for option in production.alternatives
        if (production.name, option.when) in split
        for node in _inside(option.nodes)
    }


def _inside(nodes: Nodes) -> Iterator[Slot | Agreement]:
    for node in nodes:
        if isinstance(node, Slot | Agreement):
            yield node
        elif isinstance(node, Choice):
            for option in node.options:
                yield from _inside(option)
