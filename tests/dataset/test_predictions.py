"""Predictions are read as they are stored: every way in which they mislead has a case."""

from __future__ import annotations

import numpy as np
import pytest
from fiftyone_coreset.plugin.dataset.predictions import looks_like_ground_truth, read_predictions
from fiftyone_coreset.plugin.dataset.rows import Rows
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.vectors.probabilities import as_probabilities, multilabel_uncertainty
from hypothesis import given, settings
from hypothesis import strategies as st

N = 200
LOGITS = np.random.default_rng(0).normal(scale=3, size=(N, 3)).astype(np.float32)
NAMES = ["ant", "bee", "cow"]


def softmax(z):
    from scipy.special import softmax

    return softmax(np.asarray(z, dtype=np.float64), axis=1)


@pytest.fixture(scope="module")
def images(mongod):
    """A dataset whose field "pred" is rewritten by each test."""
    import fiftyone as fo

    made = fo.Dataset()
    made.add_samples([fo.Sample(filepath=f"/nowhere/{row:04d}.png") for row in range(N)], progress=False)
    yield made
    made.delete()


@pytest.fixture
def stored(images):
    """A function ``stored(predictions)``: the rows, with a Classification for each, or None."""
    import fiftyone as fo

    def store(predictions, field="pred"):
        if images.has_field(field):
            images.delete_sample_field(field)
        images.classes, images.default_classes = {}, []
        images.add_sample_field(field, fo.EmbeddedDocumentField, embedded_doc_type=fo.Classification)
        images.set_values(field, [None if p is None else fo.Classification(**p) for p in predictions])
        return Rows(images)

    return store


def with_logits(logits, names=NAMES):
    return [{"label": names[int(np.argmax(z))], "confidence": 0.123, "logits": z} for z in logits]


@pytest.mark.parametrize(
    ("given_as", "form"),
    [
        (LOGITS, "logits"),
        (LOGITS + 500, "logits"),  # exponentials of these overflow
        (softmax(LOGITS).astype(np.float32), "probabilities"),
        (np.log(softmax(LOGITS)).astype(np.float32), "log-probabilities"),
    ],
    ids=["logits", "large logits", "probabilities", "log-probabilities"],
)
def test_every_form_gives_the_same_probabilities(stored, given_as, form):
    found = read_predictions(stored(with_logits(given_as)), "pred")
    assert found.form == form
    assert found.probabilities.dtype == np.float32
    np.testing.assert_allclose(found.probabilities, softmax(LOGITS), atol=3e-5)
    np.testing.assert_allclose(found.confidence, softmax(LOGITS).max(axis=1), atol=3e-5)  # not the 0.123 stored
    assert found.classes == NAMES
    assert found.labels.tolist() == [NAMES[index] for index in LOGITS.argmax(axis=1)]
    assert found.source == "pred"


def test_the_form_can_be_told(stored):
    rows = stored(with_logits(softmax(LOGITS)))
    told = read_predictions(rows, "pred", form="logits").probabilities
    np.testing.assert_allclose(told, softmax(softmax(LOGITS)), atol=1e-6)
    with pytest.raises(CoresetError, match="form must be one of logits, probabilities, log-probabilities, got 'odds'"):
        read_predictions(rows, "pred", form="odds")


def test_bare_confidences_are_enough(stored):
    rows = stored([{"label": "ant", "confidence": row / N} for row in range(N)])
    found = read_predictions(rows, "pred")
    assert found.form == "confidence"
    assert found.probabilities is None
    assert found.confidence.tolist() == [row / N for row in range(N)]
    assert "store_logits=True" in found.notes[0]


@pytest.mark.parametrize("with_them", [True, False], ids=["logits", "confidence"])
def test_a_filtered_prediction_is_most_uncertain(stored, with_them):
    predictions = with_logits(LOGITS) if with_them else [{"label": "ant", "confidence": 0.9}] * N
    found = read_predictions(stored([{}, *predictions[1:]]), "pred")
    assert found.confidence[0] == 0
    assert found.labels[0] is None
    assert found.valid.all()
    assert "1 were filtered out for low confidence" in " ".join(found.notes)
    if with_them:
        np.testing.assert_allclose(found.probabilities[0], 1 / 3)


def test_missing_predictions_are_left_out_and_counted(stored):
    found = read_predictions(stored([None] * 60 + with_logits(LOGITS[60:])), "pred")
    assert found.valid.tolist() == [False] * 60 + [True] * (N - 60)
    assert np.isnan(found.probabilities[:60]).all()
    assert "60 images have no prediction" in found.notes


