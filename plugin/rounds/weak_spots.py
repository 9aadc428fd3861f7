"""Where labels are missing: parts of the pool by their size and the error that is expected there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..dataset.embeddings import EmbeddingSource
from ..dataset.rows import Rows
from ..diagnostics.tables import Content, html_card, percent, text_card
from ..errors import CoresetError
from ..vectors.kmeans import kmeans
from ..vectors.neighbors import unit_rows
from ..vectors.radius import coverage_radius
from .coverage import within
from .row_values import latest, placed, places, predicted_classes
from .standing import read_standing

if TYPE_CHECKING:
    from fiftyone.core.view import DatasetView

    from .campaign import RoundsResults

#: Test images in a cluster from which on they tell its error; of fewer, the 95 % interval spans half of all errors.
_ENOUGH_TESTED = 10


@dataclass(frozen=True)
class WeakSpot:
    """A cluster of the pool.

    Attributes:
        ids: ids of its rows without label
        share: its share of the rows without label
        n_labels: labels in it, test images not counted
        n_tested: labelled test images in it
        accuracy: the share of them that the last recorded model got right, None without any
        interval: 95 % interval of that (Wilson 1927)
        expected_error: 1 - accuracy where there are ten test images, else 1 - mean confidence; None if neither is known
        covered: share of its rows without label that lie within the coverage radius of a label
        classes: what the model predicts there, most frequent first
    """

    ids: list[str]
    share: float
    n_labels: int
    n_tested: int
    accuracy: float | None
    interval: tuple[float, float] | None
    expected_error: float | None
    covered: float
    classes: list[str]

    @property
    def weight(self) -> float:
        """Share of the pool that is expected to be wrong because of it."""
        return self.share * (self.expected_error if self.expected_error is not None else 1 - self.covered)


@dataclass(frozen=True)
class WeakSpots:
    """Clusters of the pool, those with most expected errors first; print it.

    Attributes:
        spots: the clusters
        samples: the collection
        noun: what they hold, in messages
        patches_field: the label field whose objects they hold, or None
    """

    spots: list[WeakSpot]
    samples: object
    noun: str
    patches_field: str | None

    def __len__(self) -> int:
        return len(self.spots)

    def view(self, place: int) -> DatasetView:
        """The rows without label of a spot.

        Args:
            place: from 0, the weakest

        Raises:
            CoresetError: if there is no such spot
        """
        if not 0 <= place < len(self.spots):
            raise CoresetError(f"there is no weak spot {place}; there are {len(self.spots)}, from 0")
        return Rows(self.samples, self.patches_field).as_patches().samples.select(self.spots[place].ids)

    def __str__(self) -> str:
        return text_card([self._card()])

    def _repr_html_(self) -> str:
        return html_card([self._card()])

    def __repr__(self) -> str:
        return f"<WeakSpots: {len(self)} clusters; print it to read it>"

    def _card(self) -> Content:
        rows = []
        for place, spot in enumerate(self.spots):
            tested = "-"
            if spot.accuracy is not None and spot.interval is not None:
                low, high = (f"{value:.0%}" for value in spot.interval)
                tested = f"{spot.accuracy:.0%} of {spot.n_tested} ({low} to {high})"
            error = "-" if spot.expected_error is None else percent(spot.expected_error)
            labels, shown = f"{spot.n_labels:,}", ", ".join(spot.classes[:3])
            rows.append([str(place), percent(spot.share), labels, percent(spot.covered), tested, error, shown])
        header = ("spot", "of the pool", "labels", "covered", "right on test", "expected error", "predicted")
        return "Weak spots", header, rows, f"Of the {self.noun} without label; most expected errors first."


def find_weak_spots(results: RoundsResults, n_clusters: int = 20, seed: int = 0) -> WeakSpots:
    """Divides the pool into clusters and orders them by the errors that are expected there.

    Args:
        results: a campaign with a recorded round
        n_clusters (20): clusters of the embeddings
        seed (0): the random seed

    Returns:
        the clusters that hold rows without label

    Raises:
        CoresetError: if embeddings were given as an array, or everything has a label
    """
    config = results.config
    if config.embeddings is None:
        raise CoresetError(
            f"'{results.key}' was given vectors, which are not stored; weak spots need a field of embeddings"
        )
    rows = Rows(results.samples, config.patches_field)
    standing = read_standing(rows, config.label_field, config.test, config.skip)
    found = EmbeddingSource.of(config.embeddings).load(rows)
    free = ~standing.has_label & ~standing.skipped & ~standing.test & found.valid
    if not free.any():
        raise CoresetError(f"all {len(rows):,} {rows.noun} have a label; there are no weak spots to label")
    used = np.flatnonzero(found.valid)
    unit = unit_rows(found.matrix[used])[0]
    clusters = np.full(len(rows), -1)
    clusters[used] = kmeans(unit, min(n_clusters, len(used)), seed=seed)[0]
    covered = np.zeros(len(rows), dtype=bool)
    covered[used] = within(unit, unit[standing.labelled[used]], coverage_radius(unit, seed=seed))
    here = places(results.ids, standing.ids)
    correct = placed(latest(results, "correct", -1), here, -1)
    confidence = placed(latest(results, "confidence", np.nan), here, np.nan)
    classes = predicted_classes(results)
    predicted = np.full(len(rows), None) if classes is None else placed(classes, here, None)
    spots = []
    for number in range(int(clusters.max()) + 1):
        mine = clusters == number
        pool = mine & free
        if not pool.any():
            continue
        tested = correct[mine & (correct >= 0)]
        accuracy = float(tested.mean()) if len(tested) else None
        known = confidence[pool & np.isfinite(confidence)]
        error = 1 - float(known.mean()) if len(known) else None
        if accuracy is not None and len(tested) >= _ENOUGH_TESTED:
            error = 1 - accuracy
        names, counts = np.unique([name for name in predicted[pool] if name is not None], return_counts=True)
        spots.append(
            WeakSpot(
                ids=standing.ids[pool].tolist(),
                share=float(pool.sum() / free.sum()),
                n_labels=int((mine & standing.labelled).sum()),
                n_tested=len(tested),
                accuracy=accuracy,
                interval=None if accuracy is None else wilson_interval(int(tested.sum()), len(tested)),
                expected_error=error,
                covered=float(covered[pool].mean()),
                classes=names[np.argsort(-counts, kind="stable")].tolist(),
            )
        )
    spots.sort(key=lambda spot: -spot.weight)
    return WeakSpots(spots, results.samples, rows.noun, config.patches_field)


def wilson_interval(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The interval of a share that holds it in 95 % of cases, also near 0 and 1 (Wilson 1927).

    Args:
        right: successes
        n: trials
        z (1.96): normal quantile

    Examples:
        >>> tuple(round(end, 3) for end in wilson_interval(9, 10))
        (0.596, 0.982)
    """
    share = right / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)
