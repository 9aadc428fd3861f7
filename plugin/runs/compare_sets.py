"""``compare_sets``: what of one set of images has nothing like it in another, and what is in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.embeddings import DEFAULT_FIELD
from ..dataset.shown import view_of
from ..diagnostics.balance import clusters
from ..diagnostics.sets import SetCoverage, set_coverage
from ..diagnostics.tables import Content, html_card, markdown_card, number, percent, text_card
from ..errors import CoresetError
from ..progress import ProgressCallback, part_of, reporting
from ..requirements import check_count, require
from ..seeds import check_seed
from ..vectors.points import Points
from ..vectors.radius import comparison_radii
from .near_duplicates import KINDS, PAIR, told_without
from .two_sets import TwoSets

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView

    from ..vectors.near_copies import NearCopies

#: Regions that tables name; those with most uncovered images.
_NAMED_REGIONS = 10


@dataclass(frozen=True)
class Part:
    """A class or a region of two sets.

    Attributes:
        name: the class, or the number of the region
        a: images of the first set in it
        b: images of the second one
        uncovered: images of the second set in it that have nothing like them in the first
    """

    name: Any
    a: int
    b: int
    uncovered: int

    @property
    def share(self) -> float:
        """The uncovered share of the images of the second set."""
        return self.uncovered / self.b if self.b else 0.0


@dataclass(frozen=True, repr=False)
class ComparedSets:
    """Two sets side by side; prints as tables in a terminal and in a notebook.

    Attributes:
        names: what the sets are called
        of_b: what of b is covered by a
        of_a: what of a is covered by b
        by_class: the classes of b, most uncovered images first; empty without labels
        by_region: the regions of b, likewise; regions are clusters of both sets' images
        region: (n,) region of every row, -1 without an embedding
        pairs: a structured array of images that are in both sets: near-copies, then look-alikes, nearest first, with
            the columns ``id_a``, ``id_b``, ``distance``, ``agreement``, ``probability`` and ``kind`` of
            :func:`~fiftyone_coreset.near_duplicates`
        has_fingerprints: whether near-copies could be told from look-alikes
        without_fingerprint: images of both sets without a fingerprint, whose copies count as look-alikes
        read: the rows of both sets

    Examples:
        >>> compared = fc.compare_sets(dataset.match_tags("train"), dataset.match_tags("street"))
        >>> len(compared.uncovered_view())
        2
    """

    names: tuple[str, str]
    of_b: SetCoverage
    of_a: SetCoverage
    by_class: list[Part]
    by_region: list[Part]
    region: np.ndarray
    pairs: np.ndarray
    has_fingerprints: bool
    without_fingerprint: int
    read: TwoSets

    def uncovered_view(self, of: str = "b", region: int | None = None) -> DatasetView:
        """What has nothing like it in the other set, most uncovered first.

        Args:
            of ("b"): whose images: ``"b"``, or ``"a"`` for the reverse
            region (None): the region they lie in, see ``by_region``; all by default

        Raises:
            CoresetError: if there is no such set or region

        Examples:
            >>> compared = fc.compare_sets(dataset.match_tags("train"), dataset.match_tags("street"))
            >>> len(compared.uncovered_view()), len(compared.uncovered_view(of="a"))
            (2, 9)
        """
        if of not in ("a", "b"):
            raise CoresetError(f'of= must be "a" or "b", got {of!r}')
        if region is not None and region not in self.region:
            raise CoresetError(f"there is no region {region!r}; by_region names those there are")
        rows = (self.of_b if of == "b" else self.of_a).uncovered
        return self._view(rows if region is None else rows[self.region[rows] == region], of)

    def leaks(self, *kinds: str) -> DatasetView:
        """The images of b that repeat one of a; ``pairs`` says which.

        Args:
            *kinds: ``"exact"``, ``"near-copy"`` or ``"look-alike"``; by default the former two, which the pixels tell

        Raises:
            CoresetError: if there is no such kind

        Examples:
            >>> odd, even = dataset.match({"camera": "a"}), dataset.match({"camera": "b"})
            >>> len(fc.compare_sets(odd, even).leaks())
            6
        """
        for kind in kinds:
            if kind not in KINDS:
                raise CoresetError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        ids = self.pairs["id_b"][np.isin(self.pairs["kind"], kinds or KINDS[:2])].tolist()
        return view_of(self.read.sets[1], ids, ordered=True)

    def table(self) -> list[dict[str, Any]]:
        """A row for every class and region of b, e.g. for ``pandas.DataFrame(compared.table())``.

        Examples:
            >>> compared = fc.compare_sets(dataset.match_tags("train"), dataset.match_tags("street"))
            >>> len(compared.table()) > 0
            True
        """
        return [
            {"by": by, "name": one.name, "a": one.a, "b": one.b, "uncovered": one.uncovered, "share": one.share}
            for by, parts in (("class", self.by_class), ("region", self.by_region))
            for one in parts
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts.

        Examples:
            >>> compared = fc.compare_sets(dataset.match_tags("train"), dataset.match_tags("street"))
            >>> compared.to_dict()["names"]
            ['a', 'b']
        """
        return {
            "names": list(self.names),
            "sizes": [len(self.of_a.rows), len(self.of_b.rows)],
            "coverage_radius": self.of_b.radius,
            "coverage_of_b": self.of_b.coverage.to_dict(),
            "coverage_of_a": self.of_a.coverage.to_dict(),
            "pairs": {kind: int(np.sum(self.pairs["kind"] == kind)) for kind in KINDS},
            "has_fingerprints": self.has_fingerprints,
            "without_fingerprint": self.without_fingerprint,
            "table": self.table(),
        }

    def summary(self) -> str:
        """What was found, in sentences.

        Examples:
            >>> print(fc.compare_sets(dataset.match_tags("train"), dataset.match_tags("street")).summary())
            Of 20 images of b, 2 (10.0 %) have nothing like them in a...
        """
        (a, b), noun = self.names, self.read.sets[0].noun
        text = " ".join(
            self._covered(found, here, there) for found, here, there in ((self.of_b, b, a), (self.of_a, a, b))
        )
        worst = [f"'{one.name}' {percent(one.share)} of {one.b:,}" for one in self.by_class[:3] if one.uncovered]
        if worst:
            text += f" Classes of {b} with most of them: {', '.join(worst)}."
        count = {kind: int(np.sum(self.pairs["kind"] == kind)) for kind in KINDS}
        if self.has_fingerprints:
            copies = count["exact"] + count["near-copy"]
            text += f" {copies:,} {noun} of {b} are near-copies of one in {a} (leaks, {count['exact']:,} exact)"
            text += f", {count['look-alike']:,} more are look-alikes."
        else:
            text += f" {count['look-alike']:,} {noun} of {b} are look-alikes of one in {a}."
        return text + told_without(self.without_fingerprint, len(self.of_a.rows) + len(self.of_b.rows), noun)

    def _covered(self, found: SetCoverage, here: str, there: str) -> str:
        """What of a set is uncovered, beside random splits."""
        coverage, total = found.coverage, len(found.rows)
        text = (
            f"Of {total:,} {self.read.sets[0].noun} of {here}, {len(found.uncovered):,} "
            f"({percent(1 - coverage.value)}) have nothing like them in {there}"
        )
        band = coverage.random
        if band is None:
            return f"{text}."
        low, high = max(0.0, 1 - band.mean - band.width), min(1.0, 1 - band.mean + band.width)
        return f"{text}; in random splits of these sizes it is {percent(low)} to {percent(high)}."

    def _view(self, rows: np.ndarray, of: str) -> DatasetView:
        return view_of(self.read.sets["ab".index(of)], self.read.ids[rows].tolist(), ordered=True)

    def __str__(self) -> str:
        return text_card(self._tables(), [self.summary()])

    def _repr_html_(self) -> str:
        return html_card(self._tables(), [self.summary()])

    def to_markdown(self) -> str:
        """The tables as Markdown.

        Examples:
            >>> print(fc.compare_sets(dataset.match_tags("train"), dataset.match_tags("street")).to_markdown())
            **Regions of b**...
        """
        return markdown_card(self._tables(), [self.summary()])

    def __repr__(self) -> str:
        return f"<ComparedSets: {self.names[0]} and {self.names[1]}; print it to read it>"

    def _tables(self) -> list[Content]:
        a, b = self.names
        header = ("", f"in {a}", f"in {b}", "uncovered", "share of them", "")
        found = [("Classes", self.by_class), ("Regions", self.by_region[:_NAMED_REGIONS])]
        caption = (
            f"Uncovered: {b} has images with none of {a} within the coverage radius, {number(self.of_b.radius)}. A "
            "region is a cluster of the images of both; uncovered_view(region=...) shows one."
        )
        return [
            (
                f"{title} of {b}",
                header,
                [
                    [str(one.name), f"{one.a:,}", f"{one.b:,}", f"{one.uncovered:,}", percent(one.share), ""]
                    for one in parts
                ],
                caption if title == "Regions" else "",
            )
            for title, parts in found
            if parts
        ]


