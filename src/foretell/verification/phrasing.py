"""What a sentence of a house's own may say, since its words are asserted each time that it is told.

Words are admitted, never refused: no list of bad words is ever complete. A sentence either puts values side
by side, each under its own name, or says what a sentence of its licence says, with other words for the same.
Before that may stand a frame that says nothing of the case: "For our files:".
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from foretell.verification.lexicon import LEXICONS, Lexicon
from foretell.verification.productions import Agreement, Call, Choice, Grammar, Literal, Nodes, Slot

Said = tuple[str, ...]
"""A sentence as small words, marks and slots."""
NAMED = ("input", "history", "score", "threshold", "instant")
"""Kinds of facts whose value may stand under the fact's name: of others it says something else."""
_WORD = re.compile(r"[^\W\d_]+|\S")
_MARKS = frozenset(",;:()–-.")
_GROUP = re.compile(r"\( [^()]* \) ")


def unsaid(base: Grammar, nodes: Nodes, licences: tuple[str, ...]) -> str:
    """Return why a sentence says more than its licences do, in words; empty when it does not."""
    lexicon = LEXICONS[base.language]
    if any(isinstance(node, Call | Choice) for node in nodes):
        return "it leaves words open"
    said = tuple(word for word in _flat(base, nodes, frozenset())[0] if word not in lexicon.articles)
    licensed = sentences(base, licences)
    if _beside(lexicon, base, nodes, said, licensed) or _restated(lexicon, said, licensed):
        return ""
    known = {*lexicon.words(), *(word for sentence in licensed for word in sentence)}
    strange = next((word for word in said if word[0] not in _MARKS | {"{"} and word not in known), "")
    if strange:
        return f"the word “{strange}” is in no sentence of its licence, and says more than a frame may"
    return "it neither names values side by side nor says what a sentence of its licence says"


@lru_cache(1000)
def sentences(base: Grammar, licences: tuple[str, ...]) -> frozenset[Said]:
    """Return every sentence of the grammar that is true wherever these licences hold, without articles."""
    split = [licence.partition(" | ") for licence in licences]
    phrases = frozenset((name[1:-1], when) for name, _, when in split if name[0] == "<")
    named = {(name, when) for name, _, when in split}
    return frozenset(
        tuple(word for word in said if word not in LEXICONS[base.language].articles)
        for claim in base.claims
        for option in claim.alternatives
        if (claim.name, option.when) in named
        for said in _flat(base, option.nodes, phrases)
    )


def _flat(base: Grammar, nodes: Nodes, phrases: frozenset[tuple[str, str]]) -> list[Said]:
    """Return the ways to say nodes, with phrases of these licences."""
    found: list[Said] = [()]
    for node in nodes:
        ways: list[Said] = [(_slot(node),)]
        if isinstance(node, Literal):
            ways = [tuple(_WORD.findall(node.text.lower()))]
        elif isinstance(node, Choice):
            ways = [way for option in node.options for way in _flat(base, option, phrases)]
        elif isinstance(node, Call):
            called = base.phrases[node.phrase].alternatives
            name = node.phrase.removeprefix("^")
            ways = [
                way
                for option in called
                if (name, option.when) in phrases
                for way in _flat(base, option.nodes, phrases)
            ]
        found = [before + way for before in found for way in ways]
    return found


def _slot(node: object) -> str:
    """Return a slot as one word, without blanks or brackets inside."""
    text = str(node)
    match node:
        case Slot():
            text = f"{node.expression.text}:{node.form}:{node.argument.text if node.argument else ''}"
        case Agreement():
            text = f"{node.one}|{node.other}:{node.number.text}"
    return f"{{{re.sub('[ ()]', '_', text)}}}"


def _frames(lexicon: Lexicon, said: Said) -> Iterator[int]:
    """Yield where a frame may end, none being one too."""
    first = next((at for at, word in enumerate(said) if word[0] == "{"), len(said))
    yield 0
    yield from (at for at in range(1, first + 1) if lexicon.frame.fullmatch(" ".join(said[:at])))


# ---- what a sentence of the licence says ----


def _restated(lexicon: Lexicon, said: Said, licensed: frozenset[Said]) -> bool:
    """Return whether a sentence is one of the licensed ones in other words."""
    known = {_alike(lexicon, way) for sentence in licensed for way in _shorter(sentence)}
    return any(
        _alike(lexicon, said[at:]) in known
        for at in _frames(lexicon, said)
        if not at or lexicon.ahead.fullmatch(said[at - 1])
    )


