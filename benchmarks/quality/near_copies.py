"""Judges the recognition of near-copies on pools of bursts whose truth is known, and on pools without any.

    python -m benchmarks.quality.near_copies --data DIR --models DIR [--split development|report]

Two splits, so that nothing is judged on what it was made with. Development: the first half of Caltech-101's classes and
scikit-learn's digits, with the generators ``near``, ``crop`` and ``shift``. Report: CIFAR-10 and the second half of
Caltech-101's classes, with the generators ``turn``, ``compress`` and ``mixed``; and the frames of a drive (CamVid),
which have no truth. Of every pool, four kinds of embeddings: MobileNetV2, ``coreset-mini``, pixels, and a vision
transformer with random weights. Writes ``docs/near-duplicates-<split>.md``.
"""

from __future__ import annotations

import argparse
import io
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from fiftyone_coreset.plugin.embeddings.calibration import altered
from fiftyone_coreset.plugin.embeddings.fingerprint import fingerprint
from fiftyone_coreset.plugin.vectors.fingerprints import ALTERED, altered_agreement
from fiftyone_coreset.plugin.vectors.near_copies import Evidence, near_copies
from fiftyone_coreset.plugin.vectors.near_duplicates import near_duplicates
from fiftyone_coreset.plugin.vectors.neighbors import unit_rows
from PIL import Image, ImageFilter

from .pools import burst_sizes, embed, embed_mini, near_copy, read_zip

