"""The bundled CLIP: held-out digits, words, and loading by plain open_clip."""

import json
import subprocess
import sys

import numpy as np
import open_clip
import pytest
import torch
from fiftyone_coreset.plugin.embeddings import bundled
from PIL import Image
from sklearn.datasets import load_digits

NUMERALS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@pytest.fixture(scope="module")
def clip():
    return bundled.load_bundled_clip()


@pytest.fixture(scope="module")
def digits():
    """Every fifth digit: the part that training never sees."""
    digits = load_digits()
    images = [Image.fromarray(np.clip(pixels * 16, 0, 255).astype(np.uint8)).convert("RGB") for pixels in digits.images]
    held_out = np.arange(len(images)) % 5 == 4
    return images, digits.target, held_out


@torch.no_grad()
def embed_images(clip, images):
    model, preprocess, _ = clip
    return model.encode_image(torch.stack([preprocess(image) for image in images]), normalize=True)


@torch.no_grad()
def embed_texts(clip, texts):
    model, _, tokenizer = clip
    return model.encode_text(tokenizer(texts), normalize=True)


@pytest.mark.parametrize("template", ["a photo of a digit {}", "this is the number {}", "look, it is some kind of {}!"])
def test_zero_shot_reads_held_out_digits(clip, digits, template):
    images, labels, held_out = digits
    found = embed_images(clip, [image for image, out in zip(images, held_out, strict=True) if out])
    texts = embed_texts(clip, [template.format(word) for word in NUMERALS])
    accuracy = ((found @ texts.T).argmax(1).numpy() == labels[held_out]).mean()
    assert accuracy >= 0.9


def test_neighbours_of_held_out_digits_are_of_their_kind(clip, digits):
    images, labels, held_out = digits
    embeddings = embed_images(clip, images).numpy()
    nearest = np.argsort(-embeddings[held_out] @ embeddings[~held_out].T, axis=1)[:, :10]
    votes = np.array([np.bincount(row, minlength=10).argmax() for row in labels[~held_out][nearest]])
    assert (votes == labels[held_out]).mean() >= 0.95


def test_words_decide_where_a_caption_lies(clip):
    """Captions of one class in other words are closer than captions of two classes in the same words."""
    words = ["dog", "truck", "frog", "airplane", "horse", "pizza", "grand piano", "sunflower"]
    one = embed_texts(clip, [f"a photo of a {word}" for word in words])
    other = embed_texts(clip, [f"my uncle took this shot of one {word}" for word in words])
    between = one @ other.T
    assert (between.argmax(1) == torch.arange(len(words))).all()
    dog, truck = one[0], one[1]
    assert dog @ truck < between[0, 0] - 0.3


def test_families_are_words_too(clip):
    """A dog is nearer to "animal" than to "means of transport", a truck the other way round."""
    dog, truck, animal, transport = embed_texts(
        clip, ["a photo of a dog", "a photo of a truck", "a photo of an animal", "a photo of a means of transport"]
    )
    assert dog @ animal > dog @ transport
    assert truck @ transport > truck @ animal


def test_plain_open_clip_loads_the_files(clip, digits):
    open_clip.add_model_config(bundled.CONFIG_PATH)
    model, preprocess = open_clip.create_model_from_pretrained(
        bundled.BUNDLED_NAME, pretrained=str(bundled.WEIGHTS_PATH)
    )
    tokenizer = open_clip.get_tokenizer(bundled.BUNDLED_NAME, bpe_path=str(bundled.MERGES_PATH))
    plain = (model.eval(), preprocess, tokenizer)
    images = digits[0][:16]
    assert torch.equal(embed_images(plain, images), embed_images(clip, images))
    assert torch.equal(embed_texts(plain, NUMERALS), embed_texts(clip, NUMERALS))


def test_shapes_and_precision(clip):
    model, preprocess, tokenizer = clip
    assert not model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert preprocess(Image.new("L", (100, 40))).shape == (3, bundled.IMAGE_SIZE, bundled.IMAGE_SIZE)
    assert embed_images(clip, [Image.new("RGB", (8, 8))]).shape == (1, bundled.EMBEDDING_DIM)
    assert embed_texts(clip, ["a " * 200]).shape == (1, bundled.EMBEDDING_DIM)
    config = json.loads(bundled.CONFIG_PATH.read_text())
    assert config["embed_dim"] == bundled.EMBEDDING_DIM
    assert config["vision_cfg"]["image_size"] == bundled.IMAGE_SIZE
    assert config["text_cfg"]["vocab_size"] == tokenizer.vocab_size


def test_embeddings_do_not_depend_on_company_or_repetition(clip, digits):
    """Batch statistics or leftover training noise would show here."""
    images = digits[0][:32]
    together = embed_images(clip, images)
    assert torch.equal(together, embed_images(clip, images))
    torch.testing.assert_close(together[:1], embed_images(clip, images[:1]), atol=1e-5, rtol=0)
    fresh = bundled.load_bundled_clip()
    assert torch.equal(together, embed_images(fresh, images))


def test_files_stay_small():
    assert bundled.WEIGHTS_PATH.stat().st_size <= 8_000_000
    assert bundled.CONFIG_PATH.stat().st_size + bundled.MERGES_PATH.stat().st_size <= 100_000


def test_import_is_light():
    """The package is imported by FiftyOne for every request, so the module must not pull in torch."""
    code = (
        "import sys, importlib.util as u\n"
        f"s = u.spec_from_file_location('bundled', {bundled.__file__!r})\n"
        "m = u.module_from_spec(s); s.loader.exec_module(m)\n"
        "sys.exit('torch' in sys.modules or 'open_clip' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
