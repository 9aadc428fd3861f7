"""Where a selection spends its time: processor seconds of its stages.

    python -m benchmarks.selection_stages auto --n 100000 1000000 [--keep 0.1]

The pools are those of :mod:`.selection_scale`. A stage includes those that are indented below it. "Floor" is what the
two products of the neighbour search take at the speed at which this machine multiplies matrices, and reading the pool
once at the speed at which it copies memory. Memory is the peak of the process; the pool, a file, counts as far as it
was read.
"""

from __future__ import annotations

import argparse
import importlib
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from fiftyone_coreset import get_method

from .selection_scale import pool_file

#: Modules that call a stage, the function, and what it is called in the table.
STAGES = (
    ("vectors.near_duplicates", "_read_radius", "near-duplicate radius"),
    ("selection.pool", "nearest_neighbors", "neighbours"),
    ("vectors.cells", "_cut", "\u2003cells"),
    ("vectors.cells", "_needed", "\u2003\u2003how far to look"),
    ("selection.methods.auto.selector", "find_regions", "regions"),
    ("selection.methods.auto.selector", "judged_zcore", "ZCore, judged"),
    ("selection.methods.auto.selector", "region_shares", "shares of regions"),
    ("selection.cover", "distance_matrix", "graph of distances"),
    ("selection.methods.auto.selector", "distance_matrix", "graph of distances"),
    ("selection.cover", "similarities", "similarities"),
    ("selection.methods.auto.selector", "similarities", "similarities"),
    ("selection.methods.facility_location", "greedy_cover", "greedy coverage"),
    ("selection.methods.maxherding", "greedy_cover", "greedy coverage"),
    ("selection.methods.auto.selector", "cover_in_turns", "coverage in turns"),
)


def watch(spent: dict[str, float]) -> None:
    """Adds the processor seconds of every stage to ``spent``."""
    for module, name, title in STAGES:
        holder = importlib.import_module(f"fiftyone_coreset.plugin.{module}")
        spent.setdefault(title, 0.0)
        setattr(holder, name, _timed(getattr(holder, name), title, spent))


def _timed(function: Callable[..., Any], title: str, spent: dict[str, float]) -> Callable[..., Any]:
    def call(*args: Any, **keywords: Any) -> Any:
        before = time.process_time()
        try:
            return function(*args, **keywords)
        finally:
            spent[title] += time.process_time() - before

    return call


def floor(n: int, reach: int = 6000) -> str:
    """Processor seconds for the products of the search, and for reading n rows of 512 once."""
    a, b = np.ones((1024, 512), dtype=np.float32), np.ones((512, 4096), dtype=np.float32)
    before = time.process_time()
    for _ in range(8):
        a @ b
    multiply = (time.process_time() - before) / (8 * 1024 * 4096)
    big = np.ones((100_000, 512), dtype=np.float32)
    before = time.process_time()
    big.copy()
    copied = (time.process_time() - before) / len(big)
    return f"{n * (2 * np.sqrt(n) + reach) * multiply:.0f} s, {n * copied:.1f} s"


def measure(method: str, n: int, keep: float) -> None:
    """Prints the stages of one selection."""
    pool, chosen = np.load(pool_file(n), mmap_mode="r"), get_method(method)
    chosen.select(np.array(pool[:2000]), 200)  # imports and compiles
    limit = floor(n)
    spent: dict[str, float] = {}
    watch(spent)
    before, started = time.process_time(), time.perf_counter()
    chosen.select(pool, keep)
    whole, wall = time.process_time() - before, time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"| {method}, {n:,} | {whole:.0f} s ({wall:.0f} s by the clock), {peak:.1f} GB; floor {limit} |")
    for title, seconds in spent.items():
        if seconds >= 0.5:
            print(f"| {title} | {seconds:.0f} s |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="+")
    parser.add_argument("--n", type=int, nargs="+", default=[100_000])
    parser.add_argument("--keep", type=float, default=0.1)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        measure(args.methods[0], args.n[0], args.keep)
        return
    for n in args.n:
        for method in args.methods:  # a process each: memory is that of one selection
            given = [method, "--n", str(n), "--keep", str(args.keep), "--child"]
            subprocess.run([sys.executable, "-m", "benchmarks.selection_stages", *given], check=True)


if __name__ == "__main__":
    main()
