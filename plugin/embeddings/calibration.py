"""What fingerprints make of altered copies of a dataset's own images; measured once, and kept with the fingerprints."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageFilter

from ..dataset.rows import Rows
from ..vectors.fingerprints import ALTERED, alteration, altered_agreement
from .field import image_files
from .fingerprint import SIDE, fingerprint
from .fingerprint_field import FINGERPRINT_FIELD
from .framing import Framing
from .loading import batches, choose_workers
from .record import record_of, write_record
from .workers import ImageFile

#: Images are altered at this many times the size of a fingerprint.
_FRAMING = Framing(6 * SIDE, 6 * SIDE, mode="squash", interpolation="bicubic")
#: What is kept of the measurement: so many quantiles.
_QUANTILES = 201
_KEY = "altered_agreement"


def calibrated(rows: Rows, seed: int = 0) -> np.ndarray | None:
    """Agreement of the fingerprints of some of the images with those of altered copies.

    Up to 300 images are read again for it, once: the result is kept in the record of the fingerprints' field.

    Args:
        rows: the images or objects; they have fingerprints
        seed (0): of the images, and of what is done to them

    Returns:
        (m,) ascending agreements; None if no image could be read
    """
    record = record_of(rows, FINGERPRINT_FIELD)
    if record is None:
        return None
    if record.get(_KEY):
        return np.array(record[_KEY])
    rows = rows.as_patches()
    ids = rows.ids()
    rng = np.random.default_rng(seed)
    chosen = {ids[place] for place in rng.permutation(len(ids))[:ALTERED]}
    files = [file for file in image_files(rows)[0] if chosen.intersection(file.ids)]
    prints = [_altered(pixels, rng) for pixels in _pixels(files, chosen)]
    if not prints:
        return None
    found = np.quantile(altered_agreement(np.stack(prints, axis=1)), np.linspace(0, 1, _QUANTILES))
    state = record.pop("state")
    write_record(rows, FINGERPRINT_FIELD, {**record, _KEY: found.round(4).tolist()}, state)
    return found


def _pixels(files: list[ImageFile], chosen: set[str]) -> list[np.ndarray]:
    """Small versions of the chosen images that can be read."""
    found: list[np.ndarray] = []
    for batch in batches(files, _FRAMING, ALTERED, choose_workers(None, len(files), ALTERED, on_cpu=False)):
        found += [pixels for row_id, pixels in zip(batch.ids, batch.pixels, strict=True) if row_id in chosen]
    return found


def _altered(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(3, 256) uint8 fingerprints of an image and of two altered copies."""
    image = Image.fromarray(pixels)
    return np.stack([fingerprint(version) for version in (image, altered(image, rng), altered(image, rng))])


def altered(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Makes another frame of the same scene: cropped, turned, brighter or darker, blurred, noisy, compressed.

    Args:
        image: an RGB image
        rng: the source of chance; the strength is drawn too, from nothing at all

    Returns:
        an RGB image of the same size
    """
    zoom, (down, over), turn, contrast, brightness, strength = alteration(rng)
    width, height = image.size
    cosine, sine, middle = np.cos(turn) * zoom, np.sin(turn) * zoom, (width / 2, height / 2)
    left = middle[0] + over * width - cosine * middle[0] + sine * middle[1]
    top = middle[1] + down * height - sine * middle[0] - cosine * middle[1]
    moved = image.transform(
        image.size, Image.Transform.AFFINE, (cosine, -sine, left, sine, cosine, top), Image.Resampling.BICUBIC
    )
    blurred = moved.filter(ImageFilter.GaussianBlur(strength * rng.random() * width / 48))
    levels = (np.asarray(blurred, dtype=float) - 128) * contrast + 128 * brightness
    levels += rng.normal(0, 4 * strength, levels.shape)
    compressed = io.BytesIO()
    quality = round(95 - 50 * strength * rng.random())
    Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(compressed, "JPEG", quality=quality)
    return Image.open(compressed).convert("RGB")
