"""The grammar of answers: the claims of narratives and those that only a question brings; no demands."""

from dataclasses import replace
from functools import cache
from importlib.resources import files

from foretell.verification.grammar import GRAMMARS, load
from foretell.verification.productions import Grammar

MORE = {"en": "answers.grammar", "de": "answers_de.grammar"}
"""Language -> the file of what only answers say."""


@cache
def answers(language: str = "en") -> Grammar:
    """Return the grammar that answers are written and verified by; every caller shares it.

    An answer owes nothing but truth: what a narrative may not leave out is not demanded of it.

    >>> answers().demands, "answer" in answers().groups
    ([], True)
    """
    folder = files("foretell.verification")
    names = (GRAMMARS[language], MORE[language])
    text = "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)
    return replace(load(text, language, answers), demands=[])
