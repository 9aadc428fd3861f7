"""How good the model is after a round: on test images that were drawn at random, or, without them, an estimate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..dataset.embeddings import Embeddings
from ..dataset.rows import Rows
from ..errors import CoresetError
from .history import LIGHT_HEAD, Measured
from .model import RoundModel
from .reserve import accuracy_error
from .standing import Standing


def measure_model(
    standing: Standing, model: RoundModel, found: Embeddings | None = None
) -> tuple[dict[str, Measured], np.ndarray | None]:
    """Judges the predictions of a model.

    On labelled test images: accuracy, and its mean over the classes, in which rare ones count as much. On the
    unlabelled images the mean confidence, calibrated if it is the light head's, which estimates the accuracy there:
    measured, it was 1 to 6 points off with some hundred labels, more before. Cross-validation on chosen labels was 14
    to 28 points off, and is not offered. Where labels are numbers: R^2, the share of the variance of the test images'
    numbers that is explained, 0 if it is none.

    Args:
        standing: the rows and their labels
        model: the model
        found (None): the embeddings, where labels are numbers

    Returns:
        the metrics by name, and an (n,) int8 array, which test images it got right (1), wrong (0), or which are no test
        images (-1); None without test images
    """
    if model.predictions is None or model.source is None:
        return {}, None
    if model.ridge is not None and found is not None:
        return _explained(standing, found, model), None
    metrics = {}
    pool = ~standing.has_label & ~standing.skipped
    confidence = model.mean_confidence(pool)
    if confidence is not None:
        n = int((pool & model.predictions.present).sum())
        metrics["confidence"] = Measured(confidence, None, n, model.source)
    if not model.predictions.classes:
        return metrics, None
    judged = np.flatnonzero(standing.test & standing.has_label & model.predictions.present)
    if not len(judged):
        return metrics, None
    truth = np.array([standing.labels[row] for row in judged], dtype=object)
    right = model.labels()[judged] == truth
    accuracy = float(right.mean())
    metrics["accuracy"] = Measured(accuracy, accuracy_error(accuracy, len(right)), len(right), model.source)
    classes = [right[truth == name] for name in sorted(set(truth.tolist()))]
    shares = [float(mine.mean()) for mine in classes]
    error = math.sqrt(sum(accuracy_error(share, len(mine)) ** 2 for share, mine in zip(shares, classes, strict=True)))
    metrics["class_mean_accuracy"] = Measured(float(np.mean(shares)), error / len(classes), len(right), model.source)
    correct = np.full(len(standing), -1, dtype=np.int8)
    correct[judged] = right
    return metrics, correct


def _explained(standing: Standing, found: Embeddings, model: RoundModel) -> dict[str, Measured]:
    assert model.ridge is not None
    assert standing.numbers is not None
    judged = np.flatnonzero(standing.test & standing.has_label & found.valid)
    truth = standing.numbers[judged]
    total = float(((truth - truth.mean()) ** 2).sum()) if len(judged) > 1 else 0.0
    if not total:
        return {}
    left = float(((truth - model.ridge.predict(found.matrix[judged])) ** 2).sum())
    return {"r2": Measured(max(0.0, 1 - left / total), None, len(judged), LIGHT_HEAD)}


def typed_metrics(metrics: Mapping[str, Any] | None) -> dict[str, Measured]:
    """Metrics that a person measured elsewhere.

    Args:
        metrics: name -> a number in [0, 1], or a pair of it and its standard error

    Returns:
        the metrics by name

    Raises:
        CoresetError: if one is no such number
    """
    if metrics is None:
        return {}
    if not isinstance(metrics, Mapping):
        raise CoresetError(f"metrics must be a dict of name to number, e.g. {{'accuracy': 0.83}}, got {metrics!r}")
    found = {}
    for name, given in metrics.items():
        pair = given if isinstance(given, tuple | list) and len(given) == 2 else (given, None)
        value, error = pair
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value <= 1:
            raise CoresetError(f"metric '{name}' must be a number in [0, 1], got {value!r}; divide percentages by 100")
        if error is not None and not (isinstance(error, int | float | np.number) and 0 < error < 1):
            raise CoresetError(f"the standard error of metric '{name}' must be a number in (0, 1), got {error!r}")
        found[str(name)] = Measured(float(value), None if error is None else float(error))
    return found


def evaluated_metrics(standing: Standing, eval_key: str | None) -> tuple[dict[str, Measured], np.ndarray | None]:
    """Metrics of an evaluation run.

    Args:
        standing: the rows; of a classification, labelled test images alone count
        eval_key: the name of the evaluation, or None

    Returns:
        ``"accuracy"``, or ``"mAP"`` of detections that were evaluated with ``compute_mAP=True``; and of a
        classification the array that :func:`measure_model` gives

    Raises:
        CoresetError: if there is no such evaluation, or it says nothing about test images
    """
    if eval_key is None:
        return {}, None
    rows: Rows = standing.rows
    evaluations = rows.dataset.list_evaluations()
    if eval_key not in evaluations:
        known = ", ".join(evaluations) or "none"
        raise CoresetError(f"'{rows.dataset.name}' has no evaluation '{eval_key}' (there are: {known})")
    results = rows.dataset.load_evaluation_results(eval_key)
    if hasattr(results, "mAP"):
        try:
            return {"mAP": Measured(float(results.mAP()), None, None, eval_key)}, None
        except ValueError as error:
            raise CoresetError(f"evaluation '{eval_key}' has no mAP; evaluate with compute_mAP=True") from error
    judged = rows.values(eval_key) if rows.has(eval_key) else []
    correct = np.full(len(standing), -1, dtype=np.int8)
    for row in np.flatnonzero(standing.test & standing.has_label):
        if judged and judged[row] is not None:
            correct[row] = bool(judged[row])
    right = correct[correct >= 0]
    if not len(right):
        raise CoresetError(
            f"evaluation '{eval_key}' has judged none of the {int(standing.test.sum()):,} test images that has a "
            "label; on chosen images an accuracy says little. reserve_test() draws some; label and evaluate them"
        )
    accuracy = float(right.mean())
    return {"accuracy": Measured(accuracy, accuracy_error(accuracy, len(right)), len(right), eval_key)}, correct
