"""What each value of a spec must satisfy beyond its type: one table of rules."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from foretell import units
from foretell.errors import SpecError
from foretell.patterns import compiled
from foretell.spec import CHANGES, KINDS, RuleSpec

LONGEST_SECONDS = 100 * 366 * 86400.0
LARGEST = 1_000_000_000
LARGEST_SEED = 2**31 - 1
# The border stands below the tables of these names; a test holds them equal.
TASKS = ("classify", "regress", "generate")
MODALITIES = ("table", "linked", "text", "image")
GENERATORS = ("next", "flow", "vae", "gan")
GRAMMARS = ("python", "json", "sql", "selfies")
TOKENS = ("characters", "bpe", "pixels")
FAMILIES = ("suited", "event_stream", "tabm", "ft_transformer", "recurrent", "transformer")
WRITERS = ("embedded",)
MAKERS = ("openai", "hf", "lm")
LENGTHS = ("short", "medium", "long")
RULE_KINDS = ("disclosure", "forbidden", "pattern", "personal", "words", "sentences", "reading")
PERSONAL = ("email", "phone", "iban", "card", "columns")
LANGUAGES = ("en", "de")
REGISTERS = ("expert", "plain")
EMBEDDERS = ("lsa",)
DELIVERED = ("ensemble", "student")
SPLITS = ("time", "group", "random")
MISSING = ("repair", "refuse")
MITIGATIONS = ("none", "selection", "recall", "reweigh")


@dataclass(frozen=True, slots=True)
class Rule:
    """One value's rule. `path` is dotted; `*` stands for every entry of a list or mapping."""

    path: str
    holds: Callable[[Any], bool]
    must: str
    """What is asked, as in "must be at least 1"."""
    choices: tuple[str, ...] = ()
    """The names to choose from, where the value is one of a few."""


def is_duration(text: str, *, low: float = 0.0) -> bool:
    """Say whether `text` is a duration of at least `low` seconds and at most a hundred years."""
    try:
        return low <= units.seconds(text) <= LONGEST_SECONDS
    except SpecError:
        return False


