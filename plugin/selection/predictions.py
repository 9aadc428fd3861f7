"""What a model says of every row: class probabilities, or a bare confidence, and how uncertain it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..vectors.matrix import blocks
from ..vectors.probabilities import as_probabilities, multilabel_uncertainty, too_many_spoilt
from .quotas import is_missing

#: Values held in float64 at a time.
_BLOCK_VALUES = 4 * 1024**2

_WRONG = {
    "probabilities": "probabilities that are NaN, infinite, negative or do not add up to 1",
    "logits": "logits that are not finite",
}
_STORE = "store the probabilities of all classes, e.g. with apply_model(..., store_logits=True)"


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of n rows by one model, or by several.

    Attributes:
        probabilities: (n, C) float32, NaN in rows without; None where only confidences are known
        confidence: (n,) float64, that of the predicted class; NaN in rows without a prediction
        classes: the C names of the classes
        predicted: (n,) int64 number of the predicted class, -1 where it is not known
        off_topic: (n,) float64 probability that the row shows none of the classes, or None
        measured: other measures of uncertainty by name, (n,) float64, higher = more uncertain
        n_unusable: rows whose numbers could not be used; they count as rows without a prediction

    Examples:
        >>> predictions = fc.Predictions.from_probabilities([[0.9, 0.1], [0.2, 0.8]], ["cat", "dog"])
        >>> predictions.confidence.round(1).tolist()
        [0.9, 0.8]
    """

    probabilities: np.ndarray | None
    confidence: np.ndarray
    classes: tuple[str, ...]
    predicted: np.ndarray
    off_topic: np.ndarray | None = None
    measured: Mapping[str, np.ndarray] = field(default_factory=dict)
    n_unusable: int = 0

    def __len__(self) -> int:
        return len(self.confidence)

    @property
    def present(self) -> np.ndarray:
        """(n,) bool, True in rows with a prediction."""
        return ~np.isnan(self.confidence)

    @property
    def default_measure(self) -> str:
        """The measure of uncertainty that these predictions allow: "margin" where all classes are known."""
        return "least_confidence" if self.probabilities is None else "margin"

    def all_classes(self, asker: str) -> np.ndarray:
        """The probabilities.

        Args:
            asker: the method that cannot do without

        Returns:
            (n, C) float32

        Raises:
            CoresetError: if only confidences are known

        Examples:
            >>> fc.Predictions.from_probabilities([[0.9, 0.1], [0.2, 0.8]]).all_classes("my method").shape
            (2, 2)
        """
        if self.probabilities is None:
            raise CoresetError(
                f"{asker} needs the probabilities of all classes, but these predictions hold only confidences; {_STORE}"
            )
        return self.probabilities

    def take(self, rows: np.ndarray) -> Predictions:
        """The predictions of some rows, in the order given.

        Examples:
            >>> fc.Predictions.from_probabilities([[0.9, 0.1], [0.2, 0.8]]).take(np.array([1])).predicted.tolist()
            [1]
        """
        return replace(
            self,
            probabilities=None if self.probabilities is None else self.probabilities[rows],
            confidence=self.confidence[rows],
            predicted=self.predicted[rows],
            off_topic=None if self.off_topic is None else self.off_topic[rows],
            measured={name: values[rows] for name, values in self.measured.items()},
        )

    @classmethod
    def from_probabilities(
        cls, probabilities: Any, classes: Sequence[str] | None = None, *, missing: np.ndarray | None = None
    ) -> Predictions:
        """Reads class probabilities.

        Args:
            probabilities: (n, C) numbers; rows with NaN, infinite or negative numbers, or that do not add up to 1,
                are left out and counted
            classes (None): C names of the classes; "class 0" and so on by default
            missing (None): (n,) bool, True in rows that were never predicted; they are not counted

        Returns:
            the predictions

        Raises:
            CoresetError: if the shape does not fit, or more than 1 % of the rows cannot be used

        Examples:
            >>> Predictions.from_probabilities([[0.9, 0.1], [0.2, 0.8]], ["cat", "dog"]).predicted
            array([0, 1])
        """
        return cls._read(_matrix(probabilities, "probabilities"), classes, missing, "probabilities")

    @classmethod
    def from_logits(
        cls, logits: Any, classes: Sequence[str] | None = None, *, missing: np.ndarray | None = None
    ) -> Predictions:
        """Reads logits: probabilities are their softmax, and the energy is kept as a measure of uncertainty.

        Args:
            logits: (n, C) numbers before a softmax; rows with NaN or infinity are left out and counted; minus infinity
                rules a class out
            classes (None): C names of the classes
            missing (None): (n,) bool, True in rows that were never predicted; they are not counted

        Returns:
            the predictions

        Raises:
            CoresetError: if the shape does not fit, or more than 1 % of the rows cannot be used

        Examples:
            >>> fc.Predictions.from_logits([[2.0, -1.0], [-3.0, 0.5]], ["cat", "dog"]).predicted.tolist()
            [0, 1]
        """
        return cls._read(_matrix(logits, "logits"), classes, missing, "logits")

    @classmethod
    def _read(
        cls, values: np.ndarray, classes: Sequence[str] | None, missing: np.ndarray | None, form: str
    ) -> Predictions:
        names = _names(classes, values.shape[1])
        asked = np.ones(len(values), dtype=bool) if missing is None else ~missing
        found = as_probabilities(values, asked, form)
        _require_sound(found.n_spoilt, int(asked.sum()), _WRONG[form])
        P = found.matrix
        best = np.where(found.usable, P.argmax(axis=1), -1)
        measured = {} if found.energy is None else {"energy": found.energy}
        return cls(P, P.max(axis=1).astype(np.float64), names, best, measured=measured, n_unusable=found.n_spoilt)

    @classmethod
    def from_confidence(cls, confidence: Any, labels: Sequence[str | None] | None = None) -> Predictions:
        """Reads bare confidences of the predicted class.

        Args:
            confidence: (n,) numbers in [0, 1], NaN or None where there is no prediction
            labels (None): n predicted classes, None where there is none

        Returns:
            the predictions

        Raises:
            CoresetError: if they are no numbers, or more than 1 % of them lie outside [0, 1]

        Examples:
            >>> fc.Predictions.from_confidence([0.9, None, 0.4], ["cat", None, "dog"]).present.tolist()
            [True, False, True]
        """
        try:
            values = np.array(confidence, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise CoresetError(f"confidence must be numbers ({error}); pass one per row") from error
        if values.ndim != 1:
            raise CoresetError(f"confidence must hold one number per row, got shape {values.shape}")
        absent = np.isnan(values)
        fine = (values >= 0) & (values <= 1)
        n_unusable = int((~fine & ~absent).sum())
        _require_sound(n_unusable, int((~absent).sum()), "confidences outside [0, 1]")
        names = tuple(sorted({label for label in labels or () if label is not None}))
        number = {name: place for place, name in enumerate(names)}
        predicted = np.full(len(values), -1, dtype=np.int64)
        if labels is not None:
            if len(labels) != len(values):
                raise CoresetError(f"there are {len(values)} confidences but {len(labels)} labels; pass one per row")
            predicted[:] = [-1 if label is None else number[label] for label in labels]
        return cls(None, np.where(fine, values, np.nan), names, predicted, n_unusable=n_unusable)

    @classmethod
    def of_committee(cls, members: Sequence[Predictions]) -> Predictions:
        """The mean of several models' probabilities, and how much the models disagree.

        Args:
            members: predictions of the same rows and classes

        Returns:
            the predictions, with the measure "disagreement"

        Raises:
            CoresetError: if rows or classes differ, or one has no probabilities

        Examples:
            >>> one = fc.Predictions.from_probabilities([[0.9, 0.1], [0.5, 0.5]])
            >>> two = fc.Predictions.from_probabilities([[0.9, 0.1], [0.1, 0.9]])
            >>> committee = fc.Predictions.of_committee([one, two])
            >>> bool(committee.measured["disagreement"][1] > committee.measured["disagreement"][0])
            True
        """
        first = members[0]
        total = np.zeros((len(first), len(first.classes)), dtype=np.float32)
        for place, member in enumerate(members):
            if member.classes != first.classes or len(member) != len(first):
                raise CoresetError(
                    f"predictions {place + 1} of {len(members)} are of {len(member)} rows and {len(member.classes)} "
                    f"classes, the first of {len(first)} and {len(first.classes)}; all must be of the same"
                )
            total += member.all_classes("a committee")
        mean = cls.from_probabilities(
            total / len(members), first.classes, missing=np.asarray(np.isnan(total).any(axis=1))
        )
        entropy = np.mean([uncertainty(member, "entropy") for member in members], axis=0)
        disagreement = np.maximum(uncertainty(mean, "entropy") - entropy, 0)
        return replace(
            mean,
            n_unusable=max(member.n_unusable for member in members),
            measured={"disagreement": disagreement},
        )


def class_groups(predictions: Predictions, labels: Sequence[Any]) -> np.ndarray:
    """Groups by class for batches in which no class is left behind (PCB; Bang et al., CVPR 2024).

    Give them as ``groups=`` with ``quota="uniform"`` and the labelled rows as ``preselected=``: the next pick then
    comes from the class with the fewest labels and picks, and a class without candidates is passed over.

    Args:
        predictions: of n rows, with predicted classes
        labels: n labels, None or another spelling of "no label" where there is none

    Returns:
        (n,) object array: the label where there is one, else the predicted class, else None

    Examples:
        >>> said = Predictions.from_probabilities([[0.9, 0.1], [0.2, 0.8]], ["cat", "dog"])
        >>> class_groups(said, ["dog", None]).tolist()
        ['dog', 'dog']
    """
    names = np.array([*predictions.classes, None], dtype=object)
    return np.array(
        [
            guess if is_missing(label) else str(label)
            for label, guess in zip(labels, names[predictions.predicted], strict=True)
        ],
        dtype=object,
    )


def as_predictions(given: Any) -> Predictions | None:
    """Predictions as they are; an (n, C) array as probabilities."""
    return given if given is None or isinstance(given, Predictions) else Predictions.from_probabilities(given)


def uncertainty(predictions: Any, measure: str = "margin") -> np.ndarray:
    """How uncertain a model is of every row.

    With ``p1 >= p2`` the largest two of C probabilities: "margin" ``1 - (p1 - p2)`` (also called breaking ties);
    "entropy" ``-sum p log p / log C``; "least_confidence" ``1 - p1``. "energy" is ``-logsumexp`` of true logits (Xie et
    al., AAAI 2022). "multi_label" is the mean of ``4 s (1 - s)`` over the five most uncertain of scores s that do not
    exclude each other. What a model can measure besides, such as "disagreement" of several models, is read from
    :attr:`Predictions.measured`. Where it is known how probable it is that a row is off-topic, measures that are not
    negative are multiplied by the probability that it is not.

    Args:
        predictions: :class:`Predictions`, or an (n, C) array of probabilities; of logits for "energy", of scores for
            "multi_label"
        measure ("margin"): one of the above

    Returns:
        (n,) float64, higher = more uncertain; NaN in rows without a prediction. Rows are read in blocks, so no
        (n, C) array in float64 is ever made

    Raises:
        CoresetError: if the predictions do not allow the measure

    Examples:
        >>> uncertainty([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]).tolist()
        [0.0, 1.0]
    """
    if not isinstance(predictions, Predictions):
        if measure == "multi_label":
            return multilabel_uncertainty(_matrix(predictions, "scores"))
        read = _read_logits if measure == "energy" else Predictions.from_probabilities
        predictions = read(predictions)
    if measure in predictions.measured:
        value = predictions.measured[measure]
    elif measure == "least_confidence":
        value = 1 - predictions.confidence
    else:
        value = _of_all_classes(predictions, measure)
    if predictions.off_topic is None or np.nanmin(value, initial=0) < 0:
        return np.array(value)
    return value * (1 - predictions.off_topic)


def _of_all_classes(predictions: Predictions, measure: str) -> np.ndarray:
    P = predictions.probabilities
    if P is None and measure in _MEASURES:
        raise CoresetError(
            f"these predictions hold only confidences, which do not tell {measure!r}; use 'least_confidence', or "
            f"{_STORE}"
        )
    if P is None or measure not in _MEASURES:
        known = () if P is None else tuple(_MEASURES)
        raise CoresetError(
            f"measure {measure!r} cannot be told from these predictions; use one of "
            f"{', '.join((*known, 'least_confidence', *predictions.measured))}"
        )
    value = np.empty(len(P))
    for rows in _blocks(P):
        value[rows] = _MEASURES[measure](P[rows].astype(np.float64))
    return value


def _margin(P: np.ndarray) -> np.ndarray:
    if P.shape[1] == 1:
        return 1 - P[:, 0]
    second, first = np.partition(P, -2, axis=1)[:, -2:].T
    return 1 - (first - second)


def _entropy(P: np.ndarray) -> np.ndarray:
    from scipy.special import xlogy

    # What rounding leaves of a sum of 1 would make a certain row's entropy a little negative.
    return np.maximum(-xlogy(P, P).sum(axis=1), 0) / np.log(max(P.shape[1], 2))


#: Measures of (m, C) float64 probabilities.
_MEASURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"margin": _margin, "entropy": _entropy}


