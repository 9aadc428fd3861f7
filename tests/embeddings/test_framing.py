"""Framing equals open_clip's own transforms, without their huge intermediate images."""

import dataclasses

import numpy as np
import pytest
from fiftyone_coreset.plugin.embeddings.framing import DRAFT_GAP, Framing
from PIL import Image


def smooth_picture(width, height, seed=0):
    """A picture like a photo: no sharp noise, on which filters overshoot and roundings add up."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (max(2, height // 12), max(2, width // 12), 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


CONFIGURATIONS = [
    {"size": 64},
    {"size": 224},
    {"size": 64, "interpolation": "bilinear"},
    {"size": 64, "interpolation": "random"},
    {"size": 64, "resize_mode": "squash"},
    {"size": 64, "resize_mode": "longest", "fill_color": 7},
    {"size": (64, 96)},
    {"size": (64, 96), "interpolation": "bilinear"},
    {"size": (64, 96), "resize_mode": "squash"},
    {"size": (64, 96), "resize_mode": "longest"},
]


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=str)
@pytest.mark.parametrize("size", [(640, 480), (480, 640), (100, 100), (37, 501), (333, 50), (64, 64), (30, 20)])
def test_equals_open_clip(configuration, size):
    from open_clip.transform import PreprocessCfg, image_transform_v2

    preprocess = PreprocessCfg(**configuration)
    picture = smooth_picture(*size)
    expected = picture
    for transform in image_transform_v2(preprocess, is_train=False).transforms[:-2]:  # all but tensor, normalise
        expected = transform(expected)

    framed = Framing.of(dataclasses.asdict(preprocess))(picture)

    difference = np.abs(framed.astype(int) - np.asarray(expected, dtype=int))
    assert framed.dtype == np.uint8
    assert difference.max() <= 8  # the two filter passes may be rounded in another order
    assert (difference > 1).mean() < 0.005


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
def test_every_shape_is_framed(mode):
    framing = Framing(32, 32, mode=mode)
    for size in [(1, 1), (1, 500), (500, 1), (3, 2), (31, 33)]:
        assert framing(Image.new("RGB", size, (10, 20, 30))).shape == (32, 32, 3)


def test_panorama_shows_its_middle():
    """Resized as a whole, this image would have 6.7 million columns."""
    panorama = np.zeros((1, 30_000, 3), dtype=np.uint8)
    panorama[:, 14_990:15_010] = 255
    assert Framing(224, 224)(Image.fromarray(panorama)).min() == 255


@pytest.mark.parametrize("size", [(640, 480), (4000, 3000), (100, 50), (1, 9)])
def test_draft_keeps_more_than_needed(size):
    for framing in (Framing(64, 64), Framing(224, 224), Framing(64, 64, mode="squash")):
        width, height = framing.draft_size(*size)
        assert 1 <= width <= size[0]
        assert 1 <= height <= size[1]
        if width < size[0]:
            assert min(width, height) >= DRAFT_GAP * 64 - 1
