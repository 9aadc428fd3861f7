"""Tables and plot of ``selectors.csv``."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "benchmarks-peers.md"
RESULTS = Path(__file__).with_name("selectors.csv")
OURS = "fiftyone-coreset"

#: What selections are judged by, and in which direction it is better.
OBJECTIVES = {
    "radius": ("coverage radius", "lower"),
    "distance": ("mean distance", "lower"),
    "facility": ("facility location", "higher"),
    "soft": ("soft coverage", "higher"),
    "discrepancy": ("discrepancy", "lower"),
}
COSTS = ("selection_s", "process_s", "wall_s", "peak_gb")
FIGURES = ("kept", *OBJECTIVES, *COSTS)
COLUMNS = ("pool", "tool", "method", "version", "goal", "run", *FIGURES)


@dataclass(frozen=True)
class Record:
    """A line of the results.

    Attributes:
        pool, tool, method, version: what was run
        goal: the objective that the method optimises, "" if none of them
        run: its number, which is the seed
        figures: ``FIGURES`` by name; of a selection that was stopped, only the seconds of its process
    """

    pool: str
    tool: str
    method: str
    version: str
    goal: str
    run: int
    figures: dict[str, float]

    @property
    def cell(self) -> tuple[str, str, str]:
        """What its runs have in common."""
        return self.pool, self.tool, self.method

    def line(self) -> list[object]:
        """The line of the file."""
        figures = [f"{self.figures[name]:.6g}" if name in self.figures else "" for name in FIGURES]
        return [*self.cell, self.version, self.goal, self.run, *figures]


def read(path: Path) -> list[Record]:
    """All lines of the results."""
    with path.open(newline="") as file:
        return [
            Record(
                **{name: line[name] for name in COLUMNS[:5]},
                run=int(line["run"]),
                figures={name: float(line[name]) for name in FIGURES if line[name]},
            )
            for line in csv.DictReader(file)
        ]


def medians(records: Iterable[Record], pool: str) -> list[Record]:
    """One record a method, with the medians of its runs and their number; by goal, ours first."""
    runs = defaultdict(list)
    for record in records:
        if record.pool == pool:
            runs[record.cell].append(record)
    order = [*OBJECTIVES, ""]
    return sorted(map(_median, runs.values()), key=lambda row: (order.index(row.goal), row.tool != OURS))


def _median(runs: list[Record]) -> Record:
    found = {name: [run.figures[name] for run in runs if name in run.figures] for name in FIGURES}
    return replace(runs[0], run=len(runs), figures={name: median(of) for name, of in found.items() if of})


def tables(records: list[Record], pool: str) -> str:
    """The two tables of a pool: objectives, and costs."""
    rows = medians(records, pool)
    ours = {row.goal: row.figures for row in rows if row.tool == OURS and row.goal}
    objectives = [
        "| tool, method | " + " | ".join(f"{name}, {better}" for name, better in OBJECTIVES.values()) + " | of ours |",
        "|---" * (len(OBJECTIVES) + 2) + "|",
    ]
    costs = [
        "| tool, method, version | processor s, selection | times ours | processor s, process | s | GB | runs |",
        "|---" * 7 + "|",
    ]
    for row in rows:
        name, got = f"{row.tool}, `{row.method}`", row.figures
        if "kept" not in got:
            costs.append(f"| {name}, {row.version} | stopped | | over {got['process_s']:.0f} | | | {row.run} |")
            continue
        shown = [f"**{got[o]:.4f}**" if o == row.goal else f"{got[o]:.4f}" for o in OBJECTIVES]
        own = ours.get(row.goal, got)
        ratio = f"{got[row.goal] / own[row.goal]:.4f}" if row.goal else ""
        objectives.append(f"| {name} | " + " | ".join(shown) + f" | {ratio} |")
        times = f"{got['selection_s'] / own['selection_s']:.2g}" if row.goal else ""
        seconds = [f"{got[name]:.3g}" if name in got else "" for name in COSTS[1:]]
        costs.append(
            f"| {name}, {row.version} | {got['selection_s']:.3g} | {times} | {' | '.join(seconds)} | {row.run} |"
        )
    return "\n".join([*objectives, "", *costs])


def write_report() -> None:
    """Puts the tables between their marks, and draws the plot."""
    records, text = read(RESULTS), PAGE.read_text()
    for pool in {record.pool: None for record in records}:
        before, rest = text.split(f"<!-- {pool} -->\n")
        after = rest.split(f"<!-- end of {pool} -->\n")[1]
        text = f"{before}<!-- {pool} -->\n\n{tables(records, pool)}\n\n<!-- end of {pool} -->\n{after}"
    PAGE.write_text(text)
    plot(medians(records, "mixture"), DOCS / "images" / "peers.svg")


def plot(rows: list[Record], path: Path) -> None:
    """Each objective against processor seconds; methods that optimise it are named, the others grey."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams |= {"svg.hashsalt": "peers", "svg.fonttype": "none"}
    from matplotlib import pyplot

    goals = [goal for goal in OBJECTIVES if any(row.goal == goal for row in rows)]
    figure, axes = pyplot.subplots(2, 2, figsize=(11, 8))
    finished = [row for row in rows if "kept" in row.figures]
    for goal, axis in zip(goals, axes.flat, strict=True):
        for row in finished:
            place = row.figures["selection_s"], row.figures[goal]
            if row.goal == goal:
                axis.plot(*place, "o", label=f"{row.tool}, {row.method}")
            else:
                axis.plot(*place, ".", color="0.7", zorder=0)
        axis.set(xscale="log", xlabel="processor seconds", title="{}, {} is better".format(*OBJECTIVES[goal]))
        axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
