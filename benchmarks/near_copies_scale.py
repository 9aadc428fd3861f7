"""What near-copies cost beyond the neighbour graph, by stage, and whether those that were planted are found.

    python -m benchmarks.near_copies_scale --n 100000 [--dimensions 32]

Three of ten images are alone; the others are bursts of 3 to 40 frames. A fingerprint is a window of a wider picture
with the fall of detail that photographs have, moved by up to one cell, in another light, with noise. Images of a kind
share their coarse light and dark, so that neighbours that are no copies must be aligned, too. Times are processor
seconds of all threads. Memory is the peak of the process while copies were looked for, the neighbour graph included,
less what it held before.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from .scale import highest_memory

#: Cells of a fingerprint, and of the picture that it is a window of.
_SIDE, _WIDE = 16, 20
_BLOCK = 8192
#: Images of a kind.
_KIND = 2000

#: What functions of ``plugin.vectors.near_copies`` are called in the table, the first and all further times.
_GRAPH = "the neighbour graph"
STAGES = {
    "_exact_copies": ["exact copies"],
    "nearest_neighbors": [_GRAPH, "graphs of what is around large groups"],
    "agreement": ["fingerprints compared"],
    "_central": ["middles of groups"],
}


def pictures(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 20, 20) float32 random pictures whose power falls with the square of the frequency."""
    frequency = np.hypot(np.fft.fftfreq(_WIDE)[:, None], np.fft.rfftfreq(_WIDE)[None])
    frequency[0, 0] = np.inf
    noise = np.fft.rfft2(rng.standard_normal((count, _WIDE, _WIDE), dtype=np.float32))
    found = np.fft.irfft2(noise / frequency, s=(_WIDE, _WIDE))
    return (found / found.std(axis=(1, 2), keepdims=True)).astype(np.float32)


def windows(wide: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(count, 256) uint8 fingerprints: a window of each picture, somewhere around its middle, in some light."""
    count = len(wide)
    place = rng.uniform(1, 3, (2, count))
    corner, (down, over) = place.astype(int), (place % 1)[:, :, None, None].astype(np.float32)
    cells = np.arange(_SIDE)
    rows, columns = corner[0][:, None, None] + cells[:, None], corner[1][:, None, None] + cells
    image = np.arange(count)[:, None, None]
    upper = wide[image, rows, columns] * (1 - over) + wide[image, rows, columns + 1] * over
    lower = wide[image, rows + 1, columns] * (1 - over) + wide[image, rows + 1, columns + 1] * over
    levels = 40 * rng.uniform(0.85, 1.15, (count, 1, 1)) * (upper * (1 - down) + lower * down)
    levels += 128 * rng.uniform(0.9, 1.1, (count, 1, 1)) + rng.normal(0, 2, levels.shape)
    return levels.clip(0, 255).astype(np.uint8).reshape(count, -1)


def make_pool(n: int, dimensions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, d) unit-norm vectors, (n, 256) fingerprints, and (n,) number of the scene that each image shows."""
    rng = np.random.default_rng(0)
    alone = rng.random(n) < 0.7  # of the scenes
    sizes = np.where(alone, 1, np.minimum(1 + rng.zipf(1.8, n), 40))
    scene = np.repeat(np.arange(n), sizes)[:n]
    n_scenes = scene[-1] + 1
    kind = rng.integers(-(-n // _KIND), size=n_scenes)
    kinds = pictures(kind.max() + 1, rng)
    centers = rng.standard_normal((kind.max() + 1, dimensions), dtype=np.float32)
    vectors, prints = np.empty((n, dimensions), np.float32), np.empty((n, _SIDE * _SIDE), np.uint8)
    starts = np.searchsorted(scene, np.arange(0, n_scenes + _BLOCK, _BLOCK))
    for block, (start, stop) in enumerate(pairwise(starts)):
        of = kind[block * _BLOCK : (block + 1) * _BLOCK]
        own = scene[start:stop] - block * _BLOCK
        wide = pictures(len(of), rng) + 0.7 * kinds[of]
        prints[start:stop] = windows(wide[own], rng)
        middle = centers[of] + 0.5 * rng.standard_normal((len(of), dimensions), dtype=np.float32)
        vectors[start:stop] = middle[own] + 0.1 * rng.standard_normal((len(own), dimensions), dtype=np.float32)
    order = rng.permutation(n)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors[order], prints[order], scene[order]


def pairs_in(*groups: np.ndarray) -> int:
    """Pairs of rows that share all of some groupings."""
    sizes = np.unique(np.stack(groups), axis=1, return_counts=True)[1].astype(float)
    return int((sizes * (sizes - 1) / 2).sum())


def watch(spent: dict[str, float]) -> None:
    """Adds the processor seconds of every stage to ``spent``."""
    from fiftyone_coreset.plugin.vectors import near_copies

    def timed(function: Callable[..., Any], titles: list[str]) -> Callable[..., Any]:
        remaining = titles.copy()

        def call(*args: Any, **keywords: Any) -> Any:
            title = remaining.pop(0) if len(remaining) > 1 else remaining[0]
            before = time.process_time()
            found = function(*args, **keywords)
            spent[title] = spent.get(title, 0.0) + time.process_time() - before
            return found

        return call

    for name, titles in STAGES.items():
        setattr(near_copies, name, timed(getattr(near_copies, name), titles))


def main() -> None:
    from fiftyone_coreset.plugin.vectors.near_copies import Evidence, near_copies

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=32)
    args = parser.parse_args()
    few = make_pool(1000, args.dimensions)
    near_copies(few[0], Evidence(few[1], np.ones(1000, dtype=bool)))  # imports and compiles
    vectors, prints, scene = make_pool(args.n, args.dimensions)
    spent: dict[str, float] = {}
    watch(spent)
    highest_memory()
    held = highest_memory()
    before = time.process_time()
    found = near_copies(vectors, Evidence(prints, np.ones(args.n, dtype=bool)))
    whole, memory = time.process_time() - before, highest_memory() - held
    spent["sorting, linking and the rest"] = whole - sum(spent.values())
    print(f"| {args.n:,} images of {len(np.unique(scene)):,} scenes | processor seconds |\n|---|---|")
    for title, seconds in spent.items():
        print(f"| {title} | {seconds:.1f} |")
    print(f"| **all beyond the neighbour graph** | **{whole - spent[_GRAPH]:.1f}** |\n")
    both = pairs_in(found.groups, scene)
    print(
        f"Of the pairs in one of {len(np.unique(found.groups)):,} groups {both / pairs_in(found.groups):.3f} are true, "
        f"of the true pairs {both / pairs_in(scene):.3f} are found. Fingerprints {prints.nbytes / 1e6:.0f} MB, vectors "
        f"{vectors.nbytes / 1e6:.0f} MB, and {memory / 1e9:.2f} GB more at the peak."
    )


if __name__ == "__main__":
    main()
