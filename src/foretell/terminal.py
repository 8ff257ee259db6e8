"""What the command line prints about data, models and runs: plain text that reads without colour."""

from collections.abc import Iterable, Mapping, Sequence

from foretell import units
from foretell.cases.drafting import Refusal
from foretell.cases.registry import FIGURES, Model
from foretell.data.audit import audit
from foretell.data.dataset import Dataset, told
from foretell.data.split import split
from foretell.learning import MIDNIGHT, Learned
from foretell.prediction.comparison import FEWEST, FEWEST_ROWS, RISING, Comparison
from foretell.prediction.fitted import Fitted
from foretell.workflow import Run

CHOSEN_BY = {"average_precision": "AP", "log_loss": "log-loss", "rmse": "RMSE"}
OF_CLASSES = {"average_precision": "AP test", "auc": "AUC", "log_loss": "log-loss", "ece": "ECE"}
OF_SEVERAL = {"log_loss": "log-loss test", "accuracy": "accuracy", "macro_f1": "macro F1", "ece": "ECE"}
OF_NUMBERS = {"rmse": "RMSE test", "mae": "MAE", "r2": "R2", "coverage": "in interval"}
"""Metric -> its column in the leaderboard."""
HOWS = {"run": "by a run", "fit": "by a fit alone", "learn": "by learning from decisions"}
SHOWN = 5
"""Refused narratives that the summary names; it counts the rest."""


def describe(dataset: Dataset) -> str:
    """Return the columns, the repairs, the split and its audit."""
    parts = split(dataset)
    lines = [f"{told(dataset)}, fingerprint {dataset.fingerprint[:16]}", ""]
    wide = max(len(column.name) for column in dataset.columns)
    lines += [f"  {c.name:{wide}}  {c.kind:8} {c.role:8} {c.reason}" for c in dataset.columns]
    lines += ["", "repairs:" if dataset.repairs else "repairs: none"]
    lines += [
        f"  {r.column or 'rows'}: {r.rows:,} {r.rule} ({r.example}), {r.action}" for r in dataset.repairs
    ]
    lines += ["", f"split {parts.reason}"]
    for name in ("history", "train", "valid", "test"):
        rows = getattr(parts, name)
        positives = "" if dataset.classes else f"  {int((dataset.target[rows] == 1).sum()):>8,} positive"
        lines.append(f"  {name:8} {len(rows):>12,} rows{positives}")
    lines += ["", "audit:"]
    lines += [f"  {f.severity:8} {f.check}: {f.message}" for f in audit(dataset, parts)]
    return "\n".join(lines)


def leaderboard(fitted: Fitted) -> str:
    """Return the leaderboard: all figures are of the test rows, but for what chose on the validation rows."""
    measure = fitted.standings[0].measure
    several = OF_SEVERAL if fitted.coupling else OF_CLASSES
    shown = OF_NUMBERS if measure == "rmse" else several
    header = ("name", "share", f"{CHOSEN_BY[measure]} valid", *shown.values(), "fit CPU-s", "rows/CPU-s")
    rows = [
        (
            f"{s.name}{' (floor)' if s.floor else ''}",
            f"{s.weight:.2f}",
            _figure(abs(s.choosing)),
            *(_figure(s.metrics[name]) if name in s.metrics else "-" for name in shown),
            f"{s.fit_cpu_seconds:.1f}",
            f"{s.rows_per_cpu_second:,.0f}",
        )
        for s in fitted.standings
    ]
    return "\n".join(_columns(header, rows))


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> Iterable[str]:
    """Yield the lines of a table; its first columns are set to the left, all others to the right."""
    wide = [max(len(line[i]) for line in (header, *rows)) for i in range(len(header))]
    for line in (header, *rows):
        cells = enumerate(zip(line, wide, strict=True))
        yield "  ".join(cell.ljust(w) if i < left else cell.rjust(w) for i, (cell, w) in cells).rstrip()


