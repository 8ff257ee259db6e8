"""The card of a run: what a reader of model cards, or of a technical documentation, looks for.

Made of what the run's folder and store hold, and of nothing else: what no run can know is named as missing.
The points are those of Annex IV of Regulation (EU) 2024/1689, and of Mitchell et al., Model Cards for Model
Reporting (FAT* 2019).
"""

from pathlib import Path

from foretell import champions, report, units
from foretell.border import load_spec
from foretell.cases import Store
from foretell.cases.oversight import Oversight, oversight
from foretell.errors import StoreError
from foretell.report import trust
from foretell.report.contents import RunReport
from foretell.report.document import Document, Section, Table
from foretell.report.group_blocks import group_blocks
from foretell.report.views import HEADS, decimal, measured
from foretell.spec import Spec
from foretell.tasks.classify import wilson
from foretell.training.checkpoint import open_checkpoint
from foretell.units import percent

MISSING = (
    ("Intended purpose, provider, who is affected and how", "Annex IV 1 (a)"),
    ("Instructions for use, and the training of those who review", "Annex IV 1 (h), Article 13"),
    (
        "Where the rows come from, how they were chosen and labelled, and on what legal ground",
        "Annex IV 2 (d)",
    ),
    ("Cybersecurity beyond the log's own proof", "Annex IV 2 (h)"),
    ("Why these metrics are right for this use", "Annex IV 4"),
    ("The risk management system", "Annex IV 5, Article 9"),
    ("Harmonised standards that were applied", "Annex IV 7"),
    ("The EU declaration of conformity", "Annex IV 8"),
    ("The plan for monitoring after release", "Annex IV 9, Article 72"),
)
"""What stands in no run, and is asked for: people write it beside the card."""


def card_of(folder: Path, store: str = "") -> Document:
    """Return the card of a run.

    Args:
        folder: of the run.
        store: URL of the store; the run's own if not given.

    Raises:
        StoreError: when the folder has no report, or the store cannot be read.
        CheckpointError: when the model folder is incomplete or altered.
    """
    told = folder / "report.json"
    if not told.exists():
        raise StoreError(f"'{folder}' has no report", "a card is made of a whole run: foretell run SPEC")
    found = report.read(told)
    used = champions.champion(folder)
    spec = load_spec(used / "spec.yaml")
    with Store(store or f"sqlite:///{folder / 'cases.db'}", create=False) as cases:
        seen = oversight(cases)
    sections = (
        _what(found, folder, used),
        _data(found, spec),
        _split(found),
        _model(found, spec),
        _figures(found),
        _groups(found),
        Section(title="Limits", asked="Annex IV 3; model card: caveats", blocks=found.limits),
        _explained(found, spec),
        _reviewed(found, spec, seen),
        _log(seen),
        _changes(folder),
        _missing(),
    )
    lead = (
        f"Made of the run in '{folder.name}', whose report was written on {units.instant(found.created_at)}, "
        f"and of its log up to entry {seen.log.head.seq:,}."
    )
    return Document(title=found.title, lead=lead, sections=sections)


def _what(found: RunReport, folder: Path, used: Path) -> Section:
    checkpoint = open_checkpoint(used)
    versions = ", ".join(f"{name} {number}" for name, number in checkpoint.manifest["versions"].items())
    rows = [
        ("Predicts", f"whether one {found.row_text} is a case of {found.outcome_text}"),
        ("Model in use", checkpoint.digest),
        ("Data fingerprint", str(checkpoint.manifest["data"])),
        ("Made with", versions),
        ("Machine", found.provenance.get("machine", "–")),
        ("Processor time of the run", f"{decimal(found.summary.cpu_seconds, 0)} s"),
    ]
    reported = found.provenance.get("model", "")
    blocks: list[str | Table] = [
        Table(caption="What it is", header=("What", "Value"), rows=tuple(rows)),
    ]
    if reported and reported != checkpoint.digest:
        blocks.append(
            f"The figures below are of model {reported[:12]}, which the last run reported; people have put "
            f"{checkpoint.digest[:12]} in use since."
        )
    return Section(title="The model", asked="Annex IV 1 and 2 (c); model details", blocks=tuple(blocks))


