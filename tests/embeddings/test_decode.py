"""Decoding: every kind of file gets the pixels a viewer would show, or the right reason why not."""

import io
import os
import subprocess
import sys
import warnings

import images
import numpy as np
import odd_images
import pytest
from fiftyone_coreset.plugin.embeddings.decode import MAX_PIXELS, decode
from fiftyone_coreset.plugin.embeddings.framing import Framing
from fiftyone_coreset.plugin.embeddings.report import Outcome
from fiftyone_coreset.plugin.embeddings.workers import DecodingProcess, ImageFile
from PIL import Image, PngImagePlugin

FRAMING = Framing(32, 32, mode="squash")


@pytest.fixture
def picture():
    return images.picture(np.random.default_rng(1), odd_images.SIZE)


@pytest.fixture
def process():
    """A worker that decodes."""
    worker = DecodingProcess(FRAMING, MAX_PIXELS)
    yield worker
    worker.close()


def pixels(path, framing=FRAMING):
    (decoded,) = decode(str(path), framing)
    assert decoded.outcome is Outcome.OK, decoded.reason
    return decoded.pixels


def shown(picture, tolerance, path, framing=FRAMING):
    """Whether the file looks like the picture: mean difference of levels within the tolerance."""
    return np.abs(pixels(path, framing).astype(int) - framing(picture)).mean() <= tolerance


def test_odd_files_get_the_outcome_they_deserve(tmp_path):
    expected = odd_images.write_odd_images(tmp_path / "odd")
    found = {path: decode(path, FRAMING)[0] for path in expected}

    assert {path: decoded.outcome.value for path, decoded in found.items()} == expected
    for path, decoded in found.items():
        assert (decoded.pixels is not None) == (expected[path] == "ok")
        assert bool(decoded.reason) == (expected[path] != "ok"), path


def test_reasons_say_what_is_wrong(tmp_path, process):
    odd = tmp_path / "odd"
    odd_images.write_odd_images(odd)
    names = os.listdir(odd)
    decoded = process.decode([ImageFile(str(odd / name), ["a"]) for name in names])
    reason = {name: outcomes[0].reason for name, outcomes in zip(names, decoded, strict=True)}
    assert "60,000 x 60,000 pixels are more than max_pixels=100,000,000" in reason["bomb.png"]
    assert reason["fifo.jpg"] == "not a regular file"
    assert "truncated" in reason["truncated.jpg"]
    assert "directory" in reason["folder.jpg"]
    assert "No such file" in reason["dangling.jpg"]
    assert "download" in decode("gs://bucket/cat.jpg", FRAMING)[0].reason


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path, picture):
    picture.save(tmp_path / "secret.png")
    (tmp_path / "secret.png").chmod(0)
    assert decode(str(tmp_path / "secret.png"), FRAMING)[0].reason == "Permission denied"


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_opaque_modes_look_alike(tmp_path, picture, mode):
    picture.convert(mode).save(tmp_path / "image.png")
    assert shown(picture, 0 if mode != "P" else 20, tmp_path / "image.png")


def test_cmyk(tmp_path, picture):
    picture.convert("CMYK").save(tmp_path / "image.jpg", quality=95)
    assert shown(picture, 4, tmp_path / "image.jpg")


def test_sixteen_bits_are_scaled_not_clipped(tmp_path, picture):
    grey = np.asarray(picture.convert("L"))
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "grey16.png")
    Image.fromarray(grey.astype(np.float32) / 255).save(tmp_path / "float.tif")
    Image.fromarray(grey.astype(np.int32) * 257).save(tmp_path / "int32.tif")
    for name in ("grey16.png", "float.tif", "int32.tif"):
        assert shown(picture.convert("L").convert("RGB"), 0.5, tmp_path / name), name


