"""Image files as they really turn up: unusual ones that can be read, and broken ones that cannot."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import images
import numpy as np
import PIL
from PIL import Image

SIZE = (48, 36)
#: Modes that each format can store.
_MODES = {
    "png": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "tif": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "F"),
    "gif": ("1", "L", "P", "RGB", "RGBA"),
    "bmp": ("1", "L", "P", "RGB", "RGBA"),
    "webp": ("L", "RGB", "RGBA"),
    "jp2": ("L", "LA", "RGB", "RGBA"),
    "avif": ("L", "RGB", "RGBA"),
    "tga": ("L", "LA", "P", "RGB", "RGBA"),
    "ppm": ("RGB",),
    "pgm": ("L",),
}
if PIL.__version__ < "13":  # reads "truncated" from such a file of its own
    _MODES["tif"] = tuple(mode for mode in _MODES["tif"] if mode != "YCbCr")
#: File name -> picture, and how it is saved.
Saves = dict[str, tuple[Image.Image, dict]]
OK, MISSING, UNDECODABLE = "ok", "missing", "undecodable"

#: Enough of a drawing for Pillow to call ghostscript.
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n0 0 10 10 rectfill\nshowpage\n%%EOF\n"


def write_odd_images(folder: Path) -> dict[str, str]:
    """Writes nearly 150 files and returns the outcome that each deserves, by path or address."""
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
    saves = _kinds(picture) | _encodings(picture) | _names(picture)
    for name, (image, options) in saves.items():
        image.save(folder / name, **options)
    return [folder / name for name in (*saves, *_write_odd_files(folder, picture))]


def _kinds(picture: Image.Image) -> Saves:
    """Modes, sizes and formats."""
    grey16 = Image.fromarray(np.asarray(picture.convert("L"), dtype=np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
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
        "lossless.webp": (picture, {"lossless": True}),
        "large.jpg": (picture.resize((4000, 3000)), {}),
    }


def _encodings(picture: Image.Image) -> Saves:
    """The same picture in every way that a format offers."""
    saves: Saves = {}
    for orientation in range(9):  # 0 is no orientation at all, and harmless
        turned = Image.Exif()
        turned[0x0112] = orientation
        saves[f"turned{orientation}.jpg"] = (picture, {"exif": turned})
        saves[f"turned{orientation}.png"] = (picture, {"exif": turned})
    for suffix, modes in _MODES.items():
        saves |= {f"mode-{mode.lower()}.{suffix}": (picture.convert(mode), {}) for mode in modes}
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        saves[f"{compression}.tif"] = (picture, {"compression": compression})
    for sampling in (0, 1, 2):
        saves[f"sampling{sampling}.jpg"] = (picture, {"subsampling": sampling, "quality": 100})
    for bits in (1, 2, 4):
        saves[f"palette{bits}.png"] = (picture.quantize(2**bits), {"bits": bits})
    return saves


def _names(picture: Image.Image) -> Saves:
    """Odd names, and odd notes inside the file."""
    return {
        "umlaut ü.png": (picture, {}),
        "comment.jpg": (picture, {"comment": "x" * 60_000}),
        "no such profile.jpg": (picture, {"icc_profile": b"no profile"}),
        "no such profile.png": (picture, {"icc_profile": b"no profile"}),
        "name with \n newline.png": (picture, {}),
        "日本語 😀.png": (picture, {}),
        "%s {0} $HOME.png": (picture, {}),
        "a" * 240 + ".png": (picture, {}),
        "-rf.png": (picture, {}),
        "photo.JPEG": (picture, {}),
    }


def _write_odd_files(folder: Path, picture: Image.Image) -> tuple[str, ...]:
    """Files that are not what their name or their folder says."""
    picture.save(folder / "png-inside.jpg", format="PNG")
    picture.save(folder / "no-extension", format="JPEG")
    picture.save(folder / "mpo.jpg", format="MPO", save_all=True, append_images=[picture])
    picture.save(folder / "trailing.jpg")
    with (folder / "trailing.jpg").open("ab") as file:
        file.write(bytes(1000))
    picture.save(folder / "read-only.png")
    (folder / "read-only.png").chmod(0o444)
    os.symlink(folder / "read-only.png", folder / "link.png")
    os.link(folder / "read-only.png", folder / "second-name.png")
    return (
        "png-inside.jpg",
        "no-extension",
        "mpo.jpg",
        "trailing.jpg",
        "read-only.png",
        "link.png",
        "second-name.png",
    )


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
        "postscript.jpg": POSTSCRIPT,
        "drawing.pdf": b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n",
        "page.html": b"<!DOCTYPE html><title>404</title>",
        "lfs.jpg": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n",
        "archive.zip": b"PK\x03\x04" + bytes(100),
        "signature.png": b"\x89PNG\r\n\x1a\n",
        "signature.jpg": b"\xff\xd8\xff",
        "signature.gif": b"GIF89a",
        "signature.webp": b"RIFF\x10\0\0\0WEBPVP8 ",
        "signature.tif": b"II*\0\x08\0\0\0",
        "signature.bmp": b"BM" + bytes(20),
        "no-pixels.png": _png_header(0, 0),
        "large-strip.png": _png_header(2**31 - 1, 1),
        "film.mp4": b"\0\0\0\x18ftypmp42\0\0\0\0" + bytes(100),
        "noise.jpg": rng.bytes(5000),
        "vectors.npy": b"\x93NUMPY\x01\0" + bytes(100),
        "utf16.png": "no image".encode("utf-16"),
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "fifo.jpg")
    os.symlink(folder / "fifo.jpg", folder / "link-to-fifo.jpg")
    os.symlink("/dev/zero", folder / "device.jpg")
    os.symlink(folder / "loop.jpg", folder / "loop.jpg")
    special = ("folder.jpg", "fifo.jpg", "link-to-fifo.jpg", "device.jpg", "loop.jpg")
    return [*broken, *(folder / name for name in (*contents, *special))]


def _png_header(width: int, height: int) -> bytes:
    """A PNG that announces its size and its pixels, and then ends."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 1000) + b"IDAT"
