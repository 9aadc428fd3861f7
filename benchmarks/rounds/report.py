"""Tables of ``docs/rounds-evidence.md`` from the results of ``benchmarks.rounds.run``."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

DOC = Path(__file__).resolve().parents[2] / "docs" / "rounds-evidence.md"
_MARKS = "<!-- figures -->\n", "<!-- end of figures -->\n"
#: Seeds of the report; those above were for development.
_FIRST_DEVELOPMENT_SEED = 100
#: Methods that are compared with each other.
_PAIRS = ("uherding", "maxherding"), ("deuce", "uherding")

Curves = dict[tuple[int, str], list[dict[str, float]]]


def write_report(results: Path) -> None:
    """Puts the tables between the marks of the page."""
    cells = read(results)
    tables = "\n".join([gains(cells), budgets(cells), estimates(cells)])
    before, rest = DOC.read_text().split(_MARKS[0])
    DOC.write_text(f"{before}{_MARKS[0]}\n{tables}\n{_MARKS[1]}{rest.split(_MARKS[1])[1]}")


def read(results: Path) -> dict[tuple[str, str, int], Curves]:
    """Records of each round by dataset, kind and batch, and by seed and method within."""
    cells: dict[tuple[str, str, int], Curves] = defaultdict(lambda: defaultdict(list))
    with results.open() as file:
        for line in csv.DictReader(file):
            if int(line["seed"]) < _FIRST_DEVELOPMENT_SEED:
                cell = line["dataset"], line["kind"], int(line["batch"])
                numbers = {
                    name: float(text)
                    for name, text in line.items()
                    if text and name not in ("dataset", "kind", "method")
                }
                cells[cell][int(line["seed"]), line["method"]].append(numbers)
    return cells


def gains(cells: dict[tuple[str, str, int], Curves]) -> str:
    """For each setting a table of methods: the area under the curve beside random's on the same pool."""
    parts = []
    for (dataset, kind, batch), curves in cells.items():
        last = next(iter(curves.values()))[-1]
        seeds = sorted({seed for seed, _ in curves})
        area, other = (
            100 * np.mean([mean_of(curves[seed, "random"], figure) for seed in seeds])
            for figure in ("accuracy", "probe")
        )
        parts.append(
            f"**{dataset}, {kind}**: {batch} labels a round to {last['labels']:.0f}, {len(seeds)} pools; random's area "
            f"{area:.1f} with the head, {other:.1f} on the other embedding\n\n"
            "| method | area, head | mean over classes | other embedding | above random | labels saved | "
            "classes after 2 rounds | s a round |\n|---|---|---|---|---|---|---|---|"
        )
        methods = sorted(
            {method for _, method in curves} - {"random"}, key=lambda m: -np.mean(gain(curves, m, "accuracy"))
        )
        parts += [row(curves, method) for method in ["random", *methods]]
        parts += ["", *(beside(curves, *pair) for pair in _PAIRS if {*pair} <= {*methods}), "", *from_scratch(curves)]
    return "\n".join(parts)


def beside(curves: Curves, method: str, other: str) -> str:
    """One method less another, by both judges."""
    figures = (("accuracy", "with the head"), ("probe", "on the other embedding"))
    shown = " and ".join(f"{difference(gain(curves, method, figure, other))} {judge}" for figure, judge in figures)
    return f"`{method}` less `{other}`, on the same pools: {shown}."


def from_scratch(curves: Curves) -> list[str]:
    """What a network trained from scratch on the last labels gains over one trained on random labels."""
    last = {cell: curve[-1]["network"] for cell, curve in curves.items() if "network" in curve[-1]}
    parts = []
    for method in sorted({name for _, name in last} - {"random"}):
        gains = np.array([last[seed, name] - last[seed, "random"] for seed, name in last if name == method])
        parts.append(f"`{method}` {difference(gains)} in {len(gains)} pools")
    if not parts:
        return []
    random = 100 * np.mean([value for (_, name), value in last.items() if name == "random"])
    return [f"A small network from scratch, last round, over random's {random:.1f}: {'; '.join(parts)}.", ""]


