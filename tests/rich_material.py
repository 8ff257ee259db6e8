"""One alert with facts of every kind, and a long true text about it in each language, for attacks on it."""

from foretell.records import Evidence, Fact

NAMES = {
    "en": {
        "row": "transaction",
        "outcome": "fraud",
        "entities": ("customer", "terminal"),
        "factors": (
            "the amount against this customer's past",
            "the terminal's known frauds",
            "the pace of this customer's transactions",
            "the hour of the day",
            "the customer's clean record",
        ),
        "inputs": ("amount", "tenure", "channel"),
        "mean": "the customer's mean amount over the 30 days before",
        "count": "the customer's transactions in the 7 days before",
        "positives": "the terminal's known cases of fraud in the 7 days before",
        "past": (
            "the transaction of 5 August 2018 at terminal 99",
            "the transaction of 6 August 2018 at terminal 7",
        ),
        "checks": ("Call the card holder.", "Look at the camera."),
        "why": "A terminal that was tampered with keeps producing fraud for weeks.",
        "per": "day",
    },
    "de": {
        "row": "Transaktion",
        "outcome": "Betrug",
        "entities": ("Kunde", "Terminal"),
        "factors": (
            "Betrag im Vergleich zur Vergangenheit (Kunde)",
            "Vorgeschichte an Betrug (Terminal)",
            "Tempo der Fälle (Kunde)",
            "Uhrzeit",
            "Vorgeschichte an Betrug (Kunde)",
        ),
        "inputs": ("Betrag", "Laufzeit", "Kanal"),
        "mean": "Betrag im Mittel aus den 30 Tagen davor (Kunde)",
        "count": "Fälle in den 7 Tagen davor (Kunde)",
        "positives": "bekannte Fälle von Betrug in den 7 Tagen davor (Terminal)",
        "past": ("Transaktion vom 5. August 2018, Terminal 99", "Transaktion vom 6. August 2018, Terminal 7"),
        "checks": ("Rufen Sie den Karteninhaber an.", "Sehen Sie die Kamera durch."),
        "why": "Ein manipuliertes Terminal führt wochenlang zu Betrug.",
        "per": "Tag",
    },
}
SHARES = ((2.1, 0.99, 0.93), (0.81, 0.97, 0.9), (0.3, 0.95, 0.4), (-0.42, 0.98, 0.85), (-0.11, 0.92, 0.4))
"""Share, stability of its sign, stability of its rank, of the factors by rank."""
COLUMNS = ("A@C", "label@T", "count@C", "hour", "label@C")


def rich(language: str = "en") -> Evidence:
    """Return the evidence about one alert."""
    names = NAMES[language]
    facts: list[Fact] = []

    def add(kind, name, text, value, unit="", **detail) -> None:
        facts.append(
            Fact(
                id=f"f{len(facts) + 1}",
                kind=kind,
                name=name,
                text=text,
                value=value,
                unit=unit,
                detail=detail,
            )
        )

    add("term", "row", "", names["row"])
    add("term", "outcome", "", names["outcome"])
    if language != "en":
        add("term", "language", "", language, "name")
    add("term", "id", "", "58312", "name")
    add("entity", "C", names["entities"][0], "4711", "name")
    add("entity", "T", names["entities"][1], "99", "name")
    add("instant", "time", "", "2018-08-08T14:05:00+00:00", "instant")
    score = {"low": 0.774, "high": 0.875, "base_rate": 0.008, "abstained": False}
    add("score", "probability", "", 0.832, "probability", **score)
    add("threshold", "t", "", 0.41, "probability", capacity=20, per=names["per"])
    past = {"low": 0.74, "high": 0.84, "from": "2018-07-25", "until": "2018-08-01"}
    add("reliability", "r", "", 168, "count", n=212, **past)
    add("similar", "s", "", 31, "count", n=50, distance=0.4)
    amount, tenure, channel = names["inputs"]
    add("input", "A", amount, 231.5, "EUR", low=12.5, high=80.0, n=5000)
    add("input", "tenure", tenure, 400, "days", low=90.0, high=900.0, n=5000)
    add("input", "channel", channel, "online")
    add("counterfactual", "A", amount, 50.0, "EUR", was=231.5, probability=0.062)
    mean = {
        "window_days": 30,
        "n": 41,
        "low": 40.0,
        "high": 60.0,
        "column": "A",
        "entity": "C",
        "stat": "mean",
    }
    add("history", "A.mean.30d@C", names["mean"], 45.2, "EUR", **mean)
    count = {"window_days": 7, "n": 60, "low": 4, "high": 14, "column": "", "entity": "C"}
    add("history", "count.7d@C", names["count"], 22, "count", stat="count", **count)
    cases = {"window_days": 7, "n": 31, "column": "", "entity": "T", "stat": "positives"}
    add("history", "label.7d@T", names["positives"], 3, "count", **cases)
    rows = zip(COLUMNS, names["factors"], SHARES, strict=True)
    for rank, (name, text, (share, sign, order)) in enumerate(rows, start=1):
        add(
            "attribution", name, text, share, "log-odds", rank=rank, sign_stability=sign, rank_stability=order
        )
    for text, share, known, day in (
        (names["past"][0], 0.5, names["outcome"], 5),
        (names["past"][1], -0.2, f"no {names['outcome']}", 6),
    ):
        at = f"2018-08-0{day}T14:05:00+00:00"
        add("past_event", text, text, share, "log-odds", at=at, known=known, sign_stability=0.95)
    for name, text in zip(COLUMNS, names["checks"], strict=False):
        add("check", name, "", text, "text")
    add("glossary", COLUMNS[1], "", names["why"], "text")
    add("model", "m", "", "boosting", "text", fitted_until="2018-07-25", average_precision=0.7123)
    return Evidence(id="58312", facts=tuple(facts))


