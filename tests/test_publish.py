"""Published figures are the stored ones."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "benchmarks"))

from publish import TABLES, published  # noqa: E402


def test_the_readme_shows_the_stored_results():
    text = (ROOT / "README.md").read_text()
    assert published(text) == text, "run `python benchmarks/publish.py`"


def test_publishing_twice_changes_nothing_more_and_keeps_the_words_around():
    marked = [f"<!-- results:{name} -->\nold\n<!-- /results:{name} -->\nbetween\n" for name in TABLES]
    once = published("before\n" + "".join(marked))
    assert published(once) == once
    assert once.startswith("before\n")
    assert once.count("between\n") == len(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_without_results_what_stands_there_stays(name, tmp_path):
    text = f"<!-- results:{name} -->\nas it was\n<!-- /results:{name} -->"
    assert published(text, tmp_path) == text


def test_a_figure_that_changes_in_the_results_changes_in_the_table(tmp_path):
    text = "<!-- results:narratives -->\n<!-- /results:narratives -->"
    results = {"narratives": 20_000, "unsupported": 0, "mutants": 100_000, "classes": 22, "missed": 0}
    results |= {"written_per_cpu_second": 600.0, "verified_per_cpu_second": 500.0}
    results |= {"command": "c", "commit": "0" * 40, "machine": "m"}
    for missed in (0, 37):
        (tmp_path / "narratives.json").write_text(json.dumps(results | {"missed": missed}))
        assert f"| of them not caught | {missed} |" in published(text, tmp_path)
