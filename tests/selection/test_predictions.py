"""Predictions as they are read, and uncertainty against cases with a known answer."""

import tracemalloc

import numpy as np
import pytest
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.selection.linear_head import LinearHead
from fiftyone_coreset.plugin.selection.predictions import Predictions, uncertainty
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

MEASURES = ("margin", "entropy", "least_confidence")


def probabilities(n=50, n_classes=4, seed=0, spread=2.0):
    powers = np.exp(np.random.default_rng(seed).normal(size=(n, n_classes)) * spread)
    return powers / powers.sum(axis=1, keepdims=True)


def test_known_values():
    P = [[1, 0, 0], [0.5, 0.5, 0], [1 / 3] * 3, [0.6, 0.3, 0.1]]
    np.testing.assert_allclose(uncertainty(P), [0, 1, 1, 0.7], atol=1e-6)
    np.testing.assert_allclose(uncertainty(P, "entropy")[:3], [0, np.log(2) / np.log(3), 1], atol=1e-6)
    np.testing.assert_allclose(uncertainty(P, "least_confidence"), [0, 0.5, 2 / 3, 0.4], atol=1e-6)
    np.testing.assert_allclose(uncertainty([[0.5, 1.0], [0.0, 1.0]], "multi_label"), [0.5, 0])  # scores


@given(arrays(np.float64, (8, 5), elements=st.floats(-20, 20)), st.permutations(range(5)))
def test_permuting_classes_changes_no_measure(logits, order):
    P = Predictions.from_logits(logits).probabilities
    for measure in MEASURES:
        value = uncertainty(P, measure)
        np.testing.assert_allclose(uncertainty(P[:, order], measure), value, atol=1e-12)
        assert ((value >= 0) & (value <= 1 + 1e-6)).all()


def test_for_two_classes_all_measures_give_one_order():
    P = probabilities(200, 2)
    orders = [np.argsort(uncertainty(P, measure)) for measure in MEASURES]
    np.testing.assert_array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(orders[0], orders[2])


def test_a_constant_added_to_logits_changes_the_energy_alone():
    Z = np.random.default_rng(0).normal(size=(30, 4)) * 3
    plain, moved = Predictions.from_logits(Z), Predictions.from_logits(Z + 7)
    for measure in MEASURES:
        np.testing.assert_allclose(uncertainty(plain, measure), uncertainty(moved, measure), atol=1e-6)
    np.testing.assert_allclose(uncertainty(moved, "energy"), uncertainty(plain, "energy") - 7)
    np.testing.assert_allclose(uncertainty(Z, "energy"), -np.log(np.exp(Z).sum(axis=1)))


def test_huge_logits_are_no_trouble():
    found = Predictions.from_logits(np.array([[1000.0, 0], [0, -2000], [-900, -900]], dtype=np.float32))
    np.testing.assert_allclose(found.probabilities, [[1, 0], [1, 0], [0.5, 0.5]])


@pytest.mark.parametrize("values", [probabilities(), np.log(probabilities())])
def test_the_energy_of_probabilities_is_refused(values):
    with pytest.raises(CoresetError, match="energy needs logits as the model gave them"):
        uncertainty(values, "energy")


def test_blocks_give_what_one_block_gives(monkeypatch):
    P = probabilities(103, 7)
    whole = [uncertainty(P, measure) for measure in MEASURES]
    monkeypatch.setattr("fiftyone_coreset.plugin.selection.predictions._BLOCK_VALUES", 20)
    for measure, expected in zip(MEASURES, whole, strict=True):
        np.testing.assert_array_equal(uncertainty(P, measure), expected)


