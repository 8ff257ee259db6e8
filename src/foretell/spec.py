"""The one declarative spec. Two lines are enough: where the data are, and which column to predict.

The string under a field is its help, its schema text and its documentation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = ("number", "category", "time", "text", "entity")
CHANGES = ("free", "never", "rise", "fall", "follow")
STRICT = {"extra": "forbid", "use_attribute_docstrings": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSpec:
    """Where the rows come from and what their columns mean."""

    __pydantic_config__ = STRICT

    source: str = ""
    """A CSV or Parquet file, a glob or a folder of them, or a SQL URL (sqlite:///file.db, postgresql://...)."""
    table: str = ""
    """For a SQL URL: the table to read, or a SELECT statement."""
    target: str = ""
    """The column to predict."""
    id: str = ""
    """The column that names a row; row numbers when empty."""
    time: str = ""
    """The column with the instant of each row's event; the first column of kind time when empty."""
    group: str = ""
    """A column whose values must not be shared between the parts of a split (patient, machine)."""
    exclude: tuple[str, ...] = ()
    """Columns that the model must never see."""
    label_delay: str = "0s"
    """How long after its event a row's target becomes known: 7d, 12h."""
    missing: str = "repair"
    """What to do with missing or wrong values: `repair` (counted) or `refuse`."""
    rows: int = 1_000_000
    """Most rows of a table that are held in memory and learned from; of a larger one so many are drawn by the
    seed, and the others are counted. Rows that are events of entities are all held. 0: all."""
    row_text: str = "row"
    """What one row is called in sentences: transaction, visit, order."""
    licence: str = ""
    """The licence of the data, as in CC-BY-4.0 or `own`; what is generated from them tells it. Nothing is
    generated from data of unknown licence unless `generate.unlicensed` permits it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSpec:
    """What is known of one column."""

    __pydantic_config__ = STRICT

    kind: str = ""
    """One of number, category, time, text, entity; inferred when empty."""
    unit: str = ""
    """Unit of a number: EUR, mm, bar."""
    text: str = ""
    """What the column is called in sentences; its name in lower case when empty."""
    change: str = "free"
    """How a person could change it, which bounds what a counterfactual may ask for: free, never, rise (it may
    only grow), fall, or follow (it moves with its causes alone)."""
    within: tuple[float, ...] = ()
    """The least and the greatest number that a counterfactual may put in it: [18, 75]."""
    causes: tuple[str, ...] = ()
    """Columns that move this number: when a counterfactual changes one of them, this one follows, as it does
    in past rows, with what sets the row apart kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSpec:
    """Which rows train, which validate, which test: the parts train, valid and test."""

    __pydantic_config__ = STRICT

    by: str = ""
    """time, group or random; time when rows have one, group when `data.group` is set."""
    test_share: float = 0.2
    """Share of rows (of the newest time) that test; ignored when `test_from` is set."""
    valid_share: float = 0.15
    """Share of the rows before the test part that validate: early stopping, calibration, ensemble weights."""
    train_from: str = ""
    """First instant of the training rows (inclusive, ISO). Earlier rows still feed the history."""
    train_until: str = ""
    """Instant before which the training and validation rows end (exclusive, ISO)."""
    test_from: str = ""
    """First instant of the test part (inclusive, ISO)."""
    test_until: str = ""
    """Instant before which the test part ends (exclusive, ISO)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """What is predicted."""

    __pydantic_config__ = STRICT

    name: str = ""
    """classify: which outcome, or which of several classes. regress: which number. generate: nothing is
    predicted; more of the same is drawn (see `generate`). Empty: as the target's
    values are: two are outcomes; names are classes, and few whole numbers too, unless they look counted, as
    visits and years do."""
    positive: str = ""
    """The value of the target that counts as positive; the rarer of the two when empty. Of a number: above
    or below (the line); above when empty."""
    positive_text: str = "the positive outcome"
    """What the positive outcome is called in sentences: fraud, churn, default. Of a number, its column and
    the line when not stated."""
    line: float | None = None
    """Of a number: the value beyond which a row counts as positive, so that people look at it. Not stated:
    the value that a tenth of the rows lie beyond."""
    interval: float = 0.9
    """Of a number: the share of the true values that the intervals around estimates are to hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Which model families compete; the floor is always fitted first."""

    __pydantic_config__ = STRICT

    families: tuple[str, ...] = ("suited",)
    """Rows of `FAMILIES` or `package.module:Family`: event_stream, tabm, ft_transformer, recurrent,
    transformer. `suited` is event_stream where rows have entities, else tabm."""
    half_lives: tuple[str, ...] = ("1h", "1d", "7d", "30d")
    """Half-lives of the decaying statistics that each entity carries."""
    context: int = 24
    """Past events per entity that the recurrent and transformer families read."""
    members: int = 8
    """Networks in the readout's ensemble, sharing all but a few weights."""
    width: int = 96
    """Units of a hidden layer."""
    budget: str = ""
    """Time from the first fit in which other shapes of trees are tried, 5m or 1h: the best join the ladder.
    Of tables, not of streams of events. Empty: none are."""
    deliver: str = "ensemble"
    """ensemble: all that won. student: one network of at most 50,000 parameters that was taught what the
    ensemble says, for quick and explained scores; what it costs in accuracy is told."""
    ensemble: bool = True
    """Deliver the weighted ensemble of the families when it beats the best one on the validation rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSpec:
    """How a network is fitted; the same loop for every family."""

    __pydantic_config__ = STRICT

    budget: str = ""
    """Longest time one network may take, 60s or 10m: the schedule is laid over it. Empty: `epochs` alone."""
    epochs: float = 0.0
    """Passes over the training rows; the schedule is laid over them. 0: as many as suit the family: 8, and
    for tabm and ft_transformer at least as many as make 1,000 steps."""
    batch_size: int = 1024
    """Rows per step."""
    learning_rate: float = 0.003
    """Highest learning rate of the schedule."""
    weight_decay: float = 0.01
    """Share by which weights shrink per step, times the learning rate."""
    warmup: float = 0.1
    """Share of the steps over which the learning rate rises."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    ema: float = 0.0
    """Decay of the averaged weights that are delivered; 0 delivers the last (or best) ones."""
    patience: int = 0
    """Evaluations without a lower loss on the validation rows after which training stops and delivers the
    best weights. 0: as suits the family; tabm and ft_transformer evaluate 25 times and stop after 6 in vain,
    the others do not evaluate and deliver the last weights."""
    evaluate_every: int = 200
    """Steps between evaluations on the validation rows, which `patience` asks for."""
    checkpoint_every: int = 200
    """Steps between checkpoints, from which a killed run goes on bit for bit."""
    threads: int = 1
    """CPU threads; 0 leaves the choice to the libraries. The networks are small: more threads rarely help."""
    seed: int = 0
    """Fixes every random choice of the fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateSpec:
    """What is generated, by which family, and how it is steered."""

    __pydantic_config__ = STRICT

    modality: str = ""
    """table, linked (tables of parents and children, events), text or image; as the data are when empty."""
    family: str = ""
    """next (each part given those before), flow, vae or gan. Empty: what suits the modality."""
    count: int = 1_000
    """Rows, texts or images that are asked for."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """What is fixed. Column -> a value, a list of them, or the least and the greatest as {from: 18, to: 65};
    of images and texts, class -> its name."""
    constraints: tuple[str, ...] = ()
    """What holds in each row: `start <= end`, `income > 0 if employed == 'yes'`."""
    balance: str = ""
    """A column whose values are drawn equally often."""
    children: Mapping[str, str] = field(default_factory=dict)
    """File of a table whose rows belong to rows of this one -> its column that names them by `data.id`: both
    are drawn, with keys that fit. Where data.group and data.time are stated, the rows are events of groups
    instead, and so drawn one after another. `count` is of the parents, or of the groups."""
    prompt: str = ""
    """How each text begins; of images, words that describe them."""
    length: int = 500
    """Longest text, in tokens."""
    stop: tuple[str, ...] = ()
    """Texts at which one ends."""
    tokens: str = "characters"
    """characters, or bpe: what a text is read as. Of images, pixels: they themselves are drawn, not
    latents of a learned codec."""
    grammar: str = ""
    """What every text parses as: python, json, sql or selfies. Empty: anything."""
    temperature: float = 1.0
    """Below 1, likelier values are drawn more often than they were seen."""
    top_p: float = 1.0
    """Draw from the fewest values that together have this probability."""
    guidance: float = 0.0
    """How strongly images follow what is asked; 1: as it was seen; 0: what suits the family."""
    epsilon: float = 0.0
    """Differential privacy of the rows that taught; 0: none is promised."""
    delta: float = 1e-5
    """Chance that the promise of `epsilon` does not hold."""
    seed: int = 0
    """Fixes every random choice of the draw."""
    unlicensed: bool = False
    """Generate from data whose licence is not known; that it was permitted is told with the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainSpec:
    """What is gathered about each alert."""

    __pydantic_config__ = STRICT

    resamples: int = 50
    """Sampled orders of the factors: what shares are estimated from, and the stability of signs and ranks."""
    past_events: int = 8
    """Past events per entity whose share in the score is measured one by one."""
    similar: int = 50
    """Nearest past rows whose outcomes are told."""
    history_days: tuple[int, ...] = (1, 7, 30)
    """Windows of the history facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSpec:
    """What the owner asks of every text, whoever writes it, and of people's edits."""

    __pydantic_config__ = STRICT

    kind: str = "forbidden"
    """disclosure: a sentence that must stand in the text. forbidden: words that may not, in any case or
    look-alike letters. pattern: a form that may not be told, such as a national number. personal: email,
    phone, iban, card, or columns: the values of `narrate.personal`. words, sentences: how long the text may
    be. reading: the school year for which it may be written."""
    of: str = ""
    """The sentence, the words, the pattern, or what is personal."""
    most: float = 0.0
    """The most words, sentences, or school years."""
    severity: str = "refuse"
    """refuse: a text that breaks the rule becomes no case, and no edit. warn: people are told."""
    when: str = ""
    """alert, below (the threshold) or abstained; always when empty."""
    score_from: float = 0.0
    """Least score for which the rule holds."""
    score_until: float = 1.0
    """Greatest score for which it holds."""
    lengths: tuple[str, ...] = ()
    """Lengths for which it holds; all when empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrateSpec:
    """Who writes the explanation, and what the owner wants said."""

    __pydantic_config__ = STRICT

    writer: str = "embedded"
    """A row of `WRITERS`, `openai:http://localhost:8000/v1#model` (a server), `hf:folder` (a checkpoint),
    `lm:folder` (what `foretell style train` wrote), or `package.module:function`."""
    personal: tuple[str, ...] = ()
    """Columns whose values no server is told; ids of rows and entities never leave this machine anyway."""
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")
    """Hosts that a writer may ask, by name or address; this machine alone by default."""
    networks: tuple[str, ...] = ()
    """Networks where a writer may ask although they are not public: 10.1.0.0/16."""
    answer_tokens: int = 1_000
    """Longest answer that a server is asked for."""
    row_calls: int = 6
    """Requests to a server about one row, with all its attempts."""
    row_tokens: int = 60_000
    """Tokens, sent and received, about one row."""
    row_time: str = "60s"
    """Longest time that one row waits for a server."""
    run_calls: int = 10_000
    """Requests to a server in one run."""
    run_tokens: int = 10_000_000
    """Tokens, sent and received, in one run."""
    run_time: str = "1h"
    """Longest time that one run waits for a server, in all."""
    attempts: int = 3
    """Drafts a writer may offer before the embedded one writes instead."""
    length: str = "medium"
    """short, medium or long."""
    seed: int = 0
    """Chooses among equally true wordings."""
    language: str = "en"
    """en or de: the language of the sentences; the names of rows, columns and outcomes are yours, in it."""
    register: str = "expert"
    """expert names log-odds and intervals; plain names neither."""
    style: str = ""
    """File of a house style, as `foretell style learn` writes it. If empty: the style in use in the run's
    folder, if there is one."""
    glossary: Mapping[str, str] = field(default_factory=dict)
    """Column or factor -> why it matters, in the owner's words; quoted, never altered."""
    checks: Mapping[str, str] = field(default_factory=dict)
    """Column or factor -> what to check next when it is among the strongest."""
    rules: Mapping[str, RuleSpec] = field(default_factory=dict)
    """Name -> a rule for all texts."""
    documents: tuple[str, ...] = ()
    """Folders, files or globs of your policies and notes (.md, .txt, .html, .pdf), from which cases quote."""
    rights: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Folder of documents -> the roles and teams that may read what lies in it. Every folder around a
    document counts, and so does `readers: [...]` in its own front matter; what none of them names is open."""
    readers: tuple[str, ...] = ()
    """Roles and teams that everybody who sees the cases has: no other documents are quoted in them, besides
    those that are open."""
    embedder: str = "lsa"
    """What finds passages by meaning: lsa, or your `package.module:function` from texts to rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSpec:
    """How much people can look at, and what a miss costs."""

    __pydantic_config__ = STRICT

    capacity: int = 0
    """Alerts that people can review per day (per thousand rows where rows have no time); 0: as many as there
    usually are positives."""
    entity: str = ""
    """Alerts are counted per value of this entity column: one alert a day per card, its highest score."""
    retire_known: bool = False
    """Leave out rows of an entity that was already found positive: its card is blocked."""
    retire_for: str = "14d"
    """How long it is left out, counted from the positive row: until its card was replaced."""
    cost_miss: float = 0.0
    """Cost of a missed positive; below `cost_review / cost_miss` a row is not worth a review."""
    cost_review: float = 0.0
    """Cost of one review."""
    abstain: float = 0.0
    """Half-width, in probability, of the band around the threshold that is left to a person's judgement."""
    groups: tuple[str, ...] = ()
    """Columns whose groups are watched (sex, age, site): how often each is alerted, found and wrongly
    alerted, and whether its probabilities hold. Such a column may stand in `data.exclude`: the model never
    sees it then, and it is measured all the same."""
    edges: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Watched number -> where it is cut: age: [25, 45, 65]. Quartiles where nothing is stated, and each value
    by itself where there are few."""
    mitigate: str = "none"
    """What is done about differences between the groups of the first watched column. selection: alerts are
    shared out so that each group has the same share of alerts; recall: so that the same share of each
    group's positives is found; both within the same capacity, by a threshold for each group. reweigh: rows
    teach with weights by which group and outcome are independent. The report says what it costs. Deciding by
    membership of a group may be unlawful where you are, even to even things out: ask before you do."""
    miss: float = 0.1
    """Share of each outcome's rows, in each watched group, that the set of outcomes which cannot be ruled out
    may miss; the report says how often such a set holds one answer alone."""
    audit: int = 2
    """Rows per day (per thousand rows where rows have no time) that are no alerts and are reviewed all the
    same, drawn at random: only they tell what the alerts miss. Two a day are 60 a month; 0: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One spec in, cases out."""

    __pydantic_config__ = STRICT

    data: DataSpec
    columns: Mapping[str, ColumnSpec] = field(default_factory=dict)
    split: SplitSpec = field(default_factory=SplitSpec)
    task: TaskSpec = field(default_factory=TaskSpec)
    model: ModelSpec = field(default_factory=ModelSpec)
    train: TrainSpec = field(default_factory=TrainSpec)
    generate: GenerateSpec = field(default_factory=GenerateSpec)
    explain: ExplainSpec = field(default_factory=ExplainSpec)
    narrate: NarrateSpec = field(default_factory=NarrateSpec)
    review: ReviewSpec = field(default_factory=ReviewSpec)
    out: str = "runs/latest"
    """Folder for the model, the cases and the report."""