def test_rows_with_a_label_and_no_logits_are_left_out(stored):
    found = read_predictions(stored([{"label": "ant", "confidence": 0.9}, *with_logits(LOGITS[1:])]), "pred")
    assert not found.valid[0]
    assert "1 have a label in 'pred' and no logits" in found.notes


def test_a_spoilt_row_is_left_out(stored):
    spoilt = LOGITS.copy()
    spoilt[7, 1] = np.nan
    found = read_predictions(stored(with_logits(spoilt, ["?", "?", "?"])), "pred", classes=None)
    assert np.flatnonzero(~found.valid).tolist() == [7]
    assert "1 images have numbers that cannot be used" in " ".join(found.notes)


def test_names_come_from_the_dataset_first(stored, images):
    rows = stored(with_logits(LOGITS))
    images.default_classes = NAMES
    assert read_predictions(rows, "pred").classes == NAMES
    images.classes = {"pred": [*NAMES, "one too many"]}  # does not fit, so the default is taken
    assert read_predictions(rows, "pred").classes == NAMES


def test_a_class_that_is_never_predicted_has_a_number(stored):
    logits = np.hstack([LOGITS, np.full((N, 1), -100)])
    assert read_predictions(stored(with_logits(logits, [*NAMES, "never"])), "pred").classes == [*NAMES, "class 3"]


def test_several_fields_are_averaged_by_class(stored, images):
    stored(with_logits(LOGITS), "first")
    rows = stored(with_logits(LOGITS[:, ::-1], NAMES[::-1]), "second")
    found = read_predictions(rows, ["first", "second"])
    np.testing.assert_allclose(found.probabilities, softmax(LOGITS), atol=1e-6)  # columns are matched by name
    assert found.source == "first, second"
    stored(with_logits(LOGITS, ["ant", "bee", "dog"]), "second")
    with pytest.raises(CoresetError, match="'first' and 'second' have different classes"):
        read_predictions(rows, ["first", "second"])
    stored([{"label": "ant", "confidence": 0.5}] * N, "second")
    with pytest.raises(CoresetError, match="'second' has no probabilities; store class probabilities"):
        read_predictions(rows, ["first", "second"])


def test_an_array_is_read_like_a_field(stored):
    rows = stored([None] * N)
    found = read_predictions(rows, LOGITS, classes=NAMES)
    np.testing.assert_allclose(found.probabilities, softmax(LOGITS), atol=1e-6)
    assert (found.source, found.form) == ("array", "logits")


def test_scores_of_several_labels(images):
    import fiftyone as fo

    images.set_values("many", [fo.Classifications(logits=z) for z in LOGITS])
    images.classes = {"many": NAMES}
    found = read_predictions(Rows(images), "many")
    scores = 1 / (1 + np.exp(-LOGITS.astype(float)))
    np.testing.assert_allclose(1 - found.confidence, (4 * scores * (1 - scores)).mean(axis=1), atol=1e-6)
    assert found.form == "scores"
    assert found.probabilities is None


def test_uncertainty_of_scores_looks_at_five_classes():
    scores = np.array([[0.5] * 5 + [0.0] * 95, [1.0] * 100])
    assert multilabel_uncertainty(scores).tolist() == [1.0, 0.0]


def _without_order(z):
    return [{"label": NAMES[row % 3], "logits": z[row]} for row in range(N)]


@pytest.mark.parametrize(
    ("predictions", "sentence"),
    [
        ([None] * 101 + with_logits(LOGITS[101:]), "'pred' is missing in 101 of 200 images, over half"),
        ([None] * N, "'pred' is empty in all 200 images; predict them first"),
        ([{"label": "ant"}] * N, "labels without confidence or logits"),
        ([{"label": "ant", "confidence": 1.5}] * N, "unusable in 200 of 200 images: read as confidence"),
        (with_logits(np.full((N, 3), np.nan)), "unusable in 200 of 200 images: read as logits, they hold NaN"),
        (with_logits(np.where(np.arange(N)[:, None] < 4, np.inf, LOGITS)), "unusable in 4 of 200 images"),
        ([{"label": "ant", "logits": np.zeros(1)}] * N, "has 1 logit an image, but at least two classes"),
        (_without_order(LOGITS), r"logits and labels of 'pred' disagree: in \d+ of 200 images"),
    ],
)  # fmt: skip
def test_unusable_predictions_are_refused(stored, predictions, sentence):
    with pytest.raises(CoresetError, match=sentence):
        read_predictions(stored(predictions), "pred")


