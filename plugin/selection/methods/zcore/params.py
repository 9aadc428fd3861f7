"""The hyperparameters of ZCore, in the form in which the compiled kernels take them."""

from __future__ import annotations

from typing import NamedTuple

# How images that coincide in the subspace of a draw are treated.
LITERAL = 0  #: as the reference code does: the first is covered, and one single other image takes the whole penalty
SHARED = 1  #: the first is covered, the others share the penalty
SYMMETRIC = 2  #: the mean over all orders of the images: coverage and penalty are shared by all of them


class ZCoreParams(NamedTuple):
    """Hyperparameters of ZCore.

    Attributes:
        n_neighbors: images that share the penalty of a draw, at most n - 1; K in the paper
        exponent: power of the distance by which the penalty falls off; e in the paper
        rule: LITERAL, SHARED or SYMMETRIC
    """

    n_neighbors: int
    exponent: float
    rule: int
