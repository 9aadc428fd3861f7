"""What the steps of a run need beside what they say they need, and what choosing cell by cell loses.

    python -m benchmarks.scale --n 100000 [--dimensions 64] [--rows-per-cell 10000] [--central]

Vectors in clusters of unequal size and width are planned, copied, scored with 10 draws a row and selected by facility
location, in a folder that is removed again. Times are processor seconds of all threads and seconds by the clock; memory
is the highest of the process so far. ``--central`` also selects at once, and compares how well both represent all rows.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def vectors(n: int, d: int, n_clusters: int = 400) -> np.ndarray:
    """(n, d) float32 in clusters of unequal size and width."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(n_clusters, d))
    label = rng.choice(n_clusters, n, p=rng.dirichlet(np.ones(n_clusters)))
    width = rng.uniform(0.05, 0.5, n_clusters)[label, None]
    return (centers[label] + rng.normal(size=(n, d)) * width).astype(np.float32)


def write_table(matrix: np.ndarray, path: Path) -> None:
    """A Parquet table with columns id and vector."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    column = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])
    pq.write_table(pa.table({"id": np.arange(len(matrix)), "vector": column}), path, row_group_size=10_000)


def measured(name: str, step: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Runs a step, and prints what it said and what it took."""
    said: list[str] = []
    cpu, clock = time.process_time(), time.perf_counter()
    found = step(*arguments, progress=lambda fraction, message: said.append(message), **options)
    cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{name}: {cpu:.1f} s of CPU, {clock:.1f} s, {memory:.2f} GB so far; said: {said[0] if said else ''}",
        flush=True,
    )
    return found


def representation(Z: np.ndarray, kept: np.ndarray) -> float:
    """Mean similarity of all rows to their most similar kept row, facility location's objective."""
    blocks = np.array_split(Z, max(1, len(Z) * len(kept) // 50_000_000))
    return sum(float(((1 + block @ Z[kept].T) / 2).max(axis=1).sum()) for block in blocks) / len(Z)


def main() -> None:
    from fiftyone_coreset.plugin import scale
    from fiftyone_coreset.plugin.selection.registry import get_method
    from fiftyone_coreset.plugin.vectors.neighbors import unit_rows

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=64)
    parser.add_argument("--rows-per-cell", type=int, default=10_000)
    parser.add_argument("--keep", type=float, default=0.05)
    parser.add_argument("--central", action="store_true")
    options = parser.parse_args()
    matrix = vectors(options.n, options.dimensions)
    with tempfile.TemporaryDirectory(prefix="coreset-scale-") as folder:
        write_table(matrix, Path(folder) / "vectors.parquet")
        run = Path(folder) / "run"
        columns = {"id_column": "id", "vector_column": "vector"}
        measured("plan", scale.plan, Path(folder) / "vectors.parquet", run, **columns)
        measured("embed (copy)", scale.embed, run)
        measured("score", scale.score, run)
        measured("select", scale.select, run, keep=options.keep, rows_per_cell=options.rows_per_cell)
        size = sum(file.stat().st_size for file in run.rglob("*") if file.is_file())
        print(f"storage of the run: {size / 1e6:.0f} MB")
        by_cells = scale.read_ranking(run, "facility_location")["row"].to_numpy()
    if options.central:
        Z = unit_rows(matrix)[0]
        select = get_method("facility_location").select
        central = measured("at once", select, matrix, len(by_cells), seed=0).indices
        chance = np.random.default_rng(1).permutation(len(Z))
        for k in (len(by_cells) // 10, len(by_cells)):
            cells, once, random = (representation(Z, order[:k]) for order in (by_cells, central, chance))
            gain = (cells - random) / (once - random)
            print(f"{k:,} kept: ratio {cells / once:.4f}, share of the gain over chance {gain:.2f}", flush=True)


if __name__ == "__main__":
    main()
