"""Where labels are missing: clusters of the pool, or classes, by their size and the error that is expected there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..dataset.embeddings import Embeddings, EmbeddingSource
from ..dataset.rows import Rows
from ..dataset.shown import view_of
from ..dataset.tags import tag_rows
from ..diagnostics.tables import Content, html_card, percent, text_card
from ..errors import CoresetError
from ..vectors.kmeans import kmeans
from ..vectors.neighbors import unit_rows
from ..vectors.radius import coverage_radius
from .coverage import known_radii, within
from .model import light_head
from .row_values import latest, placed, places, predicted_classes
from .standing import OFF_TOPIC, Standing, read_standing

if TYPE_CHECKING:
    from fiftyone.core.view import DatasetView

    from .campaign import RoundsResults

#: Test images in a cluster from which on they tell its error; of fewer, the 95 % interval spans half of all errors.
_ENOUGH_TESTED = 10
#: Labels from which on a part could have been learned, the share of the overall accuracy below which it is not, and the
#: rounds in which that should have changed (after Karamcheti et al., ACL 2021).
_ENOUGH_LABELS, _NOT_LEARNED, _ROUNDS = 10, 0.5, 2


@dataclass(frozen=True)
class WeakSpot:
    """A cluster of the pool, or a class.

    Attributes:
        ids: ids of its rows without label
        share: its share of the rows without label
        n_labels: labels in it, test images not counted
        n_tested: labelled test images in it
        accuracy: the share of them that the last recorded model got right, None without any
        interval: 95 % interval of that (Wilson 1927)
        expected_error: 1 - accuracy where there are ten test images, else 1 - mean confidence; None if neither is known
        covered: share of its rows without label that lie within the coverage radius of a label
        uncertainty: mean uncertainty of its rows without label at the last batch, None if it is not known
        classes: what the model predicts there, most frequent first
        not_learned: whether ten labels and more, over two rounds, have not brought a light head to half of its accuracy
            elsewhere: the images may show none of the classes, or their labels may be wrong
    """

    ids: list[str]
    share: float
    n_labels: int
    n_tested: int
    accuracy: float | None
    interval: tuple[float, float] | None
    expected_error: float | None
    covered: float
    uncertainty: float | None
    classes: list[str]
    not_learned: bool = False

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
        skip: the tags of what the campaign does not ask for
    """

    spots: list[WeakSpot]
    samples: object
    noun: str
    patches_field: str | None
    skip: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.spots)

    def view(self, place: int) -> DatasetView:
        """The rows without label of a spot.

        Args:
            place: from 0, the weakest

        Raises:
            CoresetError: if there is no such spot
        """
        ids = self._spot(place).ids
        return view_of(Rows(self.samples, self.patches_field), ids)

    def leave_out(self, place: int, tag: str = OFF_TOPIC) -> list[str]:
        """Tags the rows without label of a spot, so that no batch asks for them.

        Args:
            place: from 0, the weakest
            tag ("off_topic"): one of the campaign's tags to skip. By ``"off_topic"`` the light head also learns what
                not to ask for

        Returns:
            the ids that did not carry the tag before

        Raises:
            CoresetError: if there is no such spot, or the campaign asks for images with this tag
        """
        ids = self._spot(place).ids
        if tag not in self.skip:
            known = ", ".join(map(repr, self.skip)) or "none"
            raise CoresetError(f"the tag {tag!r} leaves nothing out of these rounds; their tags to skip are: {known}")
        return tag_rows(Rows(self.samples, self.patches_field), ids, tag)

    def _spot(self, place: int) -> WeakSpot:
        if not 0 <= place < len(self.spots):
            raise CoresetError(f"there is no weak spot {place}; there are {len(self.spots)}, from 0")
        return self.spots[place]

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
            unsure = "-" if spot.uncertainty is None else f"{spot.uncertainty:.2f}"
            labels += " (not learned)" if spot.not_learned else ""
            rows.append([str(place), percent(spot.share), labels, percent(spot.covered), unsure, tested, error, shown])
        header = (
            "spot",
            "of the pool",
            "labels",
            "covered",
            "uncertainty",
            "right on test",
            "expected error",
            "predicted",
        )
        note = f"Of the {self.noun} without label; most expected errors first."
        if any(spot.not_learned for spot in self.spots):
            note += " What is not learned may be off-topic: leave_out() tags it, or look for suspicious labels in it."
        return "Weak spots", header, rows, note


