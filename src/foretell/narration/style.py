"""A house style: how one house words true claims. Files are named by the digest of their content.

A style holds weights, an order and shares, which decide among what the licences admit, and sentences of the
house's own, which the verifier knows from the evidence. It makes nothing true that is not.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from foretell.errors import CheckpointError
from foretell.files import write_whole
from foretell.records import Evidence, Fact, canonical, digest, restore
from foretell.verification.wordings import Wording, as_facts

Shares = tuple[str, tuple[float, ...]]
"""A group, and how probably its first, second, ... sentence is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What approved texts say of how a house tells."""

    language: str = "en"
    num_texts: int = 0
    """Approved texts that it was learned from."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Alternative of the grammar (production and text) -> weight, in place of the grammar's own."""
    choices: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """A choice [a|b] -> the weights of its options."""
    plans: Mapping[str, tuple[Shares, ...]] = field(default_factory=dict)
    """Length -> groups in the order of telling, each with the shares of texts in which its first, second, ...
    sentence is told when it may be."""
    wordings: tuple[Wording, ...] = ()
    """Sentences of the house's own that two people released."""

    @property
    def digest(self) -> str:
        return digest(self)


SOURCE = "style "
"""How the source of a fact begins that a style brings."""
PLAIN = Style()
"""The grammar's own weights and plans."""


def save(style: Style, folder: Path) -> Path:
    """Write a style under the name that its content gives it, and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{style.digest}.json"
    write_whole(path, canonical(style) + b"\n")
    return path


def opened(path: str) -> Style:
    """Return the style of a file, once its content is what its name says.

    Raises:
        CheckpointError: when the file is missing or was altered.
    """
    try:
        found = Path(path).stat()
        return _read(path, found.st_mtime_ns, found.st_size)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"the style '{path}' cannot be read: {error}", "learn it again: foretell style learn"
        ) from error


@lru_cache(16)
def _read(path: str, _changed: int, _size: int) -> Style:
    style = restore(Style, json.loads(Path(path).read_bytes()))
    if style.digest != Path(path).stem:
        raise CheckpointError(
            f"the style '{path}' was altered: its content is {style.digest[:12]}",
            "go back to another one: foretell style revert",
        )
    return style


def furnish(evidence: Evidence, path: str) -> Evidence:
    """Return the evidence with the style that it is told in, and the sentences which that brings.

    Without a style, or one of another language, it stays as it is.
    """
    style = opened(path) if path else PLAIN
    language = next((str(f.value) for f in evidence.of("term") if f.name == "language"), "en")
    if not path or style.language != language:
        return evidence
    named = Fact(
        id="w0",
        kind="term",
        name="style",
        text="house style",
        value=style.digest[:12],
        unit="name",
        source=f"{SOURCE}{style.digest}",
    )
    return replace(evidence, facts=(*evidence.facts, named, *as_facts(style.wordings, named.source)))
