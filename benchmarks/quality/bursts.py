"""Counts the pools in which bursts of near-copies are recognised, where there are some and where there are none.

    python -m benchmarks.quality.bursts --data DIR --models DIR [--seeds 0 1 2 3] [--unseen 100 101]

Pools are those of ``quality.py``, of the report (``--seeds``) and others (``--unseen``), and digits as ``coreset-mini``
and their pixels show them. Writes ``docs/quality-bursts.md``.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from fiftyone_coreset.plugin.vectors.near_duplicates import near_duplicates
from fiftyone_coreset.plugin.vectors.neighbors import unit_rows

from .digits import SEEDS, make_pool
from .pools import KINDS, POOL_SIZES, ImagePool, embed_mini, load_pool

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "docs" / "quality-bursts.md"
Counts = dict[str, list[tuple[bool, float]]]


def look(embeddings: np.ndarray, pool: ImagePool) -> tuple[bool, float]:
    """Whether bursts are recognised, and groups found over photographs that there are."""
    some = np.abs(embeddings).sum(axis=1) > 0
    found = near_duplicates(unit_rows(embeddings[some])[0])
    return found.clear, (found.groups.max() + 1) / len(np.unique(pool.origin[some]))


def photographs(args: argparse.Namespace, seeds: list[int], embedding: str) -> Counts:
    counts: Counts = defaultdict(list)
    for kind in KINDS:
        for dataset in ("cifar10", "caltech101"):
            for seed in seeds:
                pool = load_pool(dataset, kind, seed, embedding, args.data, args.models, ROOT / ".cache" / "quality")
                counts[kind].append(look(pool.embeddings, pool))
    return counts


def digits(by_mini: bool) -> Counts:
    counts: Counts = defaultdict(list)
    for kind in KINDS:
        for seed in SEEDS:
            pool = make_pool(kind, seed)
            counts[kind].append(look(embed_mini(pool.images) if by_mini else pool.embeddings, pool))
    return counts


def row(name: str, counts: Counts) -> str:
    """Pools recognised of all, by kind, and the span of groups over photographs where pools are recognised."""
    entries = []
    for kind in KINDS:
        ratios = [ratio for clear, ratio in counts[kind] if clear]
        span = f" ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else ""
        entries.append(f"{len(ratios)} of {len(counts[kind])}{span}")
    print(name, *entries, flush=True)
    return f"| {name} | " + " | ".join(entries) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--unseen", type=int, nargs="+", default=[100, 101])
    args = parser.parse_args()
    lines = [
        "# Where bursts are recognised",
        "",
        "Written by `benchmarks/quality/bursts.py`: pools in which bursts were recognised, of all of a kind; only",
        "`duplicates` and `mixed` have bursts. In brackets groups found over photographs that there are.",
        "",
        "| pools | " + " | ".join(KINDS) + " |",
        "|---" * (len(KINDS) + 1) + "|",
    ]
    for embedding in POOL_SIZES:
        for name, seeds in (("of the report", args.seeds), ("other seeds", args.unseen)):
            lines.append(row(f"{embedding}, {name}", photographs(args, seeds, embedding)))
    lines += [row("digits, pixels", digits(by_mini=False)), row("digits, coreset-mini", digits(by_mini=True))]
    OUTPUT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
