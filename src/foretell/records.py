"""The nouns of the road: frozen records with one canonical form, so that each has one digest.

prediction -> evidence (of facts) -> narrative (of claims) -> verdict (of findings) -> case (a fold of events)
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache, lru_cache
from json.encoder import encode_basestring as quote
from operator import attrgetter
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
Value = str | float | int | bool | None
"""What a fact may hold: text, a number, a truth, or nothing known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the model says about one row."""

    id: str
    """The row's identifier."""
    at: str
    """Instant of the event, ISO 8601 in UTC; empty for rows without time."""
    entities: Mapping[str, str]
    """Entity column -> the entity's name, as in customer -> '4711'; without those that are unknown."""
    inputs: Mapping[str, Value]
    """Input column -> the value the model saw, after repair."""
    probability: float
    """Calibrated probability of the positive outcome."""
    logit: float
    """Uncalibrated log-odds; the attributions add up to it."""
    threshold: float
    """Probability from which a row becomes an alert."""
    alert: bool
    abstained: bool
    """True when the probability lies in the band in which the model leaves the answer to a person."""
    model: str
    """Digest of the model folder's manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """The one citable thing. A claim may use `value` and, by name, any entry of `detail`."""

    id: str
    """Unique within its evidence: f1, f2, ..."""
    kind: str
    """A row of `FACT_KINDS` in `foretell.facts`."""
    name: str
    """What the fact is about, for machines: a column, a factor, a statistic."""
    text: str
    """What the fact is about, for people: "amount", "usual amount of this customer over 30 days"."""
    value: Value
    unit: str = ""
    """How `value` is written, see `foretell.units`."""
    source: str = ""
    """Where it was found: a model's digest, a row's id, a window of the data, the spec."""
    detail: Mapping[str, Value] = field(default_factory=dict)
    """Further values of the same fact: interval ends, sample size, rank, stability over resamples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that may be said about one output."""

    id: str
    """The row's identifier."""
    facts: tuple[Fact, ...]
    model: str = ""

    def fact(self, fact_id: str) -> Fact | None:
        return next((fact for fact in self.facts if fact.id == fact_id), None)

    def of(self, kind: str) -> tuple[Fact, ...]:
        return tuple([fact for fact in self.facts if fact.kind == kind])  # thrice as fast as a generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One sentence and the facts it rests on. The verifier reads `text`; it does not trust `cites`."""

    text: str
    cites: tuple[str, ...] = ()
    production: str = ""
    """The production it was written by; empty when a person or another model wrote it."""


OWN = "embedded"
"""How Foretell's own writer signs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrative:
    claims: tuple[Claim, ...]
    writer: str
    length: str = "medium"
    seed: int = 0
    tries: int = 1
    """Drafts that were asked for until this one passed, whoever was to write them."""

    @property
    def text(self) -> str:
        """The claims joined by single spaces."""
        return " ".join(claim.text for claim in self.claims)

    @property
    def author(self) -> str:
        """Who wrote it, in words for a reviewer."""
        whose = "Foretell's own writer" if self.writer == OWN else self.writer
        refused = self.tries - 1
        drafts = f", after {refused} {'draft' if refused == 1 else 'drafts'} in vain"
        return whose + (drafts if refused else "")


SUPPORTED = "SUPPORTED"
CONTRADICTED = "CONTRADICTED"
UNVERIFIED = "UNVERIFIED"
OMITTED = "OMITTED"
REFUSED = "REFUSED"
"""Breaks a rule of the owner that no text may break."""
WARNED = "WARNED"
"""Breaks a rule of the owner that people are only told of."""
FINE = (SUPPORTED, WARNED)
"""What does not keep a text from passing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the verifier says of one span of the text."""

    start: int
    end: int
    """Offsets in `Narrative.text`, half open; start == end for what the text omits."""
    status: str
    """SUPPORTED, CONTRADICTED, UNVERIFIED or OMITTED; of the owner's rules: REFUSED or WARNED."""
    facts: tuple[str, ...] = ()
    derivation: str = ""
    """How the claim follows from the facts, as in `f2.value / f7.value = 3.1`."""
    fault: str = ""
    """Empty when supported; else which claim, what was expected, and what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    passed: bool
    findings: tuple[Finding, ...]
    evidence: str
    """Digest of the evidence that was read."""
    text: str
    """Digest of the text that was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry of the log. `digest` covers every other field, `previous` the entry before."""

    seq: int
    at: str
    actor: str
    kind: str
    """Of a case: opened, approved, endorsed, edited, accepted, rejected, escalated, released, judged,
    snoozed, asked, commented, suggested, permitted, declined, erased. Of the desk: person, key, proposed,
    confirmed, withdrawn, planted, registered."""
    case: str
    body: Mapping[str, Any]
    previous: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A fold of events: prediction + evidence + narrative with a passing verdict, and what people did."""

    id: str
    prediction: Prediction
    evidence: Evidence
    narrative: Narrative
    verdict: Verdict
    status: str
    """open, approved, rejected, escalated or released."""
    opened_at: str
    content: str
    """Digest of prediction, evidence and narrative: what a decision is bound to."""
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person does with a case."""

    verb: str
    """approve, edit, reject, escalate, accept, judge, snooze, ask or comment."""
    actor: str
    content: str
    """Digest of the content the person saw; the decision is refused when it has changed."""
    reason: str = ""
    text: str = ""
    """The edited narrative; only for `edit`."""
    detail: Mapping[str, str] = field(default_factory=dict)
    """What a verb asks for besides: code (reject), unsupported = keep (edit), judgement (judge), until
    (snooze), person (ask)."""


_ATOMS = frozenset((type(None), str, bool, int))


def plain(record: Any) -> Any:
    """Return records as dicts, tuples as lists: what JSON can hold.

    Raises:
        ValueError: on a number that is not finite, since JSON has no form for it.
        TypeError: on a type that JSON cannot hold.
    """
    if type(record) in _ATOMS:
        return record
    if isinstance(record, float):
        if not math.isfinite(record):
            raise ValueError(f"a record holds {record}, which has no canonical form")
        return record
    if is_dataclass(record) and not isinstance(record, type):
        return plain({name: getattr(record, name) for name in _names(type(record))})
    if isinstance(record, Mapping):
        return {str(k): v if type(v) in _ATOMS else plain(v) for k, v in record.items()}
    if isinstance(record, list | tuple):
        return [plain(value) for value in record]
    if isinstance(record, str | int):
        return record
    raise TypeError(f"a record holds a {type(record).__name__}, which has no canonical form")


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind))


def canonical(record: Any) -> bytes:
    """Return the one byte form of a record: UTF-8 JSON, keys sorted, no spaces, shortest floats.

    >>> canonical({"b": 1, "a": 0.5})
    b'{"a":0.5,"b":1}'
    """
    try:
        text = _evidence(record) if type(record) is Evidence else _ENCODER.encode(record)
    except ValueError:
        plain(record)  # says which number it was
        raise
    return text.encode()


def _evidence(evidence: Evidence) -> str:
    """Return the canonical form of an evidence, the usual ones in two thirds of the encoder's time."""
    if not {*map(type, evidence.facts)} <= {Fact}:
        return _ENCODER.encode(evidence)
    try:
        facts = ",".join([_fact(fact) for fact in evidence.facts])
        return f'{{"facts":[{facts}],"id":{quote(evidence.id)},"model":{quote(evidence.model)}}}'
    except (KeyError, TypeError):  # an unusual type, which the encoder knows or refuses
        return _ENCODER.encode(evidence)


