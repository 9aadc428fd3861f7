"""Coverage and redundancy against the budget, found once for a ranking and read live at any budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..progress import Report, part_of, reporting
from ..selection.budget import covering_prefix
from ..vectors.points import as_points, as_selected
from ..vectors.radius import COVERAGE_ROWS, comparison_radii, covered_from
from .metric import MEANING, Metric, RandomBand, distance_figures
from .ranking_pass import ranking_pass
from .tables import Content, html_card, number, text_card

#: The figures a curve follows, by their names in reports.
FIGURES = ("distance_median", "distance_95", "distance_mean", "coverage", "near_duplicate_rate")


@dataclass(frozen=True)
class CoverageCurve:
    """Coverage and redundancy of every prefix of a ranking.

    Distances are known at ``budgets``, a logarithmic grid, and interpolated in between; coverage and near-duplicates
    are counted at any budget. Where ``n_rows < n`` they are known for a random sample of the images.

    Attributes:
        n: images with an embedding
        budgets: (g,) int64 grid, from 1 to the length of the ranking
        values: figure -> (g,) float64, see :data:`FIGURES`
        random_mean: figure -> (g,) mean over random subsets of the same size
        random_sd: figure -> (g,) their standard deviation
        n_random: number of random subsets at each budget
        coverage_radius: distance within which an image counts as covered
        near_duplicate_radius: distance within which two images are near-duplicates
        normalize: whether distances are between unit-length vectors
        rows: (m,) evaluated rows of the embedding matrix
        distance: (g, m) float16 distance of each evaluated row to the nearest kept one
        covered_at: (m,) ascending budgets, one an evaluated row, from which on the row is covered
        followed: (p,) ranks of the kept images whose near-duplicates are followed
        followed_weight: (p,) how many ranked images each of those stands for
        redundant_at: (p,) budgets from which on those are kept together with a near-duplicate
    """

    n: int
    budgets: np.ndarray
    values: dict[str, np.ndarray]
    random_mean: dict[str, np.ndarray]
    random_sd: dict[str, np.ndarray]
    n_random: int
    coverage_radius: float
    near_duplicate_radius: float
    normalize: bool
    rows: np.ndarray
    distance: np.ndarray
    covered_at: np.ndarray
    followed: np.ndarray
    followed_weight: np.ndarray
    redundant_at: np.ndarray

    @property
    def max_budget(self) -> int:
        """Length of the ranking."""
        return int(self.budgets[-1])

    @property
    def coverage_error(self) -> float:
        """Largest standard error of a covered share; 0 when every image was evaluated."""
        m = len(self.rows)
        return 0.0 if m == self.n else 0.5 * math.sqrt((1 / m) * (1 - m / self.n))

    def at(self, budget: int) -> dict[str, Metric]:
        """All figures at a budget, beside random subsets of that size; a fraction of a millisecond.

        Args:
            budget: images kept, 1 to ``max_budget``

        Returns:
            figure -> :class:`Metric`

        Raises:
            CoresetError: if the budget lies outside the ranking
        """
        self._check(budget)
        counted = {"coverage": self.coverage_at(budget), "near_duplicate_rate": self.near_duplicate_rate_at(budget)}
        where = np.log(self.budgets)

        def read(curve: np.ndarray) -> float:
            return float(np.interp(math.log(budget), where, curve))

        return {
            name: Metric(
                counted.get(name, read(self.values[name])),
                RandomBand(read(self.random_mean[name]), read(self.random_sd[name]), self.n_random),
                *MEANING[name],
            )
            for name in FIGURES
        }

    def coverage_at(self, budget: int) -> float:
        """Share of the images within the coverage radius of the first ``budget`` images."""
        return float(np.searchsorted(self.covered_at, budget, side="right") / len(self.covered_at))

    def near_duplicate_rate_at(self, budget: int) -> float:
        """Share of the first ``budget`` images that have another one of them within the near-duplicate radius."""
        kept = self.followed_weight[self.followed < budget].sum()
        return float(self.followed_weight[self.redundant_at <= budget].sum() / kept)

    def distances_at(self, budget: int) -> np.ndarray:
        """Distance of every evaluated row to the nearest kept one at the largest grid budget up to ``budget``.

        Returns:
            (m,) float32, aligned with ``rows``; to the nearest of at most ``budget`` kept images, so never too small
        """
        self._check(budget)
        return self.distance[np.searchsorted(self.budgets, budget, side="right") - 1].astype(np.float32)

    def smallest_budget_for(self, coverage: float) -> int:
        """The smallest budget that covers a share of the images.

        Args:
            coverage: share of the images, in (0, 1], within the coverage radius of a kept one

        Returns:
            the budget, counted on the evaluated images

        Raises:
            CoresetError: if the share is no share, or the whole ranking does not reach it
        """
        if not 0 < coverage <= 1:
            raise CoresetError(f"coverage={coverage}: give a share in (0, 1], e.g. 0.95")
        return covering_prefix(self.covered_at, self.max_budget, coverage, self.coverage_radius)

    @property
    def knees(self) -> dict[str, int | None]:
        """Where the curves bend.

        Returns:
            "coverage": the grid budget beyond which an added image shortens the mean distance by less than the average
            image does; "near_duplicate_rate": the one beyond which an added image brings more near-duplicates than the
            average image does, None without near-duplicates
        """
        share = self.budgets / self.max_budget
        mean = self.values["distance_mean"]
        covered = (mean[0] - mean) / max(mean[0] - mean[-1], 1e-12)
        redundant = self.values["near_duplicate_rate"] * self.budgets
        knee = int(self.budgets[np.argmax(share - redundant / redundant[-1])]) if redundant[-1] else None
        return {"coverage": int(self.budgets[np.argmax(covered - share)]), "near_duplicate_rate": knee}

    def plot(self, budget: int | None = None) -> Any:
        """Draws coverage, distance and near-duplicates against the budget, with the random band and the knees.

        Args:
            budget (None): a budget to mark

        Returns:
            a ``matplotlib`` figure
        """
        from .plots import plot_curve

        return plot_curve(self, budget)

    def __repr__(self) -> str:
        return f"<CoverageCurve of {self.n:,} images, budgets 1 to {self.max_budget:,}; print it to read it>"

    def __str__(self) -> str:
        return text_card([self._table()])

    def _repr_html_(self) -> str:
        return html_card([self._table()])

    def _table(self) -> Content:
        shares = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
        rows = []
        for budget in sorted({max(1, round(share * self.max_budget)) for share in shares}):
            found = self.at(budget)
            cells = [number(found[name].value) + f" ({number(found[name].random_mean)})" for name in FIGURES]
            rows.append([f"{budget:,}", *cells, ""])
        knees = ", ".join(f"{name} {budget:,}" for name, budget in self.knees.items() if budget)
        caption = f"In brackets: random subsets. Knees: {knees}."
        if self.coverage_error:
            caption += f" From {len(self.rows):,} sampled images: error of a share {self.coverage_error:.2%}."
        return f"Coverage curve of {self.n:,} images", ("kept", *FIGURES, ""), rows, caption

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything as numpy arrays without objects, for ``np.savez`` or a brain run."""
        scalars = [self.n, self.n_random, self.coverage_radius, self.near_duplicate_radius, self.normalize]
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        arrays["scalars"] = np.array(scalars, dtype=np.float64)
        for table in ("values", "random_mean", "random_sd"):
            arrays[table] = np.stack([getattr(self, table)[name] for name in FIGURES])
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> CoverageCurve:
        """The curve that :meth:`to_arrays` wrote."""
        n, n_random, radius, near_duplicate_radius, normalize = np.asarray(arrays["scalars"]).tolist()

        def table(name: str) -> dict[str, np.ndarray]:
            return dict(zip(FIGURES, np.asarray(arrays[name]), strict=True))

        return cls(
            n=int(n),
            n_random=int(n_random),
            coverage_radius=radius,
            near_duplicate_radius=near_duplicate_radius,
            normalize=bool(normalize),
            values=table("values"),
            random_mean=table("random_mean"),
            random_sd=table("random_sd"),
            budgets=np.asarray(arrays["budgets"]),
            rows=np.asarray(arrays["rows"]),
            distance=np.asarray(arrays["distance"]),
            covered_at=np.asarray(arrays["covered_at"]),
            followed=np.asarray(arrays["followed"]),
            followed_weight=np.asarray(arrays["followed_weight"]),
            redundant_at=np.asarray(arrays["redundant_at"]),
        )

    def _check(self, budget: int) -> None:
        if not 1 <= budget <= self.max_budget:
            raise CoresetError(f"budget {budget} lies outside the ranking; give 1 to {self.max_budget:,}")


