"""What a coverage curve and a report cost at growing pools, without a database.

    python -m benchmarks.diagnostics --n 100000 1000000 [--pool images|noise]

The pools are those of :mod:`.neighbors`, 512 dimensions: vectors whose axes matter less and less, like those of images,
or clusters in which all matter alike. Ranked at random, 10 % kept. Each measurement has a process of its own; the
seconds of the processor are those of all threads.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import numpy as np

from .neighbors import POOLS
from .selection_scale import RESULTS


def measure(what: str, n: int, pool: str) -> None:
    import fiftyone_coreset as fc

    path = RESULTS.parent / f"pool-{n}.npy" if pool == "images" else RESULTS.parent / f"{pool}-{n}.npy"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        np.save(path, POOLS[pool](n))
    X = np.load(path, mmap_mode="r")
    order = np.random.default_rng(0).permutation(n)
    calls = {
        "coverage curve": lambda X, order: fc.coverage_curve(X, order),
        "report": lambda X, order: fc.coreset_report(X, order[: len(order) // 10]),
    }
    calls[what](np.array(X[:20_000]), np.arange(20_000))  # imports and compiles
    cpu, clock = time.process_time(), time.perf_counter()
    calls[what](X, order)
    spent = f"{time.process_time() - cpu:.0f} | {time.perf_counter() - clock:.0f}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"| {what} | {pool} | {n:,} | {spent} | {peak:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[100_000])
    parser.add_argument("--pool", choices=sorted(POOLS), default="images")
    parser.add_argument("--only", choices=["coverage curve", "report"], help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        measure(asked.only, asked.n[0], asked.pool)
        return
    print("| what | pool | images | processor s | s by the clock | peak GB |\n|---|---|---|---|---|---|", flush=True)
    for n in asked.n:
        for what in ("coverage curve", "report"):
            options = ["--only", what, "--n", str(n), "--pool", asked.pool]
            subprocess.run([sys.executable, "-m", "benchmarks.diagnostics", *options], check=True)


if __name__ == "__main__":
    main()
