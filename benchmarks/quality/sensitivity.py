"""How much the result of `auto` depends on each of its constants: half, double and without it.

    python -m benchmarks.quality.sensitivity [--seeds 200] [--only FIELD ...] [--kinds digits]

Pools are those of digits and the planted ones (``digits.py``, ``planted.py``), with seeds that set no constant, and
what pools of photographs the cache folder of ``run.py`` holds for these seeds. The probe judges every selection at
keep 5, 10 and 30 %; a change that leaves a selection as it is needs no judging. Prints a table: the share of picks
that change, and the mean difference in accuracy, in points, with its standard error over pools. Caps on cost, which
pools of 1,200 images do not reach, are left out unless asked for.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from fiftyone_coreset.plugin.selection import pool as pool_module
from fiftyone_coreset.plugin.selection.methods.auto import selector, zcore_trust
from fiftyone_coreset.plugin.selection.methods.auto.settings import DEFAULTS, AutoSettings
from fiftyone_coreset.plugin.selection.pool import Pool, PoolVectors

from .digits import make_pool
from .judges import probe
from .planted import PLANTED, plant
from .pools import KINDS, ImagePool

ROOT = Path(__file__).resolve().parents[2]
BUDGETS = (0.05, 0.1, 0.3)
S = TypeVar("S")

#: Values under which a constant does nothing.
WITHOUT = {
    "group_growth": {"every group counts as one image": 0.0, "in proportion": 1.0},
    "coarsest_scale": {"nearest neighbour only": 1},
    "zcore_share": {"no ZCore": 0.0},
    "few_dimensions": {"images only": 1e-9, "space in full": 1e9},
    "max_room": {"images only": 1.0, "no limit": 1e9},
    "looseness_power": {"none": 0.0},
    "least_standing": {"always trusted": 0.0},
    "max_isolation": {"any": 1.0},
    "tested_shares": {"first only": (0.05,), "second only": (0.1,)},
}


def variants(defaults: S, name: str, without: Mapping[str, Any]) -> dict[str, S]:
    """A constant halved, doubled and without effect."""
    value = getattr(defaults, name)
    scaled: dict[str, Any]
    if isinstance(value, tuple):
        scaled = {label: tuple(by * entry for entry in value) for label, by in (("half", 0.5), ("double", 2.0))}
    else:
        kind = type(value)
        scaled = {"half": kind(max(value / 2, 1) if kind is int else value / 2), "double": kind(value * 2)}
    if name == "zcore_share":  # with all of it, regions without a pick of ZCore's would have no share
        scaled["double"] = 0.99
    return {label: replace(defaults, **{name: value}) for label, value in (scaled | without).items()}


def pools(seed: int, cache: Path, only: str) -> Iterator[tuple[str, ImagePool]]:
    """Names of kinds of pool, and pools."""
    for planted in PLANTED:
        if (name := f"digits, {planted.__name__}").startswith(only):
            yield name, plant(planted, seed)
    for kind in KINDS:
        if (name := f"digits, {kind}").startswith(only):
            yield name, make_pool(kind, seed)
        for dataset in ("cifar10", "caltech101"):
            path = cache / f"{dataset}-{kind}-1200-{seed}.npz"
            if path.exists() and dataset.startswith(only):
                with np.load(path) as stored:
                    pool = ImagePool(**stored)
                yield f"{dataset}, coreset-mini, {kind}", pool
                yield f"{dataset}, mobilenetv2, {kind}", replace(pool, embeddings=pool.features)


class Judged:
    """One pool, and what has been computed on it: variants share whatever a constant does not touch."""

    def __init__(self, pool: ImagePool, seed: int) -> None:
        self._pool = pool
        self._seed = seed
        self._accuracy: dict[bytes, float] = {}
        X = np.ascontiguousarray(pool.embeddings, dtype=np.float32)
        order = np.random.default_rng(seed).permutation(len(X))
        vectors = PoolVectors(X, order)
        self._order, self._problem = order, Pool(vectors, np.empty(0, dtype=np.int64), np.ones(len(X)), seed=seed)

    def judge(self, settings: AutoSettings) -> tuple[list[np.ndarray], np.ndarray]:
        """Selections at every budget, and their accuracy in points."""
        counts = [round(budget * len(self._order)) for budget in BUDGETS]
        ranking = self._order[selector.select(self._problem, max(counts), settings).order]
        kept = [ranking[:count] for count in counts]
        return kept, np.array([self._probe(rows) for rows in kept])

    def _probe(self, rows: np.ndarray) -> float:
        key = np.sort(rows).tobytes()
        if key not in self._accuracy:
            enough = len(np.unique(self._pool.labels[rows][self._pool.labels[rows] >= 0])) > 1
            self._accuracy[key] = 100 * probe(self._pool, rows, self._seed)["accuracy"] if enough else 0.0
        return self._accuracy[key]


def remember() -> None:
    """Near-duplicates and ZCore's rankings are computed once for equal input: they take most of the time."""
    for module, name in ((pool_module, "near_duplicates"), (zcore_trust, "zcore_ranking")):
        setattr(module, name, _remembered(getattr(module, name)))


