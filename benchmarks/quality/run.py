"""Judges every selection method on pools as users have them, against random, and writes the report.

    python -m benchmarks.quality.run run --data DIR --models DIR [--datasets ...] [--pools ...] [--methods ...]
        [--budgets 0.05 0.1 0.3 0.5] [--seeds 0 1 2] [--judges probe cnn] [--embedding mobilenetv2]
    python -m benchmarks.quality.run report

``run`` appends one line per judged selection to ``benchmarks/quality/results.csv`` and skips what is there already,
so it can be stopped and continued; ``report`` turns the lines into ``docs/quality-results.md`` and a plot. DATA holds
``cifar10_24k.zip`` and ``caltech101_64px.zip``, MODELS the MobileNetV2 weights and their loader.

A seed is a pool (its own images, bursts and junk) and the seed of the selection; differences to random are paired by
seed, with random itself judged on several draws of each pool.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from fiftyone_coreset import get_method, list_methods

from .pools import KINDS, POOL_SIZES, ImagePool, load_pool
from .report import CELL, FIGURES, read_records, write_report

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "quality"
RESULTS = Path(__file__).with_name("results.csv")

#: Arguments a method needs, or that keep its run short.
ARGUMENTS = {
    "herding_rbf": {"kernel": "rbf"},
    "zcore": {"n_draws": 100_000},
    "zcore_balanced": {"n_draws": 100_000},
}
#: Methods that answer another question than "which images of this pool", or need labels of all images.
LEFT_OUT = {"by_field", "target_match", "clip_powered"}


def all_methods() -> list[str]:
    """Every method that can choose without labels, the two references first."""
    left_out = LEFT_OUT | {name for name in list_methods() if get_method(name).needs_model}
    names = [name for name in list_methods() if name not in left_out | {"random", "auto"}]
    return ["random", "oracle", "auto", *names, "herding_rbf"]


def select(method: str, pool: ImagePool, counts: list[int], seed: int) -> Iterator[np.ndarray]:
    """Row indices for every budget; ``oracle`` knows the bursts and takes one random image of each original first."""
    if method == "oracle":
        order = np.random.default_rng(seed).permutation(len(pool.labels))
        first = np.zeros(len(order), dtype=bool)
        first[np.unique(pool.origin[order], return_index=True)[1]] = True
        ranking = np.concatenate([order[first], order[~first]])
        yield from (ranking[:k] for k in counts)
        return
    chosen, arguments = get_method(method.removesuffix("_rbf")), ARGUMENTS.get(method, {})
    if chosen.nested:  # any prefix is the selection of that size
        ranking = chosen.select(pool.embeddings, max(counts), seed=seed, **arguments).indices
        yield from (ranking[:k] for k in counts)
    else:
        yield from (chosen.select(pool.embeddings, k, seed=seed, **arguments).indices for k in counts)


def facts(pool: ImagePool, kept: np.ndarray) -> dict[str, float]:
    """What can be counted without training."""
    good = pool.bad == 0
    classes = np.bincount(pool.labels[good])
    present = np.bincount(pool.labels[kept][good[kept]], minlength=len(classes))
    return {
        "junk": float(np.mean(~good[kept])),
        "classes": int((present > 0).sum()),
        "originals": len(np.unique(pool.origin[kept])),
    }


def cells(args: argparse.Namespace) -> Iterator[tuple[str, str, int]]:
    for seed in args.seeds:
        for kind in args.pools:
            for dataset in args.datasets:
                yield dataset, kind, seed


def run(args: argparse.Namespace) -> None:
    if not RESULTS.exists():
        RESULTS.write_text(",".join([*CELL, *FIGURES]) + "\n")
    done = {tuple(record[name] for name in CELL) for record in read_records(RESULTS)}
    for dataset, kind, seed in cells(args):
        pool = load_pool(dataset, kind, seed, args.embedding, args.data, args.models, CACHE)
        for method in args.methods:
            for draw in range(args.draws if method == "random" else 1):
                key = (args.embedding, dataset, kind, seed, method, draw)
                open_ = [(b, j) for b in args.budgets for j in args.judges if (*key, b, j) not in done]
                judge_selections(pool, key, open_)


def judge_selections(pool: ImagePool, key: tuple, wanted: list[tuple[float, str]]) -> None:
    """Judges one method on one pool and appends a line per budget and judge."""
    from .judges import JUDGES  # torch is not needed for the report

    method, seed = key[4], 100 * key[3] + key[5]
    budgets = sorted({budget for budget, _ in wanted})
    if not budgets:
        return
    selections = select(method, pool, [round(budget * len(pool.labels)) for budget in budgets], seed)
    with RESULTS.open("a", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        for budget, kept in zip(budgets, selections, strict=True):
            for judge in [judge for b, judge in wanted if b == budget]:
                figures = JUDGES[judge](pool, kept, seed) | facts(pool, kept)
                line = [*key, budget, judge, *(round(figures[name], 5) for name in FIGURES)]
                lines.writerow(line)
                file.flush()
                print(*line, flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    runner = commands.add_parser("run")
    runner.add_argument("--data", type=Path, required=True)
    runner.add_argument("--models", type=Path, required=True)
    runner.add_argument("--datasets", nargs="+", default=["cifar10", "caltech101"])
    runner.add_argument("--pools", nargs="+", default=list(KINDS), choices=KINDS)
    runner.add_argument("--methods", nargs="+", default=all_methods())
    runner.add_argument("--budgets", nargs="+", type=float, default=[0.05, 0.1, 0.3, 0.5])
    runner.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    runner.add_argument("--judges", nargs="+", default=["probe"], choices=["probe", "cnn"])
    runner.add_argument("--draws", type=int, default=5, help="random selections per pool")
    runner.add_argument("--embedding", default="mobilenetv2", choices=POOL_SIZES, help="what the selection sees")
    runner.set_defaults(command=run)
    reporter = commands.add_parser("report")
    reporter.set_defaults(command=lambda args: write_report(RESULTS, ROOT / "docs"))
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parse()
    arguments.command(arguments)
