"""Training a writer on approved texts, and whether it may write: only if it beats the weighted grammar.

`narrate.writer: lm:<folder>` names the folder that `train` wrote. Both are compared on later texts that
neither has read, by the bits they need for each choice: which sentence follows, or that the text ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from random import Random
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import NamedTuple

from foretell import authoring
from foretell.authoring import Pair, Writer
from foretell.errors import CheckpointError, DataError, SpecError
from foretell.narration.style import PLAIN
from foretell.records import canonical, restore
from foretell.spec import NarrateSpec, TrainSpec
from foretell.training.checkpoint import open_checkpoint
from foretell.training.loop import held_to
from foretell.vocabulary import Vocabulary

FEWEST = 40
"""Texts below which nothing is compared, and so nothing trained."""
HELD = 4
"""One in so many texts, the latest ones, is held out."""
RESAMPLES = 1000
EPOCHS, BATCH, RATE = 10.0, 16, 0.005
"""Of the fit, chosen on simulated editors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How a language model did against the weighted grammar that it adds to."""

    num_read: int
    """Texts that taught both."""
    num_held: int
    """Later texts that they were compared on."""
    grammar: float
    """Bits per choice that the weighted grammar needs."""
    model: float
    """Bits per choice that the language model needs."""
    grammar_right: float
    """Share of the forks at which what the grammar finds likeliest is what people took."""
    model_right: float
    """The same of the language model."""
    low: float
    """Of the difference, grammar less model: the lower end of its 95 % interval over resampled texts."""
    high: float

    @property
    def won(self) -> bool:
        """Whether the model surely needs fewer bits, and is not right less often."""
        return self.low > 0 and self.model_right >= self.grammar_right

    def __str__(self) -> str:
        needs = f"{self.model:.3f} bits per choice, the weighted grammar {self.grammar:.3f}"
        apart = f"{self.low:+.3f} to {self.high:+.3f} saved"
        right = f"{self.model_right:.1%} of its first choices fit, of the grammar's {self.grammar_right:.1%}"
        return f"on {self.num_held} later texts the language model needs {needs} ({apart}), and {right}"


def train(pairs: Sequence[Pair], folder: Path, *, threads: int = 1, seed: int = 0) -> Comparison:
    """Compare a language model with the weighted grammar on the latest texts, then fit it on all of them.

    Args:
        pairs: in the order in which they were approved.
        folder: where it is written.

    Raises:
        DataError: when there are too few texts that the grammar reads whole.
    """
    known = [pair for pair in pairs if authoring.lesson(*pair, Vocabulary(), PLAIN) is not None]
    if len(known) < FEWEST:
        raise DataError(
            f"{len(known)} approved texts are worded as the grammar is; a language model needs {FEWEST}",
            "approve more cases first: foretell desk",
        )
    spec = TrainSpec(epochs=EPOCHS, batch_size=BATCH, learning_rate=RATE, threads=threads, seed=seed)
    until = len(known) - len(known) // HELD
    with TemporaryDirectory(prefix="foretell-") as place:
        authoring.learn(known[:until], Path(place) / "lm", spec)
        found = compared(Path(place) / "lm", known[until:], until)
    authoring.learn(known, folder, spec, comparison=canonical(found))
    return found


def compared(folder: Path, later: Sequence[Pair], num_read: int) -> Comparison:
    """Return how the model of a folder does on texts that it has not read, against its own floor."""
    rows, dice, saved = judged(folder, later), Random(0), []
    for _ in range(RESAMPLES):
        drawn = dice.choices(rows, k=len(rows))
        saved.append(sum(row.grammar - row.model for row in drawn) / sum(row.choices for row in drawn))
    ends, choices, forks = quantiles(saved, n=40), sum(r.choices for r in rows), sum(r.forks for r in rows)
    return Comparison(
        num_read=num_read,
        num_held=len(rows),
        grammar=sum(row.grammar for row in rows) / choices,
        model=sum(row.model for row in rows) / choices,
        grammar_right=sum(row.grammar_right for row in rows) / forks,
        model_right=sum(row.model_right for row in rows) / forks,
        low=ends[0],
        high=ends[-1],
    )


class Judged(NamedTuple):
    """One later text: the bits that both need for it, and at how many forks of it both are right."""

    grammar: float
    model: float
    choices: int
    grammar_right: int
    model_right: int
    forks: int


def judged(folder: Path, pairs: Sequence[Pair]) -> list[Judged]:
    """Return how the grammar's weights and the model of a folder do on each text."""
    from torch import inference_mode
    from torch.nn.functional import cross_entropy

    model, vocabulary, style = authoring.opened(folder)
    found = []
    for pair in pairs:
        lesson = authoring.lesson(*pair, vocabulary, style)
        assert lesson is not None, "what the mask does not know was left out"
        batch = authoring.batch([lesson], len(vocabulary))
        with inference_mode(), held_to(1):
            logits, wanted = model.counted(batch)
            both = (batch["floor"], logits)
            grammar, learned = (cross_entropy(each, wanted, reduction="sum").item() / log(2) for each in both)
            right, learned_right = (int((each.argmax(-1) == wanted).sum()) for each in both)
        choices = lesson.num_sentences + 1
        found.append(Judged(grammar, learned, choices, right, learned_right, len(wanted)))
    return found


def comparison_of(folder: Path) -> Comparison:
    """Return how the writer of a folder was compared.

    Raises:
        CheckpointError: when there is no such folder, or it is damaged.
    """
    try:
        return restore(Comparison, open_checkpoint(folder).json("comparison.json"))
    except CheckpointError as error:
        raise CheckpointError(error.message, "name the folder that `foretell style train` wrote") from error


def writer(folder: str, spec: NarrateSpec) -> Writer:
    """Return the writer of a folder, if it beat the weighted grammar.

    Raises:
        CheckpointError: when there is no such folder, or it is damaged.
        SpecError: when it did not: it stays off.
    """
    found = comparison_of(Path(folder).expanduser())
    if not found.won:
        raise SpecError(
            f"the writer in '{folder}' stays off: {found}",
            "write narrate.writer: embedded; `foretell style learn` gives it the house's weights",
        )
    return authoring.writer(folder)
