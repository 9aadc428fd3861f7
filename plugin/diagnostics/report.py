"""The report card of a selection: every metric beside what a random subset of the same size would show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..progress import ProgressCallback, part_of, reporting
from ..seeds import check_seed
from ..vectors.near_duplicates import EXACT_ROWS
from ..vectors.points import Points, as_points
from ..vectors.radius import comparison_radii
from ..vectors.row_sets import usable_row_set
from .balance import Groups, Retention, clusters
from .metric import MEANING, Metric, RandomBand
from .report_metrics import MEASURES, Compared, Metrics, retention_metrics
from .tables import Content, html_card, number, text_card


@dataclass(frozen=True)
class CoresetReport:
    """Diagnostics of one selection; prints as a table in a terminal and in a notebook.

    Attributes:
        n: images with an embedding
        kept: images kept
        metrics: name -> :class:`Metric`
        clusters: what is kept of every cluster, with the clusters named by number; None if no kept image has one
        classes: what is kept of every class; None if no kept image has a label
        warnings: what to look at before buying labels
        notes: how the metrics were computed, with their error where they are sampled
        settings: coverage radius, near-duplicate radius, normalisation, seed

    Examples:
        >>> report = results.report("50%")
        >>> print(report)
        Coreset report: 30 of 60 kept (50.0%)...
        >>> report.metrics["coverage"].value > 0.5
        True
    """

    n: int
    kept: int
    metrics: dict[str, Metric]
    clusters: Retention | None = None
    classes: Retention | None = None
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
        """Plain numbers, strings, lists and dicts.

        Examples:
            >>> results.report("50%").to_dict()["kept"]
            30
        """
        return {
            "n": self.n,
            "kept": self.kept,
            "share": self.share,
            "metrics": {name: metric.to_dict() for name, metric in self.metrics.items()},
            "clusters": self.clusters.to_dict() if self.clusters else None,
            "classes": self.classes.to_dict() if self.classes else None,
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "settings": dict(self.settings),
        }

    def __repr__(self) -> str:
        return f"<CoresetReport: {self.kept:,} of {self.n:,} kept ({self.share:.1%}); print it to read it>"

    def __str__(self) -> str:
        return text_card([self._table()], self.warnings)

    def _repr_html_(self) -> str:
        return html_card([self._table()], self.warnings)

    def _table(self) -> Content:
        title = f"Coreset report: {self.kept:,} of {self.n:,} kept ({self.share:.1%})"
        rows = []
        for name, metric in self.metrics.items():
            band = f"{number(metric.random.mean)} ± {number(metric.random.sd)}" if metric.random else "-"
            rows.append([name, number(metric.value), band, metric.verdict, metric.explanation])
        return title, ("metric", "value", "random", "verdict", "meaning"), rows, " ".join(self.notes)


def coreset_report(
    embeddings: Any,
    selected: Sequence[int] | np.ndarray,
    *,
    labels: Sequence[Any] | None = None,
    cluster_ids: np.ndarray | None = None,
    coverage_radius: float | None = None,
    near_duplicate_radius: float | None = None,
    near_copies: np.ndarray | None = None,
    stability: float | None = None,
    n_random: int = 10,
    max_rows: int = 10_000,
    normalize: bool = True,
    seed: int = 0,
    progress: bool | ProgressCallback | None = False,
) -> CoresetReport:
    """Diagnoses a selection against random subsets of the same size.

    Args:
        embeddings: (n, d) embeddings, or :class:`Points`; rows without a finite embedding take no part
        selected: kept rows, or an (n,) boolean mask
        labels (None): (n,) class of every image: a name (``None`` where unknown) or a number (negative where unknown)
        cluster_ids (None): (n,) int cluster of every image, -1 where unknown; :func:`clusters` by default
        coverage_radius (None): distance within which an image counts as covered;
            :func:`.radius.coverage_radius` by default
        near_duplicate_radius (None): distance within which two images are near-duplicates;
            :func:`.near_duplicates.near_duplicate_radius` by default
        near_copies (None): (n,) group of near-copies of every image; if given, they are the near-duplicates
        stability (None): share of the kept images that another seed of the method would keep too, if known
        n_random (10): random subsets behind every band, at least 2
        max_rows (10000): images whose coverage is evaluated; of a larger collection that many are sampled, and the
            notes state the error
        normalize (True): whether distances are taken between unit-length vectors
        seed (0): of samples, clusters and random subsets
        progress (False): ``True`` for a bar, or a function ``(fraction, message)``

    Returns:
        a :class:`CoresetReport`

    Raises:
        CoresetError: if the embeddings, selection or labels cannot be used

    Examples:
        >>> report = fc.coreset_report(embeddings, selected=results.kept("50%"), labels=labels)
        >>> report.kept, report.metrics["class_coverage"].value
        (30, 1.0)
    """
    if n_random < 2:
        raise CoresetError(f"n_random={n_random}: a random band needs at least 2 subsets")
    seed = check_seed(seed)
    points = as_points(embeddings, normalize)
    kept = usable_row_set(selected, points)
    radius, duplicate_radius = comparison_radii(points, coverage_radius, near_duplicate_radius, seed)
    rng = np.random.default_rng(seed)
    subsets = [kept, *(rng.choice(points.rows, len(kept), replace=False) for _ in range(n_random))]
    rows = points.sample(max_rows, seed)
    with reporting(progress, "Coreset report") as report:
        found = []
        for i, measure in enumerate(MEASURES):
            part = part_of(report, 0.8 * i / len(MEASURES), 0.8 * (i + 1) / len(MEASURES))
            found.append(measure(Compared(points, subsets, rows, radius, duplicate_radius, near_copies, seed, part)))
        report(0.8, "clusters and classes")
        ids = clusters(points, seed=seed) if cluster_ids is None else cluster_ids
        by_cluster, cluster_retention = retention_metrics("cluster", _groups(ids, points, "cluster_ids"), subsets)
        class_names = [None] * points.n if labels is None else labels
        by_class, class_retention = retention_metrics("class", _groups(class_names, points, "labels"), subsets)
        found += [by_cluster, by_class]
    metrics = {name: metric for section in found for name, metric in _metrics(section).items()}
    if stability is not None:
        metrics["stability"] = _stability(stability, len(kept), len(points.rows))
    return CoresetReport(
        n=len(points.rows),
        kept=len(kept),
        metrics=metrics,
        clusters=cluster_retention,
        classes=class_retention,
        warnings=_warnings(metrics, cluster_retention, class_retention),
        notes=_notes(points, kept, rows, radius, duplicate_radius),
        settings={
            "coverage_radius": radius,
            "near_duplicate_radius": duplicate_radius,
            "normalize": points.normalize,
            "seed": seed,
        },
    )


def _groups(values: Sequence[Any] | np.ndarray, points: Points, name: str) -> Groups:
    """Groups of the images that have an embedding."""
    if len(values) != points.n:
        raise CoresetError(f"{name}: {len(values)} values for {points.n} embedding rows; give one for every row")
    return Groups.of(values, points.rows)


def _metrics(section: list[Metrics]) -> dict[str, Metric]:
    """Sets the selection's metrics beside those of the random subsets."""
    if not section:
        return {}
    selection, *randoms = section
    return {
        name: Metric(value, RandomBand.of([f[name] for f in randoms]) if randoms else None, *MEANING[name])
        for name, value in selection.items()
    }


