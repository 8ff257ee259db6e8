"""Words as they are searched: lower case, English plurals folded, without those that say nothing."""

import re
import unicodedata
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_ENGLISH = (
    "a about above after again against all also am an and any are as at be because been before being "
    "below between both but by can could did do does doing down during each few for from further had has "
    "have having he her here him his how i if in into is it its itself just may me more most must my no "
    "nor not now of off on once only or other our out over own per same shall she should so some such "
    "than that the their them then there these they this those through to too under until up upon us very "
    "was we were what when where which while who whom why will with within without would you your"
)
_GERMAN = (
    "aber alle als also am an auch auf aus bei bin bis da das dass dem den der des die dies diese dieser "
    "dieses doch dort du durch ein eine einem einen einer eines er es für gegen haben hat hatte ich ihr "
    "im in ist ja kann kein keine können mit muss müssen nach nicht noch nur ob oder ohne sein seine sich "
    "sie sind so soll sollen sondern um und uns unter vom von vor war wenn werden wie wir wird wo zu zum "
    "zur zwischen über"
)
SILENT = frozenset(f"{_ENGLISH} {_GERMAN}".split())
"""Words of both languages that stand in every text."""


def words(text: str) -> list[str]:
    """Return the words of a text in their order.

    >>> words("The customers' refunds were policies.")
    ['customer', 'refund', 'policy']
    """
    found = _WORD.findall(unicodedata.normalize("NFKC", text).lower())
    return [_folded(word) for word in found if word not in SILENT]


@lru_cache(200_000)
def _folded(word: str) -> str:
    """Return a word without its English plural (Harman, 1991)."""
    word = word.partition("'")[0] or word
    if word.endswith("ies") and len(word) > 4 and word[-4] not in "ae":
        return word[:-3] + "y"
    if word.endswith("es") and len(word) > 4 and word[-3] in "sxz":
        return word[:-2]
    if word.endswith("s") and len(word) > 3 and word[-2] not in "us":
        return word[:-1]
    return word
