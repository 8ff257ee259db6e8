"""The whole road: read, fit, evaluate, predict, explain, narrate, verify, open cases, decide, report.

The one file that knows both wings. Every verb can be called on its own; `run` walks them all.
"""

import fcntl
import shutil
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from foretell import champions, narration, reporting, scoring, styles, trust, verification
from foretell import evidence as collectors
from foretell.cases import Store
from foretell.cases.drafting import Refusal
from foretell.cases.opening import open_in, others
from foretell.cases.registry import FIT
from foretell.data.audit import AuditFinding, audit
from foretell.data.dataset import Dataset, told
from foretell.data.reading import read as read_rows
from foretell.data.split import Split, split
from foretell.errors import CheckpointError, DataError, SpecError, StoreError
from foretell.evidence.predictions import predictions_of
from foretell.evidence.scene import Scene
from foretell.lookup import unknown
from foretell.prediction import ladder
from foretell.prediction.alerts import Alerts, alerts_of
from foretell.prediction.faces import reviewed_as
from foretell.prediction.fitted import Fitted, Scored
from foretell.prediction.folder import open_fitted, write_fitted
from foretell.prediction.mitigation import unmitigated
from foretell.prediction.sample import with_sample
from foretell.records import Case, Decision, Evidence, Narrative, Verdict
from foretell.retrieval import citing
from foretell.spec import NarrateSpec, Spec
from foretell.tasks.classify import metrics
from foretell.telling import Tell, quiet
from foretell.training import parallel
from foretell.training.progress import counted, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How a model did on its test rows."""

    metrics: Mapping[str, float]
    """log_loss, brier, ece, average_precision, auc, precision_at_capacity."""
    alerts: Alerts


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One walk along the road, and where its results are."""

    folder: Path
    evaluation: Evaluation
    fitted: Fitted
    num_rows: int
    num_cases: int
    """Rows that became cases in this run or stood in the store already."""
    num_drawn: int
    """Those of them that are no alerts, but were drawn at random."""
    num_sentences: int
    """Sentences verified in their narratives."""
    refused: tuple[Refusal, ...]
    """Rows about which the verifier refused a writer: told by Foretell's own writer instead, or no case."""
    first_case: str
    """Id of the first alert's case; empty when there is none."""
    cpu_seconds: float


def read(spec: Spec) -> Dataset:
    """Return the rows that the spec names, repaired by counted rules; of a large table, those it draws."""
    with shown("  reading") as progress:
        return read_rows(spec, watch=counted(progress))


def fit(
    spec: Spec, dataset: Dataset | None = None, *, store: str = "", key: str = "", tell: Tell = quiet
) -> Fitted:
    """Fit the floor and the families, write the model folder under `spec.out`, return what is delivered.

    Args:
        store: URL of a store in which the model is registered, made where there is none; empty: in none.
        key: of whom registers it.
    """
    folder = Path(spec.out)
    champions.register(store, key)  # a store that cannot be opened is told before the fit
    rows = dataset if dataset is not None else read(spec)
    if rows.drawn is not None:
        tell(told(rows))
    parts = split(rows)
    with alone(folder):
        fitted = _fitted(replace(spec, task=rows.spec.task), rows, parts, tell)[0]
        if parallel.leads():
            champions.register(store, key, champions.entries(folder, fitted.digest, how=FIT, made_now=True))
        end_training(folder)
    return fitted


def evaluate(fitted: Fitted, dataset: Dataset | None = None) -> Evaluation:
    """Judge a fitted model on the test rows of its spec."""
    rows = dataset if dataset is not None else read(fitted.spec)
    return _judged(fitted, rows, fitted.score(rows, split(rows).test))


