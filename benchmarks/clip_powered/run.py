"""CLIP-powered selection on CIFAR-10 with planted wrong labels and damaged images.

    python -m benchmarks.clip_powered.run --data DIR [--model NAME --checkpoint FILE] [--parts kept,probe]

``DIR`` holds ``cifar10_24k.zip``, beside a folder ``models`` with MobileNetV2 weights for the probe. The pool is
CIFAR's *test* part, 4,000 images that the bundled CLIP never saw; networks trained on what is kept are judged on images
of the training part. Prints the tables of ``docs/clip-powered.md``.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import fiftyone_coreset as fc
import numpy as np
from fiftyone_coreset.plugin.embeddings.clip import resolve_clip
from fiftyone_coreset.plugin.embeddings.text import class_text_embeddings
from PIL import Image, ImageFilter

from ..quality.pools import embed, read_zip
from .accuracy import print_accuracy, print_differences, read_results, train_and_judge
from .networks import cnn_accuracy, probe_accuracy
from .rivals import AS_PUBLISHED, clip_scores, rankings

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
DAMAGES = ("noise", "blur", "low resolution", "fog", "occlusion")
CONDITIONS = {"clean": (0.0, 0.0), "20 % labels": (0.2, 0.0), "40 % labels": (0.4, 0.0), "20 % images": (0.0, 0.2)}
KEEPS = (0.3, 0.5, 0.7)
#: Stands for wrong labels that follow a pattern: these classes are confused with one other, 40 % of the time.
PAIRS = -1.0
CONFUSED = {9: 1, 2: 0, 4: 7, 3: 5, 5: 3}  # truck, bird, deer, cat and dog, as is usual since Patrini et al., CVPR 2017
JUDGED = 6000
OURS = "clip_powered"
JUDGED_METHODS = [
    "random",
    "stratified random",
    "herding per class",
    "ZCore",
    "mistakenness",
    "mistakenness per class",
    "clip_powered as published",
    OURS,
]


@dataclass(frozen=True)
class Planted:
    """A pool with known faults.

    Attributes:
        images, vectors, features: (n, ...) pixels, CLIP embeddings and MobileNetV2 features, damaged where planted
        truth, labels: (n,) true classes, and the labels as given
        bad: (n,) True for a wrong label or a damaged image
        damage: (n,) position in ``DAMAGES``, -1 for none
        texts: (C, d) text embeddings
    """

    images: np.ndarray
    vectors: np.ndarray
    features: np.ndarray
    truth: np.ndarray
    labels: np.ndarray
    bad: np.ndarray
    damage: np.ndarray
    texts: np.ndarray


class Bench:
    """Images, models and what was embedded so far."""

    def __init__(self, args: argparse.Namespace):
        import torch

        torch.set_num_threads(args.threads)
        self.data, self.cache = args.data, args.cache
        images, classes, test = read_zip(args.data / "cifar10_24k.zip", 32)
        self.pool, self.truth = images[test], classes[test]
        judged = np.random.default_rng(0).permutation(np.flatnonzero(~test))[:JUDGED]
        self.judged, self.judged_truth = images[judged], classes[judged]
        self.model, self.preprocess, tokenizer = fc.load_clip(args.model, checkpoint=args.checkpoint, device="cpu")
        spec = resolve_clip(args.model, checkpoint=args.checkpoint)
        self.name = f"{spec.model}-{(spec.checkpoint_sha256 or str(spec.pretrained))[:12]}"
        self.texts = class_text_embeddings(CLASSES, self.model, tokenizer)
        self.scale = self.model.logit_scale.exp().item()
        self.judged_features = self._mobilenet(self.judged, "judged")
        self.clean = self._vectors(self.pool, "pool"), self._mobilenet(self.pool, "pool")

    def plant(self, wrong: float, damaged: float, seed: int) -> Planted:
        """Plants faults; the same seed plants the same."""
        rng = np.random.default_rng([seed, 77])
        n = len(self.truth)
        if wrong == PAIRS:
            partner = np.array([CONFUSED.get(number, number) for number in range(len(CLASSES))])
            labels = np.where(rng.random(n) < 0.4, partner[self.truth], self.truth)
            flipped = labels != self.truth
        else:
            flipped = rng.random(n) < wrong
            labels = np.where(flipped, (self.truth + rng.integers(1, len(CLASSES), n)) % len(CLASSES), self.truth)
        damage = np.where(rng.random(n) < damaged, rng.integers(0, len(DAMAGES), n), -1)
        images, (vectors, features) = self.pool, self.clean
        if damaged:
            images, vectors, features = self.pool.copy(), vectors.copy(), features.copy()
            rows = np.flatnonzero(damage >= 0)
            for row in rows:
                images[row] = damage_image(images[row], DAMAGES[damage[row]], rng)
            vectors[rows] = self._vectors(images[rows], f"damaged{seed}")
            features[rows] = self._mobilenet(images[rows], f"damaged{seed}")
        return Planted(images, vectors, features, self.truth, labels, flipped | (damage >= 0), damage, self.texts)

    def _vectors(self, images: np.ndarray, what: str) -> np.ndarray:
        return self._cached(f"{self.name}-{what}", lambda: clip_vectors(self.model, self.preprocess, images))

    def _mobilenet(self, images: np.ndarray, what: str) -> np.ndarray:
        return self._cached(f"mobilenet-{what}", lambda: embed(images, self.data.parent / "models", pixels=96))

    def _cached(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        path = self.cache / f"clip_powered-{name.replace('/', '_')}.npy"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, make())
        return np.load(path)


def clip_vectors(model, preprocess, images: np.ndarray) -> np.ndarray:
    """Unit CLIP image embeddings."""
    import torch

    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), 250):
            batch = torch.stack([preprocess(Image.fromarray(image)) for image in images[start : start + 250]])
            parts.append(torch.nn.functional.normalize(model.encode_image(batch).float(), dim=1).numpy())
    return np.concatenate(parts)


def damage_image(image: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Damages one 32 x 32 image."""
    picture = Image.fromarray(image)
    if kind == "noise":
        return (image + rng.normal(0, 60, image.shape)).clip(0, 255).astype(np.uint8)
    if kind == "blur":
        return np.asarray(picture.filter(ImageFilter.GaussianBlur(2.5)))
    if kind == "low resolution":
        return np.asarray(picture.resize((8, 8), Image.Resampling.BOX).resize((32, 32), Image.Resampling.BILINEAR))
    if kind == "fog":
        return (image * 0.35 + 255 * 0.65 * rng.uniform(0.8, 1.0)).clip(0, 255).astype(np.uint8)
    covered = image.copy()
    top, left = rng.integers(0, 13, 2)
    covered[top : top + 20, left : left + 20] = rng.integers(0, 256, 3)
    return covered


