"""What `auto` by cells keeps of photographs that come in bursts, where ZCore is trusted, beside `auto` at once.

    python -m benchmarks.scale_bursts --data DIR [--n 20000] [--seeds 0 1 2 3] [--rows-per-cell 3000]

DIR holds ``cifar10_24k.zip``. A quarter as many photographs as rows are drawn, each with near-copies of its own, as in
``benchmarks.quality``, and embedded by ``coreset-mini``. For each number of kept images: accuracy of a linear probe on
4,000 other photographs, how similar these are to the nearest kept image, and photographs kept of all images kept; means
over seeds, with the standard error of the accuracy.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .quality.pools import burst_sizes, embed_mini, near_copy, read_zip
from .scale import write_table

_KEPT = (100, 200, 500, 1_000)
_JUDGED = 4_000


def make_pool(data: Path, n: int) -> tuple[np.ndarray, ...]:
    """Unit vectors, labels and photograph of about n images in bursts, and unit vectors and labels of others."""
    from fiftyone_coreset.plugin.vectors.neighbors import unit_rows

    images, labels, _ = read_zip(data / "cifar10_24k.zip", 32)
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(images))[: n // 4]
    photograph = rng.permutation(np.repeat(np.arange(len(rows)), burst_sizes(len(rows), n, rng)))
    bursts = np.stack([near_copy(images[rows[number]], rng) for number in photograph])
    others = np.setdiff1d(np.arange(len(images)), rows)[:_JUDGED]
    pool, judged = (unit_rows(embed_mini(some))[0] for some in (bursts, images[others]))
    return pool, labels[rows][photograph], photograph, judged, labels[others]


def judge(order: np.ndarray, pool: tuple[np.ndarray, ...]) -> list[tuple[float, float, float]]:
    """Accuracy, similarity and share of photographs, for each number of kept images."""
    from sklearn.linear_model import LogisticRegression

    Z, labels, photograph, judged, theirs = pool
    found = []
    for k in _KEPT:
        kept = order[:k]
        accuracy = LogisticRegression(C=10, max_iter=300).fit(Z[kept], labels[kept]).score(judged, theirs)
        similar = float((judged @ Z[kept].T).max(axis=1).mean())
        found.append((accuracy, similar, len(np.unique(photograph[kept])) / k))
    return found


def by_cells(run: Any, k: int, seed: int, rows_per_cell: int) -> np.ndarray:
    """The rows that `auto` keeps of a run, cell by cell."""
    from fiftyone_coreset.plugin import scale

    name = f"auto-{seed}"
    scale.select(run.folder, "auto", k, name=name, seed=seed, rows_per_cell=rows_per_cell)
    return scale.read_ranking(run.folder, name)["row"].to_numpy()


def at_once(vectors: np.ndarray, k: int, seed: int, zcore_share: float | None = None) -> np.ndarray:
    """The rows that `auto` keeps of a pool."""
    from fiftyone_coreset.plugin.selection.methods.auto.selector import select
    from fiftyone_coreset.plugin.selection.methods.auto.settings import DEFAULTS
    from fiftyone_coreset.plugin.selection.registry import get_method

    method = get_method("auto")
    if zcore_share is not None:
        method = replace(method, function=partial(select, settings=replace(DEFAULTS, zcore_share=zcore_share)))
    found = method.select(vectors, k, seed=seed)
    print(f"at once, seed {seed}: {found.details['chosen_by_zcore']:.0%} by ZCore", flush=True)
    return found.indices


def main() -> None:
    from fiftyone_coreset.plugin import scale

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--rows-per-cell", type=int, default=3_000)
    options = parser.parse_args()
    pool = make_pool(options.data, options.n)
    vectors, k = pool[0], max(_KEPT)
    found: dict[str, list[list[tuple[float, float, float]]]] = {}
    with tempfile.TemporaryDirectory(prefix="coreset-bursts-") as folder:
        table = Path(folder) / "vectors.parquet"
        write_table(vectors, table)
        run = scale.plan(table, Path(folder) / "run", id_column="id", vector_column="vector", rows_per_unit=5_000)
        scale.embed(run.folder)
        scale.score(run.folder)
        for seed in options.seeds:
            orders = {
                "by cells": by_cells(run, k, seed, options.rows_per_cell),
                "at once": at_once(vectors, k, seed),
                "at once, without ZCore": at_once(vectors, k, seed, 0.0),
                "random": np.random.default_rng(seed).permutation(len(vectors)),
            }
            for name, order in orders.items():
                found.setdefault(name, []).append(judge(order, pool))
    print("| | " + " | ".join(f"{kept:,}" for kept in _KEPT) + " |\n|" + "---|" * (1 + len(_KEPT)))
    for name, judged in found.items():
        mean, error = np.mean(judged, axis=0), np.std(judged, axis=0) / max(len(judged) - 1, 1) ** 0.5
        cells = (f"{a:.3f} ± {e:.3f}, {s:.4f}, {d:.2f}" for (a, s, d), (e, _, _) in zip(mean, error, strict=True))
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