def predict(fitted: Fitted, rows: Dataset | Path | str = "", *, reasons: bool = False) -> pl.DataFrame:
    """Score every row, and flag those that are worth a review.

    Args:
        fitted: a model, as `fit` returns it or `open_fitted` opens it.
        rows: a file, folder, glob or SQL URL of new rows; see `scoring.scores`, which gives them batch by
            batch. Else the test rows are scored: those of the
            model's own data as `read` returned them, or, when nothing is given, of its data read again.
        reasons: whether to name the factors that raised an alert's score most, and that lowered another's.

    Returns:
        One line a row: id, at (where rows have time), estimate, low and high (where a number is learned; low
        and high, where an interval could be promised), probability, alert, reasons (codes); of several
        classes also class, possible (those that cannot be ruled out) and the probability of each. A test
        row is an alert when it is in its period's queue, so that the alerts are the cases that `run` opens; a
        new row, when its probability reaches the model's threshold, whatever rows it comes with.
    """
    if not isinstance(rows, Dataset) and rows:
        return pl.concat(scoring.scores(fitted, str(rows), reasons=reasons))
    dataset = rows if isinstance(rows, Dataset) else read(fitted.spec)
    scored = fitted.score(dataset, split(dataset).test)
    seen = reviewed_as(fitted, dataset, scored)
    alert = np.isin(scored.rows, alerts_of(fitted.spec, seen, scored).rows)
    return scoring.lines_of(fitted, dataset, scored, alert, reasons=reasons)


def explain(fitted: Fitted, dataset: Dataset, scored: Scored, alerts: Alerts) -> tuple[Evidence, ...]:
    """Return the evidence about each alert, and about each row that was drawn besides."""
    scene = Scene(
        fitted=fitted,
        dataset=dataset,
        scored=scored,
        rows=alerts.rows,
        predictions=predictions_of(fitted, dataset, scored, alerts),
        shares=alerts.shares,
        pool=alerts.pool,
    )
    return collectors.explain(scene)


def narrate(evidence: Evidence, spec: NarrateSpec | None = None) -> tuple[Narrative, Verdict]:
    """Return a narrative that passes, and its verdict."""
    return narration.narrate(evidence, spec if spec is not None else NarrateSpec())


def verify(narrative: Narrative, evidence: Evidence) -> Verdict:
    """Read a narrative against its evidence, whoever wrote it."""
    return verification.verify(narrative, evidence)


def decide(store: Store, case_id: str, decision: Decision) -> Case:
    """Record a person's decision about a case."""
    return store.decide(case_id, decision)


def run(spec: Spec, *, key: str = "", tell: Tell = quiet) -> Run:
    """Walk the whole road and leave a folder: model, cases.db, report.html, report.json.

    A run that was interrupted goes on: a network from its last checkpoint, and cases that were opened stay.

    Rows that no writer tells truthfully have no case; they stand in `Run.refused`. The model is registered in
    the store, by whoever's key is given where people have accounts there.

    Raises:
        SpecError: when the writer cannot be found.
        AccessError: when the key is nobody's.
        StoreError: when another run is writing to the folder.
    """
    started = time.process_time()
    narration.writer_of(spec.narrate)  # one that is not there is told before the fit
    folder = Path(spec.out)
    others(folder / "cases.db", "")  # a store that cannot be opened is told before the fit
    champions.register(champions.store_in(folder), key)  # and so is a key that is nobody's
    promoted = _promoted(spec, tell)
    spec = spec if promoted is None else promoted.spec
    tell(f"reading {spec.data.source}")
    dataset = read(spec)
    spec = replace(spec, task=dataset.spec.task)
    tell(f"  {told(dataset)}, {len(dataset.repairs)} kinds of repair")
    for name in spec.narrate.personal:
        if name not in dataset.frame.columns:  # a slip would tell a server what the owner meant to keep
            raise SpecError(*unknown("column in narrate.personal", name, dataset.frame.columns))
    parts = split(dataset)
    findings = audit(dataset, parts)
    tell(_split_told(parts, findings))
    with alone(folder):
        return _walked(spec, dataset, parts, findings, promoted, key, tell, started)