# The parts


def zero_shot(vectors: np.ndarray, texts: np.ndarray, truth: np.ndarray) -> float:
    return float(((vectors @ texts.T).argmax(axis=1) == truth).mean())


def part_kept(bench: Bench, seeds: int, methods: list[str] | None):
    """Share of bad images among what is kept."""
    cells = defaultdict(list)
    for condition, shares in (CONDITIONS | {"pairs": (PAIRS, 0.0)}).items():
        for seed in range(seeds if condition != "clean" else 0):
            planted = bench.plant(*shares, seed)
            for method, rank in rankings(planted, bench.scale, seed).items():
                if methods is None or method in methods:
                    order = rank()
                    for keep in KEEPS:
                        bad = planted.bad[order[: int(keep * len(order))]].mean()
                        cells[method, f"{condition}, {keep:.0%}"].append(100 * bad)
    table(cells)


def part_accuracy(bench: Bench, judge: str, train: Callable, seeds: int, methods: list[str] | None):
    """Accuracy of networks trained on what is kept: a table per condition, and the differences to the default."""
    methods = methods or JUDGED_METHODS
    train_and_judge(bench, judge, train, CONDITIONS, KEEPS, methods, seeds)
    results = read_results(bench, judge, seeds)
    print_accuracy(results, methods, CONDITIONS, KEEPS)
    if OURS in methods:
        clean, *noisy = CONDITIONS
        groups = {"clean": [clean], "every noisy cell": noisy} | {name: [name] for name in noisy}
        print_differences(results, OURS, [method for method in methods if method != OURS], groups, KEEPS)


