"""Embeddings as users really have them, turned into one checked matrix."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import CoresetError

#: Rows checked for finite values at a time, so that a memmap is never held in memory as a whole.
_BLOCK_ROWS = 65_536


def as_matrix(embeddings: Any, name: str = "embeddings") -> tuple[np.ndarray, np.ndarray]:
    """Checks embeddings and says which rows can be used.

    Args:
        embeddings: an (n, d) array of any real dtype and memory order (read-only and memmap included), the path of
            an ``.npy`` file (opened as a memmap), or a sequence of n vectors in which missing ones are ``None``
        name ("embeddings"): what to call the input in error messages, e.g. the field name

    Returns:
        a tuple of

        -   matrix: (n, d) float32 or float64 (other real dtypes are converted; float32 and float64 arrays are
            returned as they are); rows of missing vectors hold NaN
        -   valid: (n,) bool, True where the row is present and finite

    Raises:
        CoresetError: if the input is not real numbers, not rectangular, or has no dimension
    """
    if isinstance(embeddings, str | os.PathLike):
        embeddings = _open_npy(embeddings)
    if isinstance(embeddings, np.ndarray) and embeddings.dtype != object:
        matrix = embeddings
    else:
        matrix = _stack(list(embeddings), name)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise CoresetError(f"{name}: expected an (n, d) matrix with d >= 1, got shape {matrix.shape}")
    if matrix.dtype.kind not in "fiub":
        raise CoresetError(f"{name}: expected real numbers, got dtype {matrix.dtype}; convert them to float32")
    if matrix.dtype not in (np.float32, np.float64):
        matrix = matrix.astype(np.float32 if matrix.dtype == np.float16 else np.float64)
    valid = np.empty(len(matrix), dtype=bool)
    for rows, block in row_blocks(matrix):
        valid[rows] = np.isfinite(block).all(axis=1)
    return matrix, valid


def row_blocks(matrix: np.ndarray, n_rows: int = _BLOCK_ROWS) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of rows one after the other; a memmap is never held in memory as a whole.

    Pages of a file that were read count as memory of the process until the system wants them back, so they are let go
    after each block.

    Args:
        matrix: (n, d) array
        n_rows (65536): rows of a block

    Yields:
        tuples of the rows as a slice and the block itself
    """
    pages = _mapped_file(matrix)
    for start in range(0, len(matrix), n_rows):
        rows = slice(start, start + n_rows)
        yield rows, matrix[rows]
        if pages is not None:
            pages.madvise(mmap.MADV_DONTNEED)


def _mapped_file(array: np.ndarray) -> mmap.mmap | None:
    """The memory map behind an array if its pages can be read from the file again."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and base.mode not in ("r", "r+"):
            return None
        base = base.base
    return base if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") else None


def _open_npy(path: str | os.PathLike) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise CoresetError(f"cannot read embeddings from {path}: {error}; give a 2-D .npy file") from error


def _stack(vectors: Sequence[Any], name: str) -> np.ndarray:
    """Stacks vectors, with NaN rows for None."""
    arrays = [None if vector is None else np.asarray(vector) for vector in vectors]
    present = [array for array in arrays if array is not None]
    if not present:
        raise CoresetError(f"{name}: none of the {len(arrays)} samples has an embedding; compute embeddings first")
    dims = {array.shape for array in present}
    if len(dims) > 1 or present[0].ndim != 1:
        shapes = ", ".join(str(shape) for shape in sorted(dims)[:4])
        raise CoresetError(
            f"{name}: the {len(present)} vectors differ in shape ({shapes}); recompute them with one model"
        )
    dtype = np.result_type(*{array.dtype for array in present})
    if dtype.kind not in "fiub":
        raise CoresetError(f"{name}: expected real numbers, got dtype {dtype}; convert them to float32")
    dtype = np.dtype(np.float64) if dtype.kind in "iub" or dtype.itemsize > 4 else np.dtype(np.float32)
    matrix = np.full((len(arrays), present[0].shape[0]), np.nan, dtype=dtype)
    for row, array in enumerate(arrays):
        if array is not None:
            matrix[row] = array
    return matrix


def normalized(block: np.ndarray) -> np.ndarray:
    """Rows at unit length; zero rows stay zero and NaN stays NaN.

    Args:
        block: (n, d) float32 or float64

    Returns:
        (n, d) of the same dtype
    """
    # Dividing by the largest entry first keeps huge and tiny vectors from overflowing when squared.
    largest = np.abs(block).max(axis=1, keepdims=True)
    block = block / np.where(largest == 0, 1, largest)
    norm = np.linalg.norm(block, axis=1, keepdims=True)
    block /= np.where(norm == 0, 1, norm)
    return block


def blocks(n: int, size: int = 65_536):
    """Slices that cut n rows into blocks."""
    return (slice(start, start + size) for start in range(0, n, size))
