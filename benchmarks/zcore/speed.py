"""Time a ZCore draw: ours against the literal algorithm and the partitioned one, interleaved, on one core.

    python -m benchmarks.zcore.speed --data DIR [--rows 5000 50000 1000000] [--rounds 5] [--write]

Times are CPU seconds of the process, which other programs on the machine disturb less than the clock; all rivals run on
one thread. Each round times every rival once, and the ratio is the median over the rounds. `--write` puts the result
into docs/benchmarks-zcore.md.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fiftyone_coreset import zcore_scores
from fiftyone_coreset.plugin.selection.methods.zcore.engine import SeededDraws, Workers
from fiftyone_coreset.plugin.selection.methods.zcore.params import SYMMETRIC, ZCoreParams

from ..embed_cifar import cifar_embeddings
from .rivals import literal, partitioned, random_draws

_REPORT = Path(__file__).parents[2] / "docs" / "benchmarks-zcore.md"
_RIVALS = ("literal", "partitioned", "ours, given", "ours, seeded")


def unit_clusters(n: int, d: int = 512, seed: int = 0) -> np.ndarray:
    """Unit vectors in 100 clusters of different size and width."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((100, d), dtype=np.float32)
    width = rng.uniform(0.2, 1, 100).astype(np.float32)
    label = rng.choice(100, n, p=rng.dirichlet(np.ones(100)))
    points = np.empty((n, d), dtype=np.float32)
    for start in range(0, n, 10_000):
        rows = slice(start, start + 10_000)
        noise = rng.standard_normal((len(label[rows]), d), dtype=np.float32)
        points[rows] = centres[label[rows]] + noise * width[label[rows], None]
        points[rows] /= np.linalg.norm(points[rows], axis=1, keepdims=True)
    return points


def cpu_seconds(function: Callable[[], object]) -> float:
    started = time.process_time()
    function()
    return time.process_time() - started


def time_draws(x: np.ndarray, rounds: int) -> np.ndarray:
    """CPU microseconds a draw, (rounds, 4): literal, partitioned, ours given, ours seeded."""
    rng = np.random.default_rng(0)
    n = len(x)
    few = max(2, min(60, 3_000_000 // n))
    batch = 32 if n < 200_000 else 4
    many = 4096  # enough for columns to be reused while they are in cache
    zcore_scores(x[:3000], draws=random_draws(x[:3000], 8, rng), num_workers=1)  # compiles
    zcore_scores(x[:20_000, :4], draws=random_draws(x[:20_000, :4], 8, rng), num_workers=1)
    with Workers(1) as workers:
        columns = np.ascontiguousarray(x.T)
        started = time.process_time()
        plan = SeededDraws(columns, 2, None, 0, ZCoreParams(1000, 4.0, SYMMETRIC), workers)
        print(f"  preparation of seeded draws: {time.process_time() - started:.1f} s of CPU", flush=True)
        chunks = plan.chunks()
        next(chunks).effect()
        del columns
        times = np.empty((rounds, 4))
        for row in times:
            dims, targets = random_draws(x, many, rng)
            row[0] = cpu_seconds(lambda: literal(x, dims[:few], targets[:few])) / few  # noqa: B023
            pieces = slice(0, -(-few // batch) * batch)
            row[1] = cpu_seconds(lambda: partitioned(x, dims[pieces], targets[pieces], batch=batch)) / len(dims[pieces])  # noqa: B023
            row[2] = _given(x, dims, targets)
            chunk = next(chunks)
            row[3] = cpu_seconds(chunk.effect) / chunk.n_draws
            print(
                "  us a draw:",
                *(f"{name} {value * 1e6:.1f}" for name, value in zip(_RIVALS, row, strict=True)),
                flush=True,
            )
    return times * 1e6


def _given(x: np.ndarray, dims: np.ndarray, targets: np.ndarray) -> float:
    """CPU seconds a draw; the fixed cost of a call, turning rows into columns, is measured and taken off."""
    whole = cpu_seconds(lambda: zcore_scores(x, draws=(dims, targets), num_workers=1))
    fixed = cpu_seconds(lambda: zcore_scores(x, draws=(dims[:1], targets[:1]), num_workers=1))
    return (whole - fixed) / (len(dims) - 1)


def table_row(name: str, n: int, d: int, times: np.ndarray) -> str:
    cells = [f"{value:,.0f}" if value >= 20 else f"{value:.1f}" for value in np.median(times, axis=0)]
    ratios = [f"{np.median(times[:, 0] / times[:, i]):,.0f}x" for i in (2, 3)]
    return f"| {name} | {n:,} x {d} | " + " | ".join(cells + ratios) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with cifar10_24k.zip, beside a folder models")
    parser.add_argument("--rows", type=int, nargs="*", default=[5000, 50_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="put the table into the documentation")
    arguments = parser.parse_args()
    cases: list[tuple[str, Callable[[], np.ndarray]]] = []
    if arguments.data:
        for n in (5000, 20_000):
            cases.append(("CIFAR-10, MobileNetV2", lambda n=n: cifar_embeddings(arguments.data, n // 10)[0]))  # type: ignore[misc]
    for n in arguments.rows:
        cases.append(("clustered unit vectors", lambda n=n: unit_clusters(n)))  # type: ignore[misc]
    lines = [
        "| embeddings | n x d | literal | partitioned | ours, given draws | ours, seeded draws | given vs literal "
        "| seeded vs literal |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, make in cases:
        x = make()
        print(name, x.shape, flush=True)
        lines.append(table_row(name, *x.shape, time_draws(x, arguments.rounds)))
        print(lines[-1], flush=True)
    if arguments.write:
        write_table("\n".join(lines), arguments.rounds)


def write_table(table: str, rounds: int) -> None:
    """Replaces the table of the report between its markers."""
    text = _REPORT.read_text()
    head, rest = text.split("<!-- speed -->", 1)
    tail = rest.split("<!-- end of speed -->", 1)[1]
    note = (
        f"CPU microseconds a draw, one thread, medians of {rounds} rounds, float32, K = 1000; "
        f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}."
    )
    _REPORT.write_text(f"{head}<!-- speed -->\n{note}\n\n{table}\n<!-- end of speed -->{tail}")


if __name__ == "__main__":
    main()
