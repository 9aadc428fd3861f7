"""Selection by other tools and by this package: same vectors, one run, objectives and time side by side.

    python -m benchmarks.peers.selectors run [--pool mixture | --pool cifar10 --data DIR] [--only TEXT ...] [--runs 3]
    python -m benchmarks.peers.selectors report

Each tool runs in an environment of its own, which is made once, by a program in ``tools/`` that is given the vectors
and writes what it keeps; all on one thread of one core, of Linux. One program judges all selections. ``run`` appends a
line per selection to ``selectors.csv`` and skips what is there, so it can be stopped and continued. Tools take turns,
so that what else the machine does meets all of them. A selection of over 30 processor seconds is run once, a process
that needs more than ``--limit`` is stopped. ``report`` writes the tables and the plot of ``docs/benchmarks-peers.md``.
"""

from __future__ import annotations

import argparse
import csv
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from fiftyone_coreset.demo.database import running_mongod
from fiftyone_coreset.demo.environment import use_private_fiftyone

from .environments import python_of, run_tool
from .selectors_report import COLUMNS, RESULTS, Record, read, write_report

ROWS, DIMENSIONS, KEPT = 8_000, 256, 800
#: Processor seconds from which a selection is run once.
SLOW = 30
LIMIT = 120


@dataclass(frozen=True)
class Selector:
    """A method of a tool.

    Attributes:
        tool: its name
        method: the method, as ``program`` and readers call it
        program: a file in ``tools/``
        goal: the column of the results that it optimises, "" if none
        requirements: what its environment needs
        package: where it runs in our environment, the package that has the version
    """

    tool: str
    method: str
    program: str
    goal: str
    requirements: str = ""
    package: str = "fiftyone-coreset"

    @property
    def version(self) -> str:
        """The version of the tool."""
        return self.requirements.split()[0].split("==")[1] if self.requirements else version(self.package)


def _selectors(tool: str, program: str, methods: dict[str, str], requirements: str = "", **more: str) -> list[Selector]:
    return [Selector(tool, method, program, goal, requirements, **more) for method, goal in methods.items()]


OURS = {
    "kcenter": "radius",
    "facility_location": "facility",
    "maxherding": "soft",
    "herding_rbf": "discrepancy",
    **dict.fromkeys(("herding", "auto", "zcore", "typiclust", "probcover", "random"), ""),
}
SELECTORS = [
    *_selectors("fiftyone-coreset", "select_coreset", OURS),
    *_selectors(
        "LightlyStudio's core",
        "select_lightly",
        {"diversity": "radius", "diversity and typicality": ""},
        "lightly-mundig==0.1.16 numpy==2.4.6",
    ),
    *_selectors(
        "FiftyOne", "select_fiftyone", {"near_duplicates": "radius", "uniqueness": ""}, package="fiftyone-brain"
    ),
    *_selectors(
        "apricot",
        "select_apricot",
        {"facility_location": "facility"},
        "apricot-select==0.6.1 numpy==2.4.6 numba==0.68.1 scikit-learn==1.9.1",
    ),
    *_selectors(
        "submodlib",
        "select_submodlib",
        {"facility_location": "facility"},
        "submodlib-py==0.0.3 numpy==2.4.6 scikit-learn==1.9.1",
    ),
    *_selectors(
        "scikit-activeml",
        "select_skactiveml",
        {"core_set": "radius", "maxherding": "soft", "typiclust": "", "probcover": ""},
        "scikit-activeml==1.0.1 numpy==2.4.6 scikit-learn==1.9.1",
    ),
    *_selectors(
        "coreax",
        "select_coreax",
        {"herding": "discrepancy", "thinning": "discrepancy", "cholesky": ""},
        "coreax==1.0.0 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6",
    ),
]


def mixture(data: Path | None) -> np.ndarray:
    """Clusters of different size, with variances that fall as those of image embeddings do."""
    from ..neighbors import images

    return images(ROWS, dimensions=DIMENSIONS)


def cifar10(data: Path | None) -> np.ndarray:
    """Images of CIFAR-10, drawn at random, embedded by ``coreset-mini``."""
    from ..quality.pools import embed_mini, read_zip

    assert data is not None, "--pool cifar10 needs --data"
    images = read_zip(data / "cifar10_24k.zip", 32)[0]
    vectors = embed_mini(images[np.random.default_rng(0).permutation(len(images))[:ROWS]])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


POOLS: dict[str, Callable[[Path | None], np.ndarray]] = {"mixture": mixture, "cifar10": cifar10}