def _figure(value: float) -> str:
    """Write a metric: four decimals, fewer where it is large, as an error in the target's unit may be."""
    return f"{value:z.4f}" if abs(value) < 10 else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def summary(done: Run, program: str) -> str:
    """Return what a run found, where it is, and how `program` shows it."""
    spec, found = done.fitted.spec, done.evaluation.metrics
    timed = any(column.role == "time" for column in done.fitted.featurizer.schema.columns)
    per = "a day" if timed else f"per thousand {units.plural(spec.data.row_text)}"
    first = f"{program} show {done.first_case} --run {done.folder}" if done.num_cases else ""
    what = spec.task.positive_text
    hits = f"{found['precision_at_capacity']:.1%}"
    reviews = f"{spec.review.capacity:,} review{'s' * (spec.review.capacity != 1)} {per}"
    alerts = f"of {reviews}, {hits} find a case of {what}"
    sentences = f"{done.num_sentences:,} sentences verified"
    drawn = [f"{done.num_drawn:,} of them are no alerts, but drawn at random"] if done.num_drawn else []
    lines = [
        "",
        leaderboard(done.fitted),
        "",
        f"{done.num_cases:,} cases opened from {done.num_rows:,} rows; {sentences}",
        *drawn,
        *refused(done.refused),
        alerts,
        *_quality(done.fitted),
        f"average precision {found.get('average_precision', float('nan')):.4f} on rows that were never seen, "
        f"calibration error {found['ece']:.4f}",
        f"{done.cpu_seconds:.0f} CPU-seconds",
        "",
        f"report  {done.folder / 'report.html'}",
        f"cases   {program} cases --run {done.folder}",
        *([f"one     {first}"] if first else []),
        f"decide  {program} desk --run {done.folder}",
    ]
    return "\n".join(lines)


def _quality(fitted: Fitted) -> list[str]:
    """Return how good estimates of a number are, or classes; nothing where there are two outcomes."""
    if fitted.coupling is not None:
        found = fitted.standings[-1].metrics
        return [f"accuracy {found['accuracy']:.1%}, log-loss {found['log_loss']:.4f} on rows never seen"]
    if fitted.estimator is None:
        return []
    found = fitted.standings[-1].metrics
    held = (
        f"; {found['coverage']:.1%} of the true values in intervals made for {fitted.estimator.level:.0%}"
        if "coverage" in found
        else "; too few rows to promise intervals"
    )
    return [f"estimates miss by {_figure(found['mae'])} on average{held}"]


def compared(learned: Learned) -> str:
    """Return how a challenger did against the champion."""
    found = learned.comparison
    since = units.instant(learned.until.removesuffix(MIDNIGHT))
    positive = "" if found.num_positives is None else f", {found.num_positives:,} of them positive"
    rows = f"{found.num_rows:,} rows from {since} on{positive}"
    ask = (
        f"propose     foretell models propose {learned.challenger[:12]} --run {learned.folder.parent.parent}"
    )
    lines = [
        "",
        f"compared on {rows}; weighted they tell as much as {found.effective_rows:,.0f}",
        f"  {'':18}{'champion':>12}{'challenger':>12}  difference (95 % interval)",
        *(
            f"  {FIGURES[name]:18}{each.champion:12.4f}{each.challenger:12.4f}  "
            f"{each.value:+.4f} ({each.low:+.4f} to {each.high:+.4f})"
            for name, each in found.measures.items()
        ),
        _outcome(found),
        "",
        f"labels      {learned.taught.folder / 'labels.parquet'}",
        f"texts       {learned.taught.folder / 'pairs.jsonl'}",
        f"challenger  {learned.folder}",
        *([ask] if found.won else []),
    ]
    return "\n".join(lines)


def _outcome(found: Comparison) -> str:
    (first, lead), (second, _) = found.measures.items()
    if found.won:
        better, worse = FIGURES[first], FIGURES[second]
        return f"the challenger wins: surely better in {better}, and not surely worse in {worse}"
    if not found.enough:
        rows = f"{FEWEST_ROWS} rows" if found.num_positives is None else f"{FEWEST} positive rows"
        return f"no win: with fewer than {rows} nothing is sure; the champion stays"
    if lead.low > 0 if first in RISING else lead.high < 0:
        return (
            f"no win: better in {FIGURES[first]}, but surely worse in {FIGURES[second]}; the champion stays"
        )
    side = "above" if first in RISING else "below"
    return f"no win: the interval of the difference does not lie {side} 0; the champion stays"


