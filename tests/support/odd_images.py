"""Image files as they really turn up: unusual ones that can be read, and broken ones that cannot."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import images
import numpy as np
from PIL import Image

SIZE = (48, 36)
OK, MISSING, UNDECODABLE = "ok", "missing", "undecodable"


def write_odd_images(folder: Path) -> dict[str, str]:
    """Writes about thirty files and returns the outcome that each deserves, by path or address."""
    folder.mkdir()
    readable = _write_unusual(folder)
    broken = _write_broken(folder)
    absent = [str(folder / "absent.jpg"), str(folder / "dangling.jpg"), "https://example.com/cat.jpg", "s3://b/cat.jpg"]
    os.symlink(folder / "nowhere.jpg", absent[1])
    return (
        {str(path): OK for path in readable}
        | {str(path): UNDECODABLE for path in broken}
        | dict.fromkeys(absent, MISSING)
    )


def _write_unusual(folder: Path) -> list[Path]:
    picture = images.picture(np.random.default_rng(1), SIZE)
    grey16 = Image.fromarray(np.asarray(picture.convert("L"), dtype=np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 6
    saves = {
        "cmyk.jpg": (picture.convert("CMYK"), {}),
        "grey.jpg": (picture.convert("L"), {}),
        "progressive.jpg": (picture, {"progressive": True}),
        "rotated.jpg": (picture, {"exif": exif}),
        "damaged-exif.jpg": (picture, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\xff\xff"}),
        "grey16.png": (grey16, {}),
        "bilevel.png": (picture.convert("1"), {}),
        "palette-alpha.png": (picture.convert("P"), {"transparency": 0}),
        "rgba.png": (picture.convert("RGBA"), {}),
        "grey-alpha.png": (picture.convert("LA"), {}),
        "one-pixel.png": (picture.resize((1, 1)), {}),
        "wide.png": (picture.resize((30_000, 8)), {}),
        "tall.jpg": (picture.resize((8, 30_000)), {}),
        "animated.gif": (picture.convert("P"), {"save_all": True, "append_images": [picture.rotate(90)]}),
        "pages.tif": (picture, {"save_all": True, "append_images": [picture.rotate(90)]}),
        "float.tif": (Image.fromarray(np.asarray(picture.convert("L"), dtype=np.float32) / 255), {}),
        "photo.webp": (picture, {}),
        "photo.bmp": (picture, {}),
        "umlaut ü.png": (picture, {}),
    }
    for name, (image, options) in saves.items():
        image.save(folder / name, **options)
    picture.save(folder / "png-inside.jpg", format="PNG")
    return [folder / name for name in (*saves, "png-inside.jpg")]


def _write_broken(folder: Path) -> list[Path]:
    rng = np.random.default_rng(2)
    noise = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    broken = []
    for suffix in ("jpg", "png", "gif", "webp", "tif", "bmp"):
        whole = folder / f"whole.{suffix}"
        noise.save(whole)
        data = whole.read_bytes()
        whole.unlink()
        broken.append(folder / f"truncated.{suffix}")
        broken[-1].write_bytes(data[: len(data) * 2 // 3])
    contents = {
        "empty.jpg": b"",
        "text.jpg": b"this is not an image\n",
        "header-only.png": _png_header(64, 64),
        "bomb.png": _png_header(60_000, 60_000),
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="4"/></svg>',
        "photo.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
        "zeros.png": bytes(1000),
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    (folder / "folder.jpg").mkdir()
    return [*broken, *(folder / name for name in contents), folder / "folder.jpg"]


def _png_header(width: int, height: int) -> bytes:
    """A PNG that announces its size and its pixels, and then ends."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 1000) + b"IDAT"
