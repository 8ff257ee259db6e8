"""Texts as a modality of the studio: files are read, texts drawn, measured and written. N: texts."""

import hashlib
import html
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from importlib.util import find_spec
from itertools import islice, pairwise
from math import inf
from pathlib import Path

import numpy as np

from foretell.data.codecs.texts import CODECS, TextCodec, stream
from foretell.data.sources import ENDINGS, load
from foretell.errors import DataError, SpecError
from foretell.generation import continuing, marks
from foretell.generation.guard import verbatim
from foretell.generation.matches import Matches
from foretell.generation.modality import (
    LEAST,
    TEXTS,
    Floats,
    Generator,
    Items,
    Material,
    Picture,
    Rows,
    Watched,
    held_out,
)
from foretell.generation.windows import FAMILIES, TextWindows, opened_windows
from foretell.models.counts import Counts
from foretell.records import Fact
from foretell.spec import Spec
from foretell.training.checkpoint import Files
from foretell.training.progress import Progress

ENDING = ".jsonl"
NEEDS = {"selfies": ("selfies", "molecules"), "bpe": ("tokenizers", "llm")}
"""Tokens -> the package that finds them, and the extra that brings it."""
PIECE = 400
"""Letters of a piece of a longer text at least; it ends at an empty line."""
FEW = 100
"""Files below which long ones are read in pieces: held against each other whole, they would tell little."""
BLOCKS = 20
"""Stretches of one long text that are held out as a whole: neighbouring pieces know each other."""
COPIED, WINDOW = 24, 200
"""Letters of a stretch from which it counts as copied, and of the windows in which one is looked for."""
JUDGED = 200_000
"""Letters that are compared at most."""
GRAM = 4
SHOWN = 6


def read(spec: Spec) -> Material:
    """Read texts: whole files, lines of JSON, or a column of a table; a few long ones in pieces.

    Of several files, whole ones are held out; of one, stretches.

    Raises:
        DataError: when there is no text, too little of it, or what is no UTF-8.
    """
    documents = tuple(text for text in _documents(spec) if text.strip())
    few = len(documents) < LEAST
    long = 2 * PIECE if len(documents) < FEW else inf
    parts = [pieces(text) if few or (len(text) > long and "\n\n" in text) else [text] for text in documents]
    found = [piece for part in parts for piece in part]
    groups = np.arange(len(found), dtype=np.int64)
    if not few:
        groups = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    elif len(found) > BLOCKS:
        groups = groups * BLOCKS // len(found)
    teach, holdout = held_out(groups, spec.split.test_share, spec.train.seed)
    digest = hashlib.sha256("\0".join(found).encode("utf-8", "surrogatepass")).hexdigest()
    return Material(
        items=tuple(found), teach=teach, holdout=holdout, source=spec.data.source, fingerprint=digest
    )


def pieces(text: str) -> list[str]:
    """Return a long text in pieces that end at an empty line before a line that is not indented.

    Where there is no empty line, each line is a text.

    >>> pieces("one\\ntwo\\n")
    ['one\\n', 'two\\n']
    """
    lines = text.splitlines(keepends=True)
    if not any(not line.strip() for line in lines):
        return lines
    found, current = [], ""
    for line in lines:
        begins = current.endswith(("\n\n", "\n\r\n")) and line.strip() and not line[0].isspace()
        if begins and len(current) >= PIECE:
            found.append(current)
            current = ""
        current += line
    return [*found, current]


def _documents(spec: Spec) -> Iterator[str]:
    source = spec.data.source
    path = Path(source)
    if "://" in source or path.suffix in set(ENDINGS) - set(TEXTS):
        yield from _column(spec)
        return
    if path.is_dir():
        paths = sorted(each for each in path.rglob("*") if each.suffix in TEXTS and each.is_file())
    elif any(mark in source for mark in "*?["):
        paths = sorted(Path(path.anchor or ".").glob(str(path.relative_to(path.anchor))))
    else:
        paths = [path]
    if not paths or not all(each.is_file() for each in paths):
        raise DataError(f"no texts are at '{source}'", f"give files that end in {', '.join(TEXTS)}")
    for each in paths:
        text = _decoded(each)
        if each.suffix == ".jsonl":
            yield from _lines(each, text)
        else:
            yield text


