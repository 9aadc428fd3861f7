"""How much the result of `clip_powered` depends on each of its constants: half, double and without it.

    python -m benchmarks.clip_powered.sensitivity [--seeds 200 201]

Pools are scikit-learn's digits, whose "texts" are the means of their classes among other digits, and the CIFAR-10 pools
of ``quality/run.py`` that its cache folder holds for these seeds, with the texts of ``coreset-mini``. Labels are right,
or 20 or 40 % of them wrong, or 40 % of every second class are called by the next one ("pairs"). Judged at keep 30 and
50 %: the probe's accuracy, wrong labels among those kept, and the AUC of suspicion against wrong labels, in points.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fiftyone_coreset as fc
import numpy as np
from fiftyone_coreset.plugin.embeddings.text import class_text_embeddings
from fiftyone_coreset.plugin.selection.methods.clip_powered.api import adapt, score_adapted
from fiftyone_coreset.plugin.selection.methods.clip_powered.inputs import prepare
from fiftyone_coreset.plugin.selection.methods.clip_powered.settings import DEFAULTS, ClipPoweredSettings
from sklearn.metrics import roc_auc_score

from ..quality.digits import make_pool
from ..quality.judges import probe
from ..quality.pools import ImagePool
from ..quality.sensitivity import ROOT, variants

KEEPS = (0.3, 0.5)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
#: Share of the labels that are wrong; None for pairs.
NOISE = {"clean": 0.0, "20 % labels": 0.2, "40 % labels": 0.4, "pairs": None}
#: Values under which a constant does nothing.
WITHOUT = {
    "contrast": {"none": 0.0},
    "diversity_weight": {"none": 0.0},
    "diversity_cap": {},  # double is without a cap
    "clip": {"none": 0.0},
    "neighbor_share": {},
    "max_epochs": {},
    "patience": {},
    "batch_size": {},
    "held_out": {},
    "learning_rate": {"no adapter": 1e-12},
    "max_scale": {},
    "least_rate": {"none": 1e-9},
    "prior_images": {"none": 1e-9},
    "offset_spread": {"none": 1e9},
}


def pools(seed: int, cache: Path) -> Iterator[tuple[str, ImagePool, np.ndarray]]:
    """Names, pools, and the texts of their classes."""
    digits = make_pool("clean", seed)
    means = [digits.test_features[digits.test_labels == label].mean(axis=0) for label in range(10)]
    yield "digits", digits, np.array(means)
    path = cache / f"cifar10-clean-1200-{seed}.npz"
    if path.exists():
        model, _, tokenizer = fc.load_clip("coreset-mini", device="cpu")
        with np.load(path) as stored:
            yield "cifar10", ImagePool(**stored), class_text_embeddings(CLASSES, model, tokenizer)


def with_wrong_labels(truth: np.ndarray, noise: float | None, seed: int) -> np.ndarray:
    """Labels, some of them wrong."""
    rng = np.random.default_rng([seed, 15])
    if noise is None:
        return np.where((truth % 2 == 0) & (rng.random(len(truth)) < 0.4), truth + 1, truth)
    other = (truth + rng.integers(1, 10, len(truth))) % 10
    return np.where(rng.random(len(truth)) < noise, other, truth)


def judge(
    pool: ImagePool, labels: np.ndarray, texts: np.ndarray, settings: ClipPoweredSettings, seed: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """What is kept at every budget; and accuracy, wrong labels kept, and the AUC of suspicion, in points."""
    data = prepare(pool.embeddings, labels, texts, seed=seed)
    scores = score_adapted(data, adapt(data, "confident", seed, "cpu", lambda *_: None, settings), settings)
    kept = [fc.select_clip_powered(scores, round(keep * len(labels))) for keep in KEEPS]
    wrong = labels != pool.labels
    noisy = replace(pool, labels=labels)
    accuracy = np.mean([probe(noisy, rows, seed)["accuracy"] for rows in kept])
    told = roc_auc_score(wrong, scores.suspicion) if wrong.any() else np.nan
    return kept, 100 * np.array([accuracy, np.mean([wrong[rows].mean() for rows in kept]), told])


def measure(seeds: list[int], cache: Path) -> dict[tuple[str, str], list[tuple[float, np.ndarray]]]:
    """By constant and change: the share of picks that change and the differences, one entry a pool."""
    found: dict[tuple[str, str], list[tuple[float, np.ndarray]]] = {}
    for seed in seeds:
        for kind, pool, texts in pools(seed, cache):
            for noise, share in NOISE.items():
                labels = with_wrong_labels(pool.labels, share, seed)
                kept, ours = judge(pool, labels, texts, DEFAULTS, seed)
                print(seed, kind, noise, *(f"{value:.1f}" for value in ours), flush=True)
                for name, without in WITHOUT.items():
                    for label, settings in variants(DEFAULTS, name, without).items():
                        others, theirs = judge(pool, labels, texts, settings, seed)
                        pairs = zip(kept, others, strict=True)
                        moved = np.mean([1 - len(np.intersect1d(mine, rows)) / len(mine) for mine, rows in pairs])
                        found.setdefault((name, label), []).append((float(moved), theirs - ours))
    return found


def table(found: dict[tuple[str, str], list[tuple[float, np.ndarray]]]) -> list[str]:
    """Means over pools, with their standard errors."""
    lines = [
        "| constant | changed to | picks that change | accuracy | wrong labels kept | AUC of suspicion |",
        "|---|---|---|---|---|---|",
    ]
    for (name, label), pools in found.items():
        differences = np.array([difference for _, difference in pools])
        errors = np.nanstd(differences, axis=0, ddof=1) / np.sqrt(np.sum(~np.isnan(differences), axis=0))
        cells = [f"{m:+.2f} ± {e:.2f}" for m, e in zip(np.nanmean(differences, axis=0), errors, strict=True)]
        lines.append(f"| `{name}` | {label} | {np.mean([moved for moved, _ in pools]):.0%} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[200])
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "quality", help="pools of photographs")
    args = parser.parse_args()
    print("\n".join(table(measure(args.seeds, args.cache))))


if __name__ == "__main__":
    main()