def _data(found: RunReport, spec: Spec) -> Section:
    columns = tuple(
        (column.name, column.kind, column.role, column.unit or "–", column.reason)
        for column in found.data.columns
    )
    repairs = tuple(
        (repair.column or "rows", repair.fault, repair.action, f"{repair.count:,}")
        for repair in found.data.repairs
    )
    audit = tuple((finding.check, finding.severity, finding.message) for finding in found.audit)
    personal = ", ".join(spec.narrate.personal)
    return Section(
        title="Data",
        asked="Annex IV 2 (d), Article 10; training data",
        blocks=(
            f"{found.data.rows:,} {units.plural(found.row_text)} from {found.data.source}.",
            Table(caption="Columns", header=("Column", "Kind", "Role", "Unit", "Why"), rows=columns),
            Table(caption="Repairs", header=("Column", "Fault", "What was done", "Rows"), rows=repairs),
            "" if repairs else "No value was missing or wrong.",
            Table(caption="Audit of the split", header=("Check", "Result", "Found"), rows=audit),
            f"Stated as personal, and told to no other writer: {personal}."
            if personal
            else "No column is stated as personal (narrate.personal).",
        ),
    )


def _split(found: RunReport) -> Section:
    rows = tuple(
        (
            part.name,
            f"{part.rows:,}",
            "–" if part.positives is None else f"{part.positives:,}",
            f"{units.day(part.from_at)} to {units.day(part.until_at)}" if part.from_at else "–",
            part.reason or "–",
        )
        for part in found.parts
    )
    header = ("Part", "Rows", "Positive", "Time", "Why")
    return Section(
        title="What taught, chose and tested",
        asked="Annex IV 2 (g); evaluation data",
        blocks=(Table(caption="Parts", header=header, rows=rows),),
    )


def _model(found: RunReport, spec: Spec) -> Section:
    measures = [(name, places) for name, places, _ in measured(found.leaderboard) if name in HEADS]
    board = tuple(
        (
            row.name + (" (delivered)" if row.delivered else ""),
            row.family,
            *(decimal(getattr(row, name), places) for name, places in measures),
            "–" if row.weight is None else percent(row.weight),
        )
        for row in found.leaderboard
    )
    header = ("Model", "Family", *(HEADS[name] for name, _ in measures), "Share")
    factors = tuple(
        (factor.name, decimal(factor.strength, 2), percent(factor.raises)) for factor in found.factors
    )
    review, summary = spec.review, found.summary
    by = (
        f"costs, {units.number(review.cost_miss)} for a miss, {units.number(review.cost_review)} for a review"
        if review.cost_miss
        else f"the capacity, {review.capacity:,} reviews per {summary.per}"
    )
    return Section(
        title="How it was chosen",
        asked="Annex IV 2 (a), (b)",
        blocks=(
            "Every family was fitted on the same rows, chosen, weighted and calibrated on others, and judged "
            "once on the test rows.",
            Table(caption="Models on the test rows", header=header, rows=board),
            f"Alerts follow from {by}: typically from a probability of {percent(summary.threshold)} on.",
            Table(
                caption="What moved the scores of the cases",
                header=("Factor", f"Mean move in {found.share_unit}", "Raised the score in"),
                rows=factors,
            ),
        ),
    )


def _figures(found: RunReport) -> Section:
    summary, told = found.summary, found.trust
    figures = [
        (trust.NAMES[each.name], decimal(each.value, 4), f"{decimal(each.low, 4)} to {decimal(each.high, 4)}")
        for each in told.metrics
    ]
    for told_classes in found.classes:
        figures.append(("Accuracy of the told classes", percent(told_classes.accuracy), "–"))
    for est in found.estimates:
        figures.append(("Mean error of the estimates", units.write(est.mae, est.unit), "–"))
        figures.append(("Root mean squared error", units.write(est.rmse, est.unit), "–"))
        if est.coverage is not None:
            held = f"True values inside their {percent(est.level)} intervals"
            figures.append((held, percent(est.coverage), "–"))
    if summary.precision is not None and summary.recall is not None and summary.positives:
        hits = round(summary.precision * summary.alerts)
        for name, of in (
            ("Precision of the alerts", summary.alerts),
            ("Recall of the alerts", summary.positives),
        ):
            low, high = wilson(hits, of)
            figures.append((name, percent(hits / of) if of else "–", f"{percent(low)} to {percent(high)}"))
    bins = tuple(
        (percent(b.predicted), percent(b.observed), f"{percent(b.low)} to {percent(b.high)}", f"{b.n:,}")
        for b in found.reliability
    )
    blocks: list[str | Table] = [
        Table(
            caption=f"Of {summary.scored:,} test rows, which no model was fitted or chosen on",
            header=("Figure", "Value", "95% interval"),
            rows=tuple(figures),
        ),
        f"Expected calibration error: {percent(found.ece)}." if found.ece is not None else "",
        Table(
            caption="What was said, and what came",
            header=("Said", "Came", "95% interval", "Rows"),
            rows=bins,
        ),
    ]
    if told.certainty.miss:
        blocks.append(trust.promise(told.certainty, found.outcome_text))
    return Section(
        title="How good it is", asked="Annex IV 2 (g) and 3, Article 15; metrics", blocks=tuple(blocks)
    )


