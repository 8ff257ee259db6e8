"""The claim grammar compiled against one evidence: which bytes, hence which tokens, may come next.

The true sentences of a grammar on given evidence are few (tens to hundreds): all are written out and sorted,
and a state is a range of those that share what was read so far. A narrative tells nothing twice, and of each
group no more than its plan; the order is the model's. A sentence that would leave a demand unmeetable is not
begun, so no path ends in nothing. Of the owner's rules those on words hold here; those on a whole text, such
as its length, are the verifier's.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, partial

from foretell.narration.embedded import Telling, due, never
from foretell.narration.style import PLAIN, opened
from foretell.records import Claim, Evidence, Narrative
from foretell.spec import NarrateSpec
from foretell.verification.conditions import world
from foretell.verification.productions import Alternative, Choice, Nodes, Production
from foretell.verification.rules import refuses, tellable
from foretell.verification.wordings import grammar_of
from foretell.vocabulary import END, Vocabulary

Points = frozenset[tuple[str, str]]
"""(point, fact id or "")."""


@dataclass(frozen=True, slots=True, eq=False)
class Sentence:
    """One true sentence."""

    claim: Claim
    group: str
    after: tuple[str, ...]
    points: Points
    used: tuple[Alternative, ...]
    """The alternatives it was written by, its own first, and the options of choices."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a narrative stands between two sentences."""

    groups: tuple[str, ...] = ()
    """Of the sentences told, sorted."""
    group: str = ""
    """Of the last one."""
    told: Points = frozenset()


@dataclass(frozen=True, slots=True)
class Row:
    """A sentence that may follow, with the space before it, and where it leads."""

    text: bytes
    sentence: Sentence
    place: Place


@dataclass(frozen=True, slots=True)
class State:
    """What may follow a text: the rows `low` to `high` of its place, whose first `depth` bytes were read."""

    place: Place
    low: int
    high: int
    depth: int
    claims: tuple[Claim, ...] = ()
    """The sentences told so far."""


class _Every(Telling):
    """All wordings instead of one by the dice."""

    def shuffled(self, choices: list[tuple[Production, Alternative]]) -> list[tuple[Production, Alternative]]:
        return [choice for choice in choices if choice[1].register in ("", self.register)]

    def wordings(self, choice: Choice) -> Iterable[Nodes]:
        return choice.options

    def picked(self, choice: Choice, option: Nodes) -> tuple[Alternative, ...]:
        return (_option(choice_key(choice.text, choice.options.index(option))),)