def compare_sets(
    a: SampleCollection,
    b: SampleCollection,
    embeddings: Any = DEFAULT_FIELD,
    *,
    similarity_index: Any = None,
    label_field: str | None = None,
    names: Sequence[str] = ("a", "b"),
    n_random: int = 10,
    seed: int = 0,
    num_workers: int | None = None,
    progress: bool | ProgressCallback | None = None,
) -> ComparedSets:
    """Asks whether one set of images, e.g. for training, covers another one, e.g. from where a model is used.

    An image of b is covered if one of a lies within the coverage radius, which is that of all images of both. How much
    would be uncovered by chance say random splits of all images into two sets of these sizes. Images that are in both
    sets, near-copies by their fingerprints, are leaks; look-alikes are counted apart.

    Args:
        a: a dataset or view; ``to_patches()`` views compare objects
        b: another one, of the same dataset or of another, without images of a
        embeddings ("clip_embeddings"): a field or index that both have, several of these within one dataset, or a dict
            from id to vector
        similarity_index (None): the brain key of a similarity index, or a loaded one, instead of ``embeddings``
        label_field (None): a label field, to see which classes are uncovered
        names ("a", "b"): what to call the sets
        n_random (10): random splits, at least 2
        seed (0): of the splits, the regions and the neighbour search
        num_workers (None): threads; the result does not depend on it
        progress (None): a bar (True/False), a function ``(fraction, message)``, or FiftyOne's default (None)

    Returns:
        a :class:`ComparedSets`

    Raises:
        CoresetError: if a set is empty, they share images, or their embeddings do not compare

    Examples:
        >>> compared = fc.compare_sets(dataset.match_tags("train"), dataset.match_tags("street"))
        >>> print(compared.summary())
        Of 20 images of b, 2 (10.0 %) have nothing like them in a...
    """
    require(("numba", "sklearn"))
    seed = check_seed(seed)
    check_count("num_workers", num_workers, 1)
    if len(names) != 2 or names[0] == names[1]:
        raise CoresetError(f"names must be two different names, got {tuple(names)!r}")
    if n_random < 2:
        raise CoresetError(f"n_random={n_random}: a random band needs at least 2 splits")
    with reporting(progress, "Comparing sets") as tell:
        tell(0.0, "reading embeddings")
        read = TwoSets.read(a, b, embeddings, similarity_index)
        labels = read.labels(label_field)
        points = Points(read.matrix)
        radius, duplicate_radius = comparison_radii(points, None, None, seed)
        rows = [np.flatnonzero(read.valid & (read.second == second)) for second in (False, True)]
        options = {"n_random": n_random, "seed": seed}
        of_b = set_coverage(points, rows[1], rows[0], radius, report=part_of(tell, 0.1, 0.4), **options)
        of_a = set_coverage(points, rows[0], rows[1], radius, report=part_of(tell, 0.4, 0.7), **options)
        region = clusters(points, seed=seed)
        tell(0.8, "looking for what is in both")
        copies = read.copies(seed, num_workers)
        pairs = _pairs(read, of_b, duplicate_radius, copies)
    return ComparedSets(
        names=(names[0], names[1]),
        of_b=of_b,
        of_a=of_a,
        by_class=[] if labels is None else _parts(np.array(labels, dtype=object), read, of_b),
        by_region=_parts(region, read, of_b),
        region=region,
        pairs=pairs,
        has_fingerprints=copies is not None,
        without_fingerprint=int((read.valid if copies is None else read.valid & ~copies.known).sum()),
        read=read,
    )


