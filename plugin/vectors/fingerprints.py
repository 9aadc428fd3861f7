"""How far fingerprints of images agree, and how far those of altered copies do."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

#: Pairs that a thread compares at a time.
_BLOCK = 20_000
#: Images that are altered to see what copies look like, and how strongly at most.
ALTERED = 300
_MAX_CROP, _MAX_TURN, _MAX_CONTRAST = 0.12, 3.0, 0.15


def agreement(
    fingerprints: np.ndarray, left: np.ndarray, right: np.ndarray, num_workers: int | None = None
) -> np.ndarray:
    """How far pairs of fingerprints agree once they are laid over each other.

    Shifts of up to a few cells, zoom, small turns, brightness and contrast do not matter. It is the correlation of
    their compressed gradients, see :mod:`.fingerprint_kernel`.

    Args:
        fingerprints: (n, 256) uint8
        left: (p,) int64 rows
        right: (p,) int64 rows
        num_workers (None): threads, all cores by default; the result does not depend on it

    Returns:
        (p,) float32 of at most 1; 0 where images share no coarse structure or have none

    Examples:
        >>> stripes = np.tile(np.arange(16, dtype=np.uint8) % 4 * 60, 16).reshape(1, 256)
        >>> pair = np.concatenate([stripes, stripes // 2])
        >>> bool(agreement(pair, np.array([0]), np.array([1]))[0] > 0.99)
        True
    """
    from .fingerprint_kernel import compare_pairs

    order = np.argsort(left, kind="stable")  # rows are made ready once for all their pairs
    left, right = left[order].astype(np.int64), right[order].astype(np.int64)
    found = np.empty(len(order), dtype=np.float32)
    starts = range(0, len(order), _BLOCK)

    def compare(start: int) -> None:
        part = slice(start, start + _BLOCK)
        compare_pairs(fingerprints, left[part], right[part], found[part])

    with ThreadPoolExecutor(num_workers or os.cpu_count()) as threads:
        list(threads.map(compare, starts))
    result = np.empty_like(found)
    result[order] = found
    return result


def altered_agreement(images: list[np.ndarray] | np.ndarray) -> np.ndarray:
    """Agreement of images with an altered copy, and of two altered copies.

    Args:
        images: (3, m, 256) uint8 fingerprints of m images, of an altered copy of each, and of another one

    Returns:
        (2 m,) float32
    """
    stacked = np.concatenate(images)
    rows = np.arange(len(images[0]))
    return agreement(stacked, np.r_[rows, rows + len(rows)], np.r_[rows + len(rows), rows + 2 * len(rows)])


def altered_fingerprints(fingerprints: np.ndarray, seed: int = 0) -> np.ndarray:
    """Alters fingerprints themselves, where the images they were taken from cannot be read.

    They are cropped, turned, and changed in contrast and brightness. Copies made this way agree a little more than
    those of whole images, whose cells mix other pixels.

    Args:
        fingerprints: (n, 256) uint8
        seed (0): of the images that are taken, and of what is done to them

    Returns:
        (3, m, 256) uint8, see :func:`altered_agreement`
    """
    from scipy.ndimage import map_coordinates

    rng = np.random.default_rng(seed)
    side = round(fingerprints.shape[1] ** 0.5)
    chosen = fingerprints[rng.permutation(len(fingerprints))[:ALTERED]]
    grid = np.mgrid[:side, :side] - (side - 1) / 2
    found = [chosen]
    for _ in range(2):
        copies = np.empty_like(chosen)
        for row, cells in enumerate(chosen):
            zoom, shift, turn, contrast, brightness, noise = alteration(rng)
            (y, x), cosine, sine = grid, np.cos(turn) * zoom, np.sin(turn) * zoom
            y, x = cosine * y - sine * x + shift[0] * side, sine * y + cosine * x + shift[1] * side
            middle = (side - 1) / 2
            moved = map_coordinates(cells.reshape(side, side).astype(float), [y + middle, x + middle], mode="nearest")
            moved = (moved - 128) * contrast + 128 * brightness + rng.normal(0, noise, moved.shape)
            copies[row] = moved.clip(0, 255).round().astype(np.uint8).ravel()
        found.append(copies)
    return np.stack(found)


def alteration(rng: np.random.Generator) -> tuple[float, np.ndarray, float, float, float, float]:
    """What is done to a copy: from nothing to as much as two frames of one scene differ.

    Args:
        rng: the source of chance

    Returns:
        a tuple of zoom (share of the side that is left), shift of the middle down and over in shares of the side, turn
        in radians, factors of contrast and brightness, and the standard deviation of noise in grey levels of a cell
    """
    strength = rng.random()
    zoom = 1 - _MAX_CROP * strength * rng.random()
    shift = rng.uniform(-1, 1, 2) * (1 - zoom) / 2
    turn = np.radians(_MAX_TURN * strength * rng.uniform(-1, 1))
    contrast, brightness = 1 + _MAX_CONTRAST * strength * rng.uniform(-1, 1, 2)
    return zoom, shift, turn, contrast, brightness, strength
