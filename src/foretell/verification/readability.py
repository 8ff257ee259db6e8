"""How hard a text reads: the school year for which it is written, estimated by counting.

English: the grade of Kincaid, Fishburne, Rogers and Chissom (US Navy, 1975). German: the first formula of the
Wiener Sachtextformeln (Bamberger and Vanecek, 1984). Syllables are counted as groups of vowels, so a word may
be one off; figures count as words, but neither as long nor as short ones.
"""

import re

_WORD = re.compile(r"[^\W_]+(?:[.,:'’/-][^\W_]+)*")
_VOWELS = {"en": re.compile("[aeiouy]+"), "de": re.compile("aa|ai|au|äu|ee|ei|eu|ie|oo|[aeiouyäöü]")}


def words(text: str) -> list[str]:
    """Return the words and figures of a text.

    >>> words("At 2.1 EUR, the customer's week-end fee fell.")
    ['At', '2.1', 'EUR', 'the', "customer's", 'week-end', 'fee', 'fell']
    """
    return _WORD.findall(text)


def syllables(word: str, language: str = "en") -> int:
    """Return how many syllables a word seems to have, at least one.

    >>> [syllables(word) for word in ("rate", "table", "usual", "probability")]
    [1, 2, 2, 5]
    >>> syllables("Wahrscheinlichkeit", "de")
    4
    """
    small = word.lower()
    if language == "en" and small.endswith("e") and not re.search("[^aeiouy]le$", small):
        small = small[:-1]
    return max(len(_VOWELS[language].findall(small)), 1)


def grade(text: str, num_sentences: int, language: str = "en") -> float:
    """Return the school year of a text of so many sentences; 0 for one without words."""
    found = words(text)
    spoken = [word for word in found if not any(mark.isdigit() for mark in word)]
    if not spoken:
        return 0.0
    length = len(found) / max(num_sentences, 1)
    counts = [syllables(word, language) for word in spoken]
    if language == "en":
        return 0.39 * length + 11.8 * sum(counts) / len(counts) - 15.59
    share = 100 / len(counts)
    many, one = sum(count >= 3 for count in counts) * share, sum(count == 1 for count in counts) * share
    long = sum(len(word) > 6 for word in spoken) * share
    return 0.1935 * many + 0.1672 * length + 0.1297 * long - 0.0327 * one - 0.875
