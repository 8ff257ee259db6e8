"""The owner's own words: why a factor matters, and what to check next when it is among the strongest."""

from foretell.evidence.scene import Scene, fact
from foretell.records import Fact


def collect(scene: Scene) -> list[list[Fact]]:
    """Return per row the glossary and check entries of the factors that raised its score, strongest first.

    An entry named after a factor wins over one named after the factor's column.
    """
    spec = scene.fitted.spec.narrate
    collected = []
    for facts in scene.facts:
        raising = [f for f in facts if f.kind == "attribution" and isinstance(f.value, float) and f.value > 0]
        found: dict[tuple[str, str], Fact] = {}
        for factor in raising:
            for kind, entries in (("glossary", spec.glossary), ("check", spec.checks)):
                key = next((name for name in (factor.name, *factor.name.split("@")) if name in entries), None)
                if key is not None:
                    named = fact(kind, factor.name, factor.text, entries[key], "text", "spec narrate")
                    found.setdefault((kind, entries[key]), named)
        collected.append(list(found.values()))
    return collected