def test_pixels_that_are_not_numbers(tmp_path):
    Image.fromarray(np.full((4, 4), np.nan, dtype=np.float32)).save(tmp_path / "nan.tif")
    assert decode(str(tmp_path / "nan.tif"), FRAMING)[0].reason == "pixels are not finite"


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_shows_white(tmp_path, mode):
    if mode == "P":
        hidden = Image.new("RGB", (8, 8)).quantize(2)
        hidden.save(tmp_path / "image.png", transparency=hidden.getpixel((0, 0)))
    else:
        Image.new(mode, (8, 8), (0,) * len(mode)).save(tmp_path / "image.png")
    assert pixels(tmp_path / "image.png").min() == 255


def test_exif_orientation(tmp_path, picture):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: to be shown rotated by 90 degrees clockwise
    picture.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    assert shown(picture.rotate(-90, expand=True), 3, tmp_path / "turned.jpg")


def test_first_frame_of_an_animation(tmp_path):
    red, blue = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    red.save(tmp_path / "film.gif", save_all=True, append_images=[blue])
    assert pixels(tmp_path / "film.gif")[0, 0].tolist() == [255, 0, 0]


def test_reduced_jpeg_decoding_is_invisible(tmp_path):
    photo = images.picture(np.random.default_rng(3), (1600, 1200))
    photo.save(tmp_path / "photo.jpg", quality=95)
    framing = Framing(64, 64)
    assert framing.draft_size(1600, 1200)[0] < 1600 / 4
    assert shown(photo, 1, tmp_path / "photo.jpg", framing)


def test_objects_are_cut_out_of_one_decoding(tmp_path, monkeypatch):
    halves = Image.new("RGB", (40, 20), "red")
    halves.paste((0, 0, 255), (20, 0, 40, 20))
    halves.save(tmp_path / "halves.png")
    opened = []
    original = Image.open
    monkeypatch.setattr(Image, "open", lambda path, **options: opened.append(path) or original(path, **options))

    boxes = [(0, 0, 0.5, 1), (0.5, 0, 0.5, 1), (-0.5, -0.5, 0.75, 2), (0, 0, 0.001, 0.001)]
    cut = decode(str(tmp_path / "halves.png"), FRAMING, boxes)

    assert [decoded.pixels[16, 16].tolist() for decoded in cut] == [[255, 0, 0], [0, 0, 255], [255, 0, 0], [255, 0, 0]]
    assert len(opened) == 1


@pytest.mark.parametrize("box", [(0, 0, 0, 1), (0.2, 0.2, -1, 1), (2, 2, 1, 1), (0, 0, float("nan"), 1), None, (0, 0)])
def test_boxes_without_pixels(tmp_path, picture, box):
    picture.save(tmp_path / "image.png")
    good, bad = decode(str(tmp_path / "image.png"), FRAMING, [(0, 0, 1, 1), box])
    assert good.outcome is Outcome.OK
    assert bad.outcome is Outcome.UNDECODABLE
    assert "bounding box" in bad.reason


def test_objects_of_a_broken_file_all_fail(tmp_path):
    assert [d.outcome for d in decode(str(tmp_path / "none.png"), FRAMING, [(0, 0, 1, 1)] * 3)] == [Outcome.MISSING] * 3


def test_truncation_at_any_point_never_yields_an_image(tmp_path):
    """Viewers pad what is missing with grey; an embedding of that would be of another image."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    for image_format in ("JPEG", "PNG"):
        buffer = io.BytesIO()
        noise.save(buffer, image_format)
        data = buffer.getvalue()
        for end in np.linspace(0, len(data) * 0.95, 23, dtype=int):
            (tmp_path / "cut").write_bytes(data[:end])
            assert decode(str(tmp_path / "cut"), FRAMING)[0].outcome is Outcome.UNDECODABLE, (image_format, end)


def test_postscript_starts_no_ghostscript(tmp_path):
    """Whatever the file is called, and even where a ghostscript is installed."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    (tools / "gs").chmod(0o755)
    (tmp_path / "photo.jpg").write_bytes(odd_images.POSTSCRIPT)
    script = f"""
from fiftyone_coreset.plugin.embeddings.decode import decode
from fiftyone_coreset.plugin.embeddings.framing import Framing
print(decode({str(tmp_path / "photo.jpg")!r}, Framing(32, 32))[0].outcome.value)
"""
    environment = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"}
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=True, env=environment
    )
    assert run.stdout.strip() == "undecodable"
    assert not (tmp_path / "started").exists()


