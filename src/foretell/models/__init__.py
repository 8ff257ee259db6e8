"""Model families: one family, one file, one row here."""

FLOOR = {
    "floor": "foretell.models.boosting:Boosting",
    "boosting": "foretell.models.boosting:Boosting",
    "shallow": "foretell.models.boosting:Boosting",
    "extra_trees": "foretell.models.boosting:Boosting",
    "linear": "foretell.models.linear:Linear",
    "straight": "foretell.models.linear:Linear",
    "tuned_1": "foretell.models.boosting:Boosting",
    "tuned_2": "foretell.models.boosting:Boosting",
    "student": "foretell.models.tabm:TabM",
}
"""Always fitted first. Of events: trees on the row's own columns, and on all features. Of other rows: three
kinds of trees, and two sums of curves. Then what the search found, and last the student, if they are asked
for."""

SUITED = "suited"
"""Stands for the family that suits the data: event_stream where rows have entities, else tabm."""
FAMILIES = {
    "event_stream": "foretell.models.event_stream:EventStream",
    "tabm": "foretell.models.tabm:TabM",
    "ft_transformer": "foretell.models.ft_transformer:FTTransformer",
    "recurrent": "foretell.models.recurrent:Recurrent",
    "transformer": "foretell.models.transformer:Transformer",
}
