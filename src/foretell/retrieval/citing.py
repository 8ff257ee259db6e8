"""Passages as facts: which of them a case may quote, and whether their documents have changed since."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from foretell.errors import DataError
from foretell.records import Evidence, Fact
from foretell.retrieval.documents import Skipped, file_at, text_of
from foretell.retrieval.passages import quoted
from foretell.spec import NarrateSpec

if TYPE_CHECKING:
    from foretell.retrieval.index import Index, Passage

FILE = "documents.index"
NUM_FACTORS = 3
NUM_PASSAGES = 3
LEAST_SHARED = 2
"""Different words that a passage must share with a case: one alone is chance."""
SHOWN = 12
"""Digits of a version that are told to people."""


def index_in(folder: Path, spec: NarrateSpec, tell: Callable[[str], None]) -> "Index | None":
    """Return the index of the spec's documents as they are now, kept in a folder; None when it names none.

    What cannot be read is told and left out.

    Raises:
        DataError: when a source holds no document, or not one can be read.
        SpecError: when a folder of `narrate.rights` holds none, or the embedder cannot be imported.
    """
    if not spec.documents:
        return None
    from foretell.retrieval.index import Index

    path = folder / FILE
    held = Index.open(path) if path.exists() else None
    if held is None or held.embedder != spec.embedder:
        index = Index.build(spec.documents, spec.rights, embedder=spec.embedder)
    else:
        index = held.updated(spec.documents, spec.rights)
    index.write(path)
    tell(f"documents: {len(index.documents):,} with {len(index.lines):,} passages")
    for each in index.skipped:
        tell(f"  left out: '{each.path}': {each.reason}")
    return index


def held_in(folder: Path) -> "Index | None":
    """Return the index that a run left in its folder; None when it had none."""
    from foretell.retrieval.index import Index

    return Index.open(folder / FILE) if (folder / FILE).exists() else None


def cited(evidence: Iterable[Evidence], index: "Index | None", spec: NarrateSpec) -> tuple[Evidence, ...]:
    """Return the evidence with the passages that fit each case best.

    A case is seen by many: only documents are quoted that whoever sees the cases may read, which is what
    `narrate.readers` says of them.
    """
    if index is None:
        return tuple(evidence)

    @cache  # cases with the same strongest factors ask the same
    def found(query: str) -> "tuple[Passage, ...]":
        return index.search(query, spec.readers, top=NUM_PASSAGES)

    return tuple(with_passages(each, _facts(found(query_of(each)))) for each in evidence)


def with_passages(evidence: Evidence, passages: Iterable[Fact]) -> Evidence:
    """Return the evidence with these passages as its last facts."""
    first = len(evidence.facts) + 1
    numbered = (replace(fact, id=f"f{place}") for place, fact in enumerate(passages, first))
    return replace(evidence, facts=(*evidence.facts, *numbered))


def query_of(evidence: Evidence) -> str:
    """Return what a case is about, in the owner's words: no value of the row is among them."""
    terms = [str(fact.value) for fact in evidence.of("term") if fact.name in ("row", "outcome")]
    raising = [f for f in evidence.of("attribution") if isinstance(f.value, float) and f.value > 0]
    raising.sort(key=lambda fact: int(fact.detail.get("rank") or 0))
    strongest = raising[:NUM_FACTORS]
    names = {part for fact in strongest for part in (fact.name, *fact.name.split("@"))}
    owner = [str(f.value) for f in (*evidence.of("glossary"), *evidence.of("check")) if f.name in names]
    return " ".join([*terms, *(fact.text for fact in strongest), *owner])


def _facts(passages: Iterable["Passage"]) -> Iterator[Fact]:
    told = [each for each in passages if each.shared >= LEAST_SHARED]
    for rank, passage in enumerate(told, start=1):
        yield Fact(
            id="",
            kind="passage",
            name="passage",
            text=passage.name,
            value=passage.text,
            unit="text",
            source=f"{passage.document}, version {passage.version[:SHOWN]}",
            detail={
                "document": passage.document,
                "version": passage.version,
                "start": passage.start,
                "end": passage.end,
                "rank": rank,
                "shared": passage.shared,
            },
        )


def changes(evidence: Evidence) -> Iterator[str]:
    """Say of each document that the evidence quotes, and that is not what it was, what became of it."""
    for fact in evidence.of("passage"):
        path, version = str(fact.detail["document"]), str(fact.detail["version"])
        was = f"'{path}', quoted as {fact.id} in its version {version[:SHOWN]}"
        now = file_at(path)
        if isinstance(now, Skipped):
            yield f"{was}, is not to be compared: {now.reason}"
            continue
        if now.version == version:
            continue
        try:
            stands = str(fact.value) in quoted(text_of(path, now.data).text)
        except (DataError, KeyError):
            stands = False
        yield f"{was}, has changed since: the passage {'still stands in it' if stands else 'is gone'}"