ROOT = Path(__file__).resolve().parents[2]
_BURSTS, _IN_BURSTS, _SINGLES, _CLEAN = 150, 1500, 700, 2000
Generator = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def crop(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Crop to 85-100 %, brightness +-15 %, a third turned by up to 5 degrees, JPEG 40-95."""
    side = len(image)
    picture = Image.fromarray(image)
    if rng.random() < 1 / 3:
        picture = picture.rotate(rng.uniform(-5, 5), Image.Resampling.BILINEAR)
    left = max(4, int(side * rng.uniform(0.85, 1)))
    x, y = rng.integers(0, side - left + 1, 2)
    picture = picture.crop((x, y, x + left, y + left)).resize((side, side), Image.Resampling.BILINEAR)
    return jpeg(np.asarray(picture) * rng.uniform(0.85, 1.15), int(rng.integers(40, 95)))


def shift(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift by up to a sixteenth of the side, brightness +-10 %, noise."""
    side, margin = len(image), max(1, len(image) // 16)
    padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    x, y = rng.integers(0, 2 * margin + 1, 2)
    moved = padded[x : x + side, y : y + side] * rng.uniform(0.9, 1.1) + rng.normal(0, 4, image.shape)
    return moved.clip(0, 255).astype(np.uint8)


def turn(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turned by up to 6 degrees and enlarged so that no corner is empty, contrast +-15 %."""
    side, angle = len(image), rng.uniform(-6, 6)
    turned = Image.fromarray(image).rotate(angle, Image.Resampling.BICUBIC)
    margin = round(side * np.sin(np.radians(abs(angle))) / 2)
    turned = turned.crop((margin, margin, side - margin, side - margin)).resize((side, side), Image.Resampling.BICUBIC)
    levels = (np.asarray(turned, dtype=float) - 128) * rng.uniform(0.85, 1.15) + 128
    return levels.clip(0, 255).astype(np.uint8)


def compress(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blurred by up to a fiftieth of the side, brightness +-20 %, JPEG 15-50."""
    blurred = Image.fromarray(image).filter(ImageFilter.GaussianBlur(len(image) * rng.uniform(0, 0.02)))
    return jpeg(np.asarray(blurred) * rng.uniform(0.8, 1.2), int(rng.integers(15, 50)))


def mixed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half the turn and half the compression, or either alone."""
    kind = rng.integers(3)
    found = turn(image, rng) if kind != 1 else image
    return compress(found, rng) if kind != 0 else found


def jpeg(levels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def digit_images() -> np.ndarray:
    from sklearn.datasets import load_digits

    big = [Image.fromarray((digit * 15.9).astype(np.uint8)).resize((32, 32)) for digit in load_digits().images]
    return np.stack([np.asarray(image.convert("RGB")) for image in big])


def sources(split: str, data: Path) -> Iterator[tuple[str, np.ndarray, dict[str, Generator]]]:
    """Name, images and generators of every source of a split."""
    images, labels, _ = read_zip(data / "caltech101_64px.zip", 64)
    first = labels <= labels.max() // 2
    if split == "development":
        generators = {"near": near_copy, "crop": crop, "shift": shift}
        yield "Caltech-101, first half", images[first], generators
        yield "digits", digit_images(), {"near": near_copy}
        return
    generators = {"turn": turn, "compress": compress, "mixed": mixed}
    yield "Caltech-101, second half", images[~first], generators
    yield "CIFAR-10", read_zip(data / "cifar10_24k.zip", 32)[0], generators


def pool(images: np.ndarray, generator: Generator | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of a pool and the number of the photograph that each is of; without a generator, all differ."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(images))
    if generator is None:
        return images[rows[:_CLEAN]], np.arange(min(_CLEAN, len(rows)))
    sizes = burst_sizes(_BURSTS, _IN_BURSTS, rng)
    origin = np.repeat(np.arange(_BURSTS), sizes)
    bursts = [generator(images[rows[number]], rng) for number in origin]
    singles = images[rows[_BURSTS : _BURSTS + _SINGLES]]
    order = rng.permutation(len(bursts) + len(singles))
    everything = np.concatenate([np.stack(bursts), singles])
    return everything[order], np.concatenate([origin, _BURSTS + np.arange(len(singles))])[order]


def by_random_transformer(images: np.ndarray) -> np.ndarray:
    """Features of a vision transformer that was never trained: the worst case of a model."""
    import torch
    from open_clip.model import CLIPVisionCfg, _build_vision_tower

    torch.manual_seed(0)
    model = _build_vision_tower(64, CLIPVisionCfg(layers=4, width=192, head_width=48, patch_size=8, image_size=64))
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), 128):
            batch = torch.from_numpy(images[start : start + 128]).permute(0, 3, 1, 2).float() / 127.5 - 1
            parts.append(model.eval()(torch.nn.functional.interpolate(batch, size=(64, 64), mode="bilinear")).numpy())
    return np.concatenate(parts)


def pixels(images: np.ndarray) -> np.ndarray:
    small = [np.asarray(Image.fromarray(image).resize((12, 12)), dtype=np.float32).ravel() for image in images]
    return np.stack(small) / 255 - 0.5


def evidence(images: np.ndarray) -> Evidence:
    """Fingerprints of a pool, calibrated on its own images."""
    rng = np.random.default_rng(0)
    prints = np.stack([fingerprint(Image.fromarray(image)) for image in images])
    chosen = [Image.fromarray(images[row]) for row in rng.permutation(len(images))[:ALTERED]]
    copies = [
        [fingerprint(version) for version in (image, altered(image, rng), altered(image, rng))] for image in chosen
    ]
    return Evidence(prints, np.ones(len(images), dtype=bool), altered_agreement(np.stack(copies, axis=1)))


def pair_scores(groups: np.ndarray, origin: np.ndarray) -> tuple[float, float]:
    """Precision and recall over pairs of images in one group."""
    found = _pairs(np.bincount(groups))
    true = _pairs(np.bincount(origin))
    both = _pairs(np.unique(groups.astype(np.int64) * (origin.max() + 1) + origin, return_counts=True)[1])
    return both / max(found, 1), both / max(true, 1)


def _pairs(sizes: np.ndarray) -> int:
    return int((sizes.astype(np.int64) * (sizes - 1) // 2).sum())


def frames(data: Path) -> np.ndarray:
    with zipfile.ZipFile(data / "camvid_240px.zip") as archive:
        names = [name for name in archive.namelist() if "annot" not in name and name.lower().endswith((".jpg", ".png"))]
        return np.stack([np.asarray(Image.open(io.BytesIO(archive.read(n))).convert("RGB")) for n in sorted(names)])


def judge(name: str, images: np.ndarray, origin: np.ndarray | None, models: Path) -> Iterator[str]:
    embedders = {
        "MobileNetV2": lambda x: embed(x, models),
        "coreset-mini": embed_mini,
        "pixels": pixels,
        "random transformer": by_random_transformer,
    }
    known = evidence(images)
    for kind, embedder in embedders.items():
        unit = unit_rows(embedder(images))[0]
        start = time.process_time()
        found = near_copies(unit, known)
        seconds = time.process_time() - start
        sizes = np.bincount(found.groups)
        grouped = float((sizes[found.groups] > 1).mean())
        cells = [name, kind, f"{len(images):,}"]
        if origin is not None and np.bincount(origin).max() > 1:
            precision, recall = pair_scores(found.groups, origin)
            old = pair_scores(near_duplicates(unit).groups, origin)
            cells += [f"{precision:.3f}", f"{recall:.3f}", f"{old[0]:.3f}", f"{old[1]:.3f}"]
        else:
            cells += ["", "", "", ""]
        cells += [f"{grouped:.2%}", f"{found.false_alarm_rate:.1%}", f"{seconds:.1f}"]
        yield "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--split", choices=("development", "report"), default="development")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    head = ["pool", "embedding", "images", "precision", "recall", "distance alone: precision", "recall", "grouped"]
    head += ["stated false alarms", "seconds"]
    lines = [
        f"# Near-copies on the {args.split} pools",
        "",
        "Written by `benchmarks/quality/near_copies.py`. Precision and recall are over pairs of images in one group.",
        "In clean pools and the drive nothing is known to be a copy; what is grouped there are false alarms, or copies",
        "that the collections hold themselves.",
        "",
        "| " + " | ".join(head) + " |",
        "|---" * len(head) + "|",
    ]

    def write(found: Iterator[str]) -> None:
        for line in found:
            print(line, flush=True)
            lines.append(line)

    for name, images, generators in sources(args.split, args.data):
        for label, generator in generators.items():
            write(judge(f"{name}, {label}", *pool(images, generator, args.seed), args.models))
        write(judge(f"{name}, clean", *pool(images, None, args.seed), args.models))
    if args.split == "report":
        write(judge("CamVid, a frame a second", frames(args.data), None, args.models))
    (ROOT / "docs" / f"near-duplicates-{args.split}.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