def _decoded(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise DataError(
            f"'{path}' is no UTF-8: byte {error.start:,} is 0x{error.object[error.start]:02x}",
            f"convert it: iconv -f LATIN1 -t UTF-8 '{path}'",
        ) from error


def _lines(path: Path, text: str) -> Iterator[str]:
    """Yield the text of each line: a string, what its field `text` holds, or else the line itself."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                held = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"line {number} of '{path}' is no JSON: {error}", "mend the line") from error
            told = held.get("text", line) if isinstance(held, dict) else held
            yield told if isinstance(told, str) else line


def _column(spec: Spec) -> Iterator[str]:
    """Yield a table's column of texts: the one that the spec calls text, else that of the longest."""
    import polars as pl

    frame = load(spec.data).frame
    named = [name for name, column in spec.columns.items() if column.kind == "text"]
    texts = [name for name in named or frame.columns if name in frame.columns]
    texts = [name for name in texts if frame[name].dtype == pl.String]
    if not texts:
        raise DataError(
            f"'{spec.data.source}' has no column of texts", "name one: columns: {NAME: {kind: text}}"
        )
    longest = max(texts, key=lambda name: frame[name].str.len_chars().mean() or 0)
    yield from frame[longest].drop_nulls().to_list()


def fit(material: Material, spec: Spec, *, folder: Path | None, progress: Progress) -> Generator:
    """Fit the family that the spec asks for on the teaching texts.

    Raises:
        SpecError: when there is no such family, or no such tokens.
        DataError: when the texts hold nothing that can be learned.
    """
    texts = take(material.items, material.teach)
    kind = "selfies" if spec.generate.grammar == "selfies" else spec.generate.tokens
    family = spec.generate.family or "next"
    for what, name, known in (("tokens are", kind, CODECS), ("family is", family, ("next", *FAMILIES))):
        if name not in known:
            raise SpecError(f"no {what} called '{name}'", f"one of: {', '.join(known)}")
    if kind in NEEDS and find_spec(NEEDS[kind][0]) is None:
        package, extra = NEEDS[kind]
        raise SpecError(f"to read texts as {kind} needs {package}", f"pip install 'foretell[{extra}]'")
    # Held-out texts tell nothing but their letters: else they could not be asked about.
    codec: TextCodec = CODECS[kind].fit(material.items if kind != "bpe" else texts)
    codec.encode(spec.generate.prompt)  # what cannot be asked for is said before the fit, not after it
    if family != "next":
        return TextWindows.fit(family, codec, texts, spec.train, folder=folder, progress=progress)
    return continuing.fit(codec, texts, spec.train, folder=folder, progress=progress)


def opened(files: Files) -> Generator:
    """Return the generator whose `files` these are."""
    return opened_windows(files) if "windows.json" in files else continuing.opened(files)


def marked(generator: Generator, key: bytes) -> tuple[Generator, Mapping[str, int]]:
    """Return a generator whose texts carry the mark of a key, and how it is read: empty for windows.

    Texts that are drawn as whole windows have no next token that a key could take.
    """
    if not isinstance(generator, continuing.Continuing):
        return generator, {}
    chosen = replace(generator, choose=partial(marks.choose, key=key))
    return chosen, {"context": marks.CONTEXT, "tokens": len(generator.codec)}


def take(items: Items, rows: Rows) -> tuple[str, ...]:
    """Return the texts of these numbers."""
    return tuple(items[row] for row in rows)


def distances(items: Sequence[str], reference: Sequence[str]) -> Floats:
    """Return one over one more than the letters of each text's longest stretch in one of the reference [N].

    By letters and not by shares, since a short text must not count as a copy for what any text shares.
    """
    matches = _matches(tuple(reference))
    return np.array([1 / (1 + matches.longest(text)) for text in items])


@lru_cache(maxsize=4)
def _matches(reference: tuple[str, ...]) -> Matches:
    return Matches.fit(reference)


def fidelity(material: Material, items: Sequence[str], spec: Spec) -> tuple[Fact, ...]:
    """Return how like the held-out texts the new ones are, each measure with what real texts reach.

    bits: of a held-out character, by counts of the new texts alone (train on what was made, test on what is
    real); floor: by counts of as many real letters. overlap: of runs of four characters. distinct: pairs of
    words that are different ones.
    """
    teach, holdout = (take(material.items, part) for part in (material.teach, material.holdout))
    made = _first(items, JUDGED)
    size = sum(map(len, made))
    real, test = _first(teach, size), _first(holdout, JUDGED)
    codec = CODECS["characters"].fit([*made, *real, *test])
    text = {
        "bits": "bits per held-out character by counts of the set alone",
        "overlap": f"runs of {GRAM} characters shared with held-out texts",
        "distinct": "pairs of words that are different ones",
    }
    values = {
        "bits": [_bits(codec, part, test) for part in (made, real)],
        "overlap": [_overlap(part, test) for part in (made, real)],
        "distinct": [_distinct(part) for part in (made, real)],
    }
    found = [
        Fact(
            id="",
            kind="fidelity",
            name=name,
            text=text[name],
            value=value,
            unit="" if name == "bits" else "share",
            detail={"floor": floor, "n": size},
        )
        for name, (value, floor) in values.items()
    ]
    longest, copied = _copied(items, teach)
    _, usual = _copied(holdout, teach)
    found.append(verbatim(longest, copied, usual, n=size // WINDOW, line=COPIED))
    return tuple(found)


def _first(texts: Sequence[str], most: int) -> tuple[str, ...]:
    """Return the first texts, up to so many letters."""
    reached = np.cumsum([len(text) for text in texts])
    return tuple(islice(texts, 1 + int(np.searchsorted(reached, most))))


def _bits(codec: TextCodec, taught: Sequence[str], test: Sequence[str]) -> float:
    counts, tokens = Counts.fit(stream(codec, taught), len(codec), order=5), stream(codec, test)
    told = counts.logits(tokens[None, :-1])[0]
    return float(-told[np.arange(len(told)), tokens[1:]].mean() / np.log(2))


def _overlap(texts: Sequence[str], others: Sequence[str]) -> float:
    shares = []
    for part in (texts, others):
        counts = Counter(text[at : at + GRAM] for text in part for at in range(len(text) - GRAM + 1))
        total = max(1, counts.total())
        shares.append({gram: count / total for gram, count in counts.items()})
    return sum(min(share, shares[1].get(gram, 0.0)) for gram, share in shares[0].items())


def _distinct(texts: Sequence[str]) -> float:
    pairs = [pair for text in texts for words in [text.split()] for pair in pairwise(words)]
    return len({*pairs}) / max(1, len(pairs))


def _copied(texts: Sequence[str], teach: Sequence[str]) -> tuple[int, float]:
    """Return the longest stretch that stands in what taught, and the share of windows with a copied one."""
    matches, longest, windows = _matches(tuple(teach)), 0, []
    for text in _first(texts, JUDGED):
        lengths = matches.lengths(text)
        longest = max(longest, int(lengths.max(initial=0)))
        for at in range(0, max(1, len(text) - WINDOW + 1), WINDOW):
            inside = np.minimum(lengths[at : at + WINDOW], np.arange(min(WINDOW, len(text) - at), 0, -1))
            windows.append(inside.max(initial=0) >= COPIED)
    return longest, float(np.mean(windows)) if windows else 0.0


def watched(material: Material, items: Items, spec: Spec) -> tuple[Watched, ...]:
    """Return nothing: texts have no groups."""
    return ()


def preview(material: Material, items: Sequence[str]) -> tuple[Picture, ...]:
    """Return the first texts, with what stands in those that taught underlined, and as many real ones."""
    teach = take(material.items, material.teach)
    real = take(material.items, material.holdout)[:SHOWN]
    return (
        Picture(
            caption="New texts; underlined is what stands in a text that taught", markup=_marked(items, teach)
        ),
        Picture(caption="Held-out texts, marked likewise", markup=_marked(real, teach)),
    )


def _marked(texts: Sequence[str], teach: Sequence[str]) -> str:
    matches, found = _matches(tuple(teach)), []
    for text in texts[:SHOWN]:
        text = text[:1_000]
        until, shown = 0, ""
        for at, (letter, length) in enumerate(zip(text, matches.lengths(text), strict=True)):
            if length >= COPIED and at + length > until:
                shown += "<u>" if at >= until else ""
                until = at + int(length)
            shown += html.escape(letter) + ("</u>" if at + 1 == until else "")
        found.append(f"<pre>{shown}</pre>")
    return "\n".join(found)


def write(items: Sequence[str], path: Path) -> None:
    """Write one text per line, as JSON with the field `text`."""
    lines = [json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in items]
    path.write_text("".join(lines), encoding="utf-8")
