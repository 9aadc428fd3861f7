"""How long ``update()`` takes at growing pools, beside ranking all images again.

    python -m benchmarks.update_scale --n 10000 30000 100000 [--added 1000]

Vectors of 128 dimensions in clusters, in a database of its own. The run is as cheap as a run can be: random order and a
map by PCA. Times are processor seconds of all threads, which other programs disturb less than the clock, and beside
them those of the database. What each image of the pool, and each new one, adds to an update is the difference between
the sizes.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from fiftyone_coreset.demo.database import running_mongod
from fiftyone_coreset.demo.environment import use_private_fiftyone

DIM = 128


def vectors(n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(200, DIM))
    return (centers[rng.integers(200, size=n)] + 0.7 * rng.normal(size=(n, DIM))).astype(np.float32)


def timed(what: str, work: Callable[[], object]) -> float:
    start, database, clock = time.process_time(), of_database(), time.monotonic()
    work()
    seconds, database = time.process_time() - start, of_database() - database
    took = f"{seconds:.2f} s of the processor, {database:.2f} s of the database's"
    print(f"{what}: {took}, {time.monotonic() - clock:.0f} s", flush=True)
    return seconds


def of_database() -> float:
    """Processor seconds of the database, the only process that was started here."""
    return sum(sum(child.cpu_times()[:2]) for child in psutil.Process().children())


def measure(n: int, added: int) -> tuple[float, float, float]:
    """Seconds of an update by another process, of one by the same process, and of one by it of twice as many."""
    import fiftyone as fo
    import fiftyone_coreset as fc

    rows = vectors(n + 4 * added)
    dataset = fo.Dataset()

    def add(first: int, last: int) -> None:
        samples = [fo.Sample(filepath=f"/nowhere/{row}.png", emb=rows[row]) for row in range(first, last)]
        dataset.add_samples(samples, progress=False)

    add(0, n)
    options = {"method": "random", "projection": "pca", "progress": False}
    timed(f"a run of {n:,}", lambda: fc.compute_coreset(dataset, "emb", **options))
    add(n, n + added)
    dataset.clear_cache()  # as in another process
    results = fc.load_run(dataset, "coreset")
    other = timed(f"{added:,} added, another process", lambda: results.update(progress=False))
    add(n + added, n + 2 * added)
    same = timed(f"{added:,} more, the same process", lambda: results.update(progress=False))
    add(n + 2 * added, n + 4 * added)
    return other, same, timed(f"{2 * added:,} more, the same process", lambda: results.update(progress=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--added", type=int, default=1_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        use_private_fiftyone(Path(home))
        os.environ |= {"FIFTYONE_DATABASE_NAME": "benchmark", "FIFTYONE_SHOW_PROGRESS_BARS": "false"}
        with running_mongod(Path(home)):
            found = [measure(n, asked.added) for n in asked.n]
    for n, (_, same, twice) in zip(asked.n, found, strict=True):
        print(f"each new image, into {n:,}: {(twice - same) / asked.added * 1e3:.2f} ms")
    grown = [
        (last - first) / max(1, asked.n[-1] - asked.n[0]) * 1e6 for first, last in zip(found[0], found[-1], strict=True)
    ]
    print(f"each image of the pool: {grown[0]:.0f} us by another process, {grown[1]:.0f} us by the same one")


if __name__ == "__main__":
    main()
