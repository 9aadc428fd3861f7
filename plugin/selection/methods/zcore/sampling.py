"""Which draws ZCore takes: balanced pairs of dimensions, and targets spread evenly over each pair.

All of it is a function of the seed and of the position in the sequence, so any worker can make any chunk.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: Inverse golden ratio: with it, (i / t, frac(i * _GOLDEN)) spreads any number t of points evenly over the square.
_GOLDEN = (5**0.5 - 1) / 2


def subspaces(n_dims: int, sample_dim: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Endless rounds of subspaces, (s, sample_dim) each, in which every dimension occurs equally often.

    Every subspace is as likely as any other at every place, so means over any prefix are unbiased. Pairs are played
    like a round-robin tournament: no pair comes twice before all have come once.
    """
    while True:
        order = rng.permutation(n_dims)
        if sample_dim == 2:
            rounds = rng.permutation(n_dims - 1 + n_dims % 2)
            for number in rounds:
                yield order[_tournament_round(n_dims, int(number))]
        else:
            whole = n_dims - n_dims % sample_dim
            yield order[:whole].reshape(-1, sample_dim)


def _tournament_round(n_players: int, number: int) -> np.ndarray:
    """The matches of one round by the circle method; with odd numbers one player rests."""
    circle = n_players - 1 + n_players % 2
    step = np.arange(1, (circle + 1) // 2)
    matches = np.column_stack([(number + step) % circle, (number - step) % circle])
    if n_players % 2 == 0:
        matches = np.vstack([matches, [[circle, number]]])
    return matches


def spread_targets(triangles: np.ndarray, dims: np.ndarray, n_targets: int, rng: np.random.Generator) -> np.ndarray:
    """Targets for subspaces, evenly spread by a randomly shifted lattice.

    Args:
        triangles: (d, 3) minimum, median and maximum of each dimension
        dims: (s, m) subspaces
        n_targets: targets in each
        rng: for one uniform shift per subspace and dimension, which makes each target exactly triangular

    Returns:
        (m, s, n_targets) float64
    """
    n_subspaces, m = dims.shape
    if m <= 2:
        steps = np.arange(n_targets)
        lattice = np.stack([steps / n_targets, steps * _GOLDEN])[:m, None]
        uniform = lattice + rng.random((m, n_subspaces, 1))
        uniform -= np.floor(uniform)
    else:
        uniform = rng.random((m, n_subspaces, n_targets))
    low, mode, high = np.moveaxis(triangles[dims.T], -1, 0)[..., None]
    return inverse_triangular(uniform, low, mode, high)


def inverse_triangular(uniform: np.ndarray, low: np.ndarray, mode: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Quantile function of the triangular distribution; low < high."""
    width = high - low
    left = (mode - low) / width
    rising = uniform < left
    root = np.sqrt(np.where(rising, uniform * left, (1 - uniform) * (1 - left))) * width
    return np.where(rising, low + root, high - root)
