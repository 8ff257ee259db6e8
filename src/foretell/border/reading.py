"""YAML, mappings and overrides to nodes: each value stays text until its field says what it is.

So `positive: no`, `positive: 010` and `positive: 1.50` are the texts "no", "010" and "1.50", while a whole
number is read in base ten (010 is ten, 0x10 is refused) and a yes-or-no field takes true, yes, on, false, no
or off. An empty value, `~` or `null` means the default. Aliases and tags are refused, so that a small file
cannot grow into a large one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path, PurePath
from typing import Any, TypeAlias

import yaml

from foretell.errors import SpecError
from foretell.lookup import nearest

LARGEST = 1 << 20
"""Bytes a spec file may have."""
DEEPEST = 8
"""Levels a spec may nest; the deepest field stands on the third."""
SHORTHAND = ("source", "target")
"""Fields of `data` that may stand at the top."""
NULLS = ("", "~", "null", "Null", "NULL")
Tree: TypeAlias = "str | list[Node] | dict[str, Node] | None"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written; `line` counts from 1, and is 0 where there are no lines."""

    name: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.name, self.line, self.column) if part)


@dataclass(frozen=True, slots=True)
class Fault:
    place: Place
    path: str
    """Dotted path of the field; empty when the fault is the file's."""
    message: str

    def __str__(self) -> str:
        return ": ".join(str(part) for part in (self.place, self.path, self.message) if str(part))


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the spec as it was written."""

    value: Tree
    place: Place

    def plain(self) -> Any:
        """Return the value without its places; entries left empty fall away."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items() if node.value is not None}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def at(self, path: tuple[str | int, ...]) -> "Node":
        """Return the node at `path`, or the deepest one on the way to it."""
        if not path:
            return self
        if isinstance(self.value, dict) and path[0] in self.value:
            return self.value[str(path[0])].at(path[1:])
        if isinstance(self.value, list) and isinstance(path[0], int) and path[0] < len(self.value):
            return self.value[path[0]].at(path[1:])
        return self


def read_file(path: Path, faults: list[Fault]) -> Node:
    """Return the root node of a YAML file.

    Raises:
        SpecError: when the file cannot be opened.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
        near = nearest(path.name, beside)
        hint = f"did you mean '{path.with_name(near)}'?" if near else "check the path"
        raise SpecError(f"there is no spec '{path}'", hint) from None
    except (OSError, ValueError) as error:
        raise SpecError(f"the spec '{path}' cannot be read: {error}", "name a YAML file") from error
    place = Place(str(path))
    if len(data) > LARGEST:
        faults.append(Fault(place, "", f"larger than {LARGEST:,} bytes: this is not a spec"))
        return Node(None, place)
    try:
        return read_text(data.decode("utf-8-sig"), path.name, faults)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        faults.append(Fault(Place(path.name, line), "", "not UTF-8 text"))
        return Node(None, place)


def read_text(text: str, name: str, faults: list[Fault]) -> Node:
    """Return the root node of a YAML text; what is wrong with its form is added to `faults`."""
    try:
        events = iter(yaml.parse(text, Loader=yaml.SafeLoader))
        next(events)
        started = next(events)
        if isinstance(started, yaml.StreamEndEvent):
            return Node(None, Place(name, 1))
        root = _node(events, next(events), name, faults, 0)
        next(events)
        after = next(events)
        if not isinstance(after, yaml.StreamEndEvent):
            faults.append(Fault(_place(after, name), "", "a second document: write one spec per file"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(name, mark.line + 1, mark.column + 1) if mark else Place(name)
        faults.append(Fault(place, "", f"not YAML: {error.problem or error.context}"))
        return Node(None, place)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # a character that YAML forbids, or an escape that names no character
        faults.append(Fault(Place(name), "", f"not YAML: {str(error).splitlines()[0]}"))
        return Node(None, Place(name))
    return root


def _place(event: Any, name: str) -> Place:
    return Place(name, event.start_mark.line + 1)


def _node(events: Iterator[Any], event: Any, name: str, faults: list[Fault], depth: int) -> Node:
    place = _place(event, name)
    if depth > DEEPEST:
        raise yaml.MarkedYAMLError(
            problem=f"more than {DEEPEST} levels of nesting", problem_mark=event.start_mark
        )
    if isinstance(event, yaml.AliasEvent):
        faults.append(Fault(place, "", f"alias '*{event.anchor}': write the value out"))
        return Node(None, place)
    if event.tag is not None and event.tag != "!":
        faults.append(Fault(place, "", f"tag '{event.tag}': tags are not read, leave it out"))
    if isinstance(event, yaml.ScalarEvent):
        is_null = event.implicit[0] and event.value in NULLS
        return Node(None if is_null else event.value, place)
    if isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(_node(events, event, name, faults, depth + 1))
        return Node(items, place)
    entries: dict[str, Node] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _node(events, event, name, faults, depth + 1)
        node = _node(events, next(events), name, faults, depth + 1)
        if not isinstance(key.value, str):
            faults.append(Fault(key.place, "", "a name must be text: put it in quotes"))
        elif key.value in entries:
            first = entries[key.value].place.line
            faults.append(Fault(key.place, "", f"'{key.value}' is stated twice, first on line {first}"))
        else:
            entries[key.value] = Node(node.value, key.place)
    return Node(entries, place)


def read_mapping(value: Any, faults: list[Fault], path: tuple[str, ...] = ()) -> Node:
    """Return the node of a value given in Python: mappings, lists, text, paths, numbers, truths, None."""
    place = Place("")
    if len(path) > DEEPEST:
        faults.append(Fault(place, ".".join(path), f"more than {DEEPEST} levels of nesting"))
        return Node(None, place)
    if value is None or isinstance(value, str | PurePath):
        return Node(None if value is None else str(value), place)
    if isinstance(value, bool):
        return Node(str(value).lower(), place)
    if isinstance(value, Integral) and abs(int(value)) < 1 << 64:
        return Node(str(int(value)), place)
    if isinstance(value, float):
        return Node(repr(float(value)), place)
    if isinstance(value, list | tuple):
        items = [read_mapping(item, faults, (*path, str(index))) for index, item in enumerate(value)]
        return Node(items, place)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return Node({key: read_mapping(item, faults, (*path, key)) for key, item in value.items()}, place)
    faults.append(Fault(place, ".".join(path), f"a {type(value).__name__} is not something a spec can hold"))
    return Node(None, place)


def override(root: Node, text: str, faults: list[Fault]) -> None:
    """Set what an override such as `train.seed=3` states; its value is read as YAML."""
    path, equals, written = text.partition("=")
    place = Place(f"override '{text[:80]}'")
    keys = path.strip().split(".")
    if path.strip() in SHORTHAND:
        keys = ["data", *keys]
    if not equals or not all(keys):
        faults.append(Fault(place, "", "write it as section.field=value"))
        return
    found: list[Fault] = []
    node = Node(read_text(written, place.name, found).value, place)
    faults += [Fault(place, path, fault.message) for fault in found]
    entries = root.value
    for key in keys[:-1]:
        if not isinstance(entries, dict):
            break
        child = entries.get(key)
        if child is None or child.value is None:
            child = entries[key] = Node({}, place)
        entries = child.value
    if isinstance(entries, dict):
        entries[keys[-1]] = node
    else:
        faults.append(Fault(place, path, "has no fields"))
