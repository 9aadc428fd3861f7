"""What a model says of every row: class probabilities, or a bare confidence, and how uncertain it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..vectors.matrix import blocks

#: Probabilities of a row may add up to 1 within this; classifiers that compute in float16 are off by about as much.
_SUM_TOLERANCE = 1e-3
#: Share of rows with unusable numbers above which the numbers as a whole are not to be trusted.
_MAX_UNUSABLE = 0.01
#: Share of rows that must have a form to tell it; the others may be damaged.
_SURE = 0.99
#: Values held in float64 at a time.
_BLOCK_VALUES = 4 * 1024**2

_STORE = "store the probabilities of all classes, e.g. with apply_model(..., store_logits=True)"


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of n rows by one model, or by several.

    Attributes:
        probabilities: (n, C) float32, NaN in rows without; None where only confidences are known
        confidence: (n,) float64, that of the predicted class; NaN in rows without a prediction
        classes: the C names of the classes
        predicted: (n,) int64 number of the predicted class, -1 where it is not known
        multi_label: whether probabilities are independent scores of the classes, so that rows do not add up to 1
        off_topic: (n,) float64 probability that the row shows none of the classes, or None
        measured: other measures of uncertainty by name, (n,) float64, higher = more uncertain
        n_unusable: rows whose numbers could not be used; they count as rows without a prediction
    """

    probabilities: np.ndarray | None
    confidence: np.ndarray
    classes: tuple[str, ...]
    predicted: np.ndarray
    multi_label: bool = False
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
        if self.multi_label:
            return "multi_label"
        return "least_confidence" if self.probabilities is None else "margin"

    def take(self, rows: np.ndarray) -> Predictions:
        """The predictions of some rows, in the order given."""
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
        cls,
        probabilities: Any,
        classes: Sequence[str] | None = None,
        *,
        missing: np.ndarray | None = None,
        multi_label: bool = False,
    ) -> Predictions:
        """Reads class probabilities.

        Args:
            probabilities: (n, C) numbers; rows with NaN, infinite or negative numbers, or that do not add up to 1,
                are left out and counted
            classes (None): C names of the classes; "class 0" and so on by default
            missing (None): (n,) bool, True in rows that were never predicted; they are not counted
            multi_label (False): whether the classes exclude each other not, so that each score lies in [0, 1] by itself

        Returns:
            the predictions

        Raises:
            CoresetError: if the shape does not fit, or more than 1 % of the rows cannot be used

        Example:
            >>> Predictions.from_probabilities([[0.9, 0.1], [0.2, 0.8]], ["cat", "dog"]).predicted
            array([0, 1])
        """
        P = _matrix(probabilities, "probabilities")
        names = _names(classes, P.shape[1])
        absent = np.zeros(len(P), dtype=bool) if missing is None else missing
        fine = np.empty(len(P), dtype=bool)
        for rows in _blocks(P):
            block = P[rows].astype(np.float64)
            whole = ((block >= 0) & (block <= 1 + _SUM_TOLERANCE)).all(axis=1)  # False for NaN
            fine[rows] = whole & (multi_label | (np.abs(block.sum(axis=1) - 1) <= _SUM_TOLERANCE))
        fine &= ~absent
        wrong = "lie outside [0, 1]" if multi_label else "are NaN, infinite, negative or do not add up to 1"
        n_unusable = _count_unusable(fine, absent, f"probabilities that {wrong}")
        P = P.astype(np.float32, copy=False)
        if not fine.all():
            P = np.where(fine[:, None], P, np.float32(np.nan))
        best = np.where(fine, P.argmax(axis=1), -1)
        confidence = P.max(axis=1).astype(np.float64)
        return cls(P, confidence, names, best, multi_label=multi_label, n_unusable=n_unusable)

    @classmethod
    def from_logits(
        cls, logits: Any, classes: Sequence[str] | None = None, *, missing: np.ndarray | None = None
    ) -> Predictions:
        """Reads logits: probabilities are their softmax, and the energy is kept as a measure of uncertainty.

        Args:
            logits: (n, C) numbers before a softmax; rows with NaN or infinity are left out and
                counted; minus infinity rules a class out
            classes (None): C names of the classes
            missing (None): (n,) bool, True in rows that were never predicted; they are not counted

        Returns:
            the predictions

        Raises:
            CoresetError: if the shape does not fit, or more than 1 % of the rows cannot be used
        """
        Z = _matrix(logits, "logits")
        absent = np.zeros(len(Z), dtype=bool) if missing is None else missing
        fine = np.isfinite(Z.max(axis=1)) & ~absent  # minus infinity is a class ruled out
        n_unusable = _count_unusable(fine, absent, "logits that are not finite")
        P = np.full(Z.shape, np.nan, dtype=np.float32)
        energy = np.full(len(Z), np.nan)
        for rows in _blocks(Z):
            block = np.where(fine[rows, None], Z[rows].astype(np.float64), 0)
            P[rows] = np.where(fine[rows, None], softmax(block), np.nan)
            energy[rows] = np.where(fine[rows], -log_sum_exp(block), np.nan)
        found = cls.from_probabilities(P, classes, missing=~fine)
        # Probabilities and their logarithms have no energy of their own: it is nearly the same everywhere.
        measured = {"energy": energy} if form_of(Z[fine]) == "logits" else {}
        return replace(found, n_unusable=n_unusable, measured=measured)

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
        """
        try:
            values = np.array(confidence, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise CoresetError(f"confidence must be numbers ({error}); pass one per row") from error
        if values.ndim != 1:
            raise CoresetError(f"confidence must hold one number per row, got shape {values.shape}")
        absent = np.isnan(values)
        fine = (values >= 0) & (values <= 1)
        n_unusable = _count_unusable(fine, absent, "confidences outside [0, 1]")
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
        """
        first = members[0]
        total = np.zeros((len(first), len(first.classes)), dtype=np.float32)
        for place, member in enumerate(members):
            if member.probabilities is None:
                raise CoresetError(f"predictions {place + 1} of {len(members)} hold only confidences; {_STORE}")
            if member.classes != first.classes or len(member) != len(first):
                raise CoresetError(
                    f"predictions {place + 1} of {len(members)} are of {len(member)} rows and {len(member.classes)} "
                    f"classes, the first of {len(first)} and {len(first.classes)}; all must be of the same"
                )
            total += member.probabilities
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


