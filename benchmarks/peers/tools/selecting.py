"""What all programs that select share: they read the pool, time the selection alone, and write what was kept."""

import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

#: Rows of a first selection that is not timed: it imports and compiles what is imported and compiled on first use.
WARM_ROWS = 500


class Problem(NamedTuple):
    """What to select from.

    Attributes:
        vectors: (n, d) float32 unit vectors
        k: how many to keep
        seed: of methods that draw
        length: h of the kernel ``exp(-d^2 / (2 h^2))``, the median distance of two vectors
        reach: h of the kernel ``exp(-(d / h)^2)``, the median distance to the tenth neighbour
    """

    vectors: np.ndarray
    k: int
    seed: int
    length: float
    reach: float


def answer(methods, prepare=lambda problem: problem):
    """Selects with the method that the command line names.

    Args:
        methods: functions by name; each takes what ``prepare`` made and returns the rows that are kept
        prepare: what users have done before they select, which is not timed as selection
    """
    pool, written, method, k, seed = sys.argv[1:]
    with np.load(pool) as given:
        problem = Problem(given["vectors"], int(k), int(seed), float(given["length"]), float(given["reach"]))
    methods[method](prepare(problem._replace(vectors=problem.vectors[:WARM_ROWS], k=WARM_ROWS // 10)))
    prepared = prepare(problem)
    processor, clock = time.process_time(), time.perf_counter()
    kept = methods[method](prepared)
    seconds = time.process_time() - processor, time.perf_counter() - clock
    np.savez(written, kept=np.asarray(kept), seconds=seconds, peak=_peak())


def _peak():
    """The largest resident memory of this process, in GB; getrusage counts what its parent had before it began, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024**2
