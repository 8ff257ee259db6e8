"""The long proofs go on where they stopped, and add up."""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from proofs import done, go_on, summed
from publish_desk import proofs as published


def test_a_proof_that_was_stopped_goes_on_with_the_next_slice_also_where_its_slices_are_gone(tmp_path):
    sums, here, elsewhere = tmp_path / "sums.json", tmp_path / "here", tmp_path / "elsewhere"
    assert go_on(here, "faults", 0, sums)
    assert go_on(here, "faults", 0, sums)
    past = done(here, "faults", sums)
    assert [each["slice"] for each in past] == [0, 1]
    assert len({each["fault"] for each in past}) == 2
    told = summed(here, sums)
    assert told["proofs"]["faults"]["count"] == 2 and "| 2 | 0 |" in published(told)
    sums.write_text(json.dumps(told))
    assert summed(here, sums)["proofs"] == told["proofs"], "what is stored is not counted again"
    assert go_on(elsewhere, "faults", 0, sums)
    assert [each["slice"] for each in done(elsewhere, "faults", sums)] == [2]
    assert summed(elsewhere, sums)["proofs"]["faults"]["count"] == 3
