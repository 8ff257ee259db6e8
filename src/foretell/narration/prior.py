"""What the weighted grammar expects next: the floor that a language model of our own adds to."""

import math
from collections.abc import Iterable

from foretell.narration.masking import Acceptor, Place, Sentence, choice_key
from foretell.narration.style import Style

SPREAD = 0.02
"""Share of the probability that is spread over all that is true, so that nothing true is impossible."""
WHOLE = ""
"""In place of a sentence: the narrative is whole and ends."""
LEAST = 1e-6
"""The least weight of an option that a house never takes."""


class Prior:
    """The probability of each sentence that may follow, by a style's weights, order and shares."""

    def __init__(self, acceptor: Acceptor, style: Style) -> None:
        self.acceptor, self.style = acceptor, style
        self.plan = style.plans.get(acceptor.length) or acceptor.plan
        self.weights = {**style.weights} | {
            choice_key(choice, number): max(share, LEAST)
            for choice, shares in style.choices.items()
            for number, share in enumerate(shares)
        }
        self._found: dict[Place, dict[str, float]] = {}

    def chances(self, place: Place) -> dict[str, float]:
        """Return sentence, or `WHOLE` -> how probably it follows at a place."""
        found = self._found.get(place)
        if found is None:
            found = self._found[place] = self._chances(place)
        return found

    def _chances(self, place: Place) -> dict[str, float]:
        may = {row.sentence.claim.text for row in self.acceptor.rows(place)}
        texts = [*may, WHOLE] if self.acceptor.whole(place) else [*may]
        start = max((at for at, (group, _) in enumerate(self.plan) if group == place.group), default=0)
        left, told = 1.0, dict.fromkeys(texts, 0.0)
        for group, shares in self.plan[start:]:
            taken = place.groups.count(group)
            among = first(self.acceptor.sentences[group], may) if taken < len(shares) else []
            if among:
                for text, share in self._shared(among).items():
                    told[text] += left * shares[taken] * share
                left *= 1 - shares[taken]
        if WHOLE in told:
            told[WHOLE] += left
        total = sum(told.values())
        kept = (1 - SPREAD) / total if total else 0.0
        rest = (1 - kept * total) / len(texts)
        return {text: kept * share + rest for text, share in told.items()}

    def _shared(self, among: list[Sentence]) -> dict[str, float]:
        """Return the share of each sentence of a group: of its alternative, then of the phrases in it."""
        weights = [[self.weights.get(each.key, each.weight) for each in one.used] for one in among]
        tops = {one.used[0].key: weight[0] for one, weight in zip(among, weights, strict=True)}
        within = dict.fromkeys(tops, 0.0)
        for one, weight in zip(among, weights, strict=True):
            within[one.used[0].key] += math.prod(weight[1:])
        total = sum(tops.values())
        return {
            one.claim.text: weight[0] / total * math.prod(weight[1:]) / within[one.used[0].key]
            for one, weight in zip(among, weights, strict=True)
        }


def first(sentences: Iterable[Sentence], may: set[str]) -> list[Sentence]:
    """Return those that may be told, of each alternative about the facts that come first in the evidence."""
    found: dict[str, list[Sentence]] = {}
    for sentence in sentences:
        if sentence.claim.text in may:
            same = found.setdefault(sentence.used[0].key, [])
            if not same or same[0].claim.cites == sentence.claim.cites:
                same.append(sentence)
    return [sentence for same in found.values() for sentence in same]
