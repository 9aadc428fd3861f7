"""Resizing and cropping as open_clip does it, on the pixels that are kept only.

open_clip resizes the whole image and then crops the centre. Pillow can resample just the part of the image that ends
up in the crop, with the same filter on the same grid, so a long panorama never becomes a huge intermediate image.
Needs Pillow and numpy alone, for quick starting worker processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

#: A JPEG is decoded at 1/2, 1/4 or 1/8 scale only while it stays this many times larger than needed: from there on
#: resampling hides the difference (docs/benchmarks.md).
DRAFT_GAP = 2.0

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@dataclass(frozen=True)
class WholeImage:
    """Leaves RGB images as they are, for models that do their own resizing."""

    def draft_size(self, width: int, height: int) -> tuple[int, int]:
        """The size at which a JPEG may be decoded: its own."""
        return width, height

    def __call__(self, image: Image.Image) -> np.ndarray:
        """The pixels of an RGB image as a (height, width, 3) uint8 array."""
        return np.array(image)


@dataclass(frozen=True)
class Framing:
    """Turns RGB images of any size into the model's input size.

    Args:
        height: rows of the model's input
        width: columns of the model's input
        mode: ``"shortest"`` (fill the frame, crop the rest), ``"longest"`` (show all, pad) or ``"squash"``
        interpolation: ``"bicubic"`` or ``"bilinear"``
        fill: grey value of the padding
    """

    height: int
    width: int
    mode: str = "shortest"
    interpolation: str = "bicubic"
    fill: int = 0

    @classmethod
    def of(cls, preprocess: Mapping[str, Any]) -> Framing:
        """The framing that an open_clip ``preprocess_cfg`` describes."""
        size = preprocess["size"]
        height, width = (size, size) if isinstance(size, int) else size
        # open_clip resizes non-square "shortest" inputs bicubically whatever the configuration says, and "random"
        # interpolation is for training only
        bilinear = preprocess["interpolation"] == "bilinear" and (
            height == width or preprocess["resize_mode"] != "shortest"
        )
        return cls(
            height=height,
            width=width,
            mode=preprocess["resize_mode"],
            interpolation="bilinear" if bilinear else "bicubic",
            fill=preprocess["fill_color"],
        )

    def draft_size(self, width: int, height: int) -> tuple[int, int]:
        """The smallest size at which a JPEG may be decoded without a visible effect on the result."""
        scale = min(width / self.width, height / self.height) / DRAFT_GAP
        return max(1, int(width / max(scale, 1))), max(1, int(height / max(scale, 1)))

    def __call__(self, image: Image.Image) -> np.ndarray:
        """Frames one RGB image.

        Args:
            image: an RGB image

        Returns:
            a (height, width, 3) uint8 array
        """
        resample = _FILTERS[self.interpolation]
        if self.mode == "squash":
            framed = image.resize((self.width, self.height), resample)
        elif self.mode == "longest":
            framed = self._pad(image, resample)
        else:
            framed = self._crop(image, resample)
        return np.array(framed)

    def _crop(self, image: Image.Image, resample: Image.Resampling) -> Image.Image:
        """Resizes the shortest side to the frame and keeps the centre."""
        width, height = image.size
        if self.height == self.width:
            full_width = self.width if width <= height else int(self.width * width / height)
            full_height = self.height if height < width else int(self.height * height / width)
        else:
            ratio = min(height / self.height, width / self.width)
            full_width, full_height = round(width / ratio), round(height / ratio)
        left, top = round((full_width - self.width) / 2), round((full_height - self.height) / 2)
        per_column, per_row = width / full_width, height / full_height
        box = (
            left * per_column,
            top * per_row,
            min(width, (left + self.width) * per_column),
            min(height, (top + self.height) * per_row),
        )
        return image.resize((self.width, self.height), resample, box=box)

    def _pad(self, image: Image.Image, resample: Image.Resampling) -> Image.Image:
        """Resizes the longest side to the frame and pads the rest."""
        width, height = image.size
        ratio = max(height / self.height, width / self.width)
        inner = image.resize((max(1, round(width / ratio)), max(1, round(height / ratio))), resample)
        framed = Image.new("RGB", (self.width, self.height), (self.fill,) * 3)
        framed.paste(inner, ((self.width - inner.width) // 2, (self.height - inner.height) // 2))
        return framed
