"""The embeddings of a run, wherever they are: fields, brain runs, vectors by id, arrays; parsed in one place."""

from __future__ import annotations

import logging
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..vectors.matrix import as_matrix, row_blocks
from ..vectors.row_hash import row_keys
from .brain_vectors import align, origin_of, read_index, runs_with_vectors
from .rows import FRAMES, IN_FRAMES, Rows
from .stored_arrays import decoded

logger = logging.getLogger(__name__)

#: The field that embeddings are written to, and read from, unless another is named.
DEFAULT_FIELD = "clip_embeddings"

#: Multiplies the fingerprint of one field before that of the next is added, so that their order counts.
_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class EmbeddingSource:
    """Where embeddings come from.

    Attributes:
        fields: names of vector fields, or of similarity indexes and visualizations that have vectors; None if vectors
            themselves were given
        given: vectors by row id, or n vectors in any form that :func:`.matrix.as_matrix` reads; None if they have names

    Example::

        assert EmbeddingSource.of("clip_embeddings").fields == ("clip_embeddings",)
    """

    fields: tuple[str, ...] | None
    given: Any = None

    @classmethod
    def of(cls, embeddings: Any) -> EmbeddingSource:
        """Parses an ``embeddings`` argument.

        Args:
            embeddings: the name of a vector field or of a brain run with vectors, several of these, a loaded similarity
                index, a mapping from row id to vector, vectors in any form that :func:`.matrix.as_matrix` reads, or a
                source

        Returns:
            the source

        Raises:
            CoresetError: if it is neither
        """
        if isinstance(embeddings, EmbeddingSource):
            return embeddings
        if isinstance(embeddings, str) and not embeddings.endswith((".npy", ".npz")):
            return cls((embeddings,))
        if isinstance(embeddings, list | tuple) and embeddings and all(isinstance(name, str) for name in embeddings):
            return cls(tuple(embeddings))
        if hasattr(embeddings, "get_embeddings") and hasattr(embeddings, "key"):  # a loaded similarity index
            return cls((embeddings.key,))
        if embeddings is None or isinstance(embeddings, numbers.Number):
            raise CoresetError(
                f"embeddings must be a field name, a brain key, several of them, a dict from id to vector, vectors or "
                f"the path of an .npy file, got {type(embeddings).__name__}"
            )
        return cls(None, embeddings)  # as_matrix refuses what else holds no vectors

    @classmethod
    def chosen(cls, rows: Rows, embeddings: Any, similarity_index: Any = None) -> EmbeddingSource:
        """Parses ``embeddings`` and ``similarity_index``, of which one is given.

        Args:
            rows: the rows
            embeddings: see :meth:`of`; what stands for the default field counts as not given
            similarity_index (None): the key of a brain run with vectors, or a loaded similarity index

        Returns:
            the source

        Raises:
            CoresetError: if both are given, or there is no such index
        """
        if similarity_index is None:
            return cls.of(embeddings)
        key = getattr(similarity_index, "key", similarity_index)
        if not (isinstance(embeddings, str) and embeddings == DEFAULT_FIELD):
            raise CoresetError(f"embeddings= and similarity_index={key!r} both say where vectors are; give one of them")
        if not isinstance(key, str) or key not in rows.dataset.list_brain_runs():
            known = ", ".join(map(repr, runs_with_vectors(rows.dataset, rows.patches_field))) or "none"
            raise CoresetError(
                f"similarity_index {key!r} is no brain run of dataset '{rows.dataset.name}'; those with vectors of its "
                f"{rows.noun}: {known}"
            )
        if rows.has(key):
            raise CoresetError(f"both a field and a brain run are called '{key}'; rename one of them")
        return cls((key,))

    @property
    def recorded(self) -> list[str] | None:
        """What a run's record keeps: the field names, or None for vectors that were given."""
        return None if self.fields is None else list(self.fields)

    def load(self, rows: Rows) -> Embeddings:
        """Reads the embeddings of all rows, and holds the rows: what is read of them later is of the same ones.

        Several fields are balanced before they are concatenated: each block is divided by the root of its mean variance
        per dimension, because distances in a subspace would otherwise be decided by the model with the larger numbers
        (ZCore paper code concatenates raw values; see ``docs/methods.md``).

        Args:
            rows: the rows

        Returns:
            the matrix, which rows of it are usable, and the fingerprints of its rows

        Raises:
            CoresetError: if a field does not exist or is empty, or if the number of vectors differs from that of rows
        """
        rows.hold()
        count = len(rows)
        if count == 0:
            raise CoresetError("the collection has 0 samples; choose a dataset or view with images")
        if isinstance(self.given, Mapping):
            ids = rows.ids()
            matrix, valid = as_matrix(align(dict(self.given), ids, "the dict of embeddings"))
            if others := set(self.given).difference(ids):
                logger.warning(
                    "%s of the %s vectors by id, e.g. that of %r, are of none of the %s %s, and are not used",
                    *(f"{len(others):,}", f"{len(self.given):,}", min(others, key=str), f"{count:,}", rows.noun),
                )
            return Embeddings(matrix, _require_any(valid, "embeddings", rows))
        if self.fields is None:
            matrix, valid = as_matrix(self.given)
            if len(matrix) != count:
                raise CoresetError(
                    f"embeddings have {len(matrix)} rows but the collection has {count} {rows.noun}; pass one row each"
                )
            return Embeddings(matrix, _require_any(valid, "embeddings", rows))
        blocks = [_load(rows, name) for name in self.fields]
        valid = np.logical_and.reduce([block_valid for _, block_valid in blocks])
        _require_any(valid, " + ".join(self.fields), rows)
        fingerprints = _fingerprints([block for block, _ in blocks])
        if len(blocks) == 1:
            return Embeddings(blocks[0][0], valid, fingerprints)
        matrix = np.concatenate([_balance(block, valid) for block, _ in blocks], axis=1)
        return Embeddings(matrix, valid, fingerprints)

    def matrix_of(self, rows: Rows, ids: np.ndarray) -> np.ndarray:
        """Reads the embeddings of some rows.

        Args:
            rows: all rows
            ids: (m,) which of them, and in which order

        Returns:
            (m, d), NaN in rows that are gone

        Raises:
            CoresetError: see :meth:`load`
        """
        if self.fields is not None and len(self.fields) == 1:
            rows.hold(ids.tolist())
            return self.load(rows).matrix
        # Several fields are balanced over all rows.
        matrix, row_of = self.load(rows).matrix, {row_id: row for row, row_id in enumerate(rows.ids())}
        places = np.array([row_of.get(row_id, -1) for row_id in ids], dtype=np.int64)
        return np.where(places[:, None] >= 0, matrix[places], np.nan).astype(matrix.dtype)

    def fingerprints_of(self, rows: Rows, ids: list[str]) -> tuple[np.ndarray, np.ndarray] | None:
        """Reads the fingerprints of some rows as they are now.

        Args:
            rows: the rows
            ids: which of them

        Returns:
            a tuple of (len(ids),) uint64 and which rows are still there, or None if a field or index is gone, or holds
            no vector or vectors of different lengths
        """
        if self.fields is None:
            return None
        chosen = rows.select(ids)
        chosen.hold(ids)
        try:
            found = _fingerprints([_load(chosen, name)[0] for name in self.fields])
        except CoresetError:
            return None
        # Looked at last: what is there now was there when its vector was read.
        return found, np.isin(ids, rows.select(ids).ids())


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of rows.

    Attributes:
        matrix: (n, d) float32 or float64
        valid: (n,) bool, True in usable rows
        fingerprints: (n,) uint64 that tell whether a row's vector has changed since; None if it is stored nowhere
    """

    matrix: np.ndarray
    valid: np.ndarray
    fingerprints: np.ndarray | None = None


def _fingerprints(blocks: list[np.ndarray]) -> np.ndarray:
    found = np.zeros(len(blocks[0]), dtype=np.uint64)
    for block in blocks:
        for rows, part in row_blocks(block):
            # Reading embeddings may scale a whole matrix by a power of two, and a part of it by another.
            with np.errstate(invalid="ignore", over="ignore"):  # rows that are not finite
                exponent = np.frexp(np.abs(part).max(axis=1, keepdims=True))[1]
                found[rows] = found[rows] * _ODD + row_keys(np.ldexp(part, -exponent))
    return found


def _load(rows: Rows, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of a field, else of the brain run of this name."""
    import fiftyone.core.fields as fof

    if _is_of_slice(rows, name):
        return as_matrix(_of_slice(rows, name), name=f"field '{name}'")
    if not rows.has(name) and name in rows.dataset.list_brain_runs():
        origin = origin_of(rows, name)
        if origin != name:
            return _load(rows, origin)
        return as_matrix(read_index(rows, name), name=f"similarity index '{name}'")
    inside, _, attribute = name.rpartition(".")
    if rows.patches_field is None and inside and isinstance(rows.dataset.get_field(inside), fof.ListField):
        raise CoresetError(
            f"'{name}' is an attribute of objects; to rank these, pass "
            f"samples.to_patches('{inside.partition('.')[0]}') and embeddings='{attribute}'"
        )
    if not rows.has_values(name):
        if rows.dataset.media_type == "video" and rows.dataset.has_field(f"{IN_FRAMES}{name}"):
            raise CoresetError(
                f"field '{name}' is one of frames; to rank the frames, name it '{IN_FRAMES}{name}', or pass a "
                "to_frames() view"
            )
        raise CoresetError(
            f"field '{rows.path(name)}' does not exist on dataset '{rows.dataset.name}', and no similarity index is "
            f"called so; run compute_embeddings(samples, embeddings_field='{name}') first"
        )
    return as_matrix(rows.vectors(name), name=f"field '{rows.path(name)}'")


