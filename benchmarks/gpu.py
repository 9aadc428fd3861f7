"""What a GPU computes, beside the processor: times by the clock, and how much of the result is the same.

    python -m benchmarks.gpu [--n 30000 100000 1000000] [--device cuda]

Pools as of images, see `benchmarks/neighbors.py`. Each task runs on a small pool first, which loads torch and compiles,
then once on either device. *The same* is the share of equal neighbours, clusters or picks; in ZCore, of the hundredth
with the highest scores. Without a GPU, ``--device cpu`` shows that it runs.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from fiftyone_coreset.plugin.selection.methods.zcore.scores import zcore_scores
from fiftyone_coreset.plugin.selection.registry import get_method
from fiftyone_coreset.plugin.vectors.device import VARIABLE
from fiftyone_coreset.plugin.vectors.kmeans import kmeans
from fiftyone_coreset.plugin.vectors.neighbors import nearest_neighbors

from .neighbors import images


def _picks(method: str, points: np.ndarray) -> set[int]:
    return set(get_method(method).select(points, 0.01).indices.tolist())


def _best(points: np.ndarray) -> set[int]:
    score = zcore_scores(points, 1000, sample_dim=3).score
    return set(np.argsort(-score)[: len(score) // 100].tolist())


TASKS: dict[str, Callable[[np.ndarray], Any]] = {
    "neighbours, k = 64": lambda points: nearest_neighbors(points, 64)[0],
    "k-means, 500 clusters": lambda points: kmeans(points, 500)[0],
    "k-center, 1 %": partial(_picks, "kcenter"),
    "facility location, 1 %": partial(_picks, "facility_location"),
    "ZCore, 1,000 draws in 3 dimensions": _best,
}
#: Rows that show torch the device and have kernels compiled.
SMALL = 10_000


def main() -> None:
    """Prints a row of a table for each task and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[30_000, 100_000, 1_000_000])
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    print(f"| task | n | processor | {options.device} | times as fast | the same |\n|---|---|---|---|---|---|")
    for n in options.n:
        points = images(n)
        for name, task in TASKS.items():
            (seconds, expected), (faster, found) = (_timed(task, points, where) for where in ("cpu", options.device))
            same = _same(expected, found)
            print(
                f"| {name} | {n:,} | {seconds:.1f} s | {faster:.1f} s | {seconds / faster:.1f} | {same:.2%} |",
                flush=True,
            )


def _timed(task: Callable[[np.ndarray], Any], points: np.ndarray, device: str) -> tuple[float, Any]:
    os.environ[VARIABLE] = device
    task(points[:SMALL])
    started = time.perf_counter()
    found = task(points)
    return time.perf_counter() - started, found


def _same(expected: Any, found: Any) -> float:
    if isinstance(expected, set):
        return len(expected & found) / len(expected)
    return float(np.mean(expected == found))


if __name__ == "__main__":
    main()
