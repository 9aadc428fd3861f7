"""What the steps of a run need beside what they are said to need, and what choosing cell by cell loses.

    python -m benchmarks.scale --n 100000 [--dimensions 64] [--clusters 400] [--rows-per-cell 10000] [--central]

Vectors in clusters of unequal size and width are planned, copied, scored and selected by facility location, in a folder
that is removed again. Times are processor seconds of all threads, beside those that ``plugin/scale/model.py`` says of
one core; memory is the highest of the step. Parts of steps are listed below them: the constants of the model are these
times divided by what was done. ``--central`` also selects at once, and compares how well both represent all rows.
``--bursts CLUSTERS`` only counts how many near-copies of a synthetic pool cells separate from their originals, and how
many of these lie outside of each other's second-nearest cell, too, where they are not looked for. ``--packed`` only
compares scores from columns of 16 bits a number with those of 32 bits, and with those of another seed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def vectors(n: int, d: int, n_clusters: int) -> np.ndarray:
    """(n, d) float32 in clusters of unequal size and width."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(n_clusters, d))
    label = rng.choice(n_clusters, n, p=rng.dirichlet(np.ones(n_clusters)))
    width = rng.uniform(0.05, 0.5, n_clusters)
    found = np.empty((n, d), dtype=np.float32)
    for block in np.array_split(np.arange(n), -(-n // 100_000)):  # a million rows at once are several copies of them
        some = label[block]
        found[block] = centers[some] + rng.normal(size=(len(block), d)) * width[some, None]
    return found


def write_table(matrix: np.ndarray, path: Path) -> None:
    """A Parquet table with columns id and vector."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    column = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])
    pq.write_table(pa.table({"id": np.arange(len(matrix)), "vector": column}), path, row_group_size=10_000)


def highest_memory() -> float:
    """The most bytes that the process had since the last call (Linux)."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return float(status.split("VmHWM:")[1].split()[0]) * 1e3


def timed(name: str, function: Callable[..., Any], said: Any = None) -> Callable[..., Any]:
    """The function, which then prints what it took, and what it was said to take."""

    def run(*arguments: Any, **options: Any) -> Any:
        highest_memory()
        cpu = time.process_time()
        found = function(*arguments, **options)
        cpu = time.process_time() - cpu
        line = f"{name:24}{cpu:9.2f} s"
        if said is not None:
            line += f"{said.seconds:9.2f} s said{highest_memory() / 1e9:7.2f} GB{said.memory / 1e9:7.2f} GB said"
        print(line, flush=True)
        return found

    return run


def watch_parts() -> None:
    """Lets the parts of steps print what they took."""
    from fiftyone_coreset.plugin.scale import by_cells, scoring

    for module, names in (
        (scoring, ("open_columns", "_write_scores")),
        (by_cells, ("find_centers", "find_reading", "join", "_merge")),
    ):
        for name in names:
            setattr(module, name, timed(f"  {name.strip('_')}", getattr(module, name)))
        do_all = module.do_all

        def watched(crew: Any, work: Any, *others: Any, do_all: Callable[..., Any] = do_all) -> None:
            timed(f"  {type(work).__name__} in all", do_all)(crew, work, *others)

        module.do_all = watched  # type: ignore[attr-defined]


def representation(Z: np.ndarray, kept: np.ndarray) -> float:
    """Mean similarity of up to 100,000 rows to their most similar kept row, facility location's objective."""
    rows = Z if len(Z) <= 100_000 else Z[np.random.default_rng(2).choice(len(Z), 100_000, replace=False)]
    blocks = np.array_split(rows, max(1, len(rows) * len(kept) // 50_000_000))
    return sum(float(((1 + block @ Z[kept].T) / 2).max(axis=1).sum()) for block in blocks) / len(rows)


def cut_bursts(n: int, d: int, n_clusters: int, n_cells: int) -> None:
    """Prints the share of near-copies that cells separate from their originals."""
    from fiftyone_coreset.plugin.scale import SyntheticPool
    from fiftyone_coreset.plugin.vectors.kmeans import kmeans
    from fiftyone_coreset.plugin.vectors.neighbors import unit_rows

    pool = SyntheticPool(n, d, clusters=n_clusters, copies=0.1)
    Z = unit_rows(pool.vectors(0, n))[0]
    centers = kmeans(Z, n_cells)[1]
    nearest, second = np.argsort((centers**2).sum(axis=1) / 2 - Z @ centers.T, axis=1)[:, :2].T
    originals = pool.originals(0, n)
    copies = np.flatnonzero(originals != np.arange(n))
    theirs = originals[copies]
    cut = nearest[copies] != nearest[theirs]
    left = cut & (second[copies] != nearest[theirs]) & (nearest[copies] != second[theirs])
    print(f"{len(copies):,} copies, {n_cells} cells: {cut.mean():.2%} cut, {left.mean():.2%} after a second look-up")


def compare_packed(run: Any, n_draws: int) -> None:
    """Prints how near scores from columns of 16 bits are to those of 32 bits, beside those of another seed.

    After each eighth of the draws, so that a large pool need not be waited for to the end.
    """
    import shutil

    from fiftyone_coreset.plugin import scale
    from fiftyone_coreset.plugin.scale.parts import Stage
    from scipy.stats import spearmanr

    n_parts, n_first, found = 8, len(run) // 10, {}
    for bits, seed in ((32, 0), (16, 0), (32, 1)):
        net = np.zeros(len(run), dtype=np.int64)
        for part in range(n_parts):
            name, share = f"{bits} bits, seed {seed}, {part + 1} of {n_parts}", f"{part + 1}/{n_parts}"
            asked = {"n_draws": n_draws, "seed": seed, "column_bits": bits, "n_units": n_parts, "units": share}
            timed(name, scale.score)(run.folder, num_workers=1, **asked)
            sums = Stage.load(run.folder / "score").read(part)
            for half in (0, 1):
                net += sums[f"coverage_{half}"].to_numpy() - sums[f"redundancy_{half}"].to_numpy()
            found[bits, seed, part] = net.copy()
            if len(found) > n_parts:
                before = found[32, 0, part]
                both = np.intersect1d(*(np.argsort(-scores)[:n_first] for scores in (before, net)))
                rho = spearmanr(before, net).statistic
                print(f"  Spearman {rho:.4f}, {len(both) / n_first:.3f} of the first 10 % in common", flush=True)
        shutil.rmtree(run.folder / "score")
    for folder in ("columns", "columns16"):
        print(f"{folder}: {sum(file.stat().st_size for file in (run.folder / folder).iterdir()) / 1e6:.0f} MB")


def main() -> None:
    from fiftyone_coreset.plugin import scale
    from fiftyone_coreset.plugin.scale import model
    from fiftyone_coreset.plugin.selection.registry import get_method
    from fiftyone_coreset.plugin.vectors.neighbors import unit_rows

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=64)
    parser.add_argument("--clusters", type=int, default=400)
    parser.add_argument("--rows-per-cell", type=int, default=10_000)
    parser.add_argument("--draws", type=int, help="10 for each row by default")
    parser.add_argument("--method", default="facility_location")
    parser.add_argument("--keep", type=float, default=0.05)
    parser.add_argument("--central", action="store_true")
    parser.add_argument("--packed", action="store_true")
    parser.add_argument("--bursts", type=int, metavar="CLUSTERS")
    options = parser.parse_args()
    if options.bursts:
        cut_bursts(options.n, options.dimensions, options.bursts, -(-options.n // options.rows_per_cell))
        return
    n, d, method = options.n, options.dimensions, options.method
    one, size = scale.Machines(cores=1), model.Size(n, d, -(-n // 10_000))
    draws, n_cells, keep = options.draws or 10 * n, -(-n // options.rows_per_cell), round(options.keep * n)
    watch_parts()
    with tempfile.TemporaryDirectory(prefix="coreset-scale-") as folder:
        table, run = Path(folder) / "vectors.parquet", Path(folder) / "run"
        write_table(vectors(n, d, options.clusters), table)
        timed("plan", scale.plan, model.plan_need(n, size.units, one))(
            table, run, id_column="id", vector_column="vector"
        )
        timed("embed (copy)", scale.embed, model.embed_need(size, one))(run)
        if options.packed:
            compare_packed(scale.open(run), draws)
            return
        timed("score", scale.score, model.score_need(size, one, draws, 8))(run, n_draws=draws, num_workers=1)
        need = model.select_need(size, one, method, keep, n_cells)
        timed("select", scale.select, need)(run, method, keep, rows_per_cell=options.rows_per_cell, num_workers=1)
        written = sum(file.stat().st_size for file in run.rglob("*") if file.is_file())
        said = scale.dry_run(n, d, one, vectors=True, n_draws=draws, method=method, keep=keep)
        expected = said.total.storage - said.steps["import"].storage
        print(f"storage of the run: {written / 1e6:.0f} MB, {expected / 1e6:.0f} MB said")
        by_cells = scale.read_ranking(run, method)["row"].to_numpy()
    if options.central:
        matrix = vectors(n, d, options.clusters)
        Z = unit_rows(matrix)[0]
        central = timed("at once", get_method(method).select)(matrix, len(by_cells), seed=0).indices
        chance = np.random.default_rng(1).permutation(len(Z))
        for k in (len(by_cells) // 10, len(by_cells)):
            cells, once, random = (representation(Z, order[:k]) for order in (by_cells, central, chance))
            gain = (cells - random) / (once - random)
            print(f"{k:,} kept: ratio {cells / once:.4f}, share of the gain over chance {gain:.2f}", flush=True)


if __name__ == "__main__":
    main()