_ARRAYS = ("budgets", "rows", "distance", "covered_at", "followed", "followed_weight", "redundant_at")


def coverage_curve(
    embeddings: Any,
    ranking: Sequence[int] | np.ndarray,
    *,
    coverage_radius: float | None = None,
    near_duplicate_radius: float | None = None,
    n_budgets: int = 64,
    n_random: int = 10,
    max_rows: int = COVERAGE_ROWS,
    normalize: bool = True,
    seed: int = 0,
    progress: bool | Report | None = False,
) -> CoverageCurve:
    """Finds coverage and redundancy at every budget of a ranking, in one pass over the embeddings.

    Up to ``max_rows`` images everything is exact. Beyond, coverage is read from ``max_rows`` random images (standard
    error of a share at most ``0.5 / sqrt(max_rows)``, 0.005), and near-duplicates from the first ``max_rows / 2``
    ranked images plus as many random ones of the others.

    Args:
        embeddings: (n, d) embeddings, or :class:`Points`
        ranking: (r,) rows, first to keep first
        coverage_radius (None): distance within which an image counts as covered;
            :func:`.radius.coverage_radius` by default
        near_duplicate_radius (None): distance within which two images are near-duplicates;
            :func:`.near_duplicates.near_duplicate_radius` by default
        n_budgets (64): size of the logarithmic grid of budgets
        n_random (10): random rankings behind the band
        max_rows (10000): images evaluated
        normalize (True): whether distances are taken between unit-length vectors
        seed (0): of samples and random rankings
        progress (False): ``True`` for a bar, or a function ``(fraction, message)``

    Returns:
        a :class:`CoverageCurve`

    Raises:
        CoresetError: if the embeddings or the ranking cannot be used
    """
    if n_random < 2:
        raise CoresetError(f"n_random={n_random}: a random band needs at least 2 rankings")
    points = as_points(embeddings, normalize)
    order = as_selected(ranking, points, "ranking")
    radius, duplicate_radius = comparison_radii(points, coverage_radius, near_duplicate_radius, seed)
    budgets = np.unique(np.geomspace(1, len(order), n_budgets).round().astype(np.int64))
    rng = np.random.default_rng(seed)
    rankings = [order, *(rng.permutation(points.rows)[: len(order)] for _ in range(n_random))]
    rows = points.sample(max_rows, seed)
    followed, weight = _followed_ranks(len(order), max_rows, rng)
    with reporting(progress, "Coverage curve") as report:
        over_all = ranking_pass(points, rankings, rows, budgets, radius, part_of(report, 0, 0.7))
        over_kept = ranking_pass(points, [order], order[followed], budgets, duplicate_radius, part_of(report, 0.7, 1))
    positions = [_rank_positions(ranked, points.n)[rows] for ranked in rankings]
    tables = [
        _figures_along(distance, position, budgets, radius, duplicate_radius)
        for distance, position in zip(over_all.distance, positions, strict=True)
    ]
    random_mean, random_sd = _bands(tables[1:], budgets)
    curve = CoverageCurve(
        n=len(points.rows),
        budgets=budgets,
        values=tables[0],
        random_mean=random_mean,
        random_sd=random_sd,
        n_random=n_random,
        coverage_radius=radius,
        near_duplicate_radius=duplicate_radius,
        normalize=points.normalize,
        rows=rows,
        distance=_without_kept(over_all.distance[0], positions[0], budgets).astype(np.float16),
        covered_at=np.sort(covered_from(points, order, rows, radius)),
        followed=followed,
        followed_weight=weight,
        redundant_at=np.maximum(over_kept.first_within, followed) + 1,
    )
    # Kept images themselves, not a sample of all images, say how redundant a ranking is.
    curve.values["near_duplicate_rate"] = np.array([curve.near_duplicate_rate_at(int(b)) for b in budgets])
    return curve


