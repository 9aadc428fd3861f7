"""The light head: a logistic regression on frozen embeddings, so that rounds need no model of the user's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..seeds import check_seed
from ..vectors.matrix import as_matrix, blocks, normalized
from ..vectors.row_hash import seeded_order
from .predictions import Predictions
from .quotas import factorize, is_missing

#: Dimensions above which features are projected, to how many, and the rows that the projection is fit on.
_MAX_DIM, _PROJECTED_DIM, _PROJECTION_ROWS = 512, 200, 5000
#: The penalty, and the ones to choose among from so many labels a class on; measured in docs/rounds-evidence.md.
_PENALTY, _PENALTIES, _ENOUGH_PER_CLASS = 100.0, (10.0, 100.0, 1000.0), 5
#: Rows that mean and variance are read from, where there are more.
_STANDARD_ROWS = 100_000
_FOLDS = 5
#: Steps of the solver; the loss is flat long before.
_MAX_STEPS = 300
#: Samples and dropped share of the committee whose disagreement is measured (Gal, Islam and Ghahramani, ICML 2017).
_COMMITTEE, _COMMITTEE_DROPOUT = 10, 0.5
_BLOCK_ROWS = 16_384
#: Bounds of the temperature.
_COLDEST, _HOTTEST = 0.05, 20.0


@dataclass(frozen=True, eq=False)
class LinearHead:
    """A multinomial logistic regression on standardised embeddings.

    Attributes:
        classes: the C classes, as the labels named them
        weights: (C, q) float64, on the features
        bias: (C,) float64
        center: (d,) float64 mean of the unit-norm embeddings
        projection: (d,) float64 scale of every dimension, or (d, q) principal components of the scaled ones; features
            are ``z - center`` times it, of mean squared norm about 1
        C: the penalty's inverse
        temperature: by which logits are divided for honest confidences, found on ``out_of_fold``
        out_of_fold: (l, C) float64 logits of the labelled rows, each by a head that did not see the row
        labelled: (l,) int64 the labelled rows
        targets: (l,) int64 their classes
        off_topic: the class whose images show none of the others, or None

    Examples:
        >>> head = fc.fit_head(embeddings, labels)
        >>> head.classes
        ('blue', 'green', 'red')
    """

    classes: tuple[Any, ...]
    weights: np.ndarray
    bias: np.ndarray
    center: np.ndarray
    projection: np.ndarray
    C: float
    temperature: float
    out_of_fold: np.ndarray
    labelled: np.ndarray
    targets: np.ndarray
    off_topic: Any = None

    def features(self, embeddings: np.ndarray) -> np.ndarray:
        """(m, q) float32 features of (m, d) embeddings, NaN in unusable rows.

        Examples:
            >>> fc.fit_head(embeddings, labels).features(embeddings).shape[0]
            60
        """
        return self._transformed(embeddings, self.projection)

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """(m, C) float32 logits of (m, d) embeddings, NaN in unusable rows; the off-topic class is among them.

        Examples:
            >>> fc.fit_head(embeddings, labels).logits(embeddings).shape
            (60, 3)
        """
        return self._transformed(embeddings, self._folded) + self.bias.astype(np.float32)

    def probabilities(self, embeddings: np.ndarray, *, calibrated: bool = False) -> np.ndarray:
        """Class probabilities.

        Args:
            embeddings: (m, d) embeddings of the model that the head was fit on
            calibrated (False): whether to apply the temperature, which confidences that people see need; selection
                gained nothing by it

        Returns:
            (m, C) float32; without the off-topic class, if there is one, and then C - 1 columns

        Examples:
            >>> probabilities = fc.fit_head(embeddings, labels).probabilities(embeddings)
            >>> bool(np.allclose(probabilities.sum(axis=1), 1))
            True
        """
        probabilities = self.predictions(embeddings, calibrated=calibrated).probabilities
        assert probabilities is not None
        return probabilities

    def predictions(self, embeddings: np.ndarray, *, calibrated: bool = False) -> Predictions:
        """What the head says of rows: probabilities, and the energy as a measure of uncertainty.

        Args:
            embeddings: (m, d) embeddings of the model that the head was fit on
            calibrated (False): whether to apply the temperature

        Returns:
            the predictions, without the off-topic class

        Examples:
            >>> predictions = fc.fit_head(embeddings, labels).predictions(embeddings, calibrated=True)
            >>> predictions.classes
            ('blue', 'green', 'red')
        """
        logits = self.logits(embeddings)
        keep = np.arange(len(self.classes)) != self._off_topic_place
        found = Predictions.from_logits(
            logits[:, keep] / np.float32(self.temperature if calibrated else 1),
            tuple(str(name) for name, kept in zip(self.classes, keep, strict=True) if kept),
            missing=np.isnan(logits[:, 0]),  # minus infinity is that of a class without label
        )
        return found if self.off_topic is None else replace(found, off_topic=self.off_topic_probability(embeddings))

    def calibrated_confidence(self, embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How sure the head is, as people should be told; all probabilities are never held at once.

        Args:
            embeddings: (m, d) embeddings

        Returns:
            (m,) float64 largest calibrated probability and (m,) float64 entropy over its largest possible value, NaN in
            unusable rows

        Examples:
            >>> confidence, entropy = fc.fit_head(embeddings, labels).calibrated_confidence(embeddings)
            >>> confidence.shape == entropy.shape == (60,)
            True
        """
        from scipy.special import softmax, xlogy

        keep = np.arange(len(self.classes)) != self._off_topic_place
        confidence, entropy = np.empty(len(embeddings)), np.empty(len(embeddings))
        for rows in blocks(len(embeddings), _BLOCK_ROWS):
            P = softmax(self.logits(embeddings[rows])[:, keep] / np.float32(self.temperature), axis=1)
            confidence[rows] = P.max(axis=1)
            entropy[rows] = np.maximum(-xlogy(P, P).sum(axis=1), 0) / np.log(max(P.shape[1], 2))
        return confidence, entropy

    def boundary(self, embeddings: np.ndarray) -> np.ndarray:
        """How near rows lie to the boundary: the first ones that a small change of the weights turns.

        After LDM (Cho et al., ICLR 2024), which samples the weights; of a linear head this is the order that it gives.

        Args:
            embeddings: (m, d) embeddings

        Returns:
            (m,) float64, minus the margin of the logits over the length of the features; higher = nearer

        Examples:
            >>> nearness = fc.fit_head(embeddings, labels).boundary(embeddings)
            >>> nearness.argsort()[::-1][:5].shape  # the five rows that are nearest to the boundary
            (5,)
        """
        logits = self.logits(embeddings)[:, np.arange(len(self.classes)) != self._off_topic_place]
        length = np.sqrt(1 + np.square(self.features(embeddings), dtype=np.float64).sum(axis=1))
        return -_lead(logits) / length

    def off_topic_probability(self, embeddings: np.ndarray) -> np.ndarray:
        """(m,) float64 probability that a row shows none of the classes; 0 where no class is off-topic.

        Examples:
            >>> head = fc.fit_head(embeddings, labels, off_topic="blue")
            >>> head.off_topic_probability(embeddings).shape
            (60,)
        """
        if self.off_topic is None:
            return np.zeros(len(embeddings))
        from scipy.special import softmax

        return softmax(self.logits(embeddings).astype(np.float64), axis=1)[:, self._off_topic_place]

    def dropout_logits(
        self, embeddings: np.ndarray, dropout: float, n_samples: int, seed: int = 0
    ) -> Iterator[np.ndarray]:
        """Logits with parts of the features dropped at random, and the others scaled up to make good for it.

        Args:
            embeddings: (m, d) embeddings
            dropout: share of the features that is dropped
            n_samples: how often
            seed (0): the random seed

        Yields:
            (m, C) float32 logits

        Examples:
            >>> head = fc.fit_head(embeddings, labels)
            >>> [logits.shape for logits in head.dropout_logits(embeddings, dropout=0.5, n_samples=2)]
            [(60, 3), (60, 3)]
        """
        features, rng = self.features(embeddings), np.random.default_rng([seed, 0xD0])
        weights = self.weights.T.astype(np.float32) / np.float32(1 - dropout)
        for _ in range(n_samples):
            logits = np.empty((len(features), len(self.classes)), dtype=np.float32)
            for rows in blocks(len(features), _BLOCK_ROWS):
                block = features[rows]
                logits[rows] = (block * (rng.random(block.shape, dtype=np.float32) >= dropout)) @ weights
            yield logits + self.bias.astype(np.float32)

    def disagreement(self, embeddings: np.ndarray, seed: int = 0) -> np.ndarray:
        """How much heads with dropout disagree: mutual information, 10 samples, half of the features (BALD).

        Args:
            embeddings: (m, d) embeddings
            seed (0): the random seed

        Returns:
            (m,) float64, see :meth:`.Predictions.of_committee`

        Examples:
            >>> fc.fit_head(embeddings, labels).disagreement(embeddings).shape
            (60,)
        """
        members = [
            Predictions.from_logits(logits, missing=np.isnan(logits[:, 0]))
            for logits in self.dropout_logits(embeddings, _COMMITTEE_DROPOUT, _COMMITTEE, seed)
        ]
        return Predictions.of_committee(members).measured["disagreement"]

    @property
    def _off_topic_place(self) -> int:
        return -1 if self.off_topic is None else self.classes.index(self.off_topic)

    @cached_property
    def _folded(self) -> np.ndarray:
        """(d, C): one product instead of two."""
        return (
            (self.projection[:, None] * self.weights.T)
            if self.projection.ndim == 1
            else self.projection @ self.weights.T
        )

    def _transformed(self, embeddings: np.ndarray, by: np.ndarray) -> np.ndarray:
        from threadpoolctl import threadpool_limits

        if embeddings.shape[1] != len(self.center):
            raise CoresetError(
                f"the head was fit on embeddings of dimension {len(self.center)}, these have {embeddings.shape[1]}; "
                "embed both with one model"
            )
        by, shift = by.astype(np.float32), _times(self.center, by).astype(np.float32)
        out = np.empty((len(embeddings), len(shift)), dtype=np.float32)
        with threadpool_limits(1), np.errstate(invalid="ignore"):  # sums in the same order for any number of threads
            for rows in blocks(len(embeddings), _BLOCK_ROWS):
                out[rows] = _times(normalized(embeddings[rows].astype(np.float32)), by) - shift
        return out


