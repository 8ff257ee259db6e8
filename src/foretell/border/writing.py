"""A spec as YAML, its JSON Schema, its documentation, and a first spec for data that were just read."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Any, Protocol, get_args, get_type_hints

import yaml

from foretell.border.checking import RULES
from foretell.border.parsing import adapter
from foretell.border.reading import SHORTHAND
from foretell.records import plain
from foretell.spec import Spec, TaskSpec

INTRODUCTION = """\
# The spec

One YAML file says what is read, predicted and told. Two lines are enough:

```yaml
source: transactions.parquet
target: fraud
```

- `source` and `target` may stand at the top instead of under `data`.
- A field that is left out, or left empty (`~`, `null`), has its default.
- A relative `data.source` counts from the spec file's folder; on the command line, from the working folder.
- An override such as `train.seed=3` on the command line sets one field; its value is read as YAML.
- A value is text until its field says otherwise. `positive: no`, `positive: 010` and `positive: 1.50` are
  the texts "no", "010" and "1.50"; a whole number is read in base ten; a yes-or-no field takes `true`,
  `yes`, `on`, `false`, `no` or `off`.
- Names may appear once; aliases (`*name`) and tags (`!name`) are refused.
- `foretell check SPEC` tells every fault at once, each with its line and the nearest valid name.

Written from `foretell/spec.py` by `make docs`.
"""
STATED = "stated in the spec"
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "value"}


class DescribedColumn(Protocol):
    """What is known of one column after reading."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def role(self) -> str:
        """input, target, id, time, group or excluded."""
        ...

    @property
    def unit(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def reason(self) -> str:
        """Why it has this kind and role."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """Of a target: `positive`, and how many rows are `positives` and `negatives`."""
        ...


class Described(Protocol):
    """A dataset whose columns have been inferred."""

    @property
    def spec(self) -> Spec: ...
    @property
    def columns(self) -> Sequence[DescribedColumn]: ...


class _Dumper(yaml.SafeDumper):
    """Writes text with line breaks and unseen characters between double quotes, where each survives."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"'
    ),
)