def _remembered(function: Callable) -> Callable:
    known: dict = {}

    def call(first: Any, *args: Any, **keywords: Any) -> Any:
        X = first.X if isinstance(first, Pool) else first
        key = (X.tobytes(), *(arg for arg in args if isinstance(arg, int)))
        if key not in known:
            if len(known) > 8:
                known.pop(next(iter(known)))
            known[key] = function(first, *args, **keywords)
        return known[key]

    return call


def run(args: argparse.Namespace) -> None:
    """Judges what the file of results does not hold yet, pool by pool."""
    remember()
    done = {(line["kind"], int(line["seed"])) for line in read(args.results)}
    for seed in args.seeds:
        for kind, pool in pools(seed, args.cache, args.kinds):
            if (kind, seed) in done:
                continue
            judged = Judged(pool, seed)
            kept, accuracy = judged.judge(DEFAULTS)
            print(seed, kind, *(f"{value:.1f}" for value in accuracy), flush=True)
            lines = []
            for name in args.only:
                for label, settings in variants(DEFAULTS, name, WITHOUT[name]).items():
                    if args.removed and label not in WITHOUT[name]:
                        continue
                    others, theirs = judged.judge(settings)
                    pairs = zip(kept, others, strict=True)
                    moved = np.mean([1 - len(np.intersect1d(ours, rows)) / len(ours) for ours, rows in pairs])
                    lines.append([kind, seed, name, label, round(moved, 4), round(np.mean(theirs - accuracy), 3)])
            with args.results.open("a", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(lines)


def read(path: Path) -> list[dict[str, str]]:
    """All lines of the file of results, if there is one."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file, ("kind", "seed", "name", "label", "moved", "gain")))


def table(lines: list[dict[str, str]]) -> list[str]:
    """The constants in the order of their definition, and the kinds of pool that a change costs and gains most."""
    rows = [
        "| constant | changed to | picks that change | accuracy, points | worst kind of pool | best |",
        "|---|---|---|---|---|---|",
    ]
    for name, label in dict.fromkeys((line["name"], line["label"]) for line in lines):
        ours = [line for line in lines if (line["name"], line["label"]) == (name, label)]
        moved, gains = (np.array([float(line[column]) for line in ours]) for column in ("moved", "gain"))
        error = gains.std(ddof=1) / np.sqrt(len(gains))
        by_kind = {kind: np.mean(gains[[line["kind"] == kind for line in ours]]) for kind in {x["kind"] for x in ours}}
        ordered = sorted(by_kind, key=lambda kind: (by_kind[kind], kind))
        ends = " | ".join(f"{kind} {by_kind[kind]:+.1f}" for kind in (ordered[0], ordered[-1]))
        rows.append(f"| `{name}` | {label} | {moved.mean():.0%} | {gains.mean():+.2f} ± {error:.2f} | {ends} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[200])
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "quality", help="pools of photographs")
    parser.add_argument(
        "--results", type=Path, default=ROOT / ".cache" / "sensitivity.csv", help="continued, not replaced"
    )
    parser.add_argument("--kinds", default="", help="only kinds of pool whose name begins like this")
    parser.add_argument("--only", nargs="+", default=list(WITHOUT), help="constants")
    parser.add_argument("--removed", action="store_true", help="only what removes a constant, not half and double")
    args = parser.parse_args()
    run(args)
    print("\n".join(table(read(args.results))))


if __name__ == "__main__":
    main()
