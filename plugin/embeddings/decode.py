"""Image files of any kind to framed RGB pixels, with an outcome for each.

Runs in worker processes, so it imports Pillow and numpy only.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import re
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image

from .exif import taken_at
from .fingerprint import fingerprint
from .framing import Framing, WholeImage
from .report import Outcome

#: ``[x, y, width, height]`` in fractions of the image, as FiftyOne stores it.
Box = Sequence[float]

#: An address, or what FiftyOne makes of one: ``/folder/https:/example.com/image.jpg``.
_ADDRESS = re.compile(r"(^|[/\\])[a-z][a-z0-9+.-]+:[/\\]", re.IGNORECASE)

#: 10,000 x 10,000. Decoding holds up to 8 bytes a pixel at a time, so 0.8 GB in each worker.
MAX_PIXELS = 100_000_000

#: Raster formats only: Pillow would start ghostscript for PostScript, under whatever name. Those that Pillow lacks,
#: such as HEIF without its plugin, are passed over. TGA has no signature, so it comes last.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "DIB", "MPO", "JPEG2000", "AVIF", "HEIF", "PPM", "QOI", "TGA")

# Only these are loaded: all of Pillow's would take three times as long in every new process. Old versions lack some.
for _plugin in ("Avif", "Bmp", "Gif", "Jpeg", "Jpeg2K", "Mpo", "Png", "Ppm", "Qoi", "Tga", "Tiff", "WebP"):
    with suppress(ImportError):
        importlib.import_module(f"PIL.{_plugin}ImagePlugin")

#: Pixels converted at a time, so that conversions need little memory of their own.
_STRIP = 2**20

#: EXIF orientation -> what makes the image upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

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
        fingerprint: the (256,) uint8 fingerprint of the image or object, or None
        taken_at: when the image was taken, where its EXIF data say so
    """

    pixels: np.ndarray | None
    outcome: Outcome
    reason: str = ""
    fingerprint: np.ndarray | None = None
    taken_at: datetime | None = None


def _decoded(image: Image.Image, framing: Framing | WholeImage, taken: datetime | None = None) -> Decoded:
    return Decoded(framing(image), Outcome.OK, fingerprint=fingerprint(image), taken_at=taken)


