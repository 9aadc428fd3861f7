"""Image pools as users really have them, built from labelled folders of images in a zip.

``clean`` (balanced), ``longtail`` (imbalance 50 : 1), ``duplicates`` (most images are near-copies of a tenth of them:
crops, shifts, brightness, JPEG, like frames of a video, in bursts of heavy-tailed length), ``junk`` (10 % off-topic,
10 % corrupted), and ``mixed`` (all of it).

The selection sees one of two embeddings, a judge never any but its own. Pools for ``mobilenetv2`` come from the larger
part of each dataset; pools for ``coreset-mini``, which was trained on that part, from the part it never saw.
"""

from __future__ import annotations

import importlib.util
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

KINDS = ("clean", "longtail", "duplicates", "junk", "mixed")
_IMBALANCE = 50
_JUNK = 0.1
#: Share of junk in pools that have some: as much off-topic as corrupted.
JUNK_SHARE = 2 * _JUNK
_TEST_IMAGES = 2000

#: Embeddings that a selection can be given, and images per pool.
POOL_SIZES = {"mobilenetv2": 3000, "coreset-mini": 1200}


@dataclass
class ImagePool:
    """A pool and its clean test set.

    Attributes:
        images: (n, s, s, 3) uint8
        labels: (n,) int class; -1 off-topic
        origin: (n,) int number of the original photograph an image is a copy of
        bad: (n,) int, 0 good, 1 off-topic, 2 corrupted
        embeddings: (n, d) float32, what the selection sees
        features: (n, 1280) float32, what the probe is trained on
        test_images, test_labels, test_features: the clean test set
    """

    images: np.ndarray
    labels: np.ndarray
    origin: np.ndarray
    bad: np.ndarray
    embeddings: np.ndarray
    features: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    test_features: np.ndarray


def read_zip(path: Path, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All images of a zip of class folders: (n, size, size, 3) uint8, (n,) class numbers, (n,) True in ``test/``."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.lower().endswith((".jpg", ".jpeg", ".png")))
        images = np.empty((len(names), size, size, 3), dtype=np.uint8)
        for row, name in enumerate(names):
            image = Image.open(io.BytesIO(archive.read(name))).convert("RGB")
            images[row] = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    folders = [Path(name).parent.name for name in names]
    test = np.array([name.startswith("test/") for name in names])
    return images, np.unique(folders, return_inverse=True)[1], test


def unseen_by_mini(labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """True in images that coreset-mini was not trained on: ``test/`` or, without one, every fifth image of a class."""
    unseen = test.copy()
    if not test.any():
        for label in np.unique(labels):
            unseen[np.flatnonzero(labels == label)[4::5]] = True
    return unseen


def split(labels: np.ndarray, test: np.ndarray, mini: bool) -> tuple[np.ndarray, np.ndarray]:
    """Which images pools are made of, and which a selection is tested on."""
    rng = np.random.default_rng(0)
    if mini:
        in_pool = unseen_by_mini(labels, test)
    else:
        in_pool = ~test if test.any() else rng.random(len(labels)) >= 0.25
    judged = np.zeros(len(labels), dtype=bool)
    judged[rng.permutation(np.flatnonzero(~in_pool))[:_TEST_IMAGES]] = True
    return in_pool, judged


def embed(images: np.ndarray, models: Path, pixels: int = 80) -> np.ndarray:
    """MobileNetV2 features, (n, 1280) float32."""
    import torch
    import torch.nn.functional as F  # noqa: N812

    spec = importlib.util.spec_from_file_location("mobilenet_v2", models / "mobilenet_v2.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.MNV2(str(models / "mobilenet_v2_imagenet.npz")).eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), 128):
            x = torch.from_numpy(images[start : start + 128]).permute(0, 3, 1, 2).float() / 127.5 - 1
            x = F.interpolate(x, size=(pixels, pixels), mode="bilinear", antialias=True)
            parts.append(model(x).numpy())
    return np.concatenate(parts)


def embed_mini(images: np.ndarray) -> np.ndarray:
    """coreset-mini's image features, (n, 96) float32."""
    import torch
    from fiftyone_coreset.plugin.embeddings.bundled import load_bundled_clip

    model, preprocess, _ = load_bundled_clip()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), 128):
            batch = torch.stack([preprocess(Image.fromarray(image)) for image in images[start : start + 128]])
            parts.append(model.encode_image(batch).float().numpy())
    return np.concatenate(parts)


def near_copy(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another frame of the same scene: crop, shift, brightness, noise, JPEG."""
    size = len(image)
    margin = max(1, size // 12)
    left, top = rng.integers(0, 2 * margin + 1, 2)
    padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    side = size - int(rng.integers(0, margin + 1))
    crop = Image.fromarray(padded[top : top + side, left : left + side]).resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(crop, dtype=np.float32) * rng.uniform(0.9, 1.1) + rng.normal(0, 3, (size, size, 3))
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=int(rng.integers(60, 95)))
    return np.asarray(Image.open(buffer))


def corrupt(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise, blur, a solid colour or darkness."""
    kind = rng.integers(4)
    if kind == 0:
        return (image + rng.normal(0, rng.uniform(60, 150), image.shape)).clip(0, 255).astype(np.uint8)
    if kind == 1:
        return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(len(image) * rng.uniform(0.08, 0.2))))
    if kind == 2:
        return np.broadcast_to(rng.integers(0, 256, 3).astype(np.uint8), image.shape).copy()
    return (image * rng.uniform(0.0, 0.08)).astype(np.uint8)


