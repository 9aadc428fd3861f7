"""CLIP-powered scores and suspicious labels from the App's forms."""

from __future__ import annotations

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset.operators.compute_coreset_scores import summary

CLASSES = ("cat", "SeaLake", "n02084071")
NAMES = "cat: cat\nSeaLake: sea lake\nn02084071: dog"


@pytest.fixture
def labelled(embedded):
    """The embedded dataset with labels, and a field that says it came from the bundled CLIP."""
    from dataclasses import asdict

    from fiftyone_coreset.plugin.embeddings.clip import resolve_clip

    embedded.set_values("clip_embeddings", list(np.random.default_rng(0).normal(size=(30, 96)).astype(np.float32)))
    embedded.set_values("gt", [fo.Classification(label=CLASSES[row % 3]) for row in range(30)])
    field = embedded.get_field("clip_embeddings")
    field.info = {"coreset_embedding": asdict(resolve_clip("coreset-mini"))}
    field.save()
    return embedded


def test_the_form_ends_in_a_run_with_its_settings(execute, labelled):
    params = {"method": "clip_powered", "label_field": "gt", "class_names": NAMES, "templates": "a photo of a {}\n"}
    execute("compute_coreset_scores", labelled, projection="none", adapter="none", balance="sqrt", **params)
    config = labelled.get_brain_info("coreset").config
    assert config.method_kwargs == {
        "class_names": {"cat": "cat", "SeaLake": "sea lake", "n02084071": "dog"},
        "templates": ["a photo of a {}"],
        "adapter": "none",
        "balance": "sqrt",
        "unlabelled": "exclude",
    }
    assert labelled.count("coreset_alignment") == labelled.count("coreset_diversity") == 30


def test_what_is_left_out_is_counted(labelled):
    labelled.set_values("gt", [None] * 4 + labelled.values("gt")[4:])
    labelled.set_values("clip_embeddings", labelled.values("clip_embeddings")[:-2] + [None] * 2)
    asked = {"method": "clip_powered", "label_field": "gt", "class_names": dict(zip(CLASSES, CLASSES, strict=True))}
    asked |= {"adapter": "none", "projection": None, "progress": False}
    told = summary(fc.compute_coreset(labelled, "clip_embeddings", "some", **asked))
    assert "Ranked 24 by clip_powered" in told
    assert "2 without a usable embedding were left out. 4 without a label were left out." in told
    guessed = summary(fc.compute_coreset(labelled, "clip_embeddings", "all", unlabelled="pseudo", **asked))
    assert "Ranked 28 by clip_powered" in guessed
    assert "without a label" not in guessed


def test_suspicious_labels_become_a_saved_view(execute, labelled):
    execute("find_suspicious_labels", labelled, label_field="gt", class_names=NAMES, adapter="none", threshold=0.001)
    view = labelled.load_saved_view("suspicious")
    assert set(view.values("suspicious_class")) <= set(CLASSES)
    assert labelled.count("suspicious_score") == 30
    assert len(view) == labelled.count("suspicious_class") > 0


@pytest.mark.parametrize(("threshold", "refused"), [(0, True), (0.001, False), (1, True)])
def test_a_threshold_that_is_no_probability_is_refused_in_the_form(form, labelled, threshold, refused):
    notices = form("find_suspicious_labels", labelled, label_field="gt", class_names=NAMES, threshold=threshold)
    assert notices == (
        [f"threshold={float(threshold)}: a probability between 0 and 1, by default 0.5"] if refused else []
    )


@pytest.mark.parametrize("operator", ["compute_coreset_scores", "find_suspicious_labels"])
@pytest.mark.parametrize(
    ("params", "notice"),
    [
        ({"label_field": "gt", "class_names": NAMES}, None),
        ({}, "Choose the label field"),
        ({"label_field": "gt"}, "1 of 3 labels have no words a text model could know, e.g. 'n02084071'"),
        ({"label_field": "id"}, "'id' holds no single label"),
        ({"label_field": "empty"}, "'empty' holds no label yet"),
        ({"label_field": "gt", "class_names": NAMES, "embeddings": "bare"}, "does not say which model made it"),
    ],
)
def test_forms_refuse_what_cannot_work(form, labelled, operator, params, notice):
    labelled.add_sample_field("empty", fo.StringField)
    labelled.add_sample_field("bare", fo.VectorField)
    notices = form(operator, labelled, method="clip_powered", **params)
    assert len(notices) == (notice is not None)
    if notice:
        assert notice in notices[0]