def test_pixels_are_limited_before_decoding(tmp_path, picture):
    picture.save(tmp_path / "image.png")
    width, height = odd_images.SIZE
    assert decode(str(tmp_path / "image.png"), FRAMING, max_pixels=width * height)[0].outcome is Outcome.OK
    (decoded,) = decode(str(tmp_path / "image.png"), FRAMING, max_pixels=width * height - 1)
    assert decoded.outcome is Outcome.UNDECODABLE
    assert decoded.reason == "48 x 36 pixels are more than max_pixels=1,727"


def test_a_workers_limit_may_exceed_pillows_own(tmp_path, monkeypatch, picture):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # the worker inherits it where processes are forked
    picture.save(tmp_path / "image.png")
    worker = DecodingProcess(FRAMING, MAX_PIXELS)
    try:
        assert worker.decode([ImageFile(str(tmp_path / "image.png"), ["a"])])[0][0].outcome is Outcome.OK
    finally:
        worker.close()


def test_this_process_keeps_its_settings(tmp_path, monkeypatch, picture):
    """Other threads may be using Pillow, and warnings, with the user's settings."""
    picture.save(tmp_path / "image.png")
    seen, load = [], PngImagePlugin.PngImageFile.load
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 48 * 36)
    before = (48 * 36, list(warnings.filters))

    def looking(image):
        seen.append((Image.MAX_IMAGE_PIXELS, list(warnings.filters)))
        return load(image)

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", looking)
    assert decode(str(tmp_path / "image.png"), FRAMING)[0].outcome is Outcome.OK
    assert seen
    assert all(state == before for state in seen)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    (decoded,) = decode(str(tmp_path / "image.png"), FRAMING)
    assert "exceeds limit of 200 pixels" in decoded.reason


def test_odd_files_warn_of_nothing(tmp_path, process, capfd):
    files = [ImageFile(path, ["a"]) for path in odd_images.write_odd_images(tmp_path / "odd")]
    assert len(process.decode(files)) == len(files)
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(sys.platform != "linux", reason="measures with /proc")
@pytest.mark.parametrize(("mode", "turned"), [("RGBA", 1), ("RGB", 6), ("LA", 1), ("I;16", 1), ("P", 6), ("CMYK", 1)])
def test_memory_is_bounded(tmp_path, mode, turned):
    """At most 8 bytes a pixel, as ``max_pixels`` promises."""
    side = 5000
    exif = Image.Exif()
    exif[0x0112] = turned
    name = tmp_path / ("image.tif" if mode == "CMYK" else "image.png")
    Image.new(mode, (side, side)).save(name, exif=exif, compress_level=1)
    script = f"""
from pathlib import Path
from fiftyone_coreset.plugin.embeddings.decode import decode
from fiftyone_coreset.plugin.embeddings.framing import Framing

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024

decode({str(name)!r}, Framing(32, 32), max_pixels=1)  # loads the decoder
before = peak()
decoded, = decode({str(name)!r}, Framing(32, 32))
assert decoded.pixels is not None, decoded.reason
print(peak() - before)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=True)
    assert int(run.stdout) <= 8 * side**2 + 40e6  # and the strip at work


def test_a_path_that_is_not_utf8(tmp_path, picture):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.png")
    with open(path, "wb") as file:
        picture.save(file, format="PNG")
    assert pixels(os.fsdecode(path)).shape == (32, 32, 3)