def _shorter(said: Said) -> Iterator[Said]:
    """Yield a sentence with and without each thing that it adds in brackets."""
    text = " ".join((*said, ""))
    yield said
    for group in _GROUP.finditer(text):
        yield from _shorter(tuple(f"{text[: group.start()]}{text[group.end() :]}".split(" ")[:-1]))


def _alike(lexicon: Lexicon, said: Said) -> str:
    """Return a sentence without marks, in the first of all words for the same."""
    text = f" {' '.join(word for word in said if word not in _MARKS)} "
    for longest in (4, 3, 2, 1):
        for number, ways in enumerate(lexicon.same):
            for way in ways:
                if way.count(" ") == longest - 1:
                    text = text.replace(f" {way} ", f" <{number}> ")
    return text


# ---- values side by side ----


def _beside(lexicon: Lexicon, base: Grammar, nodes: Nodes, said: Said, licensed: frozenset[Said]) -> bool:
    """Return whether a sentence puts values side by side, and each name beside its own value.

    Without a frame they are two at least: one alone is a scrap of another sentence.
    """
    signs = {_slot(node): sign for node in nodes if (sign := _sign(base, node, licensed, lexicon))}
    told = tuple(signs.get(word, word) for word in said)
    return any(_listed(lexicon, base, told[at:]) >= (1 if at else 2) for at in _frames(lexicon, said))


def _sign(base: Grammar, node: object, licensed: frozenset[Said], lexicon: Lexicon) -> str:
    """Return what a slot is to its fact: N(ame), V(alue), L(ow) or H(igh) end of the usual; "" for others."""
    if not isinstance(node, Slot):
        return ""
    variable, field = node.expression.reference
    _, kind, name = base.variables.get(variable, (False, "", ""))
    if kind == "term" and name in ("row", "id") and field == "value":
        return {"row": "R" if node.form == "phrase" else "", "id": "I" if node.form == "name" else ""}[name]
    own = node.form == "unit" and node.argument is not None and node.argument.text == f"{variable}.unit"
    if kind not in NAMED or not variable:
        return ""
    if field == "text" and node.form in ("phrase", "label"):
        return f"N{variable}"
    if field == "value" and own:
        return f"V{variable}"
    if field in ("low", "high") and own and kind in ("input", "history"):
        low = f"{{{variable}.low:unit:{variable}.unit}}"
        places = [(way, way.index(low)) for way in licensed if low in way]
        if any(lexicon.usual[0] in way[max(0, at - 3) : at] for way, at in places):
            return f"{'LH'[field == 'high']}{variable}"
    return ""


def _listed(lexicon: Lexicon, base: Grammar, told: Sequence[str]) -> int:
    """Return how many items follow each other to the end, each of one fact; 0 where something else is there.

    Where a comma alone could join a name to a value on either side, nothing may be joined by a comma.
    """
    text, pos, number, open_before, last = " ".join(told), 0, 0, True, ""
    to_value, to_name = lexicon.bonds
    usual, low, high = lexicon.usual
    item = re.compile(
        rf"N(?P<a>\w+) (?:(?P<comma>,) |(?:{to_value}) )?V(?P=a)\b|N(?P<b>\w+) \( V(?P=b) \)"
        rf"|V(?P<c>\w+) (?:(?P<other>,) |(?:{to_name}) )?N(?P=c)\b|V(?P<d>\w+) \( N(?P=d) \)"
        rf"|{usual} {low}L(?P<range>\w+) (?:{high}) H(?P=range)\b"
        rf"|(?P<noun>{'|'.join(lexicon.nouns.values())}) (?:(?:{to_value}) )?V(?P<called>\w+)"
        rf"|(?P<row>R I(?: {lexicon.subject} V(?P<at>\w+))?)|(?P<bare>[VI]\w*)"
    )
    between = re.compile(rf" (?:(?P<apart>{lexicon.apart.pattern})|,) ")
    while found := item.match(text, pos):
        number += 1
        if found["range"] and found["range"] != last:
            return 0
        called = found["called"]
        if called and not re.fullmatch(lexicon.nouns.get(base.variables[called][1], ""), found["noun"]):
            return 0
        if found["at"] and base.variables[found["at"]][1] != "instant":
            return 0
        last = next((found[name] for name in "abcd" if found[name]), "") or (found["bare"] or "V")[1:]
        loose = bool(found["comma"] or found["other"] or found["bare"])
        pos = found.end()
        if text[pos:] == " .":
            return number if open_before or not loose else 0
        more = between.match(text, pos)
        if more is None or (loose and not (open_before and more["apart"])):
            return 0
        open_before, pos = bool(more["apart"]), more.end()
    return 0
