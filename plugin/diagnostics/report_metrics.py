"""The metrics of a report, each for the selection and for random subsets of its size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..progress import ProgressCallback, silence
from ..vectors.near_duplicates import EXACT_ROWS, near_duplicates
from ..vectors.points import Points
from .balance import Groups, Retention, effective_size, retention
from .distribution import DistributionShift
from .metric import MEANING, distance_metrics
from .ranking_pass import first_near, ranking_pass
from .redundancy import redundancy_metrics

#: Metric -> value for one subset.
Metrics = dict[str, float]


@dataclass(frozen=True)
class Compared:
    """A selection and the random subsets beside it.

    Attributes:
        points: the embeddings
        subsets: rows of the selection, then of the random subsets of its size
        rows: (m,) rows whose coverage is evaluated
        coverage_radius: distance within which an image counts as covered
        near_duplicate_radius: distance within which two images are near-duplicates
        near_copies: (n,) group of near-copies of every image, which then are the near-duplicates, or None
        seed: of samples
        report: progress function
    """

    points: Points
    subsets: Sequence[np.ndarray]
    rows: np.ndarray
    coverage_radius: float
    near_duplicate_radius: float
    near_copies: np.ndarray | None
    seed: int
    report: ProgressCallback


Measure = Callable[[Compared], list[Metrics]]

#: What is measured in every report, in order.
MEASURES: list[Measure] = []


def measures(**meaning: tuple[str, str]) -> Callable[[Measure], Measure]:
    """Registers a function that measures one or more metrics of every report.

    How to add a metric: write a function that answers one dict for each of ``compared.subsets``, the selection first.
    Reports, comparisons, their texts and the random band follow::

        @measures(norm=("", "mean length of the kept embeddings"))
        def norm_metrics(compared: Compared) -> list[Metrics]:
            lengths = [np.linalg.norm(compared.points.block(rows), axis=1) for rows in compared.subsets]
            return [{"norm": float(length.mean())} for length in lengths]

    It may answer for fewer random subsets than given where they are dear; an empty list says that the metric has no
    meaning for these embeddings. To show it on the panel's card, name it in ``panels/figures.py``.

    Args:
        **meaning: metric -> (which way is better: "low", "high" or "" for neither; one line on what it says)

    Returns:
        a decorator that leaves the function as it is
    """

    def decorate(function: Measure) -> Measure:
        MEANING.update(meaning)
        MEASURES.append(function)
        return function

    return decorate


#: Images that tell how evenly a random subset's cells are sized.
_CELL_ROWS = 2000

#: Pairs that may be compared to find the near-duplicates of all random subsets.
_PAIR_WORK = 1e9


@measures(
    effective_size=("high", "kept ones that would serve as evenly if each stood for equally many"),
)
def coverage_metrics(compared: Compared) -> list[Metrics]:
    """Distances to the nearest kept image, and how evenly the kept images share the collection."""
    points, subsets, rows = compared.points, compared.subsets, compared.rows
    budget = np.array([len(subsets[0])])
    passed = ranking_pass(points, subsets, rows, budget, compared.coverage_radius, compared.report)
    found = []
    for subset, near, nearest in zip(subsets, passed.distance[:, 0], passed.nearest, strict=True):
        kept = np.isin(rows, subset)
        cells = np.where(kept, rows, subset[np.minimum(nearest, len(subset) - 1)])
        distance = np.where(kept, 0, near)
        if subset is subsets[0]:
            distance = points.distance(rows, cells)  # not rounded
        else:
            cells = cells[:: max(1, len(rows) // _CELL_ROWS)]
        metrics = distance_metrics(distance, compared.coverage_radius)
        found.append(
            {name: float(value) for name, value in metrics.items()}
            | {"effective_size": effective_size(cells, len(points.rows))}
        )
    return found


@measures(
    repeat_rate=("low", "labels saved if one of every kept near-duplicate group were enough"),
    duplicate_groups=("low", "near-duplicate groups among the kept ones"),
)
def kept_redundancy_metrics(compared: Compared) -> list[Metrics]:
    """Near-duplicates among the kept images; groups of them only where all pairs can be compared.

    Random subsets are measured as far as that is affordable, at least 3.
    """
    points, subsets, duplicate_radius = compared.points, compared.subsets, compared.near_duplicate_radius
    if compared.near_copies is not None:
        return [redundancy_metrics(compared.near_copies[subset]) for subset in subsets]
    size = len(subsets[0])
    n_random = max(3, int(_PAIR_WORK / size**2))
    if size <= EXACT_ROWS:
        return [redundancy_metrics(_groups(points, subset, duplicate_radius)) for subset in subsets[: n_random + 1]]
    rng = np.random.default_rng(compared.seed)
    found = []
    for subset in subsets[:4]:
        rows = rng.choice(subset, EXACT_ROWS // 4, replace=False)
        near = first_near(points, subset, rows, duplicate_radius, silence)
        found.append({"near_duplicate_rate": float((near < size).mean())})
    return found


@measures(look_alike_rate=("", "kept ones close to another kept one in the embedding, but no near-copy of it"))
def look_alike_metrics(compared: Compared) -> list[Metrics]:
    """Look-alikes among the kept images, where fingerprints tell them from copies and all pairs can be compared."""
    copies, size = compared.near_copies, len(compared.subsets[0])
    if copies is None or size > EXACT_ROWS:
        return []
    found = []
    for subset in compared.subsets[: max(3, int(_PAIR_WORK / size**2)) + 1]:
        close = _groups(compared.points, subset, compared.near_duplicate_radius)
        different = np.unique(np.stack([close, copies[subset]]), axis=1)[0]
        found.append({"look_alike_rate": float((np.bincount(different)[close] > 1).mean())})
    return found


@measures(kept_once=("", "near-duplicate groups of the collection of which exactly one is kept"))
def removal_metrics(compared: Compared) -> list[Metrics]:
    """What the subsets keep of the collection's near-duplicate groups; nothing if it is large or has none."""
    points, subsets, duplicate_radius = compared.points, compared.subsets, compared.near_duplicate_radius
    group = np.full(points.n, -1)
    if compared.near_copies is not None:
        group[points.rows] = np.unique(compared.near_copies[points.rows], return_inverse=True)[1].reshape(-1)
    elif len(points.rows) > EXACT_ROWS:
        return []
    else:
        group[points.rows] = _groups(points, points.rows, duplicate_radius)
    sizes = np.bincount(group[points.rows])
    if sizes.max() == 1:
        return []
    kept = [np.bincount(group[subset], minlength=len(sizes))[sizes > 1] for subset in subsets]
    return [{"kept_once": float((counts == 1).mean())} for counts in kept]