def as_predictions(given: Any) -> Predictions | None:
    """Predictions as they are; an (n, C) array as probabilities."""
    return given if given is None or isinstance(given, Predictions) else Predictions.from_probabilities(given)


def uncertainty(predictions: Any, measure: str = "margin", *, top_classes: int | None = None) -> np.ndarray:
    """How uncertain a model is of every row.

    With ``p1 >= p2`` the largest two of C probabilities: "margin" ``1 - (p1 - p2)`` (also called breaking ties);
    "entropy" ``-sum p log p / log C``; "least_confidence" ``1 - p1``. "energy" is ``-logsumexp`` of true logits (Xie et
    al., AAAI 2022). "multi_label" is the mean over the classes of ``4 s (1 - s)``, for scores s that do not exclude
    each other. What a model can measure besides, such as "disagreement" of several models or "boundary" of the light
    head, is read from :attr:`Predictions.measured`. Where it is known how probable it is that a row is off-topic,
    measures that are not negative are multiplied by the probability that it is not.

    Args:
        predictions: :class:`Predictions`, or an (n, C) array of probabilities; of logits for "energy", of scores for
            "multi_label"
        measure ("margin"): one of the above
        top_classes (None): classes with the highest scores that "multi_label" averages over; all by default, which many
            easy classes dilute

    Returns:
        (n,) float64, higher = more uncertain; NaN in rows without a prediction. Rows are read in blocks, so no
        (n, C) array in float64 is ever made

    Raises:
        CoresetError: if the predictions do not allow the measure

    Example:
        >>> uncertainty([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]).tolist()
        [0.0, 1.0]
    """
    if not isinstance(predictions, Predictions):
        predictions = _read_for(predictions, measure)
    if measure in predictions.measured:
        value = predictions.measured[measure]
    elif measure == "least_confidence" and not predictions.multi_label:
        value = 1 - predictions.confidence
    else:
        value = _of_all_classes(predictions, measure, top_classes)
    if predictions.off_topic is None or np.nanmin(value, initial=0) < 0:
        return np.array(value)
    return value * (1 - predictions.off_topic)


