"""What rounds do with input that is missing, odd or wrong: one row a case, with the sentence a person reads."""

from __future__ import annotations

import re

import fiftyone_coreset as fc
import numpy as np
import pytest
from labelling import label, truth


def _predict(pool, ids=None, confidence=0.6, field="pred", names="abc"):
    import fiftyone as fo

    shown = truth(pool)
    chosen = shown if ids is None else set(ids)
    pool.add_sample_field(field, fo.EmbeddedDocumentField, embedded_doc_type=fo.Classification)
    pool.set_values(
        field,
        [
            fo.Classification(label=names["abc".index(name)], confidence=confidence) if row_id in chosen else None
            for row_id, name in shown.items()
        ],
    )


def _nothing_labelled(pool):
    pass


def _one_class(pool):
    label(pool.match_tags("a"))


def _all_labelled(pool):
    label(pool)


def _labels_without_embedding(pool):
    label(pool[:9])
    pool.set_values("emb", [None] * 2 + pool.values("emb")[2:])


def _some_never_predicted(pool):
    label(pool[:9])
    _predict(pool, ids=pool[:40].values("id"))


def _predictions_of_labelled_only(pool):
    label(pool[:40])
    _predict(pool, ids=pool[:40].values("id"))


def _other_classes(pool):
    label(pool[:9])
    _predict(pool, names="abd")


def _certain(pool):
    label(pool[:9])
    _predict(pool, confidence=1.0)


def _ground_truth(pool):
    label(pool[:40])
    _predict(pool)


def _odd_labels(pool):
    import fiftyone as fo

    names = ["", " ", "cat", " cat", "dog"]
    pool.set_values("gt", [fo.Classification(label=name) for name in names] + [None] * 55)


def _test_copies(pool):
    label(pool[:9])
    pool[50:].tag_samples("test")
    vectors = pool.values("emb")
    pool.set_values("emb", [*vectors[:20], vectors[50], *vectors[21:]])


def _logits_of_two_lengths(pool):
    import fiftyone as fo

    logits = [np.eye(3)[row % 3] for row in range(59)] + [np.ones(4)]
    pool.set_values("pred", [fo.Classification(label="a", logits=row) for row in logits])


def _infinite_logits(pool):
    import fiftyone as fo

    logits = np.random.default_rng(0).normal(size=(60, 3))
    logits[0], logits[1] = np.nan, np.inf
    pool.set_values("pred", [fo.Classification(label="a", logits=row) for row in logits])


def _batch_under_test(pool):
    pool[:30].tag_samples("test")
    label(pool[:40])


ANSWERED = [
    (_nothing_labelled, {}, "There is no field 'gt' yet"),
    (_nothing_labelled, {}, "no label, so the batch is chosen by embeddings alone; label at least two classes"),
    (_nothing_labelled, {"label_field": "boxes"}, "light head learns nothing.* for more, or ask for objects"),
    (_one_class, {}, "There are labels of one class only, so the batch is chosen by embeddings alone"),
    (_nothing_labelled, {"budget": 100}, "60 of 60 images were chosen by kmedoids .*100 were asked for, but no more"),
    (_labels_without_embedding, {}, "2 labelled images have no embedding, and the light head does not see them"),
    (_some_never_predicted, {"predictions": "pred"}, "6 of 31 images .* Not asked for: 20 without prediction"),
    (_other_classes, {"predictions": "pred"}, "Classes that 'pred' never predicts: c. .*that no label in 'gt' has: d"),
    (_certain, {"predictions": "pred"}, "equally uncertain of all of them, so the order follows coverage alone"),
    (_ground_truth, {"predictions": "pred"}, "'pred' agrees with every label: it looks like ground truth"),
    (_odd_labels, {}, "2 labels are empty and count as none. ' cat' and 'cat' count as different classes"),
    (_test_copies, {}, r"6 of 41 .* 2 images are near-duplicates of test images \(exclude_test_copies=True"),
    (_test_copies, {"exclude_test_copies": True}, r"6 of 39 .* 2 images are near-duplicates of test images \(left"),
    (_batch_under_test, {}, "10 labels in 3 classes were there before.* 30 test images"),
]  # fmt: skip

