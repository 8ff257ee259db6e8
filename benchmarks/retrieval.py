"""Retrieval: is the passage found that a sentence was taken from, or under a heading, and how soon?

python benchmarks/retrieval.py --passages 100000 --queries 500

The corpus (docstrings.py) lies on every machine. Of each passage asked for, one sentence was taken out before
it was indexed; half of that sentence's words, drawn at random, are the query. Headings are left out of the
index and are the second kind of query. No setting was chosen on this corpus.
"""

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # threads that wait for work would count as work of the next query

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

import numpy as np  # noqa: E402
from scipy.sparse import csr_matrix  # noqa: E402

import docstrings  # noqa: E402
from foretell.retrieval import Index  # noqa: E402
from foretell.retrieval.counting import merged  # noqa: E402
from foretell.retrieval.ranking import Space  # noqa: E402
from foretell.retrieval.words import words  # noqa: E402

TOP = 10
LEAST_WORDS = 8
"""Words of a sentence that is taken out, so that half of them still ask for something."""
Query = tuple[str, frozenset[int]]
Search = Callable[[str], Sequence[int]]


def sample(index: Index, num_passages: int, random: Random) -> Index:
    """Return the passages of whole documents, drawn at random, up to a number."""
    rows: dict[int, list[int]] = {}
    for row, line in enumerate(index.lines):
        rows.setdefault(line.document, []).append(row)
    order = sorted(rows)
    random.shuffle(order)
    kept = [row for document in order for row in rows[document]][:num_passages]
    return replace(index, lines=[index.lines[row] for row in sorted(kept)])


