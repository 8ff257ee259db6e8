"""The owner's rules for texts, whoever wrote them: what must stand in one, what must not, how long, how hard.

Rules come with the evidence, as facts of kind `rule`: so a text that once passed passes again, anywhere, and
no writer and no person's edit comes round them. `foretell.spec.RuleSpec` says what each kind of rule asks.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from foretell import units
from foretell.patterns import compiled, search
from foretell.records import REFUSED, WARNED, Evidence, Fact, Finding, Value
from foretell.verification.folding import Folded, folded
from foretell.verification.readability import grade, words

Span = tuple[int, int]
Findings = Iterator[Finding]
Broken = tuple[int, int, str]
"""A stretch of the text, and what is wrong with it."""
HOLDERS = frozenset(("term", "entity", "instant", "input", "counterfactual", "recourse"))
"""Kinds whose facts hold a column's own value."""
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_PHONE = re.compile(r"(?<![\w.,+-])(?:\+|0)(?:[ ()/-]{0,3}\d){7,15}(?![\w-])")
_IBAN = re.compile(r"(?<![a-z0-9])[a-z]{2}\d{2}(?: ?[a-z0-9]){11,30}")
_CARD = re.compile(r"(?<![\w.,-])[2-6](?:[ -]?\d){12,18}(?![\w-])")
_BORDER = re.compile(r"(?<=[a-z0-9])(?![a-z0-9])")


def tellable(evidence: Evidence, length: str) -> Evidence:
    """Return the evidence without what no text of this length may say, or need: personal values, notices."""
    if not evidence.of("rule"):
        return evidence
    rules = list(_due(evidence, length))
    hidden = {rule.value for rule in rules if rule.name == "column" and _status(rule) == REFUSED}
    notices = {rule.id for rule in rules if rule.name == "disclosure"}
    return replace(evidence, facts=tuple(
        fact for fact in evidence.facts
        if not (fact.kind in HOLDERS and fact.name in hidden)
        and not (fact.kind == "rule" and fact.name == "disclosure" and fact.id not in notices)
    ))  # fmt: skip


def refuses(sentence: str, evidence: Evidence, length: str) -> bool:
    """Tell whether one sentence breaks a rule about words, so that a writer had better find another one."""
    return any(
        _status(rule) == REFUSED and any(True for _ in _WORDED[rule.name](rule, folded(sentence), evidence))
        for rule in _due(evidence, length)
        if rule.name in _WORDED
    )


def broken(text: str, length: str, evidence: Evidence, sentences: Sequence[Span], language: str) -> Findings:
    """Return what breaks a rule, in the order of the rules.

    Args:
        sentences: where each of the text's sentences stands.
    """
    for rule in _due(evidence, length):
        if rule.name == "personal" and rule.value not in _PERSONAL:
            faults = [(len(text), len(text), f"'{rule.value}' is nothing personal that is known here")]
        elif rule.name in _WORDED:
            faults = _WORDED[rule.name](rule, folded(text), evidence)
        elif rule.name in _MEASURED:
            value, called = _MEASURED[rule.name](text, sentences, language)
            exceeds = value > _number(rule.value)
            fault = f"{called.format(value)}; at most {_number(rule.value):g} are allowed"
            faults = [(len(text), len(text), fault)] if exceeds else []
        elif rule.name == "disclosure":
            missing = not any(folded(text).find(folded(str(rule.value)).text))
            faults = [(len(text), len(text), f"the text must say “{rule.value}”")] if missing else []
        else:
            faults = [(len(text), len(text), f"'{rule.name}' is no kind of rule that is known here")]
        for start, end, fault in faults:
            told = f"rule '{rule.text}': {fault}"
            yield Finding(start=start, end=end, status=_status(rule), facts=(rule.id,), fault=told)


def _status(rule: Fact) -> str:
    return WARNED if rule.detail.get("severity") == "warn" else REFUSED


