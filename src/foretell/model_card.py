"""The model card: what a model is, what it saw, how it did on rows it never saw, and its reason codes."""

from foretell.data.dataset import Dataset
from foretell.data.split import Split
from foretell.evidence.reasons import codes
from foretell.prediction.fitted import DELIVERED, Fitted


def card(fitted: Fitted, dataset: Dataset, parts: Split) -> str:
    """Return the model card: what it is, what it saw, how it did on rows it never saw."""
    spec = fitted.spec
    judged = next(s for s in fitted.standings if s.name == DELIVERED)
    texts = [factor.text.replace("|", "/") for factor in fitted.factors]
    lines = [
        f"# {fitted.name}",
        "",
        f"Predicts {spec.task.positive_text} (column {spec.data.target}) of one {spec.data.row_text}.",
        f"Data: {len(dataset):,} rows, fingerprint {dataset.fingerprint}.",
        f"{len(parts.train):,} training, {len(parts.valid):,} validation and {len(parts.test):,} test rows, "
        f"split by {parts.by}.",
        "",
        "| metric on the test rows | |",
        "|---|---|",
        *(f"| {name} | {value:.4f} |" for name, value in judged.metrics.items()),
        "",
        f"Calibration: {fitted.calibration.method}. Alert threshold: {fitted.threshold:.4f}.",
        f"State: {fitted.featurizer.plan.bytes_per_entity} bytes per entity.",
        "",
        "| reason code | factor |",
        "|---|---|",
        *(f"| {code} | {text} |" for code, text in zip(codes(fitted.factors).values(), texts, strict=True)),
        "",
    ]
    return "\n".join(lines)
