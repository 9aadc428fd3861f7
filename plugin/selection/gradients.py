"""Gradients of the loss with respect to the weights of a linear head, compared without ever being formed.

The gradient of row i with class c is the outer product of ``q_i = p_i - onehot(c)`` and the head's input ``x_i``, so
the inner product of two of them is ``(q_i . q_j) (x_i . x_j)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import CoresetError
from .pool import Pool


@dataclass(frozen=True, eq=False)
class Gradients:
    """Gradients of m rows.

    Attributes:
        q: (m, C) float32 probabilities less the class of the row
        x: (m, d) float32 inputs of the head: its features and a 1, or the unit-norm embeddings where there is no head
    """

    q: np.ndarray
    x: np.ndarray

    @classmethod
    def predicted(cls, pool: Pool) -> Gradients:
        """Of the classes that the model predicts; 0 in kept rows without a prediction."""
        assert pool.predictions is not None
        return cls._of(pool, pool.predictions.predicted)

    @classmethod
    def labelled(cls, pool: Pool) -> Gradients:
        """Of the classes that the rows are labelled with.

        Raises:
            CoresetError: if a label is none of the classes of the predictions
        """
        assert pool.predictions is not None
        assert pool.labels is not None
        column = {name: place for place, name in enumerate(pool.predictions.classes)}
        unknown = [name for name in pool.class_names if str(name) not in column]
        if unknown:
            raise CoresetError(
                f"{len(unknown)} labels are none of the {len(column)} classes of the predictions, e.g. {unknown[0]!r}; "
                "predict with a model of these classes"
            )
        return cls._of(pool, np.array([column[str(name)] for name in pool.class_names])[pool.labels])

    @classmethod
    def _of(cls, pool: Pool, classes: np.ndarray) -> Gradients:
        assert pool.predictions is not None
        q = pool.predictions.all_classes("a method of gradients").copy()
        q[np.arange(len(q)), classes] -= 1
        q[np.isnan(q).any(axis=1)] = 0
        q = q[:, np.argsort(pool.predictions.classes)]  # sums do not depend on the order of the classes
        if pool.head is None:
            return cls(q, pool.Z)
        features = pool.head.features(pool.X)
        return cls(q, np.column_stack([features, np.ones(len(q), dtype=np.float32)]))

    def __len__(self) -> int:
        return len(self.q)

    def take(self, rows: np.ndarray) -> Gradients:
        """Those of some rows."""
        return Gradients(self.q[rows], self.x[rows])

    @property
    def squared_norms(self) -> np.ndarray:
        """(m,) float32."""
        return np.einsum("ij,ij->i", self.q, self.q) * np.einsum("ij,ij->i", self.x, self.x)

    def products(self, other: Gradients) -> np.ndarray:
        """(m, l) float32 inner products with the gradients of l other rows."""
        return (self.q @ other.q.T) * (self.x @ other.x.T)

    def mean(self, weights: np.ndarray) -> np.ndarray:
        """(C, d) float32 weighted mean gradient, small enough to be formed."""
        return (self.q * (weights / weights.sum()).astype(np.float32)[:, None]).T @ self.x

    def products_with(self, matrix: np.ndarray) -> np.ndarray:
        """(m,) float32 inner products with a (C, d) matrix."""
        return np.einsum("ij,ij->i", self.q @ matrix, self.x)
