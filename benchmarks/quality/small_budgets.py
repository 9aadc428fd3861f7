"""Selections of one to ten percent, judged by the probe: prints the table "Small budgets" of ``docs/quality.md``.

    python -m benchmarks.quality.small_budgets --data DIR --models DIR --seeds 200 201

Points above random (three draws), mean ± standard error over pools of 1,200 images, each seen by both embeddings:
those of ``coreset-mini``, and the probe's own. ``auto`` is told the near-copies by fingerprints. Seeds 200 to 202 are
for development.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from fiftyone_coreset import get_method
from fiftyone_coreset.plugin.vectors.near_copies import near_copies
from fiftyone_coreset.plugin.vectors.neighbors import unit_rows

from .judges import probe
from .near_copies import evidence
from .pools import KINDS, ImagePool, load_pool
from .run import CACHE, select

_BUDGETS, _DRAWS = (0.01, 0.02, 0.05, 0.1), 3


def pools(args: argparse.Namespace) -> Iterator[tuple[ImagePool, int]]:
    """Every pool as each embedding sees it, and its seed."""
    for seed in args.seeds:
        for dataset in args.datasets:
            for kind in args.pools:
                pool = load_pool(dataset, kind, seed, "coreset-mini", args.data, args.models, CACHE)
                yield pool, seed
                yield replace(pool, embeddings=pool.features), seed


def accuracies(method: str, pool: ImagePool, seed: int) -> np.ndarray:
    """Percent right at every budget; of random the mean over its draws."""
    counts = [round(budget * len(pool.labels)) for budget in _BUDGETS]
    if method == "auto":
        copies = near_copies(unit_rows(pool.embeddings)[0], evidence(pool.images), seed=seed)
        chosen = get_method("auto").select(pool.embeddings, max(counts), seed=seed, near_copies=copies).indices
        return _judged(pool, [chosen[:k] for k in counts], seed)
    seeds = [100 * seed + draw for draw in range(_DRAWS)] if method == "random" else [seed]
    return np.mean([_judged(pool, select(method, pool, counts, each), each) for each in seeds], axis=0)


def _judged(pool: ImagePool, selections, seed: int) -> np.ndarray:
    return np.array([100 * probe(pool, kept, seed)["accuracy"] for kept in selections])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--datasets", nargs="+", default=["cifar10", "caltech101"])
    parser.add_argument("--pools", nargs="+", default=["clean", "longtail"], choices=KINDS)
    parser.add_argument("--methods", nargs="+", default=["auto", "kmedoids", "facility_location"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[200, 201])
    args = parser.parse_args()
    found = defaultdict(list)
    for pool, seed in pools(args):
        by_chance = accuracies("random", pool, seed)
        found["random, accuracy"].append(by_chance)
        for method in args.methods:
            found[method].append(accuracies(method, pool, seed) - by_chance)
    print("| |", " | ".join(f"keep {budget:.0%}" for budget in _BUDGETS), f"| {len(found['random, accuracy'])} pools")
    for method, rows in found.items():
        mean, error = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1) / np.sqrt(len(rows))
        shown = zip(mean, error, strict=True)
        cells = [f"{m:.1f}" if "random" in method else f"{m:+.1f} ± {e:.1f}" for m, e in shown]
        print("|", method, "|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
