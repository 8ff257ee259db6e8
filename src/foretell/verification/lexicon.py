"""The words a house may add to what the grammar says, by language: they frame, they place, they say the same.

Everything else in a sentence of a house's own has to be a word of the sentence whose licence it has. Articles
count for nothing, so they are left out here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """One language's words for sentences of a house's own, in small letters."""

    articles: frozenset[str]
    frame: re.Pattern[str]
    """What may stand before the first thing that is said: it says nothing of the case."""
    ahead: re.Pattern[str]
    """What ends a frame before a whole sentence."""
    apart: re.Pattern[str]
    """What puts two values side by side and says nothing of how they relate."""
    bonds: tuple[str, str]
    """What joins a name to its value, and a value to its name."""
    nouns: Mapping[str, str]
    """Kind of fact -> what its value may be called besides the fact's own name."""
    usual: tuple[str, str, str]
    """The word that begins a usual range, what may stand before its low end, and what before its high end."""
    subject: str
    """Between what names a row and its instant."""
    same: tuple[tuple[str, ...], ...]
    """Words that may stand for each other in a sentence of the grammar."""

    def words(self) -> Iterator[str]:
        """Yield every word there is, to name those there are not."""
        held = (self.frame.pattern, self.apart.pattern, *self.bonds, *self.nouns.values(), *self.usual)
        for text in (*held, self.subject, *self.articles, *(way for ways in self.same for way in ways)):
            yield from re.findall(r"[^\W\d_]+", text)


def _frame(*phrases: str) -> re.Pattern[str]:
    """Return the pattern of some of these phrases in a row, with marks between them."""
    return re.compile(rf"(?:(?:{'|'.join(phrases)})(?: [,:–])?(?: |$))+")


ENGLISH = Lexicon(
    articles=frozenset(("a", "an", "the")),
    frame=_frame(
        "for (?:our )?(?:files?|records?|reference|comparison|review|context|completeness|orientation"
        "|overview|summary|desk|team|readers?)",
        "in (?:short|brief|summary|figures|numbers|comparison|context|overview)",
        "as (?:reference|reminder|comparison|summary|overview)",
        "by (?:way of )?comparison|to (?:compare|recall|sum up)|at glance|side by side|once more|also|here",
        "(?:our )?(?:summary|overview|comparison|figures|numbers|values)",
        "(?:we )?(?:note|compare|consider|recall|see|keep in mind|bear in mind)(?: also)?(?: that)?",
        "(?:our )?(?:desk|team) (?:keeps|bears) in mind(?: that)?|(?:it is )?worth noting(?: that)?|of note",
    ),
    ahead=re.compile("[,:–]|that"),
    apart=re.compile(
        "(?:, )?(?:and|with|beside|against|alongside|versus|next to|(?:as )?compared (?:with|to)|set against"
        "|together with|as well as)|;"
    ),
    bonds=(
        ":|of|at|being|(?:, which )?(?:is|was|stands at|stood at|comes to|came to|amounts to|amounted to)",
        "is|was|being|for|as|, (?:which|that) (?:is|was)",
    ),
    nouns={"threshold": "(?:alert )?threshold", "score": "probability|estimate"},
    usual=("usual", "(?:range )?(?:of |from |between )?", "to|and"),
    subject="of",
    same=(
        ("above all", "mainly", "chiefly", "mostly", "most of all", "primarily"),
        ("above", "over", "beyond"),
        ("below", "under", "beneath"),
        ("lay", "lies", "is", "was", "stood", "stands"),
        ("came to", "comes to", "amounted to", "amounts to", "reached", "reaches"),
        ("exceeded", "exceeds", "surpassed", "surpasses"),
        ("stayed close to", "stays close to", "remained close to", "remains close to", "kept close to"),
        ("strongest", "main", "chief", "principal"),
        ("reason", "ground"),
        ("reasons", "grounds"),
        ("raised", "lifted", "increased"),
        ("raises", "lifts", "increases"),
        ("raise", "lift", "increase"),
        ("lowered", "reduced", "decreased"),
        ("lowers", "reduces", "decreases"),
        ("lower", "reduce", "decrease"),
        ("past", "earlier", "previous", "prior"),
        ("puts", "sets", "places"),
        ("threshold", "alert threshold"),
        ("probability", "likelihood"),
        ("but", "however", "though", "yet"),
        ("although", "even though", "while", "whereas"),
        ("also", "likewise"),
        ("further", "additional"),
        ("for comparison", "in comparison", "by comparison"),
        ("came up as alert", "became alert", "was raised as alert"),
        ("backed by", "supported by"),
        ("looking back", "in retrospect", "in hindsight"),
        ("usual", "customary", "typical"),
        ("only", "merely"),
    ),
)
GERMAN = Lexicon(
    articles=frozenset(
        ("der", "die", "das", "den", "dem", "des", "ein", "eine", "einen", "einem", "einer", "eines")
    ),
    frame=_frame(
        "für (?:unsere )?(?:akten?|unterlagen|übersicht|vollständigkeit|prüfung|einordnung)",
        "zum vergleich|zur (?:übersicht|orientierung|erinnerung|kenntnis|einordnung)",
        "in (?:kürze|zahlen)|im (?:vergleich|überblick)|auf blick|nebeneinander|kurz(?: gesagt)?",
        "als (?:vergleich|übersicht|erinnerung)|hier|auch|noch einmal|zusammengefasst",
        "(?:unsere )?(?:übersicht|überblick|vergleich|zahlen|werte)|wir vergleichen",
        "zu (?:beachten|vergleichen)(?: ist| sind)?|vergleiche|siehe(?: auch)?|beachte|bedenke",
    ),
    ahead=re.compile("[,:–]"),
    apart=re.compile(
        "(?:, )?(?:und|mit|neben|gegen|gegenüber|sowie|verglichen mit|im vergleich (?:zu|mit)|zusammen mit)|;"
    ),
    bonds=(":|von|ist|war|beträgt|betrug|liegt bei|lag bei|mit", "ist|war|als|für|, ist|, war"),
    nouns={"threshold": "alarmschwelle|schwelle|schwellenwert", "score": "wahrscheinlichkeit|einschätzung"},
    usual=("üblichen", "(?:bereich )?(?:von |zwischen )?", "bis|und"),
    subject="vom",
    same=(
        ("vor allem", "hauptsächlich", "überwiegend", "in erster linie"),
        ("liegt", "lag", "steht", "stand"),
        ("erhöht", "gesteigert", "angehoben"),
        ("erhöhen", "steigern", "anheben"),
        ("gesenkt", "gemindert"),
        ("senkt", "mindert"),
        ("stärkster", "wichtigster"),
        ("früheren", "bisherigen", "vergangenen"),
        ("schwelle", "alarmschwelle"),
        ("zum vergleich", "im vergleich"),
        ("außerdem", "ferner", "zudem"),
        ("auch", "ebenfalls"),
        ("jedoch", "allerdings"),
        ("während", "wohingegen"),
        ("weiteres", "zusätzliches"),
        ("übersteigt", "übertrifft"),
        ("nahe bei", "dicht bei"),
    ),
)
LEXICONS: Mapping[str, Lexicon] = MappingProxyType({"en": ENGLISH, "de": GERMAN})
