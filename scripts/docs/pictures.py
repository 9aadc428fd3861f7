"""The pictures of ``docs/concepts.md``: small planted points, judged by the functions of this package.

``python -m scripts.docs.pictures`` writes them to ``docs/images/concepts``.
"""

from pathlib import Path

import fiftyone_coreset as fc
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images" / "concepts"
KEPT, COVERED, NOT_COVERED, COPY = "#e8590c", "#74b9e6", "#868e96", "#9c36b5"


def plane():
    """Points of a plane, and as unit vectors: three clusters, one of them small, and two bursts of near-duplicates."""
    rng = np.random.default_rng(1)
    centers, sizes = [(-1.3, -0.3), (1.0, 0.5), (0.5, -1.3)], [90, 70, 12]
    points = np.concatenate([center + 0.4 * rng.normal(size=(n, 2)) for center, n in zip(centers, sizes, strict=True)])
    bursts = [points[row] + 0.01 * rng.normal(size=(8, 2)) for row in (5, 120)]
    points = np.concatenate([points, *bursts])
    vectors = np.column_stack([points, np.full(len(points), 4.0)])
    return points, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def draw(name, title, layers):
    """Saves layers of points as a picture: label -> (points, how to draw them)."""
    figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    for label, (points, style) in layers.items():
        axes.scatter(*points.T, label=label, **style)
    axes.set_title(title, loc="left", fontsize=11)
    axes.set(aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    figure.savefig(FOLDER / f"{name}.png", dpi=110)


def main():
    """Writes all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    points, vectors = plane()
    ranking = fc.get_method("facility_location").select(vectors, len(vectors)).indices
    curve = fc.coverage_curve(vectors, ranking)

    kept = ranking[:40]
    nearest = np.linalg.norm(vectors[:, None] - vectors[kept], axis=2).min(axis=1)
    covered = nearest <= curve.coverage_radius
    layers = {
        "covered": (points[covered], {"s": 22, "color": COVERED}),
        "not covered": (points[~covered], {"s": 26, "color": NOT_COVERED, "marker": "x"}),
        "kept": (points[kept], {"s": 70, "color": KEPT}),
    }
    draw("coverage", f"{len(kept)} of {len(points)} kept, {covered.mean():.0%} covered", layers)

    groups = fc.redundant_groups(vectors, kept)
    bursts = np.concatenate([group for group in groups if len(group) >= 5])
    layers = {
        "others": (np.delete(points, bursts, axis=0), {"s": 22, "color": COVERED}),
        "in a large group": (points[bursts], {"s": 44, "color": COPY, "alpha": 0.5}),
    }
    draw("redundancy", f"{len(bursts)} of {len(points)} points in large groups of near-duplicates", layers)

    figure = curve.plot(budget=40, backend="matplotlib")
    figure.savefig(FOLDER / "budget.png", dpi=80)

    budgets = np.linspace(0.05, 0.95, 19)
    figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    for n_draws, colour in ((100, COVERED), (100_000, KEPT)):
        scores = fc.zcore_scores(vectors, n_draws=n_draws)
        label = f"{n_draws:,} draws, reliability {scores.reliability:.2f}"
        axes.plot(budgets, [scores.overlap_at(budget) for budget in budgets], color=colour, label=label)
    axes.plot(budgets, budgets, color=NOT_COVERED, linestyle=":", label="by chance")
    axes.set(xlabel="share of the points that is kept", ylabel="another seed keeps too", ylim=(0, 1.02))
    axes.legend(frameon=False, loc="lower right", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(FOLDER / "reliability.png", dpi=110)


if __name__ == "__main__":
    main()
