"""The coverage map as a picture: what a coreset keeps, and how far everything else is from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..plugin.diagnostics.nearest_selected import nearest_selected
from ..plugin.results import CoresetResults

_KEPT = "#d55e00"
_REST = "#9aa0a6"


def draw_coverage_map(results: CoresetResults, budget: float, path: Path) -> None:
    """Draws the map of a run twice: the kept images over the rest, and the distance to the nearest kept image.

    Args:
        results: a run with points
        budget: the budget to show
        path: the PNG file to write
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    assert results.points is not None
    k = results.budget(budget)
    kept = results.rank < k
    distance = nearest_selected(results.embeddings(), np.flatnonzero(kept)).distance
    x, y = results.points.T
    size = float(np.clip(20_000 / len(results), 2, 14))
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 6), layout="constrained")
    left.scatter(x[~kept], y[~kept], s=size, c=_REST, alpha=0.6, linewidths=0, label=f"{(~kept).sum():,} not kept")
    left.scatter(x[kept], y[kept], s=2 * size, c=_KEPT, linewidths=0, label=f"{k:,} kept")
    left.legend(loc="best", frameon=False)
    left.set_title(f"Kept at {budget:.0%}")
    farthest_last = np.argsort(distance)
    drawn = right.scatter(
        x[farthest_last], y[farthest_last], s=1.5 * size, c=distance[farthest_last], cmap="viridis", linewidths=0
    )
    right.set_title("Distance to the nearest kept image")
    figure.colorbar(drawn, ax=right, shrink=0.8)
    for axes in (left, right):
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    embeddings = ", ".join(results.config.embeddings or ["array"])
    figure.suptitle(f"{results.config.method} on {embeddings}; map: {results.config.projection}", fontsize=10)
    figure.savefig(path, dpi=110)
    plt.close(figure)
