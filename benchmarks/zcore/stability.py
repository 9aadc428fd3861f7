"""How far two runs of ZCore agree, against draws and against seconds: literal draws, the plugin's default, and ours.

    python -m benchmarks.zcore.stability --data DIR [--most 100] [--ours-most 300] [--write]

Two runs with different seeds are compared by Spearman and Pearson correlation and by the overlap of the kept 30 %.
Literal draws are computed by our kernel, which gives the literal algorithm's result for given draws (see the tests);
the seconds shown for them are the literal algorithm's own, measured on a sample of them. Seconds are CPU seconds on one
core.
`--write` makes the plot and the table of docs/stability.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fiftyone_coreset import zcore_scores
from scipy.stats import spearmanr
from sklearn.datasets import load_digits

from ..embed_cifar import cifar_embeddings
from .rivals import literal, partitioned, random_draws

_DOCS = Path(__file__).parents[2] / "docs"


@dataclass
class Point:
    """Agreement of two runs.

    Attributes:
        estimator: "literal", "plugin" or "ours"
        draws: draws per image
        seconds: CPU seconds of one run on one core
        spearman: correlation of ranks
        pearson: correlation of scores
        overlap: share of the kept 30 % in common
        promised: reliability and overlap that the run itself reported, if it does
    """

    estimator: str
    draws: float
    seconds: float
    spearman: float
    pearson: float
    overlap: float
    promised: tuple[float, float] | None = None

    @property
    def c(self) -> float:
        """Draws per image at which the correlation of scores would be 0.5."""
        return self.draws * (1 - self.pearson) / self.pearson


def compare(estimator: str, draws: float, seconds: float, first: np.ndarray, second: np.ndarray) -> Point:
    keep = round(0.3 * len(first))
    kept = [np.argpartition(-score, keep)[:keep] for score in (first, second)]
    return Point(
        estimator,
        draws,
        seconds,
        float(spearmanr(first, second).statistic),
        float(np.corrcoef(first, second)[0, 1]),
        len(np.intersect1d(*kept)) / keep,
    )


def literal_points(x: np.ndarray, levels: list[int]) -> list[Point]:
    """Runs of growing length; each longer run contains the shorter ones."""
    n = len(x)
    rngs = [np.random.default_rng(seed) for seed in (1, 2)]
    per_draw, per_draw_plugin = _cpu_a_draw(literal, x), _cpu_a_draw(partitioned, x)
    scores = np.zeros((2, n))
    points, done = [], 0
    for level in levels:
        for score, rng in zip(scores, rngs, strict=True):
            for _ in range(level - done):
                score += zcore_scores(x, draws=random_draws(x, n, rng), strict_reference=True).score
        done = level
        points.append(compare("literal", level, per_draw * level * n, *scores))
        if level == 10:
            points.append(compare("plugin", level, per_draw_plugin * level * n, *scores))
    return points


def _cpu_a_draw(estimator: Callable, x: np.ndarray) -> float:
    draws = random_draws(x, 64, np.random.default_rng(0))
    estimator(x, *draws)
    started = time.process_time()
    estimator(x, *draws)
    return (time.process_time() - started) / 64


def our_points(x: np.ndarray, levels: list[int]) -> list[Point]:
    """Runs with a fixed number of draws."""
    points = []
    for level in levels:
        started = time.process_time()
        first, second = (zcore_scores(x, n_draws=level * len(x), seed=seed) for seed in (1, 2))
        seconds = (time.process_time() - started) / 2
        points.append(compare("ours", level, seconds, first.score, second.score))
        points[-1].promised = first.reliability, first.overlap_at(0.3)
    return points


def default_point(x: np.ndarray) -> Point:
    """The adaptive default; without a limit of time, because the clock says little on a busy machine."""
    started = time.process_time()
    first, second = (zcore_scores(x, seed=seed, time_budget=None) for seed in (3, 4))
    seconds = (time.process_time() - started) / 2
    point = compare("default", first.n_draws / len(x), seconds, first.score, second.score)
    point.promised = first.reliability, first.overlap_at(0.3)
    return point


def table(name: str, points: list[Point]) -> list[str]:
    lines = [
        f"### {name}",
        "",
        "| estimator | draws an image | CPU s | Spearman | Pearson | kept 30 % in common | c | reported by the run |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for p in points:
        promised = f"{p.promised[0]:.3f}, {p.promised[1]:.3f}" if p.promised else ""
        lines.append(
            f"| {p.estimator} | {p.draws:,.0f} | {p.seconds:,.1f} | {p.spearman:.3f} | {p.pearson:.3f} | "
            f"{p.overlap:.3f} | {p.c:,.1f} | {promised} |"
        )
    return [*lines, ""]


def plot(results: dict[str, list[Point]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    style = {"literal": ("C3", "o-"), "plugin": ("C1", "s"), "ours": ("C0", "o-"), "default": ("C2", "*")}
    figure, axes = plt.subplots(len(results), 4, figsize=(17, 4 * len(results)), squeeze=False)
    for row, (name, points) in zip(axes, results.items(), strict=True):
        for axis, (x, y) in zip(
            row, [(x, y) for y in ("spearman", "overlap") for x in ("draws", "seconds")], strict=True
        ):
            for estimator, (colour, marker) in style.items():
                some = [p for p in points if p.estimator == estimator]
                label = {"plugin": "plugin, 10 an image", "default": "ours, default"}.get(estimator, estimator)
                size = 16 if estimator == "default" else 7
                axis.plot([getattr(p, x) for p in some], [getattr(p, y) for p in some], marker, color=colour,
                          label=label, markersize=size)  # fmt: skip
            axis.set(xscale="log", ylim=(0, 1), title=name)
            axis.set_xlabel({"draws": "draws an image", "seconds": "CPU seconds on one core"}[x])
            axis.set_ylabel({"spearman": "Spearman correlation of two runs", "overlap": "kept 30 % in common"}[y])
            axis.grid(alpha=0.3)
    axes[0, 0].legend()
    figure.tight_layout()
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with cifar10_24k.zip, beside a folder models")
    parser.add_argument("--most", type=int, default=100, help="literal draws an image on CIFAR-10")
    parser.add_argument("--ours-most", type=int, default=300, help="our draws an image on CIFAR-10")
    parser.add_argument("--no-default", action="store_true", help="leave out the adaptive runs on CIFAR-10")
    parser.add_argument("--write", action="store_true", help="make the plot and the tables of the documentation")
    arguments = parser.parse_args()
    levels = [1, 3, 10, 30, 100, 300, 1000]
    cases = {"digits, 1,797 x 64": (load_digits().data.astype(np.float32), 100, 100)}
    if arguments.data:
        cases["CIFAR-10 MobileNetV2, 10,000 x 1,280"] = (
            cifar_embeddings(arguments.data)[0],
            arguments.most,
            arguments.ours_most,
        )
    results = {}
    for name, (x, most, ours_most) in cases.items():
        points = literal_points(x, [level for level in levels if level <= most])
        points += our_points(x, [level for level in levels if level <= ours_most])
        if len(x) < 10_000 or not arguments.no_default:
            points.append(default_point(x))
        results[name] = points
        print("\n".join(table(name, points)), flush=True)
    if arguments.write:
        plot(results, _DOCS / "images" / "stability.png")
        document = _DOCS / "stability.md"
        head, rest = document.read_text().split("<!-- tables -->", 1)
        tail = rest.split("<!-- end of tables -->", 1)[1]
        tables = "\n".join(line for name, points in results.items() for line in table(name, points))
        document.write_text(f"{head}<!-- tables -->\n{tables}<!-- end of tables -->{tail}")


if __name__ == "__main__":
    main()
