"""Frames of videos: do selections keep one frame of each shot, or many of the long ones?

    python -m benchmarks.quality.video --data DIR

Generated videos: each is a chain of shots, each shot a photograph of Caltech-101 under a slow pan and zoom, a frame a
second, of 2 to 120 s with a heavy tail. Shots are known, so two figures can be told: the share of all shots of
which a frame is kept, and the share of the kept frames whose shot is there already. Beside it a public drive (CamVid, a
frame a second) without known shots: the share of kept frames that another kept frame precedes by at most 3 s, and the
mean distance of all frames to the nearest kept one. Embeddings of ``coreset-mini``; fingerprints
calibrated on the frames, and the order of the frames of a video, are evidence. Figures are means over three seeds.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from fiftyone_coreset import get_method
from fiftyone_coreset.plugin.vectors.near_copies import near_copies
from fiftyone_coreset.plugin.vectors.neighbors import unit_rows
from PIL import Image

from .near_copies import evidence, frames
from .pools import embed_mini, read_zip

_SHOTS, _VIDEOS, _SIDE = 200, 20, 64
_KEEP = (0.05, 0.1, 0.2)
_SEEDS = 3


def videos(photographs: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames, the shot of each, and the video of each."""
    rng = np.random.default_rng(seed)
    lengths = np.clip(np.round(2 * rng.pareto(1.0, _SHOTS) + 2), 2, 120).astype(int)
    chosen = rng.choice(len(photographs), _SHOTS, replace=False)
    found = []
    for photograph, length in zip(photographs[chosen], lengths, strict=True):
        start, end = (np.append(rng.uniform(0, 0.12, 2), rng.uniform(0.85, 0.88)) for _ in range(2))
        for part in np.linspace(0, 1, length):
            x, y, side = (start + part * (end - start)) * _SIDE
            image = Image.fromarray(photograph).resize(
                (_SIDE, _SIDE), Image.Resampling.BILINEAR, (x, y, x + side, y + side)
            )
            noisy = np.asarray(image, dtype=float) + rng.normal(0, 3, (_SIDE, _SIDE, 3))
            found.append(noisy.clip(0, 255).astype(np.uint8))
    shot = np.repeat(np.arange(_SHOTS), lengths)
    return np.stack(found), shot, shot % _VIDEOS


def selections(images: np.ndarray, unit: np.ndarray, video: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Rankings by name; every n-th frame is made by the caller, for it depends on the budget."""
    order = np.argsort(video, kind="stable")
    pairs = np.stack([order[:-1], order[1:]], axis=1)
    known = replace(evidence(images), followers={"frames": pairs[video[pairs[:, 0]] == video[pairs[:, 1]]]})
    copies = near_copies(unit, known, seed=seed)
    return {
        "random": get_method("random").select(unit, seed=seed).indices,
        "facility location": get_method("facility_location").select(unit, seed=seed).indices,
        "auto": get_method("auto").select(unit, seed=seed).indices,
        "auto, fingerprints": get_method("auto").select(unit, near_copies=copies, seed=seed).indices,
    }


def every_nth(video: np.ndarray, k: int) -> np.ndarray:
    """K frames at equal distances, videos one after another."""
    order = np.argsort(video, kind="stable")
    return order[np.linspace(0, len(order) - 1, k).round().astype(int)]


def generated(photographs: np.ndarray) -> dict[str, dict[float, list[tuple[float, float]]]]:
    """Method -> budget -> (share of shots kept, share of kept frames of a shot that is there already)."""
    table: dict[str, dict[float, list[tuple[float, float]]]] = {}
    for seed in range(_SEEDS):
        images, shot, video = videos(photographs, seed)
        unit = unit_rows(embed_mini(images))[0]
        ranked = selections(images, unit, video, seed)
        for keep in _KEEP:
            k = round(keep * len(shot))
            for name, rows in {"every n-th frame": every_nth(video, k), **ranked}.items():
                kept = len(np.unique(shot[rows[:k]]))
                table.setdefault(name, {}).setdefault(keep, []).append((kept / _SHOTS, 1 - kept / k))
    return table


def drive(images: np.ndarray) -> dict[str, dict[float, list[tuple[float, float]]]]:
    """Method -> budget -> (share of kept frames just behind another, mean distance to the nearest kept frame)."""
    table: dict[str, dict[float, list[tuple[float, float]]]] = {}
    unit, video = unit_rows(embed_mini(images))[0], np.zeros(len(images), dtype=int)
    for seed in range(_SEEDS):
        ranked = selections(images, unit, video, seed)
        for keep in _KEEP:
            k = round(keep * len(images))
            for name, rows in {"every n-th frame": every_nth(video, k), **ranked}.items():
                kept = np.sort(rows[:k])
                near = float(np.mean(np.diff(kept) <= 3))
                distance = np.sqrt(np.maximum(2 - 2 * (unit @ unit[kept].T).max(axis=1), 0)).mean()
                table.setdefault(name, {}).setdefault(keep, []).append((near, float(distance)))
    return table


def show(title: str, table: dict[str, dict[float, list[tuple[float, float]]]], first: str, second: str) -> None:
    print(f"\n**{title}**: {first} / {second}\n")
    print("| | " + " | ".join(f"keep {keep:.0%}" for keep in _KEEP) + " |")
    print("|---" * (len(_KEEP) + 1) + "|")
    for name, by_keep in table.items():
        cells = [" / ".join(f"{value:.2f}" for value in np.mean(by_keep[keep], axis=0)) for keep in _KEEP]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    photographs = read_zip(args.data / "caltech101_64px.zip", 96)[0]
    show(
        "Generated videos",
        generated(photographs),
        "share of shots kept",
        "share of kept frames of a shot that is there already",
    )
    images = np.stack([np.asarray(Image.fromarray(image).resize((_SIDE, _SIDE))) for image in frames(args.data)])
    show(
        "CamVid",
        drive(images),
        "share of kept frames at most 3 s behind another",
        "mean distance to the nearest kept frame",
    )


if __name__ == "__main__":
    main()
