"""The owner's own words: why a factor matters, what to check next, and what is asked of every text."""

from foretell.evidence.scene import Scene, fact
from foretell.records import Fact, Value
from foretell.spec import NarrateSpec

SOURCE = "spec narrate.rules"


def collect(scene: Scene) -> list[list[Fact]]:
    """Return per row the glossary and check entries of the factors that raised its score, strongest first.

    An entry named after a factor wins over one named after the factor's column.
    """
    spec = scene.fitted.spec.narrate
    rules = rules_of(spec, scene.fitted.spec.data.id)
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
        collected.append([*found.values(), *rules])
    return collected


def rules_of(spec: NarrateSpec, id_column: str) -> list[Fact]:
    """Return the owner's rules for texts; those about personal columns once for each column."""
    found = []
    for name, rule in spec.rules.items():
        detail: dict[str, Value] = {"severity": rule.severity}
        detail |= {"when": rule.when} if rule.when else {}
        detail |= {"lengths": " ".join(rule.lengths)} if rule.lengths else {}
        detail |= {"score_from": rule.score_from} if rule.score_from > 0 else {}
        detail |= {"score_until": rule.score_until} if rule.score_until < 1 else {}
        if (rule.kind, rule.of) == ("personal", "columns"):
            for column in spec.personal:
                held = "id" if column == id_column else column
                found.append(fact("rule", "column", f"{name} ({column})", held, "name", SOURCE, detail))
        else:
            value, unit = (rule.of, "text") if rule.of else (rule.most, "number")
            found.append(fact("rule", rule.kind, name, value, unit, SOURCE, detail))
    return found
