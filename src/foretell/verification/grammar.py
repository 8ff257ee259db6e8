"""The loader of the grammar texts `claims*.grammar`: all that the writer and the parser share.

    translates LANGUAGE            variables, demands and plans are that grammar's; so are each claim's role,
                                   licence and points: only wordings follow, under the same `when` lines
    one NAME = KIND [FACT NAME]    a variable for the only fact of a kind; nothing where there are more
    any NAMES = KIND               variables for any fact of a kind
    phrase NAME                    a part of sentences, called by <NAME>, or <^NAME> with a capital letter
    claim GROUP.NAME               a sentence; `role` says which question it answers
    after GROUPS                   the sentence stands only after a sentence of one of these groups
    if CONDITION                   the licence of the whole production
    when CONDITION                 the licence of the alternatives that follow; `when always` ends it
    tells POINTS                   what the alternatives that follow make known: name or name(variable)
    WEIGHT | TEXT                  an alternative; {slot} [one|other] <phrase>
    WEIGHT REGISTER | TEXT         one for experts (log-odds, intervals) or for everyone else: expert, plain
    demand POINT in LENGTHS [if CONDITION]   what a narrative of these lengths may not leave out
    plan LENGTH                    groups in the order in which they are told; GROUP*3 up to three sentences,
                                   GROUP? in half of the narratives

`if` lines add up; a `when` or `tells` replaces the one before. A sentence stands `after` another when it
follows directly. A plan binds the writer; a text may tell in any order, and is read whatever the register.

Facts of one kind that share a text cannot be told apart and drop out; terms, checks, glossary, passages may.

Conditions: and, or, not, (...); has x, no x; count(z: ...) over all facts that z may stand for; ratio(x, y);
pair(column, entity), which is column@entity; column(x), what stands before the @. A comparison is false when
a side is unknown, divides by 0, or mixes number, text and truth. A demand holds for every choice of facts.

{x} is written by the unit of its fact, {x.low} too. [one|other] is either; {was|were: n} goes by whether n
is 1, and so does {row:agree(n)}. {list(e)} names all in the order of the evidence.

Slots: {a.text} {a.text:label} {score.low:probability} {h:about} {row:plural} {row:agree(record.n)}
{was|were: record.value} {list(e)}; {^...} begins with a capital letter. Derived from named facts, each with
the forms that are true of it: {ratio(x, y):ratio} or :roughly, {share(x, y):share}, {change(x, y):change},
{difference(x, y):unit(i)} (of two shares: percentage points), {days(x, y):duration}, {count(z: ...)}.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files

from foretell.records import Evidence
from foretell.verification.conditions import Expression, read
from foretell.verification.productions import (
    Agreement,
    Alternative,
    Call,
    Choice,
    Demand,
    Grammar,
    Licence,
    Listing,
    Literal,
    Node,
    Nodes,
    Production,
    Slot,
    Step,
)

GRAMMARS = {"en": "claims.grammar", "de": "claims_de.grammar"}
"""Language -> the file of its grammar."""
FORMS: Mapping[str, tuple[str, ...]] = {
    "ratio": ("ratio", "roughly"),
    "share": ("share",),
    "difference": ("unit", "points"),
    "change": ("change",),
    "days": ("duration",),
}
"""Function -> the forms that are true of its result: a difference is no share, and a change no ratio."""
REGISTERS = ("expert", "plain")


@cache
def grammar(language: str = "en") -> Grammar:
    """Return a grammar of the package; every caller shares it and none may change it."""
    text = files("foretell.verification").joinpath(GRAMMARS[language]).read_text(encoding="utf-8")
    return load(text, language)


def language_of(evidence: Evidence) -> str:
    """Return the language that the evidence is told in: its term `language`, else English."""
    return next((str(fact.value) for fact in evidence.of("term") if fact.name == "language"), "en")


def load(text: str, language: str = "en", known: Callable[[str], Grammar] = grammar) -> Grammar:
    """Return the grammar that a text describes.

    Args:
        known: returns the grammar of the language that a translation names.

    Raises:
        ValueError: on the first line that cannot be understood, with its number.
    """
    reader = Lines(language, known)
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            try:
                reader.line(stripped)
            except (ValueError, KeyError, IndexError) as error:
                raise ValueError(f"line {number} of the grammar, '{stripped}': {error}") from error
    return reader.finish()


class Lines:
    """The state between the lines of a grammar text: which production, licence and points hold."""

    def __init__(self, language: str, known: Callable[[str], Grammar] = grammar) -> None:
        self.grammar, self.known = Grammar(language=language), known
        self.base: dict[tuple[str, str], Production] | None = None
        self.production = Production("")
        self.licence: list[Expression] = []
        self.when = ""
        self.tells: tuple[tuple[str, str], ...] = ()
        self.plan: list[Step] = []
        self.capitals: set[str] = set()

    def line(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if self.base is not None and word in ("one", "any", "role", "after", "if", "tells", "demand", "plan"):
            raise ValueError(f"a translation leaves '{word}' to the grammar that it translates")
        match word:
            case "translates":
                self.translate(self.known(rest))
            case "one" | "any":
                names, _, kind = rest.partition("=")
                kind, _, name = kind.strip().partition(" ")
                self.declare(names.split(), (word == "one", kind, name))
            case "phrase" | "claim":
                self.begin(word, rest)
            case "role":
                self.production.role = rest
            case "after":
                self.production.after = tuple(rest.split())
            case "if":
                self.licence.append(read(rest))
            case "when":
                self.when = "" if rest == "always" else rest
            case "tells":
                self.tells = tuple(_point(part) for part in rest.split())
            case "demand":
                self.demand(rest)
            case "plan":
                self.plan = self.grammar.plans.setdefault(rest, [])
            case "tell":
                self.plan.extend(_step(part) for part in rest.split())
            case _:
                self.alternative(line)

    def declare(self, names: list[str], stands_for: tuple[bool, str, str]) -> None:
        for name in names:
            if self.grammar.variables.setdefault(name, stands_for) != stands_for:
                raise ValueError(f"'{name}' stands for something else already")

    def begin(self, word: str, name: str) -> None:
        self.production = Production(name)
        self.licence, self.when, self.tells = [], "", ()
        if word == "phrase":
            self.grammar.phrases[name] = self.production
        else:
            self.grammar.claims.append(self.production)
        if self.base is not None:
            original = self.base.get((word, name))
            if original is None:
                raise ValueError("the grammar that this one translates has no such production")
            self.production.role, self.production.after = original.role, original.after
            self.production.licences = original.licences

    def translate(self, base: Grammar) -> None:
        """Take over all but the wordings."""
        self.base = {("phrase", name): phrase for name, phrase in base.phrases.items() if name[0] != "^"}
        self.base |= {("claim", claim.name): claim for claim in base.claims}
        self.grammar.variables, self.grammar.demands = base.variables, base.demands
        self.grammar.plans = base.plans

    def licensed(self) -> Licence:
        """Return the conditions and points that hold for the alternative at hand."""
        licences = self.production.licences
        if self.base is None:
            made = ((*self.licence, *((read(self.when),) if self.when else ())), self.tells)
            if licences.setdefault(self.when, made)[1] != self.tells:
                raise ValueError("the same licence tells other points before")
        elif self.when not in licences:
            raise ValueError(f"the production that this one translates has no licence 'when {self.when}'")
        return licences[self.when]

    def alternative(self, line: str) -> None:
        weight, bar, text = line.partition(" | ")
        if not bar:
            weight, text = line.removesuffix(" |"), ""
        weight, _, register = weight.partition(" ")
        if register not in ("", *REGISTERS):
            raise ValueError(f"'{register}' is not a register: {', '.join(REGISTERS)}")
        self.production.alternatives.append(
            self.worded(float(weight), register, text, self.licensed(), self.when)
        )

    def worded(
        self, weight: float, register: str, text: str, licence: Licence, when: str = ""
    ) -> Alternative:
        """Return an alternative of the production at hand, under a licence."""
        nodes = self.nodes(text)
        conditions, tells = licence
        variables = dict.fromkeys(name for part in conditions for name in part.variables)
        variables |= dict.fromkeys(_variables(nodes))
        counted = tuple(dict.fromkeys(name for part in conditions for name in part.counted))
        stages = self.stages(tuple(variables), conditions)
        waiting = tuple(
            (part, tuple(name for name in part.variables if not self.grammar.variables[name][0]))
            for _, parts in stages[1:]
            for part in parts
        )
        return Alternative(
            weight=weight,
            nodes=nodes,
            conditions=conditions,
            tells=tells,
            register=register,
            variables=tuple(variables),
            counted=counted,
            stages=stages,
            waiting=waiting,
            when=when,
            key=f"{self.production.name} | {text}",
        )

    def stages(
        self, variables: tuple[str, ...], conditions: tuple[Expression, ...]
    ) -> tuple[tuple[str, tuple[Expression, ...]], ...]:
        """Sort conditions by the variable whose binding settles them, so that a search fails early."""
        free = [name for name in variables if not self.grammar.variables.get(name, (True,))[0]]
        order = ["", *free]
        settled: dict[str, list[Expression]] = {name: [] for name in order}
        for condition in conditions:
            last = max((order.index(name) for name in condition.variables if name in order), default=0)
            settled[order[last]].append(condition)
        return tuple((name, tuple(settled[name])) for name in order)

    def nodes(self, text: str) -> Nodes:
        found: list[Node] = []
        for part in re.findall(r"\{[^}]*\}|<[^>]*>|\[[^\]]*\]|[^{<\[]+", text):
            if part[0] == "{":
                found.append(_slot(part[1:-1], self.grammar.variables))
            elif part[0] == "<":
                found.append(Call(part[1:-1]))
                if part[1] == "^":
                    self.capitals.add(part[2:-1])
            elif part[0] == "[":
                options = tuple(self.nodes(option) for option in part[1:-1].split("|"))
                found.append(Choice(options, part[1:-1]))
            else:
                found.append(Literal(part))
        return tuple(found)

    def demand(self, text: str) -> None:
        head, _, condition = text.partition(" if ")
        point, _, lengths = head.partition(" in ")
        name, variable = _point(point)
        self.grammar.demands.append(
            Demand(name, variable, tuple(lengths.split()), read(condition) if condition else None)
        )

    def finish(self) -> Grammar:
        """Add the phrases with a capital letter, and check that every name is known and all is translated."""
        grammar = self.grammar
        worded = {
            (word, production.name, option.when)
            for word, productions in (("claim", grammar.claims), ("phrase", grammar.phrases.values()))
            for production in productions
            for option in production.alternatives
        }
        for (word, name), original in (self.base or {}).items():
            for when in original.licences:
                if (word, name, when) not in worded:
                    raise ValueError(f"{word} {name} is not translated where it says 'when {when}'")
        for name in self.capitals:
            phrase = grammar.phrases[name]
            capital = [replace(option, nodes=_capital(option.nodes)) for option in phrase.alternatives]
            grammar.phrases["^" + name] = Production("^" + name, alternatives=capital)
        for production in (*grammar.claims, *grammar.phrases.values()):
            for option in production.alternatives:
                unknown = [name for name in option.variables if name not in grammar.variables]
                called = [node.phrase for node in _calls(option.nodes)]
                unknown += [name for name in called if name not in grammar.phrases]
                if unknown:
                    raise ValueError(f"'{production.name}' uses '{unknown[0]}', which the grammar lacks")
        indexed(grammar)
        return grammar


def indexed(grammar: Grammar) -> None:
    """Write down by group which sentences there are."""
    for claim in grammar.claims:
        grammar.groups.setdefault(claim.group, []).extend((claim, option) for option in claim.alternatives)


def _point(text: str) -> tuple[str, str]:
    name, _, variable = text.strip().rstrip(")").partition("(")
    return name, variable


def _step(text: str) -> Step:
    group, _, most = text.rstrip("?").partition("*")
    return Step(group, int(most or 1), text.endswith("?"))


def _slot(text: str, variables: Mapping[str, tuple[bool, str, str]]) -> Slot | Agreement | Listing:
    capital = text.startswith("^")
    text = text.removeprefix("^")
    if "|" in text:
        words, _, number = text.partition(":")
        one, _, other = words.partition("|")
        return Agreement(one, other, read(number))
    if listed := re.fullmatch(r"list\((\w+)\)", text):
        return Listing(listed[1], capital)
    match = re.fullmatch(r"(.*?)(?::([\w-]+)(?:\(([\w.]+)\))?)?", text)
    if match is None or text.startswith("count("):
        return Slot(read(text), "count", None, capital)
    expression, form, argument = read(match[1]), match[2] or "", match[3]
    if not form:
        variable, name = expression.reference
        noun = name == "text" or (name == "value" and variables[variable][1] == "term")
        form = "phrase" if noun else "unit"
        return Slot(expression, form, read(variable + ".unit"), capital)
    function = match[1].partition("(")[0]
    if form not in FORMS.get(function, (form,)):
        raise ValueError(f"'{form}' is not true of a {function}: {', '.join(FORMS[function])}")
    if form == "about":
        return Slot(expression, form, read(expression.reference[0] + ".unit"), capital)
    if form == "unit":
        return Slot(expression, form, read(argument + ".unit"), capital)
    return Slot(expression, form, read(argument) if argument else None, capital)


def _capital(nodes: Nodes) -> Nodes:
    first, *rest = nodes
    if isinstance(first, Literal):
        return (Literal(first.text[0].upper() + first.text[1:]), *rest)
    if isinstance(first, Slot | Listing):
        return (replace(first, capital=True), *rest)
    raise ValueError("a phrase with a capital letter begins with words or a slot")


def _variables(nodes: Nodes) -> list[str]:
    names: list[str] = []
    for node in nodes:
        if isinstance(node, Slot):
            names += node.expression.variables + (node.argument.variables if node.argument else ())
        elif isinstance(node, Agreement):
            names += node.number.variables
        elif isinstance(node, Choice):
            names += [name for option in node.options for name in _variables(option)]
    return names


def _calls(nodes: Nodes) -> list[Call]:
    calls = [node for node in nodes if isinstance(node, Call)]
    for node in nodes:
        if isinstance(node, Choice):
            calls += [call for option in node.options for call in _calls(option)]
    return calls