def _parts(values: np.ndarray, read: TwoSets, of_b: SetCoverage) -> list[Part]:
    """The classes or regions of the second set, those with most uncovered rows first; rows of no class do not count."""
    uncovered = np.zeros(len(values), dtype=bool)
    uncovered[of_b.uncovered] = True
    found = []
    for name in sorted({value for value in values[of_b.rows].tolist() if value is not None and value != -1}):
        of = (values == name) & read.valid
        counts = (of & ~read.second).sum(), (of & read.second).sum(), (of & uncovered).sum()
        found.append(Part(name, *map(int, counts)))
    return sorted(found, key=lambda part: (-part.uncovered, -part.share))


def _pairs(read: TwoSets, of_b: SetCoverage, duplicate_radius: float, copies: NearCopies | None) -> np.ndarray:
    """Rows of the second set that repeat one of the first: near-copies first, then what is only close."""
    partner, kind = of_b.nearest.copy(), np.where(of_b.distance <= duplicate_radius, "look-alike", "").astype("U10")
    agreement = np.full(len(partner), np.nan)
    probability = agreement.copy()
    if copies is not None:
        first = _nearest_of_group(read, copies.groups, of_b)
        told = first >= 0
        partner[told] = first[told]
        rows = of_b.rows[told]
        agreement[told], probability[told] = copies.agreement[rows], copies.probability[rows]
        same = copies.exact[rows] & copies.exact[first[told]]
        kind[told] = np.where(same, "exact", "near-copy")
    chosen = np.flatnonzero(kind != "")
    distance = Points(read.matrix).distance(of_b.rows[chosen], partner[chosen])
    order = np.lexsort((distance, kind[chosen] == "look-alike"))
    pairs = np.empty(len(chosen), dtype=PAIR)
    pairs["id_a"], pairs["id_b"] = read.ids[partner[chosen]], read.ids[of_b.rows[chosen]]
    pairs["distance"], pairs["kind"] = distance, kind[chosen]
    pairs["agreement"], pairs["probability"] = agreement[chosen], probability[chosen]
    return pairs[order]


def _nearest_of_group(read: TwoSets, groups: np.ndarray, of_b: SetCoverage) -> np.ndarray:
    """(m,) for rows of the second set the nearest row of the first in their group of near-copies, -1 if none."""
    members: dict[int, list[int]] = {}
    for row in np.flatnonzero(read.valid & ~read.second).tolist():
        members.setdefault(int(groups[row]), []).append(row)
    points = Points(read.matrix)
    found = np.full(len(of_b.rows), -1, dtype=np.int64)
    for place, row in enumerate(of_b.rows.tolist()):
        candidates = np.array(members.get(int(groups[row]), []), dtype=np.int64)
        if len(candidates):
            found[place] = candidates[points.distance(np.full(len(candidates), row), candidates).argmin()]
    return found
