"""CLIP-powered selection on CIFAR-10 with planted wrong labels and damaged images.

    python benchmarks/clip_powered.py --data DIR [--model NAME --checkpoint FILE] [--parts kept,probe]

``DIR`` holds ``cifar10_24k.zip``, beside a folder ``models`` with MobileNetV2 weights for the probe. The pool is
CIFAR's *test* part, 4,000 images that the bundled CLIP never saw; networks trained on what is kept are judged on images
of the training part. Prints the tables of ``docs/clip-powered.md``.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import fiftyone_coreset as fc
import numpy as np
from clip_powered_networks import cnn_accuracy, probe_accuracy
from fiftyone_coreset.plugin.embeddings.clip import resolve_clip
from fiftyone_coreset.plugin.scoring.clip_powered import class_text_embeddings, clip_powered_ranking
from fiftyone_coreset.plugin.selection.quotas import take_turns
from PIL import Image, ImageFilter
from quality_pools import embed, read_zip

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
DAMAGES = ("noise", "blur", "low resolution", "fog", "occlusion")
CONDITIONS = {"clean": (0.0, 0.0), "20 % labels": (0.2, 0.0), "40 % labels": (0.4, 0.0), "20 % images": (0.0, 0.2)}
KEEPS = (0.3, 0.5, 0.7)
JUDGED = 6000


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


# The rivals: each gives rows, first to keep first


def confidence_order(planted: Planted, bench: Bench) -> np.ndarray:
    """FiftyOne's mistakenness of the zero-shot classifier, least mistaken first."""
    logits = bench.scale * planted.vectors @ planted.texts.T
    probability = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability /= probability.sum(axis=1, keepdims=True)
    certainty = np.exp((probability * np.log(probability + 1e-12)).sum(axis=1))
    agrees = probability.argmax(axis=1) == planted.labels
    return np.argsort(np.where(agrees, 1 - certainty, 1 + certainty), kind="stable")