def _stability(stability: float, kept: int, n: int) -> Metric:
    """Two random subsets share k/n of their images, give or take the hypergeometric distribution."""
    share = kept / n
    sd = (share * (1 - share) ** 2 / kept) ** 0.5
    return Metric(float(stability), RandomBand(share, sd, 0), *MEANING["stability"])


def _warnings(metrics: dict[str, Metric], cluster: Retention | None, classes: Retention | None) -> list[str]:
    """What a person should look at before labelling."""
    found = []
    for kind, plural, part in (("cluster", "clusters", cluster), ("class", "classes", classes)):
        if part is None or not part.starved:
            continue
        worst = part.starved[0]
        at = part.names.index(worst)
        found.append(
            f"{len(part.starved)} of {len(part.names)} {plural} keep less than a third of their fair share, "
            f"e.g. {kind} {worst}: {part.kept[at]:,} of {part.total[at]:,}, fair {part.fair[at]:.0f}; "
            f"look at them or select with a quota by {kind}"
        )
    if found and metrics["distance_95"].verdict == "better":
        found.append("the 95 % distance is better than random although parts are starved; it alone says little")
    if metrics["near_duplicate_rate"].verdict == "worse":
        rate = metrics["near_duplicate_rate"]
        found.append(
            f"{rate.value:.1%} of the kept ones have a kept near-duplicate, in random subsets "
            f"{rate.random_mean:.1%}; drop near-duplicates first"
        )
    return found


def _notes(points: Points, kept: np.ndarray, rows: np.ndarray, radius: float, duplicate_radius: float) -> list[str]:
    """How the metrics were computed."""
    kind = "between unit-length vectors" if points.normalize else "Euclidean, as embedded"
    notes = [f"Distances {kind}; coverage radius {radius:.3g}, near-duplicate radius {duplicate_radius:.3g}."]
    if len(rows) < len(points.rows):
        error = 0.5 * ((1 / len(rows)) * (1 - len(rows) / len(points.rows))) ** 0.5
        notes.append(
            f"Coverage from {len(rows):,} sampled rows: standard error of a share at most {error:.2%}; "
            "the largest distance is a lower bound."
        )
    if len(kept) > EXACT_ROWS:
        notes.append(f"Near-duplicates from {EXACT_ROWS // 4:,} sampled kept rows; their groups were not counted.")
    notes.append("Random: mean ± SD over random subsets of this size; better or worse than 99.7 % of them.")
    return notes
