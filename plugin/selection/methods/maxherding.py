"""MaxHerding: coverage by a Gaussian kernel instead of a fixed radius."""

from __future__ import annotations

import numpy as np

from ..costs import check_costs
from ..cover import greedy_cover, similarity_matrix
from ..method import register
from ..pool import Picks, Pool


@register("maxherding", "MaxHerding: soft coverage with a Gaussian kernel; for small budgets", per_row=("cost",))
def maxherding(
    pool: Pool,
    k: int,
    bandwidth: float | None = None,
    cost: np.ndarray | None = None,
    cost_budget: float | None = None,
) -> Picks:
    """Maximises the mean over all rows of ``max_s exp(-(d / h)^2)`` (Bae et al., ECCV 2024), by lazy greedy.

    Above 8,192 rows only the 64 nearest neighbours of a row count. Weights are those of the covered rows.

    Args:
        pool: the problem
        k: rows to pick
        bandwidth (None): h; by default the median distance to the 10th nearest neighbour, because the authors' h = 1
            is nearly flat where all embeddings lie in a narrow cone
        cost (None): (n,) positive cost of a row's label; gains are divided by it
        cost_budget (None): what may be spent: rows that do not fit into what is left of it come last, see
            :func:`.cover.greedy_cover`. :func:`.costs.affordable` cuts the ranking where it is spent

    Returns:
        the picks

    References:
        Bae, Noh and Sutherland: Generalized Coverage for More Robust Low-Budget Active Learning. ECCV 2024.
    """
    h = usual_distance(pool) if bandwidth is None else bandwidth
    h = max(h, LEAST_BANDWIDTH)
    matrix = similarity_matrix(pool, gaussian, np.full(len(pool), h, dtype=np.float32))
    price = check_costs(cost, cost_budget)
    order, gains = greedy_cover(matrix, k, pool, cost=price, budget=cost_budget)
    return Picks(order, details={"bandwidth": h, "gain": float(gains.sum() / len(pool))})


def usual_distance(pool: Pool) -> float:
    """The median distance to the 10th nearest neighbour."""
    distances = pool.neighbors(10)[1]
    return float(np.median(distances[:, -1])) if distances.shape[1] else 1.0


def gaussian(distances: np.ndarray) -> np.ndarray:
    """The Gaussian kernel of scaled distances.

    Args:
        distances: distances divided by the bandwidth

    Returns:
        similarities in [0, 1]
    """
    return np.exp(-(distances**2))


#: Of copies of one image the usual distance is 0.
LEAST_BANDWIDTH = 1e-6