def class_sizes(available: np.ndarray, n: int, imbalance: float, rng: np.random.Generator) -> np.ndarray:
    """How many images of each class; exponentially falling in a random class order where ``imbalance > 1``."""
    order = rng.permutation(len(available))
    shares = np.empty(len(available))
    shares[order] = imbalance ** (-np.arange(len(available)) / max(1, len(available) - 1))
    low, high = 0.0, float(available.max() / shares.min())
    for _ in range(60):
        scale = (low + high) / 2
        low, high = (scale, high) if np.minimum(scale * shares, available).sum() < n else (low, scale)
    return np.maximum(2, np.minimum(low * shares, available)).round().astype(int)


def burst_sizes(originals: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Heavy-tailed (Pareto) burst lengths that add up to about n, at least one image each."""
    raw = rng.pareto(0.9, originals) + 0.2
    low, high = 0.0, float(n)
    for _ in range(60):
        scale = (low + high) / 2
        total = np.maximum(1, np.minimum(scale * raw, 0.3 * n).round()).sum()
        low, high = (scale, high) if total < n else (low, scale)
    return np.maximum(1, np.minimum(low * raw, 0.3 * n).round()).astype(int)


def build(kind: str, source: tuple, strangers: np.ndarray, n: int, seed: int) -> dict[str, np.ndarray]:
    """Images, labels, origin and bad of one pool of about n images."""
    images, labels = source
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    good = round(n * (1 - JUNK_SHARE)) if kind in ("junk", "mixed") else n
    burst = kind in ("duplicates", "mixed")
    originals = max(2 * int(labels.max() + 1), good // 10) if burst else good
    imbalance = _IMBALANCE if kind in ("longtail", "mixed") else 1
    sizes = class_sizes(np.bincount(labels), originals, imbalance, rng)
    rows = np.concatenate([rng.choice(np.flatnonzero(labels == c), s, replace=False) for c, s in enumerate(sizes)])
    origin = np.arange(len(rows))
    pixels = images[rows]
    if burst:
        origin = np.repeat(origin, burst_sizes(len(rows), good, rng)[rng.permutation(len(rows))])
        pixels = np.stack([near_copy(images[rows[o]], rng) for o in origin])
    kept_labels, bad = labels[rows][origin], np.zeros(len(origin), dtype=int)
    if kind in ("junk", "mixed"):
        count = round(n * _JUNK)
        off = strangers[rng.choice(len(strangers), count, replace=False)]
        spoiled = rng.choice(np.setdiff1d(np.arange(len(images)), rows), count, replace=False)
        pixels = np.concatenate([pixels, off, np.stack([corrupt(images[row], rng) for row in spoiled])])
        kept_labels = np.concatenate([kept_labels, np.full(count, -1), labels[spoiled]])
        origin = np.concatenate([origin, origin.max() + 1 + np.arange(2 * count)])
        bad = np.concatenate([bad, np.repeat([1, 2], count)])
    mixed = rng.permutation(len(pixels))
    return {"images": pixels[mixed], "labels": kept_labels[mixed], "origin": origin[mixed], "bad": bad[mixed]}


def load_pool(dataset: str, kind: str, seed: int, embedding: str, data: Path, models: Path, cache: Path) -> ImagePool:
    """A pool of ``cifar10`` or ``caltech101``, built once and kept in the cache folder."""
    cache.mkdir(parents=True, exist_ok=True)
    mini, n = embedding == "coreset-mini", POOL_SIZES[embedding]
    path = cache / f"{dataset}-{kind}-{n}-{seed}.npz"
    if not path.exists():
        size, other = (32, "caltech101") if dataset == "cifar10" else (64, "cifar10")
        files = {"cifar10": data / "cifar10_24k.zip", "caltech101": data / "caltech101_64px.zip"}
        images, labels, in_test = read_zip(files[dataset], size)
        in_pool, judged = split(labels, in_test, mini)
        strangers, stranger_labels, stranger_in_test = read_zip(files[other], size)
        if mini:
            strangers = strangers[unseen_by_mini(stranger_labels, stranger_in_test)]
        pool = build(kind, (images[in_pool], labels[in_pool]), strangers, n, seed)
        test_path = cache / f"{dataset}-test-{n}.npy"
        if not test_path.exists():
            np.save(test_path, embed(images[judged], models))
        pool |= {"test_images": images[judged], "test_labels": labels[judged], "test_features": np.load(test_path)}
        pool["features"] = embed(pool["images"], models)
        if mini:
            pool["embeddings"] = embed_mini(pool["images"])
        np.savez(path, **pool)
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays.setdefault("embeddings", arrays["features"])
    return ImagePool(**arrays)