#: What a system says of a file that it may give another time: its server is away, or it is not for this user.
_REFUSALS = frozenset(
    {errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
)


def decode(
    source: str | bytes | OSError,
    framing: Framing | WholeImage,
    boxes: Sequence[Box] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> list[Decoded]:
    """Decodes an image file completely; never raises for a bad file.

    Args:
        source: the file, its content, or why that could not be read
        framing: the model's input size
        boxes (None): cut these objects out, from one decoding; by default the whole image
        max_pixels (100,000,000): larger images fail before they are decoded; decoding takes up to 8 bytes a pixel

    Returns:
        one entry for the image, or one for each box
    """
    n = 1 if boxes is None else len(boxes)
    try:
        image, taken = _read(source, framing if boxes is None else None, max_pixels)
    except (FileNotFoundError, NotADirectoryError) as error:
        unread = isinstance(source, str) and _ADDRESS.search(source) and not isinstance(error, _StorageError)
        reason = "not a local file; download the media first" if unread else _reason(error)
        return [Decoded(None, Outcome.MISSING, reason)] * n
    except Exception as error:  # Pillow's decoders raise errors of any type on damaged files
        refused = isinstance(error, OSError) and error.errno in _REFUSALS
        return [Decoded(None, Outcome.UNREADABLE if refused else Outcome.UNDECODABLE, _reason(error))] * n
    if boxes is None:
        return [_decoded(image, framing, taken)]
    return [_cut(image, box, framing) for box in boxes]


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _read(
    source: str | bytes | OSError, framing: Framing | WholeImage | None, max_pixels: int
) -> tuple[Image.Image, datetime | None]:
    """Reads the first frame, upright, in RGB; a whole JPEG no larger than the framing needs; and when it was taken."""
    if isinstance(source, OSError):
        raise source
    file = io.BytesIO(source) if isinstance(source, bytes) else _remote(source) or source
    if isinstance(file, str):
        kind = os.stat(file).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):  # a fifo would wait for ever; a folder says so itself
            raise ValueError("not a regular file")
    image, turn, taken = _open(file, framing, max_pixels)
    return image if turn is None else image.transpose(turn), taken


class _StorageError(FileNotFoundError):
    """A file on another machine that could not be read."""


def _remote(path: str) -> io.BytesIO | None:
    """The content of a file that FiftyOne's storage says is not on this machine; None for a local file.

    Open-source FiftyOne knows local files only and says so of every path; FiftyOne Enterprise reads cloud storage.
    """
    if not _ADDRESS.search(path):  # importing FiftyOne takes a process seconds
        return None
    import fiftyone.core.storage as fos

    if fos.is_local(path):
        return None
    try:
        return io.BytesIO(fos.read_file(path, binary=True))
    except Exception as error:  # whatever the client of the storage raises
        raise _StorageError(None, f"cannot be read from storage ({_reason(error)})") from error


def _open(
    path: str | io.BytesIO, framing: Framing | WholeImage | None, max_pixels: int
) -> tuple[Image.Image, Image.Transpose | None, datetime | None]:
    """The image in RGB, how to turn it upright, and when it was taken."""
    with Image.open(path, formats=_known_formats()) as image:
        if image.width * image.height > max_pixels:
            raise ValueError(f"{image.width:,} x {image.height:,} pixels are more than max_pixels={max_pixels:,}")
        if framing is not None:
            image.draft(None, framing.draft_size(*image.size))
        image.load()
        return _to_rgb(image), _turn(image), taken_at(image)


def own_process() -> None:
    """Silences Pillow's warnings on damaged files, and puts aside its own limit of pixels, in this process for good.

    Both are settings of the whole process, so only a process that does nothing but decode may change them.
    """
    Image.MAX_IMAGE_PIXELS = None
    warnings.simplefilter("ignore")


def _known_formats() -> list[str]:
    return [name for name in _FORMATS if name in Image.OPEN]


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What the EXIF orientation asks for; damaged EXIF does not cost the image."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        return None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    divisor = _grey_divisor(image) if image.mode.startswith(("I", "F")) else None
    converted = Image.new("RGB", image.size)
    for top, strip in _strips(image):
        converted.paste(_strip_to_rgb(strip) if divisor is None else _wide_grey_to_rgb(strip, divisor), (0, top))
    return converted


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The image in strips of full width, each with its first row."""
    height = max(1, _STRIP // image.width)
    for top in range(0, image.height, height):
        yield top, image.crop((0, top, image.width, min(image.height, top + height)))


def _strip_to_rgb(strip: Image.Image) -> Image.Image:
    if "A" in strip.getbands() or "a" in strip.getbands() or "transparency" in strip.info:
        rgba = strip.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (*_BACKGROUND, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return strip.convert("RGB")


def _grey_divisor(image: Image.Image) -> float:
    """What to divide grey levels of more than 8 bits by, which Pillow would clip to white."""
    top = -np.inf
    for _, strip in _strips(image):
        grey = np.asarray(strip)
        if not np.isfinite(grey).all():
            raise ValueError("pixels are not finite")
        top = max(top, grey.max())
    if grey.dtype.kind == "f" and top <= 1:
        return 1 / 255
    return _LEVELS_16_BIT if grey.dtype.kind == "u" or top > 255 else 1


def _wide_grey_to_rgb(strip: Image.Image, divisor: float) -> Image.Image:
    levels = np.asarray(strip) / divisor
    return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8)).convert("RGB")


def _cut(image: Image.Image, box: Box, framing: Framing | WholeImage) -> Decoded:
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
    return _decoded(image.crop((int(left), int(top), int(right), int(bottom))), framing)