def fit_head(
    embeddings: Any,
    labels: Sequence[Any] | np.ndarray,
    n_classes: int | None = None,
    C: float | None = None,
    seed: int = 0,
    *,
    off_topic: Any = None,
) -> LinearHead:
    """Fits the light head on the labelled rows of a pool.

    Embeddings are scaled to unit length, standardised over all rows, labelled or not (over 100,000 drawn at random if
    there are more), and divided by the root of their dimension; above 512 dimensions they are projected on the first
    200 principal components. On them a weakly regularised multinomial logistic regression is fit (lbfgs), and its
    temperature is the one of smallest loss on out-of-fold logits (Guo et al., ICML 2017).

    Args:
        embeddings: (n, d) embeddings of the whole pool, in any form :func:`.as_matrix` reads
        labels: n labels, names or class numbers; None, NaN, negative or empty where there is none
        n_classes (None): if given, labels are class numbers below it, and the head has all of these classes: those
            without a label never get the largest probability; by default the classes are the labels there are
        C (None): inverse of the penalty; by default 100, and from 5 labels in every class on the best of 10, 100 and
            1,000 by out-of-fold loss
        seed (0): of the folds, and of the sample that a projection is fit on
        off_topic (None): the label of images that show none of the classes: it is learned like a class, and then taken
            out of the probabilities

    Returns:
        the head

    Raises:
        CoresetError: if fewer than two classes have a label

    Examples:
        >>> import numpy as np
        >>> X = np.repeat(np.eye(3), 4, axis=0)
        >>> head = fit_head(X, ["a", "a", None, None, "b", "b", None, None, "c", "c", None, None])
        >>> head.probabilities(X).argmax(axis=1).tolist()
        [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    """
    from threadpoolctl import threadpool_limits

    seed = check_seed(seed)
    matrix, valid = as_matrix(embeddings)
    rows, targets, classes = _read_labels(labels, valid, n_classes, off_topic)
    with threadpool_limits(1):
        center, projection = _standardisation(matrix, valid, seed)
        features = _times(normalized(matrix[rows].astype(np.float64)) - center, projection)
        folds = _folds(matrix, rows, targets, seed)
        scored = _seen_elsewhere(targets, folds)
        enough = np.unique(targets, return_counts=True)[1].min() >= _ENOUGH_PER_CLASS
        candidates = [C] if C is not None else list(_PENALTIES) if enough else [_PENALTY]
        tried = [_out_of_fold(features, targets, folds, len(classes), penalty) for penalty in candidates]
        best = int(np.argmin([_loss(logits, targets, scored) for logits in tried])) if len(tried) > 1 else 0
        logits, chosen = tried[best], candidates[best]
        weights, bias = _fit(features, targets, len(classes), chosen)
    return LinearHead(
        tuple(classes),
        weights,
        bias,
        center,
        projection,
        C=chosen,
        temperature=_temperature(logits, targets, scored),
        out_of_fold=logits,
        labelled=rows,
        targets=targets,
        off_topic=off_topic if off_topic in classes else None,
    )