def part_adapters(bench: Bench, seeds: int):
    """Adapters under label noise: bad share at 50 %, for this embedding and a weaker one."""
    cells = defaultdict(list)
    for strength in (-0.15, 0.0):
        for noise in (0.2, 0.4, PAIRS):
            for seed in range(seeds):
                planted = with_strength(bench.plant(noise, 0.0, seed), strength)
                row = f"zero-shot {zero_shot(planted.vectors, planted.texts, planted.truth):.0%}, {noise_name(noise)}"
                for adapter in ("none", "linear", "confident"):
                    kept = fc.select_clip_powered(clip_scores(planted, seed, adapter=adapter), len(planted.truth) // 2)
                    cells[row, adapter].append(100 * planted.bad[kept].mean())
    table(cells)


def part_suspicious(bench: Bench, seeds: int):
    """Suspicious labels: the estimated share of wrong ones, precision and recall."""
    cells = defaultdict(list)
    for noise in (0.0, 0.02, 0.05, 0.2, 0.4, PAIRS):
        for seed in range(seeds):
            planted = bench.plant(noise, 0.0, seed)
            for adapter in ("none", "linear"):
                found = fc.find_suspicious_labels(
                    planted.vectors, planted.labels, planted.texts, adapter=adapter, seed=seed
                )
                row = f"{noise_name(noise)}, {adapter}"
                cells[row, "wrong"].append(100 * planted.bad.mean())
                cells[row, "estimated"].append(100 * found.share_wrong)
                cells[row, "flagged"].append(100 * len(found.rows) / len(planted.truth))
                hits = planted.bad[found.rows]
                if noise:
                    cells[row, "precision"].append(100 * hits.mean())
                    cells[row, "recall"].append(100 * hits.sum() / planted.bad.sum())
                    suggested = found.suggested[found.rows][hits]
                    cells[row, "right suggestion"].append(100 * (suggested == planted.truth[found.rows][hits]).mean())
    table(cells)


def noise_name(noise: float) -> str:
    return "40 % of five classes, pairwise" if noise == PAIRS else f"{noise:.0%} at random"


def with_strength(planted: Planted, push: float) -> Planted:
    """The pool with embeddings pushed toward the text of their true class, or away from it."""
    vectors = planted.vectors + push * planted.texts[planted.truth]
    return replace(planted, vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def part_curve(bench: Bench, seeds: int):
    """Bad share among the kept half against the strength of the embedding."""
    cells = defaultdict(list)
    for push in (-0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.5):
        for noise in (0.2, 0.4):
            for seed in range(seeds):
                planted = with_strength(bench.plant(noise, 0.0, seed), push)
                row = f"push {push}: zero-shot {zero_shot(planted.vectors, planted.texts, planted.truth):.1%}"
                for adapter in ("none", "confident"):
                    kept = fc.select_clip_powered(clip_scores(planted, seed, adapter=adapter), len(planted.truth) // 2)
                    cells[row, f"{noise:.0%} noise, {adapter}"].append(100 * planted.bad[kept].mean())
    table(cells)


def part_damage(bench: Bench, seeds: int):
    """Which damages are noticed, at 30 % kept; 30 is chance."""
    cells = defaultdict(list)
    for seed in range(seeds):
        planted = bench.plant(0.0, 0.2, seed)
        kept = fc.select_clip_powered(clip_scores(planted, seed), int(0.3 * len(planted.truth)))
        for number, name in enumerate(DAMAGES):
            of_kind = planted.damage == number
            cells["share of damaged images kept", name].append(100 * of_kind[kept].sum() / of_kind.sum())
    table(cells)


def part_knobs(bench: Bench, seeds: int):
    """Probe accuracy and bad share at 30 % kept for other settings of the score."""
    options: dict[str, dict] = {"default": {}, "published score": AS_PUBLISHED, "published scaling": {"clip": 0.0}}
    options |= {f"contrast {weight}": {"contrast": weight} for weight in (0.0, 0.25)}
    options |= {f"diversity {weight}": {"diversity_weight": weight} for weight in (0.0, 0.3, 1.0)}
    options |= {
        "no cap": {"diversity_cap": 1.0},
        "no cap, diversity 0.3": {"diversity_cap": 1.0, "diversity_weight": 0.3},
    }
    cells = defaultdict(list)
    for condition in CONDITIONS:
        for seed in range(seeds):
            planted = bench.plant(*CONDITIONS[condition], seed)
            for name, changed in options.items():
                kept = fc.select_clip_powered(clip_scores(planted, seed, **changed), int(0.3 * len(planted.truth)))
                accuracy = probe_accuracy(planted, kept, bench.judged_features, bench.judged_truth)
                cells[name, f"{condition}: accuracy"].append(100 * accuracy)
                if condition != "clean":
                    cells[name, f"{condition}: bad"].append(100 * planted.bad[kept].mean())
    table(cells)


def table(cells: dict[tuple[str, str], list[float]]) -> None:
    """Mean and standard deviation as a Markdown table."""
    rows = list(dict.fromkeys(row for row, _ in cells))
    columns = list(dict.fromkeys(column for _, column in cells))
    print("| |", " | ".join(columns), "|")
    print("|---|" + "---|" * len(columns))
    for row in rows:
        shown = [cells.get((row, column)) for column in columns]
        print(f"| {row} |", " | ".join(f"{np.mean(v):.1f} ± {np.std(v):.1f}" if v else "" for v in shown), "|")
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="coreset-mini")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--parts", default="kept,damage,adapters,suspicious,curve,knobs,probe,cnn")
    parser.add_argument("--methods", nargs="+", help="only these rows of the tables")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path(__file__).parents[2] / ".cache")
    args = parser.parse_args()
    bench = Bench(args)
    print(
        f"zero-shot accuracy of {args.model} on the pool: {zero_shot(bench.clean[0], bench.texts, bench.truth):.1%}\n"
    )
    judged, truth = bench.judged, bench.judged_truth
    probe = lambda planted, rows, seed: probe_accuracy(planted, rows, bench.judged_features, truth)  # noqa: E731
    cnn = lambda planted, rows, seed: cnn_accuracy(planted, rows, judged, truth, seed)  # noqa: E731
    parts = {
        "kept": lambda: part_kept(bench, args.seeds, args.methods),
        "adapters": lambda: part_adapters(bench, args.seeds),
        "suspicious": lambda: part_suspicious(bench, args.seeds),
        "curve": lambda: part_curve(bench, args.seeds),
        "damage": lambda: part_damage(bench, args.seeds),
        "knobs": lambda: part_knobs(bench, args.seeds),
        "probe": lambda: part_accuracy(bench, "probe", probe, args.seeds, args.methods),
        "cnn": lambda: part_accuracy(bench, "cnn", cnn, args.seeds, args.methods),
    }
    for name in args.parts.split(","):
        print(f"## {name}\n")
        parts[name]()


if __name__ == "__main__":
    main()
