"""The long proofs go on where they stopped, and add up."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from proofs import done, go_on, summed
from publish import proofs as published


def test_a_proof_that_was_stopped_goes_on_with_the_next_slice(tmp_path):
    assert go_on(tmp_path, "faults", seconds=0.1)
    assert go_on(tmp_path, "faults", seconds=0.1)
    past = done(tmp_path, "faults")
    assert [each["slice"] for each in past] == [0, 1]
    assert len({each["fault"] for each in past}) == 2
    told = summed(tmp_path)
    assert told["proofs"]["faults"]["count"] == 2 and "| 2 | 0 |" in published(told)
