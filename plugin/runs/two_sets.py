"""The images of two sets, of one dataset or of two, with their embeddings in one matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.decisions import read_decisions
from ..dataset.embeddings import EmbeddingSource
from ..dataset.followers import followers
from ..dataset.labels import read_labels
from ..dataset.rows import Rows, rows_of
from ..embeddings.calibration import calibrated
from ..embeddings.fingerprint_field import no_fingerprints, read_fingerprints
from ..errors import CoresetError
from ..vectors.near_copies import Evidence, NearCopies, near_copies
from ..vectors.neighbors import unit_rows

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection


@dataclass(frozen=True)
class TwoSets:
    """The rows of two sets, those of the first one before those of the second.

    Attributes:
        sets: the rows of each
        ids: (n,) ids of all of them
        matrix: (n, d) embeddings
        valid: (n,) bool, True in usable rows
        second: (n,) bool, True in rows of the second set
    """

    sets: tuple[Rows, Rows]
    ids: np.ndarray
    matrix: np.ndarray
    valid: np.ndarray
    second: np.ndarray

    @classmethod
    def read(cls, a: SampleCollection, b: SampleCollection, embeddings: Any, similarity_index: Any = None) -> TwoSets:
        """Reads both sets.

        Args:
            a: the first set
            b: the second one
            embeddings: see :func:`~fiftyone_coreset.compare_sets`
            similarity_index (None): likewise

        Raises:
            CoresetError: if one is empty, they share rows, or their embeddings do not compare
        """
        sets = rows_of(a, embeddings), rows_of(b, embeddings)
        ids = [rows.ids() for rows in sets]
        for name, found in zip("ab", ids, strict=True):
            if not found:
                raise CoresetError(f"set {name} is empty; choose a view with images")
        if sets[0].patches_field != sets[1].patches_field:
            raise CoresetError(
                f"a holds {sets[0].noun} and b {sets[1].noun}, or objects of another field; compare like with like"
            )
        shared = set(ids[0]).intersection(ids[1])
        if shared:
            raise CoresetError(
                f"{len(shared):,} of the {len(ids[1]):,} {sets[1].noun} of b are in a too, e.g. {min(shared)}; take "
                "them out of one of the sets"
            )
        source = EmbeddingSource.chosen(sets[0], embeddings, similarity_index)
        if source.fields is None and not isinstance(source.given, Mapping):
            raise CoresetError("embeddings: name a field or an index, or give a dict from id to vector")
        matrix, valid = _vectors(sets, ids, source)
        second = np.repeat([False, True], [len(found) for found in ids])
        for name, where in (("a", ~second), ("b", second)):
            if not valid[where].any():
                raise CoresetError(f"none of the {where.sum():,} {sets[0].noun} of set {name} has a usable embedding")
        return cls(sets, np.array(ids[0] + ids[1]), matrix, valid, second)

    def labels(self, label_field: str | None) -> list[str | None] | None:
        """The label of every row; None where no field is named."""
        found = [read_labels(rows, label_field) for rows in self.sets]
        return None if found[0] is None or found[1] is None else found[0] + found[1]

    def copies(self, seed: int, num_workers: int | None) -> NearCopies | None:
        """Groups of near-copies over both sets; None if no row has a fingerprint."""
        prints = [read_fingerprints(rows) for rows in self.sets]
        there = next((place for place, found in enumerate(prints) if found is not None), None)
        if there is None:
            return None
        filled = [found or no_fingerprints(len(rows)) for found, rows in zip(prints, self.sets, strict=True)]
        values, known = (np.concatenate(parts) for parts in zip(*filled, strict=True))
        place = {row_id: row for row, row_id in enumerate(self.ids.tolist())}
        datasets = {rows.dataset.name: rows.dataset for rows in self.sets}
        apart = [
            (place[one], place[other])
            for dataset in datasets.values()
            for one, other in read_decisions(dataset).distinct_pairs()
            if one in place and other in place
        ]
        in_order = followers(*self.sets)
        evidence = Evidence(values, known & self.valid, calibrated(self.sets[there]), apart, followers=in_order)
        return near_copies(np.nan_to_num(unit_rows(self.matrix)[0]), evidence, seed=seed, num_workers=num_workers)


def _vectors(sets: tuple[Rows, Rows], ids: list[list[str]], source: EmbeddingSource) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of both sets; those of one dataset are read at once, since several fields are balanced over all."""
    if sets[0].dataset is sets[1].dataset:
        rows = Rows(sets[0].dataset, sets[0].patches_field)
        if rows.dataset.media_type == "group":
            rows = Rows(rows.dataset.select_group_slices(_allow_mixed=True), rows.patches_field)
        rows = rows.select(ids[0] + ids[1])
        found, place = source.load(rows), {row_id: row for row, row_id in enumerate(rows.ids())}
        order = np.array([place[row_id] for row_id in ids[0] + ids[1]], dtype=np.int64)
        return found.matrix[order], found.valid[order]
    if source.fields is not None and len(source.fields) > 1:
        raise CoresetError("sets of two datasets are compared by one field; several are balanced within a dataset")
    parts = [source.load(rows) for rows in sets]
    sizes = [part.matrix.shape[1] for part in parts]
    if sizes[0] != sizes[1]:
        raise CoresetError(f"vectors of a have {sizes[0]} numbers, those of b {sizes[1]}; use one model for both")
    return np.concatenate([part.matrix for part in parts]), np.concatenate([part.valid for part in parts])
