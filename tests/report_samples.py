"""Made-up runs for the report's tests: all figures come from a seeded generator, none from a model."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from foretell import report as r
from foretell.records import (
    SUPPORTED,
    Case,
    Claim,
    Event,
    Evidence,
    Fact,
    Finding,
    Narrative,
    Prediction,
    Value,
    Verdict,
    digest,
)
from foretell.report import trust

START = datetime(2018, 7, 25, tzinfo=UTC)
MODEL = digest("a sample model")
SPEC = """\
data:
  source: ../shared/data/fraud/transactions.parquet
  target: TX_FRAUD
  time: TX_DATETIME
  label_delay: 7d
  row_text: transaction
columns:
  TX_AMOUNT: {kind: number, unit: EUR, text: amount}
  CUSTOMER_ID: {kind: entity, text: customer}
  TERMINAL_ID: {kind: entity, text: terminal}
split:
  train_from: "2018-04-01"
  test_from: "2018-07-25"
  test_until: "2018-08-01"
task: {positive_text: fraud}
review: {capacity: 100, entity: CUSTOMER_ID, retire_known: true}
"""
FACTORS = (
    ("amount against this customer's usual amount", 2.4),
    ("frauds at this terminal over 7 days", 1.9),
    ("amount", 1.1),
    ("frauds at this terminal over 30 days", 0.8),
    ("time since this customer's last transaction", 0.5),
    ("transactions of this customer over 1 day", 0.4),
    ("frauds of this customer over 30 days", -0.35),
    ("hour of the day", 0.2),
    ("amounts at this terminal over 1 day", -0.18),
    ("day of the week", 0.08),
    ("transactions at this terminal over 7 days", -0.07),
)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def iso(at: datetime) -> str:
    return at.isoformat()


def curve(name: str, skill: float, **flags: bool) -> r.Curve:
    recall = [index / 200 for index in range(1, 201)]
    precision = [max(0.0089, 0.985 * (1 - x ** (skill * 4)) ** 0.8) for x in recall]
    return r.Curve(name=name, recall=tuple(recall), precision=tuple(precision), **flags)


def workload() -> r.Workload:
    alerts = [10 * 1.08**index for index in range(66)]
    found = [42 * (1 - math.exp(-a / 74)) for a in alerts]
    return r.Workload(
        alerts=tuple(alerts),
        precision=tuple(f / a for f, a in zip(found, alerts, strict=True)),
        recall=tuple(f / 42 for f in found),
        cost=tuple(12 * a + 480 * (42 - f) for f, a in zip(found, alerts, strict=True)),
    )


def past(random: Random, at: datetime, count: int, usual: float, frauds: int) -> tuple[r.PastEvent, ...]:
    moments = sorted(at - timedelta(days=45 * random.random()) for _ in range(count))
    stolen = set(random.sample(range(count), min(frauds, count)))
    events = []
    for index, moment in enumerate(moments):
        known = at - moment > timedelta(days=7)
        label = "positive" if index in stolen else "negative"
        events.append(
            r.PastEvent(
                at=iso(moment),
                value=round(random.lognormvariate(math.log(usual * (4 if index in stolen else 1)), 0.5), 2),
                label=label if known or label == "positive" else "unknown",
                known=known,
                share=0.4 if index in stolen and known else None,
            )
        )
    return tuple(events)


def fact(kind: str, name: str, text: str, value: Value, unit: str = "", **detail: Value) -> dict[str, Any]:
    source = "spec" if kind in ("term", "check") else f"model {MODEL[:16]}"
    return {
        "kind": kind, "name": name, "text": text, "value": value, "unit": unit, "source": source,
        "detail": detail,
    }  # fmt: skip


def facts_of(random: Random, row: Prediction, amount: float, usual: float) -> list[Fact]:
    """Return the evidence of one row, f1, f2, ...; the attributions add up to its logit from -5.1."""
    raw = [(name, value * (0.7 + 0.6 * random.random())) for name, value in FACTORS]
    scale = (row.logit + 5.1) / sum(value for _, value in raw)
    ranked = sorted(((name, value * scale) for name, value in raw), key=lambda pair: -abs(pair[1]))
    low, high = max(0.0, row.probability - 0.07), min(1.0, row.probability + 0.05)
    over, more = {"window_days": 30}, {"window_days": 7}
    until = "2018-07-18T00:00:00+00:00"
    made = [
        fact("term", "row", "what a row is called", "transaction", "name"),
        fact("term", "outcome", "what the positive outcome is called", "fraud", "name"),
        *(fact("entity", role, role, name, "name") for role, name in row.entities.items()),
        fact("instant", "time", "time of the transaction", row.at, "instant"),
        fact("input", "amount", "amount", amount, "EUR", low=21.4, high=76.9, n=967_241),
        fact(
            "score", "probability", "probability of fraud", row.probability, "probability", base_rate=0.0089
        ),
        fact(
            "threshold", "threshold", "alert threshold", row.threshold, "probability", capacity=100, per="day"
        ),
        fact("reliability", "like", "past alerts scored like this", 83, "count", n=100, low=low, high=high),
        *(
            fact(
                "attribution",
                name,
                name,
                value,
                "log-odds",
                rank=rank,
                base=-5.1,
                sign_stability=1.0 if rank < 7 else 0.74,
                rank_stability=0.94,
            )
            for rank, (name, value) in enumerate(ranked, 1)
        ),
        fact(
            "history",
            "usual",
            "the customer's mean amount",
            usual,
            "EUR",
            low=usual / 2,
            high=usual * 2,
            **over,
        ),
        fact("history", "ratio", "amount against the customer's mean", amount / usual, "ratio", n=58, **over),
        fact("history", "terminal", "the terminal's known frauds", 3, "count", n=41, **more),
        fact("similar", "nearest", "frauds among the most similar", 44, "count", n=50, distance=0.31),
        fact("counterfactual", "amount", "amount", usual * 1.2, "EUR", was=amount, probability=0.041),
        fact("check", "amount", "amount", "call the customer about the purchase", "text"),
        fact("model", "model", "model", "event stream with trees", "text", fitted_until=until),
    ]
    return [Fact(id=f"f{index}", **given) for index, given in enumerate(made, 1)]


def written(row: Prediction, facts: list[Fact], amount: float, usual: float) -> tuple[Claim, ...]:
    first = {fact.kind: fact.id for fact in reversed(facts)}
    name = {fact.name: fact.id for fact in facts}
    customer, terminal = row.entities["customer"], row.entities["terminal"]
    against = next(
        f.id for f in facts if f.kind == "attribution" and f.name == "frauds of this customer over 30 days"
    )
    told = (
        (f"Transaction {row.id} of customer {customer} at terminal {terminal} looks like fraud: the model "
         f"gives it {100 * row.probability:.1f}%, and the team reviews from {100 * row.threshold:.1f}%.",
         (name["customer"], first["entity"], first["score"], first["threshold"])),
        (f"The strongest reason is the amount: EUR {amount:,.2f} is {amount / usual:,.1f} times what this "
         f"customer usually pays, EUR {usual:,.2f} over the 30 days before.",
         (first["input"], name["ratio"], name["usual"])),
        ("Three frauds were reported at this terminal in the 7 days before, which raises the score as well.",
         (first["history"],)),
        ("Of 100 past alerts at about this score, 83 were fraud.", (first["reliability"],)),
        ("Among the 50 most similar past transactions, 44 were fraud.", (first["similar"],)),
        ("What speaks against it: this customer had no fraud in the last 30 days, which lowers the score.",
         (against,)),
        (f"At EUR {usual * 1.2:,.2f} it would have scored 4.1% and not been an alert.",
         (first["counterfactual"],)),
        ("The owner asks to check next: “call the customer about the purchase”.", (first["check"],)),
    )  # fmt: skip
    return tuple(Claim(text=text, cites=cites, production="sample") for text, cites in told)


def example(index: int, random: Random) -> r.Example:
    at = START + timedelta(days=index, hours=random.randint(6, 22), minutes=random.randint(0, 59))
    usual = round(random.uniform(18, 70), 2)
    amount = round(usual * random.uniform(4, 12), 2)
    logit = random.uniform(-0.6, 4.5)
    entities = {"customer": str(random.randint(0, 4999)), "terminal": str(random.randint(0, 9999))}
    row = Prediction(
        id=str(1_236_000 + random.randint(0, 60_000)), at=iso(at), entities=entities,
        inputs={"TX_AMOUNT": amount}, probability=sigmoid(0.93 * logit - 0.1), logit=logit, threshold=0.124,
        alert=True, abstained=index == 3, model=MODEL,
    )  # fmt: skip
    facts = facts_of(random, row, amount, usual)
    now = r.PastEvent(at=row.at, value=amount)
    pasts = (
        past(random, at, random.randint(25, 90), usual, index % 2),
        past(random, at, random.randint(20, 70), 50, 3 + index % 3),
    )
    return r.Example(
        case=case_of(row, facts, written(row, facts, amount, usual), approved=index == 1),
        timelines=tuple(
            r.Timeline(role=role, entity=name, alert=now, unit="EUR", events=events, this="alert", chosen="")
            for (role, name), events in zip(entities.items(), pasts, strict=True)
        ),
        outcome=("positive", "positive", "negative")[index % 3],
    )


def case_of(row: Prediction, facts: list[Fact], claims: tuple[Claim, ...], *, approved: bool = False) -> Case:
    """Return the case of a row: every claim supported by the facts that it cites."""
    evidence = Evidence(id=row.id, facts=tuple(facts), model=MODEL)
    narrative = Narrative(claims=claims, writer="embedded")
    findings, start = [], 0
    for claim in claims:
        end = start + len(claim.text)
        found = f"{claim.cites[0]}.value as written" if claim.cites else ""
        findings.append(Finding(start=start, end=end, status=SUPPORTED, facts=claim.cites, derivation=found))
        start = end + 1
    verdict = Verdict(
        passed=True, findings=tuple(findings), evidence=digest(evidence), text=digest(narrative.text)
    )
    content = digest([row, evidence, narrative])
    decided = Event(
        seq=7, at="2018-08-03T00:00:00+00:00", actor="m.rossi", kind="approved", case=content[:10],
        body={"reason": "customer denies the purchase"}, previous="", digest="",
    )  # fmt: skip
    return Case(
        id=content[:10], prediction=row, evidence=evidence, narrative=narrative, verdict=verdict,
        status="approved" if approved else "open", opened_at="2018-08-02T00:00:00+00:00", content=content,
        events=(decided,) if approved else (),
    )  # fmt: skip


def board() -> tuple[r.LeaderboardRow, ...]:
    measured = ("average_precision", "auc", "precision", "log_loss", "ece", "fit_cpu_seconds")
    rows = (
        ("logistic regression", "linear", 2_100_000.0, None, (0.312, 0.861, 0.224, 0.0301, 0.0021, 3.1)),
        ("trees on raw columns", "lightgbm", 410_000.0, None, (0.402, 0.871, 0.241, 0.0268, 0.0014, 6.2)),
        ("trees on stream states", "lightgbm", 240_000.0, 0.42, (0.731, 0.912, 0.305, 0.0189, 0.0011, 24.7)),
        ("event stream", "event_stream", 96_000.0, 0.58, (0.745, 0.921, 0.309, 0.0181, 0.0009, 58.3)),
        ("recurrent (GRU)", "recurrent", 11_300.0, None, (0.734, 0.918, 0.306, 0.0186, 0.0013, 188.0)),
        ("ensemble", "ensemble", 67_500.0, None, (0.758, 0.924, 0.3111, 0.0176, 0.0007, 83.0)),
    )
    return tuple(
        r.LeaderboardRow(
            name=name,
            family=family,
            rows_per_cpu_second=speed,
            weight=weight,
            floor=name == "trees on raw columns",
            delivered=name == "ensemble",
            **dict(zip(measured, figures, strict=True)),
        )
        for name, family, speed, weight, figures in rows
    )


def bins(random: Random) -> tuple[r.ReliabilityBin, ...]:
    said = (0.0012, 0.004, 0.013, 0.05, 0.14, 0.31, 0.5, 0.68, 0.83, 0.93, 0.985)
    counts = (58_210, 6_120, 1_830, 560, 190, 120, 88, 84, 92, 110, 121)
    made = []
    for predicted, n in zip(said, counts, strict=True):
        error = math.sqrt(predicted * (1 - predicted) / n)
        observed = min(1.0, max(0.0, predicted + random.gauss(0, 0.5 * error)))
        low, high = max(0.0, observed - 1.96 * error), min(1.0, observed + 1.96 * error)
        made.append(r.ReliabilityBin(predicted=predicted, observed=observed, n=n, low=low, high=high))
    return tuple(made)


def data() -> r.DataSummary:
    columns = (
        ("TRANSACTION_ID", "category", "id", "", "every value occurs once"),
        ("TX_DATETIME", "time", "time", "", "named in the spec"),
        ("CUSTOMER_ID", "entity", "entity", "", "4,990 values, each with many rows over time"),
        ("TERMINAL_ID", "entity", "entity", "", "9,999 values, each with many rows over time"),
        ("TX_AMOUNT", "number", "input", "EUR", "all values are numbers"),
        ("TX_FRAUD", "category", "target", "", "named in the spec; 1 is the rarer value"),
        ("TX_FRAUD_SCENARIO", "category", "excluded", "", "named in data.exclude: it tells the target"),
    )
    return r.DataSummary(
        source="../shared/data/fraud/transactions.parquet",
        rows=1_304_112,
        source_rows=1_304_112,
        fingerprint=digest("sample rows"),
        columns=tuple(
            r.Column(name=name, kind=kind, role=role, unit=unit, reason=reason)
            for name, kind, role, unit, reason in columns
        ),
        repairs=(
            r.Repair(column="TX_AMOUNT", fault="missing", action="median of the column", count=41),
            r.Repair(column="TX_DATETIME", fault="later than the file", action="row refused", count=3),
        ),
    )


def parts() -> tuple[r.Part, ...]:
    rows = (
        ("history", 508_221, 4_122, "2018-04-01", "2018-06-13", "feeds the entities' states only"),
        ("train", 268_312, 2_390, "2018-06-13", "2018-07-11", "the four weeks before the validation rows"),
        ("valid", 67_240, 588, "2018-07-11", "2018-07-18", "early stopping, calibration, ensemble weights"),
        ("test", 67_498, 602, "2018-07-25", "2018-08-01", "named in the spec; labels need 7 days"),
    )
    midnight = "T00:00:00+00:00"
    return tuple(
        r.Part(name=name, rows=n, positives=k, from_at=a + midnight, until_at=b + midnight, reason=why)
        for name, n, k, a, b, why in rows
    )


def audit() -> tuple[r.AuditFinding, ...]:
    rows = (
        ("duplicate rows", "ok", "no row occurs twice"),
        ("target leaks", "warning", "TX_FRAUD_SCENARIO nearly equals the target; it is excluded"),
        ("time travel", "ok", "every training label had arrived before the first judged transaction"),
        ("shared entities", "ok", "97% of customers occur in train and test; their histories go on"),
    )
    return tuple(
        r.AuditFinding(check=check, severity=severity, message=message) for check, severity, message in rows
    )


def share(value: float, spread: float = 0.05) -> trust.Share:
    return trust.Share(value=value, low=max(value - spread, 0.0), high=min(value + spread, 1.0))


def trusted() -> trust.Trust:
    """Return what is said of two watched columns, one of them with a long name and many groups."""
    certainty = trust.Certainty(miss=0.1, positives=share(0.91), negatives=share(0.9), single=0.82)

    def row(name: str, said: float, rows: int) -> trust.GroupRow:
        return trust.GroupRow(
            name=name, rows=rows, base_rate=share(said * 1.1, 0.01), alerts=share(0.011, 0.004),
            recall=share(0.7), false_alarms=share(0.004, 0.001), precision=share(0.31), said=said, ece=0.001,
            ece_by_chance=0.002, certainty=replace(certainty, promised=rows > 100),
        )  # fmt: skip

    found = trust.GroupDifference(
        group="under 25", other="", measure="selection", value=0.02, low=0.01, high=0.03, own=0.031,
        ratio=2.8, p=0.0002, sure=True,
    )  # fmt: skip
    ages = ("under 25", "25 to under 45", "45 to under 65", "65 or more", "not known")
    countries = [f"Republic number {number} of a federation" for number in range(12)]
    return trust.Trust(
        metrics=tuple(trust.Metric(name=name, value=0.7, low=0.6, high=0.8) for name in trust.NAMES),
        certainty=certainty,
        watched=(
            trust.Watched(
                column="age", text="age of the card holder", seen=False,
                groups=tuple(row(name, 0.004 * (place + 1), 9_000) for place, name in enumerate(ages)),
                differences=(found, replace(found, measure="calibration", value=-0.01)),
            ),
            trust.Watched(
                column="country", text="country", seen=True, differences=(replace(found, sure=False),),
                groups=tuple(row(name, 0.01, 10 + 100 * place) for place, name in enumerate(countries)),
            ),
        ),
        mitigation=trust.Mitigation(
            how="recall", text="age of the card holder",
            changes=(
                trust.Change(name="precision", text="Precision of the alerts", before=0.32, after=0.311),
                trust.Change(name="log_loss", text="Log-loss", before=0.02, after=0.02),
            ),
        ),
    )  # fmt: skip


def full(seed: int = 0) -> r.RunReport:
    """Return a report like that of a run on card transactions, with five cases."""
    random = Random(seed)
    return r.RunReport(
        title="Card fraud, 25 to 31 July 2018",
        created_at="2018-08-09T07:12:00+00:00",
        spec_yaml=SPEC,
        row_text="transaction",
        outcome_text="fraud",
        summary=r.Summary(
            scored=67_498, positives=602, alerts=700, cases=700, sentences=5_812, threshold=0.124,
            abstained=38,
            capacity=100, alert_entity="card", average_precision=0.758, precision=0.311, recall=0.741,
            cpu_seconds=112.4,
        ),
        data=data(),
        parts=parts(),
        audit=audit(),
        leaderboard=board(),
        curves=(
            replace(curve("ensemble", 0.82, delivered=True), chosen=0.73),
            curve("event stream", 0.78),
            curve("recurrent (GRU)", 0.74),
            curve("trees on raw columns", 0.36, floor=True),
        ),
        workload=workload(),
        reliability=bins(random),
        ece=0.0007,
        trust=trusted(),
        factors=tuple(
            r.Factor(name=name, strength=abs(value) * 0.4, raises=random.uniform(0.2, 0.8))
            for name, value in FACTORS
        ),
        dependence=moves(),
        interactions=(
            r.Interaction(first="amount", second="channel", size=0.31, share=0.08),
            r.Interaction(first="amount", second="hour", size=0.04, share=0.0009),
        ),
        agreement=r.Agreement(rows=60, same=58, told=83, told_same=82, ranks=0.86, missed=3e-7),
        examples=tuple(example(index, random) for index in range(5)),
        limits=(
            "The figures hold for the week that was judged; fraud changes, so watch later weeks.",
            "A factor's share describes the model's score, never the cause of a fraud.",
            "Labels that had not arrived after 7 days count as unknown, not as legitimate.",
            "Cards that were already blocked are not counted among the alerts.",
        ),
        provenance={"Foretell": "0.1.0", "Model": MODEL, "Spec": digest(SPEC)},
    )  # fmt: skip


def moves() -> tuple[r.Dependence, ...]:
    """Return the curve of a number with an empty stretch, and those of a category with a long name."""
    values = tuple(5.0 * 1.6**place for place in range(12))
    mean = tuple(0.01 + 0.3 * place / 11 for place in range(12))
    return (
        r.Dependence(
            text="amount",
            unit="EUR",
            values=values,
            mean=mean,
            low=tuple(level * 0.8 for level in mean),
            high=tuple(level * 1.2 for level in mean),
            accumulated=tuple(level * 1.1 - 0.01 for level in mean),
            shares=(0.7, 0.2, *(0.0,) * 18, 0.04, 0.03, 0.02, 0.01),
        ),
        r.Dependence(
            text="channel",
            names=("store", "a terminal with a very long name that nobody can read", "online"),
            mean=(0.01, 0.04, 0.12),
            low=(0.008, 0.02, 0.1),
            high=(0.012, 0.09, 0.15),
            shares=(0.8, 0.005, 0.195),
        ),
    )


def bare() -> r.RunReport:
    """Return a report of which nothing is known but that it ran: no time, entities, outcomes or cases."""
    return r.RunReport(
        title="Visits",
        created_at="2024-02-29T00:00:00+00:00",
        spec_yaml="data: {source: visits.csv, target: ill}",
        summary=r.Summary(
            scored=0, alerts=0, cases=0, sentences=0, threshold=0.5, capacity=10, per="thousand rows"
        ),
        data=r.DataSummary(source="visits.csv", rows=0, source_rows=0, fingerprint=digest([]), columns=()),
        parts=(r.Part(name="train", rows=0),),
        leaderboard=(r.LeaderboardRow(name="trees", family="lightgbm", floor=True, delivered=True),),
    )