def _promoted(spec: Spec, tell: Tell) -> Fitted | None:
    """Return the model that people put in use in the folder of a run, over the run's data, if they did."""
    folder = Path(spec.out)
    used = champions.settled(folder)
    if not (folder / champions.POINTER).exists():
        return None
    if parallel.GROUP.size > 1:
        raise CheckpointError(
            f"people put a model in use in '{folder}': nothing is fitted that processes could share",
            "run it in one process",
        )
    fitted = open_fitted(used)
    tell(f"people put model {fitted.digest[:12]} in use here: it scores by its own spec; nothing is fitted")
    held = replace(fitted.spec, data=replace(fitted.spec.data, source=spec.data.source), out=spec.out)
    return replace(fitted, spec=held)


def _walked(
    spec: Spec,
    dataset: Dataset,
    parts: Split,
    findings: tuple[AuditFinding, ...],
    promoted: Fitted | None,
    key: str,
    tell: Tell,
    started: float,
) -> Run:
    """Walk the rest of the road, from the rows to the report."""
    folder = Path(spec.out)
    index = citing.index_in(folder, spec.narrate, tell)
    if promoted is None:
        fitted, scored = _fitted(spec, dataset, parts, tell)
    else:
        fitted, scored = promoted, promoted.score(dataset, parts.test)
    evaluation = _judged(fitted, dataset, scored)
    alerts = evaluation.alerts
    looked_at = with_sample(fitted, dataset, scored, alerts)
    more = len(looked_at.rows) - len(alerts.rows)
    tell(f"explaining {len(alerts.rows):,} alerts" + (f", and {more:,} drawn from the rest" if more else ""))
    predictions = predictions_of(fitted, dataset, scored, looked_at)
    evidence = citing.cited(explain(fitted, dataset, scored, looked_at), index, spec.narrate)
    tell("narrating, verifying, opening cases")
    cases, refused = styles.told(folder, predictions, evidence, spec.narrate)
    entries = champions.entries(folder, fitted.digest, made_now=promoted is None)
    open_in(folder, cases, tell, entries, key=key, goes_on=promoted is not None)
    done = Run(
        folder=folder,
        evaluation=evaluation,
        fitted=fitted,
        num_rows=len(dataset),
        num_cases=len(cases),
        num_drawn=sum(not case.prediction.alert for case in cases),
        num_sentences=sum(len(case.narrative.claims) for case in cases),
        refused=refused,
        first_case=cases[0].id if cases else "",
        cpu_seconds=time.process_time() - started,
    )
    reporting.write(
        folder,
        reporting.Material(
            fitted=fitted,
            dataset=reviewed_as(fitted, dataset, scored),
            parts=parts,
            findings=findings,
            scored=scored,
            alerts=alerts,
            metrics=evaluation.metrics,
            cases=tuple(case for case in cases if case.prediction.alert),
            num_sentences=done.num_sentences,
            cpu_seconds=done.cpu_seconds,
        ),
    )
    end_training(folder)
    return done


def evidence_of(folder: Path, row_id: str) -> Evidence:
    """Return the evidence about one row of a run: its case's, else gathered anew from the run's data.

    Raises:
        DataError: when the data have no such row, or the model was fitted or chosen on it: its score is no
            prediction then, and it would count among the past rows that it is compared with.
    """
    store = folder / "cases.db"
    if store.exists():
        with Store(f"sqlite:///{store}", create=False) as cases:
            opened = _found(cases, row_id)
        if opened:
            return opened[0].evidence
    fitted = open_fitted(champions.settled(folder))
    dataset = read(fitted.spec)
    rows = np.flatnonzero(dataset.ids == row_id)
    if len(rows) == 0:
        where = fitted.spec.data.source
        if dataset.drawn is not None:
            raise DataError(
                f"'{row_id}' is not among the rows drawn from {where}", "give the id of a test row"
            )
        raise DataError(f"there is no row '{row_id}' in {where}", "give the id of a row")
    parts = split(dataset)
    if np.isin(rows, np.concatenate([parts.train, parts.valid, parts.more])).any():
        raise DataError(
            f"'{row_id}' is a training or validation row of the model", "give the id of a test row"
        )
    scored = fitted.score(dataset, rows)
    alone = Alerts(rows=rows, thresholds=fitted.thresholds(dataset.frame[rows]))
    told = explain(fitted, dataset, scored, alone)
    return citing.cited(told, citing.held_in(folder), fitted.spec.narrate)[0]


