"""The index of an owner's documents: built and kept up to date from files, searched for who may read them.

P: passages, T: terms, K: dimensions.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from foretell.errors import DataError
from foretell.lookup import load
from foretell.retrieval import counting, documents, storage
from foretell.retrieval.documents import Document, File, Line, Skipped
from foretell.retrieval.ranking import Bm25, Space, best, fused, nearer, unit
from foretell.retrieval.words import words

EMBEDDERS = {"lsa": ""}
"""What ranks by meaning: latent semantic analysis of the passages themselves. Else a function of the owner's
that turns a list of texts into an array with a row for each."""
REFIT_BELOW, REFIT_SHARE = 20_000, 0.1
"""The space is fitted anew when there are fewer passages, or when more than this share of them changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A stretch of a document that can be quoted word for word."""

    document: str
    """Its path."""
    version: str
    """SHA-256 of the document's bytes when it was read."""
    name: str
    """The document's title and the headings that the passage stands under, for people."""
    start: int
    end: int
    """Offsets in the document's text, half open."""
    text: str
    """What stands there, white space as single spaces."""
    rank: int
    shared: int
    """Different words of the query that stand in it or in its headings."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Index:
    """Passages and two rankings of them. It never changes: `updated` returns another."""

    documents: tuple[Document, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    """Files that could not be read, and why."""
    embedder: str = "lsa"
    lines: Sequence[Line] = ()
    terms: Mapping[str, int]
    counts: csr_matrix
    """How often each term stands in each passage with its title and headings [P, T]."""
    space: Space
    changed: int = 0
    """Passages that came or went since the space was fitted."""

    @classmethod
    def build(
        cls,
        sources: Sequence[str],
        rights: Mapping[str, Sequence[str]] | None = None,
        *,
        embedder: str = "lsa",
    ) -> "Index":
        """Read all documents of some files, folders and globs.

        Args:
            sources: files, folders, globs.
            rights: folder -> roles and teams that may read what lies in it.
            embedder: `lsa`, or `package.module:function` of yours.

        Raises:
            DataError: when a source holds no document, or not one document can be read.
            SpecError: when a folder of `rights` holds none, or the embedder cannot be imported.
        """
        nothing = np.zeros((0, 0), np.float32)
        empty = cls(terms={}, embedder=embedder, counts=csr_matrix((0, 0)), space=Space(nothing, nothing))
        return empty.updated(sources, rights)

    @classmethod
    def open(cls, path: Path) -> "Index":
        """Open what `write` wrote.

        Raises:
            DataError: when it is no index, or was altered.
        """
        return cls(**storage.read(path))

    def write(self, path: Path) -> None:
        """Write the index into one file: whoever is killed leaves the old one or the new one."""
        storage.write(path, self)

    def updated(self, sources: Sequence[str], rights: Mapping[str, Sequence[str]] | None = None) -> "Index":
        """Return the index of the files as they are now; a document that did not change is not read again."""
        known = {(each.path, each.version): place for place, each in enumerate(self.documents)}
        rows: dict[int, list[int]] = {}
        for row, line in enumerate(self.lines):
            rows.setdefault(line.document, []).append(row)
        kept: list[Document] = []
        skipped: list[Skipped] = []
        lines: list[Line] = []
        origin: list[int] = []
        for file in documents.found(sources, rights or {}):
            place = known.get((file.path, file.version)) if isinstance(file, File) else None
            if place is not None:
                assert isinstance(file, File)
                old = rows.get(place, [])
                lines += [self.lines[row]._replace(document=len(kept)) for row in old]
                origin += old
                kept.append(replace(self.documents[place], locks=file.locks))
                continue
            read = documents.read(file, len(kept)) if isinstance(file, File) else file
            if isinstance(read, Skipped):
                skipped.append(read)
                continue
            kept.append(read[0])
            lines += read[1]
            origin += [-1] * len(read[1])
        if not lines:
            why = f"'{skipped[0].path}': {skipped[0].reason}" if skipped else "they hold no text"
            raise DataError(f"no document can be quoted; {why}", "correct narrate.documents")
        made = replace(self, documents=documents.named(kept), skipped=tuple(skipped), lines=lines)
        return made._counted(self, np.array(origin, dtype=np.int64))

    def _counted(self, old: "Index", origin_P: NDArray[np.int64]) -> "Index":
        """Return it with its words counted and its space; what `old` had is taken over."""
        if len(origin_P) == len(old.lines) and bool((origin_P == np.arange(len(origin_P))).all()):
            return self
        fresh = [words(self._said(row)) for row in np.flatnonzero(origin_P < 0).tolist()]
        terms, counts_PT = counting.merged(old.terms, old.counts, fresh, origin_P)
        held = int((origin_P >= 0).sum())
        changed = self.changed + len(origin_P) - held + len(old.lines) - held
        if self.embedder != "lsa":
            space = self._embedded(old.space, origin_P)
        elif len(self.lines) < REFIT_BELOW or changed > REFIT_SHARE * len(self.lines):
            space, changed = Space.fit(counts_PT), 0
        else:
            space = old.space.folded(old.terms, terms, counts_PT)
        return replace(self, terms=terms, counts=counts_PT, space=space, changed=changed)

    def _embedded(self, old: Space, origin_P: NDArray[np.int64]) -> Space:
        """Return a space of the owner's making; only what is new is embedded."""
        fresh = np.flatnonzero(origin_P < 0)
        made = vectors(self.embedder, [self._said(row) for row in fresh.tolist()])
        all_PK = np.zeros((len(origin_P), made.shape[1] if len(fresh) else old.vectors.shape[1]), np.float32)
        if len(fresh) < len(origin_P) and old.vectors.shape[1] != all_PK.shape[1]:
            raise DataError(
                f"the embedder '{self.embedder}' gave rows of {all_PK.shape[1]} numbers, and of "
                f"{old.vectors.shape[1]} before",
                "delete the index, so that all passages are embedded anew",
            )
        if len(fresh) < len(origin_P):
            all_PK[origin_P >= 0] = old.vectors[origin_P[origin_P >= 0]]
        if len(fresh):
            all_PK[fresh] = made
        return Space(np.zeros((0, 0), np.float32), all_PK)

    def _said(self, row: int) -> str:
        """Return what a passage is found by: its text under its document's title and its headings."""
        line = self.lines[row]
        return f"{self.documents[line.document].title}\n{line.heading}\n{line.text}"

    @cached_property
    def bm25(self) -> Bm25:
        return Bm25.of(self.counts)

    @cached_property
    def _places(self) -> NDArray[np.int32]:
        return np.array([line.document for line in self.lines], np.int32)

    @cached_property
    def _shut(self) -> tuple[int, ...]:
        return tuple(place for place, each in enumerate(self.documents) if not each.open_to(()))

    def search(
        self, query: str, readers: Collection[str] = (), *, top: int = 5, by: str = "both"
    ) -> tuple[Passage, ...]:
        """Return the passages that fit a query best, of those documents alone that these readers may read.

        Args:
            query: words, a question or a whole text.
            readers: roles and teams held; without any, only documents that are open to everybody.
            top: passages wanted; fewer when fewer fit.
            by: words (BM25), meaning (the embedder), or both: meaning moves what words found, and finds alone
                where words found nothing; an owner's embedder counts as much as words, by reciprocal rank.
        """
        known = np.array([self.terms[word] for word in words(query) if word in self.terms], np.int32)
        rows = self._ranked(query, known, self._allowed(readers), by)
        return tuple(self._passage(row, rank, known) for rank, row in enumerate(rows[:top], start=1))

    def _ranked(
        self, query: str, known: NDArray[np.int32], allowed: NDArray[np.bool_] | None, by: str
    ) -> list[int]:
        """Return passages, best first."""
        if self.embedder == "lsa" and not len(known):
            return []  # its space is one of words
        if by == "meaning":
            return best(self._near(query, known), allowed).tolist()
        scores_P = self.bm25.scores(known)
        found = best(scores_P, allowed)
        if by == "words" or not self.space.vectors.shape[1]:
            return found.tolist()
        if self.embedder == "lsa" and len(found):
            return nearer(found, scores_P[found], self.space.near(known, self.bm25.telling, found))
        return fused(found, best(self._near(query, known), allowed))

    def _allowed(self, readers: Collection[str]) -> NDArray[np.bool_] | None:
        """Return for each passage whether these readers may read its document; None: all of them."""
        refused = [place for place in self._shut if not self.documents[place].open_to(readers)]
        if not refused:
            return None
        allowed = np.ones(len(self.documents), bool)
        allowed[refused] = False
        return allowed[self._places]

    def _near(self, query: str, known: NDArray[np.int32]) -> NDArray[np.float32]:
        if self.embedder == "lsa":
            return self.space.near(known, self.bm25.telling)
        return self.space.vectors @ vectors(self.embedder, [query])[0]

    def _passage(self, row: int, rank: int, known: NDArray[np.int32]) -> Passage:
        line = self.lines[row]
        document = self.documents[line.document]
        run = slice(self.counts.indptr[row], self.counts.indptr[row + 1])
        return Passage(
            document=document.path,
            version=document.version,
            name=f"{document.name}: {line.heading}" if line.heading else document.name,
            start=line.start,
            end=line.end,
            text=line.text,
            rank=rank,
            shared=len(np.intersect1d(known, self.counts.indices[run])),
        )


def vectors(embedder: str, texts: list[str]) -> NDArray[np.float32]:
    """Return what an owner's embedder makes of texts: a row of length one for each.

    Raises:
        SpecError: when it cannot be imported.
        DataError: when it returns something else.
    """
    made = np.asarray(load(embedder, EMBEDDERS, "embedder")(texts)) if texts else np.zeros((0, 0))
    if made.ndim != 2 or len(made) != len(texts) or not np.isfinite(made).all():
        raise DataError(
            f"the embedder '{embedder}' returned an array of shape {made.shape} for {len(texts)} texts",
            "let it return a row of finite numbers for each text",
        )
    return unit(made)
