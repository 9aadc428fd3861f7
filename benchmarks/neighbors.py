"""Neighbour search in large pools: share of the neighbours found, time and memory, beside NN-descent and faiss.

    python -m benchmarks.neighbors --n 100000 [--k 10 64] [--rivals cells nndescent ivf] [--pools images noise]

Pools of unit vectors, 512 dimensions: ``images`` has clusters, and variances that fall as those of image embeddings do;
``noise`` has round clusters of different width, in which hardly anything is nearer than the rest. Every search runs
in a process of its own. Times are processor seconds of all threads, which other programs disturb less than the clock;
memory is the peak of the process less that before the search. ``ivf`` is faiss's ``IVF4sqrt(n),Flat``, with as many
probes, 1, 2, 4 ..., as find 98 % of the neighbours of 500 rows; choosing them is not timed. It needs ``faiss-cpu``.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

DIMENSIONS = 512
ASKED = 500
WANTED = 0.98


def images(n: int, seed: int = 0, dimensions: int = DIMENSIONS) -> np.ndarray:
    """Unit vectors in 300 clusters; the i-th of the axes, which are turned at random, has variance 1 / i."""
    rng = np.random.default_rng(seed)
    scale = np.arange(1, dimensions + 1, dtype=np.float32) ** -0.5
    axes = np.linalg.qr(rng.standard_normal((dimensions, dimensions)))[0].astype(np.float32)
    centers = rng.standard_normal((300, dimensions), dtype=np.float32)
    cluster = rng.choice(300, n, p=rng.dirichlet(np.ones(300)))
    points = np.empty((n, dimensions), dtype=np.float32)
    for start in range(0, n, 10_000):
        rows = slice(start, start + 10_000)
        noise = rng.standard_normal((len(cluster[rows]), dimensions), dtype=np.float32)
        points[rows] = ((centers[cluster[rows]] + 0.8 * noise) * scale) @ axes
        points[rows] /= np.linalg.norm(points[rows], axis=1, keepdims=True)
    return points


def noise(n: int) -> np.ndarray:
    from .zcore.speed import unit_clusters

    return unit_clusters(n)


POOLS = {"images": images, "noise": noise}


def cells(points: np.ndarray, k: int, wanted: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, float]:
    from fiftyone_coreset.plugin.vectors.neighbors import nearest_neighbors

    nearest_neighbors(points[:31_000, :8].copy(), k)  # compiles
    started = time.process_time()
    indices = nearest_neighbors(points, k)[0]
    return indices, time.process_time() - started


def nndescent(points: np.ndarray, k: int, wanted: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, float]:
    from pynndescent import NNDescent

    NNDescent(points[:5_000, :8].copy(), n_neighbors=k + 1)  # compiles
    started = time.process_time()
    indices = NNDescent(points, n_neighbors=max(k + 1, 15), random_state=0).neighbor_graph[0][:, 1 : k + 1]
    return indices, time.process_time() - started


def ivf(points: np.ndarray, k: int, wanted: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, float]:
    import faiss

    started = time.process_time()
    index = faiss.index_factory(DIMENSIONS, f"IVF{int(4 * np.sqrt(len(points)))},Flat")
    index.train(points)
    index.add(points)
    built = time.process_time() - started
    index.nprobe = 1
    while recall(index.search(points[asked], k + 1)[1][:, 1:], wanted) < WANTED:
        index.nprobe *= 2
    started = time.process_time()
    indices = index.search(points, k + 1)[1][:, 1:]
    return indices, built + time.process_time() - started


SEARCHES = {"cells": cells, "nndescent": nndescent, "ivf": ivf}


def recall(found: np.ndarray, wanted: np.ndarray) -> float:
    """Share of the true neighbours among those found."""
    return float(np.mean([len(set(row) & set(true)) / len(true) for row, true in zip(found, wanted, strict=True)]))


def measure(name: str, pool: str, n: int, k: int) -> dict:
    """One search in this process."""
    points = POOLS[pool](n)
    asked = np.random.default_rng(1).choice(n, ASKED, replace=False)
    wanted = np.argsort(-(points[asked] @ points.T), axis=1)[:, 1 : k + 1]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    indices, seconds = SEARCHES[name](points, k, wanted, asked)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"found": round(recall(indices[asked], wanted), 3), "cpu_s": round(seconds, 1), "gb": round(peak / 2**20, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--k", type=int, nargs="+", default=[10, 64])
    parser.add_argument("--rivals", nargs="+", default=list(SEARCHES), choices=SEARCHES)
    parser.add_argument("--pools", nargs="+", default=list(POOLS), choices=POOLS)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        name, pool, n, k = args.child
        print(json.dumps(measure(name, pool, int(n), int(k))))
        return
    print("| pool | n | k | search | found | processor time | memory |\n|---|---|---|---|---|---|---|")
    for pool in args.pools:
        for k in args.k:
            for name in args.rivals:
                command = [sys.executable, "-m", "benchmarks.neighbors", "--child", name, pool, str(args.n), str(k)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                figures = json.loads(done.stdout.splitlines()[-1])
                print(
                    f"| {pool} | {args.n:,} | {k} | {name} | {figures['found']:.1%} | {figures['cpu_s']:.0f} s | "
                    f"{figures['gb']:.1f} GB |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