def _due(evidence: Evidence, length: str) -> Iterator[Fact]:
    """Yield the rules that hold for a text of this length about this score."""
    rules = evidence.of("rule")
    if not rules:
        return
    score, threshold = (next(iter(evidence.of(kind)), None) for kind in ("score", "threshold"))
    value = score.value if score is not None and isinstance(score.value, float | int) else None
    limit = threshold.value if threshold is not None else None
    outcome = "alert"
    if score is not None and score.detail.get("abstained"):
        outcome = "abstained"
    elif value is not None and isinstance(limit, float | int) and value < limit:
        outcome = "below"
    for rule in rules:
        detail = rule.detail
        low, high = detail.get("score_from", 0.0), detail.get("score_until", 1.0)
        if (
            str(detail.get("when", "")) in ("", outcome)
            and length in (str(detail.get("lengths", "")).split() or [length])
            and (value is None or (_number(low) <= value <= _number(high)))
        ):
            yield rule


def _number(value: Value) -> float:
    return float(value) if isinstance(value, float | int) else 0.0


def _forbidden(rule: Fact, text: Folded, evidence: Evidence) -> Iterator[Broken]:
    for start, end in text.find(folded(str(rule.value)).text):
        yield start, end, f"'{rule.value}' may not be said"


def _pattern(rule: Fact, text: Folded, evidence: Evidence) -> Iterator[Broken]:
    for start, end in search(compiled(str(rule.value)), text.text):
        yield *text.span(start, end), "this has a form that may not be told"


def _personal(rule: Fact, text: Folded, evidence: Evidence) -> Iterator[Broken]:
    finder, called = _PERSONAL.get(str(rule.value), _NOTHING)
    for start, end in finder(text.text):
        yield *text.span(start, end), f"{called} may not be told"


def _column(rule: Fact, text: Folded, evidence: Evidence) -> Iterator[Broken]:
    for fact in evidence.facts:
        if fact.kind in HOLDERS and fact.name == rule.value and fact.value is not None:
            supposed = fact.kind in ("counterfactual", "recourse")
            held = fact.detail.get("was", fact.value) if supposed else fact.value
            for form in dict.fromkeys((str(held), units.write(held, fact.unit))):
                for start, end in text.find(folded(form).text):
                    yield start, end, f"the value of '{rule.value}' may not be told"


def _emails(text: str) -> Iterator[Span]:
    return (match.span() for match in _EMAIL.finditer(text))


def _phones(text: str) -> Iterator[Span]:
    """Yield numbers with + or 00 in front, or with 0 and in groups: plain digits may be a name."""
    for match in _PHONE.finditer(text):
        if match[0].startswith(("+", "00")) or not match[0].isdigit():
            yield match.span()


def _ibans(text: str) -> Iterator[Span]:
    """Yield account numbers whose check digits are right (ISO 13616); what follows as words is left out."""
    for match in _IBAN.finditer(text):
        for border in reversed([found.end() for found in _BORDER.finditer(match[0])] or [len(match[0])]):
            number = match[0][:border].replace(" ", "")
            moved = number[4:] + number[:4]
            if 15 <= len(number) <= 34 and int("".join(str(int(mark, 36)) for mark in moved)) % 97 == 1:
                yield match.start(), match.start() + border
                break


def _cards(text: str) -> Iterator[Span]:
    """Yield card numbers whose check digit is right (ISO/IEC 7812, Luhn)."""
    for match in _CARD.finditer(text):
        digits = [int(mark) for mark in match[0] if mark.isdigit()]
        doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
        if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0:
            yield match.span()


_PERSONAL: Mapping[str, tuple[Callable[[str], Iterator[Span]], str]] = {
    "email": (_emails, "an e-mail address"),
    "phone": (_phones, "a telephone number"),
    "iban": (_ibans, "a bank account number"),
    "card": (_cards, "a card number"),
}
_NOTHING: tuple[Callable[[str], Iterator[Span]], str] = (lambda text: iter(()), "")
_WORDED: Mapping[str, Callable[[Fact, Folded, Evidence], Iterator[Broken]]] = {
    "forbidden": _forbidden,
    "pattern": _pattern,
    "personal": _personal,
    "column": _column,
}
_MEASURED: Mapping[str, Callable[[str, Sequence[Span], str], tuple[float, str]]] = {
    "words": lambda text, sentences, language: (len(words(text)), "the text has {:g} words"),
    "sentences": lambda text, sentences, language: (len(sentences), "the text has {:g} sentences"),
    "reading": lambda text, sentences, language: (
        grade(text, len(sentences), language),
        "the text reads like one for school year {:.1f}",
    ),
}
