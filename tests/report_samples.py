"""Made-up runs for the report's tests: all figures come from a seeded generator, none from a model."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from foretell import report as r
from foretell.records import (
    SUPPORTED,
    Case,
    Claim,
    Evidence,
    Event,
    Fact,
    Finding,
    Narrative,
    Prediction,
    Verdict,
    digest,
)

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
review: {capacity: 100, entity: CUSTOMER_ID, retire_known: true, cost_miss: 180, cost_review: 12}
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
    found = [62 * (1 - math.exp(-a / 62)) for a in alerts]
    return r.Workload(
        alerts=tuple(alerts),
        precision=tuple(f / a for f, a in zip(found, alerts, strict=True)),
        recall=tuple(f / 66 for f in found),
        cost=tuple(12 * a + 180 * (66 - f) for f, a in zip(found, alerts, strict=True)),
        currency="EUR",
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


def facts_of(random: Random, row: Prediction, amount: float, usual: float) -> list[Fact]:
    """Return the evidence of one row, f1, f2, ...; the attributions add up to its logit from -5.1."""
    raw = [(name, value * (0.7 + 0.6 * random.random())) for name, value in FACTORS]
    scale = (row.logit + 5.1) / sum(value for _, value in raw)
    shares = [(name, value * scale) for name, value in raw]
    customer, terminal = row.entities["customer"], row.entities["terminal"]
    low, high = max(0.0, row.probability - 0.07), min(1.0, row.probability + 0.05)
    made = [
        {"kind": "term", "name": "row", "text": "what a row is called", "value": "transaction"},
        {"kind": "term", "name": "positive", "text": "what is predicted", "value": "fraud"},
        {"kind": "entity", "name": "customer", "text": "customer", "value": customer, "unit": "name"},
        {"kind": "entity", "name": "terminal", "text": "terminal", "value": terminal, "unit": "name"},
        {"kind": "instant", "name": "time", "text": "time of the transaction", "value": row.at, "unit": "instant"},
        {"kind": "input", "name": "TX_AMOUNT", "text": "amount", "value": amount, "unit": "EUR",
         "detail": {"low": 21.4, "high": 76.9, "n": 967_241}},
        {"kind": "score", "name": "probability", "text": "probability of fraud", "value": row.probability,
         "unit": "probability", "detail": {"low": low, "high": high, "base_rate": 0.0089}},
        {"kind": "threshold", "name": "threshold", "text": "probability from which rows become alerts",
         "value": row.threshold, "unit": "probability", "detail": {"capacity": 100, "per": "day"}},
        {"kind": "reliability", "name": "reliability", "text": "past alerts at about this score that were fraud",
         "value": 83, "unit": "count", "detail": {"n": 100, "low": 0.745, "high": 0.891}},
        *({"kind": "attribution", "name": name, "text": name, "value": value, "unit": "log-odds",
           "detail": {"rank": rank, "sign_stability": 1.0 if rank < 7 else 0.74, "rank_stability": 0.94}}
          for rank, (name, value) in enumerate(sorted(shares, key=lambda pair: -abs(pair[1])), 1)),
        {"kind": "history", "name": "usual", "text": "usual amount of this customer over 30 days", "value": usual,
         "unit": "EUR", "source": "window 30 d", "detail": {"window_days": 30, "low": usual * 0.6,
                                                              "high": usual * 1.5, "n": 58}},
        {"kind": "history", "name": "ratio", "text": "amount against this customer's usual amount",
         "value": amount / usual, "unit": "ratio", "source": "window 30 d", "detail": {"n": 58}},
        {"kind": "history", "name": "terminal", "text": "frauds at this terminal over 7 days", "value": 3,
         "unit": "count", "source": "window 7 d", "detail": {"window_days": 7, "n": 41}},
        {"kind": "similar", "name": "similar", "text": "frauds among the most similar past transactions", "value": 44,
         "unit": "count", "detail": {"n": 50, "distance": 0.31}},
        {"kind": "counterfactual", "name": "TX_AMOUNT", "text": "amount", "value": round(usual * 1.2, 2),
         "unit": "EUR", "detail": {"was": amount, "probability": 0.041}},
        {"kind": "check", "name": "amount", "text": "amount", "value": "call the customer about the purchase",
         "unit": "text", "source": "the spec"},
        {"kind": "model", "name": "model", "text": "model", "value": "event stream with trees", "unit": "text",
         "detail": {"fitted_until": "2018-07-18T00:00:00+00:00", "average_precision": 0.758}},
    ]
    return [Fact(id=f"f{index}", **({"source": f"model {MODEL[:12]}"} | fact)) for index, fact in enumerate(made, 1)]


def written(row: Prediction, facts: list[Fact], amount: float, usual: float) -> tuple[Claim, ...]:
    first = {fact.kind: fact.id for fact in reversed(facts)}
    name = {fact.name: fact.id for fact in facts}
    customer, terminal = row.entities["customer"], row.entities["terminal"]
    told = (
        (f"Transaction {row.id} of customer {customer} at terminal {terminal} looks like fraud: the model gives it "
         f"{100 * row.probability:.1f}%, well above the {100 * row.threshold:.1f}% from which the team reviews.",
         (name["customer"], name["terminal"], first["score"], first["threshold"])),
        (f"The strongest reason is the amount: EUR {amount:,.2f} is {amount / usual:,.1f} times what this customer "
         f"usually pays, EUR {usual:,.2f} over the 30 days before.", (first["input"], name["ratio"], name["usual"])),
        ("Three frauds were reported at this terminal in the 7 days before, which raises the score as well.",
         (name["terminal"],)),
        ("Of 100 past alerts at about this score, 83 were fraud.", (first["reliability"],)),
        ("Among the 50 most similar past transactions, 44 were fraud.", (first["similar"],)),
        ("What speaks against it: this customer had no fraud in the last 30 days, which lowers the score.",
         (first["attribution"],)),
        (f"At EUR {usual * 1.2:,.2f} instead of EUR {amount:,.2f}, it would have scored 4.1% and not been an alert.",
         (first["counterfactual"],)),
        ("The owner asks to check next: “call the customer about the purchase”.", (first["check"],)),
    )
    return tuple(Claim(text=text, cites=cites, production="sample") for text, cites in told)


def example(index: int, random: Random, *, customer: str | None = None, terminal: str | None = None) -> r.Example:
    at = START + timedelta(days=index, hours=random.randint(6, 22), minutes=random.randint(0, 59))
    usual = round(random.uniform(18, 70), 2)
    amount = round(usual * random.uniform(4, 12), 2)
    logit = random.uniform(-0.6, 4.5)
    entities = {"customer": customer or str(random.randint(0, 4999)), "terminal": terminal or str(random.randint(0, 9999))}
    row = Prediction(
        id=str(1_236_000 + random.randint(0, 60_000)), at=iso(at), entities=entities,
        inputs={"TX_AMOUNT": amount}, probability=sigmoid(0.93 * logit - 0.1), logit=logit, threshold=0.124,
        alert=True, abstained=index == 3, model=MODEL,
    )  # fmt: skip
    facts = facts_of(random, row, amount, usual)
    evidence = Evidence(id=row.id, facts=tuple(facts), model=MODEL)
    narrative = Narrative(claims=written(row, facts, amount, usual), writer="embedded", seed=index)
    findings, start = [], 0
    for claim in narrative.claims:
        findings.append(Finding(start=start, end=start + len(claim.text), status=SUPPORTED, facts=claim.cites,
                                derivation=f"{claim.cites[0]}.value as written"))
        start += len(claim.text) + 1
    verdict = Verdict(passed=True, findings=tuple(findings), evidence=digest(evidence), text=digest(narrative.text))
    content = digest([row, evidence, narrative])
    case = Case(id=content[:10], prediction=row, evidence=evidence, narrative=narrative, verdict=verdict,
                status="open", opened_at=iso(START + timedelta(days=8)), content=content)
    if index == 1:
        event = Event(seq=7, at=iso(START + timedelta(days=9)), actor="m.rossi", kind="approved", case=case.id,
                      body={"reason": "customer denies the purchase"}, previous="", digest="")
        case = replace(case, status="approved", events=(event,))
    now = r.PastEvent(at=row.at, value=amount)
    timelines = (
        r.Timeline(role="customer", entity=entities["customer"], alert=now, unit="EUR",
                   events=past(random, at, random.randint(25, 90), usual, index % 2)),
        r.Timeline(role="terminal", entity=entities["terminal"], alert=now, unit="EUR",
                   events=past(random, at, random.randint(20, 70), 50, 3 + index % 3)),
    )
    return r.Example(case=case, timelines=timelines, outcome=("positive", "positive", "negative")[index % 3])


def board() -> tuple[r.LeaderboardRow, ...]:
    rows = (
        ("logistic regression, raw columns", "linear", 0.312, 0.861, 0.224, 0.0301, 0.0021, 3.1, 2_100_000.0, None),
        ("trees on raw columns", "lightgbm", 0.402, 0.871, 0.241, 0.0268, 0.0014, 6.2, 410_000.0, None),
        ("trees on stream states", "lightgbm", 0.731, 0.912, 0.305, 0.0189, 0.0011, 24.7, 240_000.0, 0.42),
        ("event stream", "event_stream", 0.745, 0.921, 0.309, 0.0181, 0.0009, 58.3, 96_000.0, 0.58),
        ("recurrent (GRU)", "recurrent", 0.734, 0.918, 0.306, 0.0186, 0.0013, 188.0, 11_300.0, None),
        ("ensemble", "ensemble", 0.758, 0.924, 0.3111, 0.0176, 0.0007, 83.0, 67_500.0, None),
    )
    return tuple(
        r.LeaderboardRow(
            name=name, family=family, average_precision=ap, auc=auc, precision=precision, log_loss=loss, ece=ece,
            fit_cpu_seconds=fit, rows_per_cpu_second=speed, weight=weight, spread=0.004 if fit > 20 else None,
            floor=name == "trees on raw columns", delivered=name == "ensemble",
        )  # fmt: skip
        for name, family, ap, auc, precision, loss, ece, fit, speed, weight in rows
    )


def bins(random: Random) -> tuple[r.ReliabilityBin, ...]:
    made = []
    for predicted, n in ((0.0012, 58_210), (0.004, 6_120), (0.013, 1_830), (0.05, 560), (0.14, 190), (0.31, 120),
                         (0.5, 88), (0.68, 84), (0.83, 92), (0.93, 110), (0.985, 121)):  # fmt: skip
        observed = min(1.0, max(0.0, predicted + random.gauss(0, 0.5 * math.sqrt(predicted * (1 - predicted) / n))))
        reach = 1.96 * math.sqrt(predicted * (1 - predicted) / n)
        made.append(r.ReliabilityBin(predicted=predicted, observed=observed, n=n,
                                     low=max(0.0, observed - reach), high=min(1.0, observed + reach)))
    return tuple(made)


def data() -> r.DataSummary:
    return r.DataSummary(
        source="../shared/data/fraud/transactions.parquet", rows=1_304_112, fingerprint=digest("sample rows"),
        columns=(
            r.Column(name="TRANSACTION_ID", kind="category", role="id", reason="every value occurs once"),
            r.Column(name="TX_DATETIME", kind="time", role="time", reason="named in the spec"),
            r.Column(name="CUSTOMER_ID", kind="entity", role="entity", reason="4,990 values, each with many rows over time"),
            r.Column(name="TERMINAL_ID", kind="entity", role="entity", reason="9,999 values, each with many rows over time"),
            r.Column(name="TX_AMOUNT", kind="number", role="input", unit="EUR", reason="all values are numbers"),
            r.Column(name="TX_FRAUD", kind="category", role="target", reason="named in the spec; 1 is the rarer value"),
            r.Column(name="TX_FRAUD_SCENARIO", kind="category", role="excluded", reason="named in data.exclude: it tells the target"),
        ),
        repairs=(r.Repair(column="TX_AMOUNT", fault="missing", action="median of the column", count=41),
                 r.Repair(column="TX_DATETIME", fault="later than the file", action="row refused", count=3)),
    )  # fmt: skip


def parts() -> tuple[r.Part, ...]:
    rows = (
        ("history", 508_221, 4_122, "2018-04-01", "2018-06-13", "feeds the entities' states only"),
        ("train", 268_312, 2_390, "2018-06-13", "2018-07-11", "the four weeks before the choosing rows"),
        ("valid", 67_240, 588, "2018-07-11", "2018-07-18", "early stopping, calibration, ensemble weights"),
        ("test", 67_498, 602, "2018-07-25", "2018-08-01", "named in the spec; labels need 7 days to arrive"),
    )
    return tuple(
        r.Part(name=name, rows=n, positives=k, from_at=f"{a}T00:00:00+00:00", until_at=f"{b}T00:00:00+00:00", reason=why)
        for name, n, k, a, b, why in rows
    )


def full(seed: int = 0) -> r.RunReport:
    """Return a report like that of a run on card transactions, with five cases."""
    random = Random(seed)
    return r.RunReport(
        title="Card fraud, 25 to 31 July 2018", created_at="2018-08-09T07:12:00+00:00", spec_yaml=SPEC,
        row_text="transaction", outcome_text="fraud",
        summary=r.Summary(scored=67_498, positives=602, alerts=700, cases=700, sentences=5_812, threshold=0.124,
                          abstained=38, capacity=100, alert_entity="card", average_precision=0.758,
                          precision=0.311, recall=0.746, cpu_seconds=112.4),
        data=data(), parts=parts(),
        audit=(
            r.AuditFinding(check="duplicate rows", severity="ok", message="no row occurs twice"),
            r.AuditFinding(check="target leaks", severity="warning", message="TX_FRAUD_SCENARIO nearly equals the target (AUC 1.000); it is excluded"),
            r.AuditFinding(check="time travel", severity="ok", message="every training label had arrived before the first judged transaction"),
            r.AuditFinding(check="shared entities", severity="note", message="97% of customers occur in train and test; this is meant, since their histories go on"),
        ),
        leaderboard=board(),
        curves=(curve("ensemble", 0.82, delivered=True), curve("event stream", 0.78), curve("recurrent (GRU)", 0.74),
                curve("trees on raw columns", 0.36, floor=True)),
        workload=workload(), reliability=bins(random), ece=0.0007,
        factors=tuple(r.Factor(name=name, strength=abs(value) * 0.4, raises=random.uniform(0.2, 0.8)) for name, value in FACTORS),
        examples=tuple(example(index, random) for index in range(5)),
        limits=(
            "The figures hold for the week that was judged; fraud changes, so watch the reliability of later weeks.",
            "A factor's share describes the model's score, never the cause of a fraud.",
            "Labels that had not arrived after 7 days count as unknown, not as legitimate.",
            "Cards that were already blocked are not counted among the alerts.",
        ),
        provenance={"Foretell": "0.1.0", "Model": MODEL, "Spec": digest(SPEC), "Command": "foretell run examples/fraud.yaml"},
    )  # fmt: skip


def bare() -> r.RunReport:
    """Return a report of which nothing is known but that it ran: no time, entities, outcomes or cases."""
    return r.RunReport(
        title="Visits", created_at="2024-02-29T00:00:00+00:00", spec_yaml="data: {source: visits.csv, target: ill}",
        summary=r.Summary(scored=0, alerts=0, cases=0, sentences=0, threshold=0.5, capacity=10, per="thousand rows"),
        data=r.DataSummary(source="visits.csv", rows=0, fingerprint=digest([]), columns=()),
        parts=(r.Part(name="train", rows=0),),
        leaderboard=(r.LeaderboardRow(name="trees", family="lightgbm", floor=True, delivered=True),),
    )  # fmt: skip
