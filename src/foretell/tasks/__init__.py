"""Tasks: what is predicted, how a prediction is judged and made honest. One file a task."""

TASKS = {"classify": "foretell.tasks.classify", "regress": "foretell.tasks.regress"}