def _groups(found: RunReport) -> Section:
    none = "No columns are named in review.groups: whether groups get different results is not known."
    return Section(
        title="Groups",
        asked="Annex IV 2 (g) and 3; factors, ethical considerations",
        blocks=group_blocks(found.trust) or (none,),
    )


def _explained(found: RunReport, spec: Spec) -> Section:
    rules = tuple((name, rule.kind, rule.severity, rule.of) for name, rule in spec.narrate.rules.items())
    return Section(
        title="What people are told",
        asked="Annex IV 2 (e), Article 13",
        blocks=(
            f"{found.summary.cases:,} of {found.summary.alerts:,} alerts became cases with "
            f"{found.summary.sentences:,} sentences, each derived from facts by a check that trusts no "
            f"writer. Writer: {spec.narrate.writer}; language: {spec.narrate.language}.",
            Table(
                caption="The owner's rules for texts",
                header=("Rule", "Kind", "If broken", "Says"),
                rows=rules,
            ),
        ),
    )


def _reviewed(found: RunReport, spec: Spec, seen: Oversight) -> Section:
    review, policy = spec.review, seen.policy
    band = (
        f"a band of {percent(review.abstain)} around it is left to people"
        if review.abstain
        else "no band is left"
    )
    drawn = tuple((kind, f"{count:,}") for kind, count in seen.decisions.items())
    rules = tuple(
        (rule.name, rule.team or "all", str(rule.approvals), rule.approver, rule.release)
        for rule in policy.rules
    )
    people = {0: "Nobody has decided about them yet", 1: "One person decided about them"}
    decided = people.get(seen.people, f"{seen.people:,} different people decided about them")
    return Section(
        title="How people decide",
        asked="Annex IV 2 (e) and 3, Article 14",
        blocks=(
            f"People review {review.capacity:,} alerts per {found.summary.per}, and {review.audit:,} rows "
            f"that are no alerts, drawn at random; at the threshold {band}.",
            f"{seen.opened:,} cases were opened. {decided}.",
            Table(caption="What people did", header=("Act", "Times"), rows=drawn),
            f"Policy: {percent(policy.blind_share)} of the cases are judged before the score is shown, "
            f"{percent(policy.audit_share)} of what the software would release are seen all the same.",
            Table(
                caption="Rules of the policy, the first that fits",
                header=("Rule", "Team", "Approvals", "By", "Release"),
                rows=rules,
            ),
        ),
    )


def _log(seen: Oversight) -> Section:
    log = seen.log
    holds = (
        "Its chain was checked for this card and holds."
        if log.passed
        else f"Its chain was checked for this card and does not hold: {len(log.faults):,} faults, the first: "
        f"{log.faults[0].text}."
    )
    rows = (
        ("Entries", f"{log.events:,}"),
        ("From", units.instant(seen.first_at) if seen.first_at else "–"),
        ("To", units.instant(seen.last_at) if seen.last_at else "–"),
        ("Head", str(log.head)),
        ("Root of the tree", log.tree),
        ("Pieces of content erased on request", f"{log.erased:,}"),
    )
    desk = tuple((kind, f"{count:,}") for kind, count in seen.desk.items())
    return Section(
        title="The log",
        asked="Article 12",
        blocks=(
            holds,
            Table(caption="Where it ends", header=("What", "Value"), rows=rows),
            Table(caption="What happened to the desk itself", header=("Event", "Times"), rows=desk),
        ),
    )


def _changes(folder: Path) -> Section:
    used = champions.champion(folder)
    rows = []
    for digest, place in champions.models(folder).items():
        figures = champions.figures_of(place)
        better = "–" if not figures else "surely better" if figures.get("won") else "not surely better"
        rows.append((digest, "in use" if place == used else "–", figures.get("until", "–"), better))
    header = ("Model", "Use", "Compared from", "Against the one before")
    return Section(
        title="Changes",
        asked="Annex IV 6",
        blocks=(Table(caption="Models of this run", header=header, rows=tuple(rows)),),
    )


def _missing() -> Section:
    return Section(
        title="What this card cannot say",
        blocks=(
            "It holds what a run and its log know. What follows is asked for too, and people must write it.",
            Table(caption="To be added", header=("What", "Asked for by"), rows=MISSING),
        ),
    )
