"""How long a ranking takes and how much memory it needs, by what was measured: the table of ``docs/methods.md``."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

#: Rows that were measured, and their dimensions, those of CLIP's ViT-B-32.
_ROWS, USUAL_DIMENSIONS = (5_000, 25_000, 100_000, 1_000_000), 512
#: Method -> processor seconds at each number of rows, and gigabytes at the last two.
MEASURED: dict[str, tuple[tuple[float, float, float, float], tuple[float, float]]] = {
    "auto": ((5.1, 26, 24, 1_320), (1.2, 13)),
    "ccs": ((0.21, 1.5, 6.7, 36), (1.3, 8)),
    "d2": ((0.32, 15, 38, 180), (1.1, 7)),
    "density": ((0.2, 1.3, 6.7, 37), (1.3, 8)),
    "facility_location": ((0.74, 7.3, 14, 780), (1.0, 8)),
    "herding": ((0.26, 1.4, 7.8, 120), (1.4, 13)),
    "kmedoids": ((0.31, 1.8, 9.2, 180), (1.2, 6)),
    "maxherding": ((1.1, 13, 12, 900), (1.0, 8)),
    "probcover": ((0.99, 20, 120, 840), (1.5, 10)),
    "prototypicality": ((0.21, 1.6, 6.3, 35), (1.3, 8)),
    "random": ((0.011, 0.11, 0.56, 11), (0.7, 6)),
    "semdedup": ((0.12, 1.2, 8.4, 180), (1.4, 10)),
    "stratified": ((0.35, 1.7, 6.9, 34), (0.8, 6)),
    "typiclust": ((0.35, 2.5, 8.2, 300), (1.0, 6)),
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
