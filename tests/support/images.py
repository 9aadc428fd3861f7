"""Small images that differ from each other and look alike on every machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def picture(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """A smooth random colour field, so that JPEG and resizing change it little."""
    coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def write_images(folder: Path, n: int, size: tuple[int, int] = (48, 36), seed: int = 0) -> list[Path]:
    """Writes n pictures, PNG and JPEG in turn, and returns their paths in order."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    paths = [folder / f"{i:05d}.{'jpg' if i % 2 else 'png'}" for i in range(n)]
    for path in paths:
        picture(rng, size).save(path)
    return paths
