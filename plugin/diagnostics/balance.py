"""How fairly a selection serves the parts of a collection: its classes, its clusters, and the images it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..vectors.matrix import blocks
from ..vectors.points import Points
from ..vectors.threads import product_threads

#: A group that keeps less than this share of its fair number is starved.
STARVED = 1 / 3

#: Images the clusters are fitted on; the others join the nearest cluster.
_FIT_ROWS = 20_000
_BLOCK_ROWS = 1024


@dataclass(frozen=True)
class Retention:
    """What a selection keeps of every group (class or cluster) of a collection.

    Attributes:
        names: (c,) group names, the largest group first
        total: (c,) images of each group
        kept: (c,) kept images of each group
    """

    names: list[Any]
    total: np.ndarray
    kept: np.ndarray

    @cached_property
    def fair(self) -> np.ndarray:
        """(c,) images each group would keep in proportion to its size."""
        return self.total * (self.kept.sum() / self.total.sum())

    @property
    def ratio(self) -> np.ndarray:
        """(c,) kept images over the fair number: 1 is proportional, 0 is lost."""
        return self.kept / self.fair

    @property
    def worst(self) -> float:
        """Smallest ratio among the groups whose fair number is at least 5; for smaller ones chance decides."""
        large = self.fair >= 5
        return float((self.ratio[large] if large.any() else self.ratio).min())

    @property
    def lost(self) -> list[Any]:
        """Groups of which nothing is kept."""
        return [name for name, kept in zip(self.names, self.kept, strict=True) if kept == 0]

    @property
    def kl(self) -> float:
        """Kullback-Leibler divergence of the kept shares from the collection's, natural log; 0 is proportional."""
        present = self.kept > 0
        share = self.kept[present] / self.kept.sum()
        return float(max(0.0, (share * np.log(self.ratio[present])).sum()))

    @property
    def statistic(self) -> float:
        """``2 k KL / (1 - r)``: under random selection about chi-square with c - 1 degrees of freedom."""
        left_out = 1 - self.kept.sum() / self.total.sum()
        return 2 * float(self.kept.sum()) * self.kl / left_out if left_out > 0 else 0.0

    @property
    def p_value(self) -> float:
        """Probability that a random selection deviates at least as much from proportional."""
        from scipy.stats import chi2

        return float(chi2.sf(self.statistic, len(self.names) - 1)) if len(self.names) > 1 else 1.0

    @cached_property
    def starved(self) -> list[Any]:
        """Groups that keep less than a third of their fair number, and fewer than chance explains.

        Chance is the hypergeometric distribution at 5 %, divided by the number of groups.
        """
        from scipy.stats import hypergeom

        below = self.kept < STARVED * self.fair
        chance = hypergeom.cdf(self.kept, self.total.sum(), self.total, self.kept.sum())
        starved = below & (chance < 0.05 / len(self.names))
        return [name for name, is_starved in zip(self.names, starved, strict=True) if is_starved]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        return {
            "names": list(self.names),
            "total": self.total.tolist(),
            "kept": self.kept.tolist(),
            "ratio": self.ratio.tolist(),
            "kl": self.kl,
            "p_value": self.p_value,
            "lost": self.lost,
            "starved": self.starved,
        }


@dataclass(frozen=True)
class Groups:
    """The classes or clusters of a collection.

    Attributes:
        names: (c,) group names, ascending
        codes: (n,) int64 position in ``names`` of every row's group; -1 where it is unknown
    """

    names: list[Any]
    codes: np.ndarray

    @classmethod
    def of(cls, values: Sequence[Any] | np.ndarray, rows: np.ndarray | None = None) -> Groups:
        """Numbers the groups.

        Args:
            values: (n,) class names (``None`` or NaN where unknown), or numbers (negative where unknown)
            rows (None): the rows that count; all by default
        """
        array = np.asarray(values)
        if array.dtype.kind in "iub":
            present = array >= 0
        else:
            # Only NaN differs from itself.
            present = np.array([value is not None and value == value for value in values], dtype=bool)
            array = np.array(values, dtype=object).astype(str)
        if rows is not None:
            present &= np.isin(np.arange(len(array)), rows)
        codes = np.full(len(array), -1, dtype=np.int64)
        names, codes[present] = np.unique(array[present], return_inverse=True)
        return cls(names.tolist(), codes)

    def known(self, rows: np.ndarray) -> np.ndarray:
        """Codes of the given rows whose group is known."""
        codes = self.codes[rows]
        return codes[codes >= 0]


def retention(groups: Groups | Sequence[Any] | np.ndarray, selected: np.ndarray) -> Retention:
    """Counts what a selection keeps of every group.

    Args:
        groups: :class:`Groups`, or what :meth:`Groups.of` takes; images of unknown group do not count
        selected: (k,) kept rows

    Returns:
        a :class:`Retention`

    Raises:
        CoresetError: if no kept image has a known group
    """
    groups = groups if isinstance(groups, Groups) else Groups.of(groups)
    of_kept = groups.known(selected)
    if not len(of_kept):
        raise CoresetError(f"none of the {len(selected)} kept images has a label; pass labels for the kept images")
    total = np.bincount(groups.known(np.arange(len(groups.codes))), minlength=len(groups.names))
    kept = np.bincount(of_kept, minlength=len(groups.names))
    order = np.argsort(-total, kind="stable")
    return Retention([groups.names[group] for group in order], total[order], kept[order])


def clusters(points: Points, n_clusters: int | None = None, seed: int = 0) -> np.ndarray:
    """Groups images by k-means, as stand-in classes.

    Args:
        points: the embeddings
        n_clusters (None): clusters to form; the root of the number of images by default, 2 to 1000
        seed (0): random seed

    Returns:
        (n,) int64 cluster of every row; -1 for rows without an embedding
    """
    from ..vectors.kmeans import kmeans, nearest_center

    if n_clusters is None:
        n_clusters = int(np.clip(round(len(points.rows) ** 0.5), 2, 1000))
    _, centers = kmeans(points.block(points.sample(_FIT_ROWS, seed)), n_clusters, seed=seed)
    assigned = np.full(points.n, -1, dtype=np.int64)

    def assign(part: slice) -> None:
        rows = points.rows[part]
        assigned[rows] = nearest_center(points.block(rows), centers)[0]

    with product_threads() as threads:
        list(threads.map(assign, blocks(len(points.rows), _BLOCK_ROWS)))
    return assigned


def effective_size(nearest: np.ndarray, n: int) -> float:
    """How many equally large cells would serve the collection as evenly: ``1 / sum w_s^2``.

    A kept image's cell is the share w_s of all images that lie nearest to it. From a sample of the images the sum is
    estimated without bias, by the rate at which two of them share a cell.

    Args:
        nearest: (m,) row of the kept image nearest to each of m evaluated images
        n: number of images that the m were drawn from without replacement

    Returns:
        the effective size, at most the number of kept images
    """
    cells = np.unique(nearest, return_counts=True)[1].astype(np.float64)
    m = len(nearest)
    together = (cells * (cells - 1)).sum() / (m * (m - 1)) if m > 1 else 0.0
    return float(1 / (together * (n - 1) / n + 1 / n))
