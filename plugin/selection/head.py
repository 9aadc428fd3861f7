"""The light head: a logistic regression on frozen embeddings, so that rounds need no model of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..seeds import check_seed
from ..vectors.matrix import as_matrix, blocks, normalized
from ..vectors.row_hash import seeded_order
from .linear_head import LinearHead, times
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
_BLOCK_ROWS = 16_384
#: Bounds of the temperature.
_COLDEST, _HOTTEST = 0.05, 20.0


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
        center, projection = standardisation(matrix, valid, seed)
        features = times(normalized(matrix[rows].astype(np.float64)) - center, projection)
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


def standardisation(matrix: np.ndarray, valid: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Center and projection of unit rows; features have mean squared norm 1 before the projection.

    Args:
        matrix: (n, d) embeddings
        valid: (n,) bool, the rows to read
        seed: of the sample that a projection is fit on

    Returns:
        the center and the projection of a :class:`.LinearHead`
    """
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
