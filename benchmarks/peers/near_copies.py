"""Near-copies: precision, recall and time of other tools and of this package, on the same pools in one run.

    python -m benchmarks.peers.near_copies --data DIR [--split report] [--only TOOL ...] [--environments FOLDER]

Pools are those of ``benchmarks/quality/near_copies.py``, a generator for each source, written as PNG files; all tools
that take vectors get the same, of ``coreset-mini``. Each tool runs in an environment of its own, which is made once, by
a program in ``tools/`` that writes pairs with a score. Pairs with at least a score are linked; a pair of images counts
as found if they end in one group. The table says how that fares at the tool's default, at its best threshold, and how
much is found at a precision of 0.95; time is of processors.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fiftyone_coreset.demo.database import running_mongod
from fiftyone_coreset.demo.environment import use_private_fiftyone
from PIL import Image
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from ..quality.near_copies import pool, sources
from ..quality.pools import embed_mini
from .environments import ENVIRONMENTS, python_of, run_tool


@dataclass(frozen=True)
class Tool:
    """One row of the table.

    Attributes:
        program: a file in ``tools/``
        package: what its environment needs
        default: the lowest score that counts as a pair if users change nothing, and its source
        method: an argument for the program
    """

    program: str
    package: str
    default: float
    method: str = "-"


PEERS = {
    "imagededup, PHash": Tool("imagededup_hash", "imagededup", -10, "phash"),
    "imagededup, DHash": Tool("imagededup_hash", "imagededup", -10, "dhash"),
    "imagededup, CNN method on the vectors": Tool("imagededup_cnn", "imagededup", 0.9),
    "fastdup": Tool("fastdup_similarity", "fastdup", 0.9),
    "cleanvision": Tool("cleanvision_sets", "cleanvision", 1.0),
    "FiftyOne, near-duplicates": Tool("fiftyone_neighbors", "", -0.2),
    "fiftyone-coreset": Tool("coreset_copies", "", 0.5),
}


def pairs_of(tool: Tool, folder: Path, environments: Path) -> tuple[list[tuple[str, str, float]], float]:
    """The pairs that a tool finds, and the processor time that it took, in seconds."""
    python = python_of(tool.package, environments)
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch, "pairs.csv")
        used = run_tool(python, tool.program, folder / "images", written, tool.method, folder / "vectors.npz")
        with written.open(newline="") as file:
            pairs = [(one, other, float(score)) for one, other, score in csv.reader(file)]
    return pairs, used.processor


def quality(groups: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Precision and recall of the pairs that a grouping puts together."""

    def together(labels: np.ndarray) -> int:
        counts = np.unique(labels, return_counts=True, axis=0)[1]
        return int((counts * (counts - 1) // 2).sum())

    right = together(np.column_stack([groups, truth]))
    return right / max(together(groups), 1), right / max(together(truth), 1)


def sweep(pairs: list[tuple[str, str, float]], truth: dict[str, int]) -> list[tuple[float, float, float]]:
    """(score, precision, recall) at up to 40 thresholds."""
    place = {name: row for row, name in enumerate(truth)}
    left, right = (np.array([place[pair[side]] for pair in pairs], dtype=int) for side in (0, 1))
    score, labels = np.array([pair[2] for pair in pairs]), np.array(list(truth.values()))
    found = []
    for threshold in np.unique(np.quantile(score, np.linspace(0, 1, 40), method="nearest")) if len(score) else ():
        chosen = score >= threshold
        graph = csr_matrix((chosen[chosen], (left[chosen], right[chosen])), shape=(len(truth), len(truth)))
        found.append((float(threshold), *quality(connected_components(graph, directed=False)[1], labels)))
    return found


def row_of(name: str, tool: Tool, folder: Path, truth: dict[str, int], environments: Path) -> str:
    """One line of the table."""
    pairs, seconds = pairs_of(tool, folder, environments)
    usual = sweep([(*pair[:2], tool.default) for pair in pairs if pair[2] >= tool.default], truth)
    precision, recall = usual[0][1:] if usual else (float("nan"), 0.0)
    swept = sweep(pairs, truth)
    best = max((2 * p * r / (p + r) for _, p, r in swept if p + r), default=0.0)
    sure = max((r for _, p, r in swept if p >= 0.95), default=0.0)
    return f"| {name} | {precision:.3f} | {recall:.3f} | {best:.3f} | {sure:.3f} | {seconds:.0f} |"


def write_pool(folder: Path, images: np.ndarray, origin: np.ndarray) -> dict[str, int]:
    """Writes ``images/`` and ``vectors.npz``; returns the number of the photograph that each file is of."""
    (folder / "images").mkdir()
    files = [f"{row:05d}.png" for row in range(len(images))]
    for file, image in zip(files, images, strict=True):
        Image.fromarray(image).save(folder / "images" / file)
    np.savez(folder / "vectors.npz", files=np.array(files), vectors=embed_mini(images))
    return dict(zip(files, origin.tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=("development", "report"), default="development")
    parser.add_argument("--only", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS)
    options = parser.parse_args()
    for name, photographs, generators in sources(options.split, options.data):
        label, generator = list(generators.items())[-1]
        images, origin = pool(photographs, generator, seed=0)
        n = len(set(origin.tolist()))
        print(f"\n**{name}, {label}**: {len(images):,} images of {n:,} photographs\n")
        print(
            "| tool | precision, default | recall, default | best F1 | recall at precision 0.95 | processor seconds |"
        )
        print("|---|---|---|---|---|---|")
        with tempfile.TemporaryDirectory(prefix="coreset-benchmark-") as home:
            use_private_fiftyone(Path(home))
            truth = write_pool(Path(home), images, origin)
            with running_mongod(Path(home)):
                for tool in options.only:
                    print(row_of(tool, PEERS[tool], Path(home), truth, options.environments), flush=True)


if __name__ == "__main__":
    main()
