"""Two-dimensional points of embeddings, for the map."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass

import numpy as np

from ..errors import CoresetError
from ..progress import ProgressCallback
from .matrix import normalized
from .numba_cache import import_kernels
from .row_hash import distinct_rows

logger = logging.getLogger(__name__)

METHODS = ("umap", "pca")

#: Rows that UMAP is fitted on; the others are placed between their nearest fitted rows.
_MAX_FITTED = 100_000
_PLACEMENT_NEIGHBORS = 5
_PLACEMENT_BLOCK = 4_096
#: Squared distance below which two vectors of unit length count as equal, so that no weight is infinite.
_EQUAL = 1e-9

#: Rows from which the directions of a PCA are read back, for each number of a vector and at least, and the share of the
#: largest direction that float32 points leave of what rounding made.
_READ_BACK, _READ_BACK_AT_LEAST = 8, 1_000
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Projection:
    """Points for a plot.

    Attributes:
        points: (n, 2) float32
        method: ``"umap"`` or ``"pca"``, what was really used
        note: one sentence for the user on how the points were made
    """

    points: np.ndarray
    method: str
    note: str


def project(
    embeddings: np.ndarray, method: str = "umap", seed: int = 0, progress: ProgressCallback | None = None
) -> Projection:
    """Projects embeddings to the plane.

    UMAP runs on distinct rows (exact duplicates share a point, which also keeps its neighbour graph sound) and, because
    it is seeded, on a single thread. When UMAP cannot run, PCA takes its place and the note says so.

    Args:
        embeddings: (n, d) finite floats
        method ("umap"): ``"umap"`` or ``"pca"``
        seed (0): the random seed
        progress (None): a function ``(fraction, message)``

    Returns:
        a :class:`Projection`

    Raises:
        CoresetError: if the method is unknown
    """
    if method not in METHODS:
        raise CoresetError(f"projection '{method}' is unknown; use one of {', '.join(METHODS)} or None")
    first, row_of = distinct_rows(embeddings)
    distinct = embeddings[first]
    if progress is not None:
        progress(0.0, f"{method.upper()} of {len(distinct):,} distinct embeddings")
    if method == "umap":
        try:
            points, note = _umap(distinct, seed)
            return Projection(points[row_of], "umap", note)
        except Exception as error:  # umap fails in many ways on small or degenerate data
            logger.warning("UMAP failed (%s); using PCA for the map", error)
            return Projection(_pca(distinct)[row_of], "pca", f"PCA, because UMAP failed: {error}")
    return Projection(_pca(distinct)[row_of], "pca", "PCA: the two directions of largest variance.")


def read_back_rows(n: int, dim: int) -> np.ndarray:
    """The rows, of n vectors of a length, that :func:`place_along` reads the directions of a map from."""
    return np.arange(0, n, max(1, n // max(_READ_BACK * dim, _READ_BACK_AT_LEAST)))


def place_along(embeddings: np.ndarray, points: np.ndarray, added: np.ndarray) -> np.ndarray:
    """Places further rows on a map by PCA, which stays as it is: where the same two directions put them.

    Args:
        embeddings: (n, d) finite embeddings of rows on the map, see :func:`read_back_rows`
        points: (n, 2) their points
        added: (m, d) finite embeddings of the others

    Returns:
        (m, 2) float32
    """
    # The points are linear in the embeddings, so the directions can be read back.
    middle, center = embeddings.mean(axis=0, dtype=float), points.mean(axis=0, dtype=float)
    spread = embeddings - middle
    # Products of the directions with themselves: their squared lengths are d numbers, however many rows there are.
    directions = np.linalg.lstsq(spread.T @ spread, spread.T @ (points - center), rcond=_ROUNDING**2)[0]
    return ((added - middle) @ directions + center).astype(np.float32)


def place_between(distance: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Places rows on a map by UMAP: between the rows on it that are nearest to each, weighted by similarity.

    Args:
        distance: (m, k) distances of the nearest rows on the map, nearest first, between vectors of unit length
        points: (m, k, 2) their points

    Returns:
        (m, 2) float32
    """
    weight = np.maximum(distance[:, :_PLACEMENT_NEIGHBORS].astype(float) ** 2, _EQUAL) ** -1
    weight /= weight.sum(axis=1, keepdims=True)
    return np.einsum("rk,rkc->rc", weight, points[:, :_PLACEMENT_NEIGHBORS]).astype(np.float32)


def _umap(rows: np.ndarray, seed: int) -> tuple[np.ndarray, str]:
    if len(rows) < 4:
        raise CoresetError(f"{len(rows)} distinct embeddings are too few for UMAP")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numba and the seeded single thread announce themselves
        import_kernels("umap")
        import umap

        note = "UMAP, seeded and therefore single-threaded."
        fitted = np.arange(len(rows))
        if len(rows) > _MAX_FITTED:
            fitted = np.sort(np.random.default_rng(seed).choice(len(rows), _MAX_FITTED, replace=False))
            note = (
                f"UMAP of {_MAX_FITTED:,} sampled rows, seeded and therefore single-threaded; the others lie "
                f"between their {_PLACEMENT_NEIGHBORS} nearest sampled rows."
            )
        reducer = umap.UMAP(n_neighbors=min(15, len(fitted) - 1), metric="cosine", random_state=seed, n_jobs=1)
        fitted_points = reducer.fit_transform(rows[fitted]).astype(np.float32)
    if not np.isfinite(fitted_points).all():
        raise CoresetError("UMAP returned points that are not finite")
    if len(fitted) == len(rows):
        return fitted_points, note
    return _place_between(rows, fitted, fitted_points), note


def _place_between(rows: np.ndarray, fitted: np.ndarray, fitted_points: np.ndarray) -> np.ndarray:
    """Places every row at the similarity-weighted mean of its nearest fitted rows."""
    unit = normalized(rows)
    points = _between(unit, unit[fitted], fitted_points)
    points[fitted] = fitted_points
    return points


def _between(unit: np.ndarray, fitted: np.ndarray, fitted_points: np.ndarray) -> np.ndarray:
    """(m, 2) float32 similarity-weighted means of the points of the nearest fitted rows."""
    points = np.empty((len(unit), 2), dtype=np.float32)
    count = min(_PLACEMENT_NEIGHBORS, len(fitted))
    for start in range(0, len(unit), _PLACEMENT_BLOCK):
        block = slice(start, start + _PLACEMENT_BLOCK)
        cosine = unit[block] @ fitted.T
        nearest = np.argpartition(cosine, -count, axis=1)[:, -count:]
        distance = np.sqrt(np.maximum(2 - 2 * np.take_along_axis(cosine, nearest, axis=1), 0))
        points[block] = place_between(distance, fitted_points[nearest])
    return points


def _pca(rows: np.ndarray) -> np.ndarray:
    from sklearn.decomposition import PCA

    points = np.zeros((len(rows), 2), dtype=np.float32)
    components = min(2, *rows.shape)
    if len(rows) > 1:
        points[:, :components] = PCA(components, svd_solver="covariance_eigh").fit_transform(rows)
    return points