def dump_spec(spec: Spec) -> str:
    """Return the spec as YAML, every field stated in the order of `foretell.spec`; it loads back equal."""
    return yaml.dump(plain(spec), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a spec file, with the fields' descriptions and choices."""
    schema = adapter().json_schema()
    for rule in RULES:
        if rule.choices:
            entry = _entry(schema, rule.path)
            choices = ["", *rule.choices] if rule.holds("") else [*rule.choices]
            named = [{"pattern": r"^[\w.]+:\w+$"}] if rule.holds("package.module:Object") else []
            entry["anyOf"] = [{"enum": choices}, *named]
    data = schema["$defs"]["DataSpec"]["properties"]
    schema["properties"] = {**{name: data[name] for name in SHORTHAND}, **schema["properties"]}
    schema["anyOf"] = [{"required": ["data"]}, {"required": ["source"]}]
    del schema["required"]
    return schema


def _entry(schema: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return where the schema describes the values that a rule's path stands for."""
    kind: Any = Spec
    entry: dict[str, Any] = {}
    for part in path.split("."):
        if part != "*":
            described = schema if kind is Spec else schema["$defs"][kind.__name__]
            entry, kind = described["properties"][part], get_type_hints(kind)[part]
        elif is_dataclass(get_args(kind)[1]):
            kind = get_args(kind)[1]
        else:
            entry = entry["items"]
    return entry


def document() -> str:
    """Return the Markdown reference of all fields."""
    schema = adapter().json_schema()
    defs = schema["$defs"]
    parts = [INTRODUCTION]
    for item in fields(Spec):
        kind = get_type_hints(Spec)[item.name]
        each = get_args(kind)[1] if get_args(kind) else None
        owner = each or kind
        if not is_dataclass(owner):
            text = schema["properties"][item.name]["description"]
            parts.append(f"## {item.name}\n\n{text} Default: `{item.default}`.\n")
            continue
        title = f"{item.name}.NAME" if each else item.name
        parts.append(
            f"## {title}\n\n{defs[owner.__name__]['description']}\n\n{_table(item.name, owner, defs)}"
        )
        for name, hint in get_type_hints(owner).items():
            held = next((part for part in get_args(hint) if is_dataclass(part)), None)
            if held is not None:
                path, text = f"{item.name}.{name}", defs[held.__name__]["description"]
                parts.append(f"## {path}.NAME\n\n{text}\n\n{_table(path, held, defs)}")
    return "\n".join(parts)


def _table(section: str, owner: Any, defs: dict[str, Any]) -> str:
    """Return the table of one section's fields."""
    musts = {rule.path.replace(".*.", "."): rule.must for rule in RULES}
    hints = get_type_hints(owner)
    lines = ["| field | type | default | meaning | must |", "|---|---|---|---|---|"]
    for item in fields(owner):
        path = f"{section}.{item.name}"
        default = item.default if item.default is not MISSING else {}
        shown = (
            yaml.safe_dump(plain(default), default_flow_style=True, width=1000).removesuffix("...\n").strip()
        )
        text = defs[owner.__name__]["properties"][item.name]["description"]
        asked = [musts[path]] if path in musts else []
        asked += [f"each {musts[f'{path}.*']}"] if f"{path}.*" in musts else []
        must = "; ".join(asked).replace("must ", "")
        cells = (f"`{item.name}`", _word(hints[item.name]), f"`{shown}`", " ".join(text.split()), must)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _word(kind: Any) -> str:
    if is_dataclass(kind):
        return kind.__name__.removesuffix("Spec").lower()
    if kind in WORDS:
        return WORDS[kind]
    if isinstance(kind, UnionType):
        return _word(get_args(kind)[0])
    inner = get_args(kind)
    return f"list of {_words(inner[0])}" if inner[-1] is Ellipsis else f"names with {_words(inner[1])}"


def _words(kind: Any) -> str:
    word = _word(kind)
    return word.replace("list of", "lists of", 1) if word.startswith("list of") else f"{word}s"


def _scalar(value: Any) -> str:
    listed = yaml.dump([value], Dumper=_Dumper, default_flow_style=True, allow_unicode=True, width=10**9)
    return listed[1:-2]


def initial_spec(dataset: Described) -> str:
    """Return a commented YAML spec of a dataset: each inferred value with its reason beside it."""
    spec, target = dataset.spec, next(column for column in dataset.columns if column.role == "target")
    lines = [
        "# A first spec. Each value was inferred for the reason beside it: correct what is wrong.",
        "data:",
        _field("source", spec.data.source),
    ]
    if spec.data.table:
        lines.append(_field("table", spec.data.table))
    for role in ("target", "id", "time", "group"):
        for column in dataset.columns:
            if column.role == role:
                lines.append(_field(role, column.name, column.reason))
    lines += _stated(spec.data, "label_delay", "missing", "row_text")
    left = [column for column in dataset.columns if column.role == "excluded"]
    if left:
        lines.append("  exclude:")
        lines += [f"    - {_scalar(column.name)}{_because(column.reason)}" for column in left]
    lines.append("columns:")
    for column in dataset.columns:
        known = {"kind": column.kind, "unit": column.unit, "text": column.text}
        if column.name in spec.columns:
            stated = plain(spec.columns[column.name])
            known |= {key: stated[key] for key in ("change", "within", "causes") if stated[key] != "free"}
        entry = ", ".join(f"{key}: {_scalar(value)}" for key, value in known.items() if value)
        lines.append(f"  {_scalar(column.name)}: {{{entry}}}{_because(column.reason)}")
    lines += [*_task(spec.task, target.facts), *_review(dataset)]
    for section in ("split", "model", "train", "explain", "narrate"):
        if stated := _stated(getattr(spec, section)):
            lines += [f"{section}:", *stated]
    return "\n".join([*lines, *(line.strip() for line in _stated(spec, "out")), ""])


def _task(spec: TaskSpec, facts: Mapping[str, Any]) -> list[str]:
    """Return the lines that say what is predicted: the positive value, and what it is called."""
    if "classes" in facts:
        many = f"the target has {len(facts['classes'])} classes"
        return ["task:", _field("name", spec.name, f"{many}; state one as `positive` to look for it alone")]
    positives, negatives = facts["positives"], facts["negatives"]
    if "line" in facts:
        why, values = "the side that people look at", "the target is a number"
    else:
        why, values = "the rarer of the target's two values", "the target has two values"
    why = STATED if spec.positive else why
    stated = spec.positive_text != TaskSpec().positive_text
    return [
        "task:",
        _field("name", spec.name, values),
        _field(
            "positive",
            spec.positive or facts["positive"],
            f"{why}: {positives:,} of {positives + negatives:,} rows",
        ),
        *([_field("line", spec.line, "positive beyond it")] if "line" in facts else []),
        _field(
            "positive_text", spec.positive_text, STATED if stated else "write what sentences should call it"
        ),
    ]


def _review(dataset: Described) -> list[str]:
    """Return the lines that say how much people can look at, and what a miss costs."""
    spec, timed = dataset.spec.review, any(column.role == "time" for column in dataset.columns)
    per = "a day" if timed else "per thousand rows"
    usual = f"as many reviews {per} as there usually are positives; write how many people can do"
    unknown = "not known; with both costs above 0, only what is worth a review is reviewed"
    lines = ["review:", _field("capacity", spec.capacity, STATED if spec.capacity else usual)]
    entities = [c.name for c in dataset.columns if (c.kind, c.role) == ("entity", "input")]
    if spec.entity:
        lines.append(_field("entity", spec.entity, STATED))
    elif entities:  # to be taken in by hand: nothing in the data says what people review
        once = f"uncomment to count alerts by this column, at most one {per} for each value"
        lines.append(f"  # {_field('entity', entities[0], once).strip()}")
    for name, cost in (("cost_review", spec.cost_review), ("cost_miss", spec.cost_miss)):
        lines.append(_field(name, cost, STATED if cost else unknown))
    return lines + _stated(spec, "retire_known", "retire_for", "abstain")


def _field(name: str, value: Any, reason: str = "") -> str:
    return f"  {name}: {_scalar(value)}{_because(reason)}"


def _stated(section: Any, *names: str) -> list[str]:
    """Return the lines of the fields that differ from their defaults, of these names or of all."""
    found = []
    for item in fields(section):
        default = item.default if item.default is not MISSING else {}
        value = getattr(section, item.name)
        if (not names or item.name in names) and value != default:
            found.append(_field(item.name, plain(value), STATED))
    return found


def _because(reason: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in reason).split())
    return f"  # {line}" if line else ""
