"""From a file, a mapping or a spec, with overrides, to a checked spec; every fault is told at once."""

import contextlib
import glob
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from foretell.border.checking import RULES, values_at
from foretell.border.reading import SHORTHAND, Fault, Node, override, read_file, read_mapping
from foretell.border.relations import RELATIONS
from foretell.errors import SpecError
from foretell.lookup import nearest
from foretell.spec import Spec

Loc = tuple[str | int, ...]
EXPECTED: Mapping[str, str] = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple": "a list, as in [a, b]",
    "mapping": "names with values, as in {a: b}",
    "dict": "names with values, as in {a: b}",
    "dataclass": "fields with values, as in {a: b}",
}
"""First word of pydantic's name of a fault -> what the field asks for."""


def load_spec(source: str | PathLike[str] | Mapping[str, Any] | Spec, overrides: Sequence[str] = ()) -> Spec:
    """Return the checked spec of a YAML file, a mapping or a spec.

    `source` and `target` may stand at the top instead of under `data`. A relative `data.source` counts from
    the spec file's folder, one from a mapping or an override from the working directory; `~` is the home
    folder, URLs stay as they are.

    Args:
        source: path of a YAML file, or what such a file would hold.
        overrides: dotted settings such as `train.seed=3`, later ones win; values are read as YAML.

    Raises:
        SpecError: with every fault found, each with its line, path, value and nearest valid name.
    """
    faults: list[Fault] = []
    folder = Path.cwd()
    if isinstance(source, Mapping):
        root = read_mapping(source, faults)
    elif isinstance(source, Spec):
        root = read_mapping(asdict(source), faults)
    else:
        path = Path(source)
        folder = path.absolute().parent
        root = read_file(path, faults)
    if root.value is None and not faults:
        root = Node({}, root.place)
    if not isinstance(root.value, dict):
        if root.value is not None:
            faults.append(Fault(root.place, "", "a spec is made of names with values, as in `source: a.csv`"))
        raise _refusal(faults)
    _spread(root, faults)
    _locate(root, folder)
    for text in overrides:
        override(root, text, faults)
    _locate(root, Path.cwd())
    spec = _check(root, faults)
    if faults:
        raise _refusal(faults)
    return spec


def _refusal(faults: Sequence[Fault]) -> SpecError:
    told = sorted(faults, key=lambda fault: (fault.place.line == 0, fault.place.line))
    lines = list(dict.fromkeys(str(fault) for fault in told))
    if len(lines) == 1:
        return SpecError(lines[0], "docs/spec.md lists every field")
    return SpecError(
        "\n  ".join([f"the spec has {len(lines)} faults:", *lines]), "docs/spec.md lists every field"
    )


def _spread(root: Node, faults: list[Fault]) -> None:
    """Move `source` and `target` from the top to `data`, where they belong."""
    entries = root.value
    assert isinstance(entries, dict)
    for name in SHORTHAND:
        node = entries.pop(name, None)
        if node is None or node.value is None:
            continue
        data = entries.get("data")
        if data is None or data.value is None:
            data = entries["data"] = Node({}, node.place)
        if isinstance(data.value, dict):
            if name in data.value:
                faults.append(Fault(node.place, name, "stated at the top and under data: keep one"))
            data.value.setdefault(name, node)


def _locate(root: Node, folder: Path) -> None:
    """Make the paths of a spec count from `folder` where they are relative."""
    data, narrate = root.at(("data",)).value, root.at(("narrate",)).value
    if isinstance(data, dict) and "source" in data:
        data["source"] = _located(data["source"], folder)
    if not isinstance(narrate, dict):
        return
    listed, rights = narrate.get("documents"), narrate.get("rights")
    if listed is not None and isinstance(listed.value, list):
        narrate["documents"] = Node([_located(node, folder) for node in listed.value], listed.place)
    if rights is not None and isinstance(rights.value, dict):
        moved = {str(_located(Node(k, rights.place), folder).value): v for k, v in rights.value.items()}
        narrate["rights"] = Node(moved, rights.place)


