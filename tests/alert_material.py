"""One alert as evidence, and a short true text about it, for the tests of the verifier."""

from foretell.records import Evidence, Fact

SCORE = {"low": 0.774, "high": 0.875, "base_rate": 0.008, "abstained": False}
TOP = {"rank": 1, "sign_stability": 0.99, "rank_stability": 0.93}
ALERT = Evidence(
    id="58312",
    facts=(
        Fact(id="f1", kind="term", name="row", text="", value="transaction"),
        Fact(id="f2", kind="term", name="outcome", text="", value="fraud"),
        Fact(id="f3", kind="term", name="id", text="", value="58312", unit="name"),
        Fact(id="f4", kind="entity", name="C", text="customer", value="4711", unit="name"),
        Fact(id="f5", kind="entity", name="T", text="terminal", value="99", unit="name"),
        Fact(
            id="f6",
            kind="instant",
            name="TIME",
            text="time",
            value="2018-08-08T14:05:00+00:00",
            unit="instant",
        ),
        Fact(
            id="f7", kind="score", name="probability", text="", value=0.832, unit="probability", detail=SCORE
        ),
        Fact(id="f8", kind="threshold", name="t", text="", value=0.41, unit="probability"),
        Fact(
            id="f9",
            kind="attribution",
            name="A@C",
            unit="log-odds",
            value=2.1,
            text="the amount against this customer's past",
            detail=TOP,
        ),
        Fact(
            id="f10",
            kind="attribution",
            name="hour",
            unit="log-odds",
            value=-0.42,
            text="the hour of the day",
            detail={**TOP, "rank": 2},
        ),
        Fact(id="f11", kind="input", name="A", text="amount", value=231.5, unit="EUR"),
        Fact(
            id="f12",
            kind="history",
            name="mean",
            unit="EUR",
            value=45.2,
            text="the customer's mean amount over the 30 days before",
            detail={"n": 41, "column": "A", "entity": "C", "stat": "mean"},
        ),
        Fact(id="f13", kind="check", name="A@C", text="", value="Call the card holder.", unit="text"),
    ),
)
OPENING = (
    "Transaction 58312 of 8 August 2018 at 14:05 UTC (customer 4711 and terminal 99) came up as an alert: "
    "the model puts the probability of fraud at 83.2%, above the threshold of 41.0%."
)
REASON = (
    "The score is raised most by the amount against this customer's past (+2.10 in log-odds), "
    "but lowered by the hour of the day."
)
FIGURE = (
    "At EUR 231.50, the amount came to 5.1 times the customer's mean amount over the 30 days before "
    "(EUR 45.20)."
)
CHECK = "On the amount against this customer's past, the check asked for next is: “Call the card holder.”"
TRUE = (OPENING, REASON, FIGURE, CHECK)