def by_class(order: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The same order with the classes taking turns, in proportion."""
    return take_turns(order, labels, np.maximum(np.bincount(labels, minlength=len(CLASSES)), 1).astype(float))


def rankings(planted: Planted, bench: Bench, seed: int) -> dict[str, Callable[[], np.ndarray]]:
    """Every method's order of the whole pool; each is nested, so a budget takes the first."""

    def registry(name: str, **options) -> np.ndarray:
        return fc.get_method(name).select(planted.vectors, len(planted.truth), seed=seed, **options).indices

    def ours(balance: str = "proportional", **options) -> np.ndarray:
        return clip_powered_ranking(clip_scores(planted, seed, **options), balance)

    return {
        "random": lambda: registry("random"),
        "stratified random": lambda: registry("stratified", labels=planted.labels),
        "herding per class": lambda: registry("herding", groups=planted.labels, quota="proportional"),
        "ZCore": lambda: registry("zcore", n_draws=50_000),
        "mistakenness": lambda: confidence_order(planted, bench),
        "mistakenness per class": lambda: by_class(confidence_order(planted, bench), planted.labels),
        "clip_powered without adapter": lambda: ours(adapter="none"),
        "clip_powered without balance": lambda: ours("none"),
        "clip_powered": ours,
    }


def clip_scores(planted: Planted, seed: int, **options) -> fc.ClipPoweredScores:
    """Scores with the options of the benchmark."""
    return fc.clip_powered_scores(planted.vectors, planted.labels, planted.texts, seed=seed, **options)


# The parts


def zero_shot(vectors: np.ndarray, texts: np.ndarray, truth: np.ndarray) -> float:
    return float(((vectors @ texts.T).argmax(axis=1) == truth).mean())


def part_selection(bench: Bench, seeds: int, judge: Callable | None, keeps=KEEPS, methods=None):
    """Share of bad images kept, or accuracy of a network trained on what is kept."""
    cells = defaultdict(list)
    for condition, (wrong, damaged) in CONDITIONS.items():
        if judge is None and condition == "clean":
            continue
        for seed in range(seeds):
            planted = bench.plant(wrong, damaged, seed)
            for method, rank in rankings(planted, bench, seed).items():
                if methods is None or method in methods:
                    order = rank()
                    for keep in keeps:
                        rows = order[: int(keep * len(order))]
                        value = planted.bad[rows].mean() if judge is None else judge(planted, rows, seed)
                        cells[method, f"{condition}, {keep:.0%}"].append(100 * value)
                        print(
                            f"{condition}, {keep:.0%}, seed {seed}, {method}: {value:.2%}", file=sys.stderr, flush=True
                        )
    table(cells)


def part_adapters(bench: Bench, seeds: int):
    """Adapters under label noise: bad share at 50 %, and suspicious labels."""
    cells = defaultdict(list)
    for noise in (0.0, 0.2, 0.4):
        for seed in range(seeds):
            planted = bench.plant(noise, 0.0, seed)
            for adapter in ("none", "linear", "confident"):
                kept = fc.select_clip_powered(clip_scores(planted, seed, adapter=adapter), len(planted.truth) // 2)
                found = fc.find_suspicious_labels(
                    planted.vectors, planted.labels, planted.texts, adapter=adapter, seed=seed
                )
                hits = planted.bad[found.rows]
                row = f"{adapter}, {noise:.0%} noise"
                cells[row, "bad among kept half"].append(100 * planted.bad[kept].mean())
                cells[row, "flagged"].append(100 * len(found.rows) / len(planted.truth))
                if noise:
                    cells[row, "precision"].append(100 * hits.mean())
                    cells[row, "recall"].append(100 * hits.sum() / planted.bad.sum())
                    suggested = found.suggested[found.rows][hits]
                    cells[row, "right suggestion"].append(100 * (suggested == planted.truth[found.rows][hits]).mean())
    table(cells)


def part_curve(bench: Bench, seeds: int):
    """Bad share among the kept half against the strength of the embedding, pushed toward the true class by hand."""
    cells = defaultdict(list)
    for push in (0.0, 0.1, 0.2, 0.3, 0.5):
        for noise in (0.2, 0.4):
            for seed in range(seeds):
                planted = bench.plant(noise, 0.0, seed)
                stronger = planted.vectors + push * planted.texts[planted.truth]
                stronger /= np.linalg.norm(stronger, axis=1, keepdims=True)
                planted = replace(planted, vectors=stronger)
                row = f"push {push}: zero-shot {zero_shot(stronger, planted.texts, planted.truth):.1%}"
                for adapter in ("none", "linear"):
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
    """Probe accuracy and bad share for weights of diversity and for the published scaling."""
    options = {"default": {}, "published scaling": {"clip": 0.0}}
    options |= {f"diversity {weight}": {"diversity_weight": weight} for weight in (0.0, 0.3, 1.0)}
    cells = defaultdict(list)
    for condition in ("clean", "20 % labels"):
        for seed in range(seeds):
            planted = bench.plant(*CONDITIONS[condition], seed)
            for keep in (0.3, 0.5):
                for name, changed in options.items():
                    kept = fc.select_clip_powered(clip_scores(planted, seed, **changed), int(keep * len(planted.truth)))
                    accuracy = probe_accuracy(planted, kept, bench.judged_features, bench.judged_truth)
                    cells[name, f"{condition}, {keep:.0%}: accuracy"].append(100 * accuracy)
                    cells[name, f"{condition}, {keep:.0%}: bad"].append(100 * planted.bad[kept].mean())
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
    parser.add_argument("--parts", default="kept,adapters,curve,damage,knobs,probe,cnn")
    parser.add_argument("--methods", nargs="+", help="only these rows of the tables")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cnn-seeds", type=int, default=2)
    parser.add_argument("--cnn-keep", type=float, nargs="+", default=[0.5])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path(__file__).parents[1] / ".cache")
    args = parser.parse_args()
    bench = Bench(args)
    print(
        f"zero-shot accuracy of {args.model} on the pool: {zero_shot(bench.clean[0], bench.texts, bench.truth):.1%}\n"
    )
    probe = lambda p, rows, seed: probe_accuracy(p, rows, bench.judged_features, bench.judged_truth)  # noqa: E731
    cnn = lambda p, rows, seed: cnn_accuracy(p, rows, bench.judged, bench.judged_truth, seed)  # noqa: E731
    rivals = ("stratified random", "mistakenness per class", "clip_powered")
    parts = {
        "kept": lambda: part_selection(bench, args.seeds, None, methods=args.methods),
        "adapters": lambda: part_adapters(bench, args.seeds),
        "curve": lambda: part_curve(bench, args.seeds),
        "damage": lambda: part_damage(bench, args.seeds),
        "knobs": lambda: part_knobs(bench, args.seeds),
        "probe": lambda: part_selection(bench, args.seeds, probe, methods=args.methods),
        "cnn": lambda: part_selection(bench, args.cnn_seeds, cnn, tuple(args.cnn_keep), args.methods or rivals),
    }
    for name in args.parts.split(","):
        print(f"## {name}\n")
        parts[name]()


if __name__ == "__main__":
    main()