def _located(node: Node, folder: Path) -> Node:
    text = node.value
    if not isinstance(text, str) or not text or re.match(r"[A-Za-z][A-Za-z0-9+.\-]*://", text):
        return node
    with contextlib.suppress(RuntimeError):  # no such user: the path stays, and is not found later
        text = str(Path(text).expanduser())
    if not Path(text).is_absolute():
        start = glob.escape(str(folder)) if glob.has_magic(text) else str(folder)
        text = str(Path(start) / text)
    return Node(text, node.place)


@cache
def adapter() -> TypeAdapter[Spec]:
    return TypeAdapter(Spec)


def _check(root: Node, faults: list[Fault]) -> Spec:
    """Return the spec; fields with a fault hold their defaults, and the faults are added."""
    plain = root.plain()
    plain.setdefault("data", {})
    wrong: list[Loc] = []
    try:
        spec = adapter().validate_python(plain)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_context=False, include_input=False):
            faults.append(_fault(root, item["loc"], item["type"]))
            wrong.append(_prune(plain, item["loc"]))
        plain.setdefault("data", {})
        spec = adapter().validate_python(plain)
    broken = {".".join(map(str, loc)) for loc in wrong}
    for rule in RULES:
        for loc, value in values_at(spec, tuple(rule.path.split("."))):
            path = ".".join(map(str, loc))
            if rule.holds(value) or _within(path, broken):
                continue
            near = nearest(value, rule.choices) if rule.choices else ""
            node = root.at(loc)
            written = node.value if isinstance(node.value, str) else value
            faults.append(Fault(node.place, path, f"{_shown(written)} {rule.must}{_asked(near)}"))
            broken.add(path)
    for relation in RELATIONS:
        if not any(_within(path, broken) for path in relation.paths) and not relation.holds(spec):
            loc = tuple(relation.paths[0].split("."))
            (_, value), *_ = values_at(spec, loc)
            faults.append(Fault(root.at(loc).place, relation.paths[0], f"{_shown(value)} {relation.must}"))
    return spec


def _within(path: str, broken: set[str]) -> bool:
    return any(path == other or path.startswith(f"{other}.") for other in broken)


def _prune(plain: Any, loc: Loc) -> Loc:
    """Take the faulty value out of `plain`; a list with a faulty item goes as a whole. Return what went."""
    names = []
    for key in loc:
        if isinstance(key, int):
            break
        names.append(key)
    for key in names[:-1]:
        if key not in plain:  # went with an earlier fault
            return tuple(names)
        plain = plain[key]
    plain.pop(names[-1], None)
    return tuple(names)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping) or is_dataclass(value):
        return "names with values"
    text = str(list(value)) if isinstance(value, tuple | list) else str(value)
    return f"'{text if len(text) <= 60 else text[:57] + '...'}'"


def _asked(near: str) -> str:
    return f" (did you mean '{near}'?)" if near else ""


def _fault(root: Node, loc: Loc, kind: str) -> Fault:
    path = ".".join(map(str, loc))
    node = root.at(loc)
    word = kind.partition("_")[0]
    if word in EXPECTED:
        return Fault(node.place, path, f"{_shown(node.plain())} must be {EXPECTED[word]}")
    valid = _names_at(loc[:-1])
    near = _elsewhere(str(loc[-1])) or nearest(str(loc[-1]), valid)
    meant = _asked(near) or f" (valid: {', '.join(valid)})"
    return Fault(node.place, path, f"unknown name '{loc[-1]}'{meant}")


def _names_at(loc: Loc) -> list[str]:
    """Return the fields of the record at `loc`."""
    kind: Any = Spec
    for key in loc:
        kind = get_type_hints(kind)[str(key)] if is_dataclass(kind) else get_args(kind)[1]
    return list(get_type_hints(kind))


def _elsewhere(name: str) -> str:
    """Return the dotted path of a section's field called `name`."""
    sections = {key: kind for key, kind in get_type_hints(Spec).items() if is_dataclass(kind)}
    return next((f"{key}.{name}" for key, kind in sections.items() if name in get_type_hints(kind)), "")
