"""Accuracy of networks trained on what CLIP-powered selection and its rivals keep, one resumable line a network."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np

from .rivals import rankings

#: (condition, keep, method) -> seed -> accuracy and bad share, both in percent.
Results = dict[tuple[str, float, str], dict[int, tuple[float, float]]]


def train_and_judge(
    bench, judge: str, train: Callable, conditions: dict[str, tuple], keeps: Iterable[float], methods, seeds: int
) -> None:
    """Appends a line per network to the bench's cache; networks that have a line are skipped.

    Args:
        bench: pools, models and the cache folder
        judge: the name of the kind of network
        train: ``(planted, rows, seed) -> accuracy``
        conditions: shares of wrong labels and of damaged images by name
        keeps: shares to keep
        methods: names of ``rankings()``, None for all
        seeds: number of plantings; all cells of one come before the next
    """
    path = results_path(bench)
    done = {tuple(json.loads(line)["cell"]) for line in path.read_text().splitlines()} if path.exists() else set()
    for seed in range(seeds):
        for condition, shares in conditions.items():
            planted = bench.plant(*shares, seed)
            for method, rank in rankings(planted, bench.scale, seed).items():
                cells = [(bench.name, judge, condition, keep, seed, method) for keep in keeps]
                wanted = [cell for cell in cells if cell not in done and (methods is None or method in methods)]
                order = rank() if wanted else np.empty(0, dtype=np.int64)
                for cell in wanted:
                    rows = order[: int(cell[3] * len(order))]
                    record = {"accuracy": train(planted, rows, seed), "bad": float(planted.bad[rows].mean())}
                    with path.open("a") as results:
                        results.write(json.dumps({"cell": cell} | record) + "\n")


def results_path(bench) -> Path:
    return bench.cache / "clip_powered-accuracy.jsonl"


def read_results(bench, judge: str, seeds: int) -> Results:
    """What has been judged so far, of this CLIP and of so many plantings."""
    results: Results = defaultdict(dict)
    for record in map(json.loads, results_path(bench).read_text().splitlines()):
        name, used, condition, keep, seed, method = record["cell"]
        if (name, used) == (bench.name, judge) and seed < seeds:
            results[condition, keep, method][seed] = (100 * record["accuracy"], 100 * record["bad"])
    return results


def print_accuracy(results: Results, methods: list[str], conditions: Iterable[str], keeps: Iterable[float]) -> None:
    """A table per condition: mean and standard deviation over the seeds."""
    for condition in conditions:
        print(f"| {condition} |", " | ".join(f"{keep:.0%}" for keep in keeps), "|")
        print("|---|" + "---|" * len(list(keeps)))
        for method in methods:
            cells = [[value for value, _ in results[condition, keep, method].values()] for keep in keeps]
            if all(cells):
                print(f"| {method} |", " | ".join(f"{np.mean(cell):.1f} ± {np.std(cell):.1f}" for cell in cells), "|")
        print(flush=True)


def print_differences(results: Results, ours: str, rivals: list[str], conditions: dict[str, list[str]], keeps) -> None:
    """Our accuracy less a rival's, paired by planting: mean over cells, standard error, and in how many it is above.

    Args:
        results: what was judged
        ours: our method
        rivals: the others
        conditions: the conditions that a column stands for
        keeps: shares to keep
    """

    @cache
    def mean_difference(rival: str, condition: str, keep: float) -> tuple[float, list[float]]:
        mine, theirs = results[condition, keep, ours], results[condition, keep, rival]
        paired = [mine[seed][0] - theirs[seed][0] for seed in sorted(mine.keys() & theirs.keys())]
        return float(np.mean(paired)), paired

    print(f"| {ours} less |", " | ".join(conditions), "|")
    print("|---|" + "---|" * len(conditions))
    for rival in rivals:
        shown = []
        for group in conditions.values():
            cells = [mean_difference(rival, condition, keep) for condition in group for keep in keeps]
            paired = [value for _, values in cells for value in values]
            error = np.std(paired, ddof=1) / np.sqrt(len(paired))
            above = sum(mean > 0 for mean, _ in cells)
            shown.append(f"{np.mean(paired):+.1f} ± {error:.1f}, {above} of {len(cells)}")
        print(f"| {rival} |", " | ".join(shown), "|")
    print(flush=True)
