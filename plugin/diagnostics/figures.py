"""The figures of a report, each for the selection and for random subsets of its size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..progress import Report
from ..vectors.near_duplicates import EXACT_ROWS, near_duplicates
from ..vectors.points import Points
from .balance import Groups, Retention, effective_size, retention
from .distribution import DistributionShift
from .metric import distance_figures
from .nearest_selected import nearest_selected
from .ranking_pass import ranking_pass
from .redundancy import redundancy_figures

#: Figure -> value for one subset.
Figures = dict[str, float]

#: Images that tell how evenly a random subset's cells are sized.
_CELL_ROWS = 2000

#: Pairs that may be compared to find the near-duplicates of all random subsets.
_PAIR_WORK = 1e9


def coverage_figures(
    points: Points, subsets: Sequence[np.ndarray], rows: np.ndarray, radius: float, report: Report
) -> list[Figures]:
    """Distances to the nearest kept image, and how evenly the kept images share the collection.

    Args:
        points: the embeddings
        subsets: the selection, then random subsets of its size
        rows: (m,) evaluated rows
        radius: distance within which an image counts as covered
        report: progress function

    Returns:
        figures of every subset
    """
    kept = nearest_selected(points, subsets[0], rows=rows)
    passed = ranking_pass(points, subsets, rows, np.array([len(subsets[0])]), radius, report)
    distances = [kept.distance, *passed.distance[1:, 0]]
    cells = [kept.nearest]
    for subset in subsets[1:]:
        cells.append(nearest_selected(points, subset, rows=rows[:: max(1, len(rows) // _CELL_ROWS)]).nearest)
    found = []
    for subset, distance, nearest in zip(subsets, distances, cells, strict=True):
        figures = distance_figures(np.where(np.isin(rows, subset), 0, distance), radius)
        found.append(
            {name: float(value) for name, value in figures.items()}
            | {"effective_size": effective_size(nearest, len(points.rows))}
        )
    return found


def kept_redundancy_figures(
    points: Points, subsets: Sequence[np.ndarray], duplicate_radius: float, seed: int
) -> list[Figures]:
    """Near-duplicates among the kept images; groups of them only where all pairs can be compared.

    Args:
        points: the embeddings
        subsets: the selection, then random subsets of its size
        duplicate_radius: near-duplicate radius
        seed: of the kept images that are looked at where there are too many

    Returns:
        figures of the selection and of as many random subsets as is affordable, at least 3
    """
    size = len(subsets[0])
    n_random = max(3, int(_PAIR_WORK / size**2))
    if size <= EXACT_ROWS:
        return [redundancy_figures(_groups(points, subset, duplicate_radius)) for subset in subsets[: n_random + 1]]
    rng = np.random.default_rng(seed)
    found = []
    for subset in subsets[:4]:
        rows = rng.choice(subset, EXACT_ROWS // 4, replace=False)
        distance = nearest_selected(points, subset, rows=rows, exclude_self=True).distance
        found.append({"near_duplicate_rate": float((distance <= duplicate_radius).mean())})
    return found


def removal_figures(points: Points, subsets: Sequence[np.ndarray], duplicate_radius: float) -> list[Figures]:
    """What the subsets keep of the collection's near-duplicate groups; nothing for large collections or without groups.

    Args:
        points: the embeddings
        subsets: the selection, then random subsets of its size
        duplicate_radius: near-duplicate radius

    Returns:
        figures of every subset
    """
    if len(points.rows) > EXACT_ROWS:
        return []
    group = np.full(points.n, -1)
    group[points.rows] = _groups(points, points.rows, duplicate_radius)
    sizes = np.bincount(group[points.rows])
    if sizes.max() == 1:
        return []
    kept = [np.bincount(group[subset], minlength=len(sizes))[sizes > 1] for subset in subsets]
    return [{"kept_once": float((counts == 1).mean())} for counts in kept]


def _groups(points: Points, rows: np.ndarray, duplicate_radius: float) -> np.ndarray:
    return near_duplicates(points.block(rows), radius=duplicate_radius).groups


def shift_figures(points: Points, subsets: Sequence[np.ndarray], seed: int) -> list[Figures]:
    """Energy distance and MMD from the collection.

    Args:
        points: the embeddings
        subsets: the selection, then random subsets of its size
        seed: of samples

    Returns:
        figures of every subset
    """
    shift = DistributionShift(points, seed=seed)
    return [shift(subset) for subset in subsets]


def retention_figures(
    name: str, groups: Groups, subsets: Sequence[np.ndarray]
) -> tuple[list[Figures], Retention | None]:
    """What the subsets keep of every cluster or class.

    Args:
        name: "cluster" or "class"
        groups: the clusters or classes
        subsets: the selection, then random subsets of its size

    Returns:
        figures of the selection and of the random subsets that keep images of known group, and the selection's
        :class:`Retention`; nothing if the selection itself keeps none
    """
    if not len(groups.known(subsets[0])):
        return [], None
    counted = [retention(groups, subset) for subset in subsets if len(groups.known(subset))]
    figures = [
        {
            f"{name}_coverage": 1 - len(one.lost) / len(one.names),
            f"{name}_kl": one.kl,
            f"{name}_worst": one.worst,
        }
        for one in counted
    ]
    return figures, counted[0]