def test_unnormalised_probabilities_are_refused(stored):
    rows = stored(with_logits(np.where(np.arange(N)[:, None] < 4, 0.9, softmax(LOGITS))))
    with pytest.raises(CoresetError, match="unusable in 4 of 200 images: read as probabilities"):
        read_predictions(rows, "pred", form="probabilities")


@pytest.mark.parametrize("spoilt", [[0.9, 0.9, 0.9], [-0.1, 0.6, 0.5]])
def test_probabilities_of_which_some_are_spoilt_are_not_taken_for_logits(stored, spoilt):
    """A second softmax would make all rows about equally uncertain, in silence."""
    given_as = softmax(LOGITS)
    given_as[:3, :3], given_as[:3, 3:] = spoilt, 0
    sentence = rf"'pred' is unusable in 3 of {N} images: read as probabilities"
    with pytest.raises(CoresetError, match=sentence):
        read_predictions(stored(with_logits(given_as)), "pred")


def test_a_row_of_another_length_is_named(stored, images):
    rows = stored([*with_logits(LOGITS[:-1]), {"label": "ant", "logits": np.zeros(4)}])
    with pytest.raises(
        CoresetError, match=f"'{images.last().id}' has 4 logits in field 'pred', but most images have 3"
    ):
        read_predictions(rows, "pred")


def test_class_names_in_another_order_are_refused(stored, images):
    rows = stored(with_logits(LOGITS))
    images.classes = {"pred": NAMES[::-1]}
    with pytest.raises(CoresetError, match=r"place \d of the class names of 'pred' says '\w+', but its labels"):
        read_predictions(rows, "pred")
    with pytest.raises(CoresetError, match="classes= names 2 classes, but 'pred' has 3 logits"):
        read_predictions(stored(with_logits(LOGITS)), "pred", classes=["ant", "bee"])


def test_other_fields_are_refused(stored, images):
    import fiftyone as fo

    rows = stored([None] * N)
    images.set_values("boxes", [fo.Detections()] * N)
    images.set_values("number", [1.0] * N)
    images.set_values("many", [fo.Classifications()] * N)
    for field, sentence in {
        "nowhere": "field 'nowhere' does not exist",
        "boxes": r"'boxes' holds Detections.+pass dataset.to_patches\('boxes'\)",
        "number": "'number' holds FloatField",
        "many": "holds Classifications without logits",
    }.items():
        with pytest.raises(CoresetError, match=sentence):
            read_predictions(rows, field)


@pytest.mark.parametrize(
    ("array", "classes", "sentence"),
    [
        (LOGITS[:5], NAMES, r"one row for each of the 200 images .+ got shape \(5, 3\)"),
        (LOGITS[:, 0], NAMES, r"got shape \(200,\)"),
        (LOGITS, None, "name the 3 columns of the array with classes=, got no classes"),
        (LOGITS, ["a", "a", "b"], "got 3 classes, 2 of them different"),
        (np.full((N, 3), np.nan), NAMES, "'array' is empty in all 200 images"),
        ({"a": 1}, NAMES, r"expected a field, a list of fields or an \(n, C\) array"),
    ],
)
def test_unusable_arrays_are_refused(stored, array, classes, sentence):
    with pytest.raises(CoresetError, match=sentence):
        read_predictions(stored([None] * N), array, classes=classes)


def test_predictions_that_equal_the_labels_look_like_ground_truth(stored):
    found = read_predictions(stored(with_logits(LOGITS)), "pred")
    labels = found.labels.tolist()
    assert looks_like_ground_truth(found, labels)
    assert not looks_like_ground_truth(found, [*labels[:20], *[None] * (N - 20)])  # too few to tell
    assert not looks_like_ground_truth(found, ["ant" if labels[0] == "bee" else "bee", *labels[1:]])


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.integers(0, 10_000), st.sampled_from([0.1, 3.0, 50.0]))
def test_any_logits_give_probabilities_that_a_shift_does_not_change(n_classes, seed, scale):
    logits = np.random.default_rng(seed).normal(scale=scale, size=(20, n_classes))
    present = np.ones(20, dtype=bool)
    found = as_probabilities(logits, present)
    np.testing.assert_allclose(found.matrix.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found.matrix, as_probabilities(logits + 7, present, "logits").matrix, atol=1e-6)
    twice = as_probabilities(found.matrix, present)
    assert twice.form == "probabilities"
    np.testing.assert_allclose(twice.matrix, found.matrix, atol=1e-6)