def find_weak_spots(results: RoundsResults, n_clusters: int = 20, seed: int = 0, by: str = "cluster") -> WeakSpots:
    """Divides the pool into clusters or classes and orders them by the errors that are expected there.

    Args:
        results: a campaign with a recorded round
        n_clusters (20): clusters of the embeddings
        seed (0): the random seed
        by ("cluster"): ``"cluster"`` or ``"class"``: the label, or without one the predicted class

    Returns:
        the parts that hold rows without label

    Raises:
        CoresetError: if embeddings were given as an array, everything has a label, or no class was predicted
    """
    if by not in ("cluster", "class"):
        raise CoresetError(f"by must be 'cluster' or 'class', got {by!r}")
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
    covered = np.zeros(len(rows), dtype=bool)
    known = known_radii(results)
    radius = coverage_radius(unit, seed=seed) if known is None else known[0]
    covered[used] = within(unit, unit[standing.labelled[used]], radius)
    here = places(results.ids, standing.ids)
    correct = placed(latest(results, "correct", -1), here, -1)
    confidence = placed(latest(results, "confidence", np.nan), here, np.nan)
    unsure = placed(results.uncertainty, here, np.nan)
    classes = predicted_classes(results)
    predicted = np.full(len(rows), None) if classes is None else placed(classes, here, None)
    if by == "class":
        clusters = _by_class(results, standing, predicted)
    else:
        clusters = np.full(len(rows), -1)
        clusters[used] = kmeans(unit, min(n_clusters, len(used)), seed=seed)[0]
    asked = placed(results.round, here, -1)
    unlearned = _not_learned(standing, found, clusters, asked, results.history[-1].number, seed)
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
        doubt = unsure[pool & np.isfinite(unsure)]
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
                uncertainty=float(doubt.mean()) if len(doubt) else None,
                classes=names[np.argsort(-counts, kind="stable")].tolist(),
                not_learned=number in unlearned,
            )
        )
    spots.sort(key=lambda spot: -spot.weight)
    return WeakSpots(spots, results.samples, rows.noun, config.patches_field, tuple(config.skip))


def _by_class(results: RoundsResults, standing: Standing, predicted: np.ndarray) -> np.ndarray:
    """(n,) number of the class of every row, -1 for none."""
    names = [
        label if label is not None else guess for label, guess in zip(standing.labels, predicted.tolist(), strict=True)
    ]
    if all(guess is None for guess in predicted.tolist()):
        raise CoresetError(f"'{results.key}' has no predictions yet, so it has no weak classes; ask for another batch")
    place = {name: number for number, name in enumerate(sorted({name for name in names if name is not None}))}
    return np.array([-1 if name is None else place[name] for name in names])


def _not_learned(
    standing: Standing, found: Embeddings, clusters: np.ndarray, asked: np.ndarray, last: int, seed: int
) -> set[int]:
    """The clusters in which a light head stays bad, out of its folds, as it was two rounds ago."""
    if standing.boxes is not None:
        return set()
    bad = None
    for before in (last + 1, last + 1 - _ROUNDS):  # asked for by the last round, or by the one two rounds before it
        model = light_head(standing, found, seed, asked < before)
        if model.head is None or before < 1:
            return set()
        head = model.head
        right, there = head.out_of_fold.argmax(axis=1) == head.targets, clusters[head.labelled]
        now = {
            int(number)
            for number in np.unique(there[there >= 0])
            if (there == number).sum() >= _ENOUGH_LABELS and right[there == number].mean() < _NOT_LEARNED * right.mean()
        }
        bad = now if bad is None else bad & now
        if not bad:
            break
    return bad or set()


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
