"""Turns judged selections into tables and a plot."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

KINDS = ("clean", "longtail", "duplicates", "junk", "mixed")
#: Columns of the results file: what was judged, and what came out.
CELL = {
    "embedding": str,
    "dataset": str,
    "kind": str,
    "seed": int,
    "method": str,
    "draw": int,
    "budget": float,
    "judge": str,
}
FIGURES = ("accuracy", "tail_recall", "junk", "classes", "originals")
#: Not among the methods that a best one is chosen from.
REFERENCES = {"random", "oracle", "auto"}

_PLOTTED = {
    "auto": "C3",
    "oracle": "0.6",
    "maxherding": "C1",
    "facility_location": "C5",
    "herding": "C0",
    "kcenter": "C2",
    "zcore": "C4",
}


class Key(NamedTuple):
    """What one comparison of methods is about."""

    embedding: str
    dataset: str
    kind: str
    judge: str
    budget: float


@dataclass(frozen=True)
class Results:
    """Judged selections.

    Attributes:
        cells: key -> method -> seed -> records of its draws
    """

    cells: dict[Key, dict[str, dict[int, list[dict]]]]

    def differences(self, key: Key, method: str, what: str = "accuracy") -> np.ndarray:
        """Difference to the mean of random on the same pool, one per seed, in points."""
        methods = self.cells[key]
        seeds = sorted(set(methods.get(method, {})) & set(methods.get("random", {})))
        means = {
            name: [np.mean([record[what] for record in methods[name][seed]]) for seed in seeds]
            for name in (method, "random")
            if name in methods
        }
        return 100 * (np.array(means[method]) - means["random"]) if seeds else np.empty(0)

    def spread(self, key: Key) -> float:
        """What luck alone does to one selection: SD between random draws of one pool, in points.

        Pooled over the pools of the dataset, because few draws of one pool say little.
        """
        variances = [
            np.var([record["accuracy"] for record in draws], ddof=1)
            for other, methods in self.cells.items()
            if other._replace(kind="") == key._replace(kind="")
            for draws in methods.get("random", {}).values()
            if len(draws) > 1
        ]
        return 100 * float(np.sqrt(np.mean(variances))) if variances else float("nan")

    def margin(self, key: Key, seeds: int) -> float:
        """Two standard errors of a mean over pools that luck alone explains, in points."""
        return 2 * self.spread(key) / np.sqrt(seeds)

    def best_single(self, key: Key, seeds: int) -> tuple[str, float]:
        """The best method of a cell other than auto, judged on two pools or as many, and its points above random."""
        found = {"random": 0.0}
        for method in set(self.cells[key]) - REFERENCES:
            values = self.differences(key, method)
            if len(values) >= min(2, seeds):
                found[method] = float(values.mean())
        return max(found.items(), key=lambda item: item[1])


def read_records(path: Path) -> list[dict[str, Any]]:
    """The lines of the results file."""
    kinds = CELL | dict.fromkeys(FIGURES, float)
    with path.open(newline="") as file:
        return [{name: kinds[name](value) for name, value in line.items()} for line in csv.DictReader(file)]


def read(path: Path) -> Results:
    """Groups the lines of the results file into cells; only those that random was judged in can be compared."""
    cells: dict = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for record in read_records(path):
        key = Key(*(record[name] for name in Key._fields))
        cells[key][record["method"]][record["seed"]].append(record)
    return Results({key: methods for key, methods in cells.items() if "random" in methods})


def table(results: Results, embedding: str, dataset: str, kind: str, judge: str) -> list[str]:
    """One table: methods by budgets, points above random, SD over pools."""
    keys = sorted(key for key in results.cells if key[:4] == (embedding, dataset, kind, judge))
    lines = [f"### {dataset}, {kind}, {judge}, {embedding}", ""]
    lines += ["| method | " + " | ".join(f"{key.budget:.0%}" for key in keys) + " |", "|---" * (len(keys) + 1) + "|"]
    accuracies = [
        100 * np.mean([r["accuracy"] for draws in results.cells[key]["random"].values() for r in draws]) for key in keys
    ]
    lines.append(
        "| random, accuracy | "
        + " | ".join(f"{a:.1f} ± {results.spread(key):.1f}" for a, key in zip(accuracies, keys, strict=True))
        + " |"
    )
    rows = []
    for name in {name for key in keys for name in results.cells[key]} - {"random"}:
        values = [results.differences(key, name) for key in keys]
        entries = [_entry(results, key, name, value) for key, value in zip(keys, values, strict=True)]
        total = sum(float(value.mean()) for value in values if len(value))
        rows.append((total, f"| {name} | " + " | ".join(entries) + " |"))
    return [*lines, *[row for _, row in sorted(rows, reverse=True)], ""]


def _entry(results: Results, key: Key, name: str, values: np.ndarray) -> str:
    if len(values) == 0:
        return ""
    text = f"{values.mean():+.1f}" + (f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else " (one pool)")
    if key.kind in ("junk", "mixed"):
        text += f" ({np.mean([r['junk'] for draws in results.cells[key][name].values() for r in draws]):.0%})"
    return text


def summary(results: Results) -> list[str]:
    """How often every method is clearly below random, clearly above, and close to the best of its cell."""
    counts: dict[str, list[float]] = defaultdict(lambda: [0, 0, 0, 0, 0.0])
    for key, methods in results.cells.items():
        means = {name: self_means for name in methods if len(self_means := results.differences(key, name))}
        best = max([0.0, *(float(values.mean()) for name, values in means.items() if name not in ("random", "oracle"))])
        for name in set(means) - {"random", "oracle"}:
            value, margin = float(means[name].mean()), results.margin(key, len(means[name]))
            row = counts[name]
            row[0] += 1
            row[1] += value < -margin
            row[2] += value > margin
            row[3] += value >= best - margin
            row[4] += value
    lines = [
        "| method | cells | mean, points above random | clearly below random | clearly above | near the best |",
        "|---|---|---|---|---|---|",
    ]
    ordered = sorted(counts.items(), key=lambda item: item[1][1] / item[1][0] - item[1][3] / item[1][0])
    lines += [
        f"| {name} | {n} | {total / n:+.1f} | {low / n:.0%} | {high / n:.0%} | {near / n:.0%} |"
        for name, (n, low, high, near, total) in ordered
    ]
    return [*lines, ""]


def overview(results: Results) -> list[str]:
    """``auto`` beside the best other method of every cell."""
    budgets = sorted({key.budget for key in results.cells})
    lines = ["| pool | " + " | ".join(f"{budget:.0%}" for budget in budgets) + " |", "|---" * (len(budgets) + 1) + "|"]
    for group in _groups(results):
        entries = []
        for budget in budgets:
            key = Key(*group, budget)
            values = results.differences(key, "auto") if key in results.cells else np.empty(0)
            name, best = results.best_single(key, len(values)) if len(values) else ("", 0.0)
            entries.append(f"{values.mean():+.1f} ({name} {best:+.1f})" if len(values) else "")
        if any(entries):
            embedding, dataset, kind, judge = group
            lines.append(f"| {dataset}, {kind}, {judge}, {embedding} | " + " | ".join(entries) + " |")
    return [*lines, ""]


def _groups(results: Results) -> list[tuple[str, str, str, str]]:
    """Embedding, dataset, kind and judge, in the order of the report."""
    groups = {key[:4] for key in results.cells}
    return sorted(groups, key=lambda group: (group[0] != "mobilenetv2", group[3] != "probe", group))


def write_report(path: Path, docs: Path) -> None:
    """Writes ``quality-results.md`` and ``quality.png``."""
    from quality_requirements import requirements

    results = read(path)
    text = [
        "# Results of the quality benchmark",
        "",
        "Generated by `benchmarks/quality.py report`; read [quality.md](quality.md) first. Entries are points of",
        "accuracy above random on the same pools, ± SD over pools; in brackets the share of junk among what is kept.",
        "Random is given as accuracy ± SD between its draws of one pool, pooled over the five kinds of pool.",
        "*Clearly*, *noise* and *near the best* mean two such SDs over the root of the number of pools.",
        "",
        "## What is asked of `auto`",
        "",
        *requirements(results),
        "## `auto` beside the best other method of each cell",
        "",
        "In brackets the method that is best there, picked after the fact among those judged on two pools or more.",
        "",
        *overview(results),
        "## All methods",
        "",
        "Not every method was judged in every cell; the share of cells is of those it was judged in.",
        "",
        *summary(results),
        "## Tables",
        "",
    ]
    for group in _groups(results):
        text += table(results, *group)
    (docs / "quality-results.md").write_text("\n".join(text))
    plot(results, docs / "quality.png")


def plot(results: Results, path: Path) -> None:
    """Points above random against the budget: a column per kind of pool, a row per embedding, probe judge."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    embeddings = sorted({key.embedding for key in results.cells if key.judge == "probe"}, reverse=True)
    figure, axes = pyplot.subplots(
        len(embeddings), len(KINDS), figsize=(3 * len(KINDS), 3 * len(embeddings)), sharey="row", squeeze=False
    )
    for row, embedding in zip(axes, embeddings, strict=True):
        for axis, kind in zip(row, KINDS, strict=True):
            for method, color in _PLOTTED.items():
                if method == "oracle" and kind not in ("duplicates", "mixed"):
                    continue
                budgets, points = _curve(results, embedding, kind, method)
                style = "--" if method == "oracle" else "-"
                width = 2.4 if method == "auto" else 1.2
                axis.plot(budgets, points, style, color=color, label=method, marker=".", linewidth=width)
            axis.axhline(0, color="black", linewidth=0.8)
            axis.set(title=f"{kind}, {embedding}", xscale="log")
            axis.set_xticks([0.05, 0.1, 0.3, 0.5], ["5%", "10%", "30%", "50%"])
            axis.minorticks_off()
            axis.grid(alpha=0.3)
        row[0].set_ylabel("points above random")
    for axis in axes[-1]:
        axis.set_xlabel("share kept")
    handles, labels = axes[0][KINDS.index("duplicates")].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=len(labels), frameon=False)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.savefig(path, dpi=110)


def _curve(results: Results, embedding: str, kind: str, method: str) -> tuple[list[float], list[float]]:
    """Mean over the datasets, where all of them were judged."""
    points: dict[float, list[float]] = defaultdict(list)
    keys = [key for key in results.cells if (key.embedding, key.kind, key.judge) == (embedding, kind, "probe")]
    for key in keys:
        values = results.differences(key, method)
        if len(values):
            points[key.budget].append(float(values.mean()))
    datasets = len({key.dataset for key in keys})
    budgets = sorted(budget for budget in points if len(points[budget]) == datasets)
    return budgets, [float(np.mean(points[budget])) for budget in budgets]
