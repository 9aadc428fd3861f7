"""Plots of diagnostics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .curve import CoverageCurve

#: (figure, axis title, knee marked) of the three panes.
_PANES = (
    ("coverage", "share covered", "coverage"),
    ("distance_95", "95 % distance to a kept image", None),
    ("near_duplicate_rate", "near-duplicate rate", "near_duplicate_rate"),
)


def plot_curve(curve: CoverageCurve, budget: int | None = None) -> Figure:
    """Draws coverage, radius and redundancy against the budget.

    Args:
        curve: the curve
        budget (None): a budget to mark

    Returns:
        a figure with one pane a quantity; the random band is mean ± 2 SD
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.5), layout="constrained")
    for axes, (name, title, knee) in zip(figure.subplots(1, len(_PANES)), _PANES, strict=True):
        mean, sd = curve.random_mean[name], curve.random_sd[name]
        top = np.inf if name == "distance_95" else 1
        band = np.clip([mean - 2 * sd, mean + 2 * sd], 0, top)
        axes.fill_between(curve.budgets, *band, color="0.85", label="random")
        axes.plot(curve.budgets, mean, color="0.6", linewidth=1)
        axes.plot(curve.budgets, curve.values[name], color="tab:orange", label="this ranking")
        at = curve.knees[knee] if knee else None
        if at is not None:
            axes.axvline(at, color="tab:blue", linestyle=":", label=f"knee, {at:,}")
        if budget is not None:
            axes.axvline(budget, color="tab:red", linestyle="--", label=f"budget, {budget:,}")
        axes.set(xlabel="images kept", ylabel=title, xlim=(0, curve.max_budget), ylim=(0, None))
        axes.legend(frameon=False, fontsize="small")
    return figure
