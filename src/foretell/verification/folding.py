"""Text as a reader takes it: one form for what looks the same, with the way back to the text itself.

Compatibility forms (full width, ligatures), case and accents fold away, invisible characters go, any space
is a space, and letters that look like Latin ones become those. What folds alike is found alike. Umlauts stay:
German tells words apart by them (schon, schön).
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_ALIKE = str.maketrans(
    "абвгезикмнорстухѕіјһԁԛԝүӏαβεηικνορτυχγωıɑɡꞌ‘’ʼ‐‑‒–—−ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢøłđħŧɩօոսհ",
    "a6bre3nkmhopctyxsijhdqwylaɓenikvoptuxywiag'''" + "'" + "-" * 6 + "abcdefghijklmnoprstuvwyzoldhtionuh",
)
"""Letters and signs that are drawn alike -> the Latin one; nothing but comparing reads them so."""
_UMLAUTS = frozenset("äöü")
_HIDDEN = frozenset(("Cf", "Cc", "Mn", "Me"))


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text."""

    text: str
    places: tuple[int, ...]
    """For each of its characters, and for its end, the place in the original."""

    def find(self, phrase: str) -> Iterator[tuple[int, int]]:
        """Yield where a phrase that was folded as well stands, whole words alone."""
        start = self.text.find(phrase) if phrase else -1
        while start >= 0:
            end = start + len(phrase)
            if self.whole(start, end):
                yield self.span(start, end)
            start = self.text.find(phrase, start + 1)

    def whole(self, start: int, end: int) -> bool:
        """Tell whether no word goes on across either border."""
        text = self.text
        before = start > 0 and text[start - 1].isalnum() and text[start].isalnum()
        return not before and not (end < len(text) and text[end - 1].isalnum() and text[end].isalnum())

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the stretch of the original that a stretch of the folded text stands for."""
        return self.places[start], self.places[end - 1] + 1


@lru_cache(256)
def folded(text: str) -> Folded:
    """Return the folded text.

    >>> folded("Ｇuar\\u00adａnteed").text, folded("gu\\u0430ráɴteed").text, folded("Schön").text
    ('guaranteed', 'guaranteed', 'schön')
    """
    letters: list[str] = []
    places: list[int] = []
    for start, cluster in _clusters(text):
        for mark in _plain(cluster):
            if mark.isspace():
                if letters and letters[-1] == " ":
                    continue
                mark = " "
            elif unicodedata.category(mark) in _HIDDEN:
                continue
            letters.append(mark)
            places.append(start)
    return Folded("".join(letters), (*places, len(text)))


def _plain(cluster: str) -> str:
    """Return a character with its marks as small Latin letters, where it looks like some."""
    small = unicodedata.normalize("NFKC", cluster).casefold()
    bare = (mark if mark in _UMLAUTS else unicodedata.normalize("NFKD", mark) for mark in small)
    return "".join(bare).translate(_ALIKE)


def _clusters(text: str) -> Iterator[tuple[int, str]]:
    """Yield each character with the marks that stand on it."""
    start = 0
    for place in range(1, len(text) + 1):
        if place == len(text) or not unicodedata.combining(text[place]):
            yield start, text[start:place]
            start = place
