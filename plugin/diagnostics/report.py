"""The report card of a selection: every figure beside what a random subset of the same size would show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..progress import Report, part_of, reporting
from .calibrate import checked_distance, coverage_radius, near_duplicate_distance
from .metric import MEANING, Metric, RandomBand, distance_figures
from .nearest_selected import nearest_selected
from .points import Points, as_points, as_selected
from .tables import html_table, number, text_table


@dataclass(frozen=True)
class CoresetReport:
    """Diagnostics of one selection; prints as a table in a terminal and in a notebook.

    Attributes:
        n: images with an embedding
        kept: images kept
        metrics: name -> :class:`Metric`
        warnings: what to look at before buying labels
        notes: how the figures were computed, with their error where they are sampled
        settings: coverage radius, near-duplicate distance, normalisation, seed
    """

    n: int
    kept: int
    metrics: dict[str, Metric]
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Share of the images that is kept."""
        return self.kept / self.n

    def __getitem__(self, name: str) -> Metric:
        return self.metrics[name]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts."""
        return {
            "n": self.n,
            "kept": self.kept,
            "share": self.share,
            "metrics": {name: metric.to_dict() for name, metric in self.metrics.items()},
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "settings": dict(self.settings),
        }

    def __str__(self) -> str:
        return "\n".join([text_table(*self._table()), *(f"! {warning}" for warning in self.warnings)])

    def _repr_html_(self) -> str:
        warnings = "".join(f"<p>&#9888; {warning}</p>" for warning in self.warnings)
        return html_table(*self._table()) + warnings

    def _table(self) -> tuple[str, Sequence[str], list[list[str]], str]:
        title = f"Coreset report: {self.kept:,} of {self.n:,} images kept ({self.share:.1%})"
        rows = []
        for name, metric in self.metrics.items():
            band = f"{number(metric.random.mean)} ± {number(metric.random.sd)}" if metric.random else "-"
            rows.append([name, number(metric.value), band, metric.verdict, metric.explanation])
        return title, ("figure", "value", "random", "verdict", "meaning"), rows, " ".join(self.notes)


def coreset_report(
    embeddings: Any,
    selected: Sequence[int] | np.ndarray,
    *,
    labels: Sequence[Any] | None = None,
    radius: float | None = None,
    near_duplicate: float | None = None,
    n_random: int = 10,
    max_rows: int = 20_000,
    normalize: bool = True,
    seed: int = 0,
    progress: bool | Report | None = False,
) -> CoresetReport:
    """Diagnoses a selection against random subsets of the same size.

    Args:
        embeddings: (n, d) embeddings, or :class:`Points`; rows without a finite embedding take no part
        selected: kept rows, or an (n,) boolean mask
        labels (None): (n,) class of every image, ``None`` where unknown
        radius (None): distance within which an image counts as covered; :func:`coverage_radius` by default
        near_duplicate (None): distance within which two images are near-duplicates;
            :func:`near_duplicate_distance` by default
        n_random (10): random subsets behind every band
        max_rows (20000): images evaluated; a larger collection is sampled, and the notes state the error
        normalize (True): whether distances are taken between unit-length vectors
        seed (0): of samples and random subsets
        progress (False): ``True`` for a bar, or a function ``(fraction, message)``

    Returns:
        a :class:`CoresetReport`

    Raises:
        CoresetError: if the embeddings, selection or labels cannot be used
    """
    points = as_points(embeddings, normalize)
    kept = as_selected(selected, points)
    tau = near_duplicate_distance(points, seed=seed) if near_duplicate is None else near_duplicate
    tau = checked_distance(tau, "near_duplicate")
    delta = coverage_radius(points, near_duplicate=tau, seed=seed) if radius is None else radius
    delta = checked_distance(delta, "radius")
    rng = np.random.default_rng(seed)
    subsets = [rng.choice(points.rows, len(kept), replace=False) for _ in range(n_random)]
    figures = []
    with reporting(progress, "Coreset report") as report:
        for position, subset in enumerate([kept, *subsets]):
            part = part_of(report, position / (n_random + 1), (position + 1) / (n_random + 1))
            rows = max_rows if position == 0 else max_rows // 4
            figures.append(_distance_figures(points, subset, delta, tau, rows, seed + position, part))
    metrics = {
        name: Metric(value, RandomBand.of([figure[name] for figure in figures[1:]]), *MEANING[name])
        for name, value in figures[0].items()
    }
    settings = {"radius": delta, "near_duplicate": tau, "normalize": points.normalize, "seed": seed}
    return CoresetReport(len(points.rows), len(kept), metrics, [], [], settings)


def _distance_figures(
    points: Points, kept: np.ndarray, radius: float, tau: float, max_rows: int, seed: int, report: Report
) -> dict[str, float]:
    """Coverage and near-duplicate figures of one subset."""
    rows = points.sample(max_rows, seed)
    distance = nearest_selected(points, kept, rows=rows, progress=part_of(report, 0, 0.7)).distance
    pick = kept if len(kept) <= max_rows else np.random.default_rng(seed).choice(kept, max_rows, replace=False)
    apart = nearest_selected(points, kept, rows=pick, exclude_self=True, progress=part_of(report, 0.7, 1))
    figures = {name: float(value) for name, value in distance_figures(distance, radius).items()}
    return {**figures, "near_duplicate_rate": float((apart.distance <= tau).mean())}