class Acceptor:
    """The narratives of one evidence, as `spec` wants them, byte by byte.

    Its states are values: a state that was kept may be gone on from at any time.
    """

    def __init__(self, evidence: Evidence, spec: NarrateSpec) -> None:
        rules = grammar_of(evidence)
        facts = world(rules.variables, tellable(evidence, spec.length))
        self.length, self.seed = spec.length, spec.seed
        self.demands: Points = frozenset(due(rules, facts, spec.length))
        refused = partial(refuses, evidence=evidence, length=spec.length) if evidence.of("rule") else never
        telling = _Every(rules, facts, "", spec.register, PLAIN, refused)
        style = opened(spec.style) if spec.style else PLAIN
        self.plan = tuple(step.shares for step in rules.plans[spec.length])
        styled = style.plans.get(spec.length, ()) if style.language == rules.language else ()
        self.most: dict[str, int] = {}
        """Group -> how many of its sentences a narrative tells at most."""
        for group, shares in (*self.plan, *styled):
            self.most[group] = max(len(shares), self.most.get(group, 0))
        self.sentences: dict[str, list[Sentence]] = {
            group: [*_sentences(telling, group)] for group in self.most
        }
        self._met: dict[Place, bool] = {}
        self._rows: dict[Place, list[Row]] = {}

    @cached_property
    def start(self) -> State:
        return self._begin(Place(), ())

    def rows(self, place: Place) -> list[Row]:
        """Return the sentences that may follow at a place, sorted."""
        found = self._rows.get(place)
        if found is None:
            space = b" " if place.told else b""
            every = [
                Row(space + sentence.claim.text.encode(), sentence, then)
                for sentence, then in self._following(place)
                if self._meets(then)
            ]
            found = []
            for row in sorted(every, key=lambda row: row.text):
                # One that goes on where another ends could not be told from what follows that one.
                if not found or not row.text.startswith(found[-1].text):
                    found.append(row)
            self._rows[place] = found
        return found

    def next_bytes(self, state: State) -> list[int]:
        rows, depth = self.rows(state.place), state.depth
        return list(dict.fromkeys(row.text[depth] for row in rows[state.low : state.high]))

    def advance(self, state: State, data: bytes) -> State | None:
        """Return the state after some bytes; None when no narrative goes on so."""
        for byte in data:
            rows, depth = self.rows(state.place), state.depth
            low = bisect_left(rows, byte, state.low, state.high, key=lambda row: row.text[depth])
            high = bisect_right(rows, byte, low, state.high, key=lambda row: row.text[depth])
            if low == high:
                return None
            if len(rows[low].text) == depth + 1:
                state = self._begin(rows[low].place, (*state.claims, rows[low].sentence.claim))
            else:
                state = State(state.place, low, high, depth + 1, state.claims)
        return state

    def may_end(self, state: State) -> bool:
        """Say whether the text is a whole narrative."""
        return state.depth == 0 and self.whole(state.place)

    def whole(self, place: Place) -> bool:
        """Say whether the sentences told are a whole narrative."""
        return bool(place.groups) and self.demands <= place.told

    def forced(self, state: State, most: int = 1000) -> bytes:
        """Return the bytes, `most` at most, that come next whatever is chosen; none where it may end."""
        if self.may_end(state) or state.low == state.high:
            return b""
        rows, until = self.rows(state.place), state.depth + most
        first, last = rows[state.low].text[:until], rows[state.high - 1].text[:until]
        if first == last:
            return first[state.depth :]
        depth = state.depth
        while first[depth] == last[depth]:
            depth += 1
        return first[state.depth : depth]

    def narrative(self, state: State, writer: str) -> Narrative:
        """Return the sentences told so far."""
        return Narrative(claims=state.claims, writer=writer, length=self.length, seed=self.seed)

    def tokens(self, state: State, vocabulary: Vocabulary) -> list[int]:
        """Return the tokens that may come next; a single one where the text is forced, the longest."""
        if forced := self.forced(state, vocabulary.widest):
            return [vocabulary.longest(forced)]
        found = [END] if self.may_end(state) else []
        walks = [(vocabulary.root, state)]
        while walks:
            node, here = walks.pop()
            for byte in self.next_bytes(here):
                child = node.children.get(byte)
                after = self.advance(here, bytes([byte])) if child else None
                if child and after:
                    found += [child.token] if child.token >= 0 else []
                    walks.append((child, after))
        return found

    def ways(self, state: State, vocabulary: Vocabulary) -> dict[int, list[str]]:
        """Return each token that is the longest to go on with one of the sentences, with those sentences.

        The end goes on with none. Of several spellings of a text this allows about one, which is cheaper to
        learn; `tokens` allows all.
        """
        if forced := self.forced(state, vocabulary.widest):
            return {vocabulary.longest(forced): []}
        found: dict[int, list[str]] = {END: []} if self.may_end(state) else {}
        for row in self.rows(state.place)[state.low : state.high]:
            found.setdefault(vocabulary.longest(row.text, state.depth), []).append(row.sentence.claim.text)
        return found

    def _begin(self, place: Place, claims: tuple[Claim, ...]) -> State:
        return State(place, 0, len(self.rows(place)), 0, claims)

    def _following(self, place: Place) -> Iterator[tuple[Sentence, Place]]:
        """Yield the sentences that tell nothing told, and where they lead."""
        for group, sentences in self.sentences.items():
            if place.groups.count(group) == self.most[group]:
                continue
            groups = tuple(sorted((*place.groups, group)))
            for sentence in sentences:
                fits = not sentence.after or place.group in sentence.after
                if fits and not sentence.points & place.told:
                    yield sentence, Place(groups, group, place.told | sentence.points)

    def _meets(self, place: Place) -> bool:
        """Say whether what the length demands was told, or can still be told."""
        missing = self.demands - place.told
        if not missing:
            return True
        found = self._met.get(place)
        if found is None:
            found = any(
                self._meets(then) for sentence, then in self._following(place) if sentence.points & missing
            )
            self._met[place] = found
        return found


def choice_key(choice: str, number: int) -> str:
    """Return how an option of a choice [a|b] is named among alternatives."""
    return f"[{choice}]{number}"


@cache
def _option(key: str) -> Alternative:
    return Alternative(1.0, (), (), (), "", (), (), (), (), key=key)


def _sentences(telling: Telling, group: str) -> Iterator[Sentence]:
    """Yield every true sentence of a group, the same words once."""
    seen: set[tuple[str, Points]] = set()
    for production, option in telling.shuffled(telling.rules.groups.get(group, [])):
        for facts in option.bindings(telling.facts.one, telling.facts):
            for text, bound, used in telling.render(option.nodes, 0, ("", facts, (option,))):
                points = frozenset(telling.points(used, bound))
                if (text, points) not in seen and not telling.refused(text):
                    seen.add((text, points))
                    cites = telling.cited(used, bound)
                    claim = Claim(text=text, cites=cites, production=production.name)
                    yield Sentence(claim, group, production.after, points, used)