def dimension_of(rows: Rows, name: str) -> int | None:
    """The length of a vector of a field, of the first sample that has any; None if the field is not declared."""
    if not rows.has(name):
        return None
    first = Rows(rows.dataset.exists(rows.path(name)).limit(1), rows.patches_field)
    return next((len(vector) for vector in first.vectors(name) if vector is not None), None)


def _is_of_slice(rows: Rows, name: str) -> bool:
    """Whether a name is that of a slice and a field, such as ``"left.clip_embeddings"``."""
    slice_name, _, field = name.partition(".")
    grouped = rows.dataset.media_type == "group" and rows.patches_field is None
    return grouped and not rows.has(name) and slice_name in rows.dataset.group_slices and rows.dataset.has_field(field)


def rows_with(rows: Rows, name: str) -> tuple[Rows, str]:
    """The rows that hold a field, and what they call it.

    Args:
        rows: the rows of a run
        name: the field as the run names it, e.g. ``"left.clip_embeddings"`` or ``"frames.clip_embeddings"``

    Returns:
        those of a slice of a grouped dataset, or the same rows; and the field
    """
    if rows.are_groups:
        slice_name, _, field = name.partition(".")
        if not _is_of_slice(rows, name):
            slice_name, field = rows.samples.group_slice, name
        return Rows(rows.samples.select_group_slices(slice_name, _allow_mixed=True)), field
    return rows, name.removeprefix(IN_FRAMES) if rows.patches_field == FRAMES else name


def _of_slice(rows: Rows, name: str) -> list[Any]:
    """The vector of every row's group in another slice, None where the group lacks it."""
    slice_name, _, field = name.partition(".")
    group_id = f"{rows.dataset.group_field}.id"
    of_slice = rows.dataset.select_group_slices(slice_name, _allow_mixed=True)
    by_group = dict(zip(*of_slice.values([group_id, field], _raw=True), strict=True))
    return decoded([by_group.get(group) for group in rows.values(group_id, as_stored=True)])


def _require_any(valid: np.ndarray, name: str, rows: Rows) -> np.ndarray:
    if not valid.any():
        raise CoresetError(
            f"'{name}' holds no usable vector in any of the {len(valid)} {rows.noun}; recompute the embeddings"
        )
    return valid


def _balance(block: np.ndarray, valid: np.ndarray) -> np.ndarray:
    spread = np.sqrt(block[valid].var(axis=0, dtype=np.float64).mean())
    return (block / spread if spread > 0 else block).astype(np.float32)
