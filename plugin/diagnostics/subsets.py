"""Two or more selections of one collection side by side: what they share, and how well each does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..progress import ProgressCallback, part_of, reporting
from ..seeds import check_seed
from ..vectors.points import as_points
from ..vectors.radius import comparison_radii
from ..vectors.row_sets import usable_row_set
from .balance import clusters
from .report import CoresetReport, coreset_report
from .tables import Content, html_card, markdown_card, number, text_card

#: How a verdict is written beside a metric.
_MARKS = {"better": " +", "worse": " -", "like random": "", "": ""}


@dataclass(frozen=True)
class CoresetComparison:
    """Selections side by side; prints as tables in a terminal and in a notebook.

    Attributes:
        selected: name -> (k,) kept rows, in the order given
        reports: name -> :class:`CoresetReport`, all with one coverage radius, near-duplicate radius and clustering
        n: images with an embedding

    Examples:
        >>> compared = fc.compare_subsets(embeddings, {"a": [0, 1, 2, 3], "b": [2, 3, 4, 5]})
        >>> compared.shared_counts.tolist()
        [[4, 2], [2, 4]]
        >>> round(float(compared.jaccard[0, 1]), 2)
        0.33
    """

    selected: dict[str, np.ndarray]
    reports: dict[str, CoresetReport]
    n: int

    @property
    def names(self) -> list[str]:
        """Names of the selections."""
        return list(self.selected)

    @property
    def shared_counts(self) -> np.ndarray:
        """(s, s) images that both selections keep; the diagonal holds their sizes."""
        sets = self.selected.values()
        return np.array([[len(np.intersect1d(one, other)) for other in sets] for one in sets])

    @property
    def overlap(self) -> np.ndarray:
        """(s, s) share of the row's selection that the column's keeps too; chance is the column's share of all."""
        shared = self.shared_counts
        return shared / np.diag(shared)[:, None]

    @property
    def jaccard(self) -> np.ndarray:
        """(s, s) images in both selections over images in either."""
        shared = self.shared_counts
        sizes = np.diag(shared)
        return shared / (sizes[:, None] + sizes[None] - shared)

    def only(self, name: str) -> np.ndarray:
        """Rows that one selection keeps and every other drops, in its order.

        Examples:
            >>> fc.compare_subsets(embeddings, {"a": [0, 1, 2, 3], "b": [2, 3, 4, 5]}).only("a").tolist()
            [0, 1]
        """
        return _without(self._rows(name), [rows for other, rows in self.selected.items() if other != name])

    def dropped_by(self, name: str) -> np.ndarray:
        """Rows that every other selection keeps and this one drops, ascending.

        Examples:
            >>> fc.compare_subsets(embeddings, {"a": [0, 1, 2, 3], "b": [2, 3, 4, 5]}).dropped_by("a").tolist()
            [4, 5]
        """
        mine = self._rows(name)
        others = [rows for other, rows in self.selected.items() if other != name]
        return _without(_common(others), [mine])

    def shared(self) -> np.ndarray:
        """Rows that all selections keep, ascending.

        Examples:
            >>> fc.compare_subsets(embeddings, {"a": [0, 1, 2, 3], "b": [2, 3, 4, 5]}).shared().tolist()
            [2, 3]
        """
        return _common(list(self.selected.values()))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts.

        Examples:
            >>> sorted(fc.compare_subsets(embeddings, {"a": [0, 1], "b": [2, 3]}).to_dict())
            [...]
        """
        return {
            "n": self.n,
            "names": self.names,
            "overlap": self.overlap.tolist(),
            "jaccard": self.jaccard.tolist(),
            "only": {name: len(self.only(name)) for name in self.names},
            "dropped_by": {name: len(self.dropped_by(name)) for name in self.names},
            "shared": len(self.shared()),
            "reports": {name: report.to_dict() for name, report in self.reports.items()},
        }

    @property
    def warnings(self) -> list[str]:
        """What to look at, selection by selection."""
        return [f"{name}: {text}" for name, report in self.reports.items() for text in report.warnings]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {', '.join(self.names)} on {self.n:,} rows; print it to read it>"

    def __str__(self) -> str:
        return text_card(self._tables(), self.warnings)

    def _repr_html_(self) -> str:
        return html_card(self._tables(), self.warnings)

    def to_markdown(self) -> str:
        """The tables as Markdown.

        Examples:
            >>> print(fc.compare_subsets(embeddings, {"a": [0, 1], "b": [2, 3]}).to_markdown())
            **Overlap: share of the row's images that the column keeps too**...
        """
        return markdown_card(self._tables(), self.warnings)

    def _rows(self, name: str) -> np.ndarray:
        if name not in self.selected:
            raise CoresetError(f"no selection '{name}' was compared; choose from {', '.join(self.names)}")
        return self.selected[name]

    def _tables(self) -> list[Content]:
        tables = [self._overlap_table(), self._metric_table()]
        if any(report.classes for report in self.reports.values()):
            tables.append(self._class_table())
        return tables

    def _overlap_table(self) -> Content:
        rows = []
        for name, shares in zip(self.names, self.overlap, strict=True):
            size, only = f"{len(self.selected[name]):,}", f"{len(self.only(name)):,}"
            rows.append([name, size, *(f"{share:.0%}" for share in shares), only])
        chance = ", ".join(f"{name} {len(rows) / self.n:.0%}" for name, rows in self.selected.items())
        header = ("keeps", "rows", *self.names, "only here")
        return "Overlap: share of the row's images that the column keeps too", header, rows, f"By chance: {chance}."

    def _metric_table(self) -> Content:
        metrics = dict.fromkeys(metric for report in self.reports.values() for metric in report.metrics)
        rows = []
        for metric in metrics:
            cells = [report.metrics.get(metric) for report in self.reports.values()]
            meaning = next(metric.explanation for metric in cells if metric)
            rows.append([metric, *(number(m.value) + _MARKS[m.verdict] if m else "-" for m in cells), meaning])
        caption = "+ better, - worse than 99.7 % of random subsets of the same size."
        return "Metrics", ("metric", *self.names, "meaning"), rows, caption

    def _class_table(self) -> Content:
        retained = {name: report.classes for name, report in self.reports.items() if report.classes}
        first = next(iter(retained.values()))
        rows = []
        for at, label in enumerate(first.names):
            ratios = (f"{one.kept[at]:,} ({number(float(one.ratio[at]))})" for one in retained.values())
            rows.append([str(label), f"{first.total[at]:,}", *ratios, ""])
        caption = "Rows kept of each class; in brackets over the fair number, 1 is proportional."
        return "Class drift", ("class", "rows", *retained, ""), rows, caption


def compare_subsets(
    embeddings: Any,
    selected: Mapping[str, Sequence[int] | np.ndarray],
    *,
    labels: Sequence[Any] | None = None,
    coverage_radius: float | None = None,
    near_duplicate_radius: float | None = None,
    n_random: int = 10,
    max_rows: int = 10_000,
    normalize: bool = True,
    seed: int = 0,
    progress: bool | ProgressCallback | None = False,
) -> CoresetComparison:
    """Compares selections of one collection: overlap, coverage, redundancy, distribution and class drift.

    Args:
        embeddings: (n, d) embeddings, or :class:`Points`
        selected: name -> kept rows, or an (n,) boolean mask; at least two
        labels (None): (n,) class of every image, ``None`` where unknown
        coverage_radius (None): distance within which an image counts as covered; read from the data by default
        near_duplicate_radius (None): distance within which two images are near-duplicates; likewise
        n_random (10): random subsets behind every band
        max_rows (10000): images whose coverage is evaluated; more are sampled
        normalize (True): whether distances are taken between unit-length vectors
        seed (0): of samples, clusters and random subsets
        progress (False): ``True`` for a bar, or a function ``(fraction, message)``

    Returns:
        a :class:`CoresetComparison`

    Raises:
        CoresetError: if there are fewer than two selections, or one cannot be used

    Examples:
        >>> compared = fc.compare_subsets(embeddings, {"zcore": results.kept(10), "first ten": range(10)})
        >>> compared.names
        ['zcore', 'first ten']
    """
    if len(selected) < 2:
        raise CoresetError(f"{len(selected)} selection given; a comparison needs at least two")
    seed = check_seed(seed)
    points = as_points(embeddings, normalize)
    kept = {name: usable_row_set(rows, points, name) for name, rows in selected.items()}
    radius, duplicate_radius = comparison_radii(points, coverage_radius, near_duplicate_radius, seed)
    ids = clusters(points, seed=seed)
    reports = {}
    with reporting(progress, "Comparing coresets") as report:
        for position, (name, rows) in enumerate(kept.items()):
            reports[name] = coreset_report(
                points,
                rows,
                labels=labels,
                cluster_ids=ids,
                coverage_radius=radius,
                near_duplicate_radius=duplicate_radius,
                n_random=n_random,
                max_rows=max_rows,
                seed=seed,
                progress=part_of(report, position / len(kept), (position + 1) / len(kept)),
            )
    return CoresetComparison(kept, reports, len(points.rows))


def _common(selections: list[np.ndarray]) -> np.ndarray:
    """Rows in every selection, ascending."""
    common = np.unique(selections[0])
    for rows in selections[1:]:
        common = np.intersect1d(common, rows)
    return common


def _without(rows: np.ndarray, others: list[np.ndarray]) -> np.ndarray:
    """Rows that no other selection has, in their order."""
    return rows[~np.isin(rows, np.concatenate(others))]