def _times(Z: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Scaled by the dimension, or projected."""
    return Z * by if by.ndim == 1 else Z @ by


def _read_labels(
    labels: Any, valid: np.ndarray, n_classes: int | None, off_topic: Any
) -> tuple[np.ndarray, np.ndarray, list[Any]]:
    """The labelled rows with an embedding, their class numbers, and the classes."""
    if len(labels) != len(valid):
        raise CoresetError(f"there are {len(labels)} labels but {len(valid)} embeddings; pass one per row")
    rows = np.array([row for row, label in enumerate(labels) if valid[row] and not is_missing(label)], dtype=np.int64)
    given = [labels[row] for row in rows]
    targets, names = factorize(np.array(given, dtype=object)) if len(rows) else (rows, [])
    if len(names) - (off_topic in names) < 2:
        raise CoresetError(
            f"{len(rows)} labelled rows show {len(names) - (off_topic in names)} classes; label at least two classes "
            "for a head"
        )
    if n_classes is None:
        return rows, targets, list(names)
    numbers = np.array(given)
    if numbers.dtype.kind not in "iu" or numbers.max() >= n_classes:
        raise CoresetError(f"with n_classes={n_classes} labels must be class numbers below it, got {names[-1]!r}")
    return rows, numbers.astype(np.int64), list(range(n_classes))


def _standardisation(matrix: np.ndarray, valid: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Center and projection of unit rows; features have mean squared norm 1 before the projection."""
    used, dim = np.flatnonzero(valid), matrix.shape[1]
    if len(used) > _STANDARD_ROWS:  # drawn by content: files may be sorted by class
        used = np.sort(seeded_order(matrix, seed, used)[:_STANDARD_ROWS])
    total, squares = np.zeros(dim), np.zeros(dim)
    for rows in blocks(len(used), _BLOCK_ROWS):
        unit = normalized(matrix[used[rows]].astype(np.float64))
        total += unit.sum(axis=0)
        squares += (unit**2).sum(axis=0)
    center = total / len(used)
    variance = squares / len(used) - center**2
    # A dimension that never changes says nothing; rounding leaves a little of its variance.
    scale = np.where(variance > 1e-12, 1 / np.sqrt(np.maximum(variance, 1e-12)), 0) / np.sqrt(dim)
    if dim <= _MAX_DIM:
        return center, scale
    sample = used
    if len(used) > _PROJECTION_ROWS:
        sample = np.sort(seeded_order(matrix, seed, used)[:_PROJECTION_ROWS])
    standard = (normalized(matrix[sample].astype(np.float64)) - center) * scale
    _, directions = np.linalg.eigh(standard.T @ standard)
    return center, scale[:, None] * directions[:, ::-1][:, :_PROJECTED_DIM]


def _fit(features: np.ndarray, targets: np.ndarray, n_classes: int, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """(C, q) weights and (C,) bias; classes without a row get no weight and the lowest bias."""
    import warnings

    from sklearn.linear_model import LogisticRegression

    present = np.unique(targets)
    weights, bias = np.zeros((n_classes, features.shape[1])), np.full(n_classes, -np.inf)
    if len(present) == 1:
        bias[present] = 0
        return weights, bias
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a label or two a class, and a last step too few, are ordinary
        model = LogisticRegression(C=penalty, max_iter=_MAX_STEPS).fit(features, targets)
    if len(present) == 2:  # one row of weights, for the second class against the first
        weights[present] = np.array([-0.5, 0.5])[:, None] * model.coef_
        bias[present] = np.array([-0.5, 0.5]) * model.intercept_
    else:
        weights[present], bias[present] = model.coef_, model.intercept_
    return weights, bias


def _folds(matrix: np.ndarray, rows: np.ndarray, targets: np.ndarray, seed: int) -> np.ndarray:
    """(l,) int64 fold of every labelled row: each class is spread over the folds, whatever the classes are called."""
    place = np.empty(len(matrix), dtype=np.int64)
    place[seeded_order(matrix, seed, rows)] = np.arange(len(rows))
    drawn = place[rows]
    first = np.full(targets.max() + 1, len(rows))
    np.minimum.at(first, targets, drawn)
    folds = np.empty(len(rows), dtype=np.int64)
    folds[np.lexsort((drawn, first[targets]))] = np.arange(len(rows)) % _FOLDS
    return folds


def _out_of_fold(
    features: np.ndarray, targets: np.ndarray, folds: np.ndarray, n_classes: int, penalty: float
) -> np.ndarray:
    """(l, C) float64 logits, each row's by a head that did not see it."""
    logits = np.empty((len(targets), n_classes))
    for fold in np.unique(folds):
        held_out = folds == fold
        weights, bias = _fit(features[~held_out], targets[~held_out], n_classes, penalty)
        logits[held_out] = features[held_out] @ weights.T + bias
        # A class that this head did not see counts as its least likely one.
        unseen = np.setdiff1d(targets, targets[~held_out])
        seen = np.unique(targets[~held_out])
        logits[np.ix_(held_out, unseen)] = logits[np.ix_(held_out, seen)].min(axis=1)[:, None]
    return logits


def _seen_elsewhere(targets: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """(l,) bool, True in rows whose class the head without their fold has seen."""
    in_fold = np.zeros((targets.max() + 1, _FOLDS), dtype=bool)
    in_fold[targets, folds] = True
    return in_fold.sum(axis=1)[targets] > 1


def _loss(logits: np.ndarray, targets: np.ndarray, counted: np.ndarray, temperature: float = 1.0) -> float:
    """Mean logarithmic loss over the counted rows."""
    from scipy.special import logsumexp

    scaled = logits[counted] / temperature
    return float((logsumexp(scaled, axis=1) - scaled[np.arange(len(scaled)), targets[counted]]).mean())


def _temperature(logits: np.ndarray, targets: np.ndarray, counted: np.ndarray) -> float:
    from scipy.optimize import minimize_scalar

    if not counted.any():
        return 1.0
    found = minimize_scalar(
        lambda log_temperature: _loss(logits, targets, counted, np.exp(log_temperature)),
        bounds=(np.log(_COLDEST), np.log(_HOTTEST)),
        method="bounded",
    )
    return float(np.exp(found.x))


def _lead(logits: np.ndarray) -> np.ndarray:
    """(m,) float64 by how much the largest logit leads the next; 0 where there is but one."""
    if logits.shape[1] == 1:
        return np.zeros(len(logits))
    second, first = np.partition(logits.astype(np.float64), -2, axis=1)[:, -2:].T
    return first - second