def row(curves: Curves, method: str) -> str:
    own = [curve for (_, name), curve in curves.items() if name == method]
    classes = np.mean([curve[2]["classes"] for curve in own])
    seconds = np.mean([record["seconds"] for curve in own for record in curve[1:]])
    if method == "random":
        return f"| random | | | | | | {classes:.1f} | {seconds:.2f} |"
    figures = [difference(gain(curves, method, name)) for name in ("accuracy", "class_mean", "probe")]
    differences = gain(curves, method, "accuracy")
    saved = [saving(curve, curves[seed, "random"]) for (seed, name), curve in curves.items() if name == method]
    return (
        f"| {method} | {' | '.join(figures)} | {(differences > 0).sum()} of {len(differences)} | "
        f"{100 * np.mean(saved):.0f} % | {classes:.1f} | {seconds:.2f} |"
    )


def gain(curves: Curves, method: str, figure: str, other: str = "random") -> np.ndarray:
    """Areas less those of another method, a pool each."""
    seeds = sorted(seed for seed, name in curves if name == method and (seed, other) in curves)
    return np.array([mean_of(curves[s, method], figure) - mean_of(curves[s, other], figure) for s in seeds])


def mean_of(curve: list[dict[str, float]], figure: str) -> float:
    """Mean over the rounds that a method chose."""
    return float(np.mean([record[figure] for record in curve[1:]]))


def difference(values: np.ndarray) -> str:
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{100 * values.mean():+.1f} ± {100 * error:.1f}"


def saving(curve: list[dict[str, float]], baseline: list[dict[str, float]]) -> float:
    """Share of random's labels that a method needs less for random's last accuracy; below 0 if it never gets there."""
    goal, last = baseline[-1]["accuracy"], baseline[-1]["labels"]
    accuracy = np.maximum.accumulate([record["accuracy"] for record in curve])
    labels = [record["labels"] for record in curve]
    if accuracy[-1] < goal:
        return 1 - last / np.interp(accuracy[-1], [r["accuracy"] for r in baseline], [r["labels"] for r in baseline])
    return 1 - float(np.interp(goal, accuracy, labels)) / last


def budgets(cells: dict[tuple[str, str, int], Curves]) -> str:
    """At how many budgets `uherding` is above random, and others above it, by both judges."""
    lines = [
        "`uherding` at each budget beside random and the best other method; clearly: by two standard errors.\n",
        "| setting | judge | budgets | above random | clearly above | clearly below | another clearly above it |",
        "|---|---|---|---|---|---|---|",
    ]
    for (dataset, kind, _), curves in cells.items():
        others = sorted({name for _, name in curves} - {"random", "uherding", "deuce"})
        chosen = range(1, len(next(iter(curves.values()))))
        for figure, judge in (("accuracy", "head"), ("probe", "other embedding")):
            beside = [at(curves, number, figure, "uherding", "random") for number in chosen]
            better = [max(at(curves, n, figure, name, "uherding")[1] for name in others) for n in chosen]
            counts = (
                sum(mean > 0 for mean, _ in beside),
                sum(errors > 2 for _, errors in beside),
                sum(errors < -2 for _, errors in beside),
                sum(errors > 2 for errors in better),
            )
            lines.append(f"| {dataset}, {kind} | {judge} | {len(chosen)} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines) + "\n"


def at(curves: Curves, number: int, figure: str, method: str, other: str) -> tuple[float, float]:
    """Mean difference after a round on the same pools, and that in standard errors."""
    seeds = [seed for seed, name in curves if name == method and (seed, other) in curves]
    values = np.array([curves[s, method][number][figure] - curves[s, other][number][figure] for s in seeds])
    return float(values.mean()), float(values.mean() / (values.std(ddof=1) / np.sqrt(len(values))))


def estimates(cells: dict[tuple[str, str, int], Curves]) -> str:
    """How near cross-validation and calibrated confidence come to the truth, in the last round."""
    lines = [
        "| last round | method | truth | cross-validated on the labels | calibrated confidence |",
        "|---|---|---|---|---|",
    ]
    for (dataset, kind, _), curves in cells.items():
        for method in ("random", "margin", "uherding"):
            ends = [curve[-1] for (_, name), curve in curves.items() if name == method]
            if ends:
                figures = [
                    100 * np.mean([end[name] for end in ends]) for name in ("accuracy", "cross_validated", "confidence")
                ]
                lines.append(
                    f"| {dataset}, {kind} | {method} | " + " | ".join(f"{value:.1f}" for value in figures) + " |"
                )
    return "\n".join(lines) + "\n"