def _found(cases: Store, case_id: str) -> list[Case]:
    try:
        return [cases.case(case_id)]
    except StoreError:
        return []


@contextmanager
def alone(folder: Path) -> Generator[None, None, None]:
    """Hold the folder of a run against other runs; the hold ends with the process, however that ends.

    Of several processes that share a fit the first one holds it.
    """
    if not parallel.leads():
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise CheckpointError(
            f"'{folder}' cannot be written: {error}", "choose another folder in `out`"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(
                f"another run is writing to '{folder}'",
                "wait for it to end, or choose another folder in `out`",
            ) from error
        yield


def _fitted(spec: Spec, dataset: Dataset, parts: Split, tell: Tell) -> tuple[Fitted, Scored]:
    """Fit, write the model folder, and return the model with its digest and the scored test rows."""
    folder = Path(spec.out)
    if (folder / champions.POINTER).exists():
        raise CheckpointError(
            f"people put a model in use in '{folder}', and a fit would overwrite what it came from",
            "choose another folder in `out`",
        )
    if parallel.GROUP.size > 1 and spec.model.budget:
        raise SpecError(
            "model.budget tries shapes of trees by the clock, and no two processes read it alike",
            "leave it out, or fit in one process",
        )
    tell("fitting the floor first, then the families")
    fitted, scored = ladder.fit(spec, dataset, parts, folder=folder / "training", tell=tell)
    plain = unmitigated(fitted, dataset, parts, scored, folder=folder / "training" / "plain", tell=tell)
    fitted = replace(fitted, unmitigated=plain)
    card = trust.card(fitted, dataset, parts, scored)
    if not parallel.leads():
        return fitted, scored
    digest = write_fitted(fitted, folder / "model", fingerprint=dataset.fingerprint, card=card)
    return replace(fitted, digest=digest), scored


def end_training(folder: Path) -> None:
    """Take away the checkpoints: until the end of the road an interrupted run goes on from them."""
    parallel.wait()  # every process has read what it needs of them
    if parallel.leads():
        shutil.rmtree(folder / "training", ignore_errors=True)


def _judged(fitted: Fitted, dataset: Dataset, scored: Scored) -> Evaluation:
    dataset = reviewed_as(fitted, dataset, scored)
    alerts = alerts_of(fitted.spec, dataset, scored)
    kept = np.flatnonzero(~alerts.retired & (dataset.target[scored.rows] >= 0))
    if len(kept) == 0:
        raise DataError(
            f"none of {len(scored.rows):,} test rows is left: their entities had been found positive before",
            f"lower review.retire_for (now {fitted.spec.review.retire_for})",
        )
    found = metrics(scored.probabilities[kept], dataset.target[scored.rows[kept]])
    return Evaluation(metrics={**found, "precision_at_capacity": alerts.precision}, alerts=alerts)


def _split_told(parts: Split, findings: tuple[AuditFinding, ...]) -> str:
    more = f" (and {len(parts.more):,} more to teach)" if len(parts.more) else ""
    sizes = f"train {len(parts.train):,}{more}, valid {len(parts.valid):,}, test {len(parts.test):,} rows"
    wrong = [f"  {f.severity}: {f.message}" for f in findings if f.severity != "ok"]
    return "\n".join([f"  split by {parts.by}: {sizes}", *wrong])
