"""Write the tables of figures into README.md, between markers, from the stored results alone.

python benchmarks/publish.py
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from publish_desk import cases, desk, proofs
from publish_models import fraud, live, monitor, tables
from publish_studio import generation, images, text
from publish_texts import asking, narratives, retrieval, small_writer, style, truth, writers

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


TABLES: Mapping[str, Callable[..., str]] = {
    "fraud": fraud,
    "tables": tables,
    "live": live,
    "narratives": narratives,
    "truth": truth,
    "style": style,
    "writers": writers,
    "small_writer": small_writer,
    "cases": cases,
    "desk": desk,
    "proofs": proofs,
    "retrieval": retrieval,
    "asking": asking,
    "monitor": monitor,
    "generation": generation,
    "text": text,
    "images": images,
}
"""Marker -> what is written there, given the results of `<marker>.json` and `<marker>_*.json`."""


def published(text: str, results: Path = RESULTS) -> str:
    """Return the text with every marked part that has results written anew."""
    for name, write in TABLES.items():
        files = sorted({*results.glob(f"{name}.json"), *results.glob(f"{name}_*.json")}, reverse=True)
        begins, ends = f"<!-- results:{name} -->", f"<!-- /results:{name} -->"
        if not files or begins not in text:
            continue
        before, rest = text.split(begins, 1)
        after = rest.split(ends, 1)[1]
        held = [json.loads(file.read_text()) for file in files]
        text = f"{before}{begins}\n{write(*held)}\n{ends}{after}"
    return text


def main() -> None:
    readme = ROOT / "README.md"
    readme.write_text(published(readme.read_text()))


if __name__ == "__main__":
    main()
