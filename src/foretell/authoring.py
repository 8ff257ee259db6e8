"""The writer that learns from approved texts: the weighted grammar, corrected by a language model of ours.

The grammar's weights, learned from the same texts, give what they expect; the model, which reads the facts,
typed and rounded, learns what is left. Both draw under the mask, where one way on is taken unasked.
Whether such a writer may write is settled in `schooling`.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from foretell.narration import habits
from foretell.narration.habits import Approved
from foretell.narration.masking import Acceptor, State
from foretell.narration.prior import WHOLE, Prior
from foretell.narration.style import Style
from foretell.records import Evidence, Fact, Narrative, canonical, restore
from foretell.spec import NarrateSpec, TrainSpec
from foretell.training.checkpoint import open_checkpoint, pack_tensors, save
from foretell.training.loop import FitReport, fit, held_to
from foretell.verification.grammar import language_of
from foretell.vocabulary import END, Vocabulary

if TYPE_CHECKING:
    import torch

    from foretell.models.lm import LanguageModel

KIND = "lm"
CONTEXT, WIDTH, LAYERS, HEADS = 512, 64, 2, 4
VOCABULARY = 1024
ROOM = 192
"""Tokens of the context that are kept for a narrative; what the evidence has more than the rest is cut."""
RECALL = 3
"""Tokens read of a stretch that is forced: where a choice stands, the evidence and earlier choices tell."""
MOST = 2000
"""Tokens of a narrative."""
TOP_P = 0.95
"""What editors hardly ever chose is not drawn."""
FOLDS = 4
"""Parts of the texts, each of which is taught with a floor that was learned from the others."""
UNREAD = frozenset(("check", "glossary", "model", "nearest", "instant"))
"""Kinds of facts whose values no wording turns on."""
READ = frozenset(("n", "stat", "abstained", "known"))
"""Details that wordings turn on; whether a claim is licensed, the mask knows."""


Writer = Callable[[Evidence, NarrateSpec, int], Narrative]
Pair = tuple[Evidence, str, NarrateSpec]
"""What a text is about, the text as it was approved, and how it was asked for."""


@dataclass(frozen=True, slots=True)
class Fork:
    """A place where more than one token may follow."""

    at: int
    """Which token of the lesson was chosen here."""
    floor: Mapping[int, float]
    """Token -> the logit that the weighted grammar gives it."""
    state: State


@dataclass(frozen=True, slots=True)
class Lesson:
    """One approved text as tokens, the evidence before it."""

    tokens: Sequence[int]
    forks: Sequence[Fork]
    num_sentences: int


def serialised(evidence: Evidence, spec: NarrateSpec) -> str:
    """Return the typed facts, one a line, numbers with two digits, without names."""
    lines = [f"{spec.length} {spec.register}"]
    for fact in evidence.facts:
        details = [str(value) for name, value in fact.detail.items() if name in READ and value]
        name = fact.text if fact.kind in ("attribution", "input", "counterfactual", "recourse") else ""
        value = f"{fact.value:.2g}" if isinstance(fact.value, float) else str(fact.value)[:20]
        if _is_name(fact):
            lines.append(f"{fact.kind} {fact.text}")
        elif fact.kind not in UNREAD:
            lines.append(" ".join(part for part in (fact.kind, name, value, *details) if part))
    return "\n".join(lines) + "\n"


def _is_name(fact: Fact) -> bool:
    return fact.kind == "entity" or (fact.kind, fact.name) == ("term", "id")


def _nameless(evidence: Evidence, text: str) -> str:
    """Return a text without the names in it, which no token shall spell."""
    for fact in filter(_is_name, evidence.facts):
        text = text.replace(str(fact.value), "")
    return text


def lesson(
    evidence: Evidence, text: str, spec: NarrateSpec, vocabulary: Vocabulary, style: Style
) -> Lesson | None:
    """Return a text as it would be drawn; None when the mask does not know all of it."""
    mask, data, at = TokenMask(Acceptor(evidence, spec), vocabulary, style), text.encode(), 0
    tokens, forced, forks = prompt(evidence, spec, vocabulary), [], []
    while True:
        allowed = mask.allowed()
        if at == len(data):
            fits = [END] if END in allowed else []
        else:
            fits = [each for each in allowed if each != END and data.startswith(vocabulary.tokens[each], at)]
        if not fits:
            return None
        token = max(fits, key=lambda each: len(vocabulary.tokens[each]))
        if len(allowed) > 1:
            tokens += forced[-RECALL:]
            forks.append(Fork(len(tokens), allowed, mask.state))
            tokens.append(token)
            forced = []
        else:
            forced.append(token)
        if token == END:
            return Lesson(tokens, forks, len(mask.state.claims))
        at += len(vocabulary.tokens[token])
        mask.take(token)


def prompt(evidence: Evidence, spec: NarrateSpec, vocabulary: Vocabulary) -> list[int]:
    return [*vocabulary.encode(serialised(evidence, spec))[: CONTEXT - ROOM - 1], END]


def batch(lessons: Sequence[Lesson], num_tokens: int) -> "dict[str, torch.Tensor]":
    """Return lessons as one batch, in which only choices count, each among what was allowed."""
    import torch

    longest = min(max(len(each.tokens) for each in lessons), CONTEXT + 1)
    tokens = torch.full((len(lessons), longest), END)
    counted, floors = [], []
    for row, each in enumerate(lessons):
        cut = each.tokens[:longest]
        tokens[row, : len(cut)] = torch.tensor(cut)
        for fork in each.forks:
            if fork.at < longest:
                counted.append(row * (longest - 1) + fork.at - 1)
                floors.append(fork.floor)
    floor = torch.full((len(counted), num_tokens), -torch.inf)
    for row, logits in enumerate(floors):
        floor[row, [*logits]] = torch.tensor([*logits.values()])
    return {"tokens": tokens, "at": torch.tensor(counted), "floor": floor}


def learn(pairs: Sequence[Pair], folder: Path, spec: TrainSpec, **more: bytes) -> tuple[FitReport, int]:
    """Fit a writer on evidence and approved texts, write it to `folder`, and say how many texts taught it.

    Args:
        more: other files of the folder, by the name before .json.
    """
    import torch

    from foretell.models.lm import LanguageModel

    shown = (
        part for facts, text, told in pairs for part in (serialised(facts, told), _nameless(facts, text))
    )
    vocabulary = Vocabulary.learn(shown, VOCABULARY)
    lessons = [each for fold in range(FOLDS) for each in _lessons(pairs, fold, vocabulary)]
    per_epoch = max(1, len(lessons) // spec.batch_size)

    def batch_at(step: int) -> "dict[str, torch.Tensor]":
        order = Random(f"{spec.seed}/{step // per_epoch}").sample(range(len(lessons)), len(lessons))
        start = step % per_epoch * spec.batch_size
        return batch([lessons[row] for row in order[start : start + spec.batch_size]], len(vocabulary))

    torch.manual_seed(spec.seed)
    shape = {"context": CONTEXT, "width": WIDTH, "layers": LAYERS, "heads": HEADS}
    model = LanguageModel(len(vocabulary), **shape)
    report = fit(model, batch_at, spec, steps=max(1, round(spec.epochs * per_epoch)))
    files = {
        "weights.safetensors": pack_tensors(model.state_dict()),
        "vocabulary.json": vocabulary.pack(),
        "model.json": canonical(shape),
        "style.json": canonical(learned(pairs)),
        **{f"{name}.json": content for name, content in more.items()},
    }
    save(folder, files, kind=KIND)
    return report, len(lessons)


def learned(pairs: Iterable[Pair]) -> Style:
    """Return the weighted grammar of approved texts."""
    approved = [Approved(evidence=facts, text=text, length=told.length) for facts, text, told in pairs]
    return habits.learn(approved, language_of(approved[0].evidence))


def _lessons(pairs: Sequence[Pair], fold: int, vocabulary: Vocabulary) -> Iterator[Lesson]:
    """Yield the lessons of one part of the texts, the floor learned from the others.

    A floor that had seen the text itself would teach the model to trust it too much.
    """
    others = [pair for number, pair in enumerate(pairs) if number % FOLDS != fold]
    style = learned(others or pairs)
    for facts, text, told in pairs[fold::FOLDS]:
        made = lesson(facts, text, told, vocabulary, style)
        if made is not None:
            yield made


def opened(folder: Path) -> "tuple[LanguageModel, Vocabulary, Style]":
    """Return what a folder holds.

    Raises:
        CheckpointError: when there is no such folder, or it is damaged.
    """
    from foretell.models.lm import LanguageModel

    checkpoint = open_checkpoint(folder)
    vocabulary = Vocabulary.unpack(checkpoint.read("vocabulary.json"))
    model = LanguageModel(len(vocabulary), **json.loads(checkpoint.read("model.json")))
    model.load_state_dict(checkpoint.tensors("weights.safetensors"))
    return model.eval(), vocabulary, restore(Style, checkpoint.json("style.json"))


def writer(folder: str) -> Writer:
    """Return the writer of a folder, however well it learned; the same asked again gives the same text.

    Raises:
        CheckpointError: when there is no such folder, or it is damaged.
    """
    model, vocabulary, style = opened(Path(folder))

    def write(evidence: Evidence, spec: NarrateSpec, attempt: int) -> Narrative:
        acceptor = Acceptor(evidence, spec)
        mask = TokenMask(acceptor, vocabulary, style)
        seed = Random(f"{spec.seed}/{attempt}/{evidence.id}").getrandbits(60)
        begin = prompt(evidence, spec, vocabulary)
        with held_to(1):  # on more, so small a model waits for threads
            model.sample(begin, most=MOST, top_p=TOP_P, stop=[END], mask=mask, recall=RECALL, seed=seed)
        return acceptor.narrative(mask.state, f"lm:{folder}")

    return write


class TokenMask:
    """The mask as a model that draws tokens asks for it, with what the weighted grammar expects."""

    def __init__(self, acceptor: Acceptor, vocabulary: Vocabulary, style: Style) -> None:
        self.acceptor, self.vocabulary, self.prior = acceptor, vocabulary, Prior(acceptor, style)
        self.state, self.read = acceptor.start, 0

    def __call__(self, drawn: Sequence[int]) -> dict[int, float]:
        for token in drawn[self.read :]:
            self.take(token)
        self.read = len(drawn)
        return self.allowed()

    def take(self, token: int) -> None:
        after = self.acceptor.advance(self.state, self.vocabulary.tokens[token])
        assert after is not None, "only what was allowed is drawn"
        self.state = after

    def allowed(self) -> dict[int, float]:
        """Return the tokens that may come next, with their logits by the weighted grammar."""
        ways = self.acceptor.ways(self.state, self.vocabulary)
        if len(ways) < 2:
            return dict.fromkeys(ways, 0.0)
        chances = self.prior.chances(self.state.place)
        return {
            token: log(chances[WHOLE] if token == END else sum(chances[text] for text in texts))
            for token, texts in ways.items()
        }
