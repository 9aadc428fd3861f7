"""``near_duplicates``: groups of images that show the same, with the evidence for each pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.embeddings import EmbeddingSource
from ..dataset.rows import Rows
from ..embeddings.fingerprint_field import read_fingerprints
from ..errors import CoresetError
from ..requirements import require

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView

#: What a group, or a pair, can be: the same pixels, the same scene by its pixels, or close in the embedding only.
KINDS = ("exact", "near-copy", "look-alike")

_PAIR = np.dtype(
    [
        ("id_a", "U24"),
        ("id_b", "U24"),
        ("distance", np.float32),
        ("agreement", np.float32),
        ("probability", np.float32),
        ("kind", "U10"),
    ]
)


@dataclass(frozen=True)
class NearDuplicates:
    """Groups of near-duplicates; prints as a summary.

    Attributes:
        groups: lists of ids (of samples or objects), the representative first, the others by falling agreement with it
            (by distance among look-alikes); larger groups first
        kinds: the kind of each group: ``"exact"`` (the same pixels), ``"near-copy"`` (the same scene, told by the
            pixels) or ``"look-alike"`` (close in the embedding only)
        pairs: a structured array, one row a pair of rows of one group that was compared, with the columns ``id_a``,
            ``id_b``, ``distance`` (L2 between unit-norm embeddings), ``agreement`` (of the fingerprints, at most 1; NaN
            without), ``probability`` (that the two are near-copies; NaN without fingerprints) and ``kind``;
            ``pandas.DataFrame(near.pairs)`` makes a table of it. Every member of a group has a pair with its
            representative, ``id_a``
        n: rows that were looked at
        noun: ``"images"`` or ``"objects"``
        false_alarm_rate: expected share of the near-copy pairs that are none; None without fingerprints
        samples: the collection
        patches_field: the label field whose objects were looked at, or None
    """

    groups: list[list[str]]
    kinds: list[str]
    pairs: np.ndarray
    n: int
    noun: str
    false_alarm_rate: float | None
    samples: SampleCollection
    patches_field: str | None = None

    def __len__(self) -> int:
        return len(self.groups)

    def of_kind(self, *kinds: str) -> NearDuplicates:
        """The groups of some kinds, e.g. ``near.of_kind("exact", "near-copy")``.

        Raises:
            CoresetError: if there is no such kind
        """
        for kind in kinds:
            if kind not in KINDS:
                raise CoresetError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        chosen = [place for place, kind in enumerate(self.kinds) if kind in kinds]
        ids = {row_id for place in chosen for row_id in self.groups[place]}
        of_group = [pair["id_a"] in ids and pair["id_b"] in ids for pair in self.pairs]
        pairs = self.pairs[np.array(of_group, dtype=bool)]
        return _replace(self, [self.groups[p] for p in chosen], [self.kinds[p] for p in chosen], pairs)

    def view(self, *kinds: str) -> DatasetView:
        """The members of the groups, group after group, the representative of each first.

        Args:
            *kinds: see :meth:`of_kind`; all by default

        Returns:
            a view of the samples, or of the objects
        """
        groups = (self.of_kind(*kinds) if kinds else self).groups
        ids = list(dict.fromkeys(row_id for group in groups for row_id in group))
        rows = Rows(self.samples, self.patches_field)
        if self.patches_field is None:
            return rows.samples.select(ids, ordered=True)
        return rows.source.to_patches(self.patches_field).select(ids, ordered=True)

    def summary(self) -> str:
        """What was found, in sentences."""
        count, sizes = Counter(self.kinds), Counter()
        for group, kind in zip(self.groups, self.kinds, strict=True):
            sizes[kind] += len(group)
        words = {
            "exact": "exact copies",
            "near-copy": "near-copies",
            "look-alike": "look-alikes, which are close in the embedding only",
        }
        found = [
            f"{sizes[kind]:,} {self.noun} are {words[kind]}, in {count[kind]:,} groups" for kind in KINDS if count[kind]
        ]
        text = f"Of {self.n:,} {self.noun}, {'; '.join(found) if found else 'none has a near-duplicate'}."
        if self.false_alarm_rate is not None and (count["exact"] or count["near-copy"]):
            text += f" About {self.false_alarm_rate:.1%} of the pairs of copies are expected to be none."
        elif self.false_alarm_rate is None:
            text += " Without fingerprints copies cannot be told from look-alikes: call compute_fingerprints(samples)."
        return text

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<NearDuplicates: {len(self):,} groups; print it to read it>"


def near_duplicates(
    samples: SampleCollection,
    embeddings: Any = "clip_embeddings",
    *,
    prefer: str = "central",
    seed: int = 0,
    num_workers: int | None = None,
) -> NearDuplicates:
    """Groups images (or objects) that show the same.

    Args:
        samples: a dataset, a view, or a ``to_patches()`` view
        embeddings ("clip_embeddings"): a vector field, a list of fields, an (n, d) array, or the path of an ``.npy``
            file; rows without a usable vector are in no group
        prefer ("central"): which member represents a group
        seed (0): the random seed
        num_workers (None): threads

    Returns:
        the groups

    Raises:
        CoresetError: if an argument is unusable

    Example::

        near = fc.near_duplicates(dataset)
        print(near)
        session.view = near.view("near-copy")
    """
    from ..vectors import near_copies
    from ..vectors.near_duplicates import near_duplicates as by_distance
    from ..vectors.neighbors import unit_rows

    require(("numba", "sklearn"))
    rows = Rows(samples)
    found = EmbeddingSource.of(embeddings).load(rows)
    fingerprints = read_fingerprints(rows)
    usable = np.flatnonzero(found.valid)
    unit = unit_rows(found.matrix[usable])[0]
    ids = np.array(rows.ids())[usable]
    grouped: list[tuple[np.ndarray, str]] = []
    prints = None if fingerprints is None else near_copies.Fingerprints(fingerprints[0][usable])
    known = np.zeros(len(usable), dtype=bool) if fingerprints is None else fingerprints[1][usable]
    pairs = near_copies.near_copy_pairs(unit, None if prints is None else prints.values, known, seed=seed)
    copies = near_copies.linked(len(unit), *(side[pairs.probability >= 0.5] for side in (pairs.left, pairs.right)))
    grouped += [(members, "near-copy") for members in _members(copies)]
    first = np.unique(copies, return_index=True)[1]
    alike = by_distance(unit[first], seed=seed, num_workers=num_workers)
    grouped += [(first[members], "look-alike") for members in _members(alike.groups)]
    grouped.sort(key=lambda group: (-len(group[0]), int(group[0][0])))
    tables, groups = [np.empty(0, dtype=_PAIR)], []
    for members, kind in grouped:
        center = unit[members].mean(axis=0)
        order = members[np.argsort(np.linalg.norm(unit[members] - center, axis=1), kind="stable")]
        groups.append(ids[order].tolist())
        others = order[1:]
        table = np.empty(len(others), dtype=_PAIR)
        table["id_a"], table["id_b"], table["kind"] = ids[order[0]], ids[others], kind
        table["distance"] = np.linalg.norm(unit[others] - unit[order[0]], axis=1)
        table["agreement"] = np.nan
        if prints is not None:
            table["agreement"] = prints.agreement(np.full(len(others), order[0]), others)
        table["probability"] = 1 / (1 + np.exp(-(np.arctanh(np.clip(table["agreement"], -0.9999, 0.9999)) - 1.3) * 8))
        tables.append(table)
    likely = pairs.probability[pairs.probability >= 0.5]
    return NearDuplicates(
        groups,
        [kind for _, kind in grouped],
        np.concatenate(tables),
        len(usable),
        rows.noun,
        None if fingerprints is None else float(1 - likely.mean()) if len(likely) else 0.0,
        rows.samples,
        rows.patches_field,
    )


def _members(groups: np.ndarray) -> Sequence[np.ndarray]:
    """The rows of every group of at least two."""
    order = np.argsort(groups, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return [part for part in parts if len(part) > 1]


def _replace(near: NearDuplicates, groups: list[list[str]], kinds: list[str], pairs: np.ndarray) -> NearDuplicates:
    import dataclasses

    return dataclasses.replace(near, groups=groups, kinds=kinds, pairs=pairs)
