"""Texts by a template of the owner's: one a row of a table, each read by the verifier like any narrative.

A template is a claim grammar (see `verification/grammar.py`) whose variables are the columns of the table, so
that it holds little more than sentences and the conditions under which they are true of a row:

    claim greeting.name
      2 | Dear {name},
      1 | Good day, {name},
    claim offer.cheaper
      if price < old_price
      1 | your {plan} costs {price} from now on, {difference(old_price.value, price.value):unit(price)} less.

A sentence without conditions stands in every text; groups come in the order in which they stand.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from foretell.errors import SpecError
from foretell.narration.embedded import Telling
from foretell.records import OWN, Evidence, Fact, Narrative, Value, Verdict
from foretell.verification.conditions import world
from foretell.verification.grammar import load
from foretell.verification.productions import Grammar
from foretell.verification.verdict import verify

LENGTH = "text"
"""The one plan that a template has."""
_NAME = re.compile(r"[a-z_]+")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Template:
    """A template, compiled for the columns of a table."""

    rules: Grammar
    facts: tuple[Fact, ...]
    """Of each column that can be named: the fact that a row's value is put into."""
    language: str

    def texts(
        self, rows: Iterable[Mapping[str, Value]], *, seed: int = 0
    ) -> Iterator[tuple[Narrative, Verdict]]:
        """Yield the text of each row and the verdict on it; where a value is missing it may not pass."""
        steps = [step.shares for step in self.rules.plans[LENGTH]]
        for number, row in enumerate(rows):
            evidence = self.evidence(row, str(number))
            telling = Telling(self.rules, world(self.rules.variables, evidence), f"{seed}/{number}", "")
            narrative = Narrative(claims=tuple(telling.tell(steps)), writer=OWN, length=LENGTH, seed=seed)
            yield narrative, verify(narrative, evidence, self.rules)

    def evidence(self, row: Mapping[str, Value], row_id: str) -> Evidence:
        """Return what may be said of a row: its known values."""
        held = [replace(fact, value=row[fact.name]) for fact in self.facts if row.get(fact.name) is not None]
        if self.language != "en":
            held.append(Fact(id="l", kind="term", name="language", text="language", value=self.language))
        return Evidence(id=row_id, facts=tuple(held))


def opened(text: str, columns: Mapping[str, str | None], language: str = "en") -> Template:
    """Return a template.

    Args:
        text: the claims, as above.
        columns: name -> the unit of a number ("" for none), None of a text. Names that are not lower-case
            letters and `_` alone cannot be used in a template.

    Raises:
        SpecError: when it cannot be understood: the line, or the column that is not there.
    """
    usable = {name: unit for name, unit in columns.items() if _NAME.fullmatch(name) and name != "language"}
    declared = [f"one {name} = {'term' if unit is None else 'input'} {name}" for name, unit in usable.items()]
    lines, order, always = [], dict[str, None](), dict[str, None]()
    blocks = re.split(r"(?m)^(?=claim )", text)
    for block in blocks[1:]:
        head, _, rest = block.partition("\n")
        group = head.removeprefix("claim ").partition(".")[0].strip()
        order[group] = None
        if not re.search(r"(?m)^\s*(if|when) ", rest):
            always[group] = None
        lines += [head, f"tells {group}", rest]
    demands = [f"demand {group} in {LENGTH}" for group in always]
    whole = [*declared, *blocks[:1], *lines, *demands, f"plan {LENGTH}", f"tell {' '.join(order)}"]
    try:
        rules = load("\n".join(whole), language)
    except (ValueError, KeyError) as error:
        known = ", ".join(usable) or "none"
        raise SpecError(f"the template cannot be understood: {error}", f"its columns are: {known}") from error
    facts = (
        Fact(
            id=f"f{place}",
            kind="term" if unit is None else "input",
            name=name,
            text=name,
            value=None,
            unit=unit or "",
        )
        for place, (name, unit) in enumerate(usable.items(), start=1)
    )
    return Template(rules=rules, facts=tuple(facts), language=language)
