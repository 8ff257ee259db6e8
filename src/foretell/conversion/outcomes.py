"""Outcomes: from raw scores to what is said of a row, as nodes. B: rows, C: classes, K: knots or bins."""

import numpy as np

from foretell.conversion.graph import DOUBLE, Graph
from foretell.prediction.fitted import Fitted
from foretell.tasks.classify import LARGEST_LOGIT, Calibration
from foretell.tasks.multiclass import Coupling
from foretell.tasks.regress import LARGEST_SCORE, LOG, Estimator, Scale


def outcomes(graph: Graph, fitted: Fitted, scores: str) -> None:
    """Add the outputs: what `foretell predict` says of raw scores [B, C].

    Of two outcomes `probability` [B]; of several `class` [B], its `probability` [B] and the `probabilities`
    [B, C] of all; of a number `estimate`, `low` and `high` [B] (these two where an interval could be
    promised), and the `probability` that it lies beyond the line.
    """
    if fitted.coupling is not None:
        _coupled(graph, fitted.coupling, scores)
        return
    if fitted.estimator is not None:
        _estimated(graph, fitted.estimator, scores)
    about = f"that {fitted.spec.data.target} is {positive_of(fitted)}, calibrated"
    graph.output(
        "probability", _flat(graph, _calibrated(graph, fitted.calibration, scores)), np.float64, about
    )


def positive_of(fitted: Fitted) -> str:
    """Return what the probability is about; empty where several classes are learned."""
    target = next(column for column in fitted.featurizer.schema.columns if column.role == "target")
    return str(target.facts.get("positive", ""))


def _flat(graph: Graph, column: str) -> str:
    return graph.add("Reshape", column, np.array([-1]))


def _calibrated(graph: Graph, calibration: Calibration, logits: str) -> str:
    """Return calibrated probabilities [B, 1]: the lines between knots as a sum of clipped ramps."""
    raw, calibrated = np.array(calibration.raw), np.array(calibration.calibrated)
    share = graph.add("Div", graph.add("Sub", logits, raw[:-1]), np.diff(raw))
    share = graph.add("Clip", share, np.float64(0), np.float64(1))
    inside = graph.add("MatMul", share, np.diff(calibrated)[:, None])
    below = graph.add("Min", graph.add("Sub", logits, raw[0]), np.float64(0))
    above = graph.add("Max", graph.add("Sub", logits, raw[-1]), np.float64(0))
    told = graph.add("Add", graph.add("Add", inside, calibrated[0]), graph.add("Add", below, above))
    return graph.add(
        "Sigmoid", graph.add("Clip", told, np.float64(-LARGEST_LOGIT), np.float64(LARGEST_LOGIT))
    )


def _coupled(graph: Graph, coupling: Coupling, logits: str) -> None:
    names = np.array(coupling.names, dtype=object)
    held = graph.add(
        "Add", graph.add("Mul", logits, np.float64(coupling.sharpness)), np.array(coupling.biases)
    )
    told = graph.add("Softmax", held, axis=1)
    best = graph.add("ArgMax", told, axis=1, keepdims=0)
    graph.output("class", graph.add("Gather", names, best, axis=0), np.str_, "the most probable class")
    most = graph.add("ReduceMax", told, axes=[1], keepdims=0)
    graph.output("probability", most, np.float64, "of that class, calibrated")
    about = f"of {', '.join(coupling.names)}"
    graph.output("probabilities", told, np.float64, about, len(names))


def _estimated(graph: Graph, estimator: Estimator, scores: str) -> None:
    estimate = _values(graph, estimator.scale, scores)
    if estimator.scale.link == LOG:
        typical = graph.add("Mul", graph.add("Add", estimate, np.float64(1)), np.float64(estimator.smear))
        estimate = graph.add("Sub", typical, np.float64(1))
    graph.output("estimate", _flat(graph, estimate), np.float64, "the expected value")
    if not estimator.low:
        return
    reached = graph.add("Cast", graph.add("LessOrEqual", np.array(estimator.edges), scores), to=DOUBLE)
    for name, ends in (("low", estimator.low), ("high", estimator.high)):
        end = graph.add("Add", scores, np.float64(ends[0]))
        if estimator.edges:  # one step more for each edge that the score has reached
            end = graph.add("Add", end, graph.add("MatMul", reached, np.diff(ends)[:, None]))
        about = f"an end of the interval that holds {estimator.level:.0%} of the true values"
        graph.output(name, _flat(graph, _values(graph, estimator.scale, end)), np.float64, about)


def _values(graph: Graph, scale: Scale, scores: str) -> str:
    held = graph.add("Clip", scores, np.float64(-LARGEST_SCORE), np.float64(LARGEST_SCORE))
    linked = graph.add("Add", graph.add("Mul", held, np.float64(scale.spread)), np.float64(scale.centre))
    if scale.link != LOG:
        return linked
    return graph.add("Sub", graph.add("Exp", linked), np.float64(1))
