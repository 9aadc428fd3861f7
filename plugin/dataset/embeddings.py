"""The embedding matrix of a run: one field, several balanced fields, an array or an ``.npy`` file."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..vectors.matrix import as_matrix
from .rows import Rows


def load_embeddings(rows: Rows, embeddings: Any) -> tuple[np.ndarray, np.ndarray]:
    """Reads the embeddings of all rows.

    Several fields are balanced before they are concatenated: each block is divided by the root of its mean variance
    per dimension, because distances in a subspace would otherwise be decided by the model with the larger numbers
    (ZCore paper code concatenates raw values; see ``docs/methods.md``).

    Args:
        rows: the rows
        embeddings: a field name, a list of field names, an (n, d) array, or the path of an ``.npy`` file

    Returns:
        a tuple of the (n, d) float32 or float64 matrix, and an (n,) bool array that is True in usable rows

    Raises:
        CoresetError: if a field does not exist or is empty, or if the number of rows differs from the collection's
    """
    count = len(rows.samples)
    if count == 0:
        raise CoresetError("the collection has 0 samples; choose a dataset or view with images")
    fields = field_names(embeddings)
    if fields is None:
        matrix, valid = as_matrix(embeddings)
        if len(matrix) != count:
            raise CoresetError(
                f"embeddings have {len(matrix)} rows but the collection has {count} {rows.noun}; pass one row each"
            )
        return _require_rows(matrix, valid, "embeddings", rows)
    blocks = [_load_field(rows, field) for field in fields]
    valid = np.logical_and.reduce([block_valid for _, block_valid in blocks])
    if len(blocks) == 1:
        return _require_rows(*blocks[0], fields[0], rows)
    name = " + ".join(fields)
    _require_rows(blocks[0][0], valid, name, rows)
    return np.concatenate([_balance(block, valid) for block, _ in blocks], axis=1), valid


def field_names(embeddings: Any) -> list[str] | None:
    """The field names in an ``embeddings`` argument, or None if it is an array or a file."""
    if isinstance(embeddings, str):
        return None if embeddings.endswith(".npy") else [embeddings]
    if isinstance(embeddings, list | tuple) and embeddings and all(isinstance(name, str) for name in embeddings):
        return list(embeddings)
    if isinstance(embeddings, os.PathLike | np.ndarray | list | tuple):
        return None
    raise CoresetError(
        f"embeddings must be a field name, a list of field names, an array or an .npy path, got {type(embeddings)}"
    )


def _load_field(rows: Rows, field: str) -> tuple[np.ndarray, np.ndarray]:
    if not rows.has(field):
        raise CoresetError(
            f"field '{rows.path(field)}' does not exist on dataset '{rows.dataset.name}'; "
            f"run compute_embeddings(samples, embeddings_field='{field}') first"
        )
    return as_matrix(rows.values(field), name=f"field '{rows.path(field)}'")


def _require_rows(matrix: np.ndarray, valid: np.ndarray, name: str, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    if not valid.any():
        raise CoresetError(
            f"'{name}' holds no usable vector in any of the {len(valid)} {rows.noun}; recompute the embeddings"
        )
    return matrix, valid


def _balance(block: np.ndarray, valid: np.ndarray) -> np.ndarray:
    spread = np.sqrt(block[valid].var(axis=0, dtype=np.float64).mean())
    return (block / spread if spread > 0 else block).astype(np.float32)
