"""References: slots of the claim grammar with the ids of facts for variables, as another model writes them.

    {f3} {f3.text} {^f3.text} {f3.low:share} {ratio(f3.value, f7.value):ratio} {list(e)}

A model names a value and code of ours writes it, so that no digit and no name comes from the model.
"""

import re
from collections.abc import Iterator

from foretell.narration.embedded import Telling
from foretell.records import Evidence
from foretell.spec import NarrateSpec
from foretell.verification.conditions import Bound, Expression, fields, world
from foretell.verification.grammar import _slot as slot_of
from foretell.verification.productions import Agreement, Listing, Literal, Slot
from foretell.verification.wordings import grammar_of

REFERENCE = re.compile(r"\{([^{}]*)\}")
LONGEST_REFERENCE = 200
_ID = re.compile(r"(?<![\w.])f[0-9]+\b")
_LETTERS = str.maketrans("0123456789", "abcdefghij")


class Referring(Telling):
    """A narrative in the making that names its values instead of writing them."""

    def written(self, node: Literal | Slot | Agreement | Listing, bound: Bound) -> str:
        text = super().written(node, bound)
        if not text or isinstance(node, Literal | Agreement):
            return text
        mark = "^" if node.capital else ""
        if isinstance(node, Listing):
            return f"{{{mark}list({node.variable})}}"
        return f"{{{mark}{_named(node.expression, bound)}{self.form(node, bound)}}}"

    def form(self, node: Slot, bound: Bound) -> str:
        """Return the form as a slot states it: nothing where it follows from the fact."""
        variable, field = node.expression.reference
        noun = node.form == "phrase" and field in ("text", "value")
        own = node.argument is not None and node.argument.reference == (variable, "unit")
        if noun or (node.form == "unit" and own) or _counts(node.expression.text):
            return ""
        if node.form == "about" or node.argument is None:
            return f":{node.form}"
        return f":{node.form}({_named(node.argument, bound).removesuffix('.unit')})"


class Filler:
    """Fills the references of texts about one evidence."""

    def __init__(self, evidence: Evidence, spec: NarrateSpec) -> None:
        rules = grammar_of(evidence)
        facts = world(rules.variables, evidence)
        self._telling = Telling(rules, facts, "", spec.register)
        self._bound = facts.one | {_alias(fact.id): fields(fact) for fact in evidence.facts}
        self._variables = rules.variables | {
            _alias(fact.id): (True, fact.kind, fact.name) for fact in evidence.facts
        }
        self._ids = {fact.id for fact in evidence.facts}

    def fill(self, text: str) -> tuple[str, tuple[str, ...]]:
        """Return a text with the values of its references, and the facts that these name.

        Raises:
            ValueError: when a reference stands for nothing that can be written.
        """
        cited = dict.fromkeys(name for found in REFERENCE.findall(text) for name in _ID.findall(found))
        return REFERENCE.sub(lambda found: self._written(found[1]), text), tuple(cited)

    def _written(self, reference: str) -> str:
        if len(reference) > LONGEST_REFERENCE or reference.count("count(") > 1:
            raise ValueError(f"{{{reference[:40]}...}} is too long for a reference")
        for name in _ID.findall(reference):
            if name not in self._ids:
                raise ValueError(f"{{{reference}}}: there is no fact {name}")
        try:
            node = slot_of(_ID.sub(lambda found: _alias(found[0]), reference), self._variables)
            text = self._telling.written(node, self._bound)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError) as error:
            raise ValueError(f"{{{reference}}} is no reference that can be written") from error
        if not text:
            raise ValueError(f"{{{reference}}} has no value")
        return text


def _named(expression: Expression, bound: Bound) -> str:
    """Return an expression's text with the ids of facts for its variables."""
    text = expression.text
    for name in expression.variables:
        text = re.sub(rf"(?<![\w.]){name}(?![\w(])", bound[name]["id"], text)
    return text


def _counts(text: str) -> bool:
    return text.startswith("count(")


def _alias(name: str) -> str:
    """Return a fact's id as the grammar's variables are spelled: in small letters alone."""
    return f"fact_{name[1:].translate(_LETTERS)}" if _ID.fullmatch(name) else name


def offers(
    evidence: Evidence, spec: NarrateSpec, seed: str, times: int
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return true sentences by group of the plan, with the facts they cite: those of `times` narratives."""
    rules = grammar_of(evidence)
    facts = world(rules.variables, evidence)
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    steps = [step.shares for step in rules.plans[spec.length]]
    for time in range(times):
        for claim in Referring(rules, facts, f"{seed}/{time}", spec.register).tell(steps):
            found.setdefault(claim.production.partition(".")[0], {})[claim.text] = claim.cites
    return found


def parts(text: str) -> Iterator[str]:
    """Yield the stretches of a text that lie outside its references."""
    yield from REFERENCE.split(text)[::2]