@pytest.mark.parametrize(
    ("work", "share"),
    [
        *[(lambda said, head, X, name=name: uncertainty(said, name), 0.1) for name in MEASURES],
        (lambda said, head, X: uncertainty(said.probabilities, "multi_label"), 0.1),
        (lambda said, head, X: Predictions.from_logits(said.probabilities), 0.7),  # single precision stays
        (lambda said, head, X: head.off_topic_probability(X), 0.7),
        (lambda said, head, X: head.boundary(X), 1.3),  # twice in single precision
    ],
)  # fmt: skip
def test_no_array_of_all_classes_is_made_in_double_precision(monkeypatch, work, share):
    """That of 1,000 classes of a million rows would take 8 GB; the limit is a share of what it would take here."""
    n, n_classes = 20_000, 50
    said = Predictions.from_probabilities(np.full((n, n_classes), 1 / n_classes, dtype=np.float32))
    weights, empty = np.ones((n_classes, 2)), np.empty(0, dtype=np.int64)
    head = LinearHead(
        tuple(range(n_classes)),
        weights,
        np.zeros(n_classes),
        np.zeros(2),
        np.ones(2),
        1.0,
        1.0,
        weights,
        empty,
        empty,
        0,
    )
    X = np.ones((n, 2), dtype=np.float32)
    monkeypatch.setattr("fiftyone_coreset.plugin.selection.predictions._BLOCK_VALUES", 10_000)
    monkeypatch.setattr("fiftyone_coreset.plugin.vectors.probabilities._BLOCK_VALUES", 10_000)
    monkeypatch.setattr("fiftyone_coreset.plugin.selection.linear_head._BLOCK_ROWS", 200)
    work(said, head, X)  # imports
    tracemalloc.start()
    try:
        work(said, head, X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < share * n * n_classes * 8


def test_disagreement_is_the_mutual_information():
    same = Predictions.from_probabilities(probabilities())
    assert np.allclose(Predictions.of_committee([same, same]).measured["disagreement"], 0, atol=1e-6)
    opposed = [
        Predictions.from_probabilities([[1, 0], [0.5, 0.5]]),
        Predictions.from_probabilities([[0, 1], [0.5, 0.5]]),
    ]
    committee = Predictions.of_committee(opposed)
    np.testing.assert_allclose(uncertainty(committee, "disagreement"), [1, 0])  # log 2, in units of log 2
    np.testing.assert_allclose(committee.probabilities, 0.5)


def test_off_topic_rows_count_less():
    found = Predictions.from_probabilities(probabilities(4))
    from dataclasses import replace

    off = np.array([0, 0.5, 1, 0.25])
    np.testing.assert_allclose(uncertainty(replace(found, off_topic=off)), uncertainty(found) * (1 - off))


def test_confidences_allow_one_measure():
    found = Predictions.from_confidence([0.9, np.nan, 0.4], ["cat", None, "dog"])
    np.testing.assert_allclose(uncertainty(found, found.default_measure), [0.1, np.nan, 0.6])
    assert found.classes == ("cat", "dog")
    assert found.predicted.tolist() == [0, -1, 1]
    assert found.present.tolist() == [True, False, True]
    with pytest.raises(CoresetError, match=r"hold only confidences.*'least_confidence'.*store_logits=True"):
        uncertainty(found, "entropy")


def test_a_few_unusable_rows_are_left_out_and_counted():
    P = probabilities(500)
    P[3, 0], P[7], P[11], P[13, 1] = np.nan, 0.5, [-0.1, 1.1, 0, 0], np.inf
    found = Predictions.from_probabilities(P)
    assert found.n_unusable == 4
    assert np.flatnonzero(~found.present).tolist() == [3, 7, 11, 13]
    assert np.isnan(uncertainty(found)[[3, 7, 11, 13]]).all()
    assert (found.predicted[[3, 7, 11, 13]] == -1).all()
    part = found.take(np.array([7, 0]))
    assert part.present.tolist() == [False, True]
    missing = np.zeros(500, dtype=bool)
    missing[[3, 7]] = True
    assert Predictions.from_probabilities(P, missing=missing).n_unusable == 2


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: uncertainty([[0.4, 0.4]]),
            "1 of 1 rows have probabilities that are NaN, infinite, negative or do not",
        ),
        (lambda: uncertainty([0.4, 0.6]), "must be an (n, C) matrix with one column for each class, got shape (2,)"),
        (lambda: uncertainty([["a"]]), "probabilities must be numbers"),
        (lambda: uncertainty(probabilities(), "surprise"), "measure 'surprise' cannot be told from these predictions"),
        (lambda: Predictions.from_probabilities(probabilities(), ["cat"]), "4 probabilities a row but 1 classes"),
        (lambda: Predictions.from_confidence([2.0]), "1 of 1 rows have confidences outside [0, 1]"),
        (lambda: Predictions.from_confidence(["high"]), "confidence must be numbers"),
        (lambda: Predictions.from_confidence([0.5], ["a", "b"]), "1 confidences but 2 labels"),
        (lambda: Predictions.from_logits([[np.nan, 1.0]]), "1 of 1 rows have logits that are not finite"),
        (
            lambda: Predictions.of_committee([Predictions.from_confidence([0.5])] * 2),
            "a committee needs the probabilities of all classes",
        ),
        (
            lambda: Predictions.of_committee([Predictions.from_probabilities(probabilities(n)) for n in (3, 4)]),
            "predictions 2 of 2 are of 4 rows and 4 classes",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(make, says):
    with pytest.raises(CoresetError) as error:
        make()
    assert says in str(error.value)
