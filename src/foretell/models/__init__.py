"""Model families: one family, one file, one row here."""

FLOOR = {
    "floor": "foretell.models.boosting:Boosting",
    "boosting": "foretell.models.boosting:Boosting",
}
"""Always fitted first: on the row's own columns, and on all features."""

FAMILIES = {
    "event_stream": "foretell.models.event_stream:EventStream",
    "recurrent": "foretell.models.recurrent:Recurrent",
    "transformer": "foretell.models.transformer:Transformer",
}