def questions(index: Index, count: int, random: Random) -> tuple[list[str], dict[str, list[Query]]]:
    """Return the texts to index, and the queries of both kinds with the rows that answer each."""
    texts = [line.text for line in index.lines]
    taken: list[Query] = []
    for row in random.sample(range(len(texts)), len(texts)):
        sentences = texts[row].split(". ")
        long = [each for each in sentences if len(words(each)) >= LEAST_WORDS]
        if len(sentences) > 1 and long and len(taken) < count:
            lost = random.choice(long)
            asked = lost.split()
            half = sorted(random.sample(range(len(asked)), len(asked) // 2))
            texts[row] = ". ".join(each for each in sentences if each != lost)
            taken.append((" ".join(asked[place] for place in half), frozenset((row,))))
    under: dict[tuple[int, str], list[int]] = {}
    for row, line in enumerate(index.lines):
        under.setdefault((line.document, line.heading), []).append(row)
    headings = [place for place in under if len(words(place[1])) >= 2]
    asked_for = random.sample(sorted(headings), min(count, len(headings)))
    # an identifier is asked for by its words
    titles = [(place[1].replace("_", " "), frozenset(under[place])) for place in asked_for]
    return texts, {"sentence": taken, "heading": titles}


def ours(index: Index, texts: list[str]) -> Mapping[str, Search]:
    """Return the product's search by words, by meaning and by both, over these texts."""
    terms, counts = merged({}, csr_matrix((0, 0)), [words(text) for text in texts], np.full(len(texts), -1))
    lines = [line._replace(text=text) for line, text in zip(index.lines, texts, strict=True)]
    rows = {(line.document, line.start): row for row, line in enumerate(lines)}
    paths = {document.path: place for place, document in enumerate(index.documents)}
    made = replace(index, lines=lines, terms=terms, counts=counts, space=Space.fit(counts))

    def searcher(by: str) -> Search:
        made.search("once, so that all is laid out", by=by)
        return lambda query: [
            rows[paths[each.document], each.start] for each in made.search(query, top=TOP, by=by)
        ]

    return {
        "ours: BM25 alone": searcher("words"),
        "ours: LSA alone": searcher("meaning"),
        "ours: both": searcher("both"),
    }


def peers(texts: list[str]) -> Mapping[str, Search]:
    """Return libraries that do the same, with the settings they come with."""
    import bm25s
    from sklearn.feature_extraction.text import TfidfVectorizer

    retriever = bm25s.BM25()
    retriever.index(bm25s.tokenize(texts, show_progress=False), show_progress=False)
    vectors = TfidfVectorizer()
    matrix_TP = vectors.fit_transform(texts).T.tocsr()

    def by_bm25s(query: str) -> Sequence[int]:
        asked = bm25s.tokenize([query], show_progress=False)
        return retriever.retrieve(asked, k=TOP, show_progress=False)[0][0].tolist()

    def by_cosine(query: str) -> Sequence[int]:
        scores_P = (vectors.transform([query]) @ matrix_TP).toarray()[0]
        best = np.argpartition(-scores_P, TOP)[:TOP]
        return best[np.argsort(-scores_P[best])].tolist()

    return {"bm25s": by_bm25s, "scikit-learn, TF-IDF and cosine": by_cosine}


def judged(search: Search, queries: Sequence[Query]) -> tuple[dict[str, float], list[float]]:
    """Return recall at 1 and 10 and the mean reciprocal rank, and the CPU-ms of each query."""
    places, spent = [], []
    for query, answers in queries:
        began = time.process_time()
        found = search(query)
        spent.append(1e3 * (time.process_time() - began))
        places.append(next((place for place, row in enumerate(found, 1) if row in answers), 0))
    ranks = np.array(places)
    reciprocal = np.where(ranks > 0, 1 / np.maximum(ranks, 1), 0)
    told = {"recall_1": ranks == 1, "recall_10": ranks > 0, "mrr": reciprocal}
    return {name: float(values.mean()) for name, values in told.items()}, spent


def cost(folder: Path) -> tuple[Index, dict[str, float]]:
    """Return the index of all documents, and what building, keeping and bringing it up to date cost."""
    began = time.process_time()
    index = Index.build([str(folder)])
    built = time.process_time() - began
    path = folder / "index"
    index.write(path)
    changed = sorted(folder.glob("*.md"))[0]
    changed.write_text(changed.read_text(encoding="utf-8") + "\n\nOne more sentence.\n", encoding="utf-8")
    began = time.process_time()
    index = Index.open(path)
    opened = time.process_time() - began
    began = time.process_time()
    index = index.updated([str(folder)])
    return index, {
        "passages": len(index.lines),
        "documents": len(index.documents),
        "build_cpu_seconds": round(built, 1),
        "open_cpu_seconds": round(opened, 2),
        "update_cpu_seconds": round(time.process_time() - began, 2),
        "file_mb": round(path.stat().st_size / 1e6, 1),
    }


def measured(seeds: Sequence[int], num_passages: int, num_queries: int) -> dict[str, Any]:
    """Return the costs, and for each contender its figures by seed."""
    with tempfile.TemporaryDirectory() as name:
        docstrings.write(Path(name))
        whole, costs = cost(Path(name))
    cells: dict[str, list[dict[str, Any]]] = {}
    for seed in seeds:
        random = Random(seed)
        index = sample(whole, num_passages, random)
        texts, kinds = questions(index, num_queries, random)
        for contender, search in {**peers(texts), **ours(index, texts)}.items():
            cell: dict[str, Any] = {"seed": seed, "passages": len(texts)}
            spent: list[float] = []
            for kind, queries in kinds.items():
                cell[kind], times = judged(search, queries)
                spent += times
            cell |= {"p50_cpu_ms": float(np.median(spent)), "p99_cpu_ms": float(np.quantile(spent, 0.99))}
            cells.setdefault(contender, []).append(cell)
            print(contender, json.dumps(cell), flush=True)
    return {"costs": costs, "queries": num_queries, "cells": cells}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=500, help="of each kind")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "retrieval.json")
    options = parser.parse_args()
    ran = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    result = {
        "command": shlex.join(["python", *sys.argv]),
        "commit": ran.stdout.strip(),
        "machine": f"{platform.platform()}, {os.cpu_count()} CPUs",
        **measured(options.seeds, options.passages, options.queries),
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"stored      {options.out}")


if __name__ == "__main__":
    main()