REFUSED = [
    (_nothing_labelled, {"predictions": "gt"}, "'gt' holds the labels, so it cannot hold the predictions too"),
    (_nothing_labelled, {"method": "uherding"}, "method 'uherding' needs predictions: there is no label"),
    (_nothing_labelled, {"method": "nowhere"}, "there is no selection method 'nowhere'"),
    (_nothing_labelled, {"label_field": "lines"}, "label field 'lines' must be a Classification"),
    (_nothing_labelled, {"budget": 0}, "budget must be a whole number of images from 1, got 0"),
    (_nothing_labelled, {"budget": 2.5}, "budget must be a whole number of images from 1, got 2.5"),
    (_nothing_labelled, {"budget": True}, "budget must be a whole number of images from 1, got True"),
    (_nothing_labelled, {"brain_key": "my rounds"}, "brain_key 'my rounds' must be a valid variable name"),
    (_nothing_labelled, {"embeddings": "nowhere"}, "field 'nowhere' does not exist"),
    (_nothing_labelled, {"label_field": None}, "label_field must be the name of a field, .* got None"),
    (_nothing_labelled, {"label_field": ""}, "label_field must be the name of a field"),
    (_nothing_labelled, {"test": ""}, "test must be a tag, or None where there are no test images, got ''"),
    (_nothing_labelled, {"skip": "skip"}, r"skip must be a list of tags, e.g. \['skip', 'off_topic'\], got 'skip'"),
    (_nothing_labelled, {"skip": [1]}, "skip must be a list of tags"),
    (_nothing_labelled, {"seed": -1}, "seed must be a whole number"),
    (_nothing_labelled, {"nonsense": 1}, "method 'kmedoids' has no parameter 'nonsense'"),
    (_all_labelled, {}, "nothing is left to label of 60 images: all have a label"),
    (_predictions_of_labelled_only, {"predictions": "pred"}, "'pred' has predictions of labelled images only; predict"),
    (_logits_of_two_lengths, {"predictions": "pred"}, r"'\w{24}' has 4 logits in field 'pred', but most images have 3"),
    (_infinite_logits, {"predictions": "pred"}, "'pred' is unusable in 2 of 60 images"),
    (_nothing_labelled, {"predictions": "nowhere"}, "predictions: field 'nowhere' does not exist"),
    (_nothing_labelled, {"predictions": np.zeros((3, 2))}, "one row for each of the 60 images"),
]  # fmt: skip


