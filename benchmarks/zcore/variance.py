"""What the noise of a ZCore score consists of, and what each way to take draws in pairs of dimensions gains.

    python -m benchmarks.zcore.variance --data DIR [--images 10000] [--pairs 400] [--write]

Noise is measured in ranks: the variance of an image's score in one pair of dimensions, times the square of the density
of scores around it, averaged over the images. A row of the table evaluates the same pairs three times: with other
auxiliary targets, with other targets that penalise all K neighbours, and the rest is what differs between pairs. Gain
is 1 / (noise x CPU seconds), relative to the first row. `--write` puts the table into docs/stability.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fiftyone_coreset import zcore_scores
from fiftyone_coreset.plugin.selection.methods.zcore.engine import SeededDraws, Workers
from fiftyone_coreset.plugin.selection.methods.zcore.params import SYMMETRIC, ZCoreParams
from fiftyone_coreset.plugin.selection.methods.zcore.sampling import inverse_triangular, spread_targets, subspaces

from ..embed_cifar import cifar_embeddings

_REPORT = Path(__file__).parents[2] / "docs" / "stability.md"
_BATCH = 64  # pairs that are timed together
Points = Callable[[np.ndarray, np.ndarray, int, np.random.Generator], np.ndarray]


def independent(triangles: np.ndarray, dims: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    low, mode, high = np.moveaxis(triangles[dims.T], -1, 0)[..., None]
    return inverse_triangular(rng.random((2, len(dims), n)), low, mode, high)


def antithetic(triangles: np.ndarray, dims: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Independent targets, each with its mirror image in both coordinates."""
    low, mode, high = np.moveaxis(triangles[dims.T], -1, 0)[..., None]
    uniform = rng.random((2, len(dims), n // 2))
    return inverse_triangular(np.concatenate([uniform, 1 - uniform], axis=2), low, mode, high)


@dataclass
class Way:
    """A way to take 64 draws in a pair of dimensions.

    Attributes:
        name: for the table
        auxiliary: auxiliary targets in a pair
        targets: targets that penalise all neighbours
        side: cells along a side of the grid
        points: how auxiliary targets are spread
    """

    name: str
    auxiliary: int
    targets: int
    side: int = 32
    points: Points = spread_targets

    def effect(self, plan: SeededDraws, dims: np.ndarray, seeds: tuple[list[int], list[int]]) -> np.ndarray:
        """(n,) scores a target from pairs of dimensions; the seeds are those of auxiliary and other targets."""
        plan._side = self.side
        auxiliary = self.points(plan._triangles, dims, self.auxiliary, np.random.default_rng(seeds[0]))
        targets = spread_targets(plan._triangles, dims, self.targets, np.random.default_rng(seeds[1]))
        coverage, redundancy = plan.score_pairs(dims, targets, auxiliary)
        return (coverage - redundancy) / self.targets


WAYS = [
    Way("as they are taken", 512, 16),
    Way("independent auxiliary targets", 512, 16, points=independent),
    Way("antithetic auxiliary targets", 512, 16, points=antithetic),
    Way("half of the draws penalise all neighbours", 512, 32),
    Way("all draws penalise all neighbours", 512, 64),
    Way("larger cells", 512, 16, side=16),
    Way("a quarter of the auxiliary targets", 128, 16),
    Way("half of the auxiliary targets", 256, 16),
    Way("twice the auxiliary targets", 1024, 16),
    Way("four times the auxiliary targets", 2048, 16),
]


def rank_weights(x: np.ndarray) -> np.ndarray:
    """(n,) squares of the density of scores around each image, on a scale without meaning."""
    score = zcore_scores(x, n_draws=120 * len(x), seed=99).score
    order = np.argsort(score)
    near = np.arange(len(x))
    first, last = np.maximum(near - 200, 0), np.minimum(near + 200, len(x) - 1)
    weights = np.empty(len(x))
    weights[order] = ((last - first) / (score[order[last]] - score[order[first]])) ** 2
    return weights / weights.mean()


def measure(way: Way, plan: SeededDraws, dims: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Noise of auxiliary targets, of penalties beyond the cells around, and between pairs; CPU seconds a pair."""
    sums, squares, noise = np.zeros(len(weights)), np.zeros(len(weights)), np.zeros(2)
    for p in range(len(dims)):
        one = way.effect(plan, dims[p : p + 1], ([1, p], [2, p]))
        for part, seeds in enumerate((([3, p], [2, p]), ([1, p], [4, p]))):
            noise[part] += weights @ (one - way.effect(plan, dims[p : p + 1], seeds)) ** 2 / 2
        sums += one
        squares += one**2
    total = weights @ (squares / len(dims) - (sums / len(dims)) ** 2)
    noise /= len(dims)
    seconds, batch = [], dims[:_BATCH]
    for _ in range(9):
        started = time.process_time()
        way.effect(plan, batch, ([5], [6]))
        seconds.append((time.process_time() - started) / len(batch))
    return np.array([*noise, total - noise.sum(), min(seconds)])


def equal_use(plan: SeededDraws, dims: np.ndarray, weights: np.ndarray) -> float:
    """Noise of a round, in which every dimension is used once, over that of as many independent pairs."""
    way, rounds = WAYS[0], subspaces(len(plan.dims), 2, np.random.default_rng(7))
    whole = np.array([way.effect(plan, plan.dims[next(rounds)], ([8, r], [9, r])) for r in range(12)])
    single = np.array([way.effect(plan, dims[p : p + 1], ([1, p], [2, p])) for p in range(len(dims))])
    return float((weights @ whole.var(axis=0, ddof=1)) / (len(plan.dims) // 2 * (weights @ single.var(axis=0, ddof=1))))


def importance_bound(plan: SeededDraws, dims: np.ndarray, weights: np.ndarray) -> float:
    """The most that drawing pairs in proportion to their contribution could divide the noise by."""
    way = WAYS[0]
    second = np.array([weights @ way.effect(plan, dims[p : p + 1], ([1, p], [2, p])) ** 2 for p in range(len(dims))])
    return float(second.mean() / np.sqrt(second).mean() ** 2)


def product_explains(plan: SeededDraws, dims: np.ndarray, weights: np.ndarray) -> float:
    """Share of the noise that the product of both dimensions' ratios, target to image density, explains.

    It is a control variate whose mean over all pairs would be known exactly.
    """
    ratio = np.empty((2, len(dims), len(weights)))
    for p, pair in enumerate(dims):
        for side, dim in enumerate(pair):
            low, mode, high = plan._triangles[dim]
            edges = plan._edges[dim, ::8].astype(float)
            below = np.where(
                edges < mode,
                (edges - low) ** 2 / ((high - low) * max(mode - low, 1e-30)),
                1 - (high - edges) ** 2 / ((high - low) * max(high - mode, 1e-30)),
            )
            ratio[side, p] = np.diff(below)[plan._codes[dim] // 8] * 32
    score = np.array([WAYS[0].effect(plan, dims[p : p + 1], ([1, p], [2, p])) for p in range(len(dims))])
    root = np.sqrt(np.tile(weights, len(dims)))
    features = np.stack([np.ones(score.size), ratio.sum(axis=0).ravel(), ratio.prod(axis=0).ravel()], axis=1)
    left = []
    for used in (features[:, :2], features):
        fit = np.linalg.lstsq(used * root[:, None], score.ravel() * root, rcond=None)[0]
        left.append((root**2 * (score.ravel() - used @ fit) ** 2).sum())
    return 1 - left[1] / left[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with cifar10_24k.zip, beside a folder models")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--write", action="store_true", help="put the table into the documentation")
    arguments = parser.parse_args()
    x = cifar_embeddings(arguments.data)[0][: arguments.images]
    weights = rank_weights(x)
    with Workers(1) as workers:
        params = ZCoreParams(min(1000, len(x) - 1), 4.0, SYMMETRIC)
        plan = SeededDraws(np.ascontiguousarray(x.T), 2, None, 0, params, workers)
    dims = plan.dims[next(subspaces(len(plan.dims), 2, np.random.default_rng(5)))][: arguments.pairs]
    lines = [
        "| 64 draws in a pair | auxiliary targets | full penalties | noise: auxiliary | full | pairs | CPU ms | gain |",
        "|---|---|---|---|---|---|---|---|",
    ]
    found = [measure(way, plan, dims, weights) for way in WAYS]
    unit = found[0][:3].sum()
    for way, row in zip(WAYS, found, strict=True):
        parts = " | ".join(f"{part / unit:.2f}" for part in row[:3])
        gain = unit * found[0][3] / (row[:3].sum() * row[3])
        line = f"| {way.name} | {way.auxiliary} | {way.targets} | {parts} | {row[3] * 1e3:.2f} | {gain:.2f} |"
        lines.append(line)
    few = dims[:200]
    lines += [
        "",
        "| on the first row | |",
        "|---|---|",
        f"| noise where each dimension is used equally often | {equal_use(plan, few, weights):.2f} |",
        f"| gain of pairs drawn by their contribution, at best | {importance_bound(plan, few, weights):.2f} |",
        f"| share of the noise that a product of densities explains | {product_explains(plan, few, weights):.1%} |",
    ]
    print("\n".join(lines))
    if arguments.write:
        head, rest = _REPORT.read_text().split("<!-- variance -->", 1)
        tail = rest.split("<!-- end of variance -->", 1)[1]
        text = "\n".join(lines)
        _REPORT.write_text(f"{head}<!-- variance -->\n{text}\n<!-- end of variance -->{tail}")


if __name__ == "__main__":
    main()
