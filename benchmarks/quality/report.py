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


class Rival(NamedTuple):
    """The best other method of a cell.

    Attributes:
        name: the method
        points: its points above random
        own: those of the method it is compared with, on the same pools
        luck: two standard errors that luck alone explains of either
    """

    name: str
    points: float
    own: float
    luck: float

    @property
    def near(self) -> bool:
        """True if the difference is within two of its standard errors: both methods have had their luck."""
        return self.own >= self.points - np.sqrt(2) * self.luck


@dataclass(frozen=True)
class Results:
    """Judged selections.

    Attributes:
        cells: key -> method -> seed -> records of its draws
    """

    cells: dict[Key, dict[str, dict[int, list[dict]]]]

    def pools(self, key: Key, *methods: str) -> list[int]:
        """Seeds of the pools on which all of these methods and random were judged."""
        return sorted(set.intersection(*(set(self.cells[key].get(name, {})) for name in (*methods, "random"))))

    def differences(self, key: Key, method: str, what: str = "accuracy", beside: str = "random") -> np.ndarray:
        """Difference to the mean of random, one per pool on which ``beside`` was judged too, in points."""
        seeds = self.pools(key, method, beside)
        own, random = (
            np.array([np.mean([record[what] for record in self.cells[key][name][seed]]) for seed in seeds])
            for name in (method, "random")
        )
        return 100 * (own - random)

    def spread(self, key: Key, what: str = "accuracy") -> float:
        """What luck alone does to one selection: SD between random draws of one pool, in points.

        Pooled over the pools of the dataset, because few draws of one pool say little.
        """
        variances = [
            np.var([record[what] for record in draws], ddof=1)
            for other, methods in self.cells.items()
            if other._replace(kind="") == key._replace(kind="")
            for draws in methods.get("random", {}).values()
            if len(draws) > 1
        ]
        return 100 * float(np.sqrt(np.mean(variances))) if variances else float("nan")

    def margin(self, key: Key, method: str = "auto", what: str = "accuracy") -> float:
        """Two standard errors that luck alone explains of a method's difference to random, in points.

        Random is a mean over several draws, so its own luck counts for less.
        """
        seeds = self.pools(key, method)
        draws = np.mean([len(self.cells[key]["random"][seed]) for seed in seeds])
        return 2 * self.spread(key, what) * float(np.sqrt((1 + 1 / draws) / len(seeds)))

    def best_other(self, key: Key, method: str = "auto") -> Rival:
        """The best other method of a cell among those judged on two of the method's pools or more."""
        others = {"random": np.zeros(1)}
        for name in sorted(set(self.cells[key]) - REFERENCES - {method}):
            values = self.differences(key, name, beside=method)
            if len(values) >= min(2, len(self.pools(key, method))):
                others[name] = values
        name, values = max(others.items(), key=lambda item: item[1].mean())
        own = self.differences(key, method, beside=name)
        luck = self.spread(key) / float(np.sqrt(len(own)))
        return Rival(name, float(values.mean()), float(own.mean()), 2 * luck)


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
        for name in sorted(set(methods) - {"random", "oracle"}):
            if not results.pools(key, name):
                continue
            value, margin = float(results.differences(key, name).mean()), results.margin(key, name)
            row = counts[name]
            row[0] += 1
            row[1] += value < -margin
            row[2] += value > margin
            row[3] += results.best_other(key, name).near
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
            judged = key in results.cells and len(results.pools(key, "auto")) > 0
            rival = results.best_other(key) if judged else None
            entries.append(f"{rival.own:+.1f} ({rival.name} {rival.points:+.1f})" if rival else "")
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
        "Generated by `benchmarks/quality/run.py report`; read [quality.md](quality.md) first. Entries are points of",
        "accuracy above random on the same pools, ± SD over pools; in brackets the share of junk among what is kept.",
        "Random is given as accuracy ± SD between its draws of one pool, pooled over the five kinds of pool.",
        "*Clearly* and *noise* mean two standard errors of the difference in question, from such an SD and the number",
        "of pools: random is a mean over several draws, the best other method a single selection like any other.",
        "",
        "## What is asked of `auto`",
        "",
        *requirements(results),
        "## `auto` beside the best other method of each cell",
        "",
        "In brackets the method that is best there, picked after the fact among those judged on two pools or more;",
        "`auto` on the same pools.",
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
