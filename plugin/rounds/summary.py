"""What the rounds of a campaign add up to: a table, a learning curve, advice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.labels import number_path
from ..diagnostics.tables import Content, number
from ..errors import CoresetError
from .advice import Advice, advise
from .curve import LearningCurve, learning_curve
from .history import LIGHT_HEAD, Measured, Round, in_record_order

if TYPE_CHECKING:
    from .campaign import RoundsResults

#: The metric of the head that learned from the random stream alone; its labels are those of the stream.
RANDOM = "random_accuracy"

#: The metric that needs no test images: the mean confidence on the images without label.
ESTIMATE = "confidence"

#: Labels a class below which the power law is known to fail (Jain et al., CVPR 2023).
_PER_CLASS = 5


def table(results: RoundsResults) -> list[dict[str, Any]]:
    """One row a round, see :meth:`.RoundsResults.table`."""
    rows = []
    for entry in results.history:
        row = {
            "round": entry.number,
            "date": entry.created[:10],
            "method": entry.method,
            "predictions": entry.predictions,
            "size": entry.size,
            "returned": None if entry.is_open else entry.n_returned,
            "skipped": None if entry.is_open else entry.n_skipped,
            "left": results.n_left(entry.number),
            "labels": entry.n_labels_after,
            "classes": len(entry.labels_per_class) or None,
            "kappa": entry.kappa,
            "minutes": entry.minutes,
        }
        rows.append(row | {name: metric.value for name, metric in entry.metrics.items()})
    return rows


def main_metric(results: RoundsResults) -> str:
    """The metric that is meant where none is named: R^2 where labels are numbers, else accuracy, or mAP of boxes; the
    estimate without test images.
    """
    if number_path(results.rows(), results.config.label_field) is not None:
        return "r2"
    measured = {name for entry in results.history for name in entry.metrics}
    return next((name for name in ("accuracy", "mAP", ESTIMATE) if name in measured), "accuracy")


def curve(results: RoundsResults, metric: str | None, seed: int) -> LearningCurve:
    """The learning curve over the rounds, see :meth:`.RoundsResults.curve`."""
    metric = metric or main_metric(results)
    found = _measured(results, metric)
    if not found:
        known = sorted({name for entry in results.history for name in entry.metrics})
        remedy = f"measured are: {', '.join(known)}" if known else "record_round() measures it"
        raise CoresetError(f"no round of '{results.key}' has the metric '{metric}'; {remedy}")
    errors = [value.standard_error for _, value in found]
    classes = max(len(entry.labels_per_class) for entry, _ in found)
    source = found[-1][1].source
    return learning_curve(
        [max(1, (entry.n_random_labels if metric == RANDOM else entry.n_labels_after) or 0) for entry, _ in found],
        [1 - value.value for _, value in found],
        None if any(error is None for error in errors) else [error for error in errors if error is not None],
        seed,
        metric=f"{metric} of the light head" if source == LIGHT_HEAD else metric,
        fitted_from=_PER_CLASS * classes,
    )


def advice(
    results: RoundsResults,
    target: float | None,
    cost_per_label: float | None,
    metric: str | None,
    value_per_point: float | None,
) -> Advice:
    """What to know before labelling on, see :meth:`.RoundsResults.advice`."""
    metric = metric or main_metric(results)
    try:
        found = curve(results, metric, seed=0)
    except CoresetError as error:
        empty = np.empty(0)
        found = LearningCurve(empty, empty, empty, None, None, metric, f"{error}.")
    last, recorded = results.last, in_record_order(results.history)
    light = metric == "accuracy" and all(value.source == LIGHT_HEAD for _, value in _measured(results, metric))
    return advise(
        found,
        last.size if last else 1,
        target=target,
        kappas=_kappas(results),
        entropy=last.entropy if last else None,
        cost_per_label=cost_per_label,
        value_per_point=value_per_point,
        left=_left(results),
        random=curve(results, RANDOM, seed=0) if light and _measured(results, RANDOM) else None,
        farthest=recorded[-1].farthest if recorded else None,
        near_duplicates=recorded[-1].near_duplicates if recorded else None,
    )


def _kappas(results: RoundsResults) -> list[float] | None:
    """Agreement between successive rounds; None where predictions name no class that could agree."""
    if any(entry.predictions for entry in results.history) and not any(entry.classes for entry in results.history):
        return None
    return [entry.kappa for entry in results.history if entry.kappa is not None]


def _left(results: RoundsResults) -> float | None:
    """What model and neighbours together are unsure of in what is left, added up; None if that was not measured."""
    if results.last is None or results.last.method_kwargs.get("measure") != "fused":
        return None
    free = np.array([label is None for label in results.labels], dtype=bool)
    return float(np.nansum(results.uncertainty[free]))


def card(results: RoundsResults) -> Content:
    """The rounds as a table to print."""
    rows, metric = [], main_metric(results)
    for entry in results.history:
        measured = entry.metrics.get(metric)
        value = "-" if measured is None else number(measured.value)
        change = "-" if entry.change is None else f"{100 * entry.change[0]:+.1f} ± {100 * entry.change[1]:.1f}"
        returned = "open" if entry.is_open else f"{entry.n_returned:,}"
        after = "-" if entry.n_labels_after is None else f"{entry.n_labels_after:,}"
        source = "" if measured is None else measured.source
        rows.append([str(entry.number), entry.method, f"{entry.size:,}", returned, after, value, change, source])
    header = ("round", "method", "asked", "returned", "labels", metric, "points", "by")
    title = f"Campaign '{results.key}', labels in '{results.config.label_field}'"
    return title, header, rows, ""


def _measured(results: RoundsResults, metric: str) -> list[tuple[Round, Measured]]:
    """The rounds with a metric; those of the light head only where no model of the user's was measured."""
    found = [(entry, entry.metrics[metric]) for entry in results.history if metric in entry.metrics]
    own = [(entry, value) for entry, value in found if value.source != LIGHT_HEAD]
    return own or found
