"""A spec as YAML, its JSON Schema, its documentation, and a first spec for data that were just read."""

from collections.abc import Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Protocol, get_args, get_type_hints

import yaml

from foretell.border.checking import RULES
from foretell.border.parsing import adapter
from foretell.border.reading import SHORTHAND
from foretell.records import plain
from foretell.spec import Spec

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
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}


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
    kinds = get_type_hints(Spec)
    for rule in RULES:
        section, _, rest = rule.path.partition(".")
        if rule.choices and rest:
            owner = kinds[section] if is_dataclass(kinds[section]) else get_args(kinds[section])[1]
            name, _, each = rest.removeprefix("*.").partition(".")
            entry = schema["$defs"][owner.__name__]["properties"][name]
            entry = entry["items"] if each else entry
            entry["anyOf"] = [{"enum": ["", *rule.choices]}]
            if not rule.holds(""):
                entry["anyOf"] = [{"enum": list(rule.choices)}]
            if rule.holds("package.module:Object"):
                entry["anyOf"].append({"pattern": r"^[\w.]+:\w+$"})
    data = schema["$defs"]["DataSpec"]["properties"]
    schema["properties"] = {**{name: data[name] for name in SHORTHAND}, **schema["properties"]}
    schema["anyOf"] = [{"required": ["data"]}, {"required": list(SHORTHAND)}]
    del schema["required"]
    return schema


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
    if kind in WORDS:
        return WORDS[kind]
    inner = get_args(kind)
    return f"list of {WORDS[inner[0]]}s" if inner[-1] is Ellipsis else f"names with {WORDS[inner[1]]}s"


def _scalar(text: str) -> str:
    listed = yaml.dump([text], Dumper=_Dumper, default_flow_style=True, allow_unicode=True, width=10**9)
    return listed[1:-2]


def initial_spec(dataset: Described) -> str:
    """Return a commented YAML spec of a dataset: each inferred value with its reason beside it."""
    source = dataset.spec.data
    lines = [
        "# A first spec. Each value was inferred for the reason beside it: correct what is wrong.",
        "data:",
    ]
    lines.append(f"  source: {_scalar(source.source)}")
    if source.table:
        lines.append(f"  table: {_scalar(source.table)}")
    for role in ("target", "id", "time", "group"):
        for column in dataset.columns:
            if column.role == role:
                lines.append(f"  {role}: {_scalar(column.name)}{_because(column)}")
    left = [column for column in dataset.columns if column.role == "excluded"]
    if left:
        lines.append("  exclude:")
        lines += [f"    - {_scalar(column.name)}{_because(column)}" for column in left]
    lines.append("columns:")
    for column in dataset.columns:
        known = {"kind": column.kind, "unit": column.unit, "text": column.text}
        entry = ", ".join(f"{key}: {_scalar(value)}" for key, value in known.items() if value)
        lines.append(f"  {_scalar(column.name)}: {{{entry}}}{_because(column)}")
    return "\n".join(lines) + "\n"


def _because(column: DescribedColumn) -> str:
    reason = " ".join("".join(c if c.isprintable() else " " for c in column.reason).split())
    return f"  # {reason}" if reason else ""
