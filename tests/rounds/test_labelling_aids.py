"""Menus, piles, several annotators and chosen test sets on a dataset, against their functions on arrays."""

from __future__ import annotations

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset.plugin.selection.active_testing import draw_test
from labelling import label, truth


@pytest.fixture
def campaign(pool, ask):
    """The pool with a recorded round, 19 labelled test images and six images learned from; and its light head."""
    fc.reserve_test(pool, 19)
    label(pool.match_tags("test"))
    label(ask().view)
    fc.record_round(pool)
    learned = pool.match_tags("test", bool=False).exists("gt").values("id")
    shown = truth(pool)
    labels = [shown[row_id] if row_id in learned else None for row_id in pool.values("id")]
    return pool, fc.fit_head(np.stack(pool.values("emb")), labels)


def test_menus_are_calibrated_on_the_test_images(campaign):
    pool, head = campaign
    sets = fc.write_menus(pool)
    vectors, is_test = np.stack(pool.values("emb")), np.array(["test" in tags for tags in pool.values("tags")])
    said = head.predictions(vectors, calibrated=True)
    shown = np.array([head.classes.index(name) for name in truth(pool).values()])
    wanted = fc.candidate_sets(said.probabilities[is_test], shown[is_test])
    assert (sets.n_calibration, sets.least) == (19, pytest.approx(wanted.least))
    menus, names = pool.values("rounds_menu"), wanted.names(said)
    labelled = np.array([name is not None for name in pool.values("gt")])
    for row in range(60):
        assert menus[row] == (None if labelled[row] else names[row])
    held = [name in menu for name, menu in zip(truth(pool).values(), menus, strict=True) if menu]
    assert np.mean(held) >= 0.8
    with pytest.raises(fc.CoresetError, match="field 'rounds_menu' exists"):
        fc.write_menus(pool)
    with pytest.raises(fc.CoresetError, match="need at least 99 labels of a random test set, there are 19"):
        fc.write_menus(pool, alpha=0.01, overwrite=True)


def test_a_class_that_no_menu_could_hold_is_named(campaign):
    pool, _ = campaign
    pool.match_tags("test")[:2].set_values("gt", [fo.Classification(label="owl")] * 2)
    with pytest.raises(fc.CoresetError, match=r"2 test images show classes that the model does not know \(owl\)"):
        fc.write_menus(pool)


def test_a_pile_is_checked_by_a_random_sample(campaign):
    pool, head = campaign
    counts = fc.write_piles(pool, risk=0.5)
    said = head.predictions(np.stack(pool.values("emb")), calibrated=True)
    free = np.array([name is None for name in pool.values("gt")])
    wanted = fc.piles(said, 0.5)
    assert counts["confirm"] == (wanted[free] == "confirm").sum() > 8
    assert [pile for pile in pool.values("rounds_pile") if pile] == wanted[free].tolist()
    check = fc.check_pile(pool, n=8)
    assert (check.n, check.error) == (0, None)
    assert set(check.view.values("rounds_pile")) == {"confirm"}
    assert check.view.values("id") == fc.check_pile(pool, n=8).view.values("id")
    guesses = check.view.values("rounds_pile_class")
    labels = [fo.Classification(label="owl" if place == 0 else name) for place, name in enumerate(guesses)]
    check.view.set_values("gt", labels)
    found = fc.check_pile(pool, n=8)
    assert (found.n, found.error) == (8, 1 / 8)
    assert found.interval[0] < 1 / 8 < found.interval[1]
    assert str(found) == "12% of 8 images are of another class (2% to 47%)."


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda pool: fc.check_pile(pool), "field 'rounds_pile' does not exist; write_piles"),
        (lambda pool: fc.check_pile(pool, n=0), "n must be a whole number from 1"),
        (lambda pool: fc.write_piles(pool, "nowhere"), "has no labelling rounds 'nowhere'"),
        (lambda pool: fc.write_piles(pool, predictions="gt"), "'gt' holds the labels"),
    ],
)
def test_what_cannot_be_sorted_is_refused(campaign, call, sentence):
    with pytest.raises(fc.CoresetError, match=sentence):
        call(campaign[0])