def _read_logits(values: Any) -> Predictions:
    Z = _matrix(values, "logits")
    if as_probabilities(Z, np.ones(len(Z), dtype=bool)).form != "logits":
        raise CoresetError(
            "energy needs logits as the model gave them, but these are probabilities or their logarithms, of which the "
            "energy is nearly the same for every row; use 'entropy'"
        )
    return Predictions.from_logits(Z)


def _matrix(values: Any, name: str) -> np.ndarray:
    try:
        matrix = np.asarray(values)
        matrix = matrix if matrix.dtype in (np.float32, np.float64) else matrix.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise CoresetError(f"{name} must be numbers, one for each class in each row ({error})") from error
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise CoresetError(f"{name} must be an (n, C) matrix with one column for each class, got shape {matrix.shape}")
    return matrix


def _names(classes: Sequence[str] | None, n_classes: int) -> tuple[str, ...]:
    if classes is None:
        return tuple(f"class {number}" for number in range(n_classes))
    if len(classes) != n_classes:
        raise CoresetError(f"there are {n_classes} probabilities a row but {len(classes)} classes; pass one name each")
    return tuple(classes)


def _require_sound(n_unusable: int, n_asked: int, what: str) -> None:
    if too_many_spoilt(n_unusable, n_asked):
        raise CoresetError(
            f"predictions: {n_unusable} of {n_asked} rows have {what}, and more than 1 % cannot be left out; "
            "predict these rows again"
        )


def _blocks(matrix: np.ndarray) -> Any:
    return blocks(len(matrix), max(1, _BLOCK_VALUES // matrix.shape[1]))
