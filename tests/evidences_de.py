"""The domains of the evidences in German, as an owner would word them: see evidences.py."""

from typing import Any

ZAHLUNGEN: dict[str, Any] = {
    "row": "Transaktion",
    "outcome": "Betrug",
    "entities": [("CUSTOMER_ID", "Kunde"), ("TERMINAL_ID", "Terminal")],
    "numbers": [("TX_AMOUNT", "Betrag", "EUR", 90.0)],
    "categories": [("CHANNEL", "Kanal", ("online", "Laden", "Geldautomat (außen)"))],
    "factors": [
        ("TX_AMOUNT@CUSTOMER_ID", "Betrag im Vergleich zur Vergangenheit (Kunde)"),
        ("TX_AMOUNT", "Betrag"),
        ("count@CUSTOMER_ID", "Tempo der Fälle (Kunde)"),
        ("label@TERMINAL_ID", "Vorgeschichte an Betrug (Terminal)"),
        ("label@CUSTOMER_ID", "Vorgeschichte an Betrug (Kunde)"),
        ("TX_DATETIME", "Zeitpunkt (Transaktion)"),
        ("TERMINAL_ID", "üblicher Betrieb (Terminal)"),
    ],
    "checks": {
        "TX_AMOUNT@CUSTOMER_ID": "Rufen Sie den Karteninhaber an.",
        "label@TERMINAL_ID": "Sehen Sie die Kamera des Terminals durch.",
    },
    "glossary": {"label@TERMINAL_ID": "Ein manipuliertes Terminal führt wochenlang zu Betrug."},
}
KUENDIGUNG: dict[str, Any] = {
    "row": "Vertrag",
    "outcome": "Kündigung",
    "entities": [("CUSTOMER", "Kundin")],
    "numbers": [
        ("fee", "Monatsgebühr", "CHF", 60.0),
        ("tenure", "Laufzeit", "days", 400.0),
        ("calls", "Anrufe beim Support", "", 3.0),
    ],
    "dates": [("signed", "Tag der Unterschrift")],
    "categories": [("plan", "Tarif", ("Basis", "Premium", "Familie"))],
    "factors": [
        ("fee@CUSTOMER", "Monatsgebühr im Vergleich zur Vergangenheit (Kundin)"),
        ("tenure", "Laufzeit"),
        ("plan", "Tarif"),
        ("calls@CUSTOMER", "Anrufe im Vergleich zur Vergangenheit (Kundin)"),
        ("support", "fehlendes Supportpaket"),
    ],
    "checks": {"fee": "Bieten Sie den Treuetarif an; siehe „Bindung 3“.", "plan": "Warum dieser Tarif?"},
    "glossary": {"fee": "Eine Gebühr, die ohne Ankündigung steigt, nennen Kunden am häufigsten als Grund."},
}
ANLAGE: dict[str, Any] = {
    "row": "Messung",
    "outcome": "Ausfall",
    "entities": [("PUMP", "Pumpe"), ("LINE", "Straße"), ("SITE", "Werk")],
    "numbers": [("pressure", "Druck", "bar", 11.0), ("vibration", "Schwingung", "mm/s", 0.07)],
    "categories": [("mode", "Betriebsart", ("Leerlauf", "Volllast"))],
    "factors": [
        ("vibration@PUMP", "Schwingung im Vergleich zur Vergangenheit (Pumpe)"),
        ("pressure", "Druck"),
        ("mode", "Betriebsart"),
        ("label@PUMP", "Vorgeschichte an Ausfall (Pumpe)"),
    ],
    "checks": {"vibration": "Hören Sie das Lager ab."},
    "glossary": {"vibration": "Lager künden ihr Ende durch Schwingung an."},
}
GERMAN = (ZAHLUNGEN, KUENDIGUNG, ANLAGE)
