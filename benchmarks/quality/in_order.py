"""What the order of images is worth to the search for near-copies, and what it costs where it means nothing.

    python -m benchmarks.quality.in_order --data DIR [--split development|report]

The pools and splits of ``near_copies.py``. Bursts lie one after another, as a camera leaves them, and single images
between them; "shuffled" gives the same images numbers at random. The clean pools are photographs in the order of their
file names, in the folders of their classes. Embeddings are pixels, which know little, and random vectors, which know
nothing: what is found with those is due to the order alone. Development also has the drive (CamVid), in its own order.
"""

from __future__ import annotations

import argparse
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from fiftyone_coreset.plugin.vectors.near_copies import near_copies
from fiftyone_coreset.plugin.vectors.neighbors import unit_rows

from .near_copies import Generator, evidence, frames, near_copy, pair_scores, pixels, pool
from .near_copies import mixed as mixed_copies
from .pools import read_zip


def following(rows: np.ndarray, series: np.ndarray) -> np.ndarray:
    """(m, 2) pairs of rows that follow each other within a series."""
    pairs = np.stack([rows[:-1], rows[1:]], axis=1)
    return pairs[series[pairs[:, 0]] == series[pairs[:, 1]]]


def told(name: str, images: np.ndarray, origin: np.ndarray | None, orders: dict[str, np.ndarray]) -> None:
    """Prints a line for every embedding and order."""
    known = evidence(images)
    chance = np.random.default_rng(0).normal(size=(len(images), 64)).astype(np.float32)
    for kind, vectors in {"pixels": pixels(images), "random vectors": chance}.items():
        unit = unit_rows(vectors)[0]
        for label, pairs in {"no order": None, **orders}.items():
            found = near_copies(unit, replace(known, followers={} if pairs is None else {"names": pairs}))
            sizes = np.bincount(found.groups)
            cells = [name, kind, label, f"{(sizes[found.groups] > 1).mean():.2%}", f"{found.false_alarm_rate:.1%}"]
            if origin is not None:
                precision, recall = pair_scores(found.groups, origin)
                cells += [f"{precision:.3f}", f"{recall:.3f}"]
            print("| " + " | ".join(cells) + " |", flush=True)


def bursts(images: np.ndarray, generator: Generator) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """A pool of bursts and single images, with the order of a camera and one by chance."""
    chosen, origin = pool(images, generator, seed=1)
    rng = np.random.default_rng(1)
    turn = rng.permutation(origin.max() + 1)  # bursts and singles come in any order, a burst in one go
    camera, shuffled = np.argsort(turn[origin], kind="stable"), rng.permutation(len(origin))
    one = np.zeros(len(origin), dtype=np.int64)
    return chosen, origin, {"in order": following(camera, one), "shuffled": following(shuffled, one)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=("development", "report"), default="development")
    args = parser.parse_args()
    images, labels, _ = read_zip(args.data / "caltech101_64px.zip", 64)
    first = labels <= labels.max() // 2
    half = first if args.split == "development" else ~first
    generator = near_copy if args.split == "development" else mixed_copies
    print(
        "| pool | embedding | order | grouped | stated false alarms | precision | recall |", "|---" * 7 + "|", sep="\n"
    )
    told("bursts", *bursts(images[half], generator))
    rows = np.flatnonzero(half)[:2000]  # as the archive has them: by class, then by number
    told("clean", images[rows], None, {"in order": following(np.arange(len(rows)), labels[rows])})
    if args.split == "development":
        drive = frames(args.data)
        with zipfile.ZipFile(args.data / "camvid_240px.zip") as archive:
            names = sorted(
                name for name in archive.namelist() if "annot" not in name and name.endswith((".jpg", ".png"))
            )
        series = np.unique(
            [name.rpartition("/")[0] + name.rpartition("/")[2][:6] for name in names], return_inverse=True
        )[1]
        told("drive", drive, None, {"in order": following(np.arange(len(drive)), series)})


if __name__ == "__main__":
    main()