def instant(text: str) -> datetime | None:
    """Return an ISO instant, in UTC where it names no offset; None when it is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def is_path(text: str) -> bool:
    """Say whether `text` has the form `package.module:Object`."""
    module, _, name = text.partition(":")
    return name.isidentifier() and all(part.isidentifier() for part in module.split("."))


def _one_of(path: str, choices: tuple[str, ...], *, inferred: bool = False) -> Rule:
    may = ("", *choices) if inferred else choices
    return Rule(path, lambda value: value in may, f"must be one of {', '.join(choices)}", choices)


def _row(path: str, choices: tuple[str, ...]) -> Rule:
    must = f"must be one of {', '.join(choices)}, or package.module:Object"
    return Rule(path, lambda value: value in choices or is_path(value), must, choices)


def _whole(path: str, low: int, high: int = LARGEST) -> Rule:
    return Rule(path, lambda value: low <= value <= high, f"must be from {low:,} to {high:,}")


def _share(path: str) -> Rule:
    return Rule(path, lambda value: 0 < value < 1, "must lie between 0 and 1, both excluded")


def _fraction(path: str, below: float = 1.0) -> Rule:
    return Rule(path, lambda value: 0 <= value < below, f"must be at least 0 and less than {below:g}")


def _positive(path: str) -> Rule:
    return Rule(path, lambda value: 0 < value <= LARGEST, f"must be more than 0, at most {LARGEST:,}")


def _amount(path: str) -> Rule:
    return Rule(path, lambda value: 0 <= value <= LARGEST, f"must be from 0 to {LARGEST:,}")


def _stated(path: str, must: str) -> Rule:
    return Rule(path, lambda value: bool(value), must)


def _distinct(path: str, *, low: int = 1) -> Rule:
    must = "must name each once" if low == 0 else "must name at least one, each once"
    return Rule(path, lambda value: low <= len(set(value)) == len(value), must)


def _instant(path: str) -> Rule:
    must = "must be an instant such as 2018-07-25 or 2018-07-25T12:00+02:00"
    return Rule(path, lambda value: value == "" or instant(value) is not None, must)


def _span(path: str) -> Rule:
    must = "must be a duration above 0 such as 60s, 10m or 14d"
    return Rule(path, lambda value: value == "" or is_duration(value, low=1e-3), must)


def _is_range(value: tuple[float, ...]) -> bool:
    return not value or (len(value) == 2 and -LARGEST <= value[0] <= value[1] <= LARGEST)


def _asks(rule: RuleSpec) -> bool:
    """Say whether a rule for texts states what its kind needs; of an unknown kind nothing is known."""
    if rule.kind in ("words", "sentences", "reading"):
        return 0 < rule.most <= LARGEST and not rule.of
    if rule.kind == "personal":
        return rule.of in PERSONAL
    if rule.kind == "pattern":
        try:
            return bool(compiled(rule.of))
        except ValueError:
            return False
    return bool(rule.of.strip()) or rule.kind not in RULE_KINDS


RULES: tuple[Rule, ...] = (
    _stated("data.source", "must name a file, a folder, a glob of files, or a SQL URL"),
    Rule("data.label_delay", is_duration, "must be a duration such as 0s, 12h or 7d"),
    _one_of("data.missing", MISSING),
    Rule(
        "data.rows",
        lambda value: value == 0 or 1_000 <= value <= LARGEST,
        f"must be from 1,000 to {LARGEST:,}, or 0 for all",
    ),
    _stated("data.row_text", "must say what a row is called"),
    _one_of("columns.*.kind", KINDS, inferred=True),
    _one_of("columns.*.change", CHANGES),
    Rule("columns.*.within", _is_range, "must be two numbers, the least first: [18, 75]"),
    _distinct("columns.*.causes", low=0),
    _one_of("split.by", SPLITS, inferred=True),
    _share("split.test_share"),
    _share("split.valid_share"),
    _instant("split.train_from"),
    _instant("split.train_until"),
    _instant("split.test_from"),
    _instant("split.test_until"),
    _one_of("task.name", TASKS, inferred=True),
    _stated("task.positive_text", "must say what the positive outcome is called"),
    Rule("task.line", lambda value: value is None or math.isfinite(value), "must be a number"),
    Rule("task.interval", lambda value: 0 < value < 1, "must lie between 0 and 1"),
    _distinct("model.families", low=0),
    _row("model.families.*", FAMILIES),
    _span("model.budget"),
    _one_of("model.deliver", DELIVERED),
    _distinct("model.half_lives"),
    Rule(
        "model.half_lives.*", lambda value: is_duration(value, low=1e-3), "must be a duration above 0: 1h, 7d"
    ),
    _whole("model.context", 1, 100_000),
    _whole("model.members", 1, 1_000),
    _whole("model.width", 1, 100_000),
    _span("train.budget"),
    Rule("train.epochs", lambda value: 0 <= value <= LARGEST, f"must be from 0 to {LARGEST:,}"),
    _whole("train.batch_size", 1),
    _positive("train.learning_rate"),
    _amount("train.weight_decay"),
    _fraction("train.warmup"),
    _positive("train.clip"),
    _fraction("train.ema"),
    _whole("train.patience", 0),
    _whole("train.evaluate_every", 1),
    _whole("train.checkpoint_every", 1),
    _whole("train.threads", 0, 4_096),
    _whole("train.seed", 0, LARGEST_SEED),
    _one_of("generate.modality", MODALITIES, inferred=True),
    _one_of("generate.family", GENERATORS, inferred=True),
    _whole("generate.count", 1),
    _distinct("generate.constraints", low=0),
    _stated("generate.children.*", "must name the column that names the parent"),
    _whole("generate.length", 1, 1_000_000),
    _one_of("generate.tokens", TOKENS),
    _one_of("generate.grammar", GRAMMARS, inferred=True),
    Rule("generate.temperature", lambda value: 0 <= value <= 100, "must be from 0 to 100"),
    Rule("generate.top_p", lambda value: 0 < value <= 1, "must be above 0, at most 1"),
    Rule("generate.guidance", lambda value: 0 <= value <= 100, "must be from 0 to 100"),
    _amount("generate.epsilon"),
    _share("generate.delta"),
    _whole("generate.seed", 0, LARGEST_SEED),
    _whole("explain.resamples", 10, 100_000),
    _whole("explain.past_events", 0, 10_000),
    _whole("explain.similar", 1, 1_000_000),
    _distinct("explain.history_days"),
    _whole("explain.history_days.*", 1, 36_500),
    Rule(
        "narrate.writer",
        lambda value: value in WRITERS or is_path(value) or value.partition(":")[0] in MAKERS,
        f"must be one of {', '.join(WRITERS)}, a server (openai:http://localhost:8000/v1#model), a "
        "checkpoint (hf:folder), a writer that learned (lm:folder), or package.module:Object",
        WRITERS,
    ),
    _distinct("narrate.personal", low=0),
    _distinct("narrate.hosts"),
    _distinct("narrate.networks", low=0),
    _whole("narrate.answer_tokens", 1, 1_000_000),
    _whole("narrate.row_calls", 1),
    _whole("narrate.row_tokens", 1),
    Rule("narrate.row_time", lambda value: is_duration(value, low=1e-3), "must be a duration: 60s"),
    _whole("narrate.run_calls", 1),
    _whole("narrate.run_tokens", 1),
    Rule("narrate.run_time", lambda value: is_duration(value, low=1e-3), "must be a duration: 1h"),
    _whole("narrate.attempts", 1, 100),
    _one_of("narrate.length", LENGTHS),
    _one_of("narrate.language", LANGUAGES),
    _one_of("narrate.register", REGISTERS),
    _whole("narrate.seed", 0, LARGEST_SEED),
    _stated("narrate.glossary.*", "must say why it matters"),
    _stated("narrate.checks.*", "must say what to check"),
    _one_of("narrate.rules.*.kind", RULE_KINDS),
    _one_of("narrate.rules.*.severity", ("refuse", "warn")),
    _one_of("narrate.rules.*.when", ("alert", "below", "abstained"), inferred=True),
    _one_of("narrate.rules.*.lengths.*", LENGTHS),
    Rule("narrate.rules.*.score_from", lambda value: 0 <= value <= 1, "must be from 0 to 1"),
    Rule("narrate.rules.*.score_until", lambda value: 0 <= value <= 1, "must be from 0 to 1"),
    Rule(
        "narrate.rules.*",
        _asks,
        "must state `most` above 0 for words, sentences and reading, and else `of`: "
        f"one of {', '.join(PERSONAL)} for personal, and for pattern one as foretell.patterns reads it",
    ),
    _distinct("narrate.documents", low=0),
    _stated("narrate.documents.*", "must name a folder, a file or a glob of documents"),
    _stated("narrate.rights.*", "must name a role or team that may read the documents of this folder"),
    _stated("narrate.rights.*.*", "must name a role or a team"),
    _distinct("narrate.readers", low=0),
    _stated("narrate.readers.*", "must name a role or a team"),
    _row("narrate.embedder", EMBEDDERS),
    _whole("review.capacity", 0),
    Rule("review.retire_for", lambda value: is_duration(value, low=1e-3), "must be a duration above 0: 14d"),
    _amount("review.cost_miss"),
    _amount("review.cost_review"),
    _fraction("review.abstain", below=0.5),
    _distinct("review.groups", low=0),
    Rule(
        "review.edges.*",
        lambda value: len(value) > 0 and all(low < high for low, high in pairwise(value)),
        "must name at least one number, in rising order",
    ),
    _one_of("review.mitigate", MITIGATIONS),
    _share("review.miss"),
    _whole("review.audit", 0),
    _stated("out", "must name a folder"),
)


def values_at(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield (path, value) for each field of a spec that the path of a rule stands for."""
    if not path:
        yield (), value
        return
    if path[0] != "*":
        found: list[tuple[str | int, Any]] = [(path[0], getattr(value, path[0]))]
    else:
        found = list(value.items() if isinstance(value, Mapping) else enumerate(value))
    for key, item in found:
        for rest, leaf in values_at(item, path[1:]):
            yield (key, *rest), leaf
