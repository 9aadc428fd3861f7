"""What is recorded of a round."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Source of what was measured with the light head, not with a model of the user's.
LIGHT_HEAD = "light head"


#: The fields that every campaign has, by what they hold, and the one with the light head's predictions.
COLUMNS, PREDICTION = ("round", "order", "uncertainty", "outcome"), "prediction"

#: What became of an image that was asked for; stored as place in this list.
OUTCOMES = ("labelled", "skipped", "off_topic")


@dataclass(frozen=True)
class Measured:
    """A metric of a round.

    Attributes:
        value: in [0, 1]
        standard_error: None if it is not known
        n: test images, or what else it was measured on; None if that is not known
        source: ``"light head"``, a field of predictions, an evaluation run, ``"embeddings"``, or ``"typed"``
    """

    value: float
    standard_error: float | None = None
    n: int | None = None
    source: str = "typed"


@dataclass(frozen=True)
class Round:
    """One request for labels.

    Attributes:
        number: from 1
        created: when, ISO 8601, UTC
        method: the selection method
        method_kwargs: its arguments, as records keep them
        seed: the random seed
        embeddings: their fields; None if vectors were given
        models: embeddings field -> record of its model, for fields that carry one
        predictions: the field or fields of predictions, ``"light head"`` or ``"array"``; None if the batch was chosen
            by embeddings alone
        prediction_facts: the form that was read, or temperature and penalty of the head
        classes: the classes of the predictions
        size: images asked for
        budget: images that were wanted, or with costs what could be spent
        n_labels: labels before the round
        n_candidates: images to choose from
        n_random: images of the batch that were drawn at random; they come first in it
        n_blind: images of the batch in which the detector finds nothing; they come last in it
        blind: the share of the batch that was meant for these; None if no detector chose
        why: one paragraph: what was read, what was chosen, what could not be used
        cost: the field of costs, or what stands for an array; None if labels cost the same
        spent: what the labels of the batch cost; None if labels cost the same
        mean_confidence: of the predictions on unlabelled images, calibrated if they are the head's
        entropy: mean entropy of them over its largest possible value; None where only confidences are known
        kappa: agreement with the last round's predictions on images without label
        recorded: when it was recorded, None while it is open
        n_returned: images of the batch with a label
        n_skipped: images with a tag to skip
        n_off_topic: those of them that show none of the classes
        n_deleted: images that were deleted
        n_changed: labels of earlier rounds that were changed or removed since the last record
        n_labels_after: labels when it was recorded, test images not counted
        labels_per_class: class -> labels then
        n_random_labels: labels of images that were drawn at random, in all rounds, when it was recorded
        radius: the distance within which an image counts as covered by a label
        farthest: the largest distance of an image to the nearest label, when it was recorded
        near_duplicates: the distance within which images count as near-duplicates
        metrics: name -> :class:`Measured`
        change: of the accuracy since the last record, on the same test images, and its standard error
        minutes: what the labels took, if somebody said so

    Examples:
        >>> last = fc.load_rounds(dataset, "rounds").last
        >>> last.number, last.size, last.n_returned, last.is_open
        (4, 4, 4, False)
    """

    number: int
    created: str
    method: str
    method_kwargs: dict[str, Any]
    seed: int
    embeddings: list[str] | None
    models: dict[str, Any]
    predictions: str | None
    prediction_facts: dict[str, Any]
    classes: list[str]
    size: int
    budget: float
    n_labels: int
    n_candidates: int
    why: str
    n_random: int = 0
    n_blind: int = 0
    blind: float | None = None
    cost: str | None = None
    spent: float | None = None
    mean_confidence: float | None = None
    entropy: float | None = None
    kappa: float | None = None
    recorded: str | None = None
    n_returned: int = 0
    n_skipped: int = 0
    n_off_topic: int = 0
    n_deleted: int = 0
    n_changed: int = 0
    n_labels_after: int | None = None
    labels_per_class: dict[str, int] = field(default_factory=dict)
    n_random_labels: int | None = None
    radius: float | None = None
    farthest: float | None = None
    near_duplicates: float | None = None
    metrics: dict[str, Measured] = field(default_factory=dict)
    change: tuple[float, float] | None = None
    minutes: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether nobody has recorded what came back."""
        return self.recorded is None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it.

        Examples:
            >>> rounds.last.to_dict()["method"]
            'uherding'
        """
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Round:
        """What :meth:`to_dict` gave; what a newer version added is passed over."""
        known = {entry.name for entry in dataclasses.fields(cls)}
        values = {name: value for name, value in stored.items() if name in known}
        values["metrics"] = {name: Measured(**metric) for name, metric in values.get("metrics", {}).items()}
        if values.get("change") is not None:
            values["change"] = tuple(values["change"])
        return cls(**values)

    def __str__(self) -> str:
        state = "open" if self.is_open else f"{self.n_returned:,} of {self.size:,} labelled"
        found = "; ".join(f"{name} {metric.value:.3f} ({metric.source})" for name, metric in self.metrics.items())
        return f"Round {self.number} by {self.method}: {state}{'; ' if found else ''}{found}"


def in_record_order(history: Sequence[Round]) -> list[Round]:
    """The recorded rounds, the one recorded last at the end: of two that were open at once, either may be."""
    return sorted((entry for entry in history if entry.recorded), key=lambda entry: (entry.recorded, entry.number))


def view_name(key: str, number: int | str) -> str:
    """What the saved view of a round is called."""
    return f"{key} round {number}"
