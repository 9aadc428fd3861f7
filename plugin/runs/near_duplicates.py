"""``near_duplicates``: groups of images that show the same, with the evidence for each pair."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.decisions import read_decisions
from ..dataset.embeddings import DEFAULT_FIELD, Embeddings, EmbeddingSource
from ..dataset.followers import followers
from ..dataset.rows import Rows, counted, have_pixels, rows_of
from ..dataset.shown import view_of
from ..embeddings.fingerprint_field import read_fingerprints
from ..errors import CoresetError
from ..progress import ProgressCallback, reporting
from ..requirements import check_count, require
from ..seeds import check_seed

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView

    from ..vectors.near_copies import NearCopies

#: What a group, or a pair, can be: the same pixels, the same scene by its pixels, or close in the embedding only.
KINDS = ("exact", "near-copy", "look-alike")

PAIR = np.dtype(
    [
        ("id_a", "U24"),
        ("id_b", "U24"),
        ("distance", np.float32),
        ("agreement", np.float32),
        ("probability", np.float32),
        ("kind", "U10"),
    ]
)


@dataclass(frozen=True, repr=False)
class NearDuplicates:
    """Groups of near-duplicates; prints as a summary.

    Attributes:
        groups: lists of ids (of samples or objects), the representative first, the others by falling agreement with it
            (by distance among look-alikes); larger groups first
        kinds: the kind of each group: ``"exact"`` (the same pixels), ``"near-copy"`` (the same scene, told by the
            pixels) or ``"look-alike"`` (close in the embedding only)
        pairs: a structured array, one row for every member of a group and its representative, group after group, with
            the columns ``id_a`` (the representative), ``id_b``, ``distance`` (L2 between unit-norm embeddings),
            ``agreement`` (of the fingerprints, at most 1), ``probability`` (that the two are near-copies) and ``kind``;
            the latter two numbers are NaN among look-alikes. ``pandas.DataFrame(near.pairs)`` makes a table of it
        n: rows that were looked at
        noun: ``"images"`` or ``"objects"``
        false_alarm_rate: expected share of the links between near-copies that are false; None without fingerprints
        without_fingerprint: rows without a fingerprint, whose copies count as look-alikes
        samples: the collection
        patches_field: the label field whose objects were looked at, or None

    Examples:
        >>> near = fc.near_duplicates(dataset)
        >>> print(near)
        Of 60 images, 12 images are near-copies, in 6 groups...
    """

    groups: list[list[str]]
    kinds: list[str]
    pairs: np.ndarray
    n: int
    noun: str
    false_alarm_rate: float | None
    without_fingerprint: int
    samples: SampleCollection
    patches_field: str | None = None

    def __len__(self) -> int:
        return len(self.groups)

    def of_kind(self, *kinds: str) -> NearDuplicates:
        """The groups of some kinds, e.g. ``near.of_kind("exact", "near-copy")``.

        Raises:
            CoresetError: if there is no such kind

        Examples:
            >>> [len(group) for group in fc.near_duplicates(dataset).of_kind("near-copy").groups]
            [2, 2, 2, 2, 2, 2]
        """
        for kind in kinds:
            if kind not in KINDS:
                raise CoresetError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        chosen = [place for place, kind in enumerate(self.kinds) if kind in kinds]
        starts = np.cumsum([0, *(len(group) - 1 for group in self.groups)])
        pairs = [self.pairs[starts[place] : starts[place + 1]] for place in chosen]
        return dataclasses.replace(
            self,
            groups=[self.groups[place] for place in chosen],
            kinds=[self.kinds[place] for place in chosen],
            pairs=np.concatenate([self.pairs[:0], *pairs]),
        )

    def view(self, *kinds: str) -> DatasetView:
        """The members of the groups, group after group, the representative of each first.

        Args:
            *kinds: see :meth:`of_kind`; all by default

        Returns:
            a view of the samples, or of the objects

        Examples:
            >>> len(fc.near_duplicates(dataset).view("near-copy"))
            12
        """
        groups = (self.of_kind(*kinds) if kinds else self).groups
        ids = list(dict.fromkeys(row_id for group in groups for row_id in group))
        return view_of(Rows(self.samples, self.patches_field), ids, ordered=True)

    def summary(self) -> str:
        """What was found, in sentences.

        Examples:
            >>> print(fc.near_duplicates(dataset).summary())
            Of 60 images, 12 images are near-copies, in 6 groups...
        """
        count, sizes = Counter(self.kinds), Counter[str]()
        for group, kind in zip(self.groups, self.kinds, strict=True):
            sizes[kind] += len(group)
        words = {
            "exact": "exact copies",
            "near-copy": "near-copies",
            "look-alike": "look-alikes, which are close in the embedding only",
        }
        found = [
            f"{sizes[kind]:,} {self.noun} are {words[kind]}, in {counted(count[kind], 'groups')}"
            for kind in KINDS
            if count[kind]
        ]
        text = f"Of {self.n:,} {self.noun}, {'; '.join(found) if found else 'none has a near-duplicate'}."
        if self.false_alarm_rate is not None and (count["exact"] or count["near-copy"]):
            text += f" About {self.false_alarm_rate:.1%} of the links between copies are expected to be false."
        return text + told_without(self.without_fingerprint, self.n, self.noun)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<NearDuplicates: {counted(len(self), 'groups')}; print it to read it>"


def near_duplicates(
    samples: SampleCollection,
    embeddings: Any = DEFAULT_FIELD,
    *,
    similarity_index: Any = None,
    prefer: str = "central",
    distinct: Iterable[tuple[str, str]] = (),
    seed: int = 0,
    num_workers: int | None = None,
    progress: bool | ProgressCallback | None = None,
) -> NearDuplicates:
    """Groups images (or objects) that show the same.

    Neighbours in the embedding whose fingerprints agree as those of altered copies of the collection's own images do
    are near-copies. What is only close in the embedding, by a distance read from the data, are look-alikes: images of
    near-copies are represented among them by one. Fingerprints come with
    :func:`~fiftyone_coreset.compute_embeddings`, or alone from :func:`~fiftyone_coreset.compute_fingerprints`; without
    them there are only look-alikes. How: ``docs/near-duplicates.md``.

    Args:
        samples: a dataset, a view, or a ``to_patches()`` view
        embeddings ("clip_embeddings"): what :func:`~fiftyone_coreset.compute_coreset` takes; rows without a usable
            vector are in no group
        similarity_index (None): the brain key of a similarity index, or a loaded one, instead of ``embeddings``
        prefer ("central"): which member represents a group of copies: ``"central"`` (the most typical),
            ``"sharpest"``, ``"largest"``, ``"newest"`` (EXIF date, else that of the file), ``"labelled"``, or a field
            of numbers, dates or booleans, whose highest value wins
        distinct (()): pairs of ids that are no copies; they are not linked, nor are those told apart in the panel
        seed (0): the random seed
        num_workers (None): threads
        progress (None): a bar (True/False), a function ``(fraction, message)``, or FiftyOne's default (None)

    Returns:
        the groups

    Raises:
        CoresetError: if an argument is unusable

    Examples:
        >>> near = fc.near_duplicates(dataset, prefer="sharpest")
        >>> len(near.of_kind("exact", "near-copy").groups)
        6
        >>> keep_one = dataset.exclude([row for group in near.of_kind("near-copy").groups for row in group[1:]])
        >>> len(keep_one)
        54
    """
    require(("numba", "sklearn"))
    seed = check_seed(seed)
    check_count("num_workers", num_workers, 1)
    rows = rows_of(samples, embeddings)
    with reporting(progress, "Near-duplicates") as tell:
        tell(0.0, "reading embeddings")
        found = EmbeddingSource.chosen(rows, embeddings, similarity_index).load(rows)
        ids = np.array(rows.ids())
        place = {row_id: row for row, row_id in enumerate(ids.tolist())}
        apart = [(place[a], place[b]) for a, b in distinct if a in place and b in place]
        copies = find_near_copies(rows, found, prefer=prefer, distinct=apart, seed=seed, num_workers=num_workers)
        tell(0.7, "looking for look-alikes")
        return _assembled(rows, found, ids, copies, seed, num_workers)


def told_without(count: int, n: int, noun: str) -> str:
    """A sentence, after a space, on what lacks fingerprints; nothing if all have them, or none can have any.

    Args:
        count: how many rows have none
        n: of how many
        noun: what they are called
    """
    if not count or not have_pixels(noun):
        return ""
    if count == n:
        return " Without fingerprints copies cannot be told from look-alikes: call compute_fingerprints(samples)."
    have = f"{counted(count, noun)} {'has' if count == 1 else 'have'} no fingerprint"
    return f" {have}, so copies of them count as look-alikes: call compute_fingerprints(samples)."


def find_near_copies(
    rows: Rows,
    found: Embeddings,
    *,
    prefer: str = "central",
    distinct: Sequence[tuple[int, int]] = (),
    seed: int = 0,
    num_workers: int | None = None,
) -> NearCopies | None:
    """Groups of near-copies among the rows of a collection.

    Args:
        rows: the images or objects
        found: their embeddings
        prefer ("central"): see :func:`near_duplicates`
        distinct (()): pairs of rows that are no copies, besides those that people told apart in the panel
        seed (0): the random seed
        num_workers (None): threads

    Returns:
        groups over all n rows, those without a usable vector alone; None if no row has a fingerprint
    """
    from ..embeddings.calibration import calibrated
    from ..embeddings.preference import preference
    from ..vectors.near_copies import Evidence, near_copies
    from ..vectors.neighbors import unit_rows

    chosen = preference(rows, prefer)
    prints = read_fingerprints(rows)
    if prints is None:
        return None
    unit = np.nan_to_num(unit_rows(found.matrix)[0])
    distinct = [*distinct, *_decided(rows)]
    evidence = Evidence(prints[0], prints[1] & found.valid, calibrated(rows), distinct, chosen, followers(rows))
    return near_copies(unit, evidence, seed=seed, num_workers=num_workers)


def _decided(rows: Rows) -> list[tuple[int, int]]:
    """Pairs of rows that people told apart."""
    pairs = list(read_decisions(rows.dataset).distinct_pairs())
    place = {row_id: row for row, row_id in enumerate(rows.ids())} if pairs else {}
    return [(place[a], place[b]) for a, b in pairs if a in place and b in place]


def _assembled(
    rows: Rows, found: Embeddings, ids: np.ndarray, copies: NearCopies | None, seed: int, num_workers: int | None
) -> NearDuplicates:
    """The groups as lists of ids, and the table of their pairs."""
    from ..vectors.near_duplicates import groups_of_several
    from ..vectors.near_duplicates import near_duplicates as by_distance
    from ..vectors.neighbors import unit_rows

    unit = np.nan_to_num(unit_rows(found.matrix)[0])
    grouped: list[tuple[np.ndarray, str]] = []
    heads = np.flatnonzero(found.valid)
    if copies is not None:
        for members in groups_of_several(copies.groups):
            order = members[np.lexsort((members, copies.centrality[members]))]
            grouped.append((order, "exact" if copies.exact[members].all() else "near-copy"))
        heads = heads[copies.representative[heads] == heads]
    alike = by_distance(unit[heads], seed=seed, num_workers=num_workers)
    for members in groups_of_several(alike.groups):
        order = members[np.lexsort((members, alike.centrality[members]))]
        grouped.append((heads[order], "look-alike"))
    grouped.sort(key=lambda group: (-len(group[0]), int(group[0].min())))
    pairs = np.empty(sum(len(members) - 1 for members, _ in grouped), dtype=PAIR)
    start = 0
    for members, kind in grouped:
        first, others = members[0], members[1:]
        table = pairs[start : start + len(others)]
        table["id_a"], table["id_b"], table["kind"] = ids[first], ids[others], kind
        table["distance"] = np.linalg.norm(unit[others] - unit[first], axis=1)
        table["agreement"] = table["probability"] = np.nan
        if copies is not None and kind != "look-alike":
            table["agreement"], table["probability"] = copies.agreement[others], copies.probability[others]
            table["kind"] = np.where(copies.exact[others], "exact", "near-copy")
        start += len(others)
    return NearDuplicates(
        groups=[ids[members].tolist() for members, _ in grouped],
        kinds=[kind for _, kind in grouped],
        pairs=pairs,
        n=int(found.valid.sum()),
        noun=rows.noun,
        false_alarm_rate=None if copies is None else copies.false_alarm_rate,
        without_fingerprint=int((found.valid if copies is None else found.valid & ~copies.known).sum()),
        samples=rows.samples,
        patches_field=rows.patches_field,
    )