def _groups(points: Points, rows: np.ndarray, duplicate_radius: float) -> np.ndarray:
    return near_duplicates(points.block(rows), radius=duplicate_radius).groups


@measures(
    energy_distance=("low", "shift of the distribution from the collection's; 0 is none"),
    mmd=("low", "the same by squared maximum mean discrepancy, which weighs dense regions more"),
)
def shift_metrics(compared: Compared) -> list[Metrics]:
    """Energy distance and MMD from the collection."""
    shift = DistributionShift(compared.points, seed=compared.seed)
    return [shift(subset) for subset in compared.subsets]


def retention_metrics(
    name: str, groups: Groups, subsets: Sequence[np.ndarray]
) -> tuple[list[Metrics], Retention | None]:
    """What the subsets keep of every cluster or class.

    Args:
        name: "cluster" or "class"
        groups: the clusters or classes
        subsets: the selection, then random subsets of its size

    Returns:
        metrics of the selection and of the random subsets that keep images of known group, and the selection's
        :class:`Retention`; nothing if the selection itself keeps none
    """
    if not len(groups.known(subsets[0])):
        return [], None
    counted = [retention(groups, subset) for subset in subsets if len(groups.known(subset))]
    metrics = [
        {
            f"{name}_coverage": 1 - len(one.lost) / len(one.names),
            f"{name}_kl": one.kl,
            f"{name}_worst": one.worst,
        }
        for one in counted
    ]
    return metrics, counted[0]