_ENGLISH = """
Transaction 58312 of 8 August 2018 at 14:05 UTC (customer 4711 and terminal 99) is, by the model's estimate,
likely to be a case of fraud: the probability is 83.2% (interval 77.4% to 87.5%), against an alert threshold
of 41.0%.

The record agrees: of 212 past transactions scored like this one, 168 (79.2%) were cases of fraud.

For comparison, 0.8% of all transactions are cases of fraud; the estimate is 104.0 times that rate.

The score is raised most by the amount against this customer's past (+2.10 in log-odds) and, less strongly,
by the terminal's known frauds (+0.81), but lowered by the hour of the day.

Of the 5 factors examined, 3 consistently raise the score and 2 consistently lower it.

The second strongest factor, the terminal's known frauds, raises the score too.

At EUR 231.50, the amount came to 5.1 times the customer's mean amount over the 30 days before (EUR 45.20).

At EUR 231.50, the amount lay above the usual range of EUR 12.50 to EUR 80.00.

For the tenure, 400 days is not unusual: the middle half of 5,000 transactions lies between 90 days and 900
days.

The data show 400 days for the tenure and online for the channel.

The number of the terminal's known cases of fraud in the 7 days before was 3, out of 31 transactions with
known outcome.

Looking back, the transaction of 5 August 2018 at terminal 99 raises the score (+0.50), whereas the
transaction of 6 August 2018 at terminal 7 lowers it (-0.20).

Of the 50 most similar past transactions with known outcome, 31 (62.0%) were cases of fraud.

Had the amount been EUR 50.00 instead of EUR 231.50, the model would have put the probability at 6.2%, below
the threshold.

It takes 41.0% to become an alert, a threshold set for 20 transactions per day.

The guidance on the terminal's known frauds: “A terminal that was tampered with keeps producing fraud for
weeks.”

To check next: on the amount against this customer's past, “Call the card holder.”, and on the terminal's
known frauds, “Look at the camera.”

The model was fitted on data until 25 July 2018 and has an average precision of 0.712.
"""
_GERMAN = """
Transaktion 58312 vom 8. August 2018 um 14:05 UTC (Kunde 4711 und Terminal 99) ist nach Einschätzung des
Modells wahrscheinlich ein Fall von Betrug: Die Wahrscheinlichkeit beträgt 83,2 % (Intervall 77,4 % bis 87,5
%), die Alarmschwelle 41,0 %.

Die Erfahrung stützt das: Von 212 früheren Fällen mit ähnlicher Einschätzung waren 168 (79,2 %) Fälle von
Betrug.

Zum Vergleich: Unter allen Fällen beträgt der Anteil von Betrug 0,8 %; die Einschätzung ist 104,0-mal so
hoch.

Am stärksten erhöht wird der Score durch „Betrag im Vergleich zur Vergangenheit (Kunde)“ (+2,10 in
Log-Odds), weniger stark durch „Vorgeschichte an Betrug (Terminal)“ (+0,81); gesenkt wird er durch
„Uhrzeit“.

Von 5 untersuchten Faktoren erhöhen 3 den Score beständig, und 2 senken ihn beständig.

An zweiter Stelle unter den Faktoren steht „Vorgeschichte an Betrug (Terminal)“ und erhöht den Score
ebenfalls.

„Betrag“: 231,50 EUR, also 5,1-mal so viel wie „Betrag im Mittel aus den 30 Tagen davor (Kunde)“ (45,20
EUR).

„Betrag“ liegt mit 231,50 EUR über dem üblichen Bereich von 12,50 EUR bis 80,00 EUR.

„Laufzeit“ ist mit 400 Tagen nicht ungewöhnlich: Die mittlere Hälfte von 5.000 Fällen reicht von 90 Tagen
bis 900 Tagen.

Die Daten nennen für „Laufzeit“ 400 Tage und für „Kanal“ online.

Die Vorgeschichte nennt für „bekannte Fälle von Betrug in den 7 Tagen davor (Terminal)“ 3, bei insgesamt 31
Fällen mit bekanntem Ausgang.

Im Rückblick erhöht „Transaktion vom 5. August 2018, Terminal 99“ den Score (+0,50), während „Transaktion
vom 6. August 2018, Terminal 7“ ihn senkt (-0,20).

Von den 50 ähnlichsten früheren Fällen mit bekanntem Ausgang waren 31 (62,0 %) Fälle von Betrug.

Wäre der Wert für „Betrag“ 50,00 EUR statt 231,50 EUR gewesen, hätte das Modell die Wahrscheinlichkeit auf
6,2 % geschätzt, unter der Schwelle.

Zum Alarm wird ein Fall ab 41,0 %; so lassen sich 20 Fälle pro Tag prüfen.

Die Anleitung zu „Vorgeschichte an Betrug (Terminal)“: „Ein manipuliertes Terminal führt wochenlang zu
Betrug.“

Als Nächstes ist zu prüfen: zu „Betrag im Vergleich zur Vergangenheit (Kunde)“ „Rufen Sie den Karteninhaber
an.“ und zu „Vorgeschichte an Betrug (Terminal)“ „Sehen Sie die Kamera durch.“

Das Modell wurde mit Daten bis zum 25. Juli 2018 angepasst und erreicht eine mittlere Präzision von 0,712.
"""
TRUE = {
    language: tuple(" ".join(sentence.split()) for sentence in text.split("\n\n"))
    for language, text in (("en", _ENGLISH), ("de", _GERMAN))
}
"""Language -> the sentences of the text."""
