"""Embeddings as users really have them, turned into one checked matrix."""

from __future__ import annotations

import math
import mmap
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import CoresetError

#: Rows checked for finite values at a time, so that a memmap is never held in memory as a whole.
_BLOCK_ROWS = 65_536
#: Rows that several passes in a row find in the cache of a core.
_CACHED_ROWS = 256

#: Largest entries from 2**-50 to 2**50 have squares, and sums of 2**20 of them, within float32 (2**-126 to 2**127).
_SAFE_EXPONENT = 50


def as_matrix(embeddings: Any, name: str = "embeddings") -> tuple[np.ndarray, np.ndarray]:
    """Checks embeddings and says which rows can be used: the one door for arrays of any kind.

    Args:
        embeddings: n vectors of length d as an array of any real dtype and memory order (read-only, memmap and
            ``np.matrix`` included), a masked array (masked values are missing), a SciPy sparse matrix, a PyTorch tensor
            of any real dtype, a DataFrame with one row a vector, the path of an ``.npy`` file (opened as a memmap,
            never unpickled), or a sequence of vectors in which missing ones are ``None``
        name ("embeddings"): what to call the input in error messages, e.g. the field name

    Returns:
        a tuple of

        -   matrix: (n, d) float32 or float64 (other real dtypes are converted; float32 and float64 arrays are
            returned as they are, but see below); missing values are NaN
        -   valid: (n,) bool, True where the row is present and finite

    Embeddings have no unit. Where the largest entry lies outside 2**-50 to 2**50, all entries are multiplied by one
    power of two, so that squared distances stay within float32; ratios of distances do not change.

    Raises:
        CoresetError: if the input is not real numbers, not rectangular, or has no dimension, or if the file cannot be
            read

    Example::

        matrix, valid = as_matrix([[1.0, 2.0], None, [3.0, 4.0]])
        assert matrix.shape == (3, 2) and valid.tolist() == [True, False, True]
    """
    array = _open_npy(embeddings) if isinstance(embeddings, str | os.PathLike) else _as_array(embeddings, name)
    matrix = array if array is not None else _stack(embeddings, name)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise CoresetError(f"{name}: expected an (n, d) matrix with d >= 1, got shape {matrix.shape}")
    matrix = _as_floats(matrix, name)
    valid, top = np.empty(len(matrix), dtype=bool), 0.0
    with np.errstate(invalid="ignore"):
        for rows, block in row_blocks(matrix):
            high, low = block.max(axis=1), block.min(axis=1)  # NaN where any entry is
            valid[rows] = usable = np.isfinite(high) & np.isfinite(low)
            top = max(top, float(np.maximum(high, -low).max(where=usable, initial=0)))
    return _within_range(matrix, top), valid


def _within_range(matrix: np.ndarray, top: float) -> np.ndarray:
    """The matrix, times a power of two if its entries are so large or small that float32 cannot hold their squares."""
    exponent = math.frexp(top)[1]
    shift = min(max(exponent, -_SAFE_EXPONENT), _SAFE_EXPONENT) - exponent
    if top == 0 or shift == 0:
        return matrix
    with np.errstate(over="ignore", under="ignore"):  # rows that are not finite, and what is nothing beside the largest
        return np.ldexp(matrix, shift)


