"""What a run costs beside choosing, at growing datasets: reading vectors, diagnostics, writing, loading, a view.

    python -m benchmarks.run_stages --n 100000 1000000

Vectors of 128 dimensions in a field, in a database of its own. Each size has a process of its own, and so has loading,
as in an App that is opened later. Times are processor seconds of all threads of the client; what the database does
meanwhile shows in the time by the clock, and so do other programs.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from .panel import private_home

DIM = 128
_BLOCK = 50_000


def make_dataset(n: int) -> str:
    """Makes n samples with vectors in the field "emb"; their files do not exist."""
    import bson
    import fiftyone as fo

    dataset = fo.Dataset(f"stages-{n}", persistent=True)
    dataset.add_sample(fo.Sample(filepath="/nowhere/0.png", emb=np.zeros(DIM, dtype=np.float32)))
    collection = fo.core.odm.get_db_conn()[dataset._sample_collection_name]
    template = collection.find_one()
    collection.delete_many({})
    rng, kind = np.random.default_rng(0), dataset.get_field("emb")
    centers = rng.normal(size=(200, DIM))
    for start in range(0, n, _BLOCK):
        size = min(_BLOCK, n - start)
        vectors = (centers[rng.integers(200, size=size)] + 0.7 * rng.normal(size=(size, DIM))).astype(np.float32)
        collection.insert_many(
            {
                **template,
                "_id": bson.ObjectId(),
                "filepath": f"/nowhere/{start + row}.png",
                "_rand": float(rng.random()),
                "emb": kind.to_mongo(vectors[row]),
            }
            for row in range(size)
        )
    dataset.reload()
    return dataset.name


@contextmanager
def timed(what: str) -> Iterator[None]:
    cpu, clock = time.process_time(), time.monotonic()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    spent = time.process_time() - cpu
    print(f"| {what} | {spent:.1f} | {time.monotonic() - clock:.0f} | {peak:.1f} |", flush=True)


def timed_call(what: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with timed(what):
            return function(*args, **kwargs)

    return call


def run(name: str) -> None:
    import fiftyone as fo
    import fiftyone_coreset as fc
    from fiftyone_coreset.plugin.dataset.embeddings import EmbeddingSource
    from fiftyone_coreset.plugin.runs import compute

    dataset = fo.load_dataset(name)
    load = EmbeddingSource.load
    with (
        mock.patch.object(EmbeddingSource, "load", timed_call("read the vectors", load)),
        mock.patch.object(compute, "_build_results", timed_call("map by PCA and curve", compute._build_results)),
        mock.patch.object(compute, "write_run", timed_call("write fields and results", compute.write_run)),
        timed("the whole run"),
    ):
        fc.compute_coreset(dataset, "emb", method="random", projection="pca", progress=False)
    with timed("save a view of 10 % and count it"):
        assert len(fc.create_coreset_view(dataset, "coreset", "10%")) == round(0.1 * len(dataset))


def load(name: str) -> None:
    import fiftyone as fo
    import fiftyone_coreset as fc

    dataset = fo.load_dataset(name)
    with timed("load the run in another process"):
        results = fc.load_run(dataset, "coreset")
    with timed("and its report"):
        results.report("10%")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[100_000])
    parser.add_argument("--part", choices=["run", "load"], help=argparse.SUPPRESS)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        {"run": run, "load": load}[asked.part](asked.name)
        return
    with private_home():
        os.environ |= {"FIFTYONE_DATABASE_NAME": "benchmark", "FIFTYONE_SHOW_PROGRESS_BARS": "false"}
        for n in asked.n:
            name = make_dataset(n)
            print(f"| {n:,} images | processor s | s by the clock | peak GB |\n|---|---|---|---|", flush=True)
            for part in ("run", "load"):
                command = [sys.executable, "-m", "benchmarks.run_stages", "--part", part, "--name", name]
                subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
