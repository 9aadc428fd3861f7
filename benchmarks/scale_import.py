"""What importing a selection of a run on disk costs: a new dataset of what is kept, and ranks on a pool that is there.

    python -m benchmarks.scale_import [--n 1000000] [--keep 10000 50000] [--dimensions 128]

A run of so many random vectors keeps some of them by chance. They are imported with ``only="coreset"``, then with
``only="pool"`` into a dataset of as many samples as the run has rows, which have paths and no vectors; the map is by
PCA. Times are processor seconds of all threads of the client; what the database does meanwhile shows in the time by the
clock, and so do other programs.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np

from .panel import private_home
from .run_stages import timed

_BLOCK = 50_000


def make_pool(n: int) -> str:
    """Makes n samples of paths; their files do not exist."""
    import bson
    import fiftyone as fo

    dataset = fo.Dataset("pool")
    dataset.add_sample(fo.Sample(filepath="/nowhere/0.png"))
    collection = fo.core.odm.get_db_conn()[dataset._sample_collection_name]
    template = collection.find_one()
    collection.delete_many({})
    for start in range(0, n, _BLOCK):
        collection.insert_many(
            {**template, "_id": bson.ObjectId(), "filepath": f"/nowhere/{row}.png"}
            for row in range(start, min(start + _BLOCK, n))
        )
    dataset.reload()
    return dataset.name


def make_run(n: int, dimensions: int, keep: int, folder: Path) -> None:
    """Plans and embeds a run, and selects from it."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from fiftyone_coreset.plugin import scale

    rng, writer = np.random.default_rng(0), None
    for start in range(0, n, _BLOCK):
        rows = range(start, min(start + _BLOCK, n))
        numbers = pa.array(rng.standard_normal(len(rows) * dimensions, dtype=np.float32))
        vectors = pa.FixedSizeListArray.from_arrays(numbers, dimensions)
        table = pa.table({"uri": [f"/nowhere/{row}.png" for row in rows], "vector": vectors})
        writer = writer or pq.ParquetWriter(folder / "table.parquet", table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    scale.plan(folder / "table.parquet", folder / "run", uri_column="uri", vector_column="vector")
    scale.embed(folder / "run")
    scale.select(folder / "run", "random", keep)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--keep", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--dimensions", type=int, default=128)
    options = parser.parse_args()
    with private_home(), tempfile.TemporaryDirectory(prefix="coreset-import-") as home:
        os.environ |= {"FIFTYONE_DATABASE_NAME": "benchmark", "FIFTYONE_SHOW_PROGRESS_BARS": "false"}
        from fiftyone_coreset.plugin import scale

        run = Path(home) / "run"
        print(f"| {options.n:,} rows | processor s | s by the clock | peak GB |\n|---|---|---|---|", flush=True)
        with timed("plan, copy and select"):
            make_run(options.n, options.dimensions, max(options.keep), Path(home))
        quiet = {"projection": "pca", "progress": False, "overwrite": True}
        for keep in options.keep:
            with timed(f'import {keep:,}, only="coreset"'):
                scale.import_coreset(run, "random", f"kept-{keep}", keep=keep, **quiet)
        with timed("make the pool, not by an import"):
            pool = make_pool(options.n)
        for keep in options.keep:
            with timed(f'import {keep:,}, only="pool"'):
                scale.import_coreset(run, "random", pool, only="pool", keep=keep, **quiet)


if __name__ == "__main__":
    main()