def row_blocks(
    matrix: np.ndarray, n_rows: int = _BLOCK_ROWS, rows: np.ndarray | None = None
) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of rows one after the other; a memmap is never held in memory as a whole.

    Pages of a file that were read count as memory of the process until the system wants them back, so they are let go
    after each block.

    Args:
        matrix: (n, d) array
        n_rows (65536): rows of a block
        rows (None): (m,) int64 the rows to read; all by default

    Yields:
        tuples of a slice, of the matrix or of ``rows``, and the block itself
    """
    pages = _mapped_file(matrix)
    for part in blocks(len(matrix if rows is None else rows), n_rows):
        yield part, matrix[part if rows is None else rows[part]]
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
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a fifo would wait for ever
            raise OSError("not a regular file")
        return np.lib.format.open_memmap(path, mode="r")  # reads plain arrays only, and nothing else
    except (OSError, ValueError, OverflowError, SyntaxError) as error:
        raise CoresetError(f"cannot read embeddings from {path}: {error}; give a 2-D .npy file") from error


def _as_array(values: Any, name: str) -> np.ndarray | None:
    """Arrays of any library as a numpy array, with NaN for masked values; None for anything else."""
    if not isinstance(values, np.ndarray):
        values = _from_library(values)
    if values is None or (values.dtype == object and values.ndim < 2):
        return None
    if isinstance(values, np.ma.MaskedArray):
        return np.ma.filled(_as_floats(values, name), np.nan)
    return np.asarray(values)  # np.matrix has no rows of one dimension


def _from_library(values: Any) -> np.ndarray | None:
    if hasattr(values, "detach"):  # a PyTorch tensor
        tensor = values.detach().cpu()
        if str(tensor.layout) != "torch.strided":
            tensor = tensor.to_dense()
        short = tensor.is_floating_point() and tensor.element_size() < 4  # numpy has no bfloat16 or float8
        return (tensor.float() if short else tensor.resolve_conj().resolve_neg()).numpy()
    if hasattr(values, "toarray"):  # a SciPy sparse matrix
        return values.toarray()
    if hasattr(values, "columns") and hasattr(values, "to_numpy"):  # a DataFrame
        return values.to_numpy()
    return None


def _as_floats(values: np.ndarray, name: str) -> np.ndarray:
    """Real numbers as float32 or float64; what float64 cannot hold is infinite."""
    if values.dtype == object:
        try:
            rows = [[_number(value) for value in row] for row in values]
            return np.array(rows, dtype=np.float64).reshape(values.shape)  # which no rows at all would not tell
        except (TypeError, ValueError) as error:
            raise CoresetError(f"{name}: expected real numbers ({error}); convert them to float32") from error
    if values.dtype.kind not in "fiub":
        raise CoresetError(f"{name}: expected real numbers, got dtype {values.dtype}; convert them to float32")
    if values.dtype in (np.float32, np.float64):
        return values
    with np.errstate(over="ignore"):
        return values.astype(np.float32 if values.dtype == np.float16 else np.float64)


def _stack(values: Any, name: str) -> np.ndarray:
    """Stacks vectors, with NaN rows for None."""
    scalar = isinstance(values, np.ndarray) and values.ndim == 0
    if values is None or scalar or isinstance(values, Mapping | bytes) or not isinstance(values, Iterable):
        raise CoresetError(
            f"{name}: expected n vectors of length d, got {type(values).__name__}; give an (n, d) array, a list of "
            "vectors or the path of an .npy file"
        )
    arrays = [None if vector is None else _vector(vector, name) for vector in values]
    present = [array for array in arrays if array is not None]
    if not present:
        raise CoresetError(f"{name}: none of the {len(arrays)} samples has an embedding; compute embeddings first")
    if present[0].ndim != 1:
        raise CoresetError(
            f"{name}: expected {len(present)} vectors, got entries of shape {present[0].shape}; give an (n, d) array"
        )
    dims = {array.shape for array in present}
    if len(dims) > 1:
        shapes = ", ".join(str(shape) for shape in sorted(dims)[:4])
        raise CoresetError(
            f"{name}: the {len(present)} vectors differ in shape ({shapes}); recompute them with one model"
        )
    dtype = np.result_type(*{array.dtype for array in present})
    matrix = np.full((len(arrays), present[0].shape[0]), np.nan, dtype=dtype)
    for row, array in enumerate(arrays):
        if array is not None:
            matrix[row] = array
    return matrix


def _vector(values: Any, name: str) -> np.ndarray:
    array = _as_array(values, name)
    if array is None:
        try:
            array = np.asarray(values)
        except ValueError as error:  # lists of different lengths
            raise CoresetError(
                f"{name}: a vector is no list of numbers ({error}); give n vectors of length d"
            ) from error
    if array.dtype == object:
        return _as_floats(array.reshape(1, -1), name)[0]
    return _as_floats(array, name)


def _number(value: Any) -> float:
    """A number of a table; missing ones are NaN."""
    try:
        return np.nan if value is None else float(value)
    except TypeError:
        if type(value).__name__ == "NAType":  # pandas' missing value
            return np.nan
        raise


def normalized(block: np.ndarray) -> np.ndarray:
    """Rows at unit length; zero rows stay zero and NaN stays NaN.

    Args:
        block: (n, d) float32 or float64

    Returns:
        (n, d) of the same dtype
    """
    unit = np.empty_like(block)
    for rows in blocks(len(block), _CACHED_ROWS):
        part, into = block[rows], unit[rows]
        # Dividing by the largest entry first keeps huge and tiny vectors from overflowing when squared.
        largest = np.maximum(part.max(axis=1, keepdims=True), -part.min(axis=1, keepdims=True))
        np.divide(part, np.where(largest == 0, 1, largest), out=into)
        norm = np.linalg.norm(into, axis=1, keepdims=True)
        into /= np.where(norm == 0, 1, norm)
    return unit


def blocks(n: int, size: int = 65_536):
    """Slices that cut n rows into blocks."""
    return (slice(start, start + size) for start in range(0, n, size))
