"""Class names into text embeddings."""

import fiftyone_coreset as fc
import numpy as np
import pytest
import torch
from fiftyone_coreset.plugin.embeddings.text import class_names, class_text_embeddings, readable_name


class LetterCounts(torch.nn.Module):
    """A text tower whose meaning is plain: how often each letter occurs, three times over."""

    def encode_text(self, tokens):
        return 3 * tokens.float()


def tokenizer(texts):
    return torch.tensor([[text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts])


def test_the_mean_of_unit_prompts_at_unit_length():
    got = class_text_embeddings(["cat", "dog"], LetterCounts(), tokenizer, ["{}", "one {} two"])
    expected = []
    for name in ("cat", "dog"):
        prompts = tokenizer([name, f"one {name} two"]).numpy().astype(float)
        mean = (prompts / np.linalg.norm(prompts, axis=1, keepdims=True)).mean(axis=0)
        expected.append(mean / np.linalg.norm(mean))
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert got.dtype == np.float32


def test_a_single_template_may_be_a_string():
    one = class_text_embeddings(["cat"], LetterCounts(), tokenizer, "a {}")
    np.testing.assert_array_equal(one, class_text_embeddings(["cat"], LetterCounts(), tokenizer, ["a {}"]))


@pytest.mark.parametrize("template", ["", "a photo", "{} and {}", "{0}", "{name} {}"])
def test_templates_without_one_place_for_the_name_are_refused(template):
    with pytest.raises(fc.CoresetError, match="must hold one"):
        class_text_embeddings(["cat"], LetterCounts(), tokenizer, [template])


def test_a_model_without_a_text_tower_is_refused_with_the_alternatives():
    with pytest.raises(fc.CoresetError, match=r"Linear has no text tower.*'coreset-mini'.*list_methods"):
        class_text_embeddings(["cat"], torch.nn.Linear(2, 2), tokenizer)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("SeaLake", "sea lake"),
        ("sea_lake", "sea lake"),
        ("AnnualCrop", "annual crop"),
        ("airplane", "airplane"),
        ("Golden retriever", "Golden retriever"),
        ("BMW", "BMW"),
    ],
)
def test_labels_are_read_as_words(label, name):
    assert readable_name(label) == name


def test_names_of_the_user_come_first():
    assert class_names(["n02084071", "cat"], {"n02084071": "dog"}) == {"n02084071": "dog", "cat": "cat"}


@pytest.mark.parametrize("label", ["n02084071", "7", "3-1", "class_12", "6560d2ae91f3c1b2a4e5d6f7", 4])
def test_labels_without_words_need_a_name(label):
    with pytest.raises(fc.CoresetError, match=r"1 of 2 labels have no words.*give their names"):
        class_names(["cat", label])


def test_a_name_for_a_label_that_does_not_occur_is_a_slip():
    with pytest.raises(fc.CoresetError, match="'dgo'; its labels are 'cat', 'dog'"):
        class_names(["cat", "dog"], {"dgo": "dog"})
