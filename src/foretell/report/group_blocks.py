"""What documents say of groups: a table a watched column, what differs, and what evening out changed."""

from foretell.report import trust
from foretell.report.document import Table
from foretell.report.trust import Certainty, Share, Trust, Watched
from foretell.report.views import decimal
from foretell.units import percent

GETS = (
    *("Group", "Rows", "Positive", "Said", "Alerts", "Recall", "False alarms", "Precision"),
    "ECE (by chance up to)",
)
HELD_CLASSES = ("Group", "Held, of all", "Held least, of a class", "Classes on average", "One answer alone")
HELD = ("Group", "Held, of positives", "Held, of others", "One answer alone")


def group_blocks(told: Trust) -> tuple[str | Table, ...]:
    """Return sentences and tables about all watched columns; nothing where none is watched."""
    blocks: list[str | Table] = []
    for watched in told.watched:
        blocks += [*_tables(watched), *trust.findings(watched), trust.at_odds(watched), trust.seen(watched)]
    if told.mitigation.how:
        changes = tuple(
            (each.text, decimal(each.before, 4), decimal(each.after, 4)) for each in told.mitigation.changes
        )
        blocks += [
            trust.how(told.mitigation),
            Table(caption="What that changed", header=("Figure", "Without", "With"), rows=changes),
        ]
    return (*blocks, trust.CAUTION) if blocks else ()


def _tables(watched: Watched) -> tuple[Table, ...]:
    gets = tuple(
        (
            group.name,
            f"{group.rows:,}",
            _share(group.base_rate),
            percent(group.said),
            *map(_share, (group.alerts, group.recall, group.false_alarms, group.precision)),
            f"{percent(group.ece)} ({percent(group.ece_by_chance)})",
        )
        for group in watched.groups
    )
    held = tuple(
        (
            group.name + ("" if group.certainty.promised else " (too few for margins of its own)"),
            *_held(group.certainty),
            percent(group.certainty.single),
        )
        for group in watched.groups
        if group.certainty.miss
    )
    header = HELD_CLASSES if watched.groups and watched.groups[0].certainty.classes else HELD
    return (
        Table(caption=f"Groups of {watched.text}, with 95% intervals", header=GETS, rows=gets),
        Table(caption=f"Outcomes that cannot be ruled out, by {watched.text}", header=header, rows=held),
    )


def _held(found: Certainty) -> tuple[str, ...]:
    if found.classes:
        return _share(found.whole), _share(trust.least(found)), decimal(found.size, 2)
    return _share(found.positives), _share(found.negatives)


def _share(share: Share) -> str:
    if share.value is None:
        return "–"
    # An interval stays on one line.
    return f"{percent(share.value)} ({percent(share.low)}\u00a0to\u00a0{percent(share.high)})"
