"""ZCore's kernels for the K-th distance of an image, and for the weights by which its neighbours are penalised.

In the docstrings *float* is the dtype of the embeddings, float32 or float64. Nothing is written but what is said to be.
"""

from __future__ import annotations

import math

from ....vectors.jit import jit


@jit
def count_within(distance, size, limit):
    """How many of the first ``size`` of (>= size,) float distances are below or at the limit."""
    inside = 0
    for i in range(size):
        inside += distance[i] <= limit
    return inside


@jit
def find_cut(distance, size, rank, high, above):
    """The distance that separates the ``rank`` smallest of the first ``size`` from the rest.

    Args:
        distance: (>= size,) float, of which exactly one is 0 (the image that was hit)
        size: how many count
        rank: how many are to lie at or below the cut
        high: a float64 distance at or below which ``above`` >= rank of them lie
        above: see there

    Returns:
        the cut, a float, and how many of the entries equal to it are too many; ties apart that is 0
    """
    low = 0.0
    below = 1
    step = 0
    while above != rank:
        step += 1
        share = 0.5 if step % 4 == 0 else (rank - below + 0.5) / (above - below + 1)
        # in two dimensions the count grows with the square of the distance
        probe = distance.dtype.type(math.sqrt(low * low + (high - low) * (high + low) * share))
        if not low < probe < high:
            probe = distance.dtype.type(low + (high - low) / 2)
            if not low < probe < high:  # no number in between: everything in (low, high] equals high
                break
        inside = count_within(distance, size, probe)
        if inside < rank:
            low, below = float(probe), inside
        else:
            high, above = float(probe), inside
    return distance.dtype.type(high), above - rank


@jit
def smallest_positive(bits, size):
    """Where the smallest positive number is; numbers >= 0 order like their bits, and 0 - 1 is the largest integer.

    ``bits`` is (>= size,) of unsigned integers. Unlike a minimum of floats, theirs becomes a vector loop.
    """
    one = bits.dtype.type(1)
    smallest = bits.dtype.type(bits[0] - one)
    for i in range(size):
        smallest = min(smallest, bits.dtype.type(bits[i] - one))
    smallest += one
    at = 0
    while bits[at] != smallest:
        at += 1
    return at


@jit
def smallest_and_zeros(bits, size, number):
    """The smallest positive distance, and how many are 0, in one vector loop.

    Args:
        bits: (>= size,) distances seen as unsigned integers, see :func:`smallest_positive`
        size: how many count
        number: (1,) float and the same memory as (1,) unsigned integers, written: turns bits into a float

    Returns:
        a float and a count
    """
    one = bits.dtype.type(1)
    smallest = bits.dtype.type(bits[0] - one)
    zeros = 0
    for i in range(size):
        smallest = min(smallest, bits.dtype.type(bits[i] - one))
        zeros += bits[i] == 0
    value, value_bits = number
    value_bits[0] = smallest + one
    return value[0], zeros


@jit
def weigh(distance, size, smallest, cut, spare, exponent, weight):
    """Computes the unscaled penalties of the neighbours up to a distance.

    (smallest / D) ** e is D ** -e up to a factor that cancels, and cannot overflow. Ties at the cut get equal parts.

    Args:
        distance: (>= size,) float
        size: how many count
        smallest: the smallest positive distance, a float
        cut: the largest distance that is penalised, a float
        spare: how many of the entries equal to the cut are too many
        exponent: float64 power by which penalties fall off
        weight: (>= size,) float; the first ``size`` are written

    Returns:
        the float64 sum of the weights
    """
    zero = distance.dtype.type(0)
    total = 0.0
    if exponent == 4.0:
        for i in range(size):
            ratio = smallest / distance[i] if 0 < distance[i] <= cut else zero
            ratio *= ratio
            weight[i] = ratio * ratio
            total += weight[i]
    else:
        power = distance.dtype.type(exponent)
        for i in range(size):
            weight[i] = (smallest / distance[i]) ** power if 0 < distance[i] <= cut else zero
            total += weight[i]
    if spare > 0:
        ties = 0
        for i in range(size):
            ties += distance[i] == cut
        for i in range(size):
            if distance[i] == cut:
                total -= weight[i] * (spare / ties)
                weight[i] *= (ties - spare) / ties
    return total
