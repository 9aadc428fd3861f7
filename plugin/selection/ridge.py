"""The light head for labels that are numbers: a ridge regression on frozen embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..seeds import check_seed
from ..vectors.matrix import as_matrix, blocks
from .head import standardisation
from .linear_head import transformed

#: Penalties to choose among, on features of mean squared norm 1.
_PENALTIES = np.logspace(-4, 4, 17)
#: Labels without which a spread cannot be told from noise.
_FEWEST = 3
_BLOCK_ROWS = 16_384


@dataclass(frozen=True, eq=False)
class RidgeHead:
    """A ridge regression on standardised embeddings.

    Attributes:
        weights: (q,) float64, on the features
        bias: the prediction at the mean of the labelled rows
        center: (d,) float64 mean of the unit-norm embeddings
        projection: as in :class:`.LinearHead`
        mean: (q,) float64 mean features of the labelled rows
        inverse: (q, q) float64 inverse of ``X^T X + penalty I``, X the features of the labelled rows less their mean
        penalty: of the squared weights
        out_of_fold: (l,) float64 what a head that did not see the row predicts of each labelled row
        labelled: (l,) int64 the labelled rows
        targets: (l,) float64 their numbers

    Examples:
        >>> head = fc.fit_ridge(embeddings, embeddings[:, 0])
        >>> head.labelled.shape
        (60,)
    """

    weights: np.ndarray
    bias: float
    center: np.ndarray
    projection: np.ndarray
    mean: np.ndarray
    inverse: np.ndarray
    penalty: float
    out_of_fold: np.ndarray
    labelled: np.ndarray
    targets: np.ndarray

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """(m,) float64 predicted numbers of (m, d) embeddings, NaN in unusable rows.

        Examples:
            >>> fc.fit_ridge(embeddings, embeddings[:, 0]).predict(embeddings).shape
            (60,)
        """
        return self._features(embeddings) @ self.weights + self.bias

    def leverage(self, embeddings: np.ndarray) -> np.ndarray:
        """(m,) float64 ``x^T (X^T X + penalty I)^-1 x``: how far rows are from what the labels have told.

        The variance of a prediction is that of the noise times 1 + leverage.

        Args:
            embeddings: (m, d) embeddings

        Returns:
            (m,) float64, NaN in unusable rows

        Examples:
            >>> leverage = fc.fit_ridge(embeddings, embeddings[:, 0]).leverage(embeddings)
            >>> bool((leverage > 0).all())
            True
        """
        found = np.empty(len(embeddings))
        for rows in blocks(len(embeddings), _BLOCK_ROWS):
            x = self._features(embeddings[rows])
            found[rows] = ((x @ self.inverse) * x).sum(axis=1)
        return found

    def _features(self, embeddings: np.ndarray) -> np.ndarray:
        return transformed(embeddings, self.center, self.projection).astype(np.float64) - self.mean


def fit_ridge(embeddings: Any, targets: Any, penalty: float | None = None, seed: int = 0) -> RidgeHead:
    """Fits a light head for labels that are numbers, on the labelled rows of a pool.

    Features are those of :func:`.fit_head`. The penalty is the one of smallest squared error when each row is predicted
    by the others (leave-one-out, in closed form; Allen, 1974).

    Args:
        embeddings: (n, d) embeddings of the whole pool, in any form :func:`.as_matrix` reads
        targets: n numbers; None or NaN where there is none
        penalty (None): by default one of 17 from 1e-4 to 1e4
        seed (0): of the sample that a projection is fit on

    Returns:
        the head

    Raises:
        CoresetError: if fewer than three rows have a number, or they are no numbers

    Examples:
        >>> X = np.eye(6)
        >>> head = fit_ridge(X, [0.0, 1.0, 2.0, 3.0, 4.0, None])
        >>> head.labelled.tolist(), bool(head.leverage(X).argmax() == 5)
        ([0, 1, 2, 3, 4], True)
    """
    from sklearn.linear_model import RidgeCV
    from threadpoolctl import threadpool_limits

    seed = check_seed(seed)
    matrix, valid = as_matrix(embeddings)
    try:
        numbers = np.array(targets, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CoresetError(f"targets must be numbers, None where there is none ({error})") from error
    if numbers.shape != (len(valid),):
        raise CoresetError(f"there are {numbers.size} targets but {len(valid)} embeddings; pass one per row")
    rows = np.flatnonzero(valid & np.isfinite(numbers))
    if len(rows) < _FEWEST:
        raise CoresetError(f"{len(rows)} rows with an embedding have a number; label at least {_FEWEST} for a head")
    penalties = _PENALTIES if penalty is None else [penalty]
    with threadpool_limits(1):
        center, projection = standardisation(matrix, valid, seed)
        features = transformed(matrix[rows], center, projection).astype(np.float64)
        mean = features.mean(axis=0)
        features -= mean
        fitted = RidgeCV(penalties).fit(features, numbers[rows])
        gram = features.T @ features + fitted.alpha_ * np.eye(features.shape[1])
        inverse = np.linalg.inv(gram)
        residuals = numbers[rows] - fitted.predict(features)
        own = ((features @ inverse) * features).sum(axis=1) + 1 / len(rows)
    return RidgeHead(
        fitted.coef_,
        float(fitted.intercept_),
        center,
        projection,
        mean,
        inverse,
        penalty=float(fitted.alpha_),
        out_of_fold=numbers[rows] - residuals / (1 - own),
        labelled=rows,
        targets=numbers[rows],
    )