def _fact(fact: Fact) -> str:
    detail = ""
    for key, mark in _marks(tuple(fact.detail)):
        value = fact.detail[key]
        detail += mark + _FORMS[type(value)](value)
    return (
        f'{{"detail":{{{detail}}},"id":{quote(fact.id)},"kind":{quote(fact.kind)},"name":{quote(fact.name)},'
        f'"source":{quote(fact.source)},"text":{quote(fact.text)},"unit":{quote(fact.unit)},'
        f'"value":{_FORMS[type(fact.value)](fact.value)}}}'
    )


@lru_cache(1000)
def _marks(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the keys of a mapping in their order, each with what stands before its value."""
    return [(name, f"{',' if place else ''}{quote(name)}:") for place, name in enumerate(sorted(names))]


def _finite(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(value)
    return repr(value)


_FORMS: Mapping[type, Callable[[Any], str]] = {
    str: quote,
    float: _finite,
    int: repr,
    bool: lambda value: "true" if value else "false",
    type(None): lambda value: "null",
}


def _shallow(record: Any) -> dict[str, Any]:
    """Return the fields of one record: the encoder walks on by itself."""
    if not is_dataclass(record) or isinstance(record, type):
        return plain(record)
    names, values = _layout(type(record))
    return dict(zip(names, values(record), strict=True))


@cache
def _layout(kind: Any) -> tuple[list[str], Callable[[Any], tuple[Any, ...]]]:
    """Return the fields of a record in the order of the canonical form, and what takes their values out."""
    names = sorted(_names(kind))
    if len(names) < 2:
        return names, lambda record: tuple(getattr(record, name) for name in names)
    return names, attrgetter(*names)


_ENCODER = json.JSONEncoder(
    default=_shallow,
    sort_keys=True,
    separators=(",", ":"),
    ensure_ascii=False,
    allow_nan=False,
    check_circular=False,
)


def digest(record: Any) -> str:
    """Return the SHA-256 of the canonical bytes, in hexadecimal."""
    return hashlib.sha256(canonical(record)).hexdigest()


def restore(kind: type[T], data: Any) -> T:
    """Return the record of type `kind` that `plain` turned into `data`.

    Raises:
        ValueError: when a field is missing or unknown.
    """
    return _reader(kind)(data)


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """Return what turns plain data into a `kind`, with the types looked up once."""
    origin = get_origin(kind)
    if origin is tuple:
        item = _reader(get_args(kind)[0])
        return lambda data: tuple(map(item, data))
    if origin is not None and origin not in (Union, UnionType) and issubclass(origin, Mapping):
        return dict
    if not (is_dataclass(kind) and isinstance(kind, type)):
        return _as_is
    readers = {name: _reader(hint) for name, hint in get_type_hints(kind).items()}
    nested = [(name, reader) for name, reader in readers.items() if reader is not _as_is]

    def read(data: Any) -> Any:
        if not isinstance(data, Mapping) or not readers.keys() >= data.keys():
            raise ValueError(f"not a {kind.__name__}: {str(data)[:80]}")
        try:
            return kind(**{**data, **{name: item(data[name]) for name, item in nested if name in data}})
        except TypeError as error:
            raise ValueError(f"not a {kind.__name__}: {error}") from error

    return read


def _as_is(data: Any) -> Any:
    return data
