"""How long a ranking takes and how much memory it needs, by what was measured: the table of ``docs/methods.md``."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

#: Rows that were measured, and their dimensions, those of CLIP's ViT-B-32.
_ROWS, USUAL_DIMENSIONS = (5_000, 25_000, 100_000, 1_000_000), 512
#: Method -> processor seconds at each number of rows, and gigabytes at the last two.
MEASURED: dict[str, tuple[tuple[float, float, float, float], tuple[float, float]]] = {
    "auto": ((5.4, 25, 27, 240), (0.9, 4)),
    "ccs": ((0.3, 1.4, 4.9, 16), (0.8, 4)),
    "d2": ((0.28, 5.7, 9.6, 120), (0.7, 3)),
    "density": ((0.3, 1.2, 4.8, 14), (0.8, 4)),
    "facility_location": ((1.1, 7, 13, 180), (0.8, 4)),
    "herding": ((0.28, 2.2, 8.6, 83), (1.0, 10)),
    "kmedoids": ((0.41, 2.7, 10, 120), (0.8, 2)),
    "maxherding": ((1.6, 13, 13, 180), (0.8, 4)),
    "probcover": ((0.77, 9.3, 18, 240), (1.0, 6)),
    "prototypicality": ((0.3, 1.3, 4.8, 14), (0.8, 4)),
    "random": ((0.0091, 0.044, 0.16, 1.9), (0.3, 2)),
    "semdedup": ((0.23, 1.1, 7.1, 57), (0.8, 6)),
    "stratified": ((0.42, 2, 6.2, 13), (0.8, 2)),
    "typiclust": ((0.52, 3.7, 7.3, 54), (0.6, 2)),
}


#: Gigabytes of a Python process with FiftyOne, numba and scikit-learn.
_IDLE = 0.5


@dataclass(frozen=True)
class Cost:
    """What a ranking is expected to need.

    Attributes:
        seconds: processor seconds of all threads together
        gigabytes: peak memory of the process
    """

    seconds: float
    gigabytes: float

    def __str__(self) -> str:
        """In words: from the time that all cores need together to that of one."""
        shortest, longest = self.seconds / (os.cpu_count() or 1), self.seconds
        if longest < 1:
            return "less than a second"
        fast, slow = _duration(shortest), _duration(longest)
        time = slow if fast == slow else f"{fast} to {slow}"
        return f"about {time} and {self.gigabytes:.1f} GB of memory"


def expected_cost(method: str, n: int, dimensions: int) -> Cost | None:
    """What a method is expected to need for ranking a pool.

    Time is read between the measured sizes, and beyond them continued by the power of n between the nearest two; it
    grows with the dimensions, as the distances do that it is spent on. So does the memory, above that of Python alone.

    Args:
        method: its name
        n: rows of the pool
        dimensions: length of a vector

    Returns:
        the cost; None for methods that were not measured

    Examples:
        >>> print(expected_cost("random", 1_000, 512))
        less than a second
    """
    if method not in MEASURED or n < 1:
        return None
    seconds, gigabytes = MEASURED[method]
    wider = dimensions / USUAL_DIMENSIONS
    return Cost(_read(n, _ROWS, seconds) * wider, max(_read(n, _ROWS[2:], gigabytes) * wider, _IDLE))


def _read(n: int, rows: tuple[int, ...], values: tuple[float, ...]) -> float:
    """The value at n on the line through the nearest two points, all on logarithmic scales."""
    right = int(np.clip(np.searchsorted(rows, n), 1, len(rows) - 1))
    (x0, x1), (y0, y1) = np.log(rows[right - 1 : right + 1]), np.log(values[right - 1 : right + 1])
    return float(np.exp(y0 + (np.log(n) - x0) * (y1 - y0) / (x1 - x0)))


def _duration(seconds: float) -> str:
    for size, name in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{max(seconds, 1):.0f} s"
