"""Time of a batch and of the head: 100 of n images, and 1,000 labels of 100 classes, as ``next_batch`` does it.

python -m benchmarks.rounds.speed --n 1000000 --methods uherding
"""

from __future__ import annotations

import argparse
import resource
import time
from functools import partial

import fiftyone_coreset as fc
import numpy as np
from fiftyone_coreset.plugin.vectors.near_duplicates import near_duplicate_radius


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--methods", nargs="+", default=["uherding", "margin", "badge", "dropquery"])
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    centers, classes = rng.normal(size=(100, args.dim)).astype(np.float32), rng.integers(0, 100, args.n)
    X = rng.standard_normal((args.n, args.dim), dtype=np.float32)
    X += centers[classes]
    labelled = np.zeros(args.n, dtype=bool)
    labelled[np.concatenate([np.flatnonzero(classes == c)[:10] for c in range(100)])] = True
    known = np.where(labelled, classes, -1)
    fc.fit_head(X[:2000], classes[:2000] % 3, C=100.0)  # imports
    head = timed("fit_head, 1,000 labels of 100 classes, penalty chosen", lambda: fc.fit_head(X, known))
    said = timed(f"predictions and calibrated confidences of {args.n}", lambda: head.judge(X))[0]
    timed("near-duplicate radius", lambda: near_duplicate_radius(X))
    for name in args.methods:
        batch(name, X[:500], 20, np.arange(5), head, said.take(np.arange(500)))  # imports
        timed(f"{name}, 100 of {args.n}", partial(batch, name, X, 1100, labelled, head, said))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2:.1f} GB")


def batch(name, X, k, labelled, head, said):
    given = {"head": head} if fc.get_method(name).needs_head else {"predictions": said}
    return fc.get_method(name).select(X, k, preselected=labelled, **given)


def timed(what, work):
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    print(
        f"{what}: {time.process_time() - cpu:.1f} s of processor time, {time.perf_counter() - wall:.1f} s by the clock",
        flush=True,
    )
    return found


if __name__ == "__main__":
    main()