def test_annotators_are_weighed_as_on_arrays(pool):
    rng = np.random.default_rng(0)
    shown = list(truth(pool).values())
    fields = {}
    for name, share, reliability in (("anna", 0.6, 0.95), ("ben", 0.6, 0.7), ("cleo", 0.4, 0.4)):
        said = [known if rng.random() < reliability else "abc"[rng.integers(3)] for known in shown]
        fields[name] = [answer if rng.random() < share else None for answer in said]
        pool.set_values(name, [None if answer is None else fo.Classification(label=answer) for answer in fields[name]])
    vectors = pool.values("emb")
    pool.set_values("emb", [None, *vectors[1:]])
    found = fc.score_annotations(pool, list(fields), embeddings="emb")
    given = list(zip(*fields.values(), strict=True))
    majority = [
        max(sorted(set(filter(None, row))), key=row.count) if any(row) else None for row in [(None,) * 3, *given[1:]]
    ]
    head = fc.fit_head(np.stack(vectors), majority)
    logits = head.logits(np.stack(vectors))
    assert np.isnan(found.score[0])
    labelled = np.array([any(row) for row in given])
    assert (found.consensus[1:] >= 0).tolist() == labelled[1:].tolist()
    known = np.flatnonzero(labelled)[1:] if labelled[0] else np.flatnonzero(labelled)
    right = np.array([head.classes[found.consensus[row]] == shown[row] for row in known])
    assert right.mean() > 0.9
    assert found.annotator_weights.argmax() == 0
    assert found.annotator_weights.argmin() == 2
    assert logits.shape == (60, 3)
    scores = np.array([np.nan if value is None else value for value in pool.values("active_lab")])
    np.testing.assert_allclose(scores, found.score)
    assert [name for name in pool.values("active_lab_consensus") if name] == [
        head.classes[number] for number in found.consensus if number >= 0
    ]
    with pytest.raises(fc.CoresetError, match="field 'active_lab' exists"):
        fc.score_annotations(pool, ["anna"], embeddings="emb")


def test_a_model_of_ones_own_gives_what_arrays_give(pool):
    P = np.random.default_rng(0).dirichlet(np.ones(3), 60)
    classes = list("abc")
    pool.classes["pred"] = classes
    pool.set_values("pred", [fo.Classification(label=classes[row.argmax()], logits=row) for row in P])
    answers = [["a", "b", "c", None][row % 4] for row in range(60)]
    pool.set_values("anna", [answer and fo.Classification(label=answer) for answer in answers])
    pool.set_values("ben", [fo.Classification(label="a")] * 30 + [None] * 30)
    found = fc.score_annotations(pool, ["anna", "ben"], "pred")
    given = np.array([answers, ["a"] * 30 + [None] * 30], dtype=object).T
    wanted = fc.active_lab(given, fc.Predictions.from_probabilities(P, classes))
    np.testing.assert_allclose(found.score, wanted.score, atol=1e-6)


@pytest.fixture
def predicted(pool):
    """The pool with a model that is right on two of three images, in "pred"."""
    classes, shown = list("abc"), list(truth(pool).values())
    P = np.full((60, 3), 0.2)
    for row, name in enumerate(shown):
        P[row, (classes.index(name) + (row % 5 == 0)) % 3] = 0.6
    pool.classes["pred"] = classes
    pool.set_values("pred", [fo.Classification(label=classes[row.argmax()], logits=row) for row in P])
    return pool, P


def test_a_chosen_test_set_tells_the_accuracy(predicted):
    pool, P = predicted
    label(pool[:10])
    view = fc.select_test(pool, 20, "pred", label_field="gt", seed=3)
    wanted = draw_test(fc.Predictions.from_probabilities(P), 20, excluded=np.arange(10), seed=3)
    ids = pool.values("id")
    assert view.values("id") == [ids[row] for row in wanted.rows]
    assert view.values("chosen_test_probability") == pytest.approx(wanted.probabilities.tolist())
    assert pool.count_sample_tags() == {"chosen_test": 20}
    with pytest.raises(fc.CoresetError, match="20 of the 20 test images of 'chosen_test' have no label"):
        fc.chosen_accuracy(pool, "pred", label_field="gt")
    label(view)
    wrong = (wanted.rows % 5 == 0).astype(float)
    risk, error = fc.lure_risk(wrong, wanted.probabilities, 50)
    assert fc.chosen_accuracy(pool, "pred", label_field="gt") == pytest.approx((1 - risk, error))
    pool.delete_samples(view.first().id)
    with pytest.raises(fc.CoresetError, match="test images of 'chosen_test' were deleted"):
        fc.chosen_accuracy(pool, "pred", label_field="gt")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"tag": "my test"}, "tag 'my test' must be a valid variable name"),
        ({"size": 0}, "size must be a whole number from 1"),
        ({"size": 61}, r"size must lie in 1\.\.60"),
    ],
)
def test_test_sets_that_cannot_be_chosen_are_refused(predicted, options, sentence):
    pool, _ = predicted
    with pytest.raises(fc.CoresetError, match=sentence):
        fc.select_test(pool, **{"size": 5, "predictions": "pred"} | options)
    assert pool.count_sample_tags() == {}
    with pytest.raises(fc.CoresetError, match="has no test set 'chosen_test'"):
        fc.chosen_accuracy(pool, "pred")
