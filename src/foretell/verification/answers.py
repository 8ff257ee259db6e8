"""The grammar of answers: the claims of narratives and those that only a question brings; no demands."""

from dataclasses import replace
from functools import cache
from importlib.resources import files

from foretell.verification.grammar import GRAMMARS, load
from foretell.verification.productions import Grammar

MORE = {"en": "answers.grammar"}
"""Language -> the file of what only answers say; where there is none, the claims of narratives must do."""


@cache
def answers(language: str = "en") -> Grammar:
    """Return the grammar that answers are written and verified by; every caller shares it.

    An answer owes nothing but truth: what a narrative may not leave out is not demanded of it.

    >>> answers().demands, "answer" in answers().groups
    ([], True)
    """
    names = [GRAMMARS[language], *([MORE[language]] if language in MORE else [])]
    folder = files("foretell.verification")
    text = "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)
    return replace(load(text, language), demands=[])