def registry(models: Sequence[Model]) -> str:
    """Return the models of a store, the newest first."""
    if not models:
        return "no model is registered here: foretell run and foretell learn do it, and fit --store"
    header = ("model", "state", "figure", "from", "registered")
    rows = [
        (
            each.model[:12],
            each.state + (", won" if each.won else ""),
            next(map(_against, each.told.items(), [*each.parent_told.values(), None]), "-"),
            each.parent[:12] or "-",
            f"{units.instant(each.at)} by {each.actor}",
        )
        for each in models
    ]
    return "\n".join(_columns(header, rows, left=len(header)))


def _against(figure: tuple[str, float], parents: float | None) -> str:
    """Write a figure of a model, and its parent's on the same rows."""
    return f"{figure[0]} {_figure(figure[1])}" + ("" if parents is None else f" against {_figure(parents)}")


def _figures(told: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {_figure(value)}" for name, value in told.items()) or "-"


def lineage(chain: Sequence[Model]) -> str:
    """Return what a model was made of, and after it the same of each model that it came from."""
    lines: list[str] = []
    for each in chain:
        lines += [*_entry(each), ""]
    gone = chain[-1].parent
    return "\n".join([*lines[:-1], *([f"came from {gone}, which is not registered here"] if gone else [])])


def _entry(model: Model) -> list[str]:
    rows = {
        "state": model.state,
        "registered": f"{units.instant(model.at)} by {model.actor}, event {model.seq}, {HOWS[model.how]}",
        "predicts": model.target,
        "data": model.data,
        "spec": model.spec,
        "code": model.code or "not known: it was registered later than it was fitted",
        "made with": ", ".join(f"{name} {number}" for name, number in model.versions.items()),
        "figures": f"{_figures(model.told)} (test rows)",
    }
    if model.parent:
        won = "won against" if model.won else "did not win against"
        since = f"later rows, from {units.instant(model.since.removesuffix(MIDNIGHT))} on"
        rows |= {
            "from": f"{model.parent}, which it {won}",
            "taught by": f"the rows before, {model.num_decided:,} of them with outcomes that people decided",
            "figures": f"{_figures(model.told)} ({since})",
            "its parent's": f"{_figures(model.parent_told)} (the same rows)",
        }
    return [f"model {model.model}", *(f"  {name:12}  {text}" for name, text in rows.items())]


def refused(refusals: Sequence[Refusal]) -> list[str]:
    """Return which drafts were in vain, each with its fault, and what became of their rows."""
    lost = [refusal for refusal in refusals if not refusal.told]
    told = [refusal for refusal in refusals if refusal.told and not refusal.silent]
    silent = [refusal for refusal in refusals if refusal.silent]
    lines = []
    if lost:
        lines += [f"{_were(lost)} refused by the verifier, so no case was opened:", *_named(lost)]
    if told:
        whose = f"{_were(told)} refused by the verifier and written again by Foretell's own writer:"
        lines += [whose, *_named(told)]
    if silent:
        rows = "1 row" if len(silent) == 1 else f"{len(silent):,} rows"
        lines += [f"{rows} got no draft and were told by Foretell's own writer:", *_named(silent)]
    return lines


def _were(refusals: Sequence[Refusal]) -> str:
    return "1 narrative was" if len(refusals) == 1 else f"{len(refusals):,} narratives were"


def _named(refusals: Sequence[Refusal]) -> list[str]:
    more = [f"  ... and {len(refusals) - SHOWN:,} more"] if len(refusals) > SHOWN else []
    return [*(f"  {refusal.id}, by {refusal.writer}: {refusal.fault}" for refusal in refusals[:SHOWN]), *more]
