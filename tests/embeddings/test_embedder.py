"""The image tower at work: the same vectors as open_clip's own pipeline, whatever the memory."""

import numpy as np
import pytest
import tiny_clip
from fiftyone_coreset import CoresetError
from fiftyone_coreset.plugin.embeddings.clip import load_image_model, resolve_clip
from fiftyone_coreset.plugin.embeddings.embedder import Embedder

torch = pytest.importorskip("torch")
CPU = torch.device("cpu")


@pytest.fixture
def model(weights):
    return load_image_model(resolve_clip(tiny_clip.NAME, checkpoint=weights), CPU)[0]


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (11, tiny_clip.SIZE, tiny_clip.SIZE, 3), dtype=np.uint8)


def scarce_memory(monkeypatch, model, error, most):
    """Lets the model run out of memory above a number of images; returns the batch sizes it was tried with."""
    tried, encode = [], model.encode_image

    def limited(images):
        tried.append(len(images))
        if len(images) > most:
            raise error
        return encode(images)

    monkeypatch.setattr(model, "encode_image", limited)
    return tried


def test_equals_open_clips_own_pipeline(weights, pixels):
    from PIL import Image

    model, preprocess = load_image_model(resolve_clip(tiny_clip.NAME, checkpoint=weights), CPU)
    with torch.no_grad():
        images = torch.stack([preprocess(Image.fromarray(image)) for image in pixels])
        expected = model.encode_image(images, normalize=True).numpy()
    vectors = Embedder(model, CPU)(pixels)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
    ids=["cuda", "mps", "cpu", "python"],
)
def test_halves_the_batch_when_memory_runs_out(monkeypatch, model, pixels, error):
    expected = Embedder(model, CPU)(pixels)
    tried = scarce_memory(monkeypatch, model, error, most=3)
    embedder = Embedder(model, CPU)

    np.testing.assert_allclose(embedder(pixels), expected, atol=1e-5)
    assert tried == [11, 5, 2, 2, 2, 2, 2, 1]
    tried.clear()
    embedder(pixels)
    assert max(tried) == 2  # remembered


def test_too_little_memory_for_one_image(monkeypatch, model, pixels):
    scarce_memory(monkeypatch, model, MemoryError(), most=0)
    with pytest.raises(CoresetError, match="not enough memory on cpu for a single image"):
        Embedder(model, CPU)(pixels)


def test_other_errors_are_not_taken_for_memory(monkeypatch, model, pixels):
    scarce_memory(monkeypatch, model, RuntimeError("mat1 and mat2 shapes cannot be multiplied"), most=0)
    with pytest.raises(RuntimeError, match="shapes"):
        Embedder(model, CPU)(pixels)


def test_vectors_that_are_no_direction_are_nan(monkeypatch, model, pixels):
    def encode(images):
        features = torch.ones(len(images), 4)
        features[0], features[1], features[2, 1] = 0, torch.inf, torch.nan
        return features

    monkeypatch.setattr(model, "encode_image", encode)
    vectors = Embedder(model, CPU)(pixels)
    assert np.isnan(vectors).all(axis=1).tolist() == [True] * 3 + [False] * 8
    np.testing.assert_allclose(vectors[3:], 0.5)


def test_half_precision_overflow_is_computed_again(monkeypatch, model, pixels):
    expected = Embedder(model, CPU)(pixels)
    encode = model.encode_image

    def overflowing(images):
        features = encode(images)
        if torch.is_autocast_enabled("cpu"):
            features[1] = torch.inf
        return features

    monkeypatch.setattr(model, "encode_image", overflowing)
    embedder = Embedder(model, CPU)
    embedder._autocast = torch.bfloat16
    vectors = embedder(pixels)
    np.testing.assert_allclose(vectors[1], expected[1], atol=1e-5)
    np.testing.assert_allclose(vectors, expected, atol=0.05)


def test_batch_size_follows_the_input_size(model):
    embedder = Embedder(model, CPU)
    sizes = {}
    for size in (32, 64, 224, 336, 1024):
        embedder.framing = type(embedder.framing)(size, size)
        sizes[size] = embedder.batch_size()
    assert sizes[224] == 32
    assert list(sizes.values()) == sorted(sizes.values(), reverse=True)
    assert sizes[32] <= 512
    assert sizes[1024] >= 1