@pytest.fixture
def prepared(pool):
    """The pool with fields for detections and polylines, "boxes" and "lines", and images of class a tagged "a"."""
    import fiftyone as fo

    pool.select([row_id for row_id, name in truth(pool).items() if name == "a"]).tag_samples("a")
    pool.add_sample_field("boxes", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    pool.add_sample_field("lines", fo.EmbeddedDocumentField, embedded_doc_type=fo.Polylines)
    return pool


@pytest.mark.parametrize(("prepare", "arguments", "sentence"), ANSWERED)
def test_odd_input_is_named(prepared, ask, prepare, arguments, sentence):
    prepare(prepared)
    batch = ask(**arguments)
    assert re.search(sentence, batch.why), batch.why
    assert batch.results.last.why == batch.why


@pytest.mark.parametrize(("prepare", "arguments", "sentence"), REFUSED)
def test_wrong_input_is_refused_and_nothing_is_written(prepared, ask, prepare, arguments, sentence):
    prepare(prepared)
    with pytest.raises(fc.CoresetError, match=sentence):
        ask(**arguments)
    assert prepared.list_brain_runs() == []
    assert not [name for name in prepared.get_field_schema() if name.startswith("rounds")]


def test_names_that_others_have_are_refused(pool, ask):
    pool.add_sample_field("mine_round", type(pool.get_field("filepath")))
    with pytest.raises(fc.CoresetError, match="field 'mine_round' exists and is no campaign's"):
        ask(brain_key="mine")
    pool.save_view("rounds round 1", pool[:3])
    with pytest.raises(fc.CoresetError, match="saved view 'rounds round 1' exists"):
        ask()
    fc.compute_coreset(pool, "emb", "coreset", method="random", projection=None, progress=False)
    with pytest.raises(fc.CoresetError, match="brain key 'coreset' belongs to a run of another type"):
        ask(brain_key="coreset")
    assert len(pool.load_saved_view("rounds round 1")) == 3


def test_a_campaign_keeps_its_label_field(pool, ask):
    batch = ask()
    with pytest.raises(fc.CoresetError, match="'rounds' has labels in 'gt', not 'other'; choose another brain_key"):
        ask(label_field="other", force=True)
    label(batch.view)
    pool.rename_sample_field("gt", "truth")
    with pytest.raises(fc.CoresetError, match=r"field 'gt' does not exist .* say with label_field="):
        fc.record_round(pool)
    assert fc.record_round(pool, label_field="truth").n_returned == 6
    assert ask(label_field="truth").labelled == 6


def test_nothing_came_back(pool, ask):
    ask()
    pool.add_sample_field("gt", **_classification())
    with pytest.raises(fc.CoresetError, match=r"none of the 6 images of round 1 has a label; .*\.cancel\(1\) takes"):
        fc.record_round(pool)


def _classification():
    import fiftyone as fo

    return {"ftype": fo.EmbeddedDocumentField, "embedded_doc_type": fo.Classification}


@pytest.mark.parametrize(
    "call", [lambda pool: fc.record_round(pool, "nowhere"), lambda pool: fc.load_rounds(pool, "nowhere")]
)
def test_campaigns_that_do_not_exist(pool, call):
    with pytest.raises(fc.CoresetError, match=r"has no labelling rounds 'nowhere' \(there are: none"):
        call(pool)


def test_rounds_that_do_not_exist(pool, ask):
    ask()
    for number in (2, -1, True):
        with pytest.raises(fc.CoresetError, match=r"has no round .*; its rounds are 1"):
            fc.load_rounds(pool).view(number)


def test_the_same_seed_reserves_the_same_images(pool):
    drawn = [
        set(fc.reserve_test(pool, 5, tag=f"t{place}", seed=seed).values("id")) for place, seed in enumerate([1, 1, 2])
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_test_set_is_proportional_and_never_asked_for(pool, ask):
    pool.set_values("camera", ["x"] * 40 + ["y"] * 20)
    test = fc.reserve_test(pool, size=15, by="camera", seed=3)
    assert test.count_values("camera") == {"x": 10, "y": 5}
    assert pool.count_sample_tags() == {"test": 15}
    assert not set(ask(budget=100).ids) & set(test.values("id"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"size": 0}, "size must be a whole number of images from 1, got 0"),
        ({"size": 60}, "60 test images were wanted, but only 60 images were not asked for"),
        ({"size": 5, "tag": "a"}, "20 images carry the tag 'a' already; choose another tag"),
        ({"size": 5, "tag": " "}, "tag must be text"),
        ({"size": 5, "by": "nowhere"}, "by: field 'nowhere' does not exist"),
        ({"size": 5, "seed": "x"}, "seed must be a whole number"),
    ],
)
def test_unusable_test_sets_are_refused(prepared, arguments, sentence):
    with pytest.raises(fc.CoresetError, match=sentence):
        fc.reserve_test(prepared, **arguments)
    assert prepared.count_sample_tags() == {"a": 20}


def test_images_that_were_asked_for_are_no_test_images(pool, ask):
    batch = ask(budget=50)
    assert not set(fc.reserve_test(pool, 9).values("id")) & set(batch.ids)
    with pytest.raises(fc.CoresetError, match="10 test images were wanted, but only 10 images were not asked for"):
        fc.reserve_test(pool, 10, tag="more")


def test_what_predictions_take_is_said_before_they_are_made(pool, ask):
    label(pool[:9])
    said = []
    ask(progress=lambda fraction, message: said.append((fraction, message)))
    ((fraction, message),) = [entry for entry in said if "predicting" in entry[1]]
    assert fraction < 0.2
    assert re.fullmatch(r"predicting 3 classes of 60 images, 0\.0 GB", message)
