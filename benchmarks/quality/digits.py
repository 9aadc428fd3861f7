"""Judges selection on a third dataset that needs no files: scikit-learn's digits, by their pixels.

    python -m benchmarks.quality.digits

Pools, probe and reading are those of ``quality.py``; off-topic images are cut out of scikit-learn's two photographs.
The planted pools of ``quality_planted.py`` follow. Writes ``docs/quality-digits.md``. Takes ten minutes on two cores.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits, load_sample_images

from .judges import probe
from .planted import PLANTED, plant
from .pools import KINDS, ImagePool, build
from .run import facts, select

OUTPUT = Path(__file__).resolve().parents[2] / "docs" / "quality-digits.md"
METHODS = ("auto", "stratified", "zcore", "maxherding", "facility_location", "kcenter")
BUDGETS = (0.05, 0.1, 0.3, 0.5)
SEEDS = range(4)
PLANTED_SEEDS = range(8)
RANDOM_DRAWS = 5
POOL_SIZES = dict.fromkeys(KINDS, 1200) | {"longtail": 400}  # of more, the tail would be short
_PIXELS = 32
_SCALE = _PIXELS // 8


def pixels(images: np.ndarray) -> np.ndarray:
    """(n, 64) float32 brightness of 8 x 8 fields."""
    fields = images.reshape(len(images), 8, _SCALE, 8, _SCALE, 3)
    return fields.mean(axis=(2, 4, 5), dtype=np.float32).reshape(len(images), 64) / 255


def strangers() -> np.ndarray:
    """Squares of two photographs, (n, 32, 32, 3) uint8."""
    squares = [
        photograph[top : top + _PIXELS, left : left + _PIXELS]
        for photograph in load_sample_images().images
        for top in range(0, photograph.shape[0] - _PIXELS, _PIXELS)
        for left in range(0, photograph.shape[1] - _PIXELS, _PIXELS)
    ]
    return np.stack(squares)


def make_pool(kind: str, seed: int) -> ImagePool:
    """A pool of digits and a test set of those that are not in it."""
    digits = load_digits()
    gray = (digits.images / 16 * 255).astype(np.uint8)
    images = np.repeat(np.kron(gray, np.ones((1, _SCALE, _SCALE), dtype=np.uint8))[..., None], 3, axis=3)
    order = np.random.default_rng(seed).permutation(len(images))
    ours, test = order[: 3 * len(order) // 4], order[3 * len(order) // 4 :]
    pool = build(kind, (images[ours], digits.target[ours]), strangers(), POOL_SIZES[kind], seed)
    seen = pixels(pool["images"])
    return ImagePool(
        **pool,
        embeddings=seen,
        features=seen,
        test_images=images[test],
        test_labels=digits.target[test],
        test_features=pixels(images[test]),
    )


def judge(pool: ImagePool, seed: int) -> dict[tuple[str, float], list[tuple[float, float]]]:
    """Accuracy and share of junk of every selection, by method and budget; several of ``random``."""
    counts = [round(budget * len(pool.labels)) for budget in BUDGETS]
    found = defaultdict(list)
    for method in ("random", *METHODS):
        for draw in range(RANDOM_DRAWS if method == "random" else 1):
            for budget, kept in zip(BUDGETS, select(method, pool, counts, 100 * seed + draw), strict=True):
                enough = len(np.unique(pool.labels[kept][pool.labels[kept] >= 0])) > 1
                accuracy = probe(pool, kept, seed)["accuracy"] if enough else 0.0
                found[method, budget].append((100 * accuracy, facts(pool, kept)["junk"]))
    return found


def table(title: str, judged: list[dict], junk: bool = False) -> list[str]:
    """Points above random, mean and SD over pools, and the share of junk where there is some."""
    lines = ["", f"### {title}", "", "| method | " + " | ".join(f"{budget:.0%}" for budget in BUDGETS) + " |"]
    lines.append("|---" * (len(BUDGETS) + 1) + "|")
    chance = {
        budget: np.array([np.mean([a for a, _ in pool["random", budget]]) for pool in judged]) for budget in BUDGETS
    }
    lines.append("| random, accuracy | " + " | ".join(f"{chance[budget].mean():.1f}" for budget in BUDGETS) + " |")
    for method in METHODS:
        entries = []
        for budget in BUDGETS:
            results = np.array([pool[method, budget][0] for pool in judged])
            gains = results[:, 0] - chance[budget]
            share = f" ({results[:, 1].mean():.0%})" if junk else ""
            entries.append(f"{gains.mean():+.1f} ± {gains.std(ddof=1):.1f}{share}")
        lines.append(f"| {method} | " + " | ".join(entries) + " |")
    return lines


def main() -> None:
    lines = [
        "# Selection on scikit-learn's digits",
        "",
        "Written by `benchmarks/quality/digits.py`; read [quality.md](quality.md) first. The selection sees 64 pixels,",
        "and so does the probe that judges it on digits outside the pool. Pools of about 1,200 images, 400 where the",
        "tail is long. Points above random, mean ± SD over pools; in brackets the junk kept, of 20 % in pools.",
        "",
        f"## Pools as users have them ({len(SEEDS)} of each)",
    ]
    for kind in KINDS:
        print(kind, flush=True)
        judged = [judge(make_pool(kind, seed), seed) for seed in SEEDS]
        lines += table(kind, judged, junk=kind in ("junk", "mixed"))
    lines += ["", f"## Planted pools ({len(PLANTED_SEEDS)} of each)", "", "In each some rule of selection has failed."]
    for planted in PLANTED:
        print(planted.__name__, flush=True)
        title = f"{planted.__name__.replace('_', ' ')}: {planted.__doc__}"
        lines += table(title, [judge(plant(planted, seed), seed) for seed in PLANTED_SEEDS])
    OUTPUT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
