"""Image files of any kind to framed RGB pixels, with an outcome for each.

Runs in worker processes, so it imports Pillow and numpy only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from .framing import Framing
from .report import Outcome

#: ``[x, y, width, height]`` in fractions of the image, as FiftyOne stores it.
Box = Sequence[float]

#: An address, or what FiftyOne makes of one: ``/folder/https:/example.com/image.jpg``.
_ADDRESS = re.compile(r"(^|[/\\])[a-z][a-z0-9+.-]+:[/\\]", re.IGNORECASE)

#: Transparent pixels are shown on white, as in the web pages that CLIP models were trained on.
_BACKGROUND = (255, 255, 255)

#: 65,535 (white in 16 bits) over 255 (white in 8 bits).
_LEVELS_16_BIT = 257


class Decoded(NamedTuple):
    """One image or object: its framed pixels, or why there are none.

    Args:
        pixels: a (height, width, 3) uint8 array, or None
        outcome: what became of it
        reason: why it failed, else empty
    """

    pixels: np.ndarray | None
    outcome: Outcome
    reason: str = ""


def decode(path: str, framing: Framing, boxes: Sequence[Box] | None = None) -> list[Decoded]:
    """Decodes an image file completely; never raises for a bad file.

    Args:
        path: the file
        framing: the model's input size
        boxes (None): cut these objects out, from one decoding; by default the whole image

    Returns:
        one entry for the image, or one for each box
    """
    n = 1 if boxes is None else len(boxes)
    try:
        image = _read(path, framing if boxes is None else None)
    except (FileNotFoundError, NotADirectoryError) as error:
        reason = "not a local file; download the media first" if _ADDRESS.search(path) else _reason(error)
        return [Decoded(None, Outcome.MISSING, reason)] * n
    except Exception as error:  # Pillow's decoders raise errors of any type on damaged files
        return [Decoded(None, Outcome.UNDECODABLE, _reason(error))] * n
    if boxes is None:
        return [Decoded(framing(image), Outcome.OK)]
    return [_cut(image, box, framing) for box in boxes]


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _read(path: str, framing: Framing | None) -> Image.Image:
    """Reads the first frame, upright, in RGB; a whole JPEG no larger than the framing needs."""
    with Image.open(path) as image:
        if framing is not None:
            image.draft(None, framing.draft_size(*image.size))
        image.load()
        return _to_rgb(_upright(image))


def _upright(image: Image.Image) -> Image.Image:
    """Applies the EXIF orientation; damaged EXIF does not cost the image."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith(("I", "F")):
        return _from_wide_grey(np.asarray(image))
    if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (*_BACKGROUND, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _from_wide_grey(grey: np.ndarray) -> Image.Image:
    """Scales grey levels of more than 8 bits, which Pillow would clip to white."""
    if not np.isfinite(grey).all():
        raise ValueError("pixels are not finite")
    top = grey.max()
    if grey.dtype.kind == "f" and top <= 1:
        levels = grey * 255
    elif grey.dtype.kind == "u" or top > 255:
        levels = grey / _LEVELS_16_BIT
    else:
        levels = grey
    return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8)).convert("RGB")


def _cut(image: Image.Image, box: Box, framing: Framing) -> Decoded:
    """Cuts an object out, grown to whole pixels and limited to the image."""
    try:
        x, y, w, h = np.asarray(box, dtype=float)
    except (TypeError, ValueError):
        return Decoded(None, Outcome.UNDECODABLE, f"not a bounding box: {box}")
    if not (np.isfinite([x, y, w, h]).all() and w > 0 and h > 0):
        return Decoded(None, Outcome.UNDECODABLE, f"empty bounding box: {box}")
    left, right = np.clip([np.floor(x * image.width), np.ceil((x + w) * image.width)], 0, image.width)
    top, bottom = np.clip([np.floor(y * image.height), np.ceil((y + h) * image.height)], 0, image.height)
    if left >= right or top >= bottom:
        return Decoded(None, Outcome.UNDECODABLE, f"bounding box outside the image: {box}")
    return Decoded(framing(image.crop((int(left), int(top), int(right), int(bottom)))), Outcome.OK)