def form_of(values: np.ndarray) -> str:
    """Tells what a model wrote where logits are expected: some write probabilities there, or their logarithms.

    Args:
        values: (n, C) float32 or float64, finite

    Returns:
        "probabilities" or "log-probabilities" if 99 % of the rows are such within 1e-3, else "logits"
    """
    P_like, log_like = 0, 0
    for rows in _blocks(values):
        block = values[rows].astype(np.float64)
        inside = ((block >= 0) & (block <= 1 + _SUM_TOLERANCE)).all(axis=1)
        P_like += int((inside & (np.abs(block.sum(axis=1) - 1) <= _SUM_TOLERANCE)).sum())
        log_like += int((np.abs(np.expm1(np.minimum(log_sum_exp(block), 1))) <= _SUM_TOLERANCE).sum())
    if len(values) and P_like >= _SURE * len(values):
        return "probabilities"
    return "log-probabilities" if len(values) and log_like >= _SURE * len(values) else "logits"


def softmax(logits: np.ndarray) -> np.ndarray:
    """(n, C) float64 probabilities of (n, C) float64 logits."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def log_sum_exp(Z: np.ndarray) -> np.ndarray:
    """(n,) logarithm of the summed exponentials of every row of (n, C) logits."""
    largest = Z.max(axis=1)
    return largest + np.log(np.exp(Z - largest[:, None]).sum(axis=1))


def _of_all_classes(predictions: Predictions, measure: str, top_classes: int | None) -> np.ndarray:
    allowed = ("multi_label",) if predictions.multi_label else ("margin", "entropy", "least_confidence")
    P = predictions.probabilities
    if P is None and measure in _MEASURES:
        raise CoresetError(
            f"these predictions hold only confidences, which do not tell {measure!r}; use 'least_confidence', or "
            f"{_STORE}"
        )
    if P is None or measure not in allowed:
        known = ("least_confidence",) if P is None else allowed
        raise CoresetError(
            f"measure {measure!r} cannot be told from these predictions; use one of "
            f"{', '.join((*known, *predictions.measured))}"
        )
    value = np.empty(len(P))
    for rows in _blocks(P):
        block = P[rows].astype(np.float64)
        if measure == "multi_label" and top_classes is not None and top_classes < block.shape[1]:
            block = -np.partition(-block, top_classes - 1, axis=1)[:, :top_classes]
        value[rows] = _MEASURES[measure](block)
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


def _multi_label(P: np.ndarray) -> np.ndarray:
    return (4 * P * (1 - P)).mean(axis=1)


#: Measures of (m, C) float64 probabilities.
_MEASURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "margin": _margin,
    "entropy": _entropy,
    "multi_label": _multi_label,
}


def _read_for(values: Any, measure: str) -> Predictions:
    """Plain arrays, by what the measure needs."""
    if measure != "energy":
        return Predictions.from_probabilities(values, multi_label=measure == "multi_label")
    found = Predictions.from_logits(values)
    if "energy" not in found.measured:
        raise CoresetError(
            "energy needs logits as the model gave them, but these are probabilities or their logarithms, of which the "
            "energy is the same for every row; use 'entropy'"
        )
    return found


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


def _count_unusable(fine: np.ndarray, absent: np.ndarray, what: str) -> int:
    unusable = int((~fine & ~absent).sum())
    asked = len(fine) - int(absent.sum())
    if unusable > _MAX_UNUSABLE * asked:
        raise CoresetError(
            f"predictions: {unusable} of {asked} rows have {what}, and more than 1 % cannot be left out; "
            "predict these rows again"
        )
    return unusable


def _blocks(matrix: np.ndarray) -> Any:
    return blocks(len(matrix), max(1, _BLOCK_VALUES // matrix.shape[1]))
