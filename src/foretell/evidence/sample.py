"""The fact that says why a row that is no alert became a case: it was drawn at random."""

import numpy as np

from foretell import units, wording
from foretell.evidence.scene import Scene, fact
from foretell.records import Fact


def collect(scene: Scene) -> list[list[Fact]]:
    """Return for each row that was drawn the share with which it was, and from how many."""
    rows = units.plural(scene.fitted.spec.data.row_text)
    text, detail = wording.text("sample", scene.fitted.spec.narrate.language, rows=rows), {"of": scene.pool}
    return [
        [fact("sample", "sample", text, share, "share", "spec review", detail)] if share else []
        for share in (scene.shares if len(scene.shares) else np.zeros(len(scene.rows))).tolist()
    ]