def _rank_positions(ranking: np.ndarray, n: int) -> np.ndarray:
    """Position of every row in a ranking; the ranking's length for rows outside it."""
    positions = np.full(n, len(ranking))
    positions[ranking] = np.arange(len(ranking))
    return positions


def _followed_ranks(n_ranked: int, max_rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Ranks whose near-duplicates are followed, all of the first ones and some of the others, and their weights."""
    if n_ranked <= max_rows:
        return np.arange(n_ranked), np.ones(n_ranked)
    head = max_rows // 2
    size = max_rows - head
    tail = head + np.sort(rng.choice(n_ranked - head, size, replace=False))
    weight = np.repeat([1.0, (n_ranked - head) / size], [head, size])
    return np.concatenate([np.arange(head), tail]), weight


def _without_kept(distance: np.ndarray, positions: np.ndarray, budgets: np.ndarray) -> np.ndarray:
    """Distances (g, m) to the nearest kept image, 0 from where the image is itself kept."""
    return np.where(positions < budgets[:, None], 0, distance)


def _figures_along(
    distance: np.ndarray, positions: np.ndarray, budgets: np.ndarray, radius: float, duplicate_radius: float
) -> dict[str, np.ndarray]:
    """The figures at every budget, from (g, m) distances to the nearest other kept image.

    A random subset is as near to an image that it keeps as to one that it does not, so for random rankings all images,
    kept or not, tell how many kept ones have a near-duplicate among the b - 1 others.
    """
    near_duplicate_rate = (distance <= duplicate_radius).mean(axis=1) * (budgets - 1) / budgets
    return {
        **distance_figures(_without_kept(distance, positions, budgets), radius),
        "near_duplicate_rate": near_duplicate_rate,
    }


def _bands(
    tables: list[dict[str, np.ndarray]], budgets: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Mean and standard deviation of every figure over random rankings."""
    mean = {name: np.mean([table[name] for table in tables], axis=0) for name in FIGURES}
    sd = {name: np.std([table[name] for table in tables], axis=0, ddof=1) for name in FIGURES}
    # All images tell the rate better than the b kept ones do; what b kept ones scatter, in pairs, comes on top.
    rate = mean["near_duplicate_rate"]
    sd["near_duplicate_rate"] = np.sqrt(sd["near_duplicate_rate"] ** 2 + 2 * rate * (1 - rate) / budgets)
    return mean, sd
