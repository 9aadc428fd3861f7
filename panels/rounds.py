"""Campaigns of labelling rounds as the panel shows them: a timeline, colours of the map, the curve, weak spots.

How to add a colouring: one entry of :data:`ROUND_COLORINGS`; the browser offers it by itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..plugin.dataset.tags import untag_rows
from ..plugin.errors import CoresetError
from ..plugin.rounds.batch import preview_next
from ..plugin.rounds.history import OUTCOMES, Round
from ..plugin.rounds.load import list_campaigns, load_rounds
from ..plugin.rounds.persistent import persistence
from ..plugin.rounds.record import count_outcomes
from ..plugin.rounds.row_values import latest, placed, places, predicted_classes
from ..plugin.rounds.summary import ESTIMATE, RANDOM, main_metric
from .payload import MAX_CATEGORIES, category_coloring, named_coloring, ordered_coloring

if TYPE_CHECKING:
    from fiftyone.core.dataset import Dataset

    from ..plugin.rounds.campaign import RoundsResults
    from ..plugin.rounds.curve import LearningCurve
    from ..plugin.rounds.weak_spots import WeakSpots
    from .runs import PanelRun

#: What the ids of our colourings begin with.
CHANNEL = "rounds:"

#: Weak spots that are listed.
_SPOTS = 10

#: Metrics in the order in which the curve is offered, and what people call them; others keep their names.
_METRICS = {
    "accuracy": "accuracy",
    "class_mean_accuracy": "accuracy, mean over classes",
    "r2": "share of the variance explained (R²)",
    "confidence": "confidence (an estimate)",
    "coverage": "coverage of the images by labels",
    "stream_accuracy": "accuracy on the random stream",
    "random_accuracy": "accuracy from random labels alone",
}


@dataclass(frozen=True)
class RoundColoring:
    """A colouring that any campaign can have.

    Attributes:
        label: what people see
        explanation: what it means, in a few words
        paint: codes and legend, from the campaign and the (n,) places of the map's rows in it, -1 for none
    """

    label: str
    explanation: str
    paint: Callable[[RoundsResults, np.ndarray], dict[str, Any]]


def summaries(dataset: Dataset) -> list[dict[str, Any]]:
    """The campaigns of a dataset, the latest first; what was cut short in its first round is none."""
    found = []
    for key in reversed(list_campaigns(dataset)):
        config = dataset.get_brain_info(key).config
        if config.state == "complete":
            version = f"{config.run_id}/{config.revision}"
            found.append({"key": key, "version": version, "objects": config.patches_field})
    return found


def campaign_payload(results: RoundsResults) -> dict[str, Any]:
    """The rounds, what the map can be coloured by, and what curves there are."""
    config = results.config
    measured = {name for entry in results.history for name in entry.metrics}
    metric = main_metric(results)
    names = [name for name in _METRICS if name in measured] + sorted(measured - set(_METRICS))
    return {
        "key": results.key,
        "version": f"{config.run_id}/{config.revision}",
        "labelField": config.label_field,
        "noun": results.noun,
        "objects": config.patches_field,
        "rounds": [
            _round(entry, metric, count_outcomes(results, entry.number) if entry.is_open else {})
            for entry in results.history
        ],
        "metrics": [{"id": name, "label": _METRICS.get(name, name)} for name in names],
        "channels": [
            {"id": f"{CHANNEL}{results.key}:{name}", "label": entry.label, "explanation": entry.explanation}
            | {"live": False}
            for name, entry in ROUND_COLORINGS.items()
        ],
    }


def _round(entry: Round, metric: str, counts: dict[str, int]) -> dict[str, Any]:
    accuracy, coverage = (entry.metrics.get(name) for name in (metric, "coverage"))
    if metric == ESTIMATE:  # beside a round it would read like an accuracy
        accuracy = None
    return {
        "number": entry.number,
        "created": entry.created,
        "method": entry.method,
        "why": entry.why,
        "open": entry.is_open,
        "size": entry.size,
        "labelled": counts.get("labelled", entry.n_returned),
        "skipped": counts.get("skipped", entry.n_skipped),
        "offTopic": counts.get("off_topic", entry.n_off_topic),
        "labels": entry.n_labels_after,
        "accuracy": None if accuracy is None else accuracy.value,
        "change": None if entry.change is None else list(entry.change),
        "coverage": None if coverage is None else coverage.value,
        "minutes": entry.minutes,
    }


def curve_payload(results: RoundsResults, metric: str, target: float | None) -> dict[str, Any]:
    """The learning curve with its band, and the advice."""
    advice = [
        {"text": line.text, "evidence": line.evidence} for line in results.advice(target=target, metric=metric).lines
    ]
    try:
        curve = results.curve(metric)
    except CoresetError as error:
        return {"points": [], "random": [], "line": None, "label": metric, "note": f"{error}.", "advice": advice}
    drawn = curve.drawn()
    line = None
    if drawn is not None:
        line = {name: _short(values) for name, values in zip(("n", "value", "low", "high"), drawn, strict=True)}
    beside = metric == "accuracy" and any(RANDOM in entry.metrics for entry in results.history)
    return {
        "points": _points(curve),
        "random": _points(results.curve(RANDOM)) if beside else [],
        "line": line,
        "label": curve.metric,
        "note": curve.note,
        "advice": advice,
    }


def _points(curve: LearningCurve) -> list[dict[str, Any]]:
    columns = (values.tolist() for values in (curve.n_labels, curve.errors, curve.standard_errors))
    return [
        {"n": int(n), "value": 1 - error, "error": None if np.isnan(spread) else spread}
        for n, error, spread in zip(*columns, strict=True)
    ]


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def round_coloring(run: PanelRun, channel: str) -> dict[str, Any]:
    """Codes and legend of a colouring by rounds, rows in rank order.

    Raises:
        CoresetError: if the campaign or the colouring does not exist, or its rows are others than the run's
    """
    key, _, name = channel.removeprefix(CHANNEL).partition(":")
    results = load_rounds(run.dataset, key)
    if name not in ROUND_COLORINGS:
        raise CoresetError(f"There is nothing called '{channel}' to colour by.")
    if results.config.patches_field != run.config.patches_field:
        raise CoresetError(f"'{key}' asks for labels of {results.noun}, and the map shows {run.noun}.")
    return ROUND_COLORINGS[name].paint(results, places(results.ids, run.ids))


def _by_round(results: RoundsResults, at: np.ndarray) -> dict[str, Any]:
    rounds = placed(results.round, at, -1)
    present = np.unique(rounds[rounds >= 0]).tolist()
    if len(present) > MAX_CATEGORIES:
        return ordered_coloring(np.where(rounds < 0, np.nan, rounds))
    parts = {f"round {number}" if number else "labelled before": rounds == number for number in present}
    return named_coloring(parts or {"round 1": rounds > 0}, "not asked for")


def _by_prediction(results: RoundsResults, at: np.ndarray) -> dict[str, Any]:
    classes = predicted_classes(results)
    return category_coloring([None] * len(at) if classes is None else placed(classes, at, None).tolist())


def _by_outcome(results: RoundsResults, at: np.ndarray) -> dict[str, Any]:
    outcome = placed(results.outcome, at, -1)
    return named_coloring({name.replace("_", "-"): outcome == n for n, name in enumerate(OUTCOMES)}, "not asked for")


def _by_next(results: RoundsResults, at: np.ndarray) -> dict[str, Any]:
    asked = np.isin(results.ids, preview_next(results).ids)
    return named_coloring({"next batch": placed(asked, at, False)}, "not in it")


def _by_test(results: RoundsResults, at: np.ndarray) -> dict[str, Any]:
    correct = placed(latest(results, "correct", -1), at, -1)
    return named_coloring({"right": correct == 1, "wrong": correct == 0}, "not in the test set")


def _by_change(results: RoundsResults, at: np.ndarray) -> dict[str, Any]:
    now, before = (predicted_classes(results, rounds_ago) for rounds_ago in (0, 1))
    if now is None or before is None:
        raise CoresetError("Whether predictions changed is known after two rounds with predictions.")
    new, old = (placed(classes, at, None) for classes in (now, before))
    both = np.array([a is not None and b is not None for a, b in zip(new, old, strict=True)], dtype=bool)
    return named_coloring({"same": both & (new == old), "changed": both & (new != old)}, "not predicted twice")


def _by_persistence(results: RoundsResults, at: np.ndarray) -> dict[str, Any]:
    return ordered_coloring(placed(persistence(results), at, np.nan))


#: Colourings of the map by the rounds of a campaign, by their ids.
ROUND_COLORINGS = {
    "round": RoundColoring("Round", "the round that asked for it", _by_round),
    "uncertainty": RoundColoring(
        "Uncertainty",
        "how unsure the model was when the last batch was chosen",
        lambda results, at: ordered_coloring(placed(results.uncertainty, at, np.nan)),
    ),
    "persistent": RoundColoring(
        "Stays uncertain", "how unsure the models of the last two rounds both were", _by_persistence
    ),
    "predicted": RoundColoring("Predicted class", "what the model took it for at the last batch", _by_prediction),
    "outcome": RoundColoring("Outcome", "what became of those that were asked for", _by_outcome),
    "next": RoundColoring("Next batch", "where the next batch would fall, before it is asked for", _by_next),
    "test": RoundColoring("Right on test", "those of the test set that the model got right or wrong", _by_test),
    "changed": RoundColoring("Prediction changed", "whether the last two rounds predicted the same", _by_change),
}


@dataclass(frozen=True)
class KnownSpots:
    """Weak spots that a browser was told of.

    Attributes:
        version: changes whenever they are looked for
        spots: the spots
        results: the campaign they are of
        left_out: place of a spot -> the tag by which it was left out, and what did not carry it before
    """

    version: str
    spots: WeakSpots
    results: RoundsResults
    left_out: dict[int, tuple[str, list[str]]] = field(default_factory=dict)

    def ids(self, place: int) -> list[str]:
        """The rows without label of a spot, those first that the model is least sure of.

        Raises:
            CoresetError: if there is no such spot
        """
        if place >= len(self.spots):
            raise CoresetError(f"There is no weak spot {place}.")
        ids = np.array(self.spots.spots[place].ids)
        unsure = placed(self.results.uncertainty, places(self.results.ids, ids), np.nan)
        return ids[np.argsort(-np.nan_to_num(unsure, nan=-1), kind="stable")].tolist()

    def leave_out(self, place: int, tag: str) -> int:
        """Tags the rows without label of a spot, see :meth:`.WeakSpots.leave_out`; returns how many are new to it."""
        fresh = self.spots.leave_out(place, tag)
        self.left_out[place] = tag, fresh
        return len(fresh)

    def bring_back(self, place: int) -> int:
        """Removes the tag from what got it by :meth:`leave_out`; returns from how many.

        Raises:
            CoresetError: if the spot was not left out
        """
        if place not in self.left_out:
            raise CoresetError(f"Weak spot {place} was not left out.")
        tag, ids = self.left_out.pop(place)
        untag_rows(self.results.rows(), ids, tag)
        return len(ids)

    def payload(self) -> dict[str, Any]:
        """The weakest spots, and by which tags they can be left out."""
        return {
            "version": self.version,
            "tags": list(self.spots.skip),
            "spots": [
                {
                    "n": len(spot.ids),
                    "share": spot.share,
                    "labels": spot.n_labels,
                    "covered": spot.covered,
                    "expectedError": spot.expected_error,
                    "accuracy": spot.accuracy,
                    "interval": spot.interval,
                    "tested": spot.n_tested,
                    "classes": spot.classes[:3],
                    "notLearned": spot.not_learned,
                }
                for spot in self.spots.spots[:_SPOTS]
            ],
        }


#: The spots found last, by dataset and campaign.
_known: dict[tuple[str, str], KnownSpots] = {}


def find_spots(results: RoundsResults) -> KnownSpots:
    """Looks for weak spots, and remembers them."""
    found = KnownSpots(uuid.uuid4().hex, results.weak_spots(), results)
    _known[str(results.samples._root_dataset._doc.id), results.key] = found
    return found


def same_spots(dataset: Dataset, key: str, version: str) -> KnownSpots:
    """The spots that a browser speaks of.

    Raises:
        CoresetError: if they were looked for anew since
    """
    known = _known.get((str(dataset._doc.id), key))
    if known is None or known.version != version:
        raise CoresetError("The weak spots have changed meanwhile; look at them again.")
    return known