class Pool:
    """Unit vectors, and what judges selections of them."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors.astype(np.float32)
        exact = self.vectors.astype(np.float64)
        self.cosines = np.clip(exact @ exact.T, -1, 1)
        distances = np.sqrt(2 - 2 * self.cosines[:2000])
        self.length = float(np.median(distances[:, : len(distances)][np.triu_indices(len(distances), 1)]))
        self.reach = float(np.median(np.partition(distances, 10, axis=1)[:, 10]))
        self.mean_kernel = self._kernel(slice(None)).mean()

    def write(self, path: Path) -> None:
        """Writes what programs are given."""
        np.savez(path, vectors=self.vectors, length=self.length, reach=self.reach)

    def judge(self, kept: np.ndarray) -> dict[str, float]:
        """The objectives of a selection, by the columns of the results.

        Args:
            kept: rows, each once
        """
        assert len(set(kept.tolist())) == len(kept), "a row is kept twice"
        best = self.cosines[:, kept].max(axis=1)
        distance = np.sqrt(2 - 2 * best)
        kernel = self._kernel(kept)
        squared = self.mean_kernel - 2 * kernel.mean() + kernel[:, kept].mean()
        return {
            "radius": float(distance.max()),
            "distance": float(distance.mean()),
            "facility": float((1 + best).mean() / 2),
            "soft": float(np.exp(-((distance / self.reach) ** 2)).mean()),
            "discrepancy": float(np.sqrt(max(squared, 0))),
        }

    def _kernel(self, rows: np.ndarray | slice) -> np.ndarray:
        return np.exp((self.cosines[rows] - 1) / self.length**2)


def measure(selector: Selector, pool: Pool, folder: Path, seed: int, limit: int) -> dict[str, float]:
    """What one selection kept is worth, and what it cost; nothing of it if it was stopped."""
    written = folder / "kept.npz"
    written.unlink(missing_ok=True)
    python = python_of(selector.requirements)
    arguments = (folder / "pool.npz", written, selector.method, KEPT, seed)
    try:
        used = run_tool(python, selector.program, *arguments, one_thread=True, limit=limit)
    except subprocess.CalledProcessError as error:
        if error.returncode not in (-signal.SIGXCPU, -signal.SIGKILL):
            raise
        return {"process_s": limit}
    with np.load(written) as answer:
        kept, processor, peak = answer["kept"], float(answer["seconds"][0]), float(answer["peak"])
    costs = {"selection_s": processor, "process_s": used.processor, "wall_s": used.wall, "peak_gb": peak}
    return {"kept": len(kept), **pool.judge(kept), **costs}


def run(options: argparse.Namespace) -> None:
    if not RESULTS.exists():
        RESULTS.write_text(",".join(COLUMNS) + "\n")
    records = read(RESULTS)
    wanted = [s for s in SELECTORS if not options.only or any(t in f"{s.tool} {s.method}" for t in options.only)]
    pool = Pool(POOLS[options.pool](options.data))
    with tempfile.TemporaryDirectory(prefix="coreset-benchmark-") as home:
        folder = Path(home)
        use_private_fiftyone(folder)
        pool.write(folder / "pool.npz")
        with running_mongod(folder):
            for seed in range(options.runs):
                for selector in wanted:
                    before = [r for r in records if r.cell == (options.pool, selector.tool, selector.method)]
                    if any(r.run == seed or r.figures.get("selection_s", np.inf) > SLOW for r in before):
                        continue
                    figures = measure(selector, pool, folder, seed, options.limit)
                    cell = (options.pool, selector.tool, selector.method)
                    records.append(Record(*cell, selector.version, selector.goal, seed, figures))
                    with RESULTS.open("a", newline="") as file:
                        csv.writer(file, lineterminator="\n").writerow(records[-1].line())
                    print(*records[-1].line(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    runner = commands.add_parser("run")
    runner.add_argument("--pool", choices=list(POOLS), default="mixture")
    runner.add_argument("--data", type=Path, help="the folder of cifar10_24k.zip")
    runner.add_argument("--only", nargs="+", help="parts of the names of tools and methods")
    runner.add_argument("--runs", type=int, default=3)
    runner.add_argument("--limit", type=int, default=LIMIT, help="processor seconds of one process")
    runner.set_defaults(command=run)
    commands.add_parser("report").set_defaults(command=lambda _: write_report())
    options = parser.parse_args()
    options.command(options)


if __name__ == "__main__":
    main()
